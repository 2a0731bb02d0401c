//! Members that come back, and roles that they had.

use std::collections::BTreeSet;

use super::Undo;
use crate::inventory::model::{NodeName, Role};
use crate::swarm::membership::{Standing, is_ready};
use crate::swarm::quorum::{Managers, Shift};
use crate::swarm::{SwarmAction, SwarmReceipt, refusal};

impl Undo {
    /// Gives a member the role back that it had.
    pub(super) fn role(&mut self, node: &NodeName, node_id: &str, before: Role) -> Vec<SwarmAction> {
        let node_id = node_id.to_owned();
        let standing = self.membership.standing(node).clone();
        let Standing::Member { node_id: own, role, .. } = standing else {
            return Vec::new();
        };
        if own != node_id {
            let message = format!("{node} is another member by now than the one whose role the run changed");
            self.warn(node, message, "its role is left as it is".to_owned());
            return Vec::new();
        }
        if role == before || self.leaving.contains(node) {
            return Vec::new();
        }
        let records = self.membership.ours.iter().flat_map(|roster| &roster.nodes);
        let Some(record) = records.into_iter().find(|record| record.id == node_id).cloned() else {
            return Vec::new();
        };
        let (what, shift, action) = match before {
            Role::Manager if !is_ready(&record) => {
                let message = format!("{node} is not ready, so it is not promoted");
                self.problem(node, message, format!("see what keeps it: `docker info` on {node}"));
                return Vec::new();
            }
            Role::Manager => ("promote", Shift::Gain, SwarmAction::Promote { node_id }),
            Role::Worker if self.membership.answers(&record) => {
                ("demote", Shift::Demote, SwarmAction::Demote { node_id })
            }
            Role::Worker => ("demote", Shift::Forget, SwarmAction::Demote { node_id }),
        };
        match self.managers.after(shift) {
            Some(after) => {
                self.managers = after;
                vec![action]
            }
            None => {
                self.problems.push(refusal::no_quorum(node, what, self.managers));
                Vec::new()
            }
        }
    }

    /// Makes a member again of a node that an undo let go.
    pub(super) fn come_back(
        &mut self,
        node: &NodeName,
        done: &SwarmAction,
        receipt: Option<&SwarmReceipt>,
    ) -> Vec<SwarmAction> {
        let Some(SwarmReceipt::Left { role, advertise, labels, availability }) = receipt else {
            return Vec::new();
        };
        if *self.membership.standing(node) != Standing::Outside {
            return Vec::new();
        }
        let Some(advertise) = *advertise else {
            let message =
                format!("the address that {node} advertised is not on record, so it does not join again");
            self.problem(node, message, "run `skep up`, which finds one".to_owned());
            return Vec::new();
        };
        let known = |standing: &Standing| *standing == Standing::Outside;
        if !self.is_there && !self.membership.standings.values().all(known) {
            let message = "the swarm is not made again: not every node is known to be in none".to_owned();
            self.problem(node, message, "look at `skep status`, then run the undo again".to_owned());
            return Vec::new();
        }
        let action = match done {
            SwarmAction::Dissolve { name, address_pool, subnet_size, task_history, .. } if !self.is_there => {
                self.is_there = true;
                self.managers = Managers { total: 1, reachable: 1 };
                SwarmAction::Init {
                    advertise,
                    name: name.clone(),
                    address_pool: address_pool.clone(),
                    subnet_size: *subnet_size,
                    task_history: *task_history,
                }
            }
            _ if !self.is_there => {
                let message = format!("{node} does not join again: no manager of a swarm answers");
                self.problem(node, message, "look at `skep status`, then run the undo again".to_owned());
                return Vec::new();
            }
            _ => {
                if *role == Role::Manager {
                    let Some(after) = self.managers.after(Shift::Gain) else {
                        self.problems.push(refusal::no_quorum(node, "join as manager", self.managers));
                        return Vec::new();
                    };
                    self.managers = after;
                }
                SwarmAction::Join { role: *role, advertise }
            }
        };
        if availability != "active" && availability != "drain" {
            let message = format!("{node} was on {availability}, and comes back active");
            self.warn(node, message, format!("`docker node update --availability {availability}` sets it"));
        }
        let label = || SwarmAction::Label { node_id: None, labels: labels.clone(), remove: BTreeSet::new() };
        [action].into_iter().chain((!labels.is_empty()).then(label)).collect()
    }
}
