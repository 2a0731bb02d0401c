//! The lab's network: one bridge, one private /24, one nftables table for the way out.
//!
//! The first half is pure; the second touches the computer, and only what is named after the lab's id.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use nix::net::if_::if_nametoindex;
use serde::Deserialize;

use super::command::{feed, short, tool};
use super::error::LabError;
use super::state::Id;

/// Networks to cut labs from. Docker's own address pools begin at 172.17.0.0 and 192.168.0.0 for bridges and at
/// 10.0.0.0 for overlays (docs.docker.com, "default address pools"), so 172.16 is the private range it never takes.
const RANGES: [Ipv4Net; 2] = [
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 213, 0, 0), 16),
];
/// How many addresses from the network's start belong to the computer; nodes follow.
const FIRST_NODE: u32 = 11;

/// The first free /24, beginning at a place that `id` decides so that labs seldom meet.
pub(super) fn choose_subnet(id: &Id, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let candidates: Vec<Ipv4Net> =
        RANGES.iter().flat_map(|range| range.subnets(24).into_iter().flatten()).collect();
    let start = id.number() as usize % 256;
    let (first, second) = candidates.split_at(256);
    let order = first[start..].iter().chain(&first[..start]).chain(second);
    order.copied().find(|subnet| overlap(subnet, taken).is_none())
}

/// Which of `taken` shares addresses with `subnet`.
pub(super) fn overlap(subnet: &Ipv4Net, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    taken.iter().copied().find(|other| other.contains(subnet) || subnet.contains(other))
}

/// The computer's own address on the bridge.
pub(super) fn gateway(subnet: &Ipv4Net) -> Ipv4Addr {
    nth(subnet, 1)
}

/// The address of node `number`, counted from 1.
pub(super) fn node_address(subnet: &Ipv4Net, number: u32) -> Ipv4Addr {
    nth(subnet, FIRST_NODE - 1 + number)
}

fn nth(subnet: &Ipv4Net, offset: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()) + offset)
}

/// The networks in `ip -json -4 route show table all`, the default route left out.
fn parse_routes(json: &str) -> Vec<Ipv4Net> {
    #[derive(Deserialize)]
    struct Route {
        dst: String,
    }
    let routes: Vec<Route> = serde_json::from_str(json).unwrap_or_default();
    routes
        .iter()
        .filter_map(|route| {
            route.dst.parse().ok().or_else(|| route.dst.parse::<Ipv4Addr>().ok().map(Ipv4Net::from))
        })
        .filter(|net| net.prefix_len() > 0)
        .collect()
}

/// The IPv4 name servers of a resolv.conf(5) that other machines can ask too.
fn parse_resolvers(resolv_conf: &str) -> Vec<Ipv4Addr> {
    resolv_conf
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.split_whitespace().next()?.parse().ok())
        .filter(|address: &Ipv4Addr| !address.is_loopback())
        .collect()
}

/// The rules as `nft -f` reads them; replaces an earlier version of the same table in one transaction.
fn rules(table: &str, subnet: &Ipv4Net) -> String {
    format!(
        "table ip {table} {{ }}\n\
         delete table ip {table}\n\
         table ip {table} {{\n\
         \tchain postrouting {{\n\
         \t\ttype nat hook postrouting priority 100; policy accept;\n\
         \t\tip saddr {subnet} ip daddr != {subnet} masquerade\n\
         \t}}\n\
         }}\n"
    )
}

/// Whether `iptables -S FORWARD` shows a chain that drops what no rule accepts.
fn forward_drops(listing: &str) -> bool {
    listing.lines().any(|line| matches!(line.trim(), "-P FORWARD DROP" | "-P FORWARD REJECT"))
}

/// The two accept rules, without the leading action.
fn accept_rules(bridge: &str, comment: &str) -> [Vec<String>; 2] {
    ["-i", "-o"].map(|direction| {
        ["FORWARD", direction, bridge, "-m", "comment", "--comment", comment, "-j", "ACCEPT"]
            .map(str::to_owned)
            .to_vec()
    })
}

/// Networks that this computer has, reaches by a route, or asks for names.
pub(super) fn taken() -> Result<Vec<Ipv4Net>, LabError> {
    let mut taken = parse_routes(&short("ip", &["-json", "-4", "route", "show", "table", "all"])?);
    taken.extend(resolvers().into_iter().map(Ipv4Net::from));
    Ok(taken)
}

/// Name servers for the nodes: this computer's, behind a local stub too.
pub(super) fn resolvers() -> Vec<Ipv4Addr> {
    ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| parse_resolvers(&text))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Whether this computer has a network device of that name.
pub(super) fn device_exists(name: &str) -> bool {
    // Not /sys/class/net: that shows the network namespace it was mounted in.
    if_nametoindex(name).is_ok()
}

/// Makes the bridge and the table; nothing happens to what is there already.
pub(super) fn create(id: &Id, subnet: &Ipv4Net) -> Result<(), LabError> {
    let bridge = id.bridge();
    if !device_exists(&bridge) {
        // Without a fixed one the bridge takes a node's, and its neighbours lose sight of it when that one stops.
        short("ip", &["link", "add", "name", &bridge, "address", &id.mac(), "type", "bridge"])?;
    }
    let address = format!("{}/{}", gateway(subnet), subnet.prefix_len());
    short("ip", &["address", "replace", &address, "dev", &bridge])?;
    short("ip", &["link", "set", &bridge, "up"])?;
    feed("nft", &["-f", "-"], &rules(&id.table(), subnet))?;
    accept_forwarding(id)
}

