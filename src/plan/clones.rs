//! Hosts copied from one card: which of them keeps what they share, and what the others get of their own.
//!
//! One plan of its own, before all else: what there is to do afterwards depends on who each host is.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::make::keep_to_limit;
use super::twins::{HOST_KEYS, Identity, Twins};
use super::{Action, Finding, Phase, PhaseName, Plan, Step, VERSION, validate};
use crate::facts::Engine;
use crate::facts::engine::Running;
use crate::inventory::model::{Node, NodeName};
use crate::plan::view::{Host, View};
use crate::resource::{Description, Key, Observed, Resource, basics, file};
use crate::swarm::membership::{Membership, Standing};
use crate::words::list;

/// A host gets something of its own. Each may be done again where it was cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// A machine-id.
    MachineId {
        /// The hash of the one that goes, as [`crate::facts::System::fingerprint`] has it.
        fingerprint: String,
    },
    /// Keys of the SSH server.
    HostKeys,
    /// An engine ID.
    Engine {
        /// Where the engine has its data.
        root: String,
        /// The member of a swarm that it takes itself for, and is not.
        member: Option<String>,
    },
}

/// Where new host keys wait until they take the place of the old ones; gone once they have.
pub(crate) const KEYS: &str = "/etc/ssh/.skep-keys";

/// Tells until the next boot that programs still go by a machine-id that is gone.
pub(crate) const NEW_MACHINE_ID: &str = "/run/skep-new-machine-id";

/// What is done about clones, and what cannot be.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    steps: Vec<(PhaseName, Step)>,
    pub(super) refusals: Vec<Finding>,
}

impl Repair {
    pub(crate) fn describe(&self) -> Description {
        match self {
            Self::MachineId { .. } => Description::line("make a machine-id of its own"),
            Self::HostKeys => {
                Description::line("make SSH host keys of its own, and record them on this computer")
            }
            Self::Engine { member, .. } => {
                let own = "give the engine an ID of its own";
                Description {
                    disrupts: Some("restarts docker, and every container on the host with it".to_owned()),
                    ..Description::line(match member {
                        Some(member) => format!("forget the copied membership of {member}, {own}"),
                        None => own.to_owned(),
                    })
                }
            }
        }
    }
}

/// What every host is asked, so that clones are found and what was begun is finished.
pub(super) fn keys() -> impl Iterator<Item = Key> {
    let files = HOST_KEYS.map(str::to_owned).into_iter().chain([begun(), NEW_MACHINE_ID.to_owned()]);
    files.map(|path| Key::File(path.into())).chain([Key::Basics(())])
}

/// The list of the old keys, which is there from before new ones are used until nobody trusts the old ones any more.
fn begun() -> String {
    format!("{KEYS}/old")
}

/// The text of a file that every host is asked for, where it is there.
pub(super) fn text(host: &Host, path: &str) -> Option<String> {
    match host.observed.get(&Key::File(path.into())) {
        Some(Ok(Observed::File(file::Observed::File(file)))) => file.text.clone(),
        _ => None,
    }
}

/// Whether a host has to be rebooted before all of it goes by its new machine-id.
pub(super) fn awaits_reboot(host: &Host) -> bool {
    text(host, NEW_MACHINE_ID).is_some()
}

/// What is done before all else; empty where there are no clones, and where the user did not ask for it.
pub fn repairs(view: &View<'_>) -> Plan {
    let mut plan = Plan {
        version: VERSION,
        phases: Vec::new(),
        refusals: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        origins: Vec::new(),
    };
    let steps = read(view).steps;
    if steps.is_empty() {
        return plan;
    }
    plan.refusals = validate::refusals(view);
    plan.warnings.push(more_later(&steps));
    let mut phases: BTreeMap<PhaseName, Vec<Step>> = BTreeMap::new();
    for (phase, step) in steps {
        phases.entry(phase).or_default().push(step);
    }
    keep_to_limit(view, &mut phases, &mut plan);
    plan.phases = phases.into_iter().map(|(name, steps)| Phase { name, steps }).collect();
    plan
}

