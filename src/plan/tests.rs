//! Made-up hosts in, plans out.

use std::collections::BTreeMap;

use crate::facts::{Engine, Support};
use crate::inventory::model::{Inventory, NodeName, Owner, Place, Share, ShareMount};
use crate::plan::templates::Texts;
use crate::plan::{Host, PhaseName, Plan, desire, make};
use crate::resource::{
    Change, Key, Observed, Resource, account, basics, boot, clock, daemon, directory, dropin, exports, file,
    hold, hook, iptables, member, module, mount, packages, reboot, repository, sshd, wizard,
};
use crate::resource::{Kind, sysctl, unit};
use crate::swarm::world::World;

/// A thing on a host that has nothing of what is wanted.
pub(super) fn bare(key: &Key) -> Observed {
    match key {
        Key::Packages(_) => Observed::Packages(packages::Observed::default()),
        Key::Directory(_) => Observed::Directory(directory::Observed::Absent),
        Key::File(_) => Observed::File(file::Observed::Absent),
        Key::Dropin(_) => Observed::Dropin(dropin::Observed {
            text: None,
            reload_pending: false,
            running: false,
            stale: false,
        }),
        Key::Unit(_) => Observed::Unit(unit::Observed {
            load: "not-found".to_owned(),
            enabled: String::new(),
            active: "inactive".to_owned(),
            masked_by_package: false,
        }),
        Key::Module(_) => Observed::Module(module::Observed {
            kernel: "6.12".to_owned(),
            state: module::State::Available,
            configured: None,
        }),
        Key::Sysctl(_) => {
            Observed::Sysctl(sysctl::Observed { running: Some("0".to_owned()), configured: None })
        }
        Key::Daemon(()) => Observed::Daemon(daemon::Observed { text: None, running: false, stale: false }),
        Key::Exports(_) => Observed::Exports(exports::Observed {
            text: None,
            served: Vec::new(),
            other: Vec::new(),
            tools: false,
        }),
        Key::Repository(_) => Observed::Repository(repository::Observed::default()),
        Key::Hold(_) => Observed::Hold(hold::Observed::default()),
        Key::Member(_) => Observed::Member(member::Observed::default()),
        Key::Mount(_) => Observed::Mount(mount::Observed {
            text: None,
            enabled: false,
            mounted: None,
            stale: false,
            reload_pending: false,
        }),
        Key::Clock(()) => Observed::Clock(clock::Moment { boot_ms: 1000, unix_ms: 0 }),
        Key::Hook(_) => Observed::Hook(hook::Observed::default()),
        Key::Boot(_) => Observed::Boot(boot::Observed::default()),
        Key::Reboot(()) => Observed::Reboot(reboot::Observed { boot_id: "a".to_owned() }),
        Key::Iptables(()) => Observed::Iptables(iptables::Observed::default()),
        Key::Account(_) => Observed::Account(account::Observed { has_sudo: true, ..Default::default() }),
        Key::Basics(()) => {
            Observed::Basics(basics::Observed { running: "board".into(), ..Default::default() })
        }
        Key::Sshd(_) => Observed::Sshd(sshd::Observed { text: None, included: true, stale: false }),
        Key::Wizard(()) => {
            Observed::Wizard(wizard::Observed { armbian: true, marker: true, ..Default::default() })
        }
    }
}

/// An export as `exportfs -s` tells of it.
fn as_told(mut entry: exports::Entry) -> exports::Entry {
    entry.options.push("no_subtree_check".to_owned());
    entry
}