/// A computer that drops what it forwards (Docker on it does that) needs a word for this bridge.
fn accept_forwarding(id: &Id) -> Result<(), LabError> {
    let Ok(listing) = short("iptables", &["-w", "-S", "FORWARD"]) else {
        return Ok(()); // no iptables here, so no policy of its making
    };
    if !forward_drops(&listing) {
        return Ok(());
    }
    for rule in accept_rules(&id.bridge(), &id.table()) {
        if !iptables("-C", &rule) {
            let args: Vec<&str> = ["-w", "-I"].into_iter().chain(rule.iter().map(String::as_str)).collect();
            short("iptables", &args)?;
        }
    }
    Ok(())
}

/// Takes away the bridge, what still hangs on it, the table and the accept rules.
pub(super) fn destroy(id: &Id, machines: &[String]) -> Result<(), LabError> {
    for machine in machines {
        remove_device(&veth(machine))?;
    }
    for rule in accept_rules(&id.bridge(), &id.table()) {
        while iptables("-C", &rule) && iptables("-D", &rule) {}
    }
    if short("nft", &["list", "table", "ip", &id.table()]).is_ok() {
        short("nft", &["delete", "table", "ip", &id.table()])?;
    }
    remove_device(&id.bridge())
}

/// The computer's end of a node's cable, as systemd-nspawn(1) names it.
pub(super) fn veth(machine: &str) -> String {
    format!("vb-{machine}")
}

/// Removes a device. A dead node's cable vanishes by itself a moment later, so losing that race is no error.
pub(super) fn remove_device(name: &str) -> Result<(), LabError> {
    let removed =
        if device_exists(name) { short("ip", &["link", "delete", name]) } else { Ok(String::new()) };
    let deadline = Instant::now() + Duration::from_secs(5);
    while device_exists(name) {
        if Instant::now() > deadline {
            return removed.map(drop);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn iptables(action: &str, rule: &[String]) -> bool {
    let mut command = tool("iptables");
    command.args(["-w", action]).args(rule);
    super::command::run(&mut command, "", super::command::SHORT, &mut |_| ())
        .is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn routes_and_addresses_are_read_from_ip_json() {
        let json = r#"[{"dst":"default","gateway":"192.0.2.1"},{"dst":"192.0.2.0/24","dev":"eth0"},
                       {"type":"local","dst":"127.0.0.1"},{"type":"local","dst":"127.0.0.0/8"},{"dst":"0.0.0.0/0"}]"#;
        assert_eq!(parse_routes(json), [net("192.0.2.0/24"), net("127.0.0.1/32"), net("127.0.0.0/8")]);
        assert_eq!(parse_routes(""), []);
    }

    #[test]
    fn only_resolvers_that_nodes_reach_count() {
        let cases = [
            ("nameserver 10.0.0.53\n", vec![Ipv4Addr::new(10, 0, 0, 53)]),
            ("nameserver 127.0.0.53\noptions edns0", vec![]),
            ("# nameserver 1.1.1.1\nsearch lan\nnameserver\tfe80::1\n", vec![]),
            ("nameserver 127.0.0.1\nnameserver 9.9.9.9 # far", vec![Ipv4Addr::new(9, 9, 9, 9)]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_resolvers(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_lab_gives_way_to_what_is_there() {
        let id = Id::from_number(5);
        assert_eq!(choose_subnet(&id, &[]), Some(net("172.16.5.0/24")));
        assert_eq!(choose_subnet(&id, &[net("172.16.5.7/32")]), Some(net("172.16.6.0/24")));
        assert_eq!(
            choose_subnet(&Id::from_number(255), &[net("172.16.255.0/25")]),
            Some(net("172.16.0.0/24"))
        );
        assert_eq!(choose_subnet(&id, &[net("172.16.0.0/12")]), Some(net("10.213.0.0/24")));
        assert_eq!(choose_subnet(&id, &[net("172.16.0.0/12"), net("10.0.0.0/8")]), None);
    }

    #[test]
    fn addresses_are_counted_from_the_networks_start() {
        let subnet = net("172.16.5.0/24");
        assert_eq!(gateway(&subnet).to_string(), "172.16.5.1");
        assert_eq!(node_address(&subnet, 1).to_string(), "172.16.5.11");
        assert_eq!(node_address(&subnet, 200).to_string(), "172.16.5.210");
    }

    #[test]
    fn the_table_replaces_itself_and_masquerades_only_what_leaves() {
        insta::assert_snapshot!(rules("skep_lab_000005", &net("172.16.5.0/24")), @"
        table ip skep_lab_000005 { }
        delete table ip skep_lab_000005
        table ip skep_lab_000005 {
        	chain postrouting {
        		type nat hook postrouting priority 100; policy accept;
        		ip saddr 172.16.5.0/24 ip daddr != 172.16.5.0/24 masquerade
        	}
        }
        ");
    }

    #[test]
    fn a_dropping_policy_is_seen() {
        for (listing, drops) in [
            ("-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n", true),
            ("-P FORWARD ACCEPT\n", false),
            ("-P FORWARD ACCEPT\n-A FORWARD -i x -j DROP\n", false),
            ("", false),
        ] {
            assert_eq!(forward_drops(listing), drops, "{listing:?}");
        }
    }

    proptest! {
        #[test]
        fn a_chosen_network_is_always_free(
            number in 0u32..0x100_0000,
            taken in proptest::collection::vec((any::<u32>(), 8u8..=32), 0..6),
        ) {
            let taken: Vec<Ipv4Net> =
                taken.into_iter().map(|(address, prefix)| Ipv4Net::new_assert(address.into(), prefix).trunc()).collect();
            if let Some(subnet) = choose_subnet(&Id::from_number(number), &taken) {
                prop_assert_eq!(overlap(&subnet, &taken), None);
                prop_assert_eq!(subnet.prefix_len(), 24);
            }
        }
    }
}
