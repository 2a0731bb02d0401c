//! Which swarm is ours, and where each node stands towards it.
//!
//! Told by swarm and node IDs alone: never by hostnames, which boards share, and never by a command that failed.
//! What is not known stays [`Standing::Unknown`], and nobody makes a swarm while anything is.

use std::collections::BTreeMap;

use crate::facts::engine::Cluster;
use crate::facts::{Engine, SwarmNode, SwarmState, SwarmView};
use crate::inventory::model::{NodeName, Role};
use crate::plan::{Host, View};
use crate::swarm::{NODE_LABEL, SWARM_LABEL};

/// Which swarm is ours, and where each node of the inventory stands towards it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Our swarm, where a manager of it answers for it.
    pub ours: Option<Roster>,
    /// Other swarms that hosts of the inventory manage.
    pub others: Vec<Other>,
    /// Each node of the inventory.
    pub standings: BTreeMap<NodeName, Standing>,
    /// The IP addresses of each host that answered, by which it is told from others.
    addresses: BTreeMap<NodeName, Vec<String>>,
}

/// Our swarm as one of its managers knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// The manager that told; changes of the swarm are asked of it.
    pub via: NodeName,
    /// The swarm and its options.
    pub cluster: Cluster,
    /// Its members.
    pub nodes: Vec<SwarmNode>,
    /// Whether it is about to be taken over: it has no [`SWARM_LABEL`] yet, and the user named its ID.
    pub adopted: bool,
}

/// A swarm that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its ID.
    pub id: String,
    /// The inventory it belongs to, where skep made it.
    pub label: Option<String>,
    /// The hosts of the inventory that manage it.
    pub managers: Vec<NodeName>,
}

/// Where a node stands towards our swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In no swarm.
    Outside,
    /// A member of ours.
    Member {
        /// Its node ID.
        node_id: String,
        /// Its role on record.
        role: Role,
        /// Whether the managers have it as ready.
        ready: bool,
    },
    /// A join goes on in the background.
    Pending,
    /// A member of a swarm that is not ours, or one that ours has removed.
    Foreign {
        /// That swarm's ID, which only managers know.
        cluster: Option<String>,
        /// Its node ID there.
        node_id: String,
        /// Addresses (`IP:port`) of that swarm's managers.
        managers: Vec<String>,
    },
    /// A member of some swarm that no reachable manager answers for.
    Unplaced {
        /// Its node ID there.
        node_id: String,
        /// The engine's own words, where it has some.
        cause: String,
        /// Addresses (`IP:port`) of that swarm's managers.
        managers: Vec<String>,
    },
    /// A member of some swarm that cannot work, such as one whose certificate expired.
    Error {
        /// The engine's own words.
        cause: String,
    },
    /// A manager that waits for its unlock key.
    Locked,
    /// Nothing can be said.
    Unknown(Unknown),
}

/// Why nothing can be said of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The host was not reached.
    Unreachable,
    /// It has no engine now, but the state of a swarm on disc.
    Absent,
    /// Its engine does not run, but has the state of a swarm on disc.
    Stopped,
    /// Its engine runs, but does not answer.
    Silent {
        /// The system's own words.
        cause: String,
    },
}

/// The ID of our swarm, where a manager of it answers for it. Whatever changes the swarm goes through this one only.
pub fn ours(view: &View<'_>) -> Option<String> {
    Membership::read(view).ours.map(|roster| roster.cluster.id)
}

impl Membership {
    /// Reads it from the facts of the hosts that answered. The swarm that shall be taken over counts as ours although
    /// it has no label yet.
    pub fn read(view: &View<'_>) -> Self {
        let inventory = view.inventory;
        let managed = managed(view);
        let is_ours = |cluster: &Cluster| match cluster.labels.get(SWARM_LABEL) {
            Some(label) => *label == inventory.name,
            None => view.choices.adopt.as_deref() == Some(cluster.id.as_str()),
        };
        let ours = managed.iter().filter(|(_, cluster)| is_ours(cluster)).find_map(|(via, cluster)| {
            let nodes = cluster.nodes.clone().ok()?;
            let adopted = !cluster.labels.contains_key(SWARM_LABEL);
            Some(Roster { via: (*via).clone(), cluster: (*cluster).clone(), nodes, adopted })
        });
        let others = others(&managed, ours.as_ref());
        let standings = inventory
            .nodes
            .iter()
            .map(|node| (node.name.clone(), standing(view.hosts.get(&node.name), &managed, ours.as_ref())))
            .collect();
        let addresses = view.hosts.iter().map(|(name, host)| (name.clone(), addresses(host))).collect();
        Self { ours, others, standings, addresses }
    }

