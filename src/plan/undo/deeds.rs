//! What a past run did.

use std::collections::BTreeMap;

use crate::inventory::model::NodeName;
use crate::plan::PhaseName;
use crate::resource::{Key, Receipt};
use crate::swarm::{SwarmAction, SwarmReceipt};

/// What a past run did, as its journal tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deeds {
    /// The run's ID.
    pub run: String,
    /// The name of its inventory; empty where the journal is of a version that did not tell.
    pub cluster: String,
    /// All nodes that it looked at.
    pub nodes: Vec<NodeName>,
    /// What it did, in the order in which it was done.
    pub list: Vec<Deed>,
    /// What told each node's installation from others.
    pub machines: BTreeMap<NodeName, String>,
    /// Steps that were begun and have no end, since the run was killed.
    pub open: BTreeMap<NodeName, String>,
    /// What it did that nothing puts back, by the steps' titles: first logins, repairs of clones, hooks.
    pub lasting: Vec<(NodeName, String)>,
    /// Lines of its journal that cannot be read.
    pub unread: usize,
}

/// One step that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// The node.
    pub node: NodeName,
    /// Its phase.
    pub phase: PhaseName,
    /// What was done.
    pub what: What,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It changed a resource.
    Change(Receipt),
    /// It changed the swarm, and found this there; nothing in journals of versions that did not tell.
    Swarm(SwarmAction, Option<SwarmReceipt>),
}

impl Deeds {
    /// All that has to be observed on each node before it can be known what is put back.
    pub fn keys(&self) -> BTreeMap<NodeName, Vec<Key>> {
        let mut keys: BTreeMap<NodeName, Vec<Key>> = BTreeMap::new();
        for deed in &self.list {
            let own = keys.entry(deed.node.clone()).or_default();
            let What::Change(receipt) = &deed.what else { continue };
            if let Some(key) = receipt.undo().and_then(|change| change.key())
                && !own.contains(&key)
            {
                own.push(key);
            }
        }
        keys
    }

    /// Whether the run made the swarm.
    pub fn made_a_swarm(&self) -> bool {
        self.list.iter().any(|deed| matches!(deed.what, What::Swarm(SwarmAction::Init { .. }, _)))
    }
}
