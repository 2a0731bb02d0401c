//! Which address of a node the other nodes reach it at.
//!
//! Always an IP address, never an interface name nor left to the engine: it refuses hosts with several addresses,
//! and other tools' guesses have put workers on networks that their managers cannot reach.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::facts::{Engine, Facts, Interface};
use crate::inventory::model::{Node, NodeName};
use crate::plan::Finding;
use crate::swarm::join;

/// Starts of the names of interfaces that containers and virtual machines bring along.
const CONTAINER: &[&str] = &[
    "docker", "veth", "vxlan", "cni", "flannel", "cali", "cilium", "kube", "podman", "lxc", "lxdbr",
    "incusbr", "virbr", "vnet", "tap",
];

/// Starts of the names of tunnels: taken only where a host has no other address.
const TUNNEL: &[&str] = &["tun", "wg", "tailscale", "zt", "ppp", "nebula"];

/// An address with the network it is in.
pub type Address = IpNet;

/// The address that `node` shall advertise, given the host's interfaces: the inventory's, else the one SSH connects
/// to, else the only one there is. IPv4 goes before IPv6, tunnels come last, and containers' bridges never count.
///
/// # Errors
/// A refusal that names the host's addresses and the line to write.
pub fn choose(node: &Node, interfaces: &[Interface]) -> Result<Address, Finding> {
    if let Some(wanted) = node.advertise {
        return on_host(wanted, interfaces).ok_or_else(|| Finding {
            nodes: vec![node.name.clone()],
            message: format!("{} shall advertise {wanted}, which none of its interfaces has", node.name),
            help: format!("it has {}; correct `advertise:` of {}", list(interfaces), node.name),
        });
    }
    if let Some(address) = node.address.parse().ok().and_then(|ip| on_host(ip, interfaces)) {
        return Ok(address);
    }
    match candidates(interfaces).as_slice() {
        [only] => Ok(*only),
        several => Err(Finding {
            nodes: vec![node.name.clone()],
            message: format!(
                "which address shall {} advertise? SSH reaches it as {}, which is none of its own, and it has {}",
                node.name,
                node.address,
                if several.is_empty() { "no other" } else { "several" },
            ),
            help: match several.first() {
                Some(first) => format!(
                    "write the one that the other nodes reach, such as `advertise: {}`, to {} in the inventory; it has {}",
                    first.addr(),
                    node.name,
                    list(interfaces)
                ),
                None => format!("give {} an address on a network that the other nodes reach", node.name),
            },
        }),
    }
}

/// The address that other nodes reach `node` at now: the one it advertises as a member, else the one it [shall](choose).
///
/// # Errors
/// See [`choose`].
pub fn current(node: &Node, facts: &Facts) -> Result<Address, Finding> {
    let advertised = match &facts.engine {
        Engine::Running(running) => held(&running.swarm.node_addr, &facts.network),
        _ => None,
    };
    advertised.map_or_else(|| choose(node, &facts.network), Ok)
}

/// Refusals for addresses that several nodes would advertise, as clones and hosts behind one NAT do.
pub fn duplicates(addresses: &BTreeMap<NodeName, Address>) -> Vec<Finding> {
    let mut holders: BTreeMap<IpAddr, Vec<NodeName>> = BTreeMap::new();
    for (name, address) in addresses {
        holders.entry(address.addr()).or_default().push(name.clone());
    }
    holders
        .into_iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(ip, nodes)| Finding {
            message: format!("{} would all advertise {ip}", join(&nodes)),
            help: format!("if they are one host, remove all but one from the inventory; else give each its own `advertise:`, other than {ip}"),
            nodes,
        })
        .collect()
}