/// A thing on a host that is just as wanted.
pub(super) fn settled(resource: &Resource) -> Observed {
    match resource {
        Resource::Packages(packages::Desired { install, .. }) => Observed::Packages(packages::Observed {
            installed: install.iter().map(|name| (name.clone(), "1".to_owned())).collect(),
            ..Default::default()
        }),
        Resource::Directory(directory::Desired { mode, uid, gid, .. }) => {
            Observed::Directory(directory::Observed::Directory(directory::Present {
                mode: *mode,
                uid: *uid,
                gid: *gid,
                filled: false,
            }))
        }
        Resource::Dropin(dropin::Desired { text, .. }) => Observed::Dropin(dropin::Observed {
            text: Some(text.clone()).filter(|text| !text.is_empty()),
            reload_pending: false,
            running: true,
            stale: false,
        }),
        Resource::Repository(repository::Desired { text, fingerprint, .. }) => {
            Observed::Repository(repository::Observed {
                text: Some(text.clone()),
                fingerprint: Some(fingerprint.clone()),
                ..Default::default()
            })
        }
        Resource::Hold(hold::Desired { packages, held, .. }) => Observed::Hold(hold::Observed {
            installed: packages.clone(),
            held: if *held { packages.clone() } else { Default::default() },
        }),
        Resource::Member(member::Key { users, .. }) => {
            Observed::Member(member::Observed { members: users.clone(), ..Default::default() })
        }
        Resource::File(file::Desired { text, .. }) if text.is_empty() => {
            Observed::File(file::Observed::Absent)
        }
        Resource::Unit(_) => Observed::Unit(unit::Observed {
            load: "loaded".to_owned(),
            enabled: "enabled".to_owned(),
            active: "active".to_owned(),
            masked_by_package: false,
        }),
        Resource::Daemon(daemon::Desired { options }) => Observed::Daemon(daemon::Observed {
            text: serde_json::to_string(options).ok(),
            running: true,
            stale: false,
        }),
        Resource::Exports(exports::Desired { text, entries, .. }) => Observed::Exports(exports::Observed {
            text: (!text.is_empty()).then(|| text.clone()),
            served: entries.iter().cloned().map(as_told).collect(),
            other: Vec::new(),
            tools: true,
        }),
        Resource::Mount(mount::Desired { text, source, required, .. }) => Observed::Mount(mount::Observed {
            text: Some(text.clone()),
            enabled: true,
            mounted: Some(mount::MountInfo {
                source: source.clone(),
                fstype: "nfs4".to_owned(),
                options: required.clone(),
            }),
            stale: false,
            reload_pending: false,
        }),
        Resource::Boot(_) => Observed::Boot(boot::Observed::default()),
        Resource::Iptables(_) => Observed::Iptables(iptables::Observed::default()),
        // Written files are compared byte for byte in their own rooms.
        Resource::File(_)
        | Resource::Module(_)
        | Resource::Sysctl(_)
        | Resource::Clock(_)
        | Resource::Hook(_)
        | Resource::Reboot(_)
        | Resource::Account(_)
        | Resource::Basics(_)
        | Resource::Sshd(_)
        | Resource::Wizard(()) => {
            unreachable!("settled by what a plan would write: {resource:?}")
        }
    }
}

pub(super) fn see(host: &mut Host, keys: Vec<Key>, observe: impl Fn(&Key) -> Observed) {
    host.observed = keys.into_iter().map(|key| (key.clone(), Ok(observe(&key)))).collect();
}

/// Every host of the world has nothing of what is wanted.
pub(super) fn on_bare_hosts(mut world: World) -> World {
    for node in &world.inventory.nodes {
        let host = world.hosts.get_mut(&node.name).unwrap();
        host.facts.engine = Engine::Absent { swarm: false };
        see(host, desire::keys(&world.inventory, node, &world.choices), bare);
    }
    world
}

/// Every host of the world is as wanted, so far as packages, engine, exports and mounts go.
pub(super) fn on_settled_hosts(mut world: World) -> World {
    for node in &world.inventory.nodes {
        let host = world.hosts.get_mut(&node.name).unwrap();
        let texts = Texts::new(&world.inventory.templates, node);
        let wanted: BTreeMap<Key, Resource> =
            desire::resources(&world.inventory, node, host, &world.choices, &texts)
                .0
                .into_iter()
                .map(|(_, resource)| (resource.key(), resource))
                .collect();
        see(host, desire::keys(&world.inventory, node, &world.choices), |key| match wanted.get(key) {
            None | Some(Resource::Module(_)) => bare(key),
            Some(Resource::Sysctl(wanted)) => Observed::Sysctl(set(wanted)),
            Some(resource) => settled(resource),
        });
    }
    world
}

