//! Made-up hosts that share what each must have for itself.

use super::*;
use crate::inventory::model::Role;
use crate::plan::make;
use crate::plan::tests::{on_bare_hosts, on_settled_hosts, titles};
use crate::swarm::world::World;

const ED1: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ root@board\n";

/// Bare hosts, each booted by itself, and asked to be told apart.
fn hosts() -> World {
    on_bare_hosts(asked(World::new("home").manager("n1").worker("n2").worker("n3")))
}

/// A swarm of the first two, and a third host beside it.
fn swarm() -> World {
    let members = [("n1", Role::Manager), ("n2", Role::Worker)];
    let world =
        World::new("home").manager("n1").worker("n2").worker("n3").swarm("c1", Some("home"), &members);
    let other =
        crate::swarm::world::running(crate::swarm::world::outside(crate::facts::SwarmState::Inactive));
    on_settled_hosts(asked(world.engine("n3", other)))
}

fn asked(mut world: World) -> World {
    world.choices.repair_clones = true;
    for name in ["n1", "n2", "n3"] {
        world.facts_mut(name).system.boot_id = format!("boot-{name}");
    }
    world
}

fn has(world: &mut World, name: &str, path: &str, text: &str) {
    let file =
        file::FileState { text: Some(text.to_owned()), sha256: String::new(), mode: 0o644, uid: 0, gid: 0 };
    let host = world.hosts.get_mut(&NodeName::from(name)).unwrap();
    host.observed.insert(Key::File(path.into()), Ok(Observed::File(file::Observed::File(file))));
}

/// The steps, and what stands against them.
fn outcome(world: &World) -> (Vec<String>, Vec<String>) {
    let plan = make(&world.view());
    (titles(&plan), plan.refusals.into_iter().map(|refusal| refusal.message).collect())
}

fn engine_id(world: &mut World, name: &str, id: &str) {
    let Engine::Running(running) = &mut world.facts_mut(name).engine else {
        panic!("the engine of {name} is off")
    };
    running.id = id.to_owned();
}

#[test]
fn who_shares_nothing_is_left_as_it_is_and_who_did_not_ask_is_refused() {
    assert!(repairs(&hosts().view()).is_empty());
    let mut world = hosts();
    for name in ["n1", "n3"] {
        world.facts_mut(name).system.machine_id = format!("{:032x}", 7);
    }
    assert!(!repairs(&world.view()).is_empty());
    world.choices.repair_clones = false;
    assert!(repairs(&world.view()).is_empty());
    let refusals = make(&world.view()).refusals;
    assert!(refusals[0].help.contains("`skep up --repair-clones` gives all but one"), "{refusals:?}");
}

#[test]
fn all_but_the_first_get_what_they_lack_and_nothing_else_is_planned() {
    let mut world = hosts();
    for name in ["n1", "n3"] {
        world.facts_mut(name).system.machine_id = format!("{:032x}", 7);
        world.facts_mut(name).system.hostname = "board".to_owned();
        has(&mut world, name, HOST_KEYS[0], ED1);
    }
    let (steps, refusals) = outcome(&world);
    assert_eq!(
        steps,
        [
            "first login n3: make a machine-id of its own",
            "first login n3: name it n3 (is board)",
            "first login n3: make SSH host keys of its own, and record them on this computer",
        ]
    );
    assert!(refusals.is_empty(), "{refusals:?}");
    // An undo puts nothing back of it: the receipts of changes are kept.
    let plan = repairs(&world.view());
    assert!(plan.steps().all(|(_, step)| matches!(step.action, Action::Repair(_))), "{plan:?}");
    // Of a name, the one keeps it who is called so.
    world.facts_mut("n1").system.hostname = "n3".to_owned();
    world.facts_mut("n3").system.hostname = "n3".to_owned();
    assert!(outcome(&world).0.contains(&"first login n1: name it n1 (is board)".to_owned()));
}

