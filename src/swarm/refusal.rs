//! What stands against a plan for the swarm, each with what helps.

use std::collections::BTreeSet;

use crate::facts::SwarmNode;
use crate::inventory::model::NodeName;
use crate::plan::twins::{Identity, Twins};
use crate::plan::{Choices, Finding, View};
use crate::swarm::membership::{Membership, Other, Roster, Standing, Unknown, is_manager};
use crate::swarm::quorum::{Managers, quorum};
use crate::swarm::remedy::remedy;
use crate::swarm::steps::Scene;
use crate::swarm::{NODE_LABEL, join};

/// Hosts in swarms that are not ours, and a swarm to adopt that is not there.
pub(super) fn strangers(membership: &Membership, adopt: Option<&str>) -> Vec<Finding> {
    let mut refusals: Vec<Finding> =
        membership.others.iter().map(|other| other_swarm(other, membership)).collect();
    if let Some(id) = adopt
        && membership.ours.as_ref().is_none_or(|roster| roster.cluster.id != id)
        && membership.others.iter().all(|other| other.id != id)
    {
        refusals.push(finding(
            &[],
            format!("no manager that answers is in the swarm {id}, which shall be taken over"),
            "see its ID with `docker info --format '{{.Swarm.Cluster.ID}}'` on one of its managers"
                .to_owned(),
        ));
    }
    for (name, standing) in &membership.standings {
        let is_told = |id: &String| membership.others.iter().any(|other| other.id == *id);
        if !matches!(standing, Standing::Foreign { cluster: Some(id), .. } if is_told(id)) {
            refusals.extend(foreign(name, standing, membership));
        }
    }
    refusals
}

fn other_swarm(other: &Other, membership: &Membership) -> Finding {
    let nodes: Vec<NodeName> = membership
        .standings
        .iter()
        .filter(|(_, standing)| matches!(standing, Standing::Foreign { cluster: Some(id), .. } if *id == other.id))
        .map(|(name, _)| name.clone())
        .collect();
    let who = format!("{} {} in the swarm {}", join(&nodes), are(nodes.len()), other.id);
    let leave = "let them leave it (`docker swarm leave --force` on each, which ends what runs there)";
    match (&other.label, &membership.ours) {
        (_, Some(roster)) => finding(
            &nodes,
            format!(
                "{who}, and {} is in the swarm {}: one inventory is one swarm",
                roster.via, roster.cluster.id
            ),
            format!("keep them in an inventory of their own, or {leave}"),
        ),
        (None, None) => finding(
            &nodes,
            format!("{who}, which skep did not make"),
            format!("take it over with `skep up --adopt {}`, or {leave}", other.id),
        ),
        (Some(label), None) => finding(
            &nodes,
            format!("{who}, which belongs to the inventory {label}"),
            format!("write `name: {label}` if this is that inventory, or {leave}"),
        ),
    }
}

fn foreign(name: &NodeName, standing: &Standing, membership: &Membership) -> Option<Finding> {
    let Standing::Foreign { node_id, managers, .. } = standing else { return None };
    let ours: Vec<String> = membership
        .ours
        .iter()
        .flat_map(|roster| roster.nodes.iter().filter(|node| is_manager(node)))
        .map(|node| node.addr.clone())
        .collect();
    let removed = managers
        .iter()
        .any(|addr| ours.iter().any(|ip| *addr == format!("{ip}:2377") || *addr == format!("[{ip}]:2377")));
    let message = if removed {
        format!("{name} still takes itself for the member {node_id}, which our swarm has removed")
    } else if managers.is_empty() {
        format!("{name} is the member {node_id} of a swarm that is not ours")
    } else {
        format!(
            "{name} is the member {node_id} of a swarm that is not ours, managed at {}",
            managers.join(", ")
        )
    };
    Some(finding(std::slice::from_ref(name), message, remedy(&name.0, standing)))
}

/// Hosts that have one node ID between them, as those cloned from one card do.
pub(crate) fn clones(view: &View<'_>) -> Vec<Finding> {
    let told = |Twins { value, nodes, help }: Twins| {
        finding(&nodes, format!("{} have one node ID between them: {value}", join(&nodes)), help)
    };
    Identity::Member.twins(view).into_iter().map(told).collect()
}

