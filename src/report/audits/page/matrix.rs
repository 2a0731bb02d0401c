//! Every check on every node at a glance.

use std::collections::HashMap;

use serde::Serialize;

use super::parts::{LOST, Sign, Whom, sign, whom};
use crate::audit::{Check, Family, Report, Severity};
use crate::inventory::model::NodeName;
use crate::report::audits::findings::Finding;

/// More columns than that stand upright.
const LEVEL: usize = 10;

/// Checks by nodes.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    columns: Vec<Column>,
    upright: bool,
    families: Vec<MatrixFamily>,
}

#[derive(Debug, Serialize)]
struct Column {
    whom: Whom,
    lost: bool,
}

#[derive(Debug, Serialize)]
struct MatrixFamily {
    title: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    check: String,
    title: String,
    /// The worst of the row.
    class: &'static str,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    key: String,
    /// None where the check does not apply, or the node was not reached.
    sign: Option<Sign>,
    lost: bool,
    /// The number of the worst finding.
    number: usize,
    /// The numbers of all findings.
    numbers: String,
    told: String,
}

impl Matrix {
    pub(super) fn of(report: &Report, found: &[Finding<'_>], checks: &[&Check]) -> Self {
        let cluster = found.iter().any(|finding| finding.nodes.is_empty());
        let names =
            cluster.then_some(None).into_iter().chain(report.nodes.iter().map(|node| Some(&node.name)));
        let names: Vec<Option<&NodeName>> = names.collect();
        let columns: Vec<_> = names.iter().map(|name| column(report, *name)).collect();
        let mut cells: HashMap<(&str, Option<&NodeName>), Vec<usize>> = HashMap::new();
        for (number, finding) in found.iter().enumerate() {
            let whom = finding.nodes.iter().map(Some).chain(finding.nodes.is_empty().then_some(None));
            whom.for_each(|node| cells.entry((finding.check, node)).or_default().push(number));
        }
        let row = |id: &str| {
            let cell = |(name, column): (&Option<&NodeName>, &Column)| {
                cell(column, id, cells.get(&(id, *name)).map_or(&[][..], Vec::as_slice), found)
            };
            let worst =
                found.iter().filter(|finding| finding.check == id).map(|finding| finding.severity).min();
            Row {
                check: id.to_owned(),
                title: checks.iter().find(|check| check.id == id).map_or(id, |check| check.title).to_owned(),
                class: sign(worst.unwrap_or(Severity::Ok)).class,
                cells: names.iter().zip(&columns).map(cell).collect(),
            }
        };
        let families = by_family(found, checks).into_iter();
        let families =
            families.map(|(title, ids)| MatrixFamily { title, rows: ids.into_iter().map(row).collect() });
        Self { families: families.collect(), upright: columns.len() > LEVEL, columns }
    }
}

fn column(report: &Report, name: Option<&NodeName>) -> Column {
    match name {
        None => Column { whom: Whom { key: "c".to_owned(), name: "cluster".to_owned() }, lost: false },
        Some(name) => Column { whom: whom(report, name), lost: report.unreachable.contains_key(name) },
    }
}

fn cell(column: &Column, id: &str, numbers: &[usize], found: &[Finding<'_>]) -> Cell {
    let worst = numbers.iter().min_by_key(|number| found[**number].severity).copied();
    let name = &column.whom.name;
    let told = match worst {
        Some(worst) => format!("{name}, {id}: {}", found[worst].message),
        None if column.lost => format!("{name}: {}", LOST.word),
        None => format!("{name}, {id}: does not apply"),
    };
    Cell {
        key: column.whom.key.clone(),
        sign: worst.map(|worst| sign(found[worst].severity)),
        lost: column.lost,
        number: worst.unwrap_or_default(),
        numbers: numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        told,
    }
}

/// The checks that said something, in the order of all checks; those that are not known come last.
fn by_family<'a>(found: &[Finding<'a>], checks: &[&'a Check]) -> Vec<(&'static str, Vec<&'a str>)> {
    let mut families: Vec<(Option<Family>, Vec<&str>)> = Vec::new();
    let mut add = |family, id| match families.iter_mut().find(|(known, _)| *known == family) {
        Some((_, ids)) if ids.contains(&id) => {}
        Some((_, ids)) => ids.push(id),
        None => families.push((family, vec![id])),
    };
    for check in checks.iter().filter(|check| found.iter().any(|finding| finding.check == check.id)) {
        add(Some(check.family), check.id);
    }
    for finding in found.iter().filter(|finding| checks.iter().all(|check| check.id != finding.check)) {
        add(None, finding.check);
    }
    families.into_iter().map(|(family, ids)| (family.map_or("Other checks", Family::title), ids)).collect()
}