    /// Where a node of the inventory stands.
    pub fn standing(&self, name: &NodeName) -> &Standing {
        const UNREACHABLE: Standing = Standing::Unknown(Unknown::Unreachable);
        self.standings.get(name).unwrap_or(&UNREACHABLE)
    }

    /// The node of the inventory that a member is: by the node ID that a host told, else by its label.
    pub fn name_of(&self, member: &SwarmNode) -> Option<&NodeName> {
        let told = self.standings.iter().find(
            |(_, standing)| matches!(standing, Standing::Member { node_id, .. } if *node_id == member.id),
        );
        told.map(|(name, _)| name).or_else(|| {
            let label = member.labels.get(NODE_LABEL)?;
            let (name, standing) = self.standings.iter().find(|(name, _)| name.0 == *label)?;
            // A host that answers knows its own node ID; one that is off, or whose engine is, keeps its record.
            matches!(standing, Standing::Unknown(_)).then_some(name)
        })
    }

    /// Records of members that this host was before it was set up anew: they bear its name, but it has another node
    /// ID or none. They are down, or soon will be where they bear its address as well.
    pub fn ghosts(&self, name: &NodeName) -> Vec<&SwarmNode> {
        self.namesakes(name).filter(|node| self.is_past(name, node)).collect()
    }

    /// Records of members that bear this host's name, but are other machines: they are not down, and their address is
    /// none of the host's.
    pub fn rivals(&self, name: &NodeName) -> Vec<&SwarmNode> {
        self.namesakes(name).filter(|node| !self.is_past(name, node)).collect()
    }

    /// Records with the name of a host that answers and knows that it is none of them. One that cannot tell who it is
    /// has none: the record may be its own.
    fn namesakes(&self, name: &NodeName) -> impl Iterator<Item = &SwarmNode> {
        let knows = matches!(self.standing(name), Standing::Outside | Standing::Member { .. });
        let nodes = self.ours.iter().filter(move |_| knows).flat_map(|roster| &roster.nodes);
        nodes.filter(|node| node.labels.get(NODE_LABEL) == Some(&name.0) && self.name_of(node).is_none())
    }

    /// Whether a record with a host's name can only be that host's past.
    fn is_past(&self, name: &NodeName, record: &SwarmNode) -> bool {
        let own = || self.addresses.get(name).is_some_and(|own| own.contains(&record.addr));
        record.state == "down" || own()
    }

    /// Whether a member is a manager that answers, for the others and, where it is a host of the inventory that was
    /// reached, for us: they take a while to notice that its engine is gone.
    pub fn answers(&self, record: &SwarmNode) -> bool {
        let is_mute = |name| matches!(self.standing(name), Standing::Unknown(unknown) if *unknown != Unknown::Unreachable);
        is_manager(record)
            && is_reachable(record)
            && !self.is_ghost(record)
            && !self.name_of(record).is_some_and(is_mute)
    }

    /// Nodes whose engine works in a swarm, but whose managers do not say so, or none leads: for the moment, where one
    /// has just come, gone or taken the lead; for good, where they cannot reach each other.
    pub fn restless(&self) -> Vec<NodeName> {
        let record = |id: &str| self.ours.iter().flat_map(|ours| &ours.nodes).find(|record| record.id == id);
        let at_rest = |standing: &Standing| match standing {
            Standing::Member { node_id, ready, .. } => {
                *ready && record(node_id).is_none_or(|record| !is_manager(record) || is_reachable(record))
            }
            Standing::Pending | Standing::Unplaced { .. } => false,
            _ => true,
        };
        let restless = self.standings.iter().filter(|(_, standing)| !at_rest(standing));
        restless.map(|(name, _)| name.clone()).collect()
    }

    /// Whether a record is a ghost of any node.
    pub fn is_ghost(&self, record: &SwarmNode) -> bool {
        let name = record.labels.get(NODE_LABEL).map(|name| NodeName(name.clone()));
        name.is_some_and(|name| self.ghosts(&name).iter().any(|ghost| ghost.id == record.id))
    }
}

/// Whether a member is on record as a manager.
pub fn is_manager(node: &SwarmNode) -> bool {
    node.role == "manager"
}