fn more_later(steps: &[(PhaseName, Step)]) -> Finding {
    let nodes: BTreeSet<_> = steps.iter().map(|(_, step)| step.node.clone()).collect();
    let nodes: Vec<NodeName> = nodes.into_iter().collect();
    Finding {
        message: format!("what else there is to do shows once {} have identities of their own", list(&nodes)),
        help: "`skep up --repair-clones` shows the rest then, and asks again; an address that DHCP gives may be another one \
               after the next boot"
            .to_owned(),
        nodes,
    }
}

/// Nothing where the user did not ask for it.
pub(super) fn read(view: &View<'_>) -> Repairs {
    let mut repairs = Repairs::default();
    if !view.choices.repair_clones {
        return repairs;
    }
    let membership = Membership::read(view);
    let copies = copies(view, &mut repairs);
    let rank = |name: &NodeName| match membership.standing(name) {
        _ if copies.contains_key(name) => 2,
        Standing::Member { .. } => 0,
        _ => 1,
    };
    for identity in [Identity::Machine, Identity::Hostname, Identity::HostKey, Identity::Engine] {
        for twins in identity.lasting(view).into_iter().filter(|twins| concerns(view, twins)) {
            if repairs.is_one_machine(view, &twins) {
                continue;
            }
            let keeper = keeper(view, identity, &twins, &rank);
            let others = view.inventory.nodes.iter().filter(|node| twins.nodes.contains(&node.name));
            // A copied membership takes the engine's ID along.
            let done = |node: &&Node| identity == Identity::Engine && copies.contains_key(&node.name);
            for node in others.filter(|node| Some(&node.name) != keeper && !done(node)) {
                repairs.repair(view, identity, node, &membership);
            }
        }
    }
    for node in &view.inventory.nodes {
        let Some(host) = view.hosts.get(&node.name) else { continue };
        if let Some(member) = copies.get(&node.name) {
            repairs.engine(view, node, Some(member.clone()));
        }
        if text(host, &begun()).is_some() && view.choices.includes(&node.name) {
            repairs.step(view, PhaseName::FirstLogin, node, Action::Repair(Repair::HostKeys));
        }
    }
    repairs
}

/// The hosts that take themselves for a member which another host is, each with its node ID.
///
/// An engine remembers the address under which it joined. The host that has this address is the member: a copy has one of
/// its own, and still tells the other's.
fn copies(view: &View<'_>, repairs: &mut Repairs) -> BTreeMap<NodeName, String> {
    let mut copies = BTreeMap::new();
    for twins in Identity::Member.twins(view).into_iter().filter(|twins| concerns(view, twins)) {
        if repairs.is_one_machine(view, &twins) {
            continue;
        }
        let (members, others): (Vec<&NodeName>, Vec<&NodeName>) =
            twins.nodes.iter().partition(|name| view.hosts.get(*name).is_some_and(has_its_address));
        match members.as_slice() {
            [_] => copies.extend(others.into_iter().map(|name| (name.clone(), twins.value.clone()))),
            _ => repairs.refusals.push(Finding {
                message: format!(
                    "{} take themselves for the member {}, and which of them is it cannot be told: {} of them has the \
                     address under which it joined",
                    list(&twins.nodes),
                    twins.value,
                    if members.is_empty() { "none" } else { "more than one" }
                ),
                help: "on the copy, stop the engine, remove /var/lib/docker/swarm and start it again; then run the same \
                       command again"
                    .to_owned(),
                nodes: twins.nodes,
            }),
        }
    }
    copies
}

/// Whether any of them may be changed.
fn concerns(view: &View<'_>, twins: &Twins) -> bool {
    twins.nodes.iter().any(|name| view.choices.includes(name))
}

fn running(host: &Host) -> Option<&Running> {
    match &host.facts.engine {
        Engine::Running(running) => Some(running),
        _ => None,
    }
}

fn has_its_address(host: &Host) -> bool {
    let told = running(host).and_then(|running| running.swarm.node_addr.parse::<IpAddr>().ok());
    let mut own = host.facts.network.iter().flat_map(|interface| &interface.addresses);
    told.is_some_and(|told| own.any(|(address, _)| *address == told))
}

/// Who keeps what several share: the member of our swarm, else the first one. A name stays with the node that is called so.
fn keeper<'a>(
    view: &View<'a>,
    identity: Identity,
    twins: &Twins,
    rank: &dyn Fn(&NodeName) -> u8,
) -> Option<&'a NodeName> {
    let names =
        || view.inventory.nodes.iter().map(|node| &node.name).filter(|name| twins.nodes.contains(name));
    let named = names().find(|name| identity == Identity::Hostname && name.0 == twins.value);
    named.or_else(|| names().min_by_key(|name| rank(name)))
}

