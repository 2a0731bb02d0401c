//! Made-up swarms whose kernels lack something in, turns out.

use std::collections::BTreeSet;

use crate::facts::{Support, SwarmNode};
use crate::inventory::model::{NodeName, Role, WhenDue};
use crate::plan::tests::{on_settled_hosts, titles};
use crate::plan::{Plan, make};
use crate::resource::boot::{self, Loader, Place};
use crate::resource::{Key, Observed};
use crate::swarm::AVAILABILITY_LABEL;
use crate::swarm::world::World;

const NODES: [(&str, Role); 4] =
    [("n1", Role::Manager), ("n2", Role::Manager), ("n3", Role::Manager), ("n4", Role::Worker)];

/// A swarm of three managers and a worker, all of them settled but for what their kernels lack.
fn swarm(lacking: &[&str]) -> World {
    let world = World::new("home").manager("n1").manager("n2").manager("n3").worker("n4");
    let mut world = on_settled_hosts(world.swarm("c1", Some("home"), &NODES));
    for name in lacking {
        see(&mut world, name, "a=1\n", None);
    }
    world
}

/// A board that lacks the memory controller, with this text in its boot file, and rebooted since that was written or not.
fn see(world: &mut World, name: &str, text: &str, rebooted: Option<bool>) {
    let observed = boot::Observed {
        missing: vec!["memory".to_owned()],
        release: "6.6".to_owned(),
        place: Some(Place { loader: Loader::Environment, path: "/boot/armbianEnv.txt".to_owned() }),
        texts: vec![Some(text.to_owned())],
        rebooted,
        ..boot::Observed::default()
    };
    let host = world.hosts.get_mut(&NodeName::from(name)).unwrap();
    host.facts.system.boot_id = format!("boot-{name}");
    host.observed.insert(Key::Boot(boot::Key::Running), Ok(Observed::Boot(observed)));
}

fn plan(world: &World) -> Plan {
    make(&world.view())
}

/// The steps that this is about, in short.
fn turns(plan: &Plan) -> Vec<String> {
    let words = ["enable the memory", "drain", "reboot", "make available", "see that"];
    let short = |title: String| {
        let (phase, rest) = title.split_once(' ')?;
        let (node, rest) = rest.split_once(": ")?;
        let word = words.into_iter().find(|word| rest.starts_with(word))?;
        Some(format!("{phase} {node} {word}"))
    };
    titles(plan).into_iter().filter_map(short).collect()
}

fn know(world: World, id: &str, change: impl Fn(&mut SwarmNode)) -> World {
    world.options(|cluster| {
        let nodes = cluster.nodes.as_mut().unwrap();
        change(nodes.iter_mut().find(|node| node.id == id).unwrap());
    })
}

fn told(findings: &[crate::plan::Finding]) -> Vec<(&str, &str)> {
    findings.iter().map(|finding| (finding.message.as_str(), finding.help.as_str())).collect()
}

const ALL: [&str; 4] = ["n1", "n2", "n3", "n4"];

#[test]
fn where_nothing_lacks_nothing_is_done() {
    let plan = plan(&swarm(&[]));
    assert!(plan.is_empty() && plan.warnings.is_empty(), "{plan:?}");
}

#[test]
fn nobody_is_rebooted_who_did_not_say_so() {
    let mut world = swarm(&["n1", "n4"]);
    let edits = ["kernel n1 enable the memory", "kernel n4 enable the memory"];
    for (when, allowed, help) in [
        (WhenDue::Ask, false, "`skep up --reboot` does it"),
        (WhenDue::Never, false, "reboot them one manager at a time"),
        (WhenDue::Never, true, "reboot them one manager at a time"),
    ] {
        world.inventory.boot.reboot = when;
        world.choices.reboot = allowed;
        let plan = plan(&world);
        assert_eq!(turns(&plan), edits, "{when:?}");
        let [(message, told_help)] = told(&plan.warnings)[..] else { panic!("{plan:?}") };
        assert_eq!(
            message,
            "n1 and n4 have to be rebooted before their kernels have the memory controller of cgroups"
        );
        assert!(told_help.starts_with(help), "{told_help}");
    }
    // Changed before, and not rebooted since: there is nothing to change, and still to be told.
    see(&mut world, "n1", "extraargs=cgroup_enable=memory\n", Some(false));
    assert_eq!(turns(&plan(&world)), edits[1..]);
    assert_eq!(plan(&world).warnings.len(), 1);
    world.inventory.boot.manage = false;
    for host in world.hosts.values_mut() {
        host.observed.remove(&Key::Boot(boot::Key::Running));
    }
    assert!(plan(&world).is_empty() && plan(&world).warnings.is_empty());
}

