//! How a run ended: each node, then what failed and what helps, then what to run next.

use super::errors::fault;
use super::surface::{Surface, Tone};
use super::table::{Cell, Table};
use super::text::{clean, duration};
use crate::event::{NodeSummary, Outcome, Summary};
use crate::inventory::model::NodeName;
use crate::plan::{CONTROLLER, PhaseName};
use crate::resource::Fault;
use crate::words::count;

/// Nodes that are listed at most when nothing happened on them.
const QUIET_NODES: usize = 10;

/// The table of all nodes with one line that sums it up and one of how long the phases took; none where the run changed nothing and was not cut short,
/// such as a `plan`.
pub(super) fn table(summary: &Summary, phases: &[(PhaseName, u64)], surface: &Surface) -> Option<String> {
    summary.nodes.iter().any(worth_telling).then(|| {
        let (shown, hidden) = shown(summary);
        let mut table = Table::new(&["node", "", "outcome", "changed>", "time>"]);
        for node in shown {
            table.row(row(node, surface));
        }
        let mut lines = vec![table.render(surface)];
        if hidden > 0 {
            lines.push(
                surface.paint(Tone::Dim, &format!("{} with nothing to do", count(hidden, "more node"))),
            );
        }
        let times = times(phases)
            .map_or_else(String::new, |times| "\n".to_owned() + &surface.paint(Tone::Dim, &times));
        format!("{}\n\n{}{times}", lines.join("\n"), verdict(summary, surface))
    })
}

/// How long each phase took, all its parts together; none of a single one, which took as long as the run.
fn times(phases: &[(PhaseName, u64)]) -> Option<String> {
    let mut sums: Vec<(PhaseName, u64)> = Vec::new();
    for &(phase, ms) in phases {
        match sums.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, sum)) => *sum += ms,
            None => sums.push((phase, ms)),
        }
    }
    let each: Vec<_> = sums.iter().map(|(phase, ms)| format!("{phase} {}", duration(*ms))).collect();
    (each.len() > 1).then(|| each.join(", "))
}

fn worth_telling(node: &NodeSummary) -> bool {
    node.changed > 0 || matches!(node.outcome, Outcome::Changed | Outcome::Stopped | Outcome::Failed { .. })
}

/// The nodes to list, and how many are left out: of many nodes, those with nothing to do.
fn shown(summary: &Summary) -> (Vec<&NodeSummary>, usize) {
    let few = summary.nodes.len() <= QUIET_NODES;
    let shown: Vec<_> = summary.nodes.iter().filter(|node| few || node.outcome != Outcome::Ok).collect();
    let hidden = summary.nodes.len() - shown.len();
    (shown, hidden)
}

fn row(node: &NodeSummary, surface: &Surface) -> Vec<Cell> {
    let symbols = surface.symbols();
    let (sign, tone, outcome) = match node.outcome {
        Outcome::Ok => (symbols.done, Tone::Good, "nothing to do"),
        Outcome::Changed => (symbols.done, Tone::Good, "changed"),
        Outcome::Skipped => (symbols.skipped, Tone::Dim, "skipped"),
        Outcome::Stopped => (symbols.skipped, Tone::Warn, "stopped"),
        Outcome::Failed { .. } => (symbols.failed, Tone::Bad, "failed"),
        Outcome::Unreachable { .. } => (symbols.failed, Tone::Bad, "unreachable"),
    };
    let number = |shown: bool, text: String| {
        if shown { Cell::from(text) } else { Cell::new(symbols.skipped, Tone::Dim) }
    };
    vec![
        Cell::from(&node.node.0),
        Cell::new(sign, tone),
        Cell::new(outcome, tone),
        number(node.changed > 0, node.changed.to_string()),
        number(node.ms > 0, duration(node.ms)),
    ]
}