impl Repairs {
    /// Whether nothing is done and nothing is said about any clones.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    /// Whether some of them are one machine with several places in the inventory, which is nobody's copy.
    fn is_one_machine(&mut self, view: &View<'_>, twins: &Twins) -> bool {
        let mut boots: BTreeMap<&str, Vec<NodeName>> = BTreeMap::new();
        for name in &twins.nodes {
            let boot = view.hosts.get(name).map_or("", |host| &host.facts.system.boot_id);
            boots.entry(boot).or_default().push(name.clone());
        }
        let Some((_, nodes)) = boots.into_iter().find(|(boot, nodes)| !boot.is_empty() && nodes.len() > 1)
        else {
            return false;
        };
        let message = format!("{} are one machine: they were booted at once", list(&nodes));
        if !self.refusals.iter().any(|refusal| refusal.message == message) {
            let help = "remove all but one of them from the inventory".to_owned();
            self.refusals.push(Finding { message, help, nodes });
        }
        true
    }

    fn repair(&mut self, view: &View<'_>, identity: Identity, node: &Node, membership: &Membership) {
        let Some(host) = view.hosts.get(&node.name) else { return };
        let repair = match identity {
            Identity::Machine => Repair::MachineId { fingerprint: host.facts.system.fingerprint() },
            Identity::HostKey if node.login.host_key.is_some() => {
                let message = format!(
                    "{} gets no host key of its own: `host_key` in the inventory wants the one that it has",
                    node.name
                );
                let help =
                    format!("remove `host_key` of {}: the new key is recorded in known_hosts", node.name);
                return self.refuse(node, message, help);
            }
            Identity::HostKey => Repair::HostKeys,
            Identity::Hostname => {
                let desired = basics::Desired { hostname: Some(node.name.0.clone()), ..Default::default() };
                let resource = Resource::Basics(desired);
                let observed = host.observed.get(&resource.key()).and_then(|observed| observed.as_ref().ok());
                let change = observed.and_then(|observed| resource.diff(observed).ok().flatten());
                if let Some(change) = change {
                    self.step(view, PhaseName::FirstLogin, node, Action::Change(change));
                }
                return;
            }
            Identity::Engine | Identity::Member => {
                return match membership.standing(&node.name) {
                    Standing::Outside => self.engine(view, node, None),
                    _ => self.refuse(
                        node,
                        format!("{} gets no engine ID of its own: its engine is in a swarm", node.name),
                        format!(
                            "drain it (`docker node update --availability drain`), then run `systemctl stop docker && rm \
                             /var/lib/docker/engine-id /etc/docker/key.json; systemctl start docker` on {}",
                            node.name
                        ),
                    ),
                };
            }
        };
        self.step(view, PhaseName::FirstLogin, node, Action::Repair(repair));
    }

    fn engine(&mut self, view: &View<'_>, node: &Node, member: Option<String>) {
        let root = view.hosts.get(&node.name).and_then(running).map(|running| running.settings.root.clone());
        let root = root.filter(|root| root.starts_with('/')).unwrap_or_else(|| "/var/lib/docker".to_owned());
        self.step(view, PhaseName::Engine, node, Action::Repair(Repair::Engine { root, member }));
    }

    fn refuse(&mut self, node: &Node, message: String, help: String) {
        self.refusals.push(Finding { nodes: vec![node.name.clone()], message, help });
    }

    fn step(&mut self, view: &View<'_>, phase: PhaseName, node: &Node, action: Action) {
        if !view.choices.includes(&node.name) {
            let message =
                format!("{} is a copy of another node's card, and `--limit` leaves it out", node.name);
            if !self.refusals.iter().any(|refusal| refusal.message == message) {
                // Those of `--limit` cannot be told from it.
                let help = format!("add {} to `--limit`", node.name);
                self.refusals.push(Finding { nodes: Vec::new(), message, help });
            }
            return;
        }
        let step = Step { node: node.name.clone(), action };
        if !self.steps.iter().any(|(_, known)| *known == step) {
            self.steps.push((phase, step));
        }
    }
}
