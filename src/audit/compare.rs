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
mod tests {
    use super::*;
    use crate::audit::{AUDIT_VERSION, AuditedNode, Judgement};
    use crate::inventory::model::Role;
    use crate::resource::Fault;

    /// An audit of `n1` and `n2`, of which those in `down` do not answer.
    fn report(verdicts: &[(&str, &[&str], Severity, &str)], down: &[&str]) -> Report {
        let node = |name: &str| AuditedNode {
            name: name.into(),
            role: Role::Worker,
            address: String::new(),
            hostname: String::new(),
            system: String::new(),
            board: None,
            machine: String::new(),
            kernel: String::new(),
            engine: String::new(),
            leader: false,
            labels: BTreeMap::new(),
        };
        let verdict = |(check, nodes, severity, message): &(&str, &[&str], Severity, &str)| Verdict {
            check: (*check).to_owned(),
            ..Judgement::new(*severity, *message).about(nodes.iter().map(|node| NodeName::from(*node)))
        };
        Report {
            version: AUDIT_VERSION,
            skep: "0.1.0".to_owned(),
            cluster: "home".to_owned(),
            at: "2026-07-27T10:15:00Z".to_owned(),
            nodes: ["n1", "n2"].map(node).to_vec(),
            unreachable: down.iter().map(|name| ((*name).into(), Fault::new("ssh", "off"))).collect(),
            verdicts: verdicts.iter().map(verdict).collect(),
            reach: None,
        }
    }

    fn told(before: &Report, after: &Report) -> Vec<String> {
        let changes = Changes::between(before, after);
        let nodes = changes.nodes.iter().map(|changed| format!("{} {:?}", changed.node, changed.change));
        let findings = changes.findings.iter().map(|change| {
            let nodes: Vec<_> = change.nodes.iter().map(ToString::to_string).collect();
            format!("{:?} {} {}: {}", change.kind, change.check, nodes.join("+"), change.message)
        });
        nodes.chain(findings).collect()
    }

