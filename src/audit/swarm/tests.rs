//! Each check in each outcome.

mod certificates;

use std::net::IpAddr;

use super::super::world::{Audited, cluster};
use super::*;
use crate::audit::Check;
use crate::facts::engine::Engine;
use crate::facts::inspection::network::{Network, Route};
use crate::facts::{SwarmNode, SwarmState};
use crate::inventory::model::Role::{self, Manager, Worker};
use crate::swarm::world::{World, down, interface, lead, outside, record};

/// Three managers and a worker.
fn bare() -> World {
    World::new("home").manager("n1").manager("n2").manager("n3").worker("n4")
}

const ALL: [(&str, Role); 4] = [("n1", Manager), ("n2", Manager), ("n3", Manager), ("n4", Worker)];

/// The records of a healthy swarm of theirs.
fn records(world: &World) -> Vec<SwarmNode> {
    lead(ALL.iter().map(|(name, role)| world.member(name, *role)).collect())
}

fn healthy() -> World {
    bare().swarm("ours", Some("home"), &ALL)
}

/// The swarm with other records.
fn with(change: impl FnOnce(&mut Vec<SwarmNode>)) -> World {
    let world = bare();
    let mut records = records(&world);
    change(&mut records);
    world.roster("ours", Some("home"), records)
}

#[track_caller]
fn table(check: &Check, cases: Vec<(World, &str)>) {
    for (world, expected) in cases {
        judged(check, &Audited::of(world), expected);
    }
}

#[track_caller]
fn judged(check: &Check, audited: &Audited, expected: &str) {
    assert_eq!(audited.all(check).join("\n"), expected, "{}", check.id);
    for verdict in audited.verdicts(check) {
        assert!(!verdict.evidence.is_empty(), "{}: {verdict:?}", check.id);
    }
}

#[test]
fn who_leads() {
    let second_off = with(|nodes| nodes[1] = down(nodes[1].clone()));
    let no_leader = with(|nodes| nodes[0].leader = false);
    let mut lost = healthy();
    for name in ["n1", "n2", "n3"] {
        lost.engine_view(name).cluster.as_mut().expect("a manager").nodes =
            Err("the swarm does not have a leader".into());
    }
    table(
        &SWARM,
        vec![
            (healthy(), "ok: n1 leads; the swarm survives the loss of 1"),
            (bare(), "note: there is no swarm yet: `skep up` makes it"),
            (
                second_off,
                "warning: the swarm survives the loss of 0 more managers, not 1: 2 of 3 answer, 2 are needed",
            ),
            (no_leader, "error: the swarm has no leader: 3 of 3 managers answer, 2 are needed"),
            (bare().off("n1").off("n2").off("n3").off("n4"), ""),
        ],
    );
    let said = Audited::of(lost).all(&SWARM);
    assert!(
        said[0].starts_with("error: no manager answers for the swarm home: n1 is in a swarm that no manager"),
        "{said:?}"
    );
}

#[test]
fn how_many_managers() {
    let two = World::new("home").manager("n1").manager("n2");
    let one_of_three = World::new("home").manager("n1").worker("n2").worker("n3");
    table(
        &MANAGERS,
        vec![
            (bare(), "ok n1 n2 n3: 3 managers survive the loss of 1"),
            (
                two,
                "error n1 n2: 2 managers need 2 for a quorum and survive the loss of 0; 1 survives the loss of 0 as well, with one \
             machine less that can fail",
            ),
            (
                one_of_three,
                "warning n1: 1 manager survives the loss of 0: while it is off, the swarm cannot be changed",
            ),
            (
                World::new("home").manager("n1").worker("n2"),
                "note n1: 1 manager survives the loss of 0: while it is off, the swarm cannot be changed",
            ),
            (
                with(|nodes| {
                    nodes.push(record("foreign", Manager, "192.168.2.77".parse().expect("an address")))
                }),
                "ok n1 n2 n3: 3 managers survive the loss of 1\nwarning: the swarm has 4 managers, not 3: 4 managers need 3 for a quorum and \
             survive the loss of 1; 3 survive the loss of 1 as well, with one machine less that can fail",
            ),
        ],
    );
}

