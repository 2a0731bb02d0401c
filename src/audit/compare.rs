//! What changed between two audits of one cluster. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::Report;
use super::verdict::{Severity, Verdict};
use crate::inventory::model::NodeName;

/// Version of [`Changes`]' JSON form. Raise it when an old reader would misread new changes.
pub const CHANGES_VERSION: u32 = 1;

/// What changed since an earlier audit. Stands as one line `"event":"audit_changes"` among the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename = "audit_changes")]
pub struct Changes {
    /// Version of this form.
    pub version: u32,
    /// When the earlier audit was made, as RFC 3339.
    pub since: String,
    /// Nodes that came, went, answer again or no more.
    pub nodes: Vec<NodeChanged>,
    /// What changed of the findings, the worst first.
    pub findings: Vec<Change>,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeChanged {
    /// Its name.
    pub node: NodeName,
    /// What became of it.
    pub change: NodeChange,
}

/// What may become of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeChange {
    /// It answered then, and does not now.
    Lost,
    /// It did not answer then, and does now.
    Answers,
    /// The inventory has it now.
    Added,
    /// The inventory had it then.
    Removed,
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// The check's ID.
    pub check: String,
    /// The nodes; the cluster as a whole where empty.
    pub nodes: Vec<NodeName>,
    /// How bad it was; none where nothing was said.
    pub before: Option<Severity>,
    /// How bad it is; none where nothing is said.
    pub after: Option<Severity>,
    /// What is found now, or what was found then where nothing is now.
    pub message: String,
}

/// What may become of a finding; in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was well, or was not judged.
    New,
    /// It is worse than it was.
    Worse,
    /// It is not judged any more, or could not be seen: whether it is mended is not known.
    Unseen,
    /// It is not as bad as it was.
    Better,
    /// It is well now, or is not said any more.
    Gone,
}

/// One check on one node; on the cluster as a whole where there is none.
type Place<'a> = (&'a str, Option<&'a NodeName>);

impl Changes {
    /// What changed from `before` to `after`. Of a node that does not answer now nothing is said but that.
    pub fn between(before: &Report, after: &Report) -> Self {
        let (then, now) = (by_place(before), by_place(after));
        let seen = |node: Option<&NodeName>| {
            node.is_none_or(|node| has(after, node) && !after.unreachable.contains_key(node))
        };
        let mut places: Vec<_> =
            now.keys().chain(then.keys().filter(|place| !now.contains_key(*place))).collect();
        let position = |name: &NodeName| after.nodes.iter().position(|node| node.name == *name);
        places.sort_by_key(|(check, node)| (*check, node.map(position)));
        let mut findings: Vec<Change> = Vec::new();
        for (check, node) in places.into_iter().filter(|(_, node)| seen(*node)) {
            let place = &(*check, *node);
            for change in in_one_place(check, then.get(place), now.get(place)) {
                let known =
                    findings.iter_mut().find(|known| !known.nodes.is_empty() && known.is_like(&change));
                match (known, *node) {
                    (Some(known), Some(node)) => known.nodes.push(node.clone()),
                    (_, node) => {
                        findings.push(Change { nodes: node.cloned().into_iter().collect(), ..change })
                    }
                }
            }
        }
        findings.sort_by_key(|change| (change.kind, change.after.or(change.before)));
        Self { version: CHANGES_VERSION, since: before.at.clone(), nodes: of_nodes(before, after), findings }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.findings.is_empty()
    }
}

impl Change {
    /// Whether it is the same but for its nodes.
    fn is_like(&self, other: &Self) -> bool {
        let of = |change: &Self| (change.kind, change.before, change.after);
        of(self) == of(other) && self.check == other.check && self.message == other.message
    }
}

fn has(report: &Report, node: &NodeName) -> bool {
    report.nodes.iter().any(|known| known.name == *node)
}