    #[test]
    fn each_way_that_one_finding_may_change() {
        use Severity::{Error, Note, Ok, Unknown, Warning};
        let table: &[(Option<Severity>, Option<Severity>, &str)] = &[
            (None, None, ""),
            (None, Some(Ok), ""),
            (Some(Ok), None, ""),
            (Some(Ok), Some(Ok), ""),
            (None, Some(Error), "New clock n1: after"),
            (Some(Ok), Some(Note), "New clock n1: after"),
            (Some(Ok), Some(Unknown), "New clock n1: after"),
            (Some(Warning), Some(Error), "Worse clock n1: after"),
            (Some(Unknown), Some(Warning), "Worse clock n1: after"),
            (Some(Note), Some(Unknown), "Worse clock n1: after"),
            (Some(Error), Some(Warning), "Better clock n1: after"),
            (Some(Unknown), Some(Note), "Better clock n1: after"),
            (Some(Error), Some(Ok), "Gone clock n1: before"),
            (Some(Note), Some(Ok), "Gone clock n1: before"),
            (Some(Error), Some(Unknown), "Unseen clock n1: after"),
            (Some(Error), None, "Unseen clock n1: before"),
        ];
        for (before, after, wanted) in table {
            let with = |severity: Option<Severity>, message| {
                report(
                    &severity
                        .map(|severity| ("clock", &["n1"][..], severity, message))
                        .into_iter()
                        .collect::<Vec<_>>(),
                    &[],
                )
            };
            let wanted: Vec<_> = Some(*wanted).filter(|wanted| !wanted.is_empty()).into_iter().collect();
            assert_eq!(
                told(&with(*before, "before"), &with(*after, "after")),
                wanted,
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn an_audit_held_against_itself_has_not_changed() {
        let v1 = Report::read(include_str!("../../tests/fixtures/audit/v1.json")).unwrap();
        let changes = Changes::between(&v1, &v1);
        assert!(changes.is_empty(), "{changes:?}");
        assert_eq!(changes.since, v1.at);
    }

    #[test]
    fn of_several_findings_in_one_place_only_those_that_changed_are_told() {
        use Severity::{Error, Ok, Warning};
        let one = ("exports", &["n1"][..], Error, "a is missing");
        let other = ("exports", &["n1"][..], Error, "b is missing");
        let well = ("exports", &["n1"][..], Ok, "b is exported");
        let soft = ("exports", &["n1"][..], Warning, "c is open to all");
        assert_eq!(
            told(&report(&[one, other], &[]), &report(&[one], &[])),
            ["Gone exports n1: b is missing"]
        );
        assert_eq!(
            told(&report(&[one, other], &[]), &report(&[one, well], &[])),
            ["Gone exports n1: b is missing"]
        );
        assert_eq!(
            told(&report(&[one], &[]), &report(&[soft, one], &[])),
            ["New exports n1: c is open to all"]
        );
    }

    /// Two things that one check said of a node on two days, each as bad as the other.
    fn on_two_days(before: &str, after: &str) -> Vec<String> {
        let said = |text| report(&[("check", &["n1"], Severity::Error, text)], &[]);
        told(&said(before), &said(after))
    }

    #[test]
    fn quantities_that_move_are_no_change() {
        for (before, after) in [
            (
                "only 900 MiB are left in /var, 1.0 GiB are wanted",
                "only 1.1 GiB are left in /var, 1.5 GiB are wanted",
            ),
            ("only 90 inodes are left in /var", "only 70 inodes are left in /var"),
            (
                "json-file has no max-size, and 7 GiB are free",
                "json-file has no max-size, and 6 GiB are free",
            ),
            ("only 20 MiB of memory are left: the kernel", "only 9 MiB of memory are left: the kernel"),
            ("the clock is 4.2 s behind the other nodes'", "the clock is 11.0 s behind the other nodes'"),
            ("the password of root expires in 14 days", "the password of root expires in 13 days"),
            ("the certificate expires in 9 days: it should", "the certificate expires in 8 days: it should"),
            (
                "packets of more than 1400 bytes get lost from n1",
                "packets of more than 1380 bytes get lost from n1",
            ),
            ("the engine does not answer", "the engine does not answer"),
            ("", ""),
        ] {
            assert_eq!(on_two_days(before, after), [""; 0], "{before}");
            assert_eq!(on_two_days(after, before), [""; 0], "{before}");
        }
    }

    #[test]
    fn other_words_are_another_finding_though_it_be_as_bad() {
        for (before, after) in [
            ("7946/udp cannot be reached by n2: no answer", "2377/tcp cannot be reached by n2: no answer"),
            ("7946/udp cannot be reached by n2: no answer", "7946/udp cannot be reached by n3: no answer"),
            ("nothing listens at 192.168.2.3:2049", "nothing listens at 192.168.2.3:3049"),
            (
                "only 9 MiB are left in /var, 1 GiB are wanted",
                "only 9 MiB are left in /boot, 1 GiB are wanted",
            ),
            ("the clock is 4.2 s behind the other nodes'", "the clock is 4.2 s ahead of the other nodes'"),
            ("Docker is 28.5.2, and the inventory wants 29", "Docker is 29.1.3, and the inventory wants 29"),
            (
                "/srv is exported to n2 with other options: rw",
                "/srv is exported to n2 with other options: async",
            ),
            ("the swarm has 2 managers, not 3: one", "the swarm has 4 managers, not 3: one"),
            ("root may have 200 keys only, of which", "root may have 500 keys only, of which"),
            (
                "no client can write to /srv: all write as 65534:65534",
                "no client can write to /srv: all write as 1000:1000",
            ),
            ("the engine failed to start", "the engine is stopped"),
        ] {
            let wanted = [format!("New check n1: {after}"), format!("Gone check n1: {before}")];
            assert_eq!(on_two_days(before, after), wanted);
        }
    }

    #[test]
    fn what_is_said_again_is_held_against_itself_and_not_against_what_is_as_bad() {
        use Severity::{Error, Warning};
        let said = |severity, text| ("login-expiry", &["n1"][..], severity, text);
        let before = [said(Warning, "a expires in 9 days"), said(Warning, "b expires in 5 days")];
        let after = [said(Error, "b expires in 4 days"), said(Warning, "c expires in 5 days")];
        let wanted = [
            "New login-expiry n1: c expires in 5 days",
            "Worse login-expiry n1: b expires in 4 days",
            "Gone login-expiry n1: a expires in 9 days",
        ];
        assert_eq!(told(&report(&before, &[]), &report(&after, &[])), wanted);
        let turned = [before[1], before[0]];
        assert_eq!(told(&report(&before, &[]), &report(&turned, &[])), [""; 0]);
    }

    #[test]
    fn what_changed_alike_on_several_nodes_is_told_once_and_the_cluster_is_no_node() {
        let after = report(
            &[
                ("clock", &["n1", "n2"], Severity::Error, "is off"),
                ("managers", &[], Severity::Warning, "2 survive no more than 1"),
            ],
            &[],
        );
        let wanted = ["New clock n1+n2: is off", "New managers : 2 survive no more than 1"];
        assert_eq!(told(&report(&[], &[]), &after), wanted);
    }

    #[test]
    fn of_a_node_that_went_nothing_is_said_but_that() {
        let bad = ("clock", &["n1"][..], Severity::Error, "is off");
        assert_eq!(told(&report(&[bad], &[]), &report(&[], &["n1"])), ["n1 Lost"]);
        assert_eq!(told(&report(&[], &["n1"]), &report(&[bad], &[])), ["n1 Answers", "New clock n1: is off"]);
        let mut smaller = report(&[], &[]);
        smaller.nodes.remove(0);
        assert_eq!(told(&report(&[bad], &[]), &smaller), ["n1 Removed"]);
        assert_eq!(told(&smaller, &report(&[bad], &[])), ["n1 Added", "New clock n1: is off"]);
    }

    #[test]
    fn the_json_form_is_versioned_and_read_back() {
        let bad = ("clock", &["n1"][..], Severity::Error, "is off");
        let changes = Changes::between(&report(&[], &["n2"]), &report(&[bad], &[]));
        let json = serde_json::to_value(&changes).unwrap();
        assert_eq!((&json["event"], &json["version"]), (&"audit_changes".into(), &1.into()));
        assert_eq!(json["findings"][0]["kind"], "new");
        assert_eq!(serde_json::from_value::<Changes>(json).unwrap(), changes);
    }
}
