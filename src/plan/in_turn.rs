//! Engines of a swarm's members are replaced in turn: drained, replaced, and back before the next one goes. When a member
//! may be away at all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Finding, PhaseName, Plan, Step, View};
use crate::facts::SwarmNode;
use crate::inventory::model::{NodeName, Role};
use crate::resource::Change;
use crate::swarm::membership::{Membership, Standing, Unknown, is_manager};
use crate::swarm::quorum::{Managers, can_lose, quorum};
use crate::swarm::{AVAILABILITY_LABEL, SwarmAction};

/// Puts the steps that replace a member's engine between those that drain it and give it tasks again. A member that a
/// former run left drained gets its tasks back, whatever else there is to do, unless that is done in an earlier phase.
pub(super) fn arrange(
    view: &View<'_>,
    given_back: &BTreeSet<NodeName>,
    phases: &mut BTreeMap<PhaseName, Vec<Step>>,
    plan: &mut Plan,
) {
    let membership = Membership::read(view);
    let mut steps = phases.remove(&PhaseName::Engine).unwrap_or_default();
    let mut arranged = Vec::new();
    for node in view.inventory.nodes.iter().filter(|node| view.hosts.contains_key(&node.name)) {
        let (own, others) = steps.into_iter().partition(|step| step.node == node.name);
        steps = others;
        arranged.extend(turn(&node.name, own, given_back.contains(&node.name), &membership, plan));
    }
    if !arranged.is_empty() {
        phases.insert(PhaseName::Engine, arranged);
    }
}

/// One node's steps.
fn turn(
    node: &NodeName,
    mut steps: Vec<Step>,
    given_back: bool,
    membership: &Membership,
    plan: &mut Plan,
) -> Vec<Step> {
    let record = record(node, membership);
    let drained = record.is_some_and(|record| record.labels.contains_key(AVAILABILITY_LABEL));
    let swarm = |action| Step { node: node.clone(), action: Action::Swarm(action) };
    let undrain = |record: &SwarmNode| swarm(SwarmAction::Undrain { node_id: record.id.clone() });
    if steps.iter().any(stops_engine) && waits_for_key(node, membership) {
        plan.problems.push(locked(node, "'s engine is not restarted"));
        steps.retain(|step| !stops_engine(step) && !concerns_packages(step));
    }
    if steps.iter().any(stops_engine)
        && !steps.iter().any(replaces_engine)
        && let Some(problem) = costs_quorum(node, membership, "'s engine is not restarted")
    {
        plan.problems.push(problem);
        steps.retain(|step| !stops_engine(step));
    }
    if !steps.iter().any(replaces_engine) {
        let back = record.filter(|_| drained && !given_back).map(undrain);
        return steps.into_iter().chain(back).collect();
    }
    match in_the_way(node, membership, &stays_away::ENGINE) {
        Ok(warning) => plan.warnings.extend(warning),
        Err(problem) => {
            plan.problems.push(problem);
            let stays = |step: &Step| !concerns_packages(step) && !stops_engine(step);
            return steps.into_iter().filter(stays).collect();
        }
    }
    let is_member = matches!(membership.standing(node), Standing::Member { .. });
    let drain =
        record.filter(|_| is_member).map(|record| swarm(SwarmAction::Drain { node_id: record.id.clone() }));
    // A node that its user drained stays drained.
    let back = record.filter(|record| drained || record.availability != "drain").map(undrain);
    drain.into_iter().chain(steps).chain(back).collect()
}

/// The node's record in our swarm, also where its engine does not run just now.
pub(super) fn record<'m>(node: &NodeName, membership: &'m Membership) -> Option<&'m SwarmNode> {
    membership
        .ours
        .iter()
        .flat_map(|roster| &roster.nodes)
        .find(|record| membership.name_of(record) == Some(node))
}

/// Whether a step stops a running engine for a while to put another in its place.
fn replaces_engine(step: &Step) -> bool {
    matches!(&step.action, Action::Change(Change::Packages(change)) if change.service.is_some())
}

