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
        assert_eq!(told(&with(*before, "before"), &with(*after, "after")), wanted, "{before:?} {after:?}");
    }
}

#[test]
fn an_audit_held_against_itself_has_not_changed() {
    let v1 = Report::read(include_str!("../../../tests/fixtures/audit/v1.json")).unwrap();
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
    assert_eq!(told(&report(&[one, other], &[]), &report(&[one], &[])), ["Gone exports n1: b is missing"]);
    assert_eq!(
        told(&report(&[one, other], &[]), &report(&[one, well], &[])),
        ["Gone exports n1: b is missing"]
    );
    assert_eq!(told(&report(&[one], &[]), &report(&[soft, one], &[])), ["New exports n1: c is open to all"]);
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
        ("json-file has no max-size, and 7 GiB are free", "json-file has no max-size, and 6 GiB are free"),
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
        ("only 9 MiB are left in /var, 1 GiB are wanted", "only 9 MiB are left in /boot, 1 GiB are wanted"),
        ("the clock is 4.2 s behind the other nodes'", "the clock is 4.2 s ahead of the other nodes'"),
        ("Docker is 28.5.2, and the inventory wants 29", "Docker is 29.1.3, and the inventory wants 29"),
        ("/srv is exported to n2 with other options: rw", "/srv is exported to n2 with other options: async"),
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
