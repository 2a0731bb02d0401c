//! Interfaces that get into each other's way.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{address, link};
use crate::audit::{Check, Family, Judgement, Subject};
use crate::facts::Interface;
use crate::facts::inspection::network::Link;
use crate::words::list;

/// Wi-Fi, and two interfaces in one network.
pub(in crate::audit) const LINKS: Check = Check {
    id: "links",
    family: Family::Network,
    title: "cables and Wi-Fi",
    explanation: "Boards often have a cable and Wi-Fi, both in one network. The kernel then answers for the address of \
                  one on the other, and packets go out by either: nodes lose sight of each other for moments, and large \
                  transfers crawl. Raft and gossip take a lost second for a lost node. Read are `/sys/class/net` and the \
                  addresses of the interfaces. Two interfaces in one network are a warning, a swarm over Wi-Fi is a note.",
    examine: |case| case.each(|subject| [judge(subject)]),
};

fn judge(subject: &Subject<'_>) -> Judgement {
    let is = |link: &Interface, what: fn(&Link) -> bool| {
        subject.inspection.network.links.iter().any(|other| other.name == link.name && what(other))
    };
    let is_wireless = |link: &Interface| is(link, |link| link.wireless);
    let interfaces = &subject.facts().network;
    let own = link(subject).and_then(|own| interfaces.iter().find(|interface| interface.name == own));
    let network = address(subject).map(|address| address.trunc());
    let rival = interfaces.iter().find(|other| {
        Some(&other.name) != own.map(|own| &own.name)
            && is(other, |link| link.up)
            && network.is_some_and(|network| within(other, &network).is_some())
    });
    match (own, rival, network) {
        (Some(own), Some(rival), Some(network)) => {
            let (kept, surplus) =
                if is_wireless(own) && !is_wireless(rival) { (rival, own) } else { (own, rival) };
            Judgement::warning(format!("{} and {} are both in {network}", own.name, rival.name))
                .seen(&own.name, super::list(addresses(own)))
                .seen(&rival.name, super::list(addresses(rival)))
                .remedy(remedy(subject, surplus, within(kept, &network)))
        }
        (Some(own), ..) if is_wireless(own) => Judgement::note("the other nodes reach it over Wi-Fi")
            .seen("/sys/class/net", format!("{} is wireless", own.name)),
        _ => Judgement::ok("one interface leads to the other nodes"),
    }
}

/// How an interface is given up. What SSH or the others use moves first, or the host would be cut off.
fn remedy(subject: &Subject<'_>, surplus: &Interface, kept: Option<IpAddr>) -> String {
    let (node, name) = (subject.node, &subject.node.name);
    let down = format!(
        "on {name}: `ip link set dev {} down`, and leave it out of the network's configuration",
        surplus.name
    );
    let has = |ip: &str| ip.parse().is_ok_and(|ip| surplus.has(ip));
    let for_ssh = has(&node.address) || has(&subject.inspection.access.connection.server);
    let for_others = address(subject).is_some_and(|own| surplus.has(own.addr()));
    let keys = [("address", for_ssh), ("advertise", for_others && (node.advertise.is_some() || !for_ssh))];
    let keys = keys.into_iter().filter(|(_, is_used)| *is_used).map(|(key, _)| key);
    let Some(lines) = kept.map(|ip| keys.map(|key| format!("`{key}: {ip}`")).collect::<Vec<_>>()) else {
        return down;
    };
    if lines.is_empty() {
        return down;
    }
    let leave =
        if for_others { ", let it leave the swarm where it is a member, and run `skep up`" } else { "" };
    format!(
        "first write {} to {name} in {}{leave}; then {down}",
        list(&lines),
        subject.inventory.path.display()
    )
}

/// The interface's address in a network.
fn within(interface: &Interface, network: &IpNet) -> Option<IpAddr> {
    interface.addresses.iter().map(|(ip, _)| *ip).find(|ip| network.contains(ip))
}

fn addresses(interface: &Interface) -> Vec<String> {
    interface.addresses.iter().map(|(ip, prefix)| format!("{ip}/{prefix}")).collect()
}
