//! Verdicts as a person reads them: what several nodes share is one finding.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::audit::{Evidence, Report, Severity, Verdict};
use crate::inventory::model::NodeName;

/// One check that came to the same on some nodes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding<'a> {
    /// The check's ID.
    pub(super) check: &'a str,
    /// How bad it is.
    pub(super) severity: Severity,
    /// The thing and the cause.
    pub(super) message: &'a str,
    /// The nodes; the cluster as a whole where empty.
    pub(super) nodes: Vec<NodeName>,
    /// What was read.
    pub(super) evidence: Vec<Said<'a, Evidence>>,
    /// What helps.
    pub(super) remedy: Vec<Said<'a, String>>,
}

/// What is said of some of a finding's nodes; of all of them where none is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said<'a, T> {
    /// Those nodes.
    pub(super) nodes: Vec<NodeName>,
    /// What is said.
    pub(super) items: &'a [T],
}

/// The findings, in the order of the first verdict of each.
pub(super) fn merged(verdicts: &[Verdict]) -> Vec<Finding<'_>> {
    let mut places = HashMap::new();
    let mut findings: Vec<Finding<'_>> = Vec::new();
    for verdict in verdicts {
        let Verdict { check, severity, message, nodes, evidence, remedy } = verdict;
        let place = *places.entry((check, severity, message, nodes.is_empty())).or_insert(findings.len());
        if place == findings.len() {
            let (nodes, evidence, remedy) = Default::default();
            findings.push(Finding { check, severity: *severity, message, nodes, evidence, remedy });
        }
        let finding = &mut findings[place];
        add_nodes(&mut finding.nodes, nodes);
        add(&mut finding.evidence, nodes, evidence);
        add(&mut finding.remedy, nodes, remedy);
    }
    for finding in &mut findings {
        if let [only] = &mut finding.evidence[..]
            && only.nodes == finding.nodes
        {
            only.nodes.clear();
        }
        if let [only] = &mut finding.remedy[..]
            && only.nodes == finding.nodes
        {
            only.nodes.clear();
        }
    }
    findings
}

fn add<'a, T: PartialEq>(said: &mut Vec<Said<'a, T>>, nodes: &[NodeName], items: &'a [T]) {
    if items.is_empty() {
        return;
    }
    match said.iter_mut().find(|known| known.items == items) {
        Some(known) => add_nodes(&mut known.nodes, nodes),
        None => said.push(Said { nodes: nodes.to_vec(), items }),
    }
}

fn add_nodes(known: &mut Vec<NodeName>, nodes: &[NodeName]) {
    for node in nodes {
        if !known.contains(node) {
            known.push(node.clone());
        }
    }
}

/// A report in numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Findings of each kind that there is one of.
    pub(super) findings: BTreeMap<Severity, usize>,
    /// Nodes with a finding that is worse than a note.
    pub(super) nodes: usize,
    /// Checks that found nothing worse than a note.
    pub(super) well: usize,
}

/// Counts them.
pub(super) fn counts(report: &Report) -> Counts {
    let mut findings = BTreeMap::new();
    for finding in merged(&report.verdicts) {
        *findings.entry(finding.severity).or_default() += 1;
    }
    let bad = report.verdicts.iter().filter(|verdict| verdict.severity < Severity::Note);
    let nodes: BTreeSet<_> = bad.clone().flat_map(|verdict| &verdict.nodes).collect();
    let bad: BTreeSet<_> = bad.map(|verdict| &verdict.check).collect();
    let all: BTreeSet<_> = report.verdicts.iter().map(|verdict| &verdict.check).collect();
    Counts { findings, nodes: nodes.len(), well: all.len() - bad.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Judgement;

    fn verdict(nodes: &[&str], judgement: Judgement) -> Verdict {
        Verdict {
            check: "clock".to_owned(),
            ..judgement.about(nodes.iter().map(|node| NodeName::from(*node)))
        }
    }

    fn told(verdicts: &[Verdict]) -> Vec<String> {
        let names = |nodes: &[NodeName]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
        let evidence = |finding: &Finding<'_>| {
            let said =
                finding.evidence.iter().map(|said| format!("{}:{}", names(&said.nodes), said.items[0].text));
            said.collect::<Vec<_>>().join(" ")
        };
        merged(verdicts)
            .iter()
            .map(|finding| format!("{} {} ({})", names(&finding.nodes), finding.message, evidence(finding)))
            .collect()
    }

    #[test]
    fn what_nodes_share_is_one_finding_and_what_they_do_not_stays_apart() {
        let off = |text: &str| Judgement::error("is off").seen("clock", text);
        let table: &[(&[Verdict], &[&str])] = &[
            (&[], &[]),
            (&[verdict(&["n1"], off("4 s"))], &["n1 is off (:4 s)"]),
            (&[verdict(&["n1"], off("4 s")), verdict(&["n2"], off("4 s"))], &["n1+n2 is off (:4 s)"]),
            (
                &[verdict(&["n1"], off("4 s")), verdict(&["n2"], off("5 s"))],
                &["n1+n2 is off (n1:4 s n2:5 s)"],
            ),
            (
                &[verdict(&["n1"], off("4 s")), verdict(&["n2"], Judgement::warning("is off"))],
                &["n1 is off (:4 s)", "n2 is off ()"],
            ),
            (
                &[verdict(&["n1"], off("4 s")), verdict(&["n2"], Judgement::error("is off"))],
                &["n1+n2 is off (n1:4 s)"],
            ),
            (
                &[verdict(&[], off("4 s")), verdict(&["n2"], off("4 s"))],
                &[" is off (:4 s)", "n2 is off (:4 s)"],
            ),
            (&[verdict(&["n1", "n2"], off("4 s"))], &["n1+n2 is off (:4 s)"]),
        ];
        for (verdicts, wanted) in table {
            assert_eq!(told(verdicts), *wanted);
        }
    }

    #[test]
    fn a_check_is_well_where_it_found_nothing_worse_than_a_note() {
        let report = Report::read(include_str!("../../../tests/fixtures/audit/v1.json")).unwrap();
        let Counts { findings, nodes, well } = counts(&report);
        assert_eq!(findings[&Severity::Error], 4);
        assert_eq!((nodes, well), (4, 14));
    }
}
