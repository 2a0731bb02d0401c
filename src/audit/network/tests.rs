//! Every check in each outcome, on hosts that are healthy but for one thing.

use super::*;
use crate::audit::Severity::{Error, Note, Warning};
use crate::audit::world::{Audited, cluster, single};
use crate::audit::{Check, PathMtu, Protocol, Reach, Severity, Try, TryResult};
use crate::facts::inspection::network::{
    Filter, FilterKind, Link, Manager, Network as Inspected, Route, Setting,
};
use crate::inventory::model::Inventory;
use crate::swarm::world::{interface, ip};

/// What a check says about `n1`, whose inspection is changed.
fn said(check: &Check, change: impl FnOnce(&mut Inspected)) -> Vec<String> {
    single().inspection("n1", |inspection| change(&mut inspection.network)).all(check)
}

/// The severity, and a word of the message and of each remedy.
#[track_caller]
fn expect(audited: &Audited, check: &Check, severity: Severity, words: &str, remedy: &str) {
    let verdicts = audited.verdicts(check);
    let told =
        verdicts.iter().find(|verdict| verdict.severity == severity && verdict.message.contains(words));
    let told = told.unwrap_or_else(|| panic!("{severity:?} {words:?} is not among {verdicts:#?}"));
    assert!(!told.evidence.is_empty(), "{told:#?}");
    assert!(told.remedy.iter().any(|line| line.contains(remedy)), "{remedy:?} is not in {:#?}", told.remedy);
}

fn network(audited: Audited, node: &str, change: impl FnOnce(&mut Inspected)) -> Audited {
    audited.inspection(node, |inspection| change(&mut inspection.network))
}

fn has(audited: Audited, node: &str, name: &str, addresses: &[&str]) -> Audited {
    audited.facts(node, |facts| facts.network.push(interface(name, addresses)))
}

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// All three nodes reach each other, but for what `result` and `size` say.
fn reach(
    result: fn(&str, &str, u16, Protocol) -> TryResult,
    size: fn(&str, &str) -> (Option<u32>, u32),
) -> Reach {
    let mut reach = Reach::default();
    for (from, (place, to)) in NODES.iter().flat_map(|from| (1..).zip(NODES).map(move |to| (*from, to))) {
        if from == to {
            continue;
        }
        let ports =
            [(2377, Protocol::Tcp), (7946, Protocol::Tcp), (7946, Protocol::Udp), (4789, Protocol::Udp)];
        for (port, protocol) in ports.into_iter().skip(usize::from(to != "n1")) {
            let result = result(from, to, port, protocol);
            reach.tries.push(Try {
                from: from.into(),
                to: to.into(),
                address: ip(place),
                port,
                protocol,
                result,
            });
        }
        let (bytes, interface) = size(from, to);
        reach.mtus.push(PathMtu { from: from.into(), to: to.into(), bytes, interface });
    }
    reach
}

fn ports(result: fn(&str, &str, u16, Protocol) -> TryResult) -> Audited {
    cluster().reach(reach(result, |_, _| (Some(1500), 1500)))
}

fn sizes(size: fn(&str, &str) -> (Option<u32>, u32)) -> Audited {
    cluster().reach(reach(|_, _, _, _| TryResult::Open, size))
}

fn blocked() -> TryResult {
    TryResult::Blocked("no answer".into())
}

#[test]
fn ports_that_are_open() {
    assert_eq!(cluster().all(&PORTS), [""; 0], "they were not tried");
    assert_eq!(
        ports(|_, _, _, _| TryResult::Open).all(&PORTS),
        [
            "ok n1: 2377/tcp, 4789/udp, 7946/tcp and 7946/udp can be reached by the other nodes",
            "ok n2: 4789/udp, 7946/tcp and 7946/udp can be reached by the other nodes",
            "ok n3: 4789/udp, 7946/tcp and 7946/udp can be reached by the other nodes",
        ]
    );
}