/// Other machines that bear the name of a host: which of the two is meant is not for skep to guess.
pub(crate) fn rivals(membership: &Membership) -> Vec<Finding> {
    let rivals = |name| membership.rivals(name).into_iter().map(move |record| rival(name, record));
    membership.standings.keys().flat_map(rivals).collect()
}

fn rival(name: &NodeName, record: &SwarmNode) -> Finding {
    let SwarmNode { id, hostname, addr, state, .. } = record;
    finding(
        std::slice::from_ref(name),
        format!(
            "another machine carries the name {name} in this swarm: the member {id} ({hostname}, {state}) at {addr}, \
             which is no address of {name}"
        ),
        format!(
            "if it shall stay, take the name off it (`docker node update --label-rm {NODE_LABEL} {id}`); if {name} \
             replaces it, switch it off and run `skep up` once it is down"
        ),
    )
}

/// Hosts that know a swarm of which no manager answers: it is not for skep to make a second one.
pub(super) fn headless(membership: &Membership) -> Vec<Finding> {
    let told = |(name, standing): (&NodeName, &Standing)| match standing {
        Standing::Pending => Some(finding(
            std::slice::from_ref(name),
            format!("{name} is joining a swarm in the background, and no manager of it answers"),
            remedy(&name.0, standing),
        )),
        _ => cannot_work(name, standing),
    };
    let others = membership.standings.iter().filter_map(told);
    no_answer(membership).into_iter().chain(others).collect()
}

/// Members of swarms that no reachable manager answers for, in the engines' own words.
fn no_answer(membership: &Membership) -> Option<Finding> {
    let mut nodes = Vec::new();
    let mut known = BTreeSet::new();
    let mut said = "";
    for (name, standing) in &membership.standings {
        if let Standing::Unplaced { cause, managers, .. } = standing {
            nodes.push(name.clone());
            known.extend(managers.iter().cloned());
            said = if said.is_empty() { cause } else { said };
        }
    }
    let all = Standing::Unplaced {
        node_id: String::new(),
        cause: said.to_owned(),
        managers: known.into_iter().collect(),
    };
    let who = join(&nodes);
    (!nodes.is_empty()).then(|| {
        let message =
            format!("{who} {} in a swarm that no manager answers for{}", are(nodes.len()), words(said));
        finding(&nodes, message, remedy(&who, &all))
    })
}

/// Members that cannot work, in a swarm that is there.
pub(super) fn stuck(membership: &Membership) -> Vec<Finding> {
    membership.standings.iter().filter_map(|(name, standing)| cannot_work(name, standing)).collect()
}

fn cannot_work(name: &NodeName, standing: &Standing) -> Option<Finding> {
    let message = match standing {
        Standing::Error { cause } => format!("{name} is in a swarm but cannot work{}", words(cause)),
        Standing::Locked => format!("{name} is a manager that waits for its unlock key"),
        _ => return None,
    };
    Some(finding(std::slice::from_ref(name), message, remedy(&name.0, standing)))
}

/// Hosts that were not reached and may hold a swarm.
pub(super) fn unreachable(membership: &Membership, choices: &Choices) -> Option<Finding> {
    let nodes: Vec<NodeName> = membership
        .standings
        .iter()
        .filter(|(name, standing)| {
            **standing == Standing::Unknown(Unknown::Unreachable) && !choices.assume_new.contains(*name)
        })
        .map(|(name, _)| name.clone())
        .collect();
    let vouch: Vec<String> = nodes.iter().map(|name| format!("--assume-new {name}")).collect();
    (!nodes.is_empty()).then(|| {
        finding(
            &nodes,
            format!(
                "no host that answers knows a swarm, but {} {} not reached and may: a second swarm must not be made",
                join(&nodes),
                if nodes.len() == 1 { "was" } else { "were" }
            ),
            format!(
                "switch on what is off, take it out of the inventory, or vouch that it holds no swarm with `skep up {}`",
                vouch.join(" ")
            ),
        )
    })
}

/// Hosts that answer, but whose engine does not, so that no swarm is made yet.
pub(super) fn unasked(membership: &Membership) -> Vec<Finding> {
    let unasked = membership.standings.iter();
    unasked
        .filter_map(|(name, standing)| engine_down(name, standing))
        .map(|mut finding| {
            finding.message.push_str("; no swarm is made before that is known");
            finding
        })
        .collect()
}

