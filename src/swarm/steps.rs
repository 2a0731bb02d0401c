//! The order of everything that is done to the swarm.
//!
//! Managers come one after another and before workers, dead records go before their successors come, promotions go
//! before demotions, and no demotion leaves fewer reachable managers than quorum. A swarm is made only where it is
//! certain that no host of the inventory knows one.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::inventory::model::{Inventory, Node, NodeName, Role};
use crate::plan::{Action, Finding, Step, View};
use crate::swarm::advertise::{self, Address};
use crate::swarm::membership::{Membership, Roster, Standing, is_manager};
use crate::swarm::quorum::{Managers, Shift, check_inventory, even};
use crate::swarm::{SwarmAction, labels, refusal, roles};

/// What is done to the swarm, and what there is to say about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SwarmPlan {
    /// Membership and roles, in order; those of managers are done one after another.
    pub steps: Vec<Step>,
    /// Node labels, done after the steps.
    pub labels: Vec<Step>,
    /// Why nothing may be done; there are no steps then.
    pub refusals: Vec<Finding>,
    /// What cannot be done.
    pub problems: Vec<Finding>,
    /// What the user should know.
    pub warnings: Vec<Finding>,
}

impl SwarmPlan {
    pub(super) fn step(&mut self, node: &NodeName, action: SwarmAction) {
        self.steps.push(Step { node: node.clone(), action: Action::Swarm(action) });
    }
}

/// All that steps are planned from.
pub(super) struct Scene<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) membership: &'a Membership,
    /// Hosts that answer, are in no swarm and may be changed, in the order of the inventory.
    pub(super) newcomers: Vec<&'a Node>,
    /// The addresses that members advertise and newcomers shall.
    addresses: BTreeMap<NodeName, Address>,
}

impl Scene<'_> {
    /// Nodes that may be changed, in the order of the inventory.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.view.inventory.nodes.iter().filter(|node| self.view.choices.includes(&node.name))
    }
}

/// Plans how the swarm becomes what the inventory wants.
pub fn steps(view: &View<'_>) -> SwarmPlan {
    let membership = &Membership::read(view);
    let mut plan = SwarmPlan::default();
    match check_inventory(view.inventory) {
        Ok(warning) => plan.warnings.extend(warning),
        Err(refusal) => plan.refusals.extend(everybodys(view, vec![refusal])),
    }
    plan.refusals.extend(refusal::strangers(membership, view.choices.adopt.as_deref()));
    plan.refusals.extend(refusal::clones(view));
    plan.refusals.extend(refusal::rivals(membership));
    let newcomers = newcomers(view, membership);
    let addresses = addresses(&newcomers, view, membership, &mut plan);
    let scene = Scene { view, membership, newcomers, addresses };
    match &membership.ours {
        Some(roster) => converge(&mut plan, &scene, roster),
        None => found(&mut plan, &scene),
    }
    keep_to_limit(&mut plan, view);
    if !plan.refusals.is_empty() {
        plan.steps.clear();
        plan.labels.clear();
    }
    plan
}

/// Leaves out refusals that are only about nodes outside `--limit`, but not while the swarm is to be changed: what is
/// wrong with it or with any host that could be in it concerns all.
fn keep_to_limit(plan: &mut SwarmPlan, view: &View<'_>) {
    let included = |node: &NodeName| view.choices.includes(node);
    if plan.steps.iter().chain(&plan.labels).any(|step| included(&step.node)) {
        plan.refusals = everybodys(view, std::mem::take(&mut plan.refusals));
    }
    plan.refusals.retain(|finding| finding.nodes.is_empty() || finding.nodes.iter().any(included));
}

fn newcomers<'a>(view: &View<'a>, membership: &Membership) -> Vec<&'a Node> {
    let is_new = |node: &&Node| *membership.standing(&node.name) == Standing::Outside;
    let nodes = view.inventory.nodes.iter();
    nodes.filter(|node| view.choices.includes(&node.name)).filter(is_new).collect()
}