#[test]
fn ports_that_are_not() {
    let gossip = |_: &str, to: &str, port: u16, protocol: Protocol| match (to, port, protocol) {
        ("n2", 7946, Protocol::Udp) => blocked(),
        _ => TryResult::Open,
    };
    assert_eq!(ports(gossip).said(&PORTS), ["error n2: 7946/udp cannot be reached by n1 and n3: no answer"]);
    expect(
        &ports(gossip),
        &PORTS,
        Error,
        "7946/udp",
        "on n2: `iptables -I INPUT -s 192.168.2.1 -p udp --dport 7946 -j ACCEPT`, until its next boot",
    );
    let one = |from: &str, to: &str, port: u16, _: Protocol| match (from, to, port) {
        ("n3", "n1", 2377) => TryResult::Blocked("No route to host".into()),
        _ => TryResult::Open,
    };
    assert_eq!(ports(one).said(&PORTS), ["error n1: 2377/tcp cannot be reached by n3: No route to host"]);
    let deaf = |_: &str, to: &str, _: u16, protocol: Protocol| match (to, protocol) {
        ("n3", Protocol::Udp) => TryResult::Untried("not root".into()),
        _ => TryResult::Open,
    };
    assert_eq!(
        ports(deaf).said(&PORTS),
        [
            "unknown n3: 4789/udp could not be tried from n1 and n2",
            "unknown n3: 7946/udp could not be tried from n1 and n2"
        ]
    );
}

#[test]
fn what_does_not_leave_a_node_is_told_of_that_node() {
    let held = |from: &str, _: &str, port: u16, _: Protocol| match (from, port) {
        ("n2", 4789) => blocked(),
        _ => TryResult::Open,
    };
    assert_eq!(
        ports(held).said(&PORTS),
        ["error n2: 4789/udp of no other node can be reached from it, though others do"]
    );
    expect(&ports(held), &PORTS, Error, "4789/udp", "on n2: `iptables -S OUTPUT");
    // With nobody who reaches them it may be the targets as well as the sender.
    let all =
        |_: &str, _: &str, port: u16, _: Protocol| if port == 4789 { blocked() } else { TryResult::Open };
    assert_eq!(ports(all).said(&PORTS).len(), 3);
}

#[test]
fn the_command_is_that_of_the_hosts_own_filter() {
    let gossip = |_: &str, to: &str, port: u16, _: Protocol| {
        if (to, port) == ("n2", 4789) { blocked() } else { TryResult::Open }
    };
    for (kind, command) in [
        (FilterKind::Ufw, "on n2: `ufw allow from 192.168.2.1 to any port 4789 proto udp`"),
        (
            FilterKind::Firewalld,
            "rule family=ipv4 source address=192.168.2.1 port port=4789 protocol=udp accept",
        ),
        (
            FilterKind::Nftables(Some("ip my IN".into())),
            "`nft insert rule ip my IN ip saddr 192.168.2.1 udp dport 4789 accept`",
        ),
        (
            FilterKind::Nftables(None),
            "`nft insert rule inet filter input ip saddr 192.168.2.3 udp dport 4789 accept`",
        ),
        (
            FilterKind::Iptables,
            "`iptables -I INPUT -s 192.168.2.3 -p udp --dport 4789 -j ACCEPT && netfilter-persistent save`",
        ),
    ] {
        let filter = Filter { kind, place: "/etc/x.conf".into() };
        let audited = network(ports(gossip), "n2", |network| network.filters.push(filter));
        expect(&audited, &PORTS, Error, "4789/udp", command);
        let verdicts = audited.verdicts(&PORTS);
        let told = verdicts.iter().find(|verdict| verdict.severity == Error).unwrap();
        assert!(told.evidence.iter().any(|evidence| evidence.place == "/etc/x.conf"), "{told:#?}");
        assert!(!told.remedy.iter().any(|line| line.contains("has no packet filter")), "{told:#?}");
    }
}

/// What arrives from one node at another, and what the sender's interface takes.
type Path = fn(&str, &str) -> (Option<u32>, u32);

