//! Node labels: which inventory name a member has, and those that the user wants.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::SwarmNode;
use crate::inventory::model::Node;
use crate::plan::{Action, Step};
use crate::swarm::membership::{Roster, Standing};
use crate::swarm::steps::Scene;
use crate::swarm::{NODE_LABEL, SwarmAction};

/// All labels that differ, in the order of the inventory; hosts that are off are left alone.
pub(super) fn steps(scene: &Scene<'_>, roster: &Roster) -> Vec<Step> {
    let membership = scene.membership;
    let step = |node: &Node| match membership.standing(&node.name) {
        Standing::Member { node_id, .. } => {
            let record = roster.nodes.iter().find(|record| record.id == *node_id)?;
            let differs = |(key, value): &(String, String)| record.labels.get(key) != Some(value);
            let labels: BTreeMap<_, _> = wanted(node).into_iter().filter(differs).collect();
            (!labels.is_empty()).then(|| label(node, Some(node_id.clone()), labels))
        }
        Standing::Pending => Some(first(node, &membership.ghosts(&node.name))),
        _ if scene.newcomers.iter().any(|newcomer| newcomer.name == node.name) => {
            Some(first(node, &membership.ghosts(&node.name)))
        }
        _ => None,
    };
    scene.nodes().filter_map(step).collect()
}

/// The labels of a node that has yet to join: the inventory's, over those of the records that it replaces.
pub(super) fn first(node: &Node, ghosts: &[&SwarmNode]) -> Step {
    let mut labels: BTreeMap<String, String> = ghosts.iter().flat_map(|ghost| ghost.labels.clone()).collect();
    labels.extend(wanted(node));
    label(node, None, labels)
}

fn wanted(node: &Node) -> BTreeMap<String, String> {
    let mut labels = node.labels.clone();
    labels.insert(NODE_LABEL.to_owned(), node.name.0.clone());
    labels
}

fn label(node: &Node, node_id: Option<String>, labels: BTreeMap<String, String>) -> Step {
    Step {
        node: node.name.clone(),
        action: Action::Swarm(SwarmAction::Label { node_id, labels, remove: BTreeSet::new() }),
    }
}