/// Hosts whose engine cannot be asked. Of those that our swarm knows by name only engines that should answer are
/// told: what is stopped starts without that.
pub(super) fn unplaced(membership: &Membership) -> Vec<Finding> {
    let is_silent = |standing: &Standing| matches!(standing, Standing::Unknown(Unknown::Silent { .. }));
    let told = membership
        .standings
        .iter()
        .filter(|(name, standing)| is_silent(standing) || !has_record(membership, name));
    told.filter_map(|(name, standing)| engine_down(name, standing)).collect()
}

/// Whether our swarm knows a node by its label although its engine does not answer.
fn has_record(membership: &Membership, name: &NodeName) -> bool {
    let mut records = membership.ours.iter().flat_map(|roster| &roster.nodes);
    records.any(|record| membership.name_of(record) == Some(name))
}

/// A host that answers, but has no engine that could be asked.
fn engine_down(name: &NodeName, standing: &Standing) -> Option<Finding> {
    let message = match standing {
        Standing::Unknown(Unknown::Absent) => format!(
            "{name} has no engine now, but the state of a swarm on disc: whether it is in one shows when an engine runs"
        ),
        Standing::Unknown(Unknown::Stopped) => format!(
            "the engine of {name} is installed but stopped: whether it is in a swarm shows when it runs"
        ),
        Standing::Unknown(Unknown::Silent { cause }) => {
            format!("{name}'s engine runs but does not answer, so its swarm is unknown{}", words(cause))
        }
        _ => return None,
    };
    Some(finding(std::slice::from_ref(name), message, remedy(&name.0, standing)))
}

/// No desired manager can make the swarm.
pub(super) fn no_manager(scene: &Scene<'_>) -> Finding {
    let managers: Vec<NodeName> = scene.view.inventory.managers().map(|node| node.name.clone()).collect();
    let limited = managers.iter().any(|name| !scene.view.choices.includes(name));
    finding(
        &managers,
        format!("there is no swarm yet, and none of its managers can make it: {}", join(&managers)),
        if limited {
            format!("add one of them to `--limit`: {}", join(&managers))
        } else {
            "bring one of them up, or give a node that answers `role: manager`".to_owned()
        },
    )
}

/// A step that the managers' quorum does not allow.
pub(super) fn no_quorum(name: &NodeName, what: &str, managers: Managers) -> Finding {
    let Managers { total, reachable } = managers;
    finding(
        std::slice::from_ref(name),
        format!(
            "cannot {what} {name}: {reachable} of {total} managers answer, {} are needed, and the step would leave too few",
            quorum(total)
        ),
        "bring the managers that are off back, then run `skep up` again".to_owned(),
    )
}

/// Members that the inventory lacks.
pub(crate) fn outsiders(membership: &Membership, roster: &Roster) -> Option<Finding> {
    let stranger = |node: &&SwarmNode| {
        // A host whose join or recovery goes on cannot tell its node ID, but its record is known by its label.
        let joining = node.labels.get(NODE_LABEL).is_some_and(|label| {
            matches!(
                membership.standings.get(&NodeName(label.clone())),
                Some(Standing::Pending | Standing::Error { .. } | Standing::Locked)
            )
        });
        membership.name_of(node).is_none() && !joining && !membership.is_ghost(node)
    };
    let strangers: Vec<&SwarmNode> = roster.nodes.iter().filter(stranger).collect();
    let managers = strangers.iter().filter(|node| is_manager(node)).count();
    let list: Vec<String> =
        strangers.iter().map(|node| format!("{} ({}, {})", node.id, node.hostname, node.role)).collect();
    (!strangers.is_empty()).then(|| {
        finding(
            &[],
            format!(
                "the swarm has members that the inventory lacks: {}{}",
                list.join(", "),
                if managers > 0 {
                    format!("; {managers} of them count as managers in every quorum")
                } else {
                    String::new()
                }
            ),
            "add them to the inventory, or remove them with `docker node rm` once they are down".to_owned(),
        )
    })
}

fn finding(nodes: &[NodeName], message: String, help: String) -> Finding {
    Finding { nodes: nodes.to_vec(), message, help }
}

/// The engine's own words, where it has some.
fn words(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(": {cause}") }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
