//! Routes: the way out, and networks of containers' bridges that are somebody else's.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::audit::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::facts::inspection::network::{Network, Route};
use crate::swarm::advertise::is_containers;

/// The way out.
pub(in crate::audit) const DEFAULT_ROUTE: Check = Check {
    id: "default-route",
    family: Family::Network,
    title: "the way out",
    explanation: "Packages and images come from outside of the nodes' own network, and nodes in other networks are \
                  reached through a router. Read are the kernel's routes, `/proc/net/route` and `/proc/net/ipv6_route`. \
                  A host without a default route is a warning: it can work where mirrors, registries and nodes are all \
                  in its own networks.",
    examine: |case| case.each(|subject| [way_out(subject)]),
};

fn way_out(subject: &Subject<'_>) -> Judgement {
    let mut defaults = subject.inspection.network.routes.iter().filter(|route| route.is_default());
    match defaults.next() {
        Some(Route { link, router, .. }) => {
            let by = router.map_or_else(String::new, |router| format!(" by {router}"));
            Judgement::ok("there is a default route")
                .seen("/proc/net/route", format!("default through {link}{by}"))
        }
        None => {
            let link = super::link(subject).unwrap_or("eth0");
            Judgement::warning(
                "there is no default route: packages and images cannot be fetched from outside",
            )
            .seen("/proc/net/route", "no route to 0.0.0.0/0")
            .remedy(format!(
                "`ip route add default via ROUTER dev {link}`, and the router in the network's configuration"
            ))
        }
    }
}

/// Networks of containers' bridges.
pub(in crate::audit) const BRIDGE_NETWORKS: Check = Check {
    id: "bridge-networks",
    family: Family::Network,
    title: "networks of containers' bridges",
    explanation: "Docker gives its bridges networks of their own, from 172.17.0.0/16 on, and leaves out those that the \
                  host has a route to at that moment. Where another node, a router, a name server, or a network that \
                  was added later lies in one of them, packets to it end in the bridge: that node is not reached, \
                  whatever the ports check of the others says. Read are the addresses and routes of each host and the \
                  addresses of the other nodes. Where there is no engine yet, another node in 172.17.0.0/16 is a warning, unless the \
                  inventory has networks for Docker, or the host a route there. An overlap is an error where a node or the router is in it, else a \
                  warning. It helps to give Docker other networks (`bip`, `default-address-pools`), and to make \
                  `docker_gwbridge` and networks of your own anew.",
    examine: bridges,
};

fn bridges(case: &Case<'_>) -> Vec<Verdict> {
    let others: Vec<(String, IpAddr)> = case
        .subjects()
        .filter_map(|subject| Some((subject.node.name.to_string(), super::address(&subject)?.addr())))
        .collect();
    case.each(|subject| {
        let bridges: Vec<(&str, IpNet)> = subject
            .facts()
            .network
            .iter()
            .filter(|interface| is_containers(&interface.name))
            .flat_map(|interface| {
                let nets =
                    interface.addresses.iter().filter_map(|(ip, prefix)| IpNet::new(*ip, *prefix).ok());
                nets.map(|net| (interface.name.as_str(), net.trunc()))
            })
            .collect();
        let amiss: Vec<_> = bridges.iter().filter_map(|bridge| overlap(subject, bridge, &others)).collect();
        match (bridges.is_empty(), amiss.is_empty()) {
            // Without bridges there is nothing to be in the way yet.
            (true, _) => to_come(subject, &others).into_iter().collect(),
            (false, true) => vec![Judgement::ok("no bridge of containers has somebody else's network")],
            (false, false) => amiss,
        }
    })
}

