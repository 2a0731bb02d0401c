//! How the swarm is: who leads, who works, and how many losses it survives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::SwarmNode;
use crate::inventory::model::{Inventory, Node, NodeName, Role};
use crate::plan::{Finding, View};
use crate::swarm::membership::{Membership, Standing, Unknown, is_manager};
use crate::swarm::quorum::{Managers, quorum, tolerance};
use crate::swarm::remedy::remedy;

/// How the swarm is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The swarm's name, as in the inventory.
    pub name: String,
    /// The swarm's ID; none where no manager answers for it.
    pub cluster: Option<String>,
    /// Who leads.
    pub leader: Option<NodeRef>,
    /// Its managers, counted.
    pub managers: Managers,
    /// How many managers must agree.
    pub quorum: usize,
    /// How many more managers may be lost from here on.
    pub tolerance: usize,
    /// Its members: those of the inventory in its order, then the others.
    pub nodes: Vec<NodeHealth>,
    /// Nodes of the inventory that are no members, in its order.
    pub missing: Vec<Missing>,
}

/// A member, by its name in the inventory where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// Its name in the inventory.
    pub name: Option<NodeName>,
    /// Its node ID.
    pub node_id: String,
    /// Its hostname.
    pub hostname: String,
}

/// A member as the managers have it on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHealth {
    /// Its name in the inventory; none where the inventory lacks it.
    pub name: Option<NodeName>,
    /// Its node ID.
    pub node_id: String,
    /// Its hostname; may be shared by several members.
    pub hostname: String,
    /// Its role.
    pub role: Role,
    /// `active`, `pause` or `drain`.
    pub availability: String,
    /// `ready`, `down`, `unknown` or `disconnected`.
    pub state: String,
    /// Its IP address as the managers see it.
    pub addr: String,
    /// Whether it leads.
    pub leader: bool,
    /// `reachable`, `unreachable` or `unknown`, of managers only.
    pub reachability: Option<String>,
    /// Node labels.
    pub labels: BTreeMap<String, String>,
    /// Engine version.
    pub engine_version: String,
    /// `uname -m` of the node.
    pub architecture: String,
}

/// A node of the inventory that is no member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub name: NodeName,
    /// What it is instead: `in no swarm`, `not reached`.
    pub why: String,
}

impl Health {
    /// The swarm's health as told by the hosts that answered.
    pub fn of(view: &View<'_>) -> Self {
        let (inventory, membership) = (view.inventory, &Membership::read(view));
        let records = membership.ours.as_ref().map_or(&[][..], |roster| &roster.nodes);
        let place = |name: Option<&NodeName>| {
            let place = name.and_then(|name| inventory.nodes.iter().position(|node| node.name == *name));
            place.unwrap_or(usize::MAX)
        };
        let mut records: Vec<_> = records.iter().map(|record| (membership.name_of(record), record)).collect();
        records.sort_by_key(|(name, record)| (place(*name), record.hostname.clone(), record.id.clone()));
        let nodes: Vec<NodeHealth> =
            records.into_iter().map(|(name, record)| node_health(name, record)).collect();
        let count = |counts: fn(&NodeHealth) -> bool| nodes.iter().filter(|node| counts(node)).count();
        let managers = Managers {
            total: count(|node| node.role == Role::Manager),
            reachable: count(|node| {
                node.role == Role::Manager && node.reachability.as_deref() == Some("reachable")
            }),
        };
        let leader = nodes.iter().find(|node| node.leader);
        let is_member = |name: &NodeName| nodes.iter().any(|node| node.name.as_ref() == Some(name));
        let missing = inventory.nodes.iter().filter(|node| !is_member(&node.name));
        Self {
            name: inventory.name.clone(),
            cluster: membership.ours.as_ref().map(|roster| roster.cluster.id.clone()),
            leader: leader.map(|node| NodeRef {
                name: node.name.clone(),
                node_id: node.node_id.clone(),
                hostname: node.hostname.clone(),
            }),
            managers,
            quorum: if managers.total == 0 { 0 } else { quorum(managers.total) },
            tolerance: managers.spare(),
            missing: missing.map(|node| missing_node(node, membership)).collect(),
            nodes,
        }
    }

    /// What is not as the inventory wants it; empty when all is well.
    pub fn findings(&self, view: &View<'_>) -> Vec<Finding> {
        let (inventory, membership) = (view.inventory, &Membership::read(view));
        if self.cluster.is_none() {
            let why: Vec<String> =
                self.missing.iter().map(|node| format!("{} is {}", node.name, node.why)).collect();
            return vec![finding(
                Vec::new(),
                format!("no manager answers for the swarm {}: {}", self.name, why.join(", ")),
                remedies(inventory, membership),
            )];
        }
        let mut findings: Vec<Finding> = self.leadership(inventory).into_iter().collect();
        findings.extend(inventory.nodes.iter().filter_map(|node| self.node_finding(node, membership)));
        findings
    }

    /// Whether somebody leads, and as many losses are survived as planned.
    pub(crate) fn leadership(&self, inventory: &Inventory) -> Option<Finding> {
        let Managers { total, reachable } = self.managers;
        if self.leader.is_none() {
            return Some(finding(
                Vec::new(),
                format!(
                    "the swarm has no leader: {reachable} of {total} managers answer, {} are needed",
                    self.quorum
                ),
                "bring the managers that are off back".to_owned(),
            ));
        }
        let planned = tolerance(inventory.managers().count());
        (self.tolerance < planned).then(|| {
            finding(
                Vec::new(),
                format!(
                    "the swarm survives the loss of {} more managers, not {planned}: {reachable} of {total} answer, {} are \
                     needed",
                    self.tolerance, self.quorum
                ),
                "bring the managers that are off back, or run `skep up`".to_owned(),
            )
        })
    }