fn of_nodes(before: &Report, after: &Report) -> Vec<NodeChanged> {
    let down = |report: &Report, node: &NodeName| report.unreachable.contains_key(node);
    let now = after.nodes.iter().filter_map(|node| {
        let node = &node.name;
        let change = match () {
            () if !has(before, node) => NodeChange::Added,
            () if down(after, node) && !down(before, node) => NodeChange::Lost,
            () if !down(after, node) && down(before, node) => NodeChange::Answers,
            () => return None,
        };
        Some(NodeChanged { node: node.clone(), change })
    });
    let gone = before.nodes.iter().filter(|node| !has(after, &node.name));
    now.chain(gone.map(|node| NodeChanged { node: node.name.clone(), change: NodeChange::Removed })).collect()
}

/// What a check said once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said<'a> {
    severity: Severity,
    message: &'a str,
}

fn by_place(report: &Report) -> BTreeMap<Place<'_>, Vec<Said<'_>>> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Verdict { check, nodes, severity, message, .. } in &report.verdicts {
        let said = Said { severity: *severity, message };
        let mut add = |node| places.entry((check.as_str(), node)).or_default().push(said);
        match nodes.is_empty() {
            true => add(None),
            false => nodes.iter().map(Some).for_each(add),
        }
    }
    places
}

/// What changed of one check on one node: what is said again, if with other quantities, is held against itself, and of
/// the rest the worst then against the worst now. Where these are equally bad, the one is gone and the other is new.
fn in_one_place(check: &str, then: Option<&Vec<Said<'_>>>, now: Option<&Vec<Said<'_>>>) -> Vec<Change> {
    let judged = now.is_some();
    let (mut then, mut now) = (then.cloned().unwrap_or_default(), now.cloned().unwrap_or_default());
    then.sort_by_key(|said| said.severity);
    now.sort_by_key(|said| said.severity);
    let mut pairs = Vec::new();
    then.retain(|before| {
        let again = now.iter().position(|after| gist(after.message) == gist(before.message));
        pairs.extend(again.map(|at| (Some(*before), Some(now.remove(at)))));
        again.is_none()
    });
    for at in 0..then.len().max(now.len()) {
        match (then.get(at).copied(), now.get(at).copied()) {
            (Some(before), Some(after)) if before.severity == after.severity => {
                pairs.extend([(None, Some(after)), (Some(before), None)]);
            }
            pair => pairs.push(pair),
        }
    }
    pairs
        .into_iter()
        .filter_map(|(before, after)| {
            let kind = kind(before.map(|said| said.severity), after.map(|said| said.severity), judged)?;
            let message = after.filter(|_| kind != ChangeKind::Gone).or(before)?.message.to_owned();
            let (before, after) = (before.map(|said| said.severity), after.map(|said| said.severity));
            Some(Change { kind, check: check.to_owned(), nodes: Vec::new(), before, after, message })
        })
        .collect()
}

/// Units of what moves from day to day. Numbers without one are ports, versions, sizes that somebody chose: those are
/// part of what is said.
const UNITS: &[&str] = &["GiB", "MiB", "bytes", "inodes", "days", "s", "ms", "%"];

/// A message without its quantities.
fn gist(message: &str) -> String {
    let mut words = message.split(' ').peekable();
    let mut gist = Vec::new();
    while let Some(word) = words.next() {
        let is_number = word.starts_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok();
        let unit = |next: &&str| UNITS.contains(&next.trim_end_matches([',', ':', ';', ')']));
        match words.next_if(|next| is_number && unit(next)) {
            Some(_) => gist.push("\u{2026}"),
            None => gist.push(word),
        }
    }
    gist.join(" ")
}

fn kind(before: Option<Severity>, after: Option<Severity>, judged: bool) -> Option<ChangeKind> {
    use Severity::{Ok, Unknown};
    let before = before.unwrap_or(Ok);
    match after {
        None if before == Ok => None,
        None if judged => Some(ChangeKind::Gone),
        None => Some(ChangeKind::Unseen),
        Some(after) if after == before => None,
        Some(_) if before == Ok => Some(ChangeKind::New),
        Some(Ok) => Some(ChangeKind::Gone),
        Some(Unknown) if before < Unknown => Some(ChangeKind::Unseen),
        Some(after) if after < before => Some(ChangeKind::Worse),
        Some(_) => Some(ChangeKind::Better),
    }
}

#[cfg(test)]
mod tests;
