//! The order of everything that is done to the swarm.
//!
//! Managers come one after another and before workers, dead records go before their successors come, promotions go
//! before demotions, and no demotion leaves fewer reachable managers than quorum. A swarm is made only where it is
//! certain that no host of the inventory knows one.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::facts::Facts;
use crate::inventory::model::{Inventory, Node, NodeName, Role};
use crate::plan::{Action, Finding, Step};
use crate::swarm::advertise::{self, Address};
use crate::swarm::membership::{Membership, Roster, Standing, Unknown, is_manager, is_reachable};
use crate::swarm::quorum::{Managers, Shift, check_desired, even};
use crate::swarm::{SwarmAction, labels, refusal, roles};

/// What the user vouches for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// ID of a swarm that skep did not make and shall take over.
    pub adopt: Option<String>,
    /// Hosts that hold no swarm, although they cannot be asked.
    pub assume_new: BTreeSet<NodeName>,
}

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

/// Plans how `membership` becomes what `inventory` wants. Hosts without facts were not reached.
pub fn steps(
    inventory: &Inventory,
    facts: &BTreeMap<NodeName, Facts>,
    membership: &Membership,
    options: &Options,
) -> SwarmPlan {
    let mut plan = SwarmPlan::default();
    match check_desired(inventory) {
        Ok(warning) => plan.warnings.extend(warning),
        Err(refusal) => plan.refusals.push(refusal),
    }
    plan.refusals.extend(refusal::strangers(membership, options.adopt.as_deref()));
    plan.refusals.extend(refusal::clones(facts));
    let newcomers = newcomers(inventory, facts, membership, options);
    let addresses = addresses(&newcomers, inventory, facts, membership, &mut plan);
    match &membership.ours {
        Some(roster) => converge(&mut plan, inventory, facts, membership, roster, &newcomers, &addresses),
        None => found(&mut plan, inventory, membership, options, &newcomers, &addresses),
    }
    if !plan.refusals.is_empty() {
        plan.steps.clear();
        plan.labels.clear();
    }
    plan
}

/// Hosts that answer and are in no swarm, in the order of the inventory.
fn newcomers<'a>(
    inventory: &'a Inventory,
    facts: &BTreeMap<NodeName, Facts>,
    membership: &Membership,
    options: &Options,
) -> Vec<&'a Node> {
    let is_new = |node: &&Node| match membership.standing(&node.name) {
        Standing::Outside => true,
        Standing::Unknown(_) => options.assume_new.contains(&node.name) && facts.contains_key(&node.name),
        _ => false,
    };
    inventory.nodes.iter().filter(is_new).collect()
}

/// The addresses that members advertise and newcomers shall, with what there is to say about them.
fn addresses(
    newcomers: &[&Node],
    inventory: &Inventory,
    facts: &BTreeMap<NodeName, Facts>,
    membership: &Membership,
    plan: &mut SwarmPlan,
) -> BTreeMap<NodeName, Address> {
    let mut addresses = BTreeMap::new();
    for node in newcomers {
        match advertise::choose(node, &facts[&node.name].network) {
            Ok(address) => drop(addresses.insert(node.name.clone(), address)),
            Err(refusal) => plan.refusals.push(refusal),
        }
    }
    for record in membership.ours.iter().flat_map(|roster| &roster.nodes) {
        let Some(name) = membership.name_of(record) else { continue };
        let (Some(node), Some(facts)) = (inventory.node(name), facts.get(name)) else { continue };
        plan.warnings.extend(advertise::moved(node, &facts.network, &record.addr));
        addresses.extend(advertise::held(&record.addr, &facts.network).map(|address| (name.clone(), address)));
    }
    plan.refusals.extend(advertise::duplicates(&addresses));
    plan.warnings.extend(advertise::apart(&addresses));
    addresses
}