    /// What is not as planned of one node of the inventory.
    pub(crate) fn node_finding(&self, node: &Node, membership: &Membership) -> Option<Finding> {
        let name = &node.name;
        let (message, help) = match self.nodes.iter().find(|member| member.name.as_ref() == Some(name)) {
            None => {
                let why = self
                    .missing
                    .iter()
                    .find(|missing| missing.name == *name)
                    .map(|missing| missing.why.as_str());
                (
                    format!("{name} is {}", why.unwrap_or("not in the swarm")),
                    remedy_of(&name.0, membership.standing(name), membership),
                )
            }
            Some(member) if member.state != "ready" => (
                format!("{name} is {}, not ready", member.state),
                format!("see whether {name} is on and its engine runs: `systemctl status docker` there"),
            ),
            Some(member) if member.role != node.role => {
                (format!("{name} is a {}, not a {}", member.role, node.role), "run `skep up`".to_owned())
            }
            Some(member)
                if member.role == Role::Manager && member.reachability.as_deref() != Some("reachable") =>
            {
                (
                    format!(
                        "the manager {name} is {} for the others",
                        member.reachability.as_deref().unwrap_or("unknown")
                    ),
                    format!("check that {name} reaches them, and they it, on 2377/tcp"),
                )
            }
            Some(_) => return None,
        };
        Some(finding(vec![name.clone()], message, help))
    }
}

fn node_health(name: Option<&NodeName>, record: &SwarmNode) -> NodeHealth {
    NodeHealth {
        name: name.cloned(),
        node_id: record.id.clone(),
        hostname: record.hostname.clone(),
        role: if is_manager(record) { Role::Manager } else { Role::Worker },
        availability: record.availability.clone(),
        state: record.state.clone(),
        addr: record.addr.clone(),
        leader: record.leader,
        reachability: record.reachability.clone(),
        labels: record.labels.clone(),
        engine_version: record.engine_version.clone(),
        architecture: record.architecture.clone(),
    }
}

fn missing_node(node: &Node, membership: &Membership) -> Missing {
    let why = match membership.standing(&node.name) {
        Standing::Outside => "in no swarm".to_owned(),
        // A member is missing only where two hosts claim one record.
        Standing::Member { node_id, .. } => format!("a clone of the member {node_id}"),
        Standing::Pending => "still joining".to_owned(),
        Standing::Foreign { .. } => "in a swarm that is not ours".to_owned(),
        Standing::Unplaced { cause, .. } if cause.is_empty() => {
            "in a swarm that no manager answers for".to_owned()
        }
        Standing::Unplaced { cause, .. } => format!("in a swarm that no manager answers for ({cause})"),
        Standing::Error { cause } => format!("in a swarm but cannot work ({cause})"),
        Standing::Locked => "locked: it waits for its unlock key".to_owned(),
        Standing::Unknown(Unknown::Unreachable) => "not reached".to_owned(),
        Standing::Unknown(Unknown::Absent) => {
            "there, without an engine now, but with the state of a swarm on disc".to_owned()
        }
        Standing::Unknown(Unknown::Stopped) => "there, but its engine is stopped".to_owned(),
        Standing::Unknown(Unknown::Silent { cause }) => {
            format!("there, but its engine does not answer ({cause})")
        }
    };
    Missing { name: node.name.clone(), why }
}

/// What helps each of the nodes that keep a swarm from being there, those that stand alike told as one.
fn remedies(inventory: &Inventory, membership: &Membership) -> String {
    let mut alike: Vec<(&Standing, Vec<&str>)> = Vec::new();
    let kind = |standing: &Standing| remedy_of("", standing, membership);
    for node in &inventory.nodes {
        let standing = membership.standing(&node.name);
        match alike.iter_mut().find(|(other, _)| kind(other) == kind(standing)) {
            Some((_, names)) => names.push(&node.name.0),
            None => alike.push((standing, vec![&node.name.0])),
        }
    }
    if alike.len() > 1 {
        // Those join by themselves once the others are seen to.
        alike.retain(|(standing, _)| **standing != Standing::Outside);
    }
    let remedies = alike.iter().map(|(standing, names)| remedy_of(&names.join(", "), standing, membership));
    remedies.collect::<Vec<_>>().join("; ")
}

/// What helps nodes that are no members. A swarm that is nobody's may be taken over where there is no other.
pub(crate) fn remedy_of(whom: &str, standing: &Standing, membership: &Membership) -> String {
    let nobodys =
        |id: &String| membership.others.iter().any(|other| other.id == *id && other.label.is_none());
    match standing {
        Standing::Foreign { cluster: Some(id), .. } if membership.ours.is_none() && nobodys(id) => {
            format!("take that swarm over with `skep up --adopt {id}`, or {}", remedy(whom, standing))
        }
        _ => remedy(whom, standing),
    }
}

fn finding(nodes: Vec<NodeName>, message: String, help: String) -> Finding {
    Finding { nodes, message, help }
}

#[cfg(test)]
mod tests;