#[test]
fn equal_host_keys_alone_are_a_warning() {
    let mut world = hosts();
    world.choices.repair_clones = false;
    for name in ["n1", "n2"] {
        has(&mut world, name, HOST_KEYS[1], ED1);
    }
    let plan = make(&world.view());
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    assert!(
        plan.warnings[0].message.starts_with("n1 and n2 have one SSH host key, SHA256:"),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn a_key_that_the_inventory_wants_stays_and_one_that_was_begun_is_finished() {
    let mut world = hosts();
    for name in ["n1", "n2"] {
        has(&mut world, name, HOST_KEYS[0], ED1);
    }
    world.node_mut("n2").login.host_key = Some("SHA256:x".to_owned());
    assert!(outcome(&world).1[0].contains("`host_key` in the inventory"));
    let mut world = hosts();
    has(&mut world, "n2", &begun(), "");
    world.choices.repair_clones = false;
    let warnings = make(&world.view()).warnings;
    let told =
        "n2 was being given SSH host keys of its own when that was cut short: its old ones are trusted still";
    assert!(warnings.iter().any(|warning| warning.message == told), "{warnings:?}");
    world.choices.repair_clones = true;
    assert_eq!(
        outcome(&world).0,
        ["first login n2: make SSH host keys of its own, and record them on this computer"]
    );
}

#[test]
fn the_member_keeps_what_it_has_whoever_comes_first() {
    let mut world = swarm();
    world.inventory.nodes.reverse();
    engine_id(&mut world, "n3", "engine-n2");
    for name in ["n2", "n3"] {
        world.facts_mut(name).system.machine_id = format!("{:032x}", 7);
    }
    let (steps, refusals) = outcome(&world);
    assert_eq!(
        steps,
        ["first login n3: make a machine-id of its own", "engine n3: give the engine an ID of its own"]
    );
    assert!(refusals.is_empty(), "{refusals:?}");
    // Two members of one swarm.
    let mut world = swarm();
    engine_id(&mut world, "n2", "engine-n1");
    assert_eq!(outcome(&world).1, ["n2 gets no engine ID of its own: its engine is in a swarm"]);
}

/// Like [`swarm`], with a third host that is a copy of `original`, and a network card on each.
fn copied(original: &str) -> World {
    let mut world = swarm();
    let host = world.hosts[&NodeName::from(original)].facts.engine.clone();
    world.facts_mut("n3").engine = host;
    for name in ["n1", "n2", "n3"] {
        world.facts_mut(name).network[0].mac = card(name);
    }
    world
}

fn card(name: &str) -> String {
    format!("dc:a6:32:00:00:0{}", &name[1..])
}

#[test]
fn a_copied_membership_is_forgotten_where_it_is_certain_whose_it_is() {
    let of_n2 = [
        "engine n3: forget the copied membership of id-n2, which n2 keeps, and give the engine an ID of its own",
    ];
    let of_n1 = [
        "engine n3: forget the copied membership of id-n1, which n1 keeps, and give the engine an ID of its own",
    ];
    let address = "has the address under which it joined, but";
    let swapped = |world: &mut World| {
        for (name, address) in [("n2", "192.168.2.3/24"), ("n3", "192.168.2.2/24")] {
            let mac = card(name);
            let interface = crate::swarm::world::interface("eth0", &[address]);
            world.facts_mut(name).network = vec![crate::facts::Interface { mac, ..interface }];
        }
    };
    let away = |world: &mut World| {
        for name in ["n2", "n3"] {
            world.engine_view(name).node_addr = "192.168.2.99".to_owned();
        }
    };
    let everywhere = |world: &mut World| {
        let network = world.facts_mut("n2").network.clone();
        world.facts_mut("n3").network = network;
    };
    let unlabelled = |world: &mut World| {
        let cluster = world.engine_view("n1").cluster.as_mut().unwrap();
        cluster.nodes.as_mut().unwrap().iter_mut().for_each(|node| node.labels.clear());
    };
    let unknown = |world: &mut World| world.engine_view("n1").cluster = None;
    let mac = |name: &'static str, of: &'static str| {
        move |world: &mut World| world.node_mut(name).mac = Some(card(of))
    };
    let (n2_has_its_card, n2_has_another) = (mac("n2", "n2"), mac("n2", "n3"));
    let n1_has_its_card = mac("n1", "n1");
    type Case<'a> = (&'a str, Vec<&'a dyn Fn(&mut World)>, Result<[&'a str; 1], String>);
    let cases: [Case<'_>; 11] = [
        ("n2", vec![&n2_has_its_card], Ok(of_n2)),
        ("n2", vec![&unlabelled, &n2_has_its_card], Ok(of_n2)),
        ("n1", vec![&n1_has_its_card], Ok(of_n1)),
        ("n2", vec![&away], Err("none of them has the address".to_owned())),
        ("n2", vec![&everywhere], Err("more than one of them has the address".to_owned())),
        // DHCP gave the copy the address of its original.
        ("n2", vec![&swapped], Err(format!("n3 {address} the swarm knows it as n2"))),
        ("n2", vec![&n2_has_another], Err(format!("n2 {address} not the network card"))),
        // DHCP may have done so before the inventory got its addresses, and the label goes by its names.
        ("n2", vec![], Err(format!("n2 {address} `mac` of n2"))),
        ("n2", vec![&unknown], Err("no manager of the inventory's swarm has it".to_owned())),
        ("n1", vec![], Err(format!("n1 {address} `mac` of n1"))),
        ("n1", vec![&unlabelled, &n1_has_its_card], Err(format!("n1 {address} the swarm has no label"))),
    ];
    for (place, (original, changes, expected)) in cases.into_iter().enumerate() {
        let mut world = copied(original);
        changes.iter().for_each(|change| change(&mut world));
        let (steps, refusals) = outcome(&world);
        match expected {
            Ok(expected) => assert_eq!((steps, refusals), (expected.map(str::to_owned).to_vec(), vec![])),
            Err(cause) => {
                assert!(!steps.iter().any(|step| step.contains("forget")), "{place}: {steps:?}");
                let told = |refusal: &String| refusal.contains("cannot be told") && refusal.contains(&cause);
                assert!(refusals.iter().any(told), "{place}: {refusals:?}");
            }
        }
    }
}

