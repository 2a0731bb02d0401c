//! Putting back what a run did to the swarm, under the same rules of quorum as everything else.
//!
//! A member leaves only where the managers that stay still decide, and a swarm is ended only by the run that made it,
//! with nothing left in it.

mod come_back;
mod depart;

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::SwarmNode;
use crate::inventory::model::{NodeName, Role};
use crate::plan::{Finding, Plan, View};
use crate::swarm::membership::{Membership, Roster, is_manager};
use crate::swarm::quorum::{Managers, even};
use crate::swarm::{Holdings, SwarmAction, SwarmReceipt};

/// What is put back in the swarm. Membership is asked about first, all of it, in the reverse of the order in which it was
/// done; then what is to be done about each step.
pub(crate) struct Undo {
    membership: Membership,
    holdings: Holdings,
    managers: Managers,
    /// Nodes that leave.
    leaving: BTreeSet<NodeName>,
    /// Nodes whose membership is settled, with what is done about it.
    settled: BTreeMap<NodeName, Vec<SwarmAction>>,
    /// Whether the swarm is there, or made again by then.
    is_there: bool,
    refusals: Vec<Finding>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Undo {
    pub(crate) fn new(view: &View<'_>, holdings: Holdings) -> Self {
        let membership = Membership::read(view);
        let records = || membership.ours.iter().flat_map(|roster| &roster.nodes);
        let managers = Managers {
            total: records().filter(|record| is_manager(record)).count(),
            reachable: records().filter(|record| membership.answers(record)).count(),
        };
        let is_there = membership.ours.is_some();
        Self {
            membership,
            holdings,
            managers,
            leaving: BTreeSet::new(),
            settled: BTreeMap::new(),
            is_there,
            refusals: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Nodes that leave the swarm.
    pub(crate) fn leaving(&self) -> &BTreeSet<NodeName> {
        &self.leaving
    }

    /// Decides who comes, goes and changes its role because of one step.
    pub(crate) fn membership(&mut self, node: &NodeName, done: &SwarmAction, receipt: Option<&SwarmReceipt>) {
        let actions = match (done, receipt) {
            (SwarmAction::Init { .. }, Some(SwarmReceipt::Member { swarm, node_id })) => {
                self.dissolve(node, done, swarm, node_id)
            }
            (SwarmAction::Join { .. }, Some(SwarmReceipt::Member { swarm, node_id })) => {
                self.leave(node, swarm, node_id)
            }
            (SwarmAction::Init { .. } | SwarmAction::Join { .. }, _) => {
                self.problem(
                    node,
                    format!("the run's journal does not tell which member {node} became, so it stays one"),
                    "let it leave by hand: `docker swarm leave` on it once it is a worker".to_owned(),
                );
                Vec::new()
            }
            (SwarmAction::Promote { node_id }, _) if !was(receipt, Role::Manager) => {
                self.role(node, node_id, Role::Worker)
            }
            (SwarmAction::Demote { node_id }, _) if !was(receipt, Role::Worker) => {
                self.role(node, node_id, Role::Manager)
            }
            (SwarmAction::Leave { .. } | SwarmAction::Dissolve { .. }, Some(SwarmReceipt::Left { .. })) => {
                self.come_back(node, done, receipt)
            }
            _ => return,
        };
        self.settled.entry(node.clone()).or_default().extend(actions);
    }

    /// What is done to put one step back, in order.
    pub(crate) fn actions(
        &mut self,
        node: &NodeName,
        done: &SwarmAction,
        receipt: Option<&SwarmReceipt>,
    ) -> Vec<SwarmAction> {
        match (done, receipt) {
            (SwarmAction::Label { .. }, Some(SwarmReceipt::Labels { node_id, before, after })) => {
                self.labels(node, node_id, before, after)
            }
            (SwarmAction::Configure { task_history }, Some(SwarmReceipt::TaskHistory { before })) => {
                self.task_history(*task_history, *before)
            }
            (SwarmAction::Adopt { name }, _) => match &self.membership.ours {
                Some(roster) if !roster.adopted => vec![SwarmAction::Release { name: name.clone() }],
                _ => Vec::new(),
            },
            (SwarmAction::Release { .. }, _) if self.membership.ours.is_none() => {
                let help = "take it over again with `skep up --adopt SWARM-ID`".to_owned();
                self.warn(node, "the swarm that was given up is not taken over again".to_owned(), help);
                Vec::new()
            }
            (SwarmAction::Forget { node_id, .. }, _) => {
                let message = format!("the dead record {node_id} that the run removed does not come back");
                self.warn(node, message, "nothing is lost with it: its node had left".to_owned());
                Vec::new()
            }
            (SwarmAction::Label { .. } | SwarmAction::Configure { .. }, None) => {
                let message = "the run's journal does not tell what was there before".to_owned();
                let what = done.describe().title;
                self.warn(
                    node,
                    format!("{node}: `{what}` stays: {message}"),
                    "put it back by hand".to_owned(),
                );
                Vec::new()
            }
            // All of a node's comings and goings at the first step that is about them.
            _ => self.settled.remove(node).unwrap_or_default(),
        }
    }

    /// Hands over what there is to say.
    pub(crate) fn finish(self, plan: &mut Plan) {
        let total = self.managers.total;
        let changed = plan.steps().any(|(_, step)| matches!(step.action, crate::plan::Action::Swarm(_)));
        if changed && total > 0 && total.is_multiple_of(2) {
            plan.warnings.push(Finding {
                nodes: Vec::new(),
                message: format!("the swarm will have {total} managers: {}", even(total)),
                help: "promote or demote one more with `skep up` once this is done".to_owned(),
            });
        }
        plan.refusals.extend(self.refusals);
        plan.problems.extend(self.problems);
        plan.warnings.extend(self.warnings);
    }

    /// The roster of that swarm, if it is ours and a manager answers for it.
    fn roster(&self, swarm: &str) -> Option<&Roster> {
        self.membership.ours.as_ref().filter(|roster| roster.cluster.id == swarm)
    }

    fn record(&self, swarm: &str, node_id: &str) -> Option<&SwarmNode> {
        self.roster(swarm)?.nodes.iter().find(|record| record.id == node_id)
    }

    /// Puts labels back that are as the run left them.
    fn labels(
        &mut self,
        node: &NodeName,
        node_id: &str,
        before: &BTreeMap<String, Option<String>>,
        after: &BTreeMap<String, Option<String>>,
    ) -> Vec<SwarmAction> {
        let records = self.membership.ours.iter().flat_map(|roster| &roster.nodes);
        let record = records.into_iter().find(|record| record.id == node_id);
        let Some(has) = record.filter(|_| !self.leaving.contains(node)).map(|record| record.labels.clone())
        else {
            return Vec::new();
        };
        let (mut labels, mut remove) = (BTreeMap::new(), BTreeSet::new());
        for (key, before) in before {
            let now = has.get(key);
            match () {
                () if now == before.as_ref() => {}
                () if now != after.get(key).and_then(Option::as_ref) => self.warn(
                    node,
                    format!("the label {key} of {node} was changed since; it is left as it is"),
                    format!("it is {} now", now.map_or("not set", String::as_str)),
                ),
                () => match before {
                    Some(value) => drop(labels.insert(key.clone(), value.clone())),
                    None => drop(remove.insert(key.clone())),
                },
            }
        }
        if labels.is_empty() && remove.is_empty() {
            return Vec::new();
        }
        vec![SwarmAction::Label { node_id: Some(node_id.to_owned()), labels, remove }]
    }

    fn task_history(&mut self, after: i64, before: i64) -> Vec<SwarmAction> {
        let Some(roster) = self.membership.ours.as_ref().filter(|_| self.managers.total > 0) else {
            return Vec::new();
        };
        match roster.cluster.task_history {
            Some(now) if now == before => Vec::new(),
            Some(now) if now == after => vec![SwarmAction::Configure { task_history: before }],
            _ => {
                let via = roster.via.clone();
                let message =
                    "how many finished tasks the swarm keeps was changed since; it is left as it is";
                self.warn(&via, message.to_owned(), format!("it was {before} before that run"));
                Vec::new()
            }
        }
    }

    fn problem(&mut self, node: &NodeName, message: String, help: String) {
        self.problems.push(Finding { nodes: vec![node.clone()], message, help });
    }

    fn warn(&mut self, node: &NodeName, message: String, help: String) {
        self.warnings.push(Finding { nodes: vec![node.clone()], message, help });
    }
}

/// Whether the member had this role already, so that the step changed nothing.
fn was(receipt: Option<&SwarmReceipt>, role: Role) -> bool {
    matches!(receipt, Some(SwarmReceipt::Role { before, .. }) if *before == role)
}
