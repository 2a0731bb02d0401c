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
use super::{Action, Finding, Phase, PhaseName, Plan, Step, validate};
use crate::facts::Engine;
use crate::facts::engine::{Running, data};
use crate::inventory::model::{Node, NodeName};
use crate::plan::view::{Choices, Host, View};
use crate::resource::daemon::restarts;
use crate::resource::{Change, Description, Key, Observed, Resource, basics, file};
use crate::swarm::NODE_LABEL;
use crate::swarm::membership::{Membership, Standing, is_manager};
use crate::words::list;

/// A host gets something of its own. Each may be done again where it was cut short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// A machine-id.
    MachineId {
        /// The hash of the one that goes, as [`crate::facts::System::fingerprint`] has it.
        fingerprint: String,
    },
    /// A host name. Its receipt is dropped: an undo would give it the other's name back.
    Hostname(Box<Change>),
    /// Keys of the SSH server.
    HostKeys,
    /// An engine ID.
    Engine {
        /// Where the engine has its data.
        root: String,
        /// The member of a swarm that it takes itself for, and is not.
        member: Option<Copied>,
    },
}

/// A membership that a copy took along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Its node ID.
    pub id: String,
    /// The host whose it is, and which keeps it.
    pub of: NodeName,
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
            Self::Hostname(change) => change.describe(),
            Self::HostKeys => {
                Description::line("make SSH host keys of its own, and record them on this computer")
            }
            Self::Engine { member, .. } => {
                let own = "give the engine an ID of its own";
                Description {
                    disrupts: Some(restarts()),
                    ..Description::line(match member {
                        Some(Copied { id, of }) => {
                            format!("forget the copied membership of {id}, which {of} keeps, and {own}")
                        }
                        None => own.to_owned(),
                    })
                }
            }
        }
    }
}

/// What every host is asked, so that clones are found and what was begun is finished; and what only repairs want to know.
pub(super) fn keys(choices: &Choices) -> impl Iterator<Item = Key> {
    let files = HOST_KEYS.map(str::to_owned).into_iter().chain([begun(), NEW_MACHINE_ID.to_owned()]);
    files.map(|path| Key::File(path.into())).chain(choices.repair_clones.then_some(Key::Basics(())))
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

/// Hosts that may have new host keys already while the old ones are trusted still: no twins tell of that any more.
pub(super) fn cut_short(view: &View<'_>) -> Vec<Finding> {
    let nodes = view.inventory.nodes.iter().map(|node| &node.name);
    let begun = nodes.filter(|name| view.hosts.get(*name).is_some_and(|host| text(host, &begun()).is_some()));
    let told = begun.map(|name| Finding {
        nodes: vec![name.clone()],
        message: format!(
            "{name} was being given SSH host keys of its own when that was cut short: its old ones are trusted still"
        ),
        help: "run `skep up --repair-clones`: it carries on".to_owned(),
    });
    told.collect()
}

/// What is done before all else; empty where there are no clones, and where the user did not ask for it.
pub fn repairs(view: &View<'_>) -> Plan {
    let mut plan = Plan::new(Vec::new());
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
    let copies = copies(view, &membership, &mut repairs);
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

/// The hosts that take themselves for a member which another host is, each with that one.
fn copies(view: &View<'_>, membership: &Membership, repairs: &mut Repairs) -> BTreeMap<NodeName, Copied> {
    let mut copies = BTreeMap::new();
    for twins in Identity::Member.twins(view).into_iter().filter(|twins| concerns(view, twins)) {
        if repairs.is_one_machine(view, &twins) {
            continue;
        }
        match member(view, membership, &twins) {
            Ok(member) => {
                let copied = Copied { id: twins.value.clone(), of: member.clone() };
                let others = twins.nodes.iter().filter(|name| *name != member);
                copies.extend(others.map(|name| (name.clone(), copied.clone())));
            }
            Err(cause) => repairs.refusals.push(Finding {
                message: format!(
                    "{} take themselves for the member {}, and which of them is it cannot be told: {cause}",
                    list(&twins.nodes),
                    twins.value
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

/// Which of them is the member that all of them take themselves for; else why that cannot be told.
///
/// An engine remembers the address under which it joined, and a copy has one of its own as a rule. But DHCP servers give
/// hosts with one machine-id one lease, so that the hardware address in the inventory has to say the same, and the swarm's
/// own record no other name. Nothing brings back what is taken from the wrong one.
fn member<'a>(view: &View<'_>, membership: &Membership, twins: &'a Twins) -> Result<&'a NodeName, String> {
    let has_address = |name: &&NodeName| view.hosts.get(*name).is_some_and(has_its_address);
    let name = match twins.nodes.iter().filter(has_address).collect::<Vec<_>>()[..] {
        [name] => name,
        [] => return Err("none of them has the address under which it joined".to_owned()),
        _ => return Err("more than one of them has the address under which it joined".to_owned()),
    };
    let mut records = membership.ours.iter().flat_map(|ours| &ours.nodes);
    let Some(record) = records.find(|record| record.id == twins.value) else {
        return Err("no manager of the inventory's swarm has it on record".to_owned());
    };
    let told = format!("{name} has the address under which it joined, but");
    match (record.labels.get(NODE_LABEL), has_its_card(view, name)) {
        (_, Some(false)) => Err(format!("{told} not the network card that `mac` in the inventory names")),
        (Some(label), _) if *label != name.0 => Err(format!("{told} the swarm knows it as {label}")),
        (_, None) => Err(format!("{told} `mac` of {name} in the inventory has to say so, too")),
        (None, _) if is_manager(record) => Err(format!("{told} the swarm has no label {NODE_LABEL} of it")),
        (_, Some(true)) => Ok(name),
    }
}

/// Whether a host has the network card that the inventory names; none where it names none.
fn has_its_card(view: &View<'_>, name: &NodeName) -> Option<bool> {
    let mac = view.inventory.node(name)?.mac.as_ref()?;
    let interfaces = view.hosts.get(name).into_iter().flat_map(|host| &host.facts.network);
    Some(interfaces.into_iter().any(|interface| interface.mac == *mac))
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
    told.is_some_and(|told| host.facts.network.iter().any(|interface| interface.has(told)))
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
                    let repair = Repair::Hostname(Box::new(change));
                    self.step(view, PhaseName::FirstLogin, node, Action::Repair(repair));
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

    fn engine(&mut self, view: &View<'_>, node: &Node, member: Option<Copied>) {
        let root = view.hosts.get(&node.name).and_then(running).map(|running| running.settings.root.clone());
        let root = root.filter(|root| root.starts_with('/')).unwrap_or_else(|| data::USUAL.to_owned());
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
