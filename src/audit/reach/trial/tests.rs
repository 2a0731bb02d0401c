use super::*;
use crate::audit::Protocol::{Tcp as T, Udp as U};
use crate::audit::TryResult::{Blocked, Open, Untried};
use crate::inventory::model::{Owner, Place, Share, ShareMount};
use crate::swarm::world::{World, ip};
use crate::wire::reach::Datagram;

fn inventory() -> Inventory {
    World::new("home").manager("n1").worker("n2").worker("n3").inventory
}

fn party(node: &str, place: usize) -> Party {
    Party { node: node.into(), address: ip(place), serves_at: ip(place) }
}

fn trial() -> Trial {
    Trial::of(&inventory(), vec![party("n1", 1), party("n2", 2), party("n3", 3)], 7)
}

/// A network between the nodes of a trial: what it does to what is sent.
struct Net {
    /// Whether a datagram of that many bytes comes through.
    datagram: fn(from: u32, to: usize, port: u16, bytes: u32) -> bool,
    /// What comes of connecting, and whether its beginning arrives.
    connection: fn(from: u32, to: usize, port: u16) -> (Connection, bool),
    mtu: u32,
}

const FINE: Net = Net {
    datagram: |_, _, _, bytes| bytes <= 1500,
    connection: |_, _, _| (Connection::Made, true),
    mtu: 1500,
};

impl Net {
    /// Lets all that is sent through the network, round by round; how many rounds there were.
    fn carry(&self, trial: &mut Trial) -> usize {
        let mut heard = vec![Heard::default(); trial.parties.len()];
        for round in 0..ROUNDS {
            let probes: Vec<_> =
                (0..trial.parties.len()).filter_map(|from| Some((from, trial.probe(round, from)?))).collect();
            if probes.is_empty() {
                return round;
            }
            for (from, probe) in probes {
                let sent =
                    probe.peers.iter().map(|peer| self.send(trial, &probe, peer, &mut heard)).collect();
                trial.sent(from, sent);
            }
            for (to, heard) in heard.iter().enumerate() {
                trial.heard(to, heard);
            }
        }
        ROUNDS
    }

    fn send(&self, trial: &Trial, probe: &Probe, peer: &Peer, heard: &mut [Heard]) -> Sent {
        let at = |party: &Party| party.address == peer.address || party.serves_at == peer.address;
        let to = trial.parties.iter().position(at).expect("a node has the address");
        let leads = Leads { name: "eth0".into(), mtu: self.mtu };
        let packets = peer.packets.iter().flat_map(|packets| {
            let largest = packets.largest.then_some(self.mtu);
            largest.into_iter().chain(packets.sizes.clone()).map(|bytes| (packets.port, bytes))
        });
        let datagrams = peer.udp.iter().map(|port| (*port, 45)).chain(packets);
        let arrived = datagrams.filter(|(port, bytes)| (self.datagram)(probe.from, to, *port, *bytes));
        heard[to].datagrams.extend(arrived.map(|(port, bytes)| Datagram { from: probe.from, port, bytes }));
        let connect = |port: &u16| {
            let (connection, arrives) = (self.connection)(probe.from, to, *port);
            let from = trial.parties[probe.from as usize].address;
            heard[to].knocks.extend(arrives.then_some(Knock { from, port: *port }));
            connection
        };
        let tcp = peer.tcp.iter().map(connect).collect();
        Sent { tcp, udp: vec![None; peer.udp.len()], interface: Some(leads) }
    }
}

/// `n1>n2 7946/tcp`, without those that are open.
fn amiss(reach: &Reach) -> Vec<String> {
    let amiss = reach.tries.iter().filter(|tried| tried.result != Open);
    amiss
        .map(|tried| {
            let Try { from, to, port, protocol, result, .. } = tried;
            let (Blocked(words) | Untried(words)) = result else { unreachable!("filtered") };
            format!("{from}>{to} {port}/{protocol}: {words}")
        })
        .collect()
}

fn mtus(reach: &Reach) -> BTreeSet<Option<u32>> {
    reach.mtus.iter().map(|mtu| mtu.bytes).collect()
}

