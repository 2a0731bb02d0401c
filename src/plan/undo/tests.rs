//! What a run did and made-up hosts in, plans out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deed, Deeds, What, make};
use crate::facts::{Engine, SwarmState};
use crate::inventory::model::{NodeName, Role};
use crate::plan::{Finding, PhaseName, Plan};
use crate::resource::{Change, Key, Observed, Receipt, daemon, file, packages, sysctl, unit};
use crate::swarm::world::{World, down, outside, running};
use crate::swarm::{Holdings, SwarmAction, SwarmReceipt};

fn deeds(list: Vec<(&str, PhaseName, What)>) -> Deeds {
    let list = list.into_iter().map(|(node, phase, what)| Deed { node: node.into(), phase, what }).collect();
    Deeds { run: "r1".to_owned(), list, ..Deeds::default() }
}

fn undo(deeds: &Deeds, world: &World) -> Plan {
    make(deeds, &world.view(), Holdings::default())
}

/// A plan in short: a line each phase, problems and warnings by how they begin.
fn told(plan: &Plan) -> Vec<String> {
    let phases = plan.phases.iter().map(|phase| {
        let steps = phase.steps.iter().map(|step| format!("{}: {}", step.node, step.action.describe().title));
        format!("{}: {}", phase.name, steps.collect::<Vec<_>>().join("; "))
    });
    let say = |what: &'static str, list: &[Finding]| {
        list.iter().map(move |finding| format!("{what}: {}", finding.message)).collect::<Vec<_>>()
    };
    let said =
        [say("refused", &plan.refusals), say("problem", &plan.problems), say("warning", &plan.warnings)];
    phases.chain(said.concat()).collect()
}

// Hosts.

fn state(text: &str) -> file::FileState {
    file::FileState { text: Some(text.into()), sha256: text.into(), mode: 0o644, uid: 0, gid: 0 }
}

fn wrote(path: &str) -> What {
    let after = Some(state("ours"));
    What::Change(Receipt::File(file::Change { path: path.into(), before: None, after }))
}

fn options() -> What {
    let after = Some("{}".to_owned());
    What::Change(Receipt::Daemon(daemon::Change { before: None, after, restart: false }))
}

fn installed(names: &[&str]) -> What {
    let installed = names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
    What::Change(Receipt::Packages(packages::Receipt { installed, ..Default::default() }))
}

fn forwards() -> What {
    What::Change(Receipt::Sysctl(sysctl::Change {
        key: "net.ipv4.ip_forward".to_owned(),
        running: Some(sysctl::Value { before: Some("0".to_owned()), after: "1".to_owned() }),
        configured: None,
    }))
}

fn started() -> What {
    let before = unit::Observed {
        load: "loaded".into(),
        enabled: "disabled".into(),
        active: "inactive".into(),
        masked_by_package: false,
    };
    let name = "docker.service".to_owned();
    What::Change(Receipt::Unit(unit::Change { name, enable: Some(true), start: Some(true), before }))
}

/// Everything that the deeds are about is on the hosts as the run left it.
fn as_left(mut world: World, deeds: &Deeds) -> World {
    for (node, keys) in deeds.keys() {
        let Some(host) = world.hosts.get_mut(&node) else { continue };
        host.observed = keys.into_iter().map(|key| (key.clone(), Ok(left(&key)))).collect();
    }
    world
}

fn left(key: &Key) -> Observed {
    match key {
        Key::File(_) => Observed::File(file::Observed::File(state("ours"))),
        Key::Daemon(()) => {
            Observed::Daemon(daemon::Observed { text: Some("{}".into()), running: true, stale: false })
        }
        Key::Packages(packages::Asked { names, .. }) => Observed::Packages(packages::Observed {
            installed: names.iter().map(|name| (name.clone(), "1".to_owned())).collect(),
            ..Default::default()
        }),
        Key::Sysctl(_) => Observed::Sysctl(sysctl::Observed { running: Some("1".into()), configured: None }),
        Key::Unit(_) => Observed::Unit(unit::Observed {
            load: "loaded".into(),
            enabled: "enabled".into(),
            active: "active".into(),
            masked_by_package: false,
        }),
        other => panic!("nothing in these tests is about {other:?}"),
    }
}

fn observe(world: &mut World, node: &str, key: &Key, observed: Observed) {
    let host = world.hosts.get_mut(&NodeName::from(node)).unwrap();
    assert!(host.observed.insert(key.clone(), Ok(observed)).is_some());
}

