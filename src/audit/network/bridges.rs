//! Routes: the way out, and networks of containers' bridges that are somebody else's.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::audit::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::facts::inspection::network::Route;

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
                  addresses of the other nodes. An overlap is an error where a node or the router is in it, else a \
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
            .filter(|interface| crate::swarm::advertise::is_containers(&interface.name))
            .flat_map(|interface| {
                let nets =
                    interface.addresses.iter().filter_map(|(ip, prefix)| IpNet::new(*ip, *prefix).ok());
                nets.map(|net| (interface.name.as_str(), net.trunc()))
            })
            .collect();
        let amiss: Vec<_> = bridges.iter().filter_map(|bridge| overlap(subject, bridge, &others)).collect();
        match (bridges.is_empty(), amiss.is_empty()) {
            // Without bridges there is nothing to be in the way yet.
            (true, _) => vec![],
            (false, true) => vec![Judgement::ok("no bridge of containers has somebody else's network")],
            (false, false) => amiss,
        }
    })
}

/// What of somebody else's lies in a bridge's network.
fn overlap(
    subject: &Subject<'_>,
    (bridge, net): &(&str, IpNet),
    others: &[(String, IpAddr)],
) -> Option<Judgement> {
    let network = &subject.inspection.network;
    let own = super::address(subject).map(|own| own.addr());
    let node = others.iter().find(|(_, ip)| net.contains(ip) && Some(*ip) != own);
    let router = network.routes.iter().filter(|route| route.is_default()).find_map(|route| route.router);
    let router = router.filter(|router| net.contains(router));
    let servers = network.resolvers.iter().flatten().chain(&network.upstream_resolvers);
    let server =
        servers.filter_map(|server| server.parse::<IpAddr>().ok()).find(|server| net.contains(server));
    let route =
        network.routes.iter().find(|route| !route.is_default() && route.link != *bridge && meets(net, route));
    let (judgement, who) = match (node, router, server, route) {
        (Some((name, ip)), ..) => (Judgement::error as fn(String) -> Judgement, format!("{name}, {ip},")),
        (_, Some(router), ..) => (Judgement::error as _, format!("the router, {router},")),
        (_, _, Some(server), _) => (Judgement::warning as _, format!("the name server, {server},")),
        (.., Some(Route { to: (ip, prefix), link, .. })) => {
            (Judgement::warning as _, format!("{ip}/{prefix} at {link}"))
        }
        _ => return None,
    };
    Some(
        judgement(format!("{who} lies in the network of the bridge {bridge}, {net}"))
            .seen(*bridge, net.to_string())
            .remedy(remedy(bridge, subject)),
    )
}

fn meets(net: &IpNet, route: &Route) -> bool {
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
