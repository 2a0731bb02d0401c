//! The end of a run: who did what, the exit code, and what to run next.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::exit;
use super::run::Run;
use crate::apply::{Accounts, millis};
use crate::event::{Event, NodeSummary, Outcome, Summary};
use crate::inventory::DEFAULT_PATH;
use crate::inventory::model::NodeName;
use crate::plan::{CONTROLLER, Finding};
use crate::resource::Fault;

/// How a run came to its end.
pub(super) struct End<'a> {
    /// Nodes that could not be reached.
    pub(super) unreachable: &'a BTreeMap<NodeName, Fault>,
    /// What became of the nodes that had steps.
    pub(super) accounts: &'a Accounts,
    /// What cannot be done, or is not as planned.
    pub(super) findings: &'a [Finding],
    /// The exit code where it is not to be told from the rest.
    pub(super) code: Option<u8>,
}

impl Run<'_> {
    /// Ends the run: sums up, and tells the exit code.
    pub(super) fn finish(&self, end: &End<'_>) -> u8 {
        let controller = NodeName::from(CONTROLLER);
        let names = self.inventory.nodes.iter().map(|node| &node.name);
        let names = names.chain(end.accounts.contains_key(&controller).then_some(&controller));
        let nodes: Vec<_> = names.map(|name| self.node_summary(name, end)).collect();
        let exit_code = end.code.unwrap_or_else(|| exit_code(&nodes, end));
        let next = next_steps(&self.again(), exit_code, &nodes);
        let next = next.into_iter().map(|command| self.on_this_inventory(&command)).collect();
        let summary = Summary { exit_code, ms: millis(self.begun.elapsed()), nodes, next };
        (self.sink)(Event::Finished { summary });
        exit_code
    }

    /// The command as the user has to type it for this inventory.
    fn on_this_inventory(&self, command: &str) -> String {
        let path = &self.common.inventory;
        match path == Path::new(DEFAULT_PATH) {
            true => format!("skep {command}"),
            false => format!("skep -i {} {command}", path.display()),
        }
    }

    fn node_summary(&self, node: &NodeName, end: &End<'_>) -> NodeSummary {
        let account = end.accounts.get(node);
        let fault = account.and_then(|account| account.fault.clone()).or_else(|| end.fault(node));
        let changed = account.map_or(0, |account| account.changed);
        let outcome = if let Some(fault) = end.unreachable.get(node) {
            Outcome::Unreachable { fault: fault.clone() }
        } else if let Some(fault) = fault {
            Outcome::Failed { fault }
        } else if account.is_some_and(|account| account.stopped) {
            Outcome::Stopped
        } else if changed > 0 {
            Outcome::Changed
        } else if !self.choices.includes(node) {
            Outcome::Skipped
        } else {
            Outcome::Ok
        };
        let time = account.map_or(Duration::ZERO, |account| account.time);
        NodeSummary { node: node.clone(), outcome, changed, ms: millis(time) }
    }
}

impl End<'_> {
    /// What keeps one node from being as planned.
    fn fault(&self, node: &NodeName) -> Option<Fault> {
        let finding = self.findings.iter().find(|finding| finding.nodes.contains(node))?;
        Some(Fault::new(node, &finding.message).help(&finding.help))
    }
}

fn exit_code(nodes: &[NodeSummary], end: &End<'_>) -> u8 {
    let any = |of: fn(&Outcome) -> bool| nodes.iter().any(|node| of(&node.outcome));
    let undone = any(|outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Stopped));
    match undone || !end.findings.is_empty() {
        true => exit::FAILED,
        false if any(|outcome| matches!(outcome, Outcome::Unreachable { .. })) => exit::UNREACHABLE,
        false => exit::OK,
    }
}

/// What to run next, where something is left to do.
fn next_steps(command: &str, exit_code: u8, nodes: &[NodeSummary]) -> Vec<String> {
    let left: Vec<&str> = nodes
        .iter()
        .filter(|node| !matches!(node.outcome, Outcome::Ok | Outcome::Changed | Outcome::Skipped))
        .map(|node| node.node.0.as_str())
        .collect();
    match exit_code {
        exit::OK if command == "up" && nodes.iter().any(|node| node.outcome == Outcome::Changed) => {
            vec!["status".to_owned()]
        }
        // Without its hooks on this computer nothing of a run is whole.
        exit::FAILED if left.contains(&CONTROLLER) => vec![command.to_owned()],
        exit::FAILED | exit::UNREACHABLE if !left.is_empty() && left.len() < nodes.len() => {
            vec![format!("{command} --limit {}", left.join(","))]
        }
        exit::FAILED | exit::UNREACHABLE => vec![command.to_owned()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(outcomes: &[(&str, Outcome)]) -> Vec<NodeSummary> {
        let summary = |(node, outcome): &(&str, Outcome)| NodeSummary {
            node: (*node).into(),
            outcome: outcome.clone(),
            changed: 0,
            ms: 0,
        };
        outcomes.iter().map(summary).collect()
    }

    #[test]
    fn the_worst_outcome_decides_and_what_is_left_is_named() {
        let fault = Fault::new("n2", "off");
        let failed = || Outcome::Failed { fault: fault.clone() };
        let unreachable = || Outcome::Unreachable { fault: fault.clone() };
        use Outcome::{Changed, Ok, Skipped, Stopped};
        let table: &[(Vec<NodeSummary>, u8, &[&str])] = &[
            (nodes(&[("n1", Ok), ("n2", Ok)]), exit::OK, &[]),
            (nodes(&[("n1", Ok), ("n2", Changed)]), exit::OK, &["status"]),
            (nodes(&[("n1", Ok), ("n2", unreachable())]), exit::UNREACHABLE, &["up --limit n2"]),
            (nodes(&[("n1", failed()), ("n2", unreachable())]), exit::FAILED, &["up"]),
            (nodes(&[("n1", Stopped), ("n2", Skipped)]), exit::FAILED, &["up --limit n1"]),
            (nodes(&[("n1", Ok), (CONTROLLER, failed())]), exit::FAILED, &["up"]),
        ];
        for (nodes, code, next) in table {
            let end =
                End { unreachable: &BTreeMap::new(), accounts: &Accounts::new(), findings: &[], code: None };
            assert_eq!(exit_code(nodes, &end), *code, "{nodes:?}");
            assert_eq!(next_steps("up", *code, nodes), *next, "{nodes:?}");
        }
    }

    #[test]
    fn a_finding_about_no_node_fails_the_run_too() {
        let finding = Finding { nodes: Vec::new(), message: "no leader".to_owned(), help: String::new() };
        let end = End {
            unreachable: &BTreeMap::new(),
            accounts: &Accounts::new(),
            findings: &[finding],
            code: None,
        };
        assert_eq!(exit_code(&nodes(&[("n1", Outcome::Ok)]), &end), exit::FAILED);
    }
}
