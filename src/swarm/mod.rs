//! Membership and quorum arithmetic: pure.
//!
//! Nothing here is keyed by hostname: hosts by inventory name, members by node ID. The binding between the two is
//! the node label [`NODE_LABEL`] in the swarm's own raft store.

pub mod advertise;
pub mod health;
mod labels;
pub mod membership;
pub mod quorum;
mod refusal;
mod remedy;
mod roles;
pub mod steps;
#[cfg(test)]
pub(crate) mod world;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::inventory::model::{NodeName, Role};
use crate::resource::Description;

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
    },
}

impl SwarmAction {
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
            Self::Label { labels, .. } => {
                let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("label {}", labels.join(" "))
            }
        };
        Description { title, text: None, disrupts: None }
    }
}

/// `n1, n2, n3`.
fn join(names: &[NodeName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