fn addresses(
    newcomers: &[&Node],
    view: &View<'_>,
    membership: &Membership,
    plan: &mut SwarmPlan,
) -> BTreeMap<NodeName, Address> {
    let mut addresses = BTreeMap::new();
    for node in newcomers {
        match advertise::choose(node, &view.hosts[&node.name].facts.network) {
            Ok(address) => drop(addresses.insert(node.name.clone(), address)),
            Err(refusal) => plan.refusals.push(refusal),
        }
    }
    for record in membership.ours.iter().flat_map(|roster| &roster.nodes) {
        let Some(name) = membership.name_of(record) else { continue };
        let (Some(node), Some(host)) = (view.inventory.node(name), view.hosts.get(name)) else { continue };
        let network = &host.facts.network;
        plan.warnings.extend(advertise::moved(node, network, &record.addr));
        addresses.extend(advertise::held(&record.addr, network).map(|address| (name.clone(), address)));
    }
    plan.refusals.extend(advertise::duplicates(&addresses));
    plan.warnings.extend(advertise::apart(&addresses));
    addresses
}

/// Makes a swarm where no host knows one.
fn found(plan: &mut SwarmPlan, scene: &Scene<'_>) {
    let Scene { view, membership, newcomers, addresses } = scene;
    // None of this is a reason to leave the rest undone: an engine that is started may be the manager that is missing.
    plan.problems.extend(refusal::headless(membership));
    if plan.refusals.is_empty() && plan.problems.is_empty() {
        plan.problems.extend(refusal::unreachable(membership, &view.choices));
    }
    plan.problems.extend(refusal::unasked(membership));
    let first = newcomers.iter().find(|node| node.role == Role::Manager);
    if first.is_none() && plan.refusals.is_empty() && plan.problems.is_empty() {
        plan.refusals.push(refusal::no_manager(scene));
    }
    // Whatever keeps a swarm from being made keeps it from all nodes, those outside `--limit` included.
    plan.refusals = everybodys(view, std::mem::take(&mut plan.refusals));
    plan.problems = everybodys(view, std::mem::take(&mut plan.problems));
    let Some(first) = first.filter(|_| plan.refusals.is_empty() && plan.problems.is_empty()) else { return };
    let wanted = &view.inventory.swarm;
    plan.step(
        &first.name,
        SwarmAction::Init {
            advertise: addresses[&first.name].addr(),
            name: view.inventory.name.clone(),
            address_pool: wanted.address_pool.iter().map(ToString::to_string).collect(),
            subnet_size: wanted.subnet_size,
            task_history: wanted.task_history,
        },
    );
    let mut managers = Managers { total: 1, reachable: 1 };
    let rest: Vec<&Node> = newcomers.iter().filter(|node| node.name != first.name).copied().collect();
    join(plan, &rest, Role::Manager, addresses, &mut managers);
    join(plan, &rest, Role::Worker, addresses, &mut managers);
    warn_even(plan, view.inventory, managers.total);
    plan.labels = newcomers.iter().map(|node| labels::first(node, &[])).collect();
}

/// Findings that `--limit` does not hide, whichever nodes they name.
fn everybodys(view: &View<'_>, mut findings: Vec<Finding>) -> Vec<Finding> {
    if view.choices.limit.is_some() {
        findings.iter_mut().for_each(|finding| finding.nodes.clear());
    }
    findings
}

