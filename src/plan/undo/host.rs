//! What is put back on the hosts.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::model::NodeName;
use crate::plan::distribution::ENGINES;
use crate::plan::undo::Deeds;
use crate::plan::{Action, Finding, Phase, Step, View};
use crate::resource::{Change, Receipt};
use crate::swarm::membership::{Membership, Standing};

/// What is put back on the hosts, and what there is to say about it.
pub(super) struct Undo<'a> {
    deeds: &'a Deeds,
    view: &'a View<'a>,
    /// Nodes that are in a swarm, and stay there.
    members: BTreeSet<NodeName>,
    /// What stays on those because their engine needs it.
    held: BTreeMap<NodeName, Vec<String>>,
    failed: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl<'a> Undo<'a> {
    pub(super) fn new(deeds: &'a Deeds, view: &'a View<'a>, leaving: &BTreeSet<NodeName>) -> Self {
        let standings = Membership::read(view).standings;
        let stays = |(node, standing): &(NodeName, Standing)| {
            *standing != Standing::Outside && !leaving.contains(node)
        };
        let members = standings.into_iter().filter(stays).map(|(node, _)| node).collect();
        Self { deeds, view, members, held: BTreeMap::new(), failed: Vec::new(), warnings: Vec::new() }
    }

    /// The change that puts back what one step did; none where it is as before, or must not be touched.
    pub(super) fn change(&mut self, node: &NodeName, receipt: &Receipt) -> Option<Change> {
        self.replaced(node, receipt);
        let back = receipt.undo()?;
        let observed = match self.view.hosts.get(node)?.observed.get(&back.key()?) {
            Some(Ok(observed)) => observed,
            Some(Err(fault)) => {
                self.failed.push(Finding {
                    nodes: vec![node.clone()],
                    message: format!("{node}: {fault}"),
                    help: fault.help.clone().unwrap_or_else(|| "run the undo again".to_owned()),
                });
                return None;
            }
            None => unreachable!("all that an undo may ask for was observed: {:?}", back.key()),
        };
        let rest = back.rest(observed);
        if !rest.foreign.is_empty() {
            self.warn(node, format!("{node}: {}; left as it is", rest.foreign.join(", ")));
        }
        let change = rest.change?;
        let need = self.members.contains(node).then(|| needed_by_engine(&change)).flatten();
        if let Some(need) = need {
            self.held.entry(node.clone()).or_default().push(need);
            return None;
        }
        Some(change)
    }

    /// Versions that the run replaced may not be had any more.
    fn replaced(&mut self, node: &NodeName, receipt: &Receipt) {
        let Receipt::Packages(receipt) = receipt else { return };
        for (name, version) in &receipt.replaced {
            self.warn(
                node,
                format!("{node}: {name} was {version} before that run, and keeps its new version"),
            );
        }
    }

    fn warn(&mut self, node: &NodeName, message: String) {
        self.warnings.push(Finding {
            nodes: vec![node.clone()],
            message,
            help: format!("`skep runs show {} -v` shows what the run did", self.deeds.run),
        });
    }

    /// What cannot be put back.
    pub(super) fn problems(&self) -> Vec<Finding> {
        let held = self.held.iter().map(|(node, what)| Finding {
            nodes: vec![node.clone()],
            message: format!("{node} is in a swarm, so its engine and what that needs stay: {}", what.join(", ")),
            help: format!(
                "let it leave first: undo the run that it joined in (`skep runs`), or run `docker swarm leave` on \
                 {node}; then run `skep undo {}` again",
                self.deeds.run
            ),
        });
        held.chain(self.failed.iter().cloned()).collect()
    }

    /// An engine that is removed first needs no restart for the options that it leaves behind.
    pub(super) fn without_engine(&self, phases: &mut [Phase]) {
        let mut gone = BTreeSet::new();
        for Step { node, action } in phases.iter_mut().flat_map(|phase| &mut phase.steps) {
            match action {
                Action::Change(Change::Packages(change))
                    if change.remove.iter().any(|name| is_engine(name)) =>
                {
                    gone.insert(node.clone());
                }
                Action::Change(Change::Daemon(change)) if gone.contains(node) => change.restart = false,
                _ => {}
            }
        }
    }
}

fn is_engine(package: &str) -> bool {
    ENGINES.contains(&package)
}

/// What of a change a running engine in a swarm cannot do without, in words.
fn needed_by_engine(change: &Change) -> Option<String> {
    match change {
        Change::Packages(change) => {
            let engine: Vec<&str> =
                change.remove.iter().map(String::as_str).filter(|name| is_engine(name)).collect();
            (!engine.is_empty()).then(|| format!("{} with what came with it", engine.join(", ")))
        }
        Change::Unit(change) if change.name == "docker.service" => Some(change.name.clone()),
        Change::Sysctl(change) if change.running.is_some() => Some(change.key.clone()),
        _ => None,
    }
}
