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

/// Whether the inventory gives a node its host name.
fn is_named(node: &Node) -> bool {
    node.first_login.as_ref().is_some_and(|first| first.hostname.is_some())
}

impl Identity {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Machine, Self::Hostname, Self::Engine];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine-id",
            Self::Hostname => "hostname",
            Self::Engine => "engine ID",
        }
    }

    /// That of a host; empty where it has none yet, none where that cannot be told.
    pub(crate) fn of(self, host: &Host) -> Option<String> {
        match (self, &host.facts.engine) {
            (Self::Machine, _) => Some(host.facts.system.machine_id.clone()),
            (Self::Hostname, _) => Some(host.facts.system.hostname.clone()),
            (Self::Engine, facts::Engine::Running(running)) => Some(running.id.clone()),
            (Self::Engine, _) => None,
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
        match self {
            Self::Machine => {
                "they are copies of one card: on all but one, run `rm /etc/machine-id && systemd-machine-id-setup` and \
                 reboot"
                    .to_owned()
            }
            Self::Hostname => {
                let last = &nodes[nodes.len() - 1];
                format!("give each its own, such as `hostnamectl set-hostname {last}` on {last}")
            }
            Self::Engine => "they are copies of one card: on all but one, run `systemctl stop docker && rm \
                             /var/lib/docker/engine-id /etc/docker/key.json; systemctl start docker`"
                .to_owned(),
        }
    }

    /// Why nothing may be changed.
    pub(super) fn refusals(self, view: &View<'_>) -> impl Iterator<Item = Finding> {
        let mut twins = self.twins(view);
        if self == Self::Hostname {
            // Boards of one model begin with one name, and get their own.
            let stays = |node: &NodeName| !view.inventory.node(node).is_some_and(is_named);
            twins.iter_mut().for_each(|twins| twins.nodes.retain(stays));
            twins.retain(|twins| twins.nodes.len() > 1);
        }
        twins.into_iter().map(move |Twins { value, nodes, help }| Finding {
            message: format!("{} have one {}, {value}", list(&nodes), self.name()),
            help,
            nodes,
        })
    }
}