/// Whether a step stops a running engine, be it only to start it again.
fn stops_engine(step: &Step) -> bool {
    step.action.describe().disrupts.is_some()
}

/// Whether a node is a manager that waits for the swarm's unlock key whenever its engine starts.
pub(super) fn waits_for_key(node: &NodeName, membership: &Membership) -> bool {
    let locks = membership.ours.as_ref().is_some_and(|roster| roster.cluster.autolock);
    locks && matches!(membership.standing(node), Standing::Member { role: Role::Manager, .. })
}

/// Why such a manager is left as it is; `not` as in [`stays_away::Words`].
pub(super) fn locked(node: &NodeName, not: &str) -> Finding {
    Finding {
        nodes: vec![node.clone()],
        message: format!("{node}{not}: the swarm is locked, and it would wait for the unlock key"),
        help: "run `docker swarm update --autolock=false` on a manager, then `skep up` again; `--autolock=true` afterwards \
               makes a new key"
            .to_owned(),
    }
}

fn concerns_packages(step: &Step) -> bool {
    matches!(&step.action, Action::Change(Change::Packages(_) | Change::Hold(_)))
}

/// Why a node is away for a while, in words.
pub(super) mod stays_away {
    /// What is done to it.
    pub(in super::super) struct Words {
        /// What is not done: `n1's engine is not replaced`.
        pub(in super::super) not: &'static str,
        /// Meanwhile: `while its engine is replaced`.
        pub(in super::super) meanwhile: &'static str,
    }

    /// Its engine is replaced.
    pub(in super::super) const ENGINE: Words =
        Words { not: "'s engine is not replaced", meanwhile: "while its engine is replaced" };

    /// It is rebooted.
    pub(in super::super) const REBOOT: Words =
        Words { not: " is not rebooted", meanwhile: "while it is rebooted" };
}

/// Whether a node may be away for a while; with a warning where the swarm is without managers meanwhile.
pub(super) fn in_the_way(
    node: &NodeName,
    membership: &Membership,
    words: &stays_away::Words,
) -> Result<Option<Finding>, Finding> {
    let stays_away::Words { not, meanwhile } = words;
    let finding = |message: String, help: String| Finding { nodes: vec![node.clone()], message, help };
    let role = match membership.standing(node) {
        Standing::Outside | Standing::Unknown(Unknown::Absent | Unknown::Stopped) => return Ok(None),
        Standing::Member { role, ready: true, .. } => *role,
        _ => {
            return Err(finding(
                format!("{node}{not}: it is not known how the swarm fares without it"),
                "see `skep status`; bring its swarm in order, then run `skep up` again".to_owned(),
            ));
        }
    };
    match (role, managers(membership).total) {
        (Role::Worker, _) => Ok(None),
        (Role::Manager, 1) => Ok(Some(finding(
            format!("{node} is the only manager: {meanwhile}, the swarm cannot be changed"),
            "with 3 managers it could".to_owned(),
        ))),
        _ => costs_quorum(node, membership, not).map_or(Ok(None), Err),
    }
}

fn managers(membership: &Membership) -> Managers {
    let nodes = membership.ours.iter().flat_map(|roster| &roster.nodes);
    Managers {
        total: nodes.clone().filter(|record| is_manager(record)).count(),
        reachable: nodes.filter(|record| membership.answers(record)).count(),
    }
}

/// Why a manager must not be away, where the others would be too few meanwhile. The only one is missed in any case.
fn costs_quorum(node: &NodeName, membership: &Membership, not: &str) -> Option<Finding> {
    let Managers { total, reachable } = managers(membership);
    let counts = record(node, membership).is_some_and(|record| membership.answers(record));
    (counts && total > 1 && !can_lose(reachable, total)).then(|| Finding {
        nodes: vec![node.clone()],
        message: format!(
            "{node}{not}: {reachable} of {total} managers answer, and {} are needed meanwhile without it",
            quorum(total)
        ),
        help: "bring the other managers back, then run `skep up` again".to_owned(),
    })
}
