//! Putting back what a past run changed: a plan like any other, made from what the run did and what is there now.
//!
//! Only what still is as the run left it is put back, in reverse order; what somebody changed since is left as it is and
//! named. What is as before already needs nothing, so that an undo that was killed is carried on by the next.

mod deeds;
mod host;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use deeds::{Deed, Deeds, What};

use super::{Action, Finding, Phase, PhaseName, Plan, Step, View};
use crate::inventory::model::NodeName;
use crate::swarm::{Holdings, undo};

/// The plan that puts back what a run did. `holdings` is what the swarm holds, where the run made it.
pub fn make(deeds: &Deeds, view: &View<'_>, holdings: Holdings) -> Plan {
    let (within, problems) = within_reach(deeds, view);
    let mut plan = Plan { problems, warnings: unknown(deeds, view), ..Plan::new(Vec::new()) };
    let mut swarm = undo::Undo::new(view, holdings);
    for deed in deeds.list.iter().rev().filter(|deed| within.contains(&deed.node)) {
        if let What::Swarm(action, receipt) = &deed.what {
            swarm.membership(&deed.node, action, receipt.as_ref());
        }
    }
    let mut host = host::Undo::new(deeds, view, swarm.leaving());
    let mut phases = Phases::default();
    for deed in deeds.list.iter().rev().filter(|deed| within.contains(&deed.node)) {
        match &deed.what {
            What::Change(receipt) => {
                let change = host.change(&deed.node, receipt);
                phases.extend(deed, change.map(Action::Change));
            }
            What::Swarm(action, receipt) => {
                let actions = swarm.actions(&deed.node, action, receipt.as_ref());
                let (labels, rest): (Vec<_>, Vec<_>) = actions
                    .into_iter()
                    .partition(|action| action.is_label() && deed.phase != PhaseName::Labels);
                phases.extend(deed, rest.into_iter().map(Action::Swarm));
                phases.later(&deed.node, labels.into_iter().map(Action::Swarm));
            }
        }
    }
    plan.phases = phases.finish();
    host.without_engine(&mut plan.phases);
    plan.problems.extend(host.problems());
    plan.warnings.extend(host.warnings);
    swarm.finish(&mut plan);
    if !plan.refusals.is_empty() {
        plan.phases.clear();
    }
    plan
}

/// The nodes that can be worked on; why others cannot, unless they were only not reached, which is told anyway.
fn within_reach(deeds: &Deeds, view: &View<'_>) -> (BTreeSet<NodeName>, Vec<Finding>) {
    let mut within = BTreeSet::new();
    let mut problems = Vec::new();
    let nodes: BTreeSet<&NodeName> = deeds.list.iter().map(|deed| &deed.node).collect();
    for node in nodes.into_iter().filter(|node| view.choices.includes(node)) {
        let problem = |message: String, help: &str| Finding {
            nodes: vec![node.clone()],
            message,
            help: help.to_owned(),
        };
        if view.inventory.node(node).is_none() {
            problems.push(problem(
                format!("{node} is not in the inventory any more, so what the run did there stays"),
                "write it into the inventory again, then run the undo again",
            ));
            continue;
        }
        let Some(host) = view.hosts.get(node) else { continue };
        let then = deeds.machines.get(node);
        if then.is_some_and(|then| *then != host.facts.system.fingerprint()) {
            problems.push(problem(
                format!("{node} has another machine-id than in that run, so nothing is put back there"),
                "what the run did there is gone if it was set up anew since; if it only was given a machine-id of its own \
                 (`--repair-clones`), put it back by hand: `skep runs show` tells it",
            ));
            continue;
        }
        within.insert(node.clone());
    }
    (within, problems)
}

/// What stays: what nothing puts back, and what the journal does not tell.
fn unknown(deeds: &Deeds, view: &View<'_>) -> Vec<Finding> {
    let help = format!("`skep runs show {}` tells the run as far as it is known", deeds.run);
    let lasting = deeds.lasting.iter().filter(|(node, _)| view.choices.includes(node));
    let lasting = lasting.map(|(node, title)| Finding {
        nodes: vec![node.clone()],
        message: format!("`{title}` on {node} stays: nothing puts that back"),
        help: help.clone(),
    });
    let open = deeds.open.iter().filter(|(node, _)| view.choices.includes(node)).map(|(node, title)| Finding {
        nodes: vec![node.clone()],
        message: format!(
            "the run was killed in the middle of `{title}` on {node}: what that did is not on record, and stays"
        ),
        help: help.clone(),
    });
    let unread = (deeds.unread > 0).then(|| Finding {
        nodes: Vec::new(),
        message: format!(
            "{} of the run's journal cannot be read; what they tell of stays",
            lines(deeds.unread)
        ),
        help: help.clone(),
    });
    lasting.chain(open).chain(unread).collect()
}

fn lines(number: usize) -> String {
    if number == 1 { "1 line".to_owned() } else { format!("{number} lines") }
}

/// Phases as they come: a run that undoes goes through them in the reverse of the usual order.
#[derive(Default)]
struct Phases {
    list: Vec<Phase>,
    /// Labels of nodes that have yet to join again.
    labels: Vec<Step>,
}

impl Phases {
    fn extend(&mut self, deed: &Deed, actions: impl IntoIterator<Item = Action>) {
        if deed.phase != PhaseName::Swarm {
            self.flush();
        }
        for action in actions {
            self.push(deed.phase, Step { node: deed.node.clone(), action });
        }
    }

    fn later(&mut self, node: &NodeName, actions: impl Iterator<Item = Action>) {
        self.labels.extend(actions.map(|action| Step { node: node.clone(), action }));
    }

    fn push(&mut self, name: PhaseName, step: Step) {
        match self.list.last_mut() {
            Some(phase) if phase.name == name => phase.steps.push(step),
            _ => self.list.push(Phase { name, steps: vec![step] }),
        }
    }

    fn flush(&mut self) {
        for step in std::mem::take(&mut self.labels) {
            self.push(PhaseName::Labels, step);
        }
    }

    fn finish(mut self) -> Vec<Phase> {
        self.flush();
        self.list
    }
}