#[test]
fn sizes_of_packets() {
    let table: &[(Path, &[&str])] = &[
        (|_, _| (Some(1500), 1500), &[]),
        (|_, _| (Some(9000), 9000), &[]),
        (
            |from, to| if from == "n3" || to == "n3" { (Some(1400), 1500) } else { (Some(1500), 1500) },
            &["error n3: packets of more than 1400 bytes get lost between it and n1 and n2"],
        ),
        (
            |from, to| if (from, to) == ("n1", "n2") { (Some(1492), 1500) } else { (Some(1500), 1500) },
            &["error n1 n2: packets of more than 1492 bytes get lost from n1 to n2"],
        ),
        (
            |from, to| if from != "n3" && to != "n3" { (Some(1450), 1500) } else { (Some(1500), 1500) },
            &["error n1 n2: packets of more than 1450 bytes get lost between n1 and n2"],
        ),
        (
            |from, _| if from == "n1" { (Some(1500), 9000) } else { (Some(1500), 1500) },
            &["warning n1: jumbo frames of more than 1500 bytes get lost between it and n2 and n3"],
        ),
        (
            |from, to| if from == "n2" && to == "n3" { (None, 1500) } else { (Some(1500), 1500) },
            &["error n2 n3: not even packets of 576 bytes arrive from n2 to n3"],
        ),
        (
            |from, _| if from == "n1" { (Some(1420), 1420) } else { (Some(1500), 1500) },
            &["warning n1: eth0 takes packets of 1420 bytes, and overlay networks send 1500"],
        ),
    ];
    for (size, expected) in table {
        assert_eq!(sizes(*size).said(&MTU), *expected);
    }
    assert_eq!(cluster().all(&MTU), [""; 0], "they were not tried");
    assert_eq!(sizes(table[0].0).all(&MTU)[0], "ok n1: packets of 1500 bytes arrive in one piece");
}

#[test]
fn sizes_come_with_the_commands_that_help() {
    let n3 =
        sizes(|from, to| if from == "n3" || to == "n3" { (Some(1400), 1500) } else { (Some(1500), 1500) });
    expect(&n3, &MTU, Error, "1400", "on n1: `ip link set dev eth0 mtu 1400`");
    expect(&n3, &MTU, Error, "1400", "com.docker.network.driver.mtu=1350");
    let of_its_own = |from: &str, to: &str| match (from, to) {
        ("n3", _) => (Some(1400), 1400),
        (_, "n3") => (Some(1400), 1500),
        _ => (Some(1500), 1500),
    };
    let first =
        "on n3, whose eth0 takes 1400 bytes only: `ip link set dev eth0 mtu 1500`, until its next boot";
    assert_eq!(sizes(of_its_own).verdicts(&MTU)[0].remedy[0], first);
    for (managers, wireless, keeps) in [
        (&["NetworkManager.service"][..], false, " 802-3-ethernet.mtu 1500` keeps it"),
        (&["NetworkManager.service"], true, " 802-11-wireless.mtu 1500` keeps it"),
        (&["systemd-networkd.service"], false, "(`networkctl status eth0` names that) keeps it"),
        (&["NetworkManager.service", "systemd-networkd.service"], false, "until its next boot"),
        (&["dhcpcd.service"], false, "until its next boot"),
    ] {
        let managed = sizes(of_its_own).inspection("n3", |inspection| {
            inspection.boot.networks = managers.iter().map(ToString::to_string).collect();
            inspection.network.links[0].wireless = wireless;
        });
        let remedy = &managed.verdicts(&MTU)[0].remedy[0];
        assert!(remedy.starts_with(first) && remedy.ends_with(keeps), "{remedy}");
    }
    assert!(!n3.verdicts(&MTU)[0].remedy.iter().any(|remedy| remedy.starts_with("on n3, whose")));
    let wireguard = sizes(|_, _| (Some(1420), 1420));
    expect(&wireguard, &MTU, Warning, "1420", "com.docker.network.driver.mtu=1370");
    assert_eq!(wireguard.said(&MTU).len(), 3);
}

#[test]
fn sizes_are_unknown_where_the_port_is_blocked() {
    let overlay = |from: &str, _: &str, port: u16, _: Protocol| {
        if (from, port) == ("n2", 4789) { blocked() } else { TryResult::Open }
    };
    let audited = cluster()
        .reach(reach(overlay, |from, _| if from == "n2" { (None, 1500) } else { (Some(1500), 1500) }));
    assert_eq!(
        audited.said(&MTU),
        ["unknown n2: nothing that it sends to 4789/udp arrives, so no size is known"]
    );
}