/// Who will lie in the network of the bridge that an engine makes first. It takes another one where the host itself has
/// an address, a route or a name server in that (moby, libnetwork/netutils).
fn to_come(subject: &Subject<'_>, others: &[(String, IpAddr)]) -> Option<Judgement> {
    let options = &subject.inventory.engine.options;
    let told = ["bip", "bridge", "default-address-pools"].iter().any(|name| options.contains_key(*name));
    let net: IpNet = "172.17.0.0/16".parse().ok()?;
    let interfaces = subject.facts().network.iter();
    let own = interfaces.flat_map(|interface| &interface.addresses).any(|(ip, _)| net.contains(ip));
    let network = &subject.inspection.network;
    let route = network.routes.iter().any(|route| route.router.is_none() && meets(&net, route));
    let passed_by = own || route || servers(network).any(|server| net.contains(&server));
    if subject.facts().engine.is_installed() || told || passed_by {
        return None;
    }
    let (name, ip) = others.iter().find(|(_, ip)| net.contains(ip))?;
    Some(
        Judgement::warning(format!(
            "{name}, {ip}, lies in {net}, which an engine gives to its bridge docker0"
        ))
        .seen("/proc/net/route", format!("no route to {net}"))
        .remedy(remedy("docker0", subject)),
    )
}

/// The name servers that the host asks, and those that its own asks.
fn servers(network: &Network) -> impl Iterator<Item = IpAddr> {
    let servers = network.resolvers.iter().flatten().chain(&network.upstream_resolvers);
    servers.filter_map(|server| server.parse().ok())
}

/// Who lies in a network that is given to containers, besides nodes, as one host sees it: its router, a name server, or
/// what it has a route to, but by links that are the containers' own. And whether that is the router.
pub(in crate::audit) fn neighbour(
    subject: &Subject<'_>,
    net: &IpNet,
    is_own: impl Fn(&str) -> bool,
) -> Option<(String, bool)> {
    let network = &subject.inspection.network;
    let router = network.routes.iter().filter(|route| route.is_default()).find_map(|route| route.router);
    if let Some(router) = router.filter(|router| net.contains(router)) {
        return Some((format!("the router, {router},"), true));
    }
    if let Some(server) = servers(network).find(|server| net.contains(server)) {
        return Some((format!("the name server, {server},"), false));
    }
    let route = network
        .routes
        .iter()
        .find(|route| !route.is_default() && !is_own(&route.link) && meets(net, route))?;
    Some((format!("{}/{} at {}", route.to.0, route.to.1, route.link), false))
}

/// What of somebody else's lies in a bridge's network.
fn overlap(
    subject: &Subject<'_>,
    (bridge, net): &(&str, IpNet),
    others: &[(String, IpAddr)],
) -> Option<Judgement> {
    let own = super::address(subject).map(|own| own.addr());
    let node = others.iter().find(|(_, ip)| net.contains(ip) && Some(*ip) != own);
    let node = node.map(|(name, ip)| (format!("{name}, {ip},"), true));
    let (who, at_once) = node.or_else(|| neighbour(subject, net, |link| link == *bridge))?;
    let judgement = if at_once { Judgement::error } else { Judgement::warning };
    Some(
        judgement(format!("{who} lies in the network of the bridge {bridge}, {net}"))
            .seen(*bridge, net.to_string())
            .remedy(remedy(bridge, subject)),
    )
}

/// Whether a route leads into a network. Half of everything is a way out, as tunnels have it: no network of somebody's.
fn meets(net: &IpNet, route: &Route) -> bool {
    const WIDEST: u8 = 8;
    if route.to.1 < WIDEST {
        return false;
    }
    let Ok(to) = IpNet::new(route.to.0, route.to.1) else { return false };
    net.contains(&to) || to.contains(net)
}

fn remedy(bridge: &str, subject: &Subject<'_>) -> String {
    let node = &subject.node.name;
    let options = "a network that nobody has, such as `engine: {options: {bip: 10.199.0.1/24, default-address-pools: \
                   [{base: 10.198.0.0/16, size: 24}]}}` in the inventory, then `skep up`";
    match bridge {
        "docker0" => options.to_owned(),
        "docker_gwbridge" => format!(
            "{options}; and on {node}, out of the swarm, `docker network rm docker_gwbridge`: it is made anew when the \
             node joins"
        ),
        _ => format!("{options}; and make the network of {bridge} on {node} anew"),
    }
}