#[test]
fn everything_goes_back_in_reverse() {
    use PhaseName::{Engine, Kernel, Packages};
    let deeds = deeds(vec![
        ("n1", Packages, options()),
        ("n2", Packages, options()),
        ("n1", Packages, installed(&["docker.io", "runc"])),
        ("n1", Kernel, forwards()),
        ("n1", Engine, started()),
        ("n1", Engine, wrote("/etc/x")),
    ]);
    let world = as_left(World::new("home").manager("n1").worker("n2"), &deeds);
    let plan = undo(&deeds, &world);
    let expected = [
        "engine: n1: remove /etc/x; n1: disable and stop docker.service",
        "kernel: n1: set net.ipv4.ip_forward to 0 (is 1)",
        "packages: n1: remove docker.io, runc; n2: remove /etc/docker/daemon.json; n1: remove /etc/docker/daemon.json",
    ];
    assert_eq!(told(&plan), expected);
    // The engine of n1 is gone by then; that of n2 runs and has to read its options anew.
    let disrupts = |node: &str| {
        let steps = plan.steps().map(|(_, step)| step).filter(|step| step.node.0 == node);
        steps.last().unwrap().action.describe().disrupts
    };
    assert_eq!((disrupts("n1").is_some(), disrupts("n2").is_some()), (false, true));
}

#[test]
fn what_is_as_before_needs_nothing_and_what_somebody_changed_is_named() {
    let deeds =
        deeds(vec![("n1", PhaseName::Engine, wrote("/etc/x")), ("n1", PhaseName::Engine, wrote("/etc/y"))]);
    let mut world = as_left(World::new("home").manager("n1"), &deeds);
    let (x, y) = (Key::File("/etc/x".into()), Key::File("/etc/y".into()));
    observe(&mut world, "n1", &x, Observed::File(file::Observed::File(state("theirs"))));
    assert_eq!(
        told(&undo(&deeds, &world)),
        ["engine: n1: remove /etc/y", "warning: n1: /etc/x was changed since; left as it is"]
    );
    observe(&mut world, "n1", &x, Observed::File(file::Observed::Absent));
    observe(&mut world, "n1", &y, Observed::File(file::Observed::Absent));
    assert_eq!(told(&undo(&deeds, &world)), [""; 0]);
    let fault = crate::resource::Fault::new("/etc/x", "Input/output error");
    world.hosts.get_mut(&NodeName::from("n1")).unwrap().observed.insert(x, Err(fault));
    assert_eq!(told(&undo(&deeds, &world)), ["problem: n1: /etc/x: Input/output error"]);
}

#[test]
fn only_nodes_that_are_still_the_same_are_touched() {
    let mut deeds =
        deeds(["n1", "n2", "n3", "n4"].map(|node| (node, PhaseName::Engine, wrote("/etc/x"))).to_vec());
    let mut world = World::new("home").manager("n1").worker("n2").worker("n3").off("n3");
    world.facts_mut("n1").system.machine_id = "one".to_owned();
    world.facts_mut("n2").system.machine_id = "two".to_owned();
    deeds.machines = ["n1", "n2"]
        .map(|node| (node.into(), world.hosts[&NodeName::from("n1")].facts.system.fingerprint()))
        .into();
    let mut world = as_left(world, &deeds);
    assert_eq!(
        told(&undo(&deeds, &world)),
        [
            "engine: n1: remove /etc/x",
            "problem: n2 has another machine-id than in that run, so nothing is put back there",
            "problem: n4 is not in the inventory any more, so what the run did there stays",
        ]
    );
    world.choices.limit = Some(BTreeSet::from(["n1".into()]));
    assert_eq!(told(&undo(&deeds, &world)), ["engine: n1: remove /etc/x"]);
}

#[test]
fn what_is_not_on_record_is_said() {
    let mut deeds = deeds(Vec::new());
    deeds.open = BTreeMap::from([("n1".into(), "install docker.io".to_owned())]);
    deeds.unread = 2;
    deeds.lasting = vec![("n1".into(), "make SSH host keys of its own".to_owned())];
    let told = told(&undo(&deeds, &World::new("home").manager("n1")));
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("`make SSH host keys of its own` on n1 stays"), "{told:?}");
    let told = &told[1..];
    assert!(told[0].contains("killed in the middle of `install docker.io` on n1"), "{told:?}");
    assert!(told[1].contains("2 lines of the run's journal cannot be read"), "{told:?}");
}