/// Brings a swarm that is there to what the inventory wants.
fn converge(plan: &mut SwarmPlan, scene: &Scene<'_>, roster: &Roster) {
    let Scene { view, membership, newcomers, addresses } = scene;
    plan.problems.extend(refusal::stuck(membership));
    plan.problems.extend(refusal::unplaced(membership));
    plan.warnings.extend(refusal::outsiders(membership, roster));
    options(plan, view.inventory, roster);
    let before = Managers {
        total: roster.nodes.iter().filter(|node| is_manager(node)).count(),
        reachable: roster.nodes.iter().filter(|node| membership.answers(node)).count(),
    };
    let mut managers = before;
    for node in scene.nodes().filter(|node| *membership.standing(&node.name) == Standing::Pending) {
        plan.step(&node.name, SwarmAction::AwaitJoin);
    }
    roles::forget(plan, scene, &mut managers);
    join(plan, newcomers, Role::Manager, addresses, &mut managers);
    roles::promote(plan, scene, &mut managers);
    join(plan, newcomers, Role::Worker, addresses, &mut managers);
    roles::demote(plan, scene, roster, &mut managers);
    if managers.spare() < before.spare() {
        plan.warnings.push(Finding {
            nodes: Vec::new(),
            message: format!(
                "the swarm survives the loss of {} more managers now, and of {} afterwards",
                before.spare(),
                managers.spare()
            ),
            help: "keep more nodes as managers where that is not what you want".to_owned(),
        });
    }
    warn_even(plan, view.inventory, managers.total);
    plan.labels = labels::steps(scene, roster);
}

/// Joins those newcomers that shall have this role.
fn join(
    plan: &mut SwarmPlan,
    newcomers: &[&Node],
    role: Role,
    addresses: &BTreeMap<NodeName, Address>,
    managers: &mut Managers,
) {
    for node in newcomers.iter().filter(|node| node.role == role) {
        // Refused already.
        let Some(address) = addresses.get(&node.name) else { continue };
        if role == Role::Manager {
            let Some(after) = managers.after(Shift::Gain) else {
                plan.problems.push(refusal::no_quorum(&node.name, "join as manager", *managers));
                continue;
            };
            *managers = after;
        }
        plan.step(&node.name, SwarmAction::Join { role, advertise: address.addr() });
    }
}

/// Options of the swarm itself, its label included.
fn options(plan: &mut SwarmPlan, inventory: &Inventory, roster: &Roster) {
    if roster.adopted {
        plan.step(&roster.via, SwarmAction::Adopt { name: inventory.name.clone() });
    }
    let wanted = &inventory.swarm;
    if let Some(task_history) = wanted.task_history
        && roster.cluster.task_history != Some(task_history)
    {
        plan.step(&roster.via, SwarmAction::Configure { task_history });
    }
    let mut fixed = |what: &str, has: String, shall: String| {
        plan.warnings.push(Finding {
            nodes: Vec::new(),
            message: format!("the swarm's {what} is {has}, not {shall}: it is fixed when a swarm is made"),
            help: format!("write {has} to the inventory, or make the swarm anew"),
        });
    };
    let networks =
        |list: &mut dyn Iterator<Item = IpNet>| list.map(|net| net.trunc()).collect::<BTreeSet<_>>();
    let shall = networks(&mut wanted.address_pool.iter().copied());
    let has = networks(&mut roster.cluster.address_pool.iter().filter_map(|net| net.parse().ok()));
    let list = |nets: &BTreeSet<IpNet>| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !shall.is_empty() && shall != has {
        fixed("address pool", list(&has), list(&shall));
    }
    if let Some(size) = wanted.subnet_size.filter(|size| u32::from(*size) != roster.cluster.subnet_size) {
        fixed("subnet size", format!("/{}", roster.cluster.subnet_size), format!("/{size}"));
    }
}

/// Warns where members that the inventory lacks, or nodes that are off, make the number of managers even.
fn warn_even(plan: &mut SwarmPlan, inventory: &Inventory, managers: usize) {
    let desired = inventory.managers().count();
    if managers.is_multiple_of(2) && managers > 0 && desired % 2 == 1 {
        plan.warnings.push(Finding {
            nodes: Vec::new(),
            message: format!("the swarm will have {managers} managers, not {desired}: {}", even(managers)),
            help:
                "bring the missing ones up and run `skep up` again, or demote those that the inventory lacks"
                    .to_owned(),
        });
    }
}

#[cfg(test)]
mod tests;