fn labelled(labels: &[(&str, &str, &str)]) -> World {
    let mut world = bare();
    for (node, label, value) in labels {
        world.node_mut(node).labels.insert((*label).to_owned(), (*value).to_owned());
    }
    world
}

#[test]
fn what_fails_together() {
    table(
        &SPREAD,
        vec![
            (bare(), ""),
            (labelled(&[("n4", "power", "a")]), ""),
            (labelled(&[("n1", "disk", "ssd"), ("n2", "disk", "ssd")]), ""),
            (
                labelled(&[("n1", "power", "a"), ("n2", "power", "b"), ("n3", "power", "c")]),
                "ok n1 n2 n3: no board, plug or place takes the quorum with it",
            ),
            (
                labelled(&[("n1", "power", "a")]),
                "ok n1 n2 n3: no board, plug or place takes the quorum with it",
            ),
            (
                labelled(&[
                    ("n1", "power", "a"),
                    ("n2", "power", "a"),
                    ("n3", "power", "b"),
                    ("n1", "board", "1"),
                ]),
                "warning n1 n2: n1 and n2 fail together with power a: 1 of 3 managers are left then, and 2 are needed",
            ),
            (
                labelled(&[
                    ("n1", "zone", "x"),
                    ("n2", "zone", "x"),
                    ("n3", "zone", "x"),
                    ("n4", "zone", "x"),
                ]),
                "warning n1 n2 n3: n1 and n2 and n3 fail together with zone x: 0 of 3 managers are left then, and 2 are needed",
            ),
            (World::new("home").manager("n1").worker("n2"), ""),
        ],
    );
    let five =
        ["n1", "n2", "n3", "n4", "n5"].iter().fold(World::new("home"), |world, name| world.manager(name));
    let mut two_of_five = five;
    for node in ["n1", "n2"] {
        two_of_five.node_mut(node).labels.insert("rack".to_owned(), "r1".to_owned());
    }
    table(
        &SPREAD,
        vec![(two_of_five, "ok n1 n2 n3 n4 n5: no board, plug or place takes the quorum with it")],
    );
    let worlds = [
        labelled(&[("n1", "power", "a"), ("n2", "power", "a")]),
        labelled(&[("n1", "power", "a"), ("n2", "power", "a"), ("n4", "power", "a")]),
    ];
    let remedies = worlds.map(|world| Audited::of(world).verdicts(&SPREAD).remove(0).remedy.remove(0));
    assert_eq!(
        remedies[0],
        "write `role: manager` at cluster.yml:4 (n4) and `role: worker` at cluster.yml:2 (n2)"
    );
    assert_eq!(remedies[1], "move n2 to another power, or make a node elsewhere a manager in its place");
}

#[test]
fn the_place_of_each_node() {
    let said = |world: World| Audited::of(world).said(&NODE).join("\n");
    assert_eq!(said(healthy()), "");
    assert_eq!(
        Audited::of(healthy()).all(&NODE).join("\n"),
        "ok n1: a manager of the swarm, ready\nok n2: a manager of the swarm, ready\nok n3: a manager of the swarm, ready\n\
         ok n4: a worker of the swarm, ready"
    );
    let state = |state: SwarmState, error: &str| {
        let mut view = outside(state);
        view.error = error.to_owned();
        healthy().sees("n4", view)
    };
    let stranger = World::new("home")
        .manager("n1")
        .sees("n1", crate::facts::SwarmView { node_id: "x".into(), ..outside(SwarmState::Active) });
    for (world, expected) in [
        (
            bare(),
            "note n1: in no swarm yet\nnote n2: in no swarm yet\nnote n3: in no swarm yet\nnote n4: in no swarm yet",
        ),
        (with(|nodes| nodes[3] = down(nodes[3].clone())), "error n4: is down, not ready"),
        (with(|nodes| nodes[3] = down(nodes[3].clone())).off("n4"), "error n4: is down, not ready"),
        (
            with(|nodes| nodes[1].reachability = Some("unreachable".into())),
            "error n2: the manager n2 is unreachable for the others",
        ),
        (
            with(|nodes| {
                nodes[1].role = "worker".into();
                nodes[1].reachability = None;
            }),
            "warning n2: is a worker, not a manager",
        ),
        (
            with(|nodes| nodes[3].availability = "drain".into()),
            "note n4: a worker of the swarm, but on drain: it gets no tasks",
        ),
        (state(SwarmState::Pending, ""), "warning n4: still joining"),
        (state(SwarmState::Locked, ""), "error n4: locked: it waits for its unlock key"),
        (
            state(SwarmState::Error, "certificate expired"),
            "error n4: in a swarm but cannot work (certificate expired)",
        ),
        (healthy().engine("n4", Engine::Silent { cause: "no answer".into() }), ""),
        (
            bare().engine("n4", Engine::Silent { cause: "no answer".into() }).off("n1").off("n2").off("n3"),
            "unknown n4: there, but its engine does not answer (no answer)",
        ),
        (
            bare().engine("n4", Engine::Stopped { swarm: true }).off("n1").off("n2").off("n3"),
            "unknown n4: there, but its engine is stopped",
        ),
        (stranger, "error n1: in a swarm that no manager answers for"),
        (
            bare().swarm("theirs", Some("other"), &[("n1", Manager)]).off("n2").off("n3").off("n4"),
            "error n1: in a swarm that is not ours",
        ),
    ] {
        assert_eq!(said(world), expected);
    }
}