#[test]
fn an_engine_stays_with_a_member_of_a_swarm() {
    let deeds = deeds(vec![
        ("n1", PhaseName::Packages, installed(&["docker.io", "runc"])),
        ("n1", PhaseName::Packages, installed(&["nfs-common"])),
        ("n1", PhaseName::Kernel, forwards()),
        ("n1", PhaseName::Engine, started()),
        ("n1", PhaseName::Engine, wrote("/etc/x")),
    ]);
    let world = as_left(World::new("home").manager("n1"), &deeds);
    let all = told(&undo(&deeds, &world));
    assert_eq!(all.len(), 3, "{all:?}");
    let expected = [
        "engine: n1: remove /etc/x",
        "packages: n1: remove nfs-common",
        "problem: n1 is in a swarm, so its engine and what that needs stay: docker.service, net.ipv4.ip_forward, \
         docker.io, runc with what came with it",
    ];
    let ours = world.clone().swarm("c1", Some("home"), &[("n1", Role::Manager)]);
    assert_eq!(told(&undo(&deeds, &ours)), expected);
    // Nor where it is unknown whose member it is, or the engine that knew is off.
    for engine in [
        running(outside(SwarmState::Pending)),
        Engine::Stopped { swarm: true },
        Engine::Silent { cause: "busy".to_owned() },
    ] {
        assert_eq!(told(&undo(&deeds, &world.clone().engine("n1", engine))), expected);
    }
}

// The swarm.

fn member(node: &str) -> Option<SwarmReceipt> {
    Some(SwarmReceipt::Member { swarm: "c1".to_owned(), node_id: format!("id-{node}") })
}

fn made(node: &'static str) -> (&'static str, PhaseName, What) {
    let init = SwarmAction::Init {
        advertise: [192, 168, 2, 1].into(),
        name: "home".to_owned(),
        address_pool: vec!["10.200.0.0/16".to_owned()],
        subnet_size: None,
        task_history: None,
    };
    (node, PhaseName::Swarm, What::Swarm(init, member(node)))
}

fn joined(node: &'static str, role: Role) -> (&'static str, PhaseName, What) {
    let join = SwarmAction::Join { role, advertise: [192, 168, 2, 9].into() };
    (node, PhaseName::Swarm, What::Swarm(join, member(node)))
}

fn labelled(
    node: &'static str,
    before: &[(&str, Option<&str>)],
    after: &[(&str, &str)],
) -> (&'static str, PhaseName, What) {
    let own = |text: &str| text.to_owned();
    let receipt = SwarmReceipt::Labels {
        node_id: format!("id-{node}"),
        before: before.iter().map(|(key, value)| (own(key), value.map(own))).collect(),
        after: after.iter().map(|(key, value)| (own(key), Some(own(value)))).collect(),
    };
    let labels = after.iter().map(|(key, value)| (own(key), own(value))).collect();
    let label = SwarmAction::Label { node_id: None, labels, remove: BTreeSet::new() };
    (node, PhaseName::Labels, What::Swarm(label, Some(receipt)))
}

fn three() -> World {
    let world = World::new("home").manager("n1").manager("n2").manager("n3").worker("n4");
    let members = [("n1", Role::Manager), ("n2", Role::Manager), ("n3", Role::Manager), ("n4", Role::Worker)];
    world.swarm("c1", Some("home"), &members)
}

#[test]
fn a_node_that_joined_leaves() {
    let with = |role| {
        deeds(vec![joined("n4", role), labelled("n4", &[("skep.node", None)], &[("skep.node", "n4")])])
    };
    let leaves = ["swarm: n4: leave the swarm, as worker"];
    assert_eq!(told(&undo(&with(Role::Worker), &three())), leaves);
    // It left already, but a run was killed before its record was removed.
    let out = three().sees("n4", outside(SwarmState::Inactive));
    assert_eq!(told(&undo(&with(Role::Worker), &out)), ["swarm: n4: remove its old, dead record id-n4"]);
    // All of it is done.
    let members = [("n1", Role::Manager), ("n2", Role::Manager), ("n3", Role::Manager)];
    let gone = World::new("home").manager("n1").manager("n2").manager("n3").worker("n4");
    let gone = gone.swarm("c1", Some("home"), &members).sees("n4", outside(SwarmState::Inactive));
    assert_eq!(told(&undo(&with(Role::Worker), &gone)), [""; 0]);
    // It is another member by now.
    let mut again = with(Role::Worker);
    let What::Swarm(_, Some(SwarmReceipt::Member { node_id, .. })) = &mut again.list[0].what else {
        panic!()
    };
    *node_id = "an-older-one".to_owned();
    let told = told(&undo(&again, &three()));
    assert!(told.last().unwrap().starts_with("warning: n4 is another member by now"), "{told:?}");
}

