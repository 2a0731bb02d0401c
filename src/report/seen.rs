//! Which nodes a run looks at, and which of them it has seen.

use std::collections::BTreeSet;

use crate::event::Event;
use crate::inventory::model::NodeName;

/// The nodes of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    /// All that the run looks at, as the inventory has them.
    pub(super) all: Vec<NodeName>,
    seen: BTreeSet<NodeName>,
    /// Whether the run puts back what another one did.
    pub(super) undoing: bool,
}

impl Nodes {
    /// Takes in what happened.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Started { nodes, undoes, .. } => {
                *self = Self { all: nodes.clone(), seen: BTreeSet::new(), undoing: undoes.is_some() };
            }
            Event::Surveyed { node, .. } => drop(self.seen.insert(node.clone())),
            _ => {}
        }
    }

    /// How many of them answered.
    pub(super) fn seen(&self) -> usize {
        self.seen.len()
    }

    /// How many of them did not.
    pub(super) fn missed(&self) -> usize {
        self.all.iter().filter(|node| !self.seen.contains(*node)).count()
    }

    /// Nodes of which the last `missed` did not answer.
    #[cfg(test)]
    pub(super) fn of(all: &[NodeName], missed: usize) -> Self {
        Self { all: all.to_vec(), seen: all[..all.len() - missed].iter().cloned().collect(), undoing: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{calm_run, eventful_run};

    #[test]
    fn those_that_were_surveyed_are_seen() {
        for (run, expected) in [(calm_run(), (3, 1, 2)), (eventful_run(), (4, 3, 1)), (vec![], (0, 0, 0))] {
            let mut nodes = Nodes::default();
            run.iter().for_each(|event| nodes.apply(event));
            assert_eq!((nodes.all.len(), nodes.seen(), nodes.missed()), expected);
        }
    }
}