#[test]
fn all_is_open_after_one_round() {
    let mut trial = trial();
    assert_eq!(FINE.carry(&mut trial), 1);
    let reach = trial.reach();
    assert_eq!(amiss(&reach), [""; 0]);
    assert_eq!((reach.mtus.len(), mtus(&reach)), (6, [Some(1500)].into()));
    let tried: Vec<_> = reach.tries.iter().map(|tried| (tried.port, tried.protocol)).collect();
    let count = |port, protocol| tried.iter().filter(|tried| **tried == (port, protocol)).count();
    // Only the manager is connected to for control, and nobody shares anything.
    assert_eq!(
        [(2377, T), (7946, T), (7946, U), (4789, U), (2049, T)].map(|(p, q)| count(p, q)),
        [2, 6, 6, 6, 0]
    );
    let to_n2 = reach.tries.iter().filter(|tried| tried.to.0 == "n2");
    assert!(to_n2.map(|tried| tried.address).all(|address| address == ip(2)));
}

#[test]
fn a_bare_host_resets_what_arrives_and_is_open_all_the_same() {
    let mut trial = trial();
    Net { connection: |_, _, _| (Connection::Reset, true), ..FINE }.carry(&mut trial);
    assert_eq!(amiss(&trial.reach()), [""; 0]);
}

#[test]
fn what_does_not_come_through_is_told_with_its_reason() {
    let table: &[(&str, Net, &[&str])] = &[
        (
            "gossip to n2 is dropped",
            Net { datagram: |_, to, port, _| to != 1 || port != 7946, ..FINE },
            &["n1>n2 7946/udp: it does not arrive", "n3>n2 7946/udp: it does not arrive"],
        ),
        (
            "a filter resets connections",
            Net { connection: |from, _, port| (Connection::Reset, from != 1 || port != 2377), ..FINE },
            &["n2>n1 2377/tcp: reset on the way"],
        ),
        (
            "answers are dropped",
            Net {
                connection: |from, to, _| match (from, to) {
                    (0, 2) => (Connection::Silence, true),
                    (1, 2) => (Connection::Silence, false),
                    (2, 1) => (Connection::Refused("No route to host".into()), false),
                    _ => (Connection::Made, true),
                },
                ..FINE
            },
            &[
                "n1>n3 7946/tcp: it arrives, but its answer does not come back",
                "n2>n3 7946/tcp: no answer",
                "n3>n2 7946/tcp: No route to host",
            ],
        ),
    ];
    for (case, net, expected) in table {
        let mut trial = trial();
        net.carry(&mut trial);
        let reach = trial.reach();
        assert_eq!(amiss(&reach), *expected, "{case}");
        assert_eq!(mtus(&reach), [Some(1500)].into(), "{case}");
    }
}

#[test]
fn the_size_of_packets_is_found_to_the_byte_or_nearly_so() {
    for (limit, mtu, found, rounds) in [
        (1500, 1500, Some(1500), 1),
        // Sizes between known ones are tried as well, in a third round.
        (1400, 1500, Some(1400), 3),
        (1462, 1500, Some(1462), 3),
        (1499, 1500, Some(1499), 3),
        (1500, 9000, Some(1500), 3),
        // A sixty-fourth of the gap between 4000 and 8900 is what it may be wrong by.
        (5000, 9000, Some(4925), 3),
        (577, 1500, Some(577), 3),
        (300, 1500, None, 2),
    ] {
        let mut trial = trial();
        let lost = |from: u32, to: usize, bytes: u32| from == 0 && to == 1 && bytes > limit;
        // A function pointer cannot capture the limit, so that the network is made up here.
        let mut heard = vec![Heard::default(); 3];
        let net = Net { datagram: |_, _, _, _| true, mtu, ..FINE };
        let mut count = 0;
        for round in 0..ROUNDS {
            let probes: Vec<_> = (0..3).filter_map(|from| Some((from, trial.probe(round, from)?))).collect();
            count += usize::from(!probes.is_empty());
            for (from, probe) in probes {
                let sent =
                    probe.peers.iter().map(|peer| net.send(&trial, &probe, peer, &mut heard)).collect();
                trial.sent(from, sent);
            }
            for (to, heard) in heard.iter_mut().enumerate() {
                heard.datagrams.retain(|datagram| !lost(datagram.from, to, datagram.bytes));
                trial.heard(to, heard);
            }
        }
        let reach = trial.reach();
        let told = reach.mtus.iter().find(|path| path.from.0 == "n1" && path.to.0 == "n2").unwrap();
        assert_eq!((told.bytes, told.interface, count), (found, mtu, rounds), "{limit} of {mtu}");
        let others = reach.mtus.iter().filter(|path| path.bytes != Some(mtu)).count();
        assert_eq!(others, usize::from(found != Some(mtu)), "{limit} of {mtu}");
    }
}

