//! Membership and quorum arithmetic: pure.
//!
//! Nothing here is keyed by hostname: hosts by inventory name, members by node ID. The binding between the two is
//! the node label [`NODE_LABEL`] in the swarm's own raft store.

pub mod advertise;
pub mod health;
mod holdings;
mod labels;
pub mod membership;
pub mod quorum;
pub(crate) mod refusal;
pub(crate) mod remedy;
mod roles;
pub mod steps;
pub(crate) mod undo;
#[cfg(test)]
pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::inventory::model::{NodeName, Role};
use crate::resource::Description;

pub use holdings::Holdings;

/// Node label that binds a member to its name in the inventory.
pub const NODE_LABEL: &str = "skep.node";

/// Label of the swarm itself that tells which inventory it belongs to; set in the same request that makes the swarm.
pub const SWARM_LABEL: &str = "skep.swarm";

/// Node label of a member that is drained while its engine is replaced: what it was available for before.
pub const AVAILABILITY_LABEL: &str = "skep.availability";

/// Port of the swarm's managers; fixed by skep as by everybody.
pub const PORT: u16 = 2377;

/// A change of the swarm. Node IDs that are only known once the node has joined are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmAction {
    /// Makes the swarm on this node.
    Init {
        /// The address the other nodes reach this one at.
        advertise: IpAddr,
        /// The swarm's name, for [`SWARM_LABEL`].
        name: String,
        /// Default address pool as CIDRs; Docker's own where empty.
        address_pool: Vec<String>,
        /// Prefix length of each overlay network.
        subnet_size: Option<u8>,
        /// Finished tasks kept a slot.
        task_history: Option<i64>,
    },
    /// Joins this node to the swarm.
    Join {
        /// As what.
        role: Role,
        /// The address the other nodes reach this one at.
        advertise: IpAddr,
    },
    /// Waits for a join that already goes on in the background.
    AwaitJoin,
    /// Makes this worker a manager.
    Promote {
        /// Its node ID.
        node_id: String,
    },
    /// Makes this manager a worker.
    Demote {
        /// Its node ID.
        node_id: String,
    },
    /// Removes the record of a member that this host was before it was set up anew.
    Forget {
        /// The old node ID.
        node_id: String,
        /// Whether it is recorded as a manager, so that it is demoted first.
        manager: bool,
    },
    /// Has the node's tasks move to others while its engine is replaced.
    Drain {
        /// Its node ID.
        node_id: String,
    },
    /// Gives a drained node tasks again, if it had any before.
    Undrain {
        /// Its node ID.
        node_id: String,
    },
    /// Takes over a swarm that skep did not make, by labelling it.
    Adopt {
        /// The swarm's name, for [`SWARM_LABEL`].
        name: String,
    },
    /// Changes the swarm's options.
    Configure {
        /// Finished tasks kept a slot.
        task_history: i64,
    },
    /// Sets node labels; others stay.
    Label {
        /// Its node ID; none where it is only known after the join.
        node_id: Option<String>,
        /// The labels.
        labels: BTreeMap<String, String>,
        /// Labels to take off, by undo.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        remove: BTreeSet<String>,
    },
    /// By undo: takes skep's label off a swarm that was taken over.
    Release {
        /// The swarm's name.
        name: String,
    },
    /// By undo: lets a member go. It is drained, demoted where it is a manager, leaves, and its record is removed.
    Leave {
        /// Its node ID.
        node_id: String,
        /// What it is.
        role: Role,
    },
    /// By undo: ends a swarm by letting its last member go. What it was made with, so that it could be made again.
    Dissolve {
        /// The swarm's ID.
        swarm: String,
        /// The swarm's name.
        name: String,
        /// Default address pool as CIDRs; Docker's own where empty.
        address_pool: Vec<String>,
        /// Prefix length of each overlay network.
        subnet_size: Option<u8>,
        /// Finished tasks kept a slot.
        task_history: Option<i64>,
    },
}

/// What a step that changed the swarm found there, or made: all that an undo has to know besides the step itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmReceipt {
    /// The node became this member.
    Member {
        /// The swarm's ID.
        swarm: String,
        /// Its node ID.
        node_id: String,
    },
    /// The member had another role.
    Role {
        /// Its node ID.
        node_id: String,
        /// Its role before.
        before: Role,
    },
    /// The member had other labels.
    Labels {
        /// Its node ID.
        node_id: String,
        /// Those that were changed, as they were before; none where there was no such label.
        before: BTreeMap<String, Option<String>>,
        /// The same, as they were made.
        after: BTreeMap<String, Option<String>>,
    },
    /// The swarm kept another number of finished tasks.
    TaskHistory {
        /// How many before.
        before: i64,
    },
    /// The node was a member.
    Left {
        /// Its role.
        role: Role,
        /// The address it advertised.
        advertise: Option<IpAddr>,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Its availability.
        availability: String,
    },
}

impl SwarmAction {
    /// Whether it sets labels of a node, which waits until the node is a member.
    pub fn is_label(&self) -> bool {
        matches!(self, Self::Label { .. })
    }

    /// What it does, for people.
    pub fn describe(&self) -> Description {
        let title = match self {
            Self::Init { advertise, name, .. } => format!("make the swarm {name}, advertised at {advertise}"),
            Self::Join { role, advertise } => format!("join as {role}, advertised at {advertise}"),
            Self::AwaitJoin => "wait for the join that goes on in the background".to_owned(),
            Self::Promote { .. } => "promote to manager".to_owned(),
            Self::Demote { .. } => "demote to worker".to_owned(),
            Self::Forget { node_id, .. } => format!("remove its old, dead record {node_id}"),
            Self::Drain { .. } => "drain: its tasks move to other nodes".to_owned(),
            Self::Undrain { .. } => "make available as before it was drained".to_owned(),
            Self::Adopt { name } => format!("take the swarm over as {name}"),
            Self::Configure { task_history } => format!("keep {task_history} finished tasks a slot"),
            Self::Label { labels, remove, .. } => {
                let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let removed: Vec<_> = remove.iter().map(String::as_str).collect();
                match (labels.is_empty(), removed.is_empty()) {
                    (_, true) => format!("label {}", labels.join(" ")),
                    (true, _) => format!("take off the label {}", removed.join(" ")),
                    _ => format!("label {}, take off {}", labels.join(" "), removed.join(" ")),
                }
            }
            Self::Release { name } => format!("give up the swarm {name} that was taken over"),
            Self::Leave { role, .. } => format!("leave the swarm, as {role}"),
            Self::Dissolve { name, .. } => format!("end the swarm {name} as its last member"),
        };
        let disrupts = match self {
            Self::Leave { .. } => Some("its tasks move to other nodes".to_owned()),
            _ => None,
        };
        Description { title, text: None, disrupts }
    }
}

/// `n1, n2, n3`.
fn join(names: &[NodeName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