/// A warning where the nodes' addresses lie in networks that have nothing to do with each other.
pub fn apart(addresses: &BTreeMap<NodeName, Address>) -> Option<Finding> {
    let mut groups: Vec<(Vec<NodeName>, Vec<Address>)> = Vec::new();
    for (name, address) in addresses {
        let near =
            |group: &(Vec<NodeName>, Vec<Address>)| group.1.iter().any(|other| share_network(other, address));
        let (mut own, rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(near);
        let mut group = own.pop().unwrap_or_default();
        for other in own {
            group.0.extend(other.0);
            group.1.extend(other.1);
        }
        group.0.push(name.clone());
        group.1.push(*address);
        groups = rest;
        groups.push(group);
    }
    if groups.len() < 2 {
        return None;
    }
    groups.sort();
    let told: Vec<String> =
        groups.iter().map(|(names, nets)| format!("{} in {}", join(names), nets[0].trunc())).collect();
    Some(Finding {
        nodes: addresses.keys().cloned().collect(),
        message: format!("the nodes share no network: {}", told.join("; ")),
        help: "check that each reaches the others on 2377/tcp, 7946/tcp and udp, and 4789/udp, or set `advertise:`"
            .to_owned(),
    })
}

/// A warning where a member advertises another address than it shall, or one that its host no longer has.
pub fn moved(node: &Node, interfaces: &[Interface], advertised: &str) -> Option<Finding> {
    let ip: IpAddr = advertised.parse().ok()?;
    let cause = match node.advertise {
        Some(wanted) if wanted != ip => format!("but shall advertise {wanted}"),
        _ if on_host(ip, interfaces).is_none() => {
            format!("which its host no longer has; it has {}", list(interfaces))
        }
        _ => return None,
    };
    Some(Finding {
        nodes: vec![node.name.clone()],
        message: format!(
            "{} advertises {ip}, {cause}; an advertised address is fixed when a node joins",
            node.name
        ),
        help: format!(
            "give the host {ip} back, or let it leave (`docker swarm leave` on it) and run `skep up`"
        ),
    })
}

/// The host's own addresses with their networks: those of bridges and pairs that containers brought along left out.
pub(crate) fn own(interfaces: &[Interface]) -> impl Iterator<Item = Address> {
    addresses(interfaces).filter(|(name, _)| !is_containers(name)).map(|(_, address)| address)
}

/// The address that a member advertises, with the network that its host has it in.
pub(super) fn held(advertised: &str, interfaces: &[Interface]) -> Option<Address> {
    on_host(advertised.parse().ok()?, interfaces)
}

fn on_host(ip: IpAddr, interfaces: &[Interface]) -> Option<Address> {
    addresses(interfaces).find(|(_, address)| address.addr() == ip).map(|(_, address)| address)
}

fn addresses(interfaces: &[Interface]) -> impl Iterator<Item = (&str, Address)> {
    interfaces.iter().flat_map(|interface| {
        // A prefix longer than its family allows cannot come from a kernel.
        interface
            .addresses
            .iter()
            .filter_map(|(ip, prefix)| Some((interface.name.as_str(), IpNet::new(*ip, *prefix).ok()?)))
    })
}

/// Whether an interface is one that containers or virtual machines brought along.
pub(crate) fn is_containers(name: &str) -> bool {
    // Docker's own bridges only: `br-lan` is somebody's network.
    let docker = name
        .strip_prefix("br-")
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    docker || starts_with(name, CONTAINER)
}

/// The addresses to choose from: those of the best kind that the host has.
fn candidates(interfaces: &[Interface]) -> Vec<Address> {
    let own = || addresses(interfaces).filter(|(name, _)| !is_containers(name));
    let kinds = [(false, true), (false, false), (true, true), (true, false)];
    kinds
        .into_iter()
        .map(|(tunnel, ipv4)| {
            own()
                .filter(|(name, address)| {
                    starts_with(name, TUNNEL) == tunnel && address.addr().is_ipv4() == ipv4
                })
                .map(|(_, address)| address)
                .collect::<Vec<_>>()
        })
        .find(|kind| !kind.is_empty())
        .unwrap_or_default()
}

fn starts_with(name: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| name.starts_with(start))
}

fn share_network(a: &Address, b: &Address) -> bool {
    a.contains(&b.addr()) || b.contains(&a.addr())
}