#[test]
fn who_else_is_there() {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    table(
        &MEMBERS,
        vec![
            (bare(), ""),
            (healthy(), "ok: all members are in the inventory"),
            (
                with(|nodes| nodes.push(record("foreign", Manager, address("192.168.2.77")))),
                "warning: the swarm has members that the inventory lacks: foreign (board, manager); 1 of them count as managers in every quorum",
            ),
            (
                with(|nodes| {
                    let ghost = SwarmNode { id: "old".into(), ..down(nodes[3].clone()) };
                    nodes.push(ghost);
                }),
                "warning n4: a dead record of what it was before is left: old (worker, down)",
            ),
        ],
    );
    let rival = with(|nodes| {
        let rival = SwarmNode { id: "other".into(), addr: "192.168.2.88".into(), ..nodes[3].clone() };
        nodes.push(rival);
    });
    let said = Audited::of(rival).said(&MEMBERS);
    assert!(
        said.iter().any(|line| line.starts_with("error n4: another machine carries the name n4")),
        "{said:?}"
    );
    let mut cloned = healthy();
    cloned.engine_view("n3").node_id = "id-n2".into();
    let said = Audited::of(cloned).said(&MEMBERS);
    assert!(
        said.contains(&"error n2 n3: n2, n3 have one node ID between them: id-n2".to_owned()),
        "{said:?}"
    );
}

#[test]
fn the_address_of_each_node() {
    let one = || World::new("home").manager("n1");
    let member = || one().swarm("ours", Some("home"), &[("n1", Manager)]);
    let mut moved = member();
    moved.facts_mut("n1").network = vec![interface("eth0", &["192.168.2.50/24"])];
    let mut public = one();
    public.node_mut("n1").address = "8.8.4.4".into();
    public.facts_mut("n1").network = vec![interface("eth0", &["8.8.4.4/24"])];
    let mut unclear = one();
    unclear.node_mut("n1").address = "n1.lan".into();
    unclear.facts_mut("n1").network = vec![interface("eth0", &["192.168.2.1/24", "192.168.3.1/24"])];
    table(
        &ADDRESS,
        vec![
            (one(), "ok n1: will advertise 192.168.2.1"),
            (member(), "ok n1: advertises 192.168.2.1"),
            (
                moved,
                "warning n1: advertises 192.168.2.1, which its host no longer has; it has 192.168.2.50 (eth0); an advertised address is fixed \
             when a node joins",
            ),
            (
                public,
                "note n1: advertises the public address 8.8.4.4: gossip and VXLAN must not face the internet",
            ),
            (unclear, ""),
            (one().sees("n1", outside(SwarmState::Locked)), ""),
        ],
    );
    let leased = Audited::of(member())
        .inspection("n1", |inspection| inspection.engine.leased = vec![crate::swarm::world::ip(1)]);
    judged(&ADDRESS, &leased, "note n1: advertises 192.168.2.1, which a DHCP server lent it");
    let remedy = &leased.verdicts(&ADDRESS)[0].remedy[0];
    assert_eq!(remedy, "reserve 192.168.2.1 for n1 in the router, by its hardware address 02:00:00:00:00:01");
}

