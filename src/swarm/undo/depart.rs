//! Members that go, and the swarm that ends with the last of them.

use super::Undo;
use crate::facts::SwarmNode;
use crate::inventory::model::NodeName;
use crate::plan::Finding;
use crate::swarm::membership::{Standing, is_manager};
use crate::swarm::quorum::{Managers, Shift};
use crate::swarm::{SwarmAction, refusal};

impl Undo {
    /// Lets a node go that the run made a member.
    pub(super) fn leave(&mut self, node: &NodeName, swarm: &str, node_id: &str) -> Vec<SwarmAction> {
        let standing = self.membership.standing(node).clone();
        let record = self.record(swarm, node_id).cloned();
        let action = match (&standing, &record) {
            // It is out already, but a run was killed before its record was.
            (Standing::Outside, Some(record)) => {
                SwarmAction::Forget { node_id: node_id.to_owned(), manager: is_manager(record) }
            }
            (Standing::Outside, None) => return Vec::new(),
            (Standing::Member { node_id: own, role, .. }, Some(_)) if own == node_id => {
                SwarmAction::Leave { node_id: node_id.to_owned(), role: *role }
            }
            (Standing::Member { .. } | Standing::Foreign { .. }, _) => {
                let message = format!(
                    "{node} is another member by now than the one it became in that run; it stays one"
                );
                self.warn(node, message, "let it leave by hand where that is meant".to_owned());
                return Vec::new();
            }
            _ => {
                let message = format!("{node} cannot leave the swarm now, since no manager answers for it");
                self.problem(node, message, "look at `skep status`, then run the undo again".to_owned());
                return Vec::new();
            }
        };
        if let Some(record) = record.filter(is_manager) {
            let shift = if self.membership.answers(&record) { Shift::Demote } else { Shift::Forget };
            let Some(after) = self.managers.after(shift) else {
                self.problems.push(refusal::no_quorum(node, "take out", self.managers));
                return Vec::new();
            };
            self.managers = after;
        }
        self.leaving.insert(node.clone());
        vec![action]
    }

    /// Ends the swarm that the run made, once all members that it brought have left.
    pub(super) fn dissolve(
        &mut self,
        node: &NodeName,
        made: &SwarmAction,
        swarm: &str,
        node_id: &str,
    ) -> Vec<SwarmAction> {
        let SwarmAction::Init { name, address_pool, subnet_size, task_history, .. } = made else {
            return Vec::new();
        };
        if *self.membership.standing(node) == Standing::Outside {
            return Vec::new();
        }
        let Some(roster) = self.roster(swarm) else {
            let message =
                format!("{node} is no member of the swarm that the run made, or no manager answers for it");
            self.problem(node, message, "look at `skep status`, then run the undo again".to_owned());
            return Vec::new();
        };
        let goes = |record: &SwarmNode| {
            record.id == node_id
                || self.settled.values().flatten().any(|action| match action {
                    SwarmAction::Leave { node_id, .. } | SwarmAction::Forget { node_id, .. } => {
                        *node_id == record.id
                    }
                    _ => false,
                })
        };
        let others: Vec<String> =
            roster.nodes.iter().filter(|record| !goes(record)).map(|record| self.called(record)).collect();
        let refused = if !others.is_empty() {
            Some((
                format!("has members that stay: {}", others.join(", ")),
                "let those leave first: undo the runs that they joined in (`skep runs`), the newest first",
            ))
        } else if !self.holdings.is_empty() {
            Some((
                format!("holds {}", self.holdings),
                "remove them first where they may go: `docker service ls`, `docker secret ls`, `docker config ls` list them",
            ))
        } else {
            None
        };
        if let Some((why, help)) = refused {
            self.refusals.push(Finding {
                nodes: vec![node.clone()],
                message: format!("the swarm {name}, which the run made, is not ended: it {why}"),
                help: help.to_owned(),
            });
            return Vec::new();
        }
        self.managers = Managers { total: 0, reachable: 0 };
        self.leaving.insert(node.clone());
        vec![SwarmAction::Dissolve {
            swarm: swarm.to_owned(),
            name: name.clone(),
            address_pool: address_pool.clone(),
            subnet_size: *subnet_size,
            task_history: *task_history,
        }]
    }

    /// A member as people know it.
    fn called(&self, record: &SwarmNode) -> String {
        match self.membership.name_of(record) {
            Some(name) => name.to_string(),
            None => format!("{} ({})", record.id, record.hostname),
        }
    }
}
