//! What is judged: all that was seen, and what the inventory wants.

use std::collections::BTreeMap;

use super::deep::Deep;
use super::report::Reach;
use super::verdict::{Judgement, Verdict};
use crate::facts::{Facts, Inspection};
use crate::inventory::model::{Inventory, Node, NodeName, Role, Share};
use crate::plan::{Host, View};
use crate::resource::Fault;

/// All that was seen, and what the inventory wants.
#[derive(Debug)]
pub struct Case<'a> {
    /// Desire, and what a plan is made from.
    pub view: &'a View<'a>,
    /// Nodes that did not answer, and why.
    pub unreachable: &'a BTreeMap<NodeName, Fault>,
    /// What came through between the nodes; none where it was not tried.
    pub reach: Option<&'a Reach>,
    /// What came of using the shares; none where they were not used.
    pub deep: Option<&'a Deep>,
}

/// One node that answered.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What the inventory wants of all of them.
    pub inventory: &'a Inventory,
    /// What it wants of this one.
    pub node: &'a Node,
    /// What was seen of it.
    pub host: &'a Host,
    /// What only an audit looks at.
    pub inspection: &'a Inspection,
}

impl<'a> Case<'a> {
    /// What the user wants.
    pub fn inventory(&self) -> &'a Inventory {
        self.view.inventory
    }

    /// The nodes that answered, in the order of the inventory.
    pub fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        let inventory = self.inventory();
        inventory.nodes.iter().filter_map(move |node| {
            let host = self.view.hosts.get(&node.name)?;
            Some(Subject { inventory, node, host, inspection: host.facts.inspection.as_deref()? })
        })
    }

    /// Judges each node that answered; none is said of those that it does not apply to.
    pub fn each<J: IntoIterator<Item = Judgement>>(&self, judge: impl Fn(&Subject<'_>) -> J) -> Vec<Verdict> {
        self.subjects()
            .flat_map(|subject| {
                judge(&subject).into_iter().map(move |judgement| judgement.about([subject.node.name.clone()]))
            })
            .collect()
    }
}

impl<'a> Subject<'a> {
    /// What it is.
    pub fn facts(&self) -> &'a Facts {
        &self.host.facts
    }

    /// Whether it shall be a manager.
    pub fn is_manager(&self) -> bool {
        self.node.role == Role::Manager
    }

    /// The shares that it serves.
    pub fn serves(&self) -> impl Iterator<Item = &'a Share> {
        self.inventory.shares.iter().filter(|share| share.server == self.node.name)
    }

    /// The shares that it mounts.
    pub fn mounts(&self) -> impl Iterator<Item = &'a Share> {
        let name = &self.node.name;
        self.inventory
            .shares
            .iter()
            .filter(move |share| share.mount.as_ref().is_some_and(|mount| mount.on.contains(name)))
    }
}