#[test]
fn addresses() {
    assert_eq!(single().all(&ADDRESSES), ["ok n1: the others reach it at 192.168.2.1"]);
    let elsewhere = |inventory: &mut Inventory| inventory.nodes[0].address = "n1.lan".into();
    let several = has(single().inventory(elsewhere), "n1", "wlan0", &["192.168.2.77/24"]);
    expect(&several, &ADDRESSES, Error, "which address", "`advertise: 192.168.2.1`");
    let apart = cluster().facts("n2", |facts| facts.network[0] = interface("eth0", &["10.1.1.1/24"]));
    let apart = apart.inventory(|inventory| inventory.nodes[1].address = "n2.lan".into());
    expect(&apart, &ADDRESSES, Warning, "share no network", "`advertise:`");
}

#[test]
fn the_way_out() {
    assert_eq!(single().all(&DEFAULT_ROUTE), ["ok n1: there is a default route"]);
    let none = network(single(), "n1", |network| network.routes.clear());
    expect(&none, &DEFAULT_ROUTE, Warning, "no default route", "ip route add default via ROUTER dev eth0");
}

#[test]
fn networks_of_bridges() {
    assert_eq!(cluster().all(&BRIDGE_NETWORKS), [""; 0], "there are no bridges yet");
    let bridge = || has(cluster(), "n1", "docker0", &["172.17.0.1/16"]);
    assert_eq!(
        bridge().all(&BRIDGE_NETWORKS),
        ["ok n1: no bridge of containers has somebody else's network"]
    );
    let node = bridge().facts("n2", |facts| facts.network[0] = interface("eth0", &["172.17.3.2/24"]));
    let node = node.inventory(|inventory| inventory.nodes[1].address = "172.17.3.2".into());
    expect(&node, &BRIDGE_NETWORKS, Error, "n2, 172.17.3.2,", "bip: 10.199.0.1/24");
    let router =
        network(bridge(), "n1", |network| network.routes[0].router = Some("172.17.0.254".parse().unwrap()));
    expect(&router, &BRIDGE_NETWORKS, Error, "the router, 172.17.0.254,", "default-address-pools");
    let server = network(bridge(), "n1", |network| network.resolvers = Some(vec!["172.17.9.9".into()]));
    expect(&server, &BRIDGE_NETWORKS, Warning, "the name server, 172.17.9.9,", "bip");
    let vpn = Route { to: ("172.18.4.0".parse().unwrap(), 22), link: "wg0".into(), router: None };
    let gateway = has(cluster(), "n1", "docker_gwbridge", &["172.18.0.1/16"]);
    let gateway = network(gateway, "n1", |network| network.routes.push(vpn));
    expect(&gateway, &BRIDGE_NETWORKS, Warning, "172.18.4.0/22 at wg0", "docker network rm docker_gwbridge");
    // A tunnel that takes all in two halves has nobody's network in particular.
    let half = Route { to: ("128.0.0.0".parse().unwrap(), 1), link: "tun0".into(), router: None };
    assert_eq!(network(bridge(), "n1", |network| network.routes.push(half)).said(&BRIDGE_NETWORKS), [""; 0]);
    // The bridge's own route is no overlap.
    let own = Route { to: ("172.17.0.0".parse().unwrap(), 16), link: "docker0".into(), router: None };
    assert_eq!(network(bridge(), "n1", |network| network.routes.push(own)).said(&BRIDGE_NETWORKS), [""; 0]);
}