/// Makes a swarm where no host knows one.
fn found(
    plan: &mut SwarmPlan,
    inventory: &Inventory,
    membership: &Membership,
    options: &Options,
    newcomers: &[&Node],
    addresses: &BTreeMap<NodeName, Address>,
) {
    plan.refusals.extend(refusal::headless(membership));
    plan.refusals.extend(refusal::unreachable(membership, options));
    let unasked = refusal::unasked(membership, options);
    let certain = unasked.is_empty() && plan.refusals.is_empty();
    plan.problems.extend(unasked);
    if !certain {
        return;
    }
    let Some(first) = newcomers.iter().find(|node| node.role == Role::Manager) else {
        plan.refusals.push(refusal::no_manager(inventory));
        return;
    };
    plan.step(
        &first.name,
        SwarmAction::Init {
            advertise: addresses[&first.name].addr(),
            name: inventory.name.clone(),
            address_pool: inventory.swarm.address_pool.iter().map(ToString::to_string).collect(),
            subnet_size: inventory.swarm.subnet_size,
            task_history: inventory.swarm.task_history,
        },
    );
    let mut managers = Managers { total: 1, reachable: 1 };
    let rest: Vec<&Node> = newcomers.iter().filter(|node| node.name != first.name).copied().collect();
    join(plan, &rest, Role::Manager, addresses, &mut managers);
    join(plan, &rest, Role::Worker, addresses, &mut managers);
    warn_even(plan, inventory, managers.total);
    plan.labels = newcomers.iter().map(|node| labels::first(node, &[])).collect();
}

/// Brings a swarm that is there to what the inventory wants.
fn converge(
    plan: &mut SwarmPlan,
    inventory: &Inventory,
    facts: &BTreeMap<NodeName, Facts>,
    membership: &Membership,
    roster: &Roster,
    newcomers: &[&Node],
    addresses: &BTreeMap<NodeName, Address>,
) {
    plan.problems.extend(refusal::stuck(membership));
    plan.problems.extend(refusal::unplaced(membership, newcomers));
    plan.warnings.extend(refusal::outsiders(inventory, membership, roster));
    options(plan, inventory, roster);
    let before = Managers {
        total: roster.nodes.iter().filter(|node| is_manager(node)).count(),
        reachable: roster.nodes.iter().filter(|node| is_manager(node) && is_reachable(node)).count(),
    };
    let mut managers = before;
    for (name, _) in membership.standings.iter().filter(|(_, standing)| **standing == Standing::Pending) {
        plan.step(name, SwarmAction::AwaitJoin);
    }
    roles::forget(plan, inventory, membership, &mut managers);
    join(plan, newcomers, Role::Manager, addresses, &mut managers);
    roles::promote(plan, inventory, membership, &mut managers);
    join(plan, newcomers, Role::Worker, addresses, &mut managers);
    roles::demote(plan, inventory, membership, roster, &mut managers);
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
    warn_even(plan, inventory, managers.total);
    plan.labels = labels::steps(inventory, facts, membership, roster, newcomers);
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
    let networks = |list: &mut dyn Iterator<Item = IpNet>| list.map(|net| net.trunc()).collect::<BTreeSet<_>>();
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
    if managers % 2 == 0 && managers > 0 && desired % 2 == 1 {
        plan.warnings.push(Finding {
            nodes: Vec::new(),
            message: format!("the swarm will have {managers} managers, not {desired}: {}", even(managers)),
            help: "bring the missing ones up and run `skep up` again, or demote those that the inventory lacks".to_owned(),
        });
    }
}

/// Whether the swarm of a node whose engine was not asked may be told from its record.
pub(super) fn is_bound(membership: &Membership, name: &NodeName) -> bool {
    let nodes = membership.ours.iter().flat_map(|roster| &roster.nodes);
    matches!(membership.standing(name), Standing::Unknown(Unknown::Stopped | Unknown::Silent { .. }))
        && nodes.into_iter().any(|record| membership.name_of(record) == Some(name))
}

#[cfg(test)]
mod tests;