/// A file as it is after the change that a bare host needs.
pub(super) fn settled_file(resource: &Resource) -> Option<Observed> {
    let Resource::File(wanted) = resource else { return None };
    let change = file::File::diff(wanted, &file::Observed::Absent).unwrap();
    let after = change.and_then(|change| change.after);
    Some(Observed::File(after.map_or(file::Observed::Absent, file::Observed::File)))
}

/// A parameter as it is after the change that a bare host needs.
pub(super) fn set(wanted: &sysctl::Desired) -> sysctl::Observed {
    let before = sysctl::Observed { running: None, configured: None };
    let change = sysctl::Sysctl::diff(wanted, &before).unwrap().unwrap();
    let configured = change.configured.and_then(|file| file.after);
    sysctl::Observed { running: Some(wanted.value.clone()), configured }
}

pub(super) fn share(inventory: &mut Inventory) {
    inventory.shares.push(Share {
        name: "shared".to_owned(),
        place: Place { line: 9, column: 3 },
        server: "n1".into(),
        path: "/srv/my share".into(),
        clients: vec!["192.168.2.0/24".to_owned(), "10.1.0.7".to_owned()],
        options: vec!["rw".to_owned(), "all_squash".to_owned()],
        owner: Owner { uid: 1000, gid: 1000 },
        mode: 0o775,
        mount: Some(ShareMount {
            at: "/mnt/shared".into(),
            on: vec!["n2".into()],
            options: Vec::new(),
            remote: "/srv/my share".into(),
        }),
    });
}

/// Each step as `phase node: title`.
pub(super) fn titles(plan: &Plan) -> Vec<String> {
    let title = |(phase, step): (PhaseName, &super::Step)| {
        format!("{phase} {}: {}", step.node, step.action.describe().title)
    };
    plan.steps().map(title).collect()
}

fn steps_of<'a>(titles: &'a [String], node: &str) -> Vec<&'a str> {
    let mark = format!(" {node}: ");
    titles.iter().map(String::as_str).filter(|title| title.contains(&mark)).collect()
}

#[test]
fn bare_hosts_get_everything_in_order() {
    let plan = make(&on_bare_hosts(World::new("home").manager("n1").worker("n2")).view());
    assert!(plan.refusals.is_empty() && plan.problems.is_empty(), "{plan:?}");
    let phases: Vec<_> = plan.phases.iter().map(|phase| phase.name).collect();
    use PhaseName::{Engine, Kernel, Labels, Packages, Swarm};
    assert_eq!(phases, [Packages, Kernel, Engine, Swarm, Labels]);
    insta::assert_snapshot!(titles(&plan).join("\n"));
}

#[test]
fn options_are_written_before_the_engines_first_start_and_later_for_a_running_one() {
    let mut world = World::new("home").manager("n1");
    world.inventory.engine.options.insert("debug".to_owned(), true.into());
    let plan = make(&on_bare_hosts(world.clone()).view());
    assert!(titles(&plan)[0].starts_with("packages n1: ") && titles(&plan)[0].contains("daemon.json"));
    let members = [("n1", crate::inventory::model::Role::Manager)];
    let mut world = on_settled_hosts(world.swarm("c1", Some("home"), &members));
    let host = world.hosts.get_mut(&NodeName::from("n1")).unwrap();
    let before = daemon::Observed { text: None, running: true, stale: false };
    host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(before)));
    let plan = make(&world.view());
    assert!(titles(&plan)[0].starts_with("engine n1: "), "{:?}", titles(&plan));
}