#[test]
fn members_are_rebooted_one_after_another_once_all_files_are_changed() {
    let turn = |node: &str| {
        ["drain", "reboot", "make available", "see that"].map(|word| format!("kernel {node} {word}"))
    };
    let edits = ALL.map(|node| format!("kernel {node} enable the memory"));
    let expected: Vec<_> = edits.into_iter().chain(ALL.into_iter().flat_map(turn)).collect();
    for (when, allowed) in [(WhenDue::Ask, true), (WhenDue::Auto, false)] {
        let mut world = swarm(&ALL);
        world.inventory.boot.reboot = when;
        world.choices.reboot = allowed;
        let plan = plan(&world);
        assert!(plan.problems.is_empty() && plan.warnings.is_empty(), "{plan:?}");
        assert_eq!(turns(&plan), expected);
        let last = plan.phases[0].steps.iter().rev().find(|step| step.action.describe().disrupts.is_some());
        assert!(last.unwrap().action.describe().disrupts.unwrap().starts_with("reboots the host"));
    }
    let mut world = swarm(&ALL);
    world.choices.reboot = true;
    world.choices.limit = Some(BTreeSet::from(["n4".into()]));
    assert_eq!(turns(&plan(&world)).len(), 5);
}

#[test]
fn hosts_in_no_swarm_are_just_rebooted() {
    let mut world = on_settled_hosts(World::new("home").manager("n1"));
    see(&mut world, "n1", "a=1\n", None);
    world.choices.reboot = true;
    assert_eq!(
        turns(&plan(&world)),
        ["kernel n1 enable the memory", "kernel n1 reboot", "kernel n1 see that"]
    );
}

#[test]
fn managers_that_the_quorum_needs_and_locked_ones_stay_up() {
    let mut world = know(swarm(&ALL), "id-n2", |node| {
        node.state = "down".to_owned();
        node.reachability = Some("unreachable".to_owned());
    });
    world.choices.reboot = true;
    let rebooted = |plan: &Plan| -> Vec<_> {
        turns(plan).into_iter().filter_map(|turn| Some(turn.strip_suffix(" reboot")?.to_owned())).collect()
    };
    let short = plan(&world.off("n2"));
    assert_eq!(rebooted(&short), ["kernel n4"]);
    let problems = told(&short.problems);
    assert!(
        problems.iter().any(|(message, _)| message.starts_with("n1 is not rebooted: 2 of 3 managers answer")),
        "{problems:?}"
    );
    let mut world = swarm(&ALL).options(|cluster| cluster.autolock = true);
    world.choices.reboot = true;
    let locked = plan(&world);
    assert_eq!(rebooted(&locked), ["kernel n4"]);
    let [(message, help), ..] = told(&locked.problems)[..] else { panic!("{locked:?}") };
    assert!(
        message.starts_with("n1 is not rebooted: the swarm is locked") && help.contains("--autolock=false"),
        "{help}"
    );
}

#[test]
fn the_only_manager_is_rebooted_with_a_warning() {
    let world = World::new("home").manager("n1").worker("n2");
    let members = [("n1", Role::Manager), ("n2", Role::Worker)];
    let mut world = on_settled_hosts(world.swarm("c1", Some("home"), &members));
    see(&mut world, "n1", "a=1\n", None);
    world.choices.reboot = true;
    let plan = plan(&world);
    assert!(
        told(&plan.warnings)[0].0.contains("while it is rebooted, the swarm cannot be changed"),
        "{plan:?}"
    );
    assert_eq!(turns(&plan).len(), 5);
}

#[test]
fn what_a_killed_run_left_drained_gets_its_tasks_back_once() {
    let drained = |node: &mut SwarmNode| {
        node.availability = "drain".to_owned();
        node.labels.insert(AVAILABILITY_LABEL.to_owned(), "active".to_owned());
    };
    let mut before = know(swarm(&["n4"]), "id-n4", drained);
    before.choices.reboot = true;
    let steps = ["enable the memory", "drain", "reboot", "make available", "see that"];
    assert_eq!(turns(&plan(&before)), steps.map(|word| format!("kernel n4 {word}")));
    // It was rebooted, and has what it lacked: only that is left.
    let after = know(swarm(&[]), "id-n4", drained);
    assert_eq!(turns(&plan(&after)), ["engine n4 make available"]);
    // A node that its user drained stays drained.
    let mut users = know(swarm(&["n4"]), "id-n4", |node| node.availability = "drain".to_owned());
    users.choices.reboot = true;
    assert!(!turns(&plan(&users)).iter().any(|turn| turn.contains("make available")));
}

