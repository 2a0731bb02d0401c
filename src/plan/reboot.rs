//! Hosts whose next boot brings what their running kernel lacks: rebooted in turn, where that may be, and told of else.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::in_turn::{in_the_way, locked, record, stays_away, waits_for_key};
use super::view::{Host, View};
use super::{Action, Finding, PhaseName, Plan, Step, clones};
use crate::facts::kernel_options::built_without;
use crate::facts::{Engine, Facts};
use crate::inventory::model::{Node, NodeName, WhenDue};
use crate::resource::boot::outlook::{Outlook, outlook};
use crate::resource::boot::{self, SWITCHED, controllers_named};
use crate::resource::{Change, Key, Observed, Resource, reboot};
use crate::swarm::membership::{Membership, Standing};
use crate::swarm::{AVAILABILITY_LABEL, SwarmAction};
use crate::words::list;

/// The controllers of cgroups that boot settings should bring; none where they are left alone.
pub(super) fn wanted(manage: bool, controllers: &[&str]) -> Option<Resource> {
    let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
    manage.then_some(Resource::Boot(boot::Desired { controllers }))
}

/// What a host is rebooted for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The controllers of cgroups that its kernel shall have.
    controllers: Vec<String>,
    /// Whether its programs shall go by its new machine-id.
    machine_id: bool,
}

/// The controllers that a kernel may have by boot settings: those that it is not known to be built without.
pub(super) fn possible(facts: &Facts) -> Vec<&'static str> {
    SWITCHED.into_iter().filter(|name| built_without(&facts.kernel.options, name).is_none()).collect()
}

/// Options that a host's kernel was built without, so that no boot setting brings the controllers that it lacks.
pub(super) fn options_lacking(host: &Host) -> Vec<&'static str> {
    let Some(observed) = observed(host) else { return Vec::new() };
    observed.missing.iter().filter_map(|name| built_without(&host.facts.kernel.options, name)).collect()
}

/// The nodes whose reboot is due, or will be once their boot files are changed, each with what for.
pub fn due(view: &View<'_>) -> BTreeMap<NodeName, Due> {
    let nodes = view.inventory.nodes.iter().filter(|node| view.choices.includes(&node.name));
    let due = |host: &Host| Due {
        controllers: lacking(host).unwrap_or_default(),
        machine_id: clones::awaits_reboot(host),
    };
    nodes
        .filter_map(|node| Some((node.name.clone(), due(view.hosts.get(&node.name)?))))
        .filter(|(_, due)| *due != Due::default())
        .collect()
}

impl Due {
    fn what_for(&self) -> String {
        let controllers = (!self.controllers.is_empty())
            .then(|| format!("the kernel has {}", controllers_named(&self.controllers)));
        let machine_id = self.machine_id.then(|| "everything goes by the new machine-id".to_owned());
        let both: Vec<_> = controllers.into_iter().chain(machine_id).collect();
        format!("so that {}", both.join(", and "))
    }
}

/// Whether hosts are rebooted in this run.
fn allowed(view: &View<'_>) -> bool {
    match view.inventory.boot.reboot {
        WhenDue::Auto => true,
        WhenDue::Ask => view.choices.reboot,
        WhenDue::Never => false,
    }
}

/// The controllers that a reboot shall bring; none where none is due.
fn lacking(host: &Host) -> Option<Vec<String>> {
    match outlook_of(host)? {
        Outlook::Edit(edit) => Some(edit.controllers),
        Outlook::Due(controllers) => Some(controllers),
        Outlook::Fine | Outlook::Hopeless(_) => None,
    }
}

/// What follows for a host; none where its boot settings are left alone, or are a problem that is told elsewhere.
fn outlook_of(host: &Host) -> Option<Outlook> {
    outlook(&possible(&host.facts), observed(host)?).ok()
}

fn observed(host: &Host) -> Option<&boot::Observed> {
    match host.observed.get(&Key::Boot(boot::Key::Running)) {
        Some(Ok(Observed::Boot(observed))) => Some(observed),
        _ => None,
    }
}