#[test]
fn one_machine_with_two_names_is_no_copy_and_a_limit_hides_none() {
    let mut world = hosts();
    for name in ["n1", "n3"] {
        world.facts_mut(name).system.machine_id = format!("{:032x}", 7);
    }
    world.choices.limit = Some([NodeName::from("n1")].into());
    let (_, refusals) = outcome(&world);
    assert_eq!(refusals, ["n3 is a copy of another node's card, and `--limit` leaves it out"]);
    world.choices.limit = Some([NodeName::from("n2")].into());
    let (_, refusals) = outcome(&world);
    assert!(!refusals.iter().any(|refusal| refusal.contains("copy")), "{refusals:?}");
    world.choices.limit = None;
    world.facts_mut("n3").system.boot_id = "boot-n1".to_owned();
    assert_eq!(outcome(&world).1, ["n1 and n3 are one machine: they were booted at once"]);
}

#[test]
fn a_new_machine_id_wants_a_reboot_by_the_rules() {
    let mut world = hosts();
    has(&mut world, "n2", NEW_MACHINE_ID, "");
    let plan = make(&world.view());
    let told = "n2 has to be rebooted before everything goes by the new machine-id";
    assert!(plan.warnings.iter().any(|warning| warning.message == told), "{:?}", plan.warnings);
    world.choices.reboot = true;
    let steps = titles(&make(&world.view()));
    let reboot = "kernel n2: reboot, so that everything goes by the new machine-id";
    assert!(steps.contains(&reboot.to_owned()), "{steps:?}");
}