fn verdict(summary: &Summary, surface: &Surface) -> String {
    let changed: usize = summary.nodes.iter().map(|node| node.changed).sum();
    let number =
        |wanted: fn(&Outcome) -> bool| summary.nodes.iter().filter(|node| wanted(&node.outcome)).count();
    let failed = number(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let unreachable = number(|outcome| matches!(outcome, Outcome::Unreachable { .. }));
    let stopped = number(|outcome| matches!(outcome, Outcome::Stopped));
    let (tone, word) = match (failed + unreachable, stopped, summary.exit_code) {
        (0, 0, 0) => (Tone::Good, "Done"),
        (0, 1.., _) => (Tone::Warn, "Stopped"),
        _ => (Tone::Bad, "Incomplete"),
    };
    let touched = summary.nodes.iter().filter(|node| node.changed > 0 && node.node.0 != CONTROLLER).count();
    let mut line =
        format!("{}: {} on {}", surface.paint(tone, word), count(changed, "change"), count(touched, "node"));
    for (number, what) in [(failed, "failed"), (unreachable, "unreachable"), (stopped, "stopped")] {
        if number > 0 {
            line.push_str(&format!(", {number} {what}"));
        }
    }
    format!("{line}, in {}.", duration(summary.ms))
}

/// What went wrong on which nodes; what several nodes share is said once. Empty where nothing did.
pub(super) fn failures(summary: &Summary, surface: &Surface) -> Vec<String> {
    let mut folded: Vec<(&Fault, Vec<NodeName>)> = vec![];
    for node in &summary.nodes {
        let (Outcome::Failed { fault } | Outcome::Unreachable { fault }) = &node.outcome else { continue };
        match folded.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, nodes)) => nodes.push(node.node.clone()),
            None => folded.push((fault, vec![node.node.clone()])),
        }
    }
    folded.into_iter().map(|(why, nodes)| fault(&nodes, why, surface)).collect()
}

/// What to run next; none where nothing is left to do.
pub(super) fn next(summary: &Summary, surface: &Surface) -> Option<String> {
    let commands =
        summary.next.iter().map(|command| format!("  {}", surface.paint(Tone::Accent, &clean(command))));
    let lines: Vec<_> = std::iter::once("next:".to_owned()).chain(commands).collect();
    (lines.len() > 1).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{ended, eventful_summary, no_route, nodes};

    fn summary(exit_code: u8, nodes: Vec<NodeSummary>) -> Summary {
        Summary { exit_code, ms: 62_000, nodes, next: vec![] }
    }

    #[test]
    fn a_run_with_failures() {
        let summary = eventful_summary();
        insta::assert_snapshot!(table(&summary, &[], &Surface::PLAIN).expect("something happened"));
        insta::assert_snapshot!("the_failures_of_a_run", failures(&summary, &Surface::PLAIN).join("\n"));
        assert_eq!(next(&summary, &Surface::PLAIN).as_deref(), Some("next:\n  skep up --limit n2,n3,n4"));
    }

    #[test]
    fn a_run_that_went_well() {
        let nodes = vec![
            ended("n1", Outcome::Changed, 12, 61_000),
            ended("n2", Outcome::Ok, 0, 0),
            ended("n3", Outcome::Skipped, 0, 0),
        ];
        let summary = summary(0, nodes);
        insta::assert_snapshot!(table(&summary, &[], &Surface::PLAIN).expect("something happened"));
        insta::assert_snapshot!(
            "a_run_that_went_well_ascii",
            table(&summary, &[], &Surface { unicode: false, ..Surface::PLAIN }).expect("something happened")
        );
        assert!(failures(&summary, &Surface::PLAIN).is_empty());
        assert_eq!(next(&summary, &Surface::PLAIN), None);
    }

    #[test]
    fn a_run_that_did_nothing_has_no_table() {
        assert_eq!(
            table(
                &summary(0, vec![ended("n1", Outcome::Ok, 0, 0), ended("n2", Outcome::Skipped, 0, 0)]),
                &[],
                &Surface::PLAIN
            ),
            None
        );
        assert_eq!(
            table(
                &summary(5, vec![ended("n4", Outcome::Unreachable { fault: no_route() }, 0, 0)]),
                &[],
                &Surface::PLAIN
            ),
            None
        );
    }

    #[test]
    fn of_many_nodes_the_idle_ones_are_only_counted() {
        let mut all: Vec<_> = nodes(100).iter().map(|node| ended(&node.0, Outcome::Ok, 0, 0)).collect();
        all[6] = ended("n7", Outcome::Changed, 1, 250);
        insta::assert_snapshot!(table(&summary(0, all), &[], &Surface::PLAIN).expect("something happened"));
    }

    #[test]
    fn a_cause_that_nodes_share_is_said_once() {
        let fault = Fault::new("ssh", "connection timed out");
        let all = nodes(60)
            .iter()
            .map(|node| ended(&node.0, Outcome::Unreachable { fault: fault.clone() }, 0, 0))
            .collect();
        assert_eq!(failures(&summary(5, all), &Surface::PLAIN), ["error: n1…n60: ssh: connection timed out"]);
    }

    #[test]
    fn the_parts_of_a_phase_count_together_and_one_phase_needs_no_line() {
        use PhaseName::{Engine, Packages, Swarm};
        let several = [(Packages, 61_000), (Engine, 900), (Swarm, 400), (Engine, 300)];
        assert_eq!(times(&several).as_deref(), Some("packages 1m 01s, engine 1.2s, swarm 0.4s"));
        assert_eq!(times(&[(Swarm, 900), (Swarm, 100)]), None);
        assert_eq!(times(&[]), None);
    }
}