#[test]
fn a_reboot_that_did_not_help_is_a_problem_and_not_repeated() {
    let mut world = swarm(&[]);
    see(&mut world, "n1", "extraargs=cgroup_enable=memory\n", Some(true));
    world.choices.reboot = true;
    let plan = plan(&world);
    assert!(plan.is_empty() && plan.warnings.is_empty(), "{plan:?}");
    assert!(
        told(&plan.problems)[0].0.starts_with("n1: the kernel 6.6 was booted without what /boot/armbianEnv")
    );
}

#[test]
fn boards_without_a_file_to_change_are_told_of_together() {
    let mut world = swarm(&["n1", "n2"]);
    for name in ["n1", "n2"] {
        let host = world.hosts.get_mut(&NodeName::from(name)).unwrap();
        let bare = boot::Observed { missing: vec!["memory".to_owned()], ..boot::Observed::default() };
        host.observed.insert(Key::Boot(boot::Key::Running), Ok(Observed::Boot(bare)));
    }
    world.choices.reboot = true;
    let plan = plan(&world);
    assert!(plan.is_empty() && plan.problems.is_empty(), "{plan:?}");
    let [(message, _)] = told(&plan.warnings)[..] else { panic!("{plan:?}") };
    assert!(message.starts_with("n1 and n2: the kernel lacks the memory controller of cgroups"), "{message}");
}

#[test]
fn a_kernel_that_was_built_without_a_controller_is_not_rebooted_for_it() {
    let mut world = swarm(&["n1", "n2", "n3"]);
    world.choices.reboot = true;
    for (name, support) in [("n1", Support::Missing), ("n2", Support::Missing), ("n3", Support::Unknown)] {
        world.facts_mut(name).kernel.options.insert("MEMCG".to_owned(), support);
    }
    let Some(Ok(Observed::Boot(observed))) =
        world.hosts.get_mut(&"n2".into()).unwrap().observed.get_mut(&Key::Boot(boot::Key::Running))
    else {
        panic!("it was just put there")
    };
    // This one may come all the same.
    observed.missing.push("cpuset".to_owned());
    let plan = plan(&world);
    let changed: Vec<_> = titles(&plan).into_iter().filter(|title| title.contains(": enable ")).collect();
    assert_eq!(
        changed,
        [
            "kernel n2: enable the cpuset controller of cgroups at boot",
            "kernel n3: enable the memory controller of cgroups at boot"
        ]
    );
    let turn = |node: &str| {
        ["drain", "reboot", "make available", "see that"].map(|word| format!("kernel {node} {word}"))
    };
    let turns: Vec<_> = turns(&plan).into_iter().filter(|step| !step.contains("enable")).collect();
    assert_eq!(turns, [turn("n2"), turn("n3")].concat());
    assert_eq!(
        told(&plan.warnings),
        [(
            "the kernel of n1 and n2 lacks CONFIG_MEMCG: limits of containers do not hold there, and no boot setting \
             changes that",
            "boot another kernel; `skep audit` names its package"
        )]
    );
    // Whoever leaves boot settings alone need not hear of it.
    world.inventory.boot.manage = false;
    for host in world.hosts.values_mut() {
        host.observed.remove(&Key::Boot(boot::Key::Running));
    }
    assert!(make(&world.view()).warnings.is_empty());
}

#[test]
fn a_kernel_that_lacks_what_it_was_booted_with_is_told_of_and_left_alone() {
    let mut world = swarm(&["n4"]);
    world.choices.reboot = true;
    let Some(Ok(Observed::Boot(observed))) =
        world.hosts.get_mut(&"n4".into()).unwrap().observed.get_mut(&Key::Boot(boot::Key::Running))
    else {
        panic!("it was just put there")
    };
    observed.command_line.push("cgroup_enable=memory".to_owned());
    let plan = plan(&world);
    assert!(plan.is_empty() && plan.problems.is_empty(), "{plan:?}");
    assert!(
        told(&plan.warnings)[0].0.starts_with("n4: the kernel 6.6 was booted with `cgroup_enable=memory`")
    );
}