#[test]
fn a_datagram_that_is_lost_once_is_sent_again() {
    let mut trial = trial();
    for round in 0..ROUNDS {
        let net = match round {
            0 => Net { datagram: |_, _, _, _| false, ..FINE },
            _ => FINE,
        };
        let mut heard = vec![Heard::default(); 3];
        for from in 0..3 {
            let Some(probe) = trial.probe(round, from) else {
                assert_eq!(round, 2, "all arrived in the second round");
                continue;
            };
            assert!(probe.peers.iter().all(|peer| (peer.copies > 1) == (round > 0)));
            assert!(probe.peers.iter().all(|peer| peer.tcp.is_empty() == (round > 0)));
            let sent = probe.peers.iter().map(|peer| net.send(&trial, &probe, peer, &mut heard)).collect();
            trial.sent(from, sent);
        }
        for (to, heard) in heard.iter().enumerate() {
            trial.heard(to, heard);
        }
    }
    let reach = trial.reach();
    assert_eq!((amiss(&reach), mtus(&reach)), (vec![], [Some(1500)].into()));
}

#[test]
fn nodes_whose_agents_cannot_say_are_untried_but_for_connections() {
    let mut trial = trial();
    trial.deaf(1, "not root".into());
    let net = Net {
        connection: |_, to, _| if to == 1 { (Connection::Reset, false) } else { (Connection::Made, true) },
        ..FINE
    };
    // An ear that was never open has heard nothing.
    let mut heard = vec![Heard::default(); 3];
    for from in 0..3 {
        let probe = trial.probe(0, from).unwrap();
        let sent = probe.peers.iter().map(|peer| net.send(&trial, &probe, peer, &mut heard)).collect();
        match from {
            2 => trial.mute(2, "n3 is gone".into()),
            _ => trial.sent(from, sent),
        }
    }
    trial.heard(0, &heard[0]);
    trial.heard(2, &heard[2]);
    let reach = trial.reach();
    let said = amiss(&reach);
    assert!(
        said.contains(&"n1>n2 7946/tcp: reset, by the host or by a filter: not root".into()),
        "{said:#?}"
    );
    assert!(said.contains(&"n1>n2 4789/udp: not root".into()), "{said:#?}");
    assert!(said.contains(&"n3>n1 2377/tcp: n3 is gone".into()), "{said:#?}");
    assert!(!said.iter().any(|line| line.starts_with("n1>n3") || line.starts_with("n2>n1")), "{said:#?}");
    assert_eq!(reach.mtus.len(), 3, "{:?}", reach.mtus);
    assert_eq!(trial.probe(1, 2), None, "what nobody can tell is not tried again");
}

#[test]
fn nfs_is_tried_from_clients_to_servers_where_they_mount_from() {
    let mut inventory = inventory();
    inventory.shares.push(Share {
        name: "data".into(),
        place: Place { line: 1, column: 1 },
        server: "n3".into(),
        path: "/srv/data".into(),
        clients: vec!["192.168.2.0/24".into()],
        options: vec![],
        owner: Owner { uid: 0, gid: 0 },
        mode: 0o755,
        mount: Some(ShareMount {
            at: "/srv/data".into(),
            on: vec!["n2".into()],
            options: vec![],
            remote: "/srv/data".into(),
        }),
    });
    let row = |serves_at, options: &[&str]| {
        let mut inventory = inventory.clone();
        let mount = inventory.shares[0].mount.as_mut().unwrap();
        mount.options = options.iter().map(ToString::to_string).collect();
        let n3 = Party { serves_at, ..party("n3", 3) };
        let mut trial = Trial::of(&inventory, vec![party("n1", 1), party("n2", 2), n3], 7);
        let Body::Listen { tcp: heard, .. } = trial.listen() else { panic!("not told to listen") };
        FINE.carry(&mut trial);
        let reach = trial.reach();
        assert_eq!((amiss(&reach), reach.mtus.len()), (vec![], 6));
        let nfs = reach.tries.iter().filter(|tried| ![2377, 7946, 4789].contains(&tried.port));
        nfs.map(|tried| {
            assert!(heard.contains(&tried.port), "{heard:?}");
            format!("{}>{} {} {}", tried.from, tried.to, tried.address, tried.port)
        })
        .collect::<Vec<_>>()
    };
    let at = |address: IpAddr, port: u16| vec![format!("n2>n3 {address} {port}")];
    assert_eq!(row(ip(3), &[]), at(ip(3), 2049));
    assert_eq!(row(ip(30), &[]), at(ip(30), 2049));
    assert_eq!(row(ip(3), &["port=2050"]), at(ip(3), 2050));
    assert_eq!(row(ip(30), &["hard", "port=2050", "port=2051"]), at(ip(30), 2051));
    assert_eq!(row(ip(3), &["proto=rdma"]), [""; 0]);
}