/// Whether a manager answers, as the other managers see it.
pub fn is_reachable(node: &SwarmNode) -> bool {
    node.reachability.as_deref() == Some("reachable")
}

/// Whether a member works.
pub fn is_ready(node: &SwarmNode) -> bool {
    node.state == "ready"
}

/// The swarms that hosts of the inventory manage, in its order. A manager without quorum cannot list its nodes, so
/// it is not among them.
fn managed<'a>(view: &'a View<'_>) -> Vec<(&'a NodeName, &'a Cluster)> {
    let clusters =
        view.inventory.nodes.iter().filter_map(|node| match &view.hosts.get(&node.name)?.facts.engine {
            Engine::Running(running) => Some((&node.name, running.swarm.cluster.as_ref()?)),
            Engine::Absent { .. } | Engine::Stopped { .. } | Engine::Silent { .. } => None,
        });
    clusters.filter(|(_, cluster)| !cluster.id.is_empty() && cluster.nodes.is_ok()).collect()
}

fn addresses(host: &Host) -> Vec<String> {
    let interfaces = host.facts.network.iter();
    let addresses = interfaces.flat_map(|interface| &interface.addresses).map(|(ip, _)| ip);
    // Every host has the loopback ones.
    addresses.filter(|ip| !ip.is_loopback()).map(ToString::to_string).collect()
}

fn others(managed: &[(&NodeName, &Cluster)], ours: Option<&Roster>) -> Vec<Other> {
    let mut others: Vec<Other> = Vec::new();
    for (name, cluster) in managed {
        if ours.is_some_and(|roster| roster.cluster.id == cluster.id) {
            continue;
        }
        match others.iter_mut().find(|other| other.id == cluster.id) {
            Some(other) => other.managers.push((*name).clone()),
            None => others.push(Other {
                id: cluster.id.clone(),
                label: cluster.labels.get(SWARM_LABEL).cloned(),
                managers: vec![(*name).clone()],
            }),
        }
    }
    others
}

fn standing(host: Option<&Host>, managed: &[(&NodeName, &Cluster)], ours: Option<&Roster>) -> Standing {
    let Some(Host { facts, .. }) = host else { return Standing::Unknown(Unknown::Unreachable) };
    match &facts.engine {
        Engine::Absent { swarm: false } | Engine::Stopped { swarm: false } => Standing::Outside,
        Engine::Absent { swarm: true } => Standing::Unknown(Unknown::Absent),
        Engine::Stopped { swarm: true } => Standing::Unknown(Unknown::Stopped),
        Engine::Silent { cause } => Standing::Unknown(Unknown::Silent { cause: cause.clone() }),
        Engine::Running(running) => match running.swarm.state {
            SwarmState::Inactive => Standing::Outside,
            SwarmState::Pending => Standing::Pending,
            SwarmState::Locked => Standing::Locked,
            SwarmState::Error => Standing::Error { cause: running.swarm.error.clone() },
            SwarmState::Active => active(&running.swarm, managed, ours),
        },
    }
}

/// Where a member of some swarm stands: ours, if our managers have its node ID on record.
fn active(view: &SwarmView, managed: &[(&NodeName, &Cluster)], ours: Option<&Roster>) -> Standing {
    let node_id = view.node_id.clone();
    let managers = view.managers.clone();
    if let Some(record) = ours.and_then(|roster| roster.nodes.iter().find(|node| node.id == node_id)) {
        let role = if is_manager(record) { Role::Manager } else { Role::Worker };
        return Standing::Member { node_id, role, ready: is_ready(record) };
    }
    let own = view.cluster.as_ref().filter(|cluster| !cluster.id.is_empty());
    let lists = |cluster: &&Cluster| cluster.nodes.iter().flatten().any(|node| node.id == node_id);
    let home = managed.iter().map(|(_, cluster)| *cluster).find(lists).or(own);
    match home {
        Some(cluster) if ours.is_some() || cluster.nodes.is_ok() => {
            Standing::Foreign { cluster: Some(cluster.id.clone()), node_id, managers }
        }
        None if ours.is_some() => Standing::Foreign { cluster: None, node_id, managers },
        _ => {
            let unlisted = own.and_then(|cluster| cluster.nodes.as_ref().err()).cloned();
            Standing::Unplaced { node_id, cause: unlisted.unwrap_or_else(|| view.error.clone()), managers }
        }
    }
}

#[cfg(test)]
mod tests;
