//! Nodes that share what each must have for itself.

use std::collections::BTreeMap;

use super::Finding;
use super::view::{Host, View};
use crate::facts;
use crate::inventory::model::{Node, NodeName};
use crate::words::list;

/// What each node must have for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// `/etc/machine-id`.
    Machine,
    /// The host name.
    Hostname,
    /// The engine's ID.
    Engine,
    /// The key of the SSH server.
    HostKey,
    /// The ID of a member of a swarm.
    Member,
}

/// Nodes that share one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Twins {
    /// What they share.
    pub(crate) value: String,
    /// At least two.
    pub(crate) nodes: Vec<NodeName>,
    /// What helps.
    pub(crate) help: String,
}

/// What makes them differ.
const REPAIR: &str = "`skep up --repair-clones`";

/// The public keys of SSH servers that are looked at: a copied card has all of them, so one that each host has is enough.
pub(super) const HOST_KEYS: [&str; 2] =
    ["/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_rsa_key.pub"];

/// The fingerprint of the first of them that a host has.
fn host_key(host: &Host) -> Option<String> {
    HOST_KEYS.iter().find_map(|path| crate::ssh::fingerprint_of(&super::clones::text(host, path)?))
}

/// Whether the inventory gives a node its host name.
fn is_named(node: &Node) -> bool {
    node.first_login.as_ref().is_some_and(|first| first.hostname.is_some())
}

impl Identity {
    /// Those that keep anything from being changed where two share them. A node ID is the swarm's to tell of.
    pub(super) const REFUSED: [Self; 3] = [Self::Machine, Self::Hostname, Self::Engine];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine-id",
            Self::Hostname => "hostname",
            Self::Engine => "engine ID",
            Self::HostKey => "SSH host key",
            Self::Member => "node ID",
        }
    }

    /// That of a host; empty where it has none yet, none where that cannot be told.
    pub(crate) fn of(self, host: &Host) -> Option<String> {
        match (self, &host.facts.engine) {
            (Self::Machine, _) => Some(host.facts.system.machine_id.clone()),
            (Self::Hostname, _) => Some(host.facts.system.hostname.clone()),
            (Self::Engine, facts::Engine::Running(running)) => Some(running.id.clone()),
            (Self::Member, facts::Engine::Running(running)) => Some(running.swarm.node_id.clone()),
            (Self::HostKey, _) => host_key(host),
            (Self::Engine | Self::Member, _) => None,
        }
    }

    /// Who shares it with whom.
    pub(crate) fn twins(self, view: &View<'_>) -> Vec<Twins> {
        let mut groups: BTreeMap<String, Vec<NodeName>> = BTreeMap::new();
        for (node, host) in view.hosts {
            if let Some(value) = self.of(host).filter(|value| !value.is_empty()) {
                groups.entry(value).or_default().push(node.clone());
            }
        }
        let twins = groups.into_iter().filter(|(_, nodes)| nodes.len() > 1);
        twins.map(|(value, nodes)| Twins { help: self.help(&nodes), value, nodes }).collect()
    }

    fn help(self, nodes: &[NodeName]) -> String {
        let by_hand = match self {
            Self::Machine => {
                // systemd-machine-id-setup would take D-Bus's copy, or the ID that a virtual machine was given.
                "on all but one, run `rm -f /var/lib/dbus/machine-id; tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id` \
                 and reboot"
                    .to_owned()
            }
            Self::Hostname => {
                let last = &nodes[nodes.len() - 1];
                return format!("give each its own, such as `hostnamectl set-hostname {last}` on {last}; {REPAIR} does it");
            }
            Self::Engine => "on all but one, run `systemctl stop docker && rm /var/lib/docker/engine-id \
                             /etc/docker/key.json; systemctl start docker`"
                .to_owned(),
            Self::HostKey => "on all but one, run `rm /etc/ssh/ssh_host_* && ssh-keygen -A && systemctl reload ssh`, and \
                              `ssh-keygen -R` for them here"
                .to_owned(),
            Self::Member => "if they are one host, remove all but one from the inventory; else, on the copy, stop its engine, \
                             remove /var/lib/docker/swarm and start it again"
                .to_owned(),
        };
        format!("they are copies of one card: {REPAIR} gives all but one their own, or by hand: {by_hand}")
    }

    /// Those who share it and will go on to: boards of one model begin with one name, and some get their own.
    pub(super) fn lasting(self, view: &View<'_>) -> Vec<Twins> {
        let mut twins = self.twins(view);
        if self == Self::Hostname {
            let stays = |node: &NodeName| !view.inventory.node(node).is_some_and(is_named);
            twins.iter_mut().for_each(|twins| twins.nodes.retain(stays));
            twins.retain(|twins| twins.nodes.len() > 1);
        }
        twins
    }

    /// What is to be said of those who share it.
    pub(super) fn findings(self, view: &View<'_>) -> impl Iterator<Item = Finding> {
        self.lasting(view).into_iter().map(move |Twins { value, nodes, help }| Finding {
            message: format!("{} have one {}, {value}", list(&nodes), self.name()),
            help,
            nodes,
        })
    }
}