#[test]
fn a_journal_that_does_not_tell_which_member_it_was_lets_none_go() {
    let deeds = deeds(vec![(
        "n4",
        PhaseName::Swarm,
        What::Swarm(SwarmAction::Join { role: Role::Worker, advertise: [192, 168, 2, 4].into() }, None),
    )]);
    let told = told(&undo(&deeds, &three()));
    assert!(told.len() == 1 && told[0].contains("does not tell which member n4 became"), "{told:?}");
}

#[test]
fn managers_leave_as_long_as_the_others_decide() {
    let deeds = deeds(vec![joined("n2", Role::Manager), joined("n3", Role::Manager)]);
    assert_eq!(
        told(&undo(&deeds, &three())),
        ["swarm: n3: leave the swarm, as manager; n2: leave the swarm, as manager"]
    );
    // With n1 off, n2 and n3 are the quorum.
    let world = World::new("home").manager("n1").manager("n2").manager("n3").off("n1");
    let nodes = vec![
        down(world.member("n1", Role::Manager)),
        world.member("n2", Role::Manager),
        world.member("n3", Role::Manager),
    ];
    let world = world.roster("c1", Some("home"), nodes);
    let told = told(&undo(&deeds, &world));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|line| line.contains("2 of 3 managers answer, 2 are needed")), "{told:?}");
}

#[test]
fn the_run_that_made_a_swarm_ends_it_only_when_nothing_is_left_in_it() {
    let mut list = vec![made("n1"), joined("n2", Role::Manager), joined("n3", Role::Manager)];
    let without = deeds(list.clone());
    list.push(joined("n4", Role::Worker));
    let all = deeds(list);
    let world = three();
    assert_eq!(
        told(&undo(&all, &world)),
        [
            "swarm: n4: leave the swarm, as worker; n3: leave the swarm, as manager; n2: leave the swarm, as manager; \
          n1: end the swarm home as its last member"
        ]
    );
    // Another run brought n4.
    let refused = undo(&without, &world);
    assert!(refused.is_empty());
    assert!(told(&refused)[0].contains("it has members that stay: n4"), "{:?}", told(&refused));
    assert!(refused.refusals[0].help.contains("`skep runs`"));
    let holdings = Holdings { services: 2, secrets: 0, configs: 1 };
    let refused = make(&all, &world.view(), holdings);
    assert!(refused.is_empty() && told(&refused)[0].contains("it holds 2 services, 1 config"));
    // It is over already.
    let over = World::new("home").manager("n1").manager("n2").manager("n3").worker("n4");
    assert_eq!(told(&undo(&all, &over)), [""; 0]);
}

#[test]
fn roles_go_back_promotions_first() {
    let role = |node: &'static str, action: fn(String) -> SwarmAction, before| {
        let receipt = SwarmReceipt::Role { node_id: format!("id-{node}"), before };
        (node, PhaseName::Swarm, What::Swarm(action(format!("id-{node}")), Some(receipt)))
    };
    let promote: fn(String) -> SwarmAction = |node_id| SwarmAction::Promote { node_id };
    let demote: fn(String) -> SwarmAction = |node_id| SwarmAction::Demote { node_id };
    let deeds = deeds(vec![
        role("n1", promote, Role::Worker),
        // It was one already.
        role("n2", promote, Role::Manager),
        role("n4", demote, Role::Manager),
    ]);
    let plan = undo(&deeds, &three());
    assert_eq!(told(&plan), ["swarm: n4: promote to manager; n1: demote to worker"]);
    let members = [("n1", Role::Worker), ("n2", Role::Manager), ("n3", Role::Manager), ("n4", Role::Manager)];
    let back = World::new("home").manager("n1").manager("n2").manager("n3").worker("n4");
    assert_eq!(told(&undo(&deeds, &back.swarm("c1", Some("home"), &members))), [""; 0]);
}

