//! What the nodes need of the network between them, and of their own settings for it.

mod addresses;
mod bridges;
mod firewall;
mod forwarding;
mod links;
mod managers;
mod mtu;
mod names;
mod opening;
mod ports;

pub(super) use addresses::ADDRESSES;
pub(super) use bridges::{BRIDGE_NETWORKS, DEFAULT_ROUTE, neighbour};
pub(super) use firewall::FIREWALL;
pub(super) use forwarding::{IP_FORWARDING, IPV6_ADVERTISEMENTS};
pub(super) use links::LINKS;
pub(super) use managers::NETWORK_MANAGER;
pub(super) use mtu::MTU;
pub(super) use names::DNS;
pub(super) use ports::PORTS;

use std::collections::BTreeSet;
use std::fmt::Display;

use super::Subject;
use crate::inventory::model::NodeName;
use crate::swarm::advertise::{self, Address};

/// The address by which the others reach a node, where that is known.
fn address(subject: &Subject<'_>) -> Option<Address> {
    advertise::current(subject.node, subject.facts()).ok()
}

/// The interface that has that address.
fn link<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let own = address(subject)?.addr();
    subject
        .facts()
        .network
        .iter()
        .find(|interface| interface.has(own))
        .map(|interface| interface.name.as_str())
}

/// The only node that is an end of all that is amiss, where more than two nodes take part and it is amiss with each of
/// the others: it is then the one to look at.
fn culprit<'n>(amiss: &[(&'n NodeName, &'n NodeName)], all: &BTreeSet<&'n NodeName>) -> Option<&'n NodeName> {
    let is_culprit = |node: &&NodeName| {
        let others = amiss.iter().filter_map(|(a, b)| match () {
            () if a == node => Some(*b),
            () if b == node => Some(*a),
            () => None,
        });
        let all_its = amiss.iter().all(|(a, b)| a == node || b == node);
        all_its && others.collect::<BTreeSet<_>>().len() + 1 == all.len()
    };
    if all.len() < 3 { None } else { all.iter().copied().find(is_culprit) }
}

/// `n1, n2 and n3`, each once.
fn list<T: Display + Ord>(items: impl IntoIterator<Item = T>) -> String {
    let items: BTreeSet<T> = items.into_iter().collect();
    crate::words::list(&items.iter().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