/// Puts reboots at the end of the kernel's phase, between the steps that drain a node and give it tasks again. The nodes
/// that get tasks again there.
pub(super) fn arrange(
    view: &View<'_>,
    phases: &mut BTreeMap<PhaseName, Vec<Step>>,
    plan: &mut Plan,
) -> BTreeSet<NodeName> {
    plan.warnings.extend(hopeless(view));
    let due = due(view);
    if due.is_empty() {
        return BTreeSet::new();
    }
    if !allowed(view) {
        plan.warnings.extend(put_off(view, &due));
        return BTreeSet::new();
    }
    let membership = Membership::read(view);
    let mut given_back = BTreeSet::new();
    for node in &view.inventory.nodes {
        let (Some(due), Some(host)) = (due.get(&node.name), view.hosts.get(&node.name)) else {
            continue;
        };
        match may_go(node, &membership) {
            Ok(warning) => plan.warnings.extend(warning),
            Err(problem) => {
                plan.problems.push(problem);
                continue;
            }
        }
        let steps = turn(node, host, due, &membership);
        let undrains = |step: &Step| matches!(step.action, Action::Swarm(SwarmAction::Undrain { .. }));
        if steps.iter().any(undrains) {
            given_back.insert(node.name.clone());
        }
        phases.entry(PhaseName::Kernel).or_default().extend(steps);
    }
    given_back
}

/// One node's steps.
fn turn(node: &Node, host: &Host, due: &Due, membership: &Membership) -> Vec<Step> {
    let record = record(&node.name, membership);
    let is_member = matches!(membership.standing(&node.name), Standing::Member { .. });
    let swarm = |action| Action::Swarm(action);
    let drain =
        record.filter(|_| is_member).map(|record| swarm(SwarmAction::Drain { node_id: record.id.clone() }));
    let back = record
        .filter(|record| record.labels.contains_key(AVAILABILITY_LABEL) || record.availability != "drain")
        .map(|record| swarm(SwarmAction::Undrain { node_id: record.id.clone() }));
    let reboot = Action::Change(Change::Reboot(reboot::Desired {
        boot_id: host.facts.system.boot_id.clone(),
        what_for: due.what_for(),
        engine: matches!(host.facts.engine, Engine::Running(_)),
    }));
    let check = || Action::Change(Change::Boot(boot::Change::Check { controllers: due.controllers.clone() }));
    let check = (!due.controllers.is_empty()).then(check);
    let actions = drain.into_iter().chain([reboot]).chain(back).chain(check);
    actions.map(|action| Step { node: node.name.clone(), action }).collect()
}

/// Whether a host may be rebooted now; with a warning where the swarm is without managers meanwhile.
fn may_go(node: &Node, membership: &Membership) -> Result<Option<Finding>, Finding> {
    let name = &node.name;
    if waits_for_key(name, membership) {
        return Err(locked(name, stays_away::REBOOT.not));
    }
    in_the_way(name, membership, &stays_away::REBOOT)
}

/// Told where hosts have to be rebooted and this run does not do it.
fn put_off(view: &View<'_>, due: &BTreeMap<NodeName, Due>) -> Vec<Finding> {
    let help = match view.inventory.boot.reboot {
        WhenDue::Never => {
            "reboot them one manager at a time; `boot: {reboot: auto}` in the inventory has skep do it"
        }
        WhenDue::Ask | WhenDue::Auto => "`skep up --reboot` does it, one node after another, drained before",
    };
    let told = |whose: fn(&Due) -> bool, what: &dyn Fn(bool) -> String| {
        let nodes: Vec<NodeName> =
            due.iter().filter(|(_, due)| whose(due)).map(|(name, _)| name.clone()).collect();
        let verb = if nodes.len() == 1 { "has" } else { "have" };
        (!nodes.is_empty()).then(|| Finding {
            message: format!("{} {verb} to be rebooted before {}", list(&nodes), what(nodes.len() == 1)),
            help: help.to_owned(),
            nodes,
        })
    };
    let controllers: BTreeSet<&String> = due.values().flat_map(|due| &due.controllers).collect();
    let controllers: Vec<String> = controllers.into_iter().cloned().collect();
    let kernels = |one| {
        let kernels = if one { "its kernel has" } else { "their kernels have" };
        format!("{kernels} {}", controllers_named(&controllers))
    };
    let lack = told(|due| !due.controllers.is_empty(), &kernels);
    let machine_id = told(|due| due.machine_id, &|_| "everything goes by the new machine-id".to_owned());
    lack.into_iter().chain(machine_id).collect()
}

/// Where nothing can be changed; one finding for all nodes of which the same is to be said.
fn hopeless(view: &View<'_>) -> Vec<Finding> {
    let mut found: BTreeMap<(String, String), Vec<NodeName>> = BTreeMap::new();
    for (name, host) in view.hosts {
        if let Some(Outlook::Hopeless(problem)) = outlook_of(host) {
            found.entry((problem.message, problem.help)).or_default().push(name.clone());
        }
    }
    let finding = |((message, help), nodes): (_, Vec<NodeName>)| Finding {
        message: format!("{}: {message}", list(&nodes)),
        help,
        nodes,
    };
    found.into_iter().map(finding).collect()
}
