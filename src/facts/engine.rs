//! The Docker engine and the swarm as it sees it, asked over the engine's own socket.
//!
//! Asked only while the engine runs: connecting to the socket of a stopped one would start it, and observing
//! must change nothing. Never asks `/swarm`, whose answer holds the join tokens.

mod answers;
pub(crate) mod data;
mod http;
pub(crate) mod process;
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::Host;

pub use settings::Settings;

/// The engine on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// No `dockerd` on the host.
    Absent {
        /// Whether an engine that was there left the state of a swarm on disc.
        swarm: bool,
    },
    /// Installed, but not running.
    Stopped {
        /// Whether its data hold the state of a swarm. Where not, the host is in none.
        swarm: bool,
    },
    /// Runs, but did not answer: `cause` says why. Nothing may be concluded about the swarm from this.
    Silent {
        /// The system's own words.
        cause: String,
    },
    /// Answers.
    Running(Box<Running>),
}

/// How long an engine may take for one answer: a board that is busy with an image takes seconds, and so does a manager
/// that has just lost its quorum.
const PATIENCE: Duration = Duration::from_secs(15);

impl Engine {
    /// Asks it. What cannot be asked is [`Engine::Silent`], never absent.
    pub fn read(host: &Host) -> Self {
        let Some(process) = process::find(host) else {
            return match process::installed(host) {
                true => Self::Stopped { swarm: data::hold_a_swarm(host) },
                false => Self::Absent { swarm: data::hold_a_swarm(host) },
            };
        };
        let socket = host.path("/run/docker.sock");
        let get = |path: &str| http::get(&socket, path, PATIENCE);
        match running(&get, process.started_unix_ms) {
            Ok(running) => Self::Running(Box::new(running)),
            Err(cause) => Self::Silent { cause },
        }
    }

    /// Whether the host may be a member of a swarm, as far as can be told.
    pub fn may_be_in_a_swarm(&self) -> bool {
        match self {
            Self::Absent { swarm } | Self::Stopped { swarm } => *swarm,
            Self::Silent { .. } => true,
            Self::Running(running) => running.swarm.state != SwarmState::Inactive,
        }
    }

    /// Whether the host has an engine, running or not.
    pub fn is_installed(&self) -> bool {
        !matches!(self, Self::Absent { .. })
    }
}

/// What an engine answers to `get`.
fn running(get: &dyn Fn(&str) -> Result<Value, String>, started_unix_ms: i64) -> Result<Running, String> {
    let info = get("/info")?;
    let mut running = answers::info(&info, started_unix_ms)?;
    if let Some(cluster) = &mut running.swarm.cluster {
        cluster.nodes =
            get("/nodes").and_then(|nodes| answers::nodes(&nodes, &info["Swarm"]["Cluster"]["TLSInfo"]));
    }
    Ok(running)
}

/// An engine that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Version of the engine.
    pub version: String,
    /// The engine's own ID; shared by hosts cloned from one card.
    pub id: String,
    /// Storage driver.
    pub storage_driver: String,
    /// Whether live-restore is on, which a swarm does not allow.
    pub live_restore: bool,
    /// When the engine process started, in milliseconds since 1970.
    pub started_unix_ms: i64,
    /// The swarm as this engine sees it.
    pub swarm: SwarmView,
    /// How it runs, as it tells.
    #[serde(default)]
    pub settings: Settings,
}

/// The swarm as one engine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmView {
    /// This node's state.
    pub state: SwarmState,
    /// This node's ID; empty outside a swarm.
    pub node_id: String,
    /// The address this node advertises; empty outside a swarm.
    pub node_addr: String,
    /// Whether this node is a manager that answers for the swarm.
    pub control: bool,
    /// The engine's own words where the state is `Error` or a join goes on in the background.
    pub error: String,
    /// Advertise addresses (`IP:port`) of the managers this node knows.
    pub managers: Vec<String>,
    /// What only managers know.
    pub cluster: Option<Cluster>,
}

/// `LocalNodeState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmState {
    /// In no swarm.
    Inactive,
    /// A join goes on in the background.
    Pending,
    /// A member.
    Active,
    /// A member that cannot work, such as one whose certificate expired.
    Error,
    /// A manager that waits for its unlock key.
    Locked,
}

/// What only managers know of the swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The swarm's ID.
    pub id: String,
    /// The swarm's own labels.
    pub labels: BTreeMap<String, String>,
    /// Finished tasks kept a slot.
    pub task_history: Option<i64>,
    /// Default address pool, as CIDRs.
    pub address_pool: Vec<String>,
    /// Prefix length of each overlay network.
    pub subnet_size: u32,
    /// Whether a manager that starts waits for its unlock key.
    #[serde(default)]
    pub autolock: bool,
    /// Whether the members' certificates are being replaced by those of another root.
    #[serde(default)]
    pub rotating: bool,
    /// All nodes; none where the manager could not list them, such as without quorum (`cause` tells).
    pub nodes: Result<Vec<SwarmNode>, String>,
}

/// A node as the managers know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmNode {
    /// Its ID.
    pub id: String,
    /// Its hostname; may be shared by several nodes.
    pub hostname: String,
    /// `manager` or `worker`, as specified.
    pub role: String,
    /// `active`, `pause` or `drain`.
    pub availability: String,
    /// `ready`, `down`, `unknown` or `disconnected`.
    pub state: String,
    /// Its IP address as the managers see it.
    pub addr: String,
    /// Whether it is the leader.
    pub leader: bool,
    /// `reachable`, `unreachable` or `unknown`, of managers only.
    pub reachability: Option<String>,
    /// Node labels.
    pub labels: BTreeMap<String, String>,
    /// Engine version.
    pub engine_version: String,
    /// `uname -m` of the node.
    pub architecture: String,
    /// What the managers hold of its certificate.
    #[serde(default)]
    pub certificate: Trust,
}

/// What the managers hold of a member's certificate, as `docker node ls` tells by its `TLSStatus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nothing is known.
    #[default]
    Unknown,
    /// The swarm's own root signed it.
    Ready,
    /// Another root signed it, so that it has to be replaced.
    Outdated,
}

#[cfg(test)]
mod tests;
