//! Each node's place in the swarm, and members that are nobody's.

use super::super::engine::{INFO, without_name};
use super::{NODES, told};
use crate::audit::{Case, Check, Family, Judgement, Severity, Verdict};
use crate::inventory::model::Node;
use crate::swarm::health::{Health, remedy_of};
use crate::swarm::membership::{Membership, Standing};
use crate::swarm::refusal;

pub(in crate::audit) const NODE: Check = Check {
    id: "swarm-node",
    family: Family::Swarm,
    title: "the node is the member it shall be",
    explanation: "Each node is found in the swarm by the node ID that its own engine tells, never by its hostname, and \
        compared with what the managers have on record. In no swarm yet is a note: `skep up` lets it join. Down, unreachable \
        for the other managers, locked, in an error state (such as with an expired certificate) or in a swarm of somebody \
        else is an error, each with its own remedy. Another role than the inventory's is a warning, as is a join that still \
        goes on in the background. Drained or paused is a note. Where the engine does not answer, nothing is known.",
    examine: nodes,
};

fn nodes(case: &Case<'_>) -> Vec<Verdict> {
    let (health, membership) = (Health::of(case.view), Membership::read(case.view));
    let is_member = |node: &&Node| health.nodes.iter().any(|member| member.name.as_ref() == Some(&node.name));
    let nodes = case.inventory().nodes.iter();
    // Of a host that was not reached, only what the managers know of it is told.
    let told = nodes.filter(|node| is_member(node) || case.view.hosts.contains_key(&node.name));
    told.map(|node| place(node, &health, &membership).about([node.name.clone()])).collect()
}

fn place(node: &Node, health: &Health, membership: &Membership) -> Judgement {
    let (name, standing) = (&node.name, membership.standing(&node.name));
    let Some(member) = health.nodes.iter().find(|member| member.name.as_ref() == Some(name)) else {
        let missing = health.missing.iter().find(|missing| missing.name == *name);
        let why = missing.map_or("not in the swarm", |missing| &missing.why);
        let why = if *standing == Standing::Outside { format!("{why} yet") } else { why.to_owned() };
        let judgement = Judgement::new(severity(standing), why).seen(INFO, state(standing));
        return judgement.remedy(remedy_of(&name.0, standing, membership));
    };
    let seen = |judgement: Judgement| {
        let reachable = member.reachability.as_ref().map(|word| format!(", {word}")).unwrap_or_default();
        judgement.seen(
            NODES,
            format!(
                "{}: {}, {}, {}{reachable}",
                member.node_id, member.role, member.state, member.availability
            ),
        )
    };
    if let Some(finding) = health.node_finding(node, membership) {
        let role = member.state == "ready" && member.role != node.role;
        let severity = if role { Severity::Warning } else { Severity::Error };
        let message = without_name(&finding.message, name).to_owned();
        return seen(Judgement::new(severity, message)).remedy(finding.help);
    }
    match member.availability.as_str() {
        "active" => seen(Judgement::ok(format!("a {} of the swarm, ready", member.role))),
        other => {
            seen(Judgement::note(format!("a {} of the swarm, but on {other}: it gets no tasks", member.role)))
                .remedy(format!(
                    "`docker node update --availability active {}` on a manager, where that is over",
                    member.node_id
                ))
        }
    }
}

/// How bad it is to be no member, by why it is none.
fn severity(standing: &Standing) -> Severity {
    match standing {
        Standing::Outside => Severity::Note,
        Standing::Pending => Severity::Warning,
        Standing::Unknown(_) => Severity::Unknown,
        Standing::Member { .. }
        | Standing::Foreign { .. }
        | Standing::Unplaced { .. }
        | Standing::Error { .. }
        | Standing::Locked => Severity::Error,
    }
}

/// What the engine calls it.
pub(super) fn state(standing: &Standing) -> String {
    match standing {
        Standing::Outside => "LocalNodeState inactive".to_owned(),
        Standing::Pending => "LocalNodeState pending".to_owned(),
        Standing::Locked => "LocalNodeState locked".to_owned(),
        Standing::Error { cause } => format!("LocalNodeState error: {cause}"),
        Standing::Unknown(_) => "no answer".to_owned(),
        Standing::Member { node_id, .. }
        | Standing::Foreign { node_id, .. }
        | Standing::Unplaced { node_id, .. } => {
            format!("LocalNodeState active, NodeID {node_id}")
        }
    }
}

pub(in crate::audit) const MEMBERS: Check = Check {
    id: "swarm-members",
    family: Family::Swarm,
    title: "all members are in the inventory",
    explanation: "A manager lists the members of the swarm. Two hosts with one node ID are copies of one card, and another \
        machine that bears the name of a node in its label `skep.node` makes it unclear which of the two is meant: errors. \
        Members that the inventory lacks are a warning, as managers among them count in every quorum and nobody keeps them. \
        Dead records of a node that was set up anew are a warning too, and `skep up` removes them.",
    examine: members,
};

fn members(case: &Case<'_>) -> Vec<Verdict> {
    let membership = Membership::read(case.view);
    let mut verdicts: Vec<Verdict> = refusal::clones(case.view)
        .iter()
        .chain(&refusal::rivals(&membership))
        .map(|finding| {
            told(Severity::Error, finding)
                .seen(NODES, "node IDs and the label skep.node")
                .about(finding.nodes.clone())
        })
        .collect();
    let Some(roster) = &membership.ours else { return verdicts };
    if let Some(finding) = refusal::outsiders(&membership, roster) {
        verdicts.push(
            told(Severity::Warning, &finding)
                .seen(NODES, format!("{} members", roster.nodes.len()))
                .about([]),
        );
    }
    for node in &case.inventory().nodes {
        for ghost in membership.ghosts(&node.name) {
            let message = format!(
                "a dead record of what it was before is left: {} ({}, {})",
                ghost.id, ghost.role, ghost.state
            );
            let warning = Judgement::warning(message).seen(NODES, &ghost.id).remedy("`skep up` removes it");
            verdicts.push(warning.about([node.name.clone()]));
        }
    }
    if verdicts.is_empty() {
        let ok = Judgement::ok("all members are in the inventory")
            .seen(NODES, format!("{} members", roster.nodes.len()));
        verdicts.push(ok.about([]));
    }
    verdicts
}