#[test]
fn the_network_of_a_bridge_to_come() {
    let far = || {
        let far = cluster().facts("n2", |facts| facts.network[0] = interface("eth0", &["172.17.3.2/24"]));
        far.inventory(|inventory| inventory.nodes[1].address = "172.17.3.2".into())
    };
    let words = "n2, 172.17.3.2, lies in 172.17.0.0/16, which an engine gives to its bridge docker0";
    let said = far().said(&BRIDGE_NETWORKS);
    assert_eq!(
        said,
        ["n1", "n3"].map(|node| format!("warning {node}: {words}")),
        "n2's own route keeps it out"
    );
    let remedy = &far().verdicts(&BRIDGE_NETWORKS)[0].remedy[0];
    assert!(remedy.contains("bip: 10.199.0.1/24"), "{remedy}");
    let route = |router: Option<&str>| Route {
        to: ("172.17.3.0".parse().unwrap(), 24),
        link: "eth0".into(),
        router: router.map(|router| router.parse().unwrap()),
    };
    let n1 = |audited: Audited| audited.said(&BRIDGE_NETWORKS).iter().any(|line| line.contains("n1"));
    assert!(n1(network(far(), "n1", |network| network.routes.push(route(Some("192.168.2.254"))))));
    assert!(!n1(network(far(), "n1", |network| network.routes.push(route(None)))));
    assert!(!n1(network(far(), "n1", |network| network.resolvers = Some(vec!["172.17.9.9".into()]))));
    assert!(!n1(far().inventory(|inventory| {
        inventory.engine.options.insert("bip".into(), "10.199.0.1/24".into());
    })));
}

#[test]
fn name_servers() {
    assert_eq!(single().all(&DNS), ["ok n1: there are name servers, for containers too"]);
    for none in [None, Some(vec![])] {
        let audited = network(single(), "n1", |network| network.resolvers = none);
        expect(&audited, &DNS, Warning, "no name server", "resolvectl dns eth0 SERVER");
    }
    let stub = network(single(), "n1", |network| network.resolvers = Some(vec!["127.0.0.53".into()]));
    expect(&stub, &DNS, Note, "on the host itself", "dns: [SERVER]");
    let resolved = network(stub, "n1", |network| network.upstream_resolvers = vec!["192.168.2.254".into()]);
    assert_eq!(resolved.said(&DNS), [""; 0]);
}

#[test]
fn packet_filters() {
    assert_eq!(single().all(&FIREWALL), ["ok n1: no address of it is public"]);
    for private in ["10.0.0.1/8", "172.31.0.1/16", "100.64.0.1/10", "169.254.1.1/16", "198.18.0.1/15"] {
        assert_eq!(has(single(), "n1", "eth1", &[private]).said(&FIREWALL), [""; 0], "{private}");
    }
    let public = || has(single(), "n1", "eth1", &["8.8.4.4/24"]);
    expect(
        &public(),
        &FIREWALL,
        Warning,
        "8.8.4.4 is public",
        "on n1: `iptables -I INPUT -p udp --dport 4789 ! -s 192.168.2.0/24 -j DROP`, for each port of the swarm, until its next boot",
    );
    let ufw = Filter { kind: FilterKind::Ufw, place: "/etc/ufw/ufw.conf".into() };
    let guarded = network(public(), "n1", |network| network.filters.push(ufw));
    assert_eq!(
        guarded.said(&FIREWALL),
        [
            "note n1: its address 8.8.4.4 is public, and ufw guards it: see that 4789/udp is open to the nodes only"
        ]
    );
}

#[test]
fn cables_and_wifi() {
    assert_eq!(single().all(&LINKS), ["ok n1: one interface leads to the other nodes"]);
    let wlan = |up| Link { name: "wlan0".into(), mtu: 1500, up, wireless: true, accept_ra: None };
    let both = |up| {
        network(has(single(), "n1", "wlan0", &["192.168.2.77/24"]), "n1", |network| {
            network.links.push(wlan(up))
        })
    };
    expect(
        &both(true),
        &LINKS,
        Warning,
        "eth0 and wlan0 are both in 192.168.2.0/24",
        "on n1: `ip link set dev wlan0 down`",
    );
    assert_eq!(both(false).said(&LINKS), [""; 0]);
    // What SSH and the others use is not taken down before they use the other one.
    let on_wifi =
        |address: &'static str| both(true).inventory(|inventory| inventory.nodes[0].address = address.into());
    let down = "on n1: `ip link set dev wlan0 down`, and leave it out of the network's configuration";
    let leave = ", let it leave the swarm where it is a member, and run `skep up`";
    let first =
        |lines: &str, leave: &str| [format!("first write {lines} to n1 in cluster.yml{leave}; then {down}")];
    assert_eq!(both(true).verdicts(&LINKS)[0].remedy, [down]);
    assert_eq!(on_wifi("192.168.2.77").verdicts(&LINKS)[0].remedy, first("`address: 192.168.2.1`", leave));
    let advertised = |ip: &str, audited: Audited| {
        let ip = ip.parse().unwrap();
        audited.inventory(|inventory| inventory.nodes[0].advertise = Some(ip)).verdicts(&LINKS)[0]
            .remedy
            .clone()
    };
    assert_eq!(advertised("192.168.2.77", both(true)), first("`advertise: 192.168.2.1`", leave));
    let lines = "`address: 192.168.2.1` and `advertise: 192.168.2.1`";
    assert_eq!(advertised("192.168.2.77", on_wifi("192.168.2.77")), first(lines, leave));
    assert_eq!(advertised("192.168.2.1", on_wifi("192.168.2.77")), first("`address: 192.168.2.1`", ""));
    let elsewhere = network(has(single(), "n1", "wlan0", &["10.1.1.7/24"]), "n1", |network| {
        network.links.push(wlan(true))
    });
    assert_eq!(elsewhere.said(&LINKS), [""; 0]);
    let alone =
        network(single(), "n1", |network| network.links = vec![Link { name: "eth0".into(), ..wlan(true) }]);
    assert_eq!(alone.said(&LINKS), ["note n1: the other nodes reach it over Wi-Fi"]);
}

