use super::*;
use crate::audit::Verdict;

pub(super) fn sample() -> Report {
    Report::read(include_str!("../../../tests/fixtures/audit/v1.json")).unwrap()
}

/// The day before: the clock of n4 was worse, n2 had no export, n5 answered, n6 was there.
pub(super) fn day_before() -> Report {
    let mut before = sample();
    before.at = "2026-07-26T10:15:00Z".to_owned();
    before.unreachable.clear();
    let mut gone = before.nodes[4].clone();
    gone.name = "n6".into();
    before.nodes.push(gone);
    for verdict in &mut before.verdicts {
        match (verdict.check.as_str(), verdict.severity) {
            ("clock", Severity::Warning) => verdict.severity = Severity::Error,
            ("kernel-overlay", Severity::Error) => verdict.severity = Severity::Ok,
            ("cgroup", Severity::Ok) => verdict.severity = Severity::Warning,
            _ => {}
        }
    }
    before
}

const NARROW: Surface = Surface { width: Some(80), ..Surface::PLAIN };

#[test]
fn the_whole_text_in_80_columns() {
    let (report, before) = (sample(), day_before());
    let changes = Changes::between(&before, &report);
    let told = text(&report, Some(&changes), &NARROW);
    insta::assert_snapshot!(told);
    let wide: Vec<_> =
        told.lines().filter(|line| console::measure_text_width(line) > 80 && !line.contains('`')).collect();
    assert_eq!(wide, [""; 0]);
}

#[test]
fn a_log_breaks_no_lines_and_holds_no_escapes() {
    let told = text(&sample(), None, &Surface::PLAIN);
    insta::assert_snapshot!(told);
    assert!(!told.contains('\u{1b}'));
}

#[test]
fn all_of_it_where_that_is_asked_for() {
    let told = text(&sample(), None, &Surface { verbose: true, ..NARROW });
    for part in ["well\n", "3 managers survive the loss of 1", "n1    n2  ✔", "docker.io hold"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn colours_change_no_letter() {
    for width in [None, Some(80), Some(30)] {
        let plain = Surface { width, ..Surface::PLAIN };
        let report = sample();
        let changes = Changes::between(&day_before(), &report);
        let coloured = text(&report, Some(&changes), &Surface { colour: true, ..plain });
        assert_eq!(
            anstream::adapter::strip_str(&coloured).to_string(),
            text(&report, Some(&changes), &plain)
        );
    }
}

#[test]
fn the_quiet_are_told_errors_alone() {
    let told = errors(&sample(), &Surface::PLAIN);
    assert!(told.starts_with("errors\n") && told.contains("kernel-overlay"), "{told}");
    assert!(!told.contains("warnings") && !told.contains("disk-space"), "{told}");
    let mut calm = sample();
    calm.verdicts.retain(|verdict| verdict.severity != Severity::Error);
    assert_eq!(errors(&calm, &Surface::PLAIN), "");
}

#[test]
fn an_audit_that_found_nothing_says_so_in_one_line() {
    let mut calm = sample();
    calm.verdicts.retain(|verdict| verdict.severity == Severity::Ok);
    calm.unreachable.clear();
    calm.reach = None;
    assert_eq!(
        text(&calm, None, &Surface::PLAIN),
        "audit of home  ·  nothing is wrong  ·  22 checks are well"
    );
    calm.verdicts.clear();
    assert!(text(&calm, None, &Surface::PLAIN).ends_with("0 checks are well"));
}

#[test]
fn of_long_evidence_only_the_first_lines_are_shown() {
    let mut report = sample();
    let errors: Vec<Verdict> =
        report.verdicts.iter().filter(|verdict| verdict.severity == Severity::Error).cloned().collect();
    report.verdicts = errors[..1].to_vec();
    let one = report.verdicts[0].evidence[0].clone();
    report.verdicts[0].evidence =
        (0..20).map(|n| Evidence { text: format!("line {n}."), ..one.clone() }).collect();
    let told = text(&report, None, &Surface::PLAIN);
    assert!(
        told.contains("line 3.") && !told.contains("line 4.") && told.contains("16 more: -v shows all"),
        "{told}"
    );
    assert!(text(&report, None, &Surface { verbose: true, ..Surface::PLAIN }).contains("line 19."));
}

#[test]
fn the_ports_are_shown_only_where_something_is_in_the_way() {
    let mut report = sample();
    let reach = report.reach.as_mut().unwrap();
    reach.tries.retain(|one| one.result == crate::audit::TryResult::Open);
    reach.mtus.retain(|mtu| mtu.bytes == Some(mtu.interface));
    assert!(!text(&report, None, &Surface::PLAIN).contains("between the nodes"));
    let all = text(&report, None, &Surface { verbose: true, ..Surface::PLAIN });
    assert!(all.contains("between the nodes: each port that was tried is open"), "{all}");
}

#[test]
fn no_text_of_a_host_steers_the_terminal() {
    let evil = "x\u{1b}[2J\u{7}\r\u{9b}1m\u{202e}".to_owned();
    let mut report = sample();
    for verdict in &mut report.verdicts {
        verdict.message.clone_from(&evil);
        verdict.check.clone_from(&evil);
        verdict.evidence = vec![Evidence { place: evil.clone(), text: evil.clone() }];
        verdict.remedy = vec![evil.clone()];
    }
    for one in &mut report.reach.as_mut().unwrap().tries {
        one.result = crate::audit::TryResult::Blocked(evil.clone());
    }
    let changes = Changes::between(&sample(), &report);
    let told = text(&report, Some(&changes), &Surface { verbose: true, ..NARROW });
    assert!(!told.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{told:?}");
}

#[test]
fn ascii_is_ascii() {
    assert!(text(&sample(), None, &Surface { unicode: false, ..Surface::PLAIN }).is_ascii());
}

#[test]
fn the_manual_lists_all_checks() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let (before, rest) = manual.split_once("the_manual_lists -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of checks -->").unwrap();
    let wanted = format!(
        "{before}the_manual_lists -->\n{}<!-- end of checks -->{after}",
        markdown(crate::audit::CHECKS)
    );
    if std::env::var_os("SKEP_BLESS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let manual = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        manual, wanted,
        "docs/audit.md is out of date: SKEP_BLESS=1 cargo test --lib the_manual_lists"
    );
}

const CHECKS: &[&crate::audit::Check] = &[
    &crate::audit::Check {
        id: "kernel-overlay",
        family: crate::audit::Family::Kernel,
        title: "overlay networks",
        explanation: "Overlay networks are VXLAN, and without it no task reaches one on another node, whatever else is right.\nLoad it.",
        examine: |_| Vec::new(),
    },
    &crate::audit::Check {
        id: "clock",
        family: crate::audit::Family::System,
        title: "the clock",
        explanation: "Certificates need it.",
        examine: |_| Vec::new(),
    },
];

#[test]
fn a_check_is_explained_and_all_are_listed_by_family() {
    insta::assert_snapshot!(explanation(CHECKS[0], &NARROW), @r"
    kernel-overlay  ·  overlay networks  ·  Kernel

    Overlay networks are VXLAN, and without it no task reaches one on another node,
    whatever else is right.
    Load it.
    ");
    insta::assert_snapshot!(list(CHECKS, &NARROW), @r"
    System
      clock  the clock

    Kernel
      kernel-overlay  overlay networks
    ");
    assert!(
        markdown(CHECKS).ends_with(
            "| System | `clock` | the clock |\n| Kernel | `kernel-overlay` | overlay networks |\n"
        )
    );
}