fn list(interfaces: &[Interface]) -> String {
    let list: Vec<String> =
        addresses(interfaces).map(|(name, address)| format!("{} ({name})", address.addr())).collect();
    if list.is_empty() { "no address".to_owned() } else { list.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::world::{World, interface};

    fn node(address: &str, advertise: Option<&str>) -> Node {
        let mut world = World::new("home").manager("n1");
        let node = world.node_mut("n1");
        node.address = address.to_owned();
        node.advertise = advertise.map(|ip| ip.parse().unwrap());
        node.clone()
    }

    #[test]
    fn the_address_is_chosen() {
        let eth: (&str, &[&str]) = ("eth0", &["192.168.2.1/24"]);
        let wifi: (&str, &[&str]) = ("wlan0", &["192.168.2.77/24"]);
        let bridges: &[(&str, &[&str])] = &[
            eth,
            ("docker0", &["172.17.0.1/16"]),
            ("docker_gwbridge", &["172.18.0.1/16"]),
            ("br-1f2e3d4c5b6a", &["172.19.0.1/16"]),
            ("veth1234", &["10.9.0.1/16"]),
            ("cni0", &["10.244.0.1/24"]),
        ];
        type Case<'a> =
            (&'a str, &'a str, Option<&'a str>, &'a [(&'a str, &'a [&'a str])], Result<&'a str, &'a str>);
        let table: &[Case] = &[
            ("the inventory's", "192.168.2.1", Some("192.168.2.77"), &[eth, wifi], Ok("192.168.2.77/24")),
            (
                "the inventory's, not there",
                "192.168.2.1",
                Some("10.0.0.9"),
                &[eth],
                Err("192.168.2.1 (eth0)"),
            ),
            (
                "the inventory's, loopback",
                "192.168.2.1",
                Some("127.0.0.1"),
                &[eth],
                Err("192.168.2.1 (eth0)"),
            ),
            ("SSH's", "192.168.2.77", None, &[eth, wifi], Ok("192.168.2.77/24")),
            ("SSH's over a tunnel", "10.8.0.2", None, &[eth, ("wg0", &["10.8.0.2/24"])], Ok("10.8.0.2/24")),
            (
                "SSH's in IPv6",
                "fd00::1",
                None,
                &[("eth0", &["192.168.2.1/24", "fd00::1/64"])],
                Ok("fd00::1/64"),
            ),
            ("the only one behind a name", "n1.lan", None, &[eth], Ok("192.168.2.1/24")),
            ("the only one behind a forwarded port", "127.0.0.1", None, &[eth], Ok("192.168.2.1/24")),
            ("bridges do not count", "n1.lan", None, bridges, Ok("192.168.2.1/24")),
            (
                "a bridge of the user's own",
                "n1.lan",
                None,
                &[("br-lan", &["192.168.2.1/24"])],
                Ok("192.168.2.1/24"),
            ),
            ("tunnels come last", "n1.lan", None, &[("wg0", &["10.8.0.2/24"]), eth], Ok("192.168.2.1/24")),
            (
                "a tunnel where nothing else is",
                "n1.lan",
                None,
                &[("wg0", &["10.8.0.2/24"])],
                Ok("10.8.0.2/24"),
            ),
            (
                "IPv4 before IPv6",
                "n1.lan",
                None,
                &[("eth0", &["fd00::1/64", "fd00::2/64", "192.168.2.1/24"])],
                Ok("192.168.2.1/24"),
            ),
            ("IPv6 where nothing else is", "n1.lan", None, &[("eth0", &["fd00::1/64"])], Ok("fd00::1/64")),
            ("two interfaces", "n1.lan", None, &[eth, wifi], Err("`advertise: 192.168.2.1`")),
            (
                "two on one interface",
                "n1.lan",
                None,
                &[("eth0", &["10.1.1.1/24", "10.1.1.2/24"])],
                Err("10.1.1.2 (eth0)"),
            ),
            (
                "two in IPv6",
                "n1.lan",
                None,
                &[("eth0", &["fd00::1/64", "fd00::2/64"])],
                Err("`advertise: fd00::1`"),
            ),
            ("none", "n1.lan", None, &[], Err("give n1 an address")),
            (
                "none but a bridge",
                "n1.lan",
                None,
                &[("docker0", &["172.17.0.1/16"])],
                Err("give n1 an address"),
            ),
        ];
        for (case, ssh, advertise, interfaces, expected) in table {
            let interfaces: Vec<_> = interfaces.iter().map(|(name, nets)| interface(name, nets)).collect();
            match (choose(&node(ssh, *advertise), &interfaces), expected) {
                (Ok(address), Ok(expected)) => assert_eq!(address.to_string(), *expected, "{case}"),
                (Err(refusal), Err(help)) => assert!(refusal.help.contains(help), "{case}: {}", refusal.help),
                (chosen, expected) => panic!("{case}: {chosen:?}, not {expected:?}"),
            }
        }
    }

    fn addresses(list: &[(&str, &str)]) -> BTreeMap<NodeName, Address> {
        list.iter().map(|(name, net)| (NodeName::from(*name), net.parse().unwrap())).collect()
    }

    #[test]
    fn nodes_in_one_network_are_not_warned_of() {
        let table: &[&[(&str, &str)]] = &[
            &[],
            &[("n1", "192.168.2.1/24")],
            &[("n1", "192.168.2.1/24"), ("n2", "192.168.2.2/24")],
            &[("n1", "192.168.2.1/24"), ("n2", "192.168.2.200/25"), ("n3", "192.168.2.3/24")],
            &[("n1", "10.1.0.1/24"), ("n2", "10.2.0.1/24"), ("n3", "10.3.0.1/8")],
        ];
        for list in table {
            assert_eq!(apart(&addresses(list)), None, "{list:?}");
        }
    }

    #[test]
    fn nodes_in_networks_apart_are_warned_of() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("n1", "192.168.2.1/24"), ("n2", "10.0.0.2/24")], "n1 in 192.168.2.0/24; n2 in 10.0.0.0/24"),
            (
                &[("n1", "10.0.0.1/24"), ("n2", "10.1.0.2/24"), ("n3", "10.0.0.3/24"), ("n4", "10.1.0.4/24")],
                "n1, n3 in 10.0.0.0/24; n2, n4 in 10.1.0.0/24",
            ),
            (&[("n1", "192.168.2.1/24"), ("n2", "fd00::2/64")], "n2 in fd00::/64"),
        ];
        for (list, message) in table {
            let warning = apart(&addresses(list)).expect("a warning");
            assert!(warning.message.contains(message), "{}", warning.message);
        }
    }

    #[test]
    fn one_address_for_two_nodes_is_refused() {
        let list = [("n1", "10.0.2.15/24"), ("n2", "10.0.2.15/24"), ("n3", "10.0.2.16/24")];
        let refusals = duplicates(&addresses(&list));
        assert_eq!(refusals.len(), 1);
        assert_eq!(refusals[0].nodes, [NodeName::from("n1"), NodeName::from("n2")]);
        assert_eq!(duplicates(&addresses(&list[1..])), []);
    }

    #[test]
    fn a_member_whose_address_moved_is_warned_of() {
        let eth = [interface("eth0", &["192.168.2.1/24"])];
        assert_eq!(moved(&node("n1.lan", None), &eth, "192.168.2.1"), None);
        assert_eq!(moved(&node("n1.lan", Some("192.168.2.1")), &eth, "192.168.2.1"), None);
        assert!(moved(&node("n1.lan", None), &eth, "192.168.2.9").unwrap().message.contains("no longer has"));
        let wanted = moved(&node("n1.lan", Some("192.168.2.1")), &eth, "192.168.2.9").unwrap();
        assert!(wanted.message.contains("shall advertise 192.168.2.1"));
    }
}
