//! Which steps may go at once, and what becomes of the accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::swarm::labels_receipt;
use super::{Account, Accounts, add, turns};
use crate::inventory::model::Role;
use crate::plan::{Action, Step};
use crate::resource::Fault;
use crate::swarm::{SwarmAction, SwarmReceipt};

fn step(node: &str, action: SwarmAction) -> Step {
    Step { node: node.into(), action: Action::Swarm(action) }
}

fn join(node: &str, role: Role) -> Step {
    step(node, SwarmAction::Join { role, advertise: [192, 168, 2, 1].into() })
}

#[test]
fn managers_join_one_by_one_and_workers_at_once() {
    let demote = |node: &str| step(node, SwarmAction::Demote { node_id: "x".to_owned() });
    let steps = [
        join("n2", Role::Manager),
        join("n3", Role::Manager),
        join("n4", Role::Worker),
        join("n5", Role::Worker),
        demote("n6"),
        demote("n7"),
        join("n8", Role::Worker),
    ];
    let placed: Vec<_> = steps.iter().enumerate().collect();
    let turns = turns(&placed);
    let places: Vec<Vec<usize>> =
        turns.iter().map(|turn| turn.iter().map(|(place, _)| *place).collect()).collect();
    assert_eq!(places, [vec![0], vec![1], vec![2, 3], vec![4], vec![5], vec![6]]);
    assert!(super::turns(&[]).is_empty());
}

#[test]
fn drained_nodes_have_turns_of_their_own_and_the_first_that_fails_is_the_last() {
    let id = || "x".to_owned();
    let steps = [
        step("n1", SwarmAction::Drain { node_id: id() }),
        step("n1", SwarmAction::Undrain { node_id: id() }),
        step("n2", SwarmAction::Drain { node_id: id() }),
    ];
    let placed: Vec<_> = steps.iter().enumerate().collect();
    assert_eq!(turns(&placed).len(), 3);
    assert!(steps.iter().all(|step| super::sort(step) == super::Sort::Restart));
}

#[test]
fn a_further_plan_adds_to_the_accounts() {
    let account = |changed, fault: Option<&str>| Account {
        changed,
        time: Duration::from_secs(1),
        fault: fault.map(|cause| Fault::new("n1", cause)),
        stopped: false,
    };
    let mut accounts =
        Accounts::from([("n1".into(), account(2, None)), ("n2".into(), account(1, Some("old")))]);
    add(
        &mut accounts,
        Accounts::from([("n1".into(), account(3, Some("new"))), ("n2".into(), account(0, None))]),
    );
    let told: Vec<_> = accounts
        .values()
        .map(|account| {
            (
                account.changed,
                account.time.as_secs(),
                account.fault.as_ref().map(|fault| fault.cause.as_str()),
            )
        })
        .collect();
    assert_eq!(told, [(5, 2, Some("new")), (1, 2, Some("old"))]);
}

#[test]
fn only_labels_that_changed_are_on_the_receipt() {
    let labels = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let had = labels(&[("disk", "hdd"), ("rack", "a"), ("zone", "x"), ("theirs", "1")]);
    let set = labels(&[("disk", "ssd"), ("rack", "a"), ("new", "1")]);
    let remove = BTreeSet::from(["zone".to_owned(), "none".to_owned()]);
    let SwarmReceipt::Labels { before, after, .. } = labels_receipt("n".to_owned(), &had, &set, &remove)
    else {
        panic!("labels were changed")
    };
    let told = |labels: &BTreeMap<String, Option<String>>| -> Vec<String> {
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("-"))).collect()
    };
    assert_eq!(told(&before), ["disk=hdd", "new=-", "zone=x"]);
    assert_eq!(told(&after), ["disk=ssd", "new=1", "zone=-"]);
}