#[test]
fn what_overlay_networks_are_cut_from() {
    let one = |address: &str| {
        let mut world = World::new("home").manager("n1");
        world.node_mut("n1").address = address.into();
        world.facts_mut("n1").network = vec![interface("eth0", &[&format!("{address}/24")])];
        world
    };
    let wants = |pool: &str, size: Option<u8>| {
        let mut world = one("192.168.2.1");
        world.inventory.swarm.address_pool = vec![pool.parse().expect("a network")];
        world.inventory.swarm.subnet_size = size;
        world
    };
    let made = one("10.7.0.1")
        .swarm("ours", Some("home"), &[("n1", Manager)])
        .options(|cluster| cluster.address_pool = vec!["10.200.0.0/16".into()]);
    table(
        &POOL,
        vec![
            (one("192.168.2.1"), "ok: overlay networks are cut from 10.0.0.0/8, where no node is"),
            (
                one("10.7.0.1"),
                "warning n1: overlay networks are cut from 10.0.0.0/8, which holds the nodes' own 10.7.0.1: one will hide them",
            ),
            (
                one("10.0.0.5"),
                "error n1: the first overlay network that is cut from 10.0.0.0/8 is the nodes' own: it holds 10.0.0.5",
            ),
            (made, "ok: overlay networks are cut from 10.200.0.0/16, where no node is"),
            (
                one("10.7.0.1").swarm("ours", Some("home"), &[("n1", Manager)]),
                "warning n1: overlay networks are cut from 10.0.0.0/8, which holds the nodes' own 10.7.0.1: one will hide them",
            ),
            (
                wants("10.200.0.0/22", None),
                "warning: there is room for 4 overlay networks only, `ingress` included",
            ),
            (
                wants("10.200.0.0/22", Some(27)),
                "ok: overlay networks are cut from 10.200.0.0/22, where no node is",
            ),
        ],
    );
}

#[test]
fn whom_else_overlay_networks_would_hide() {
    let route = |to: &str, prefix: u8, link: &str| Route {
        to: (to.parse().expect("an address"), prefix),
        link: link.into(),
        router: None,
    };
    let with = |change: &dyn Fn(&mut Network)| {
        cluster().inspection("n2", |inspection| change(&mut inspection.network))
    };
    let cut = "which overlay networks are cut from: one will hide it";
    for (audited, expected) in [
        (cluster(), None),
        (
            with(&|network| network.routes[0].router = Some("10.0.0.254".parse().expect("an address"))),
            Some(format!("warning n2: the router, 10.0.0.254, lies in the first of 10.0.0.0/8, {cut}")),
        ),
        (
            with(&|network| network.resolvers = Some(vec!["10.0.9.53".into()])),
            Some(format!("warning n2: the name server, 10.0.9.53, lies in the first of 10.0.0.0/8, {cut}")),
        ),
        (
            with(&|network| network.routes.push(route("10.0.8.0", 24, "wg0"))),
            Some(format!("warning n2: 10.0.8.0/24 at wg0 lies in the first of 10.0.0.0/8, {cut}")),
        ),
        // Nobody makes that many networks.
        (with(&|network| network.resolvers = Some(vec!["10.255.255.53".into()])), None),
        // Bridges of the engine's own, and a tunnel that takes all in two halves.
        (with(&|network| network.routes.push(route("10.198.0.0", 24, "docker_gwbridge"))), None),
        (with(&|network| network.routes.push(route("0.0.0.0", 1, "tun0"))), None),
    ] {
        assert_eq!(audited.said(&POOL).first(), expected.as_ref());
    }
}

#[test]
fn whether_managers_wait_for_a_key() {
    table(
        &LOCK,
        vec![
            (bare(), ""),
            (healthy(), "ok: managers need no unlock key"),
            (
                healthy().options(|cluster| cluster.autolock = true),
                "note: autolock is on: each manager that restarts waits for the unlock key",
            ),
        ],
    );
}