#[test]
fn forwarding() {
    let line = |file: &str, value: &str| Setting { file: file.into(), line: 3, value: value.into() };
    let on = line("/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf", "1");
    let off = line("/etc/sysctl.conf", "0");
    for settings in [vec![], vec![on.clone()], vec![off.clone(), on.clone()]] {
        assert_eq!(
            said(&IP_FORWARDING, |network| network.forwarding = settings),
            ["ok n1: no file switches forwarding off"]
        );
    }
    let audited = network(single(), "n1", |network| network.forwarding = vec![on, off]);
    expect(
        &audited,
        &IP_FORWARDING,
        Warning,
        "switches forwarding off",
        "on n1: `sed -i '3 s/^/#/' /etc/sysctl.conf`",
    );
}

#[test]
fn advertisements_of_routers() {
    assert_eq!(single().all(&IPV6_ADVERTISEMENTS), [""; 0], "it has no IPv6");
    let six = || {
        single().facts("n1", |facts| facts.network[0] = interface("eth0", &["192.168.2.1/24", "fd00::1/64"]))
    };
    let heeds = |audited, forwards, accept| {
        network(audited, "n1", |network| {
            network.forwarding6 = Some(forwards);
            network.links[0].accept_ra = accept;
        })
    };
    for (forwards, accept) in [(false, Some(1)), (true, Some(0)), (true, Some(2)), (true, None)] {
        let said = heeds(six(), forwards, accept).all(&IPV6_ADVERTISEMENTS);
        assert_eq!(
            said,
            ["ok n1: advertisements of IPv6 routers are heeded, or not needed"],
            "{forwards} {accept:?}"
        );
    }
    let deaf = heeds(six(), true, Some(1));
    expect(&deaf, &IPV6_ADVERTISEMENTS, Note, "no longer heeds", "net.ipv6.conf.eth0.accept_ra = 2");
    let main = deaf.inventory(|inventory| inventory.nodes[0].address = "fd00::1".into());
    expect(&main, &IPV6_ADVERTISEMENTS, Warning, "no longer heeds", "sysctl --system");
}

#[test]
fn services_that_look_after_interfaces() {
    assert_eq!(single().all(&NETWORK_MANAGER), [""; 0], "none runs");
    let runs = |name: &str, leaves_docker| {
        let manager = Manager { name: name.into(), leaves_docker };
        network(single(), "n1", |network| network.managers.push(manager))
    };
    assert_eq!(
        runs("connman", true).all(&NETWORK_MANAGER),
        ["ok n1: connman leaves Docker's interfaces alone"]
    );
    expect(
        &runs("NetworkManager", false),
        &NETWORK_MANAGER,
        Note,
        "NetworkManager was not told",
        "unmanaged-devices=interface-name:docker*",
    );
    expect(
        &runs("connman", false),
        &NETWORK_MANAGER,
        Warning,
        "connman was not told",
        "NetworkInterfaceBlacklist=docker,veth",
    );
}
