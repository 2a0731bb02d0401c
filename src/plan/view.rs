//! Everything a plan is made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Facts;
use crate::inventory::model::{Inventory, NodeName};
use crate::resource::{Fault, Key, Observed};

/// Everything a plan is made from: desire, what was seen, and what the user allowed for this run.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// What the user wants.
    pub inventory: &'a Inventory,
    /// What was seen of each node that answered.
    pub hosts: &'a BTreeMap<NodeName, Host>,
    /// Nodes that refuse the login as freshly flashed ones do, and may be taken in.
    pub fresh: &'a BTreeSet<NodeName>,
    /// Nodes whose image's password this run could not see to, and why.
    pub owed: &'a BTreeMap<NodeName, Fault>,
    /// What the user said on the command line.
    pub choices: Choices,
    /// The run's ID, which hooks are told.
    pub run: &'a str,
}

/// What was seen of one node.
#[derive(Debug, Clone)]
pub struct Host {
    /// What it is.
    pub facts: Facts,
    /// What it has of all that could be wanted of it.
    pub observed: BTreeMap<Key, Result<Observed, Fault>>,
    /// How far its clock is ahead of this computer's, in milliseconds.
    pub clock_offset_ms: i64,
}

/// What the user said on the command line that a plan depends on.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// The nodes to change; all where absent.
    pub limit: Option<BTreeSet<NodeName>>,
    /// The ID of a swarm that skep did not make and shall take over.
    pub adopt: Option<String>,
    /// Nodes that cannot be looked at and, on the user's word, hold no swarm.
    pub assume_new: BTreeSet<NodeName>,
    /// Whether an engine may be replaced by one of another source, or by an older one.
    pub replace_engine: bool,
    /// Whether hosts may be rebooted that have to be.
    pub reboot: bool,
    /// Whether hosts copied from one card get what each must have for itself.
    pub repair_clones: bool,
}

impl Choices {
    /// Whether a node may be changed.
    pub fn includes(&self, node: &NodeName) -> bool {
        self.limit.as_ref().is_none_or(|limit| limit.contains(node))
    }
}
