//! Facts and desire to phases of steps: a pure function, with no I/O, no clock and no randomness.
//!
//! `skep plan` prints a [`Plan`], `skep up` executes it and the journal records it: the same value.

pub(crate) mod architecture;
pub(crate) mod clocks;
mod clones;
pub mod desire;
pub(crate) mod distribution;
mod engine;
mod first_login;
mod hooks;
mod in_turn;
mod make;
mod mounting;
mod moved;
mod reboot;
pub(crate) mod storage;
#[cfg(test)]
mod systems;
pub mod templates;
#[cfg(test)]
mod tests;
pub(crate) mod twins;
pub mod undo;
pub(crate) mod validate;
mod view;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::inventory::model::NodeName;
use crate::resource::{Change, Description, Kind, hook};
use crate::swarm::SwarmAction;

pub use clones::{Copied, Repair, repairs};
pub(crate) use clones::{KEYS, NEW_MACHINE_ID};
pub(crate) use engine::package_problem;
pub use first_login::{FirstLogin, first_logins, passwords_owed};
pub(crate) use first_login::{password_note, password_that_stays};
pub use hooks::CONTROLLER;
pub(crate) use make::WITHOUT_IP_VS;
pub use make::make;
pub use reboot::due as reboots_due;
pub(crate) use validate::nothing_to_keep;
pub use view::{Choices, Host, View};

/// Version of the plan's JSON form. Raise it when an old reader would misread a new plan.
pub const VERSION: u32 = 1;

/// Everything that `up` will do, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this form.
    pub version: u32,
    /// Phases in order, none of them empty.
    pub phases: Vec<Phase>,
    /// Why nothing of it may be done; empty on a good plan.
    pub refusals: Vec<Finding>,
    /// What cannot be done on some node; the rest is done, and the run ends non-zero.
    pub problems: Vec<Finding>,
    /// What the user should know.
    pub warnings: Vec<Finding>,
    /// Which templates the texts that are to be written come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
}

impl Plan {
    /// One that says nothing but what is done.
    pub fn new(phases: Vec<Phase>) -> Self {
        Self {
            version: VERSION,
            phases,
            refusals: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// Where the lines of a text that is to be written come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The node.
    pub node: NodeName,
    /// The file that is written.
    pub path: PathBuf,
    /// For each line of its new text the template's line: `exports.j2:7`.
    pub lines: Vec<String>,
}

/// Steps that may be done on all nodes at once; the next phase begins when all have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Which one.
    pub name: PhaseName,
    /// In the order in which each node does its own.
    pub steps: Vec<Step>,
}

/// One step on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The node; [`CONTROLLER`] for [`Action::Local`].
    pub node: NodeName,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The agent changes a resource.
    Change(Change),
    /// The controller asks the engine to change the swarm.
    Swarm(SwarmAction),
    /// The controller runs a hook itself.
    Local(hook::Change),
    /// The controller takes in a freshly flashed host.
    FirstLogin(FirstLogin),
    /// A host that was copied from another's card gets something of its own.
    Repair(Repair),
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.phases.is_empty()
    }

    /// All steps with their phase, in order.
    pub fn steps(&self) -> impl Iterator<Item = (PhaseName, &Step)> {
        self.phases.iter().flat_map(|phase| phase.steps.iter().map(|step| (phase.name, step)))
    }
}

impl Action {
    /// Whether it is a command of the user's own.
    pub fn is_hook(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Change(Change::Hook(_)))
    }

    /// What it does, for people.
    pub fn describe(&self) -> Description {
        match self {
            Self::Change(change) => change.describe(),
            Self::Swarm(action) => action.describe(),
            Self::Local(change) => hook::Hook::describe(change),
            Self::FirstLogin(first) => first.describe(),
            Self::Repair(repair) => repair.describe(),
        }
    }
}

/// The phases, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// Freshly flashed hosts are taken in.
    FirstLogin,
    /// Packages of the distribution.
    Packages,
    /// Kernel modules and parameters.
    Kernel,
    /// The engine's options and state.
    Engine,
    /// Shared directories and NFS exports.
    Exports,
    /// Mounted shares.
    Mounts,
    /// Swarm membership and roles.
    Swarm,
    /// Node labels.
    Labels,
}

impl std::fmt::Display for PhaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::FirstLogin => "first login",
            Self::Packages => "packages",
            Self::Kernel => "kernel",
            Self::Engine => "engine",
            Self::Exports => "exports",
            Self::Mounts => "mounts",
            Self::Swarm => "swarm",
            Self::Labels => "labels",
        })
    }
}

/// Something a plan has to say about nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The nodes it is about; all where empty.
    pub nodes: Vec<NodeName>,
    /// The thing and the cause.
    pub message: String,
    /// What to do about it.
    pub help: String,
}
