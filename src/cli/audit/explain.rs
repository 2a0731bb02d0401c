//! `skep audit --explain`: what is behind a check. Asks no host.

use serde_json::json;

use super::super::args::Common;
use super::super::exit;
use super::super::failure::Failure;
use crate::audit::{self, CHECKS, Check};
use crate::inventory::suggestion;
use crate::report::{explanation, explanations};

pub(super) fn run(common: &Common, sought: Option<&str>) -> Result<u8, Failure> {
    let printer = common.printer();
    let checks = match sought {
        Some(id) => &[audit::check(id).ok_or_else(|| unknown(id))?][..],
        None => CHECKS,
    };
    match sought {
        _ if common.json => checks.iter().for_each(|check| printer.result(&json(check))),
        Some(_) => checks.iter().for_each(|check| printer.result(&explanation(check, printer.stdout()))),
        None => printer.result(&explanations(checks, printer.stdout())),
    }
    Ok(exit::OK)
}

fn json(check: &Check) -> String {
    let Check { id, family, title, explanation, .. } = check;
    json!({"id": id, "family": family.title(), "title": title, "explanation": explanation}).to_string()
}

fn unknown(id: &str) -> Failure {
    let ids: Vec<_> = CHECKS.iter().map(|check| check.id).collect();
    let meant = suggestion(id, &ids).map(|meant| format!("did you mean `{meant}`? "));
    Failure::new(exit::USAGE, format!("no check is called `{id}`"))
        .help(format!("{}`skep audit --explain` lists all", meant.unwrap_or_default()))
}
