//! The table of `docs/check-config.md`: what the script and skep make of Debian's kernels where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use skep::audit::Severity;

use crate::script::{Answer, Section};
use crate::support::left_out;
use crate::{Judged, compare, fetched};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check-config.md");
/// The table's head; it ends with an empty line.
const HEAD: &str = "| option | kernel | script of | its verdict | skep's verdict |\n|---|---|---|---|---|\n";

/// One of all, as the table names it.
fn some(of: &BTreeSet<String>, all: &BTreeSet<String>) -> String {
    if of == all { "all".to_owned() } else { Vec::from_iter(of.iter().cloned()).join(", ") }
}

/// `6.1.0-44-cloud-arm64` is `6.1 arm64`.
fn kernel_of(release: &str) -> String {
    let version: Vec<_> = release.splitn(3, '.').take(2).collect();
    format!("{} {}", version.join("."), release.rsplit('-').next().unwrap())
}

fn theirs(verdict: Option<(Section, Answer)>) -> String {
    let Some((section, answer)) = verdict else { return "not asked for".to_owned() };
    let place = match section {
        Section::Necessary => "necessary",
        Section::Optional | Section::Encrypted | Section::Helpers => "optional",
        Section::Overlay | Section::Ipvlan | Section::Macvlan => "network driver",
        Section::Storage => "storage driver",
    };
    format!("{place}: {}", if answer == Answer::Missing { "missing" } else { "enabled" })
}

fn ours(verdict: Option<Judged>) -> String {
    let Some(Judged { answer, check, severity }) = verdict else { return "not asked for".to_owned() };
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Unknown => "unknown",
        Severity::Note => "note",
        Severity::Ok => "ok",
    };
    format!("`{check}`: {}, {word}", if answer == Answer::Missing { "missing" } else { "enabled" })
}

/// Whose script that is; none of a user's own, which the table is not about.
fn debian_of(script: &str) -> Option<&'static str> {
    let release = script.strip_prefix("docker.io of ")?;
    Some(if release == fetched::ANOTHER { "Debian 13" } else { "Debian 12" })
}

/// The table, its head included; none where this computer is another than its kernels are of.
fn table() -> Option<String> {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let (scripts, kernels) = (fetched::scripts(), fetched::kernels());
    let scripts: Vec<_> =
        scripts.iter().filter_map(|script| Some((debian_of(&script.name)?, script))).collect();
    if !system.contains("VERSION_CODENAME=bookworm") || scripts.len() < 2 || kernels.len() < 3 {
        return None;
    }
    let mut found: BTreeMap<(String, String, String), BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for kernel in kernels {
        for (name, script) in &scripts {
            for one in compare(&script.run(&kernel.release, &kernel.config), &kernel.release, &kernel.config)
            {
                let same = (one.option, theirs(one.theirs), ours(one.ours));
                let of_script = found.entry(same).or_default().entry(kernel_of(&kernel.release)).or_default();
                of_script.insert((*name).to_owned());
            }
        }
    }
    let all_kernels: BTreeSet<_> = kernels.iter().map(|kernel| kernel_of(&kernel.release)).collect();
    let all_scripts: BTreeSet<_> = scripts.iter().map(|(name, _)| (*name).to_owned()).collect();
    // Options of which the same is to be said share a line.
    let mut lines: BTreeMap<[String; 4], Vec<String>> = BTreeMap::new();
    for ((option, theirs, ours), kernels) in found {
        let mut by_scripts: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
        for (kernel, scripts) in kernels {
            by_scripts.entry(scripts).or_default().insert(kernel);
        }
        for (scripts, kernels) in by_scripts {
            let (kernels, scripts) = (some(&kernels, &all_kernels), some(&scripts, &all_scripts));
            lines
                .entry([theirs.clone(), ours.clone(), kernels, scripts])
                .or_default()
                .push(format!("`{option}`"));
        }
    }
    let line = |([theirs, ours, kernels, scripts], options): ([String; 4], Vec<String>)| {
        format!("| {} | {kernels} | {scripts} | {theirs} | {ours} |\n", options.join(", "))
    };
    Some(HEAD.to_owned() + &lines.into_iter().map(line).collect::<String>())
}

#[test]
fn a_script_of_your_own_is_none_of_debians() {
    let names = ["docker.io of this computer's release", "docker.io of trixie", "your own"];
    assert_eq!(names.map(debian_of), [Some("Debian 12"), Some("Debian 13"), None]);
}

#[test]
fn the_documentation_tells_both_verdicts_on_debians_kernels() {
    let Some(table) = table() else {
        return left_out("Debian 12, whose kernels and script the table of docs/check-config.md is about");
    };
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(HEAD).expect("the table's head");
    let (told, after) = rest.split_once("\n\n").expect("the table's end");
    if std::env::var_os("SKEP_BLESS").is_some() {
        fs::write(PAGE, format!("{before}{table}\n{after}")).unwrap();
        return;
    }
    let help = "docs/check-config.md is out of date: SKEP_BLESS=1 cargo test --test check_config verdicts";
    assert_eq!(format!("{HEAD}{told}\n"), table, "{help}");
}
