//! Whether managers fail together: on one board, at one plug, in one place.

use std::collections::BTreeMap;

use crate::audit::{Case, Check, Family, Judgement, Verdict};
use crate::inventory::model::{Inventory, Node, NodeName, Role};
use crate::swarm::quorum::quorum;

/// Labels of the inventory whose nodes fail together, the smallest place first.
pub(crate) const PLACES: [&str; 4] = ["board", "power", "rack", "zone"];

pub(in crate::audit) const SPREAD: Check = Check {
    id: "swarm-spread",
    family: Family::Swarm,
    title: "managers do not fail together",
    explanation: "Three managers survive the loss of one, but not of the power strip that two of them hang on. skep knows by \
        labels of the inventory what fails together: nodes with one value of `board`, `power`, `rack` or `zone` do. Where the \
        loss of one such value would leave fewer managers than a quorum, that is a warning, with the node that would better \
        be one. A manager without the label counts as being apart from all others. Without two managers, or without any such \
        label on a manager, nothing is said.",
    examine: spread,
};

fn spread(case: &Case<'_>) -> Vec<Verdict> {
    let inventory = case.inventory();
    let managers: Vec<&Node> = inventory.managers().collect();
    let labelled = |label: &&str| managers.iter().any(|node| node.labels.contains_key(*label));
    let labels: Vec<&str> = PLACES.into_iter().filter(labelled).collect();
    if managers.len() < 2 || labels.is_empty() {
        return Vec::new();
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    for label in &labels {
        for (value, nodes) in places(&managers, label) {
            let left = managers.len() - nodes.len();
            if nodes.len() > 1 && left < quorum(managers.len()) {
                verdicts.push(together(inventory, label, value, &nodes, managers.len()));
            }
        }
    }
    if verdicts.is_empty() {
        let told = format!("managers by {}", labels.join(", "));
        let ok = Judgement::ok("no board, plug or place takes the quorum with it")
            .seen(inventory.path.display().to_string(), told);
        verdicts.push(ok.about(managers.iter().map(|node| node.name.clone())));
    }
    verdicts
}

/// The managers by the value of a label.
fn places<'a>(managers: &[&'a Node], label: &str) -> BTreeMap<&'a str, Vec<&'a Node>> {
    let mut places: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in managers {
        if let Some(value) = node.labels.get(label) {
            places.entry(value).or_default().push(node);
        }
    }
    places
}

fn together(inventory: &Inventory, label: &str, value: &str, nodes: &[&Node], managers: usize) -> Verdict {
    let names: Vec<NodeName> = nodes.iter().map(|node| node.name.clone()).collect();
    let list: Vec<&str> = names.iter().map(|name| name.0.as_str()).collect();
    let path = inventory.path.display();
    let mut judgement = Judgement::warning(format!(
        "{} fail together with {label} {value}: {} of {managers} managers are left then, and {} are needed",
        list.join(" and "),
        managers - nodes.len(),
        quorum(managers)
    ));
    for node in nodes {
        judgement = judgement.seen(
            format!("{path}:{}", node.place.line),
            format!("{}: labels: {{{label}: {value}}}", node.name),
        );
    }
    let elsewhere =
        |node: &&Node| node.role == Role::Worker && node.labels.get(label).map(String::as_str) != Some(value);
    let worker = inventory.nodes.iter().find(elsewhere);
    let last = nodes[nodes.len() - 1];
    judgement
        .remedy(match worker {
            Some(worker) => format!(
                "write `role: manager` at {path}:{} ({}) and `role: worker` at {path}:{} ({})",
                worker.place.line, worker.name, last.place.line, last.name
            ),
            None => format!(
                "move {} to another {label}, or make a node elsewhere a manager in its place",
                last.name
            ),
        })
        .about(names)
}