#[test]
fn options_that_no_swarm_works_with_are_named_where_skep_has_none_of_its_own() {
    let with = |text: &str, stale| {
        let mut world = on_settled_hosts(World::new("home").manager("n1").swarm(
            "c1",
            Some("home"),
            &[("n1", crate::inventory::model::Role::Manager)],
        ));
        let there = daemon::Observed { text: Some(text.to_owned()), running: true, stale };
        let host = world.hosts.get_mut(&NodeName::from("n1")).unwrap();
        host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(there)));
        let plan = make(&world.view());
        assert_eq!(titles(&plan), [""; 0], "{text}");
        plan.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    for (option, stale) in [("\"live-restore\": true", false), ("\"firewall-backend\": \"nftables\"", true)] {
        let problems = with(&format!("{{{option}}}"), stale);
        let name = option.split('"').nth(1).unwrap();
        assert!(problems.len() == 1 && problems[0].contains(name), "{problems:?}");
    }
    for text in ["{ \"live-restore\":false }", "{}", "", "{\"debug\" : true,\n\n \"dns\":[]}"] {
        assert_eq!(with(text, true), [""; 0], "{text}");
    }
}

#[test]
fn a_share_is_exported_by_its_server_and_mounted_by_the_others() {
    let mut world = World::new("home").manager("n1").worker("n2");
    share(&mut world.inventory);
    let plan = make(&on_bare_hosts(world).view());
    let titles = titles(&plan);
    insta::assert_snapshot!(titles.join("\n"));
    let texts: Vec<String> = plan
        .steps()
        .filter(|(phase, _)| matches!(phase, PhaseName::Exports | PhaseName::Mounts))
        .filter_map(|(_, step)| step.action.describe().text)
        .map(|text| format!("{}\n{}", text.path.display(), text.after.unwrap_or_default()))
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn the_nfs_version_of_the_inventory_is_the_one_mounted() {
    for (options, written, required) in [
        (&[][..], "noatime,vers=4.2\n", &["vers=4.2"][..]),
        (&["ro"], "noatime,vers=4.2,ro\n", &["vers=4.2"]),
        (&["vers=4.1"], "noatime,vers=4.1\n", &["vers=4.1"]),
        (&["nfsvers=4.0", "soft"], "noatime,nfsvers=4.0,soft\n", &["vers=4.0"]),
        // The kernel agrees with the server on a minor version and tells that one.
        (&["vers=4"], "noatime,vers=4\n", &[]),
    ] {
        let mut world = World::new("home").manager("n1").worker("n2");
        share(&mut world.inventory);
        let mount = world.inventory.shares[0].mount.as_mut().unwrap();
        mount.options = options.iter().map(|option| (*option).to_owned()).collect();
        let plan = make(&on_bare_hosts(world).view());
        let mounts: Vec<_> = plan
            .steps()
            .filter_map(|(_, step)| match &step.action {
                super::Action::Change(Change::Mount(mount)) => Some(mount.clone()),
                _ => None,
            })
            .collect();
        let text = mounts[0].file.as_ref().unwrap().after.as_ref().unwrap();
        assert!(text.contains(written), "{options:?}: {text}");
        assert_eq!(mounts[0].required, required, "{options:?}");
    }
}

#[test]
fn hosts_that_are_as_wanted_get_nothing() {
    let mut world = World::new("home").manager("n1").worker("n2");
    share(&mut world.inventory);
    world.inventory.engine.options.insert("debug".to_owned(), true.into());
    use crate::inventory::model::Role::{Manager, Worker};
    let world = on_settled_hosts(world.swarm("c1", Some("home"), &[("n1", Manager), ("n2", Worker)]));
    assert_eq!(titles(&make(&world.view())), [""; 0]);
}

#[test]
fn a_kernel_without_nfs_is_named_and_only_its_nfs_left_alone() {
    let mut world = World::new("home").manager("n1").worker("n2");
    share(&mut world.inventory);
    world.facts_mut("n2").kernel.options.insert("NFS_FS".to_owned(), Support::Missing);
    let plan = make(&on_bare_hosts(world).view());
    assert_eq!(plan.problems.len(), 1);
    assert!(plan.problems[0].message.contains("n2 lacks CONFIG_NFS_FS"), "{:?}", plan.problems);
    let titles = titles(&plan);
    assert!(
        steps_of(&titles, "n2").iter().all(|title| !title.contains("nfs") && !title.starts_with("mounts"))
    );
    assert!(steps_of(&titles, "n1").iter().any(|title| title.starts_with("exports")));
    assert!(steps_of(&titles, "n2").iter().any(|title| title.starts_with("swarm")));
}

#[test]
fn limit_leaves_the_others_alone() {
    let mut world = World::new("home").manager("n1").worker("n2");
    world.choices.limit = Some([NodeName::from("n1")].into());
    let titles = titles(&make(&on_bare_hosts(world).view()));
    assert!(steps_of(&titles, "n2").is_empty() && !steps_of(&titles, "n1").is_empty(), "{titles:?}");
}

#[test]
fn what_only_one_host_may_have_is_refused_on_two() {
    let world = || on_bare_hosts(World::new("home").manager("n1").worker("n2").worker("n3"));
    assert!(make(&world().view()).refusals.is_empty());
    let refused = |change: &dyn Fn(&mut World), words: &str| {
        let mut world = world();
        change(&mut world);
        let refusals = make(&world.view()).refusals;
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(refusals[0].message.contains(words), "{:?}", refusals[0]);
    };
    refused(
        &|world| {
            for name in ["n1", "n3"] {
                world.facts_mut(name).system.machine_id = "4f2a".to_owned();
            }
        },
        "n1 and n3 have one machine-id, 4f2a",
    );
    refused(
        &|world| {
            for name in ["n2", "n3"] {
                world.facts_mut(name).system.hostname = "orangepi".to_owned();
            }
        },
        "n2 and n3 have one hostname, orangepi",
    );
    refused(&|world| world.facts_mut("n2").system.systemd = false, "n2 does not run systemd");
    refused(
        &|world| {
            world.facts_mut("n2").system.id = "alpine".to_owned();
            world.facts_mut("n2").system.id_like.clear();
        },
        "which skep does not know",
    );
    refused(
        &|world| world.hosts.get_mut(&NodeName::from("n2")).unwrap().clock_offset_ms = 31_000,
        "n2's clock is 31 s ahead of the other nodes'",
    );
    refused(
        &|world| world.hosts.get_mut(&NodeName::from("n1")).unwrap().clock_offset_ms = -7_200_000,
        "n1's clock is 7200 s behind the other nodes'",
    );
}

#[test]
fn a_lost_quorum_keeps_no_stopped_engine_from_being_started() {
    use crate::inventory::model::Role::Manager;
    let members = [("n1", Manager), ("n2", Manager), ("n3", Manager)];
    let world =
        World::new("home").manager("n1").manager("n2").manager("n3").swarm("c1", Some("home"), &members);
    let world = world.options(|cluster| cluster.nodes = Err("no leader".to_owned()));
    let mut world = on_settled_hosts(world)
        .engine("n2", Engine::Stopped { swarm: true })
        .engine("n3", Engine::Silent { cause: "timed out".to_owned() });
    let docker = Key::Unit("docker.service".to_owned());
    let host = world.hosts.get_mut(&NodeName::from("n2")).unwrap();
    let stopped = unit::Observed {
        load: "loaded".to_owned(),
        enabled: "enabled".to_owned(),
        active: "inactive".to_owned(),
        masked_by_package: false,
    };
    assert!(host.observed.insert(docker, Ok(Observed::Unit(stopped))).is_some());
    let plan = make(&world.view());
    assert_eq!(plan.refusals, []);
    let titles = titles(&plan);
    assert!(titles.len() == 1 && titles[0].starts_with("engine n2: "), "{titles:?}");
    let told: Vec<_> = plan.problems.iter().flat_map(|problem| &problem.nodes).map(|node| &node.0).collect();
    assert_eq!(told, ["n1", "n2", "n3"]);
}

#[test]
fn clocks_that_are_all_off_alike_are_no_reason_to_refuse() {
    let mut world = on_bare_hosts(World::new("home").manager("n1").worker("n2").worker("n3"));
    for host in world.hosts.values_mut() {
        host.clock_offset_ms = 86_400_000;
    }
    assert!(make(&world.view()).refusals.is_empty());
}

#[test]
fn machine_ids_that_are_not_made_yet_are_no_clones() {
    let mut world = on_bare_hosts(World::new("home").manager("n1").worker("n2"));
    for name in ["n1", "n2"] {
        world.facts_mut(name).system.machine_id.clear();
    }
    assert!(make(&world.view()).refusals.is_empty());
}

#[test]
fn a_plan_is_the_same_value_after_a_trip_through_json() {
    let mut world = World::new("home").manager("n1").worker("n2");
    share(&mut world.inventory);
    let plan = make(&on_bare_hosts(world).view());
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn a_clock_that_lags_and_that_nobody_keeps_is_set_before_anything_is_fetched() {
    const YEAR: i64 = 365 * 86_400_000;
    let fresh = |world: &mut World, node: &str, offset: i64| {
        world.facts_mut(node).clock.synchronised = false;
        world.hosts.get_mut(&NodeName::from(node)).unwrap().clock_offset_ms = offset;
    };
    let set = |world: &World| -> Vec<String> {
        let titles = titles(&make(&world.view()));
        titles.into_iter().filter(|title| title.contains("set the clock")).collect()
    };
    let world = || on_bare_hosts(World::new("home").manager("n1").worker("n2").worker("n3"));
    assert_eq!(set(&world()), Vec::<String>::new());

    let mut one = world();
    fresh(&mut one, "n2", -YEAR);
    assert_eq!(set(&one), ["packages n2: set the clock (365 days slow)"]);
    let plan = make(&one.view());
    assert_eq!(plan.refusals, []);
    let first = plan.steps().find(|(_, step)| step.node.0 == "n2").unwrap();
    assert!(first.1.action.describe().title.starts_with("set the clock"), "it comes first");

    // Most of them are fresh: the one that is right is not taken for wrong.
    let mut two = world();
    fresh(&mut two, "n2", -YEAR);
    fresh(&mut two, "n3", -YEAR - 5000);
    assert_eq!(set(&two).len(), 2);
    assert_eq!(make(&two.view()).refusals, []);

    // Kept clocks say that it is this computer's that is wrong.
    let mut wrong_here = world();
    for node in ["n1", "n3"] {
        wrong_here.hosts.get_mut(&NodeName::from(node)).unwrap().clock_offset_ms = -YEAR;
    }
    fresh(&mut wrong_here, "n2", -YEAR);
    assert_eq!(set(&wrong_here), Vec::<String>::new());
    assert_eq!(make(&wrong_here.view()).refusals, []);

    // An hour is no image's date: it may be this computer that is wrong.
    let mut hour = world();
    fresh(&mut hour, "n2", -3_600_000);
    assert_eq!(set(&hour), Vec::<String>::new());
    assert_eq!(make(&hour.view()).refusals.len(), 1);

    // One that goes fast is none of an image's, and a kept one is its keeper's.
    let mut fast = world();
    fresh(&mut fast, "n2", YEAR);
    assert_eq!(set(&fast), Vec::<String>::new());
    assert_eq!(make(&fast.view()).refusals.len(), 1);
    let mut kept = world();
    kept.hosts.get_mut(&NodeName::from("n2")).unwrap().clock_offset_ms = -YEAR;
    assert_eq!(set(&kept), Vec::<String>::new());
    assert_eq!(make(&kept.view()).refusals.len(), 1);
}