#[test]
fn labels_go_back_one_by_one() {
    let before = [("disk", None), ("rack", Some("a")), ("zone", Some("x"))];
    let deeds = deeds(vec![labelled("n4", &before, &[("disk", "ssd"), ("rack", "b"), ("zone", "y")])]);
    let with = |labels: &[(&str, &str)]| {
        three().options(|cluster| {
            let nodes = cluster.nodes.as_mut().unwrap();
            let node = nodes.iter_mut().find(|node| node.id == "id-n4").unwrap();
            node.labels.extend(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        })
    };
    let left = with(&[("disk", "ssd"), ("rack", "b"), ("zone", "y")]);
    assert_eq!(told(&undo(&deeds, &left)), ["labels: n4: label rack=a zone=x, take off disk"]);
    let changed = with(&[("disk", "nvme"), ("rack", "a"), ("zone", "y")]);
    assert_eq!(
        told(&undo(&deeds, &changed)),
        ["labels: n4: label zone=x", "warning: the label disk of n4 was changed since; it is left as it is"]
    );
    assert_eq!(told(&undo(&deeds, &with(&[("rack", "a"), ("zone", "x")]))), [""; 0]);
}

#[test]
fn options_of_the_swarm_go_back() {
    let configured = SwarmAction::Configure { task_history: 2 };
    let before = Some(SwarmReceipt::TaskHistory { before: 5 });
    let adopted = SwarmAction::Adopt { name: "home".to_owned() };
    let deeds = deeds(vec![
        ("n1", PhaseName::Swarm, What::Swarm(adopted, None)),
        ("n1", PhaseName::Swarm, What::Swarm(configured, before)),
    ]);
    let with = |kept| three().options(|cluster| cluster.task_history = Some(kept));
    let release = "n1: give up the swarm home that was taken over";
    assert_eq!(
        told(&undo(&deeds, &with(2))),
        [format!("swarm: n1: keep 5 finished tasks a slot; {release}")]
    );
    assert_eq!(told(&undo(&deeds, &with(5))), [format!("swarm: {release}")]);
    assert_eq!(told(&undo(&deeds, &with(9))).len(), 2);
}

#[test]
fn an_undo_can_be_undone() {
    let left = |node: &'static str, action: SwarmAction, role| {
        let receipt = SwarmReceipt::Left {
            role,
            advertise: Some([192, 168, 2, 1].into()),
            labels: BTreeMap::from([("skep.node".to_owned(), node.to_owned())]),
            availability: "active".to_owned(),
        };
        (node, PhaseName::Swarm, What::Swarm(action, Some(receipt)))
    };
    let leave = |node: &'static str, role| {
        left(node, SwarmAction::Leave { node_id: format!("id-{node}"), role }, role)
    };
    let dissolve = SwarmAction::Dissolve {
        swarm: "c1".to_owned(),
        name: "home".to_owned(),
        address_pool: Vec::new(),
        subnet_size: None,
        task_history: None,
    };
    let deeds = deeds(vec![
        leave("n2", Role::Worker),
        left("n1", dissolve, Role::Manager),
        (
            "n1",
            PhaseName::Packages,
            What::Change(Receipt::Packages(packages::Receipt {
                removed: BTreeMap::from([("docker.io".to_owned(), "1".to_owned())]),
                ..Default::default()
            })),
        ),
    ]);
    let mut bare = as_left(World::new("home").manager("n1").worker("n2"), &deeds);
    let key = Key::Packages(BTreeSet::from(["docker.io".to_owned()]).into());
    observe(&mut bare, "n1", &key, Observed::Packages(packages::Observed::default()));
    let all = [
        "packages: n1: install docker.io (1)",
        "swarm: n1: make the swarm home, advertised at 192.168.2.1; n2: join as worker, advertised at 192.168.2.1",
        "labels: n1: label skep.node=n1; n2: label skep.node=n2",
    ];
    assert_eq!(told(&undo(&deeds, &bare)), all);
    // Nobody knows what n2 holds.
    let told_of = told(&undo(&deeds, &bare.clone().off("n2")));
    assert!(told_of.iter().any(|line| line.contains("not every node is known to be in none")), "{told_of:?}");
    let there = World::new("home").manager("n1").worker("n2");
    let there =
        as_left(there.swarm("c2", Some("home"), &[("n1", Role::Manager), ("n2", Role::Worker)]), &deeds);
    assert_eq!(told(&undo(&deeds, &there)), [""; 0]);
}

#[test]
fn changes_are_those_that_the_receipts_reverse() {
    let deeds = deeds(vec![("n1", PhaseName::Engine, wrote("/etc/x"))]);
    let plan = undo(&deeds, &as_left(World::new("home").manager("n1"), &deeds));
    let steps: Vec<_> = plan.steps().map(|(_, step)| step.action.clone()).collect();
    let back = file::Change { path: "/etc/x".into(), before: Some(state("ours")), after: None };
    assert_eq!(steps, [crate::plan::Action::Change(Change::File(back))]);
}
