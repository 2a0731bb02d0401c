//! The engine's own networks and its rules for packets.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{UNIT, WHERE, flags, options, source_of};
use crate::audit::{Case, Check, Family, Judgement, Subject};
use crate::inventory::model::NodeName;
use crate::swarm::advertise;

pub(in crate::audit) const NETWORKS: Check = Check {
    id: "engine-networks",
    family: Family::Engine,
    title: "the engine's networks are no node's",
    explanation: "`bip`, `fixed-cidr` and `default-address-pools` tell the engine which networks its bridges take. One that \
        holds a node's address hides that node from the host: answers go to the bridge instead of the network. `bip` is \
        taken at once, so it is an error; a pool may be cut from elsewhere for long, so it is a warning. The options are \
        read from the file and the inventory, and compared with the addresses of all nodes. Without such options Docker \
        chooses by itself, avoids networks that the host is in, and nothing is said.",
    examine: |case| {
        let nodes = addresses(case);
        case.each(|subject| networks(subject, &nodes))
    },
};

/// The networks that options name, and whether they are taken at once.
fn named(options: &Map<String, Value>) -> impl Iterator<Item = (&'static str, IpNet, bool)> {
    let net = |value: &Value| value.as_str()?.parse::<IpNet>().ok().map(|net| net.trunc());
    let single = ["bip", "fixed-cidr"]
        .into_iter()
        .filter_map(move |name| Some((name, net(options.get(name)?)?, true)));
    let pools = options.get("default-address-pools").and_then(Value::as_array).into_iter().flatten();
    single
        .chain(pools.filter_map(move |pool| Some(("default-address-pools", net(pool.get("base")?)?, false))))
}

fn networks(subject: &Subject<'_>, nodes: &[(NodeName, IpAddr)]) -> Option<Judgement> {
    let options = options(subject);
    let mut networks: Vec<_> = named(&options).collect();
    networks.extend(
        flags(subject, "--bip").filter_map(|net| Some(("bip", net.parse::<IpNet>().ok()?.trunc(), true))),
    );
    let first = networks.first()?;
    let hit = |(_, net, _): &&(&str, IpNet, bool)| nodes.iter().any(|(_, ip)| net.contains(ip));
    let Some((option, net, at_once)) = networks.iter().filter(hit).max_by_key(|(.., at_once)| *at_once)
    else {
        return Some(
            Judgement::ok("the engine's networks hold no node's address")
                .seen(source_of(subject, first.0), format!("{}: {}", first.0, first.1)),
        );
    };
    let (name, ip) = nodes.iter().find(|(_, ip)| net.contains(ip))?;
    let message =
        format!("`{option}` is {net}, which holds {name}'s address {ip}: the bridge hides it from this host");
    let judgement = if *at_once { Judgement::error(message) } else { Judgement::warning(message) };
    Some(judgement.seen(source_of(subject, option), format!("{option}: {net}")).remedy(format!(
        "give `{option}` a network that you do not use, in `engine.options` of the inventory, then `skep up`"
    )))
}

/// The addresses of all nodes: as the inventory names them, and as their hosts have them.
pub(in crate::audit) fn addresses(case: &Case<'_>) -> Vec<(NodeName, IpAddr)> {
    let nodes = case.inventory().nodes.iter();
    let mut addresses: Vec<(NodeName, IpAddr)> = nodes
        .flat_map(|node| {
            let named = node.address.parse().ok().into_iter().chain(node.advertise);
            let host = case.view.hosts.get(&node.name);
            let own =
                host.into_iter().flat_map(|host| advertise::own(&host.facts.network)).map(|net| net.addr());
            named.chain(own).map(|ip| (node.name.clone(), ip)).collect::<Vec<_>>()
        })
        .collect();
    let mut seen = Vec::new();
    addresses.retain(|(_, ip)| {
        !ip.is_loopback() && !seen.contains(ip) && {
            seen.push(*ip);
            true
        }
    });
    addresses
}

pub(in crate::audit) const FIREWALL: Check = Check {
    id: "engine-firewall",
    family: Family::Engine,
    title: "the engine may set up its packet filter",
    explanation: "Published ports, the routing mesh and the way out of containers are rules that the engine writes by \
        iptables. `iptables: false` leaves them to somebody else, and nothing of it works unless somebody does: a warning, as \
        are `ip-forward: false` and `ip-masq: false`, without which containers reach nothing. `userland-proxy: false` is a \
        note: ports of the host itself then need hairpin NAT. The options of the file, of the inventory and of the engine's \
        own flags are read.",
    examine: |case| case.each(|subject| [firewall(subject)]),
};

fn firewall(subject: &Subject<'_>) -> Judgement {
    let options = options(subject);
    let off = |name: &str| options.get(name) == Some(&Value::Bool(false));
    let seen =
        |judgement: Judgement, name: &str| judgement.seen(source_of(subject, name), format!("{name}: false"));
    let remove = |name: &str| {
        format!("take `{name}` out of {}, unless rules of your own do the same", source_of(subject, name))
    };
    for (flag, name, lost) in [
        (
            "--iptables",
            "iptables",
            "the engine sets up no packet filter: published ports and the routing mesh do not work",
        ),
        ("--ip-forward", "ip-forward", "the engine does not turn forwarding on: containers reach nothing"),
        (
            "--ip-masq",
            "ip-masq",
            "the engine does not hide containers behind the host: they reach nothing outside",
        ),
    ] {
        if flags(subject, flag).last() == Some("false") {
            let remedy = format!("take `{flag}=false` out of its unit: {WHERE}");
            return Judgement::warning(lost).seen(UNIT, format!("{flag}=false")).remedy(remedy);
        }
        if off(name) {
            return seen(Judgement::warning(lost), name).remedy(remove(name));
        }
    }
    match off("userland-proxy") {
        true => seen(
            Judgement::note(
                "without the userland proxy a host reaches its own published ports by hairpin NAT only",
            ),
            "userland-proxy",
        ),
        false => Judgement::ok("the engine sets up its packet filter itself")
            .seen(super::FILE, "turns neither iptables nor forwarding off"),
    }
}
