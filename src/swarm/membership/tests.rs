use super::*;
use crate::swarm::world::{World, down, outside, record, running};

fn three() -> World {
    World::new("home").manager("n1").worker("n2").worker("n3")
}

const MEMBERS: &[(&str, Role)] = &[("n1", Role::Manager), ("n2", Role::Worker), ("n3", Role::Worker)];

fn read(world: &World) -> Membership {
    Membership::read(&world.view())
}

fn member(name: &str, role: Role) -> Standing {
    Standing::Member { node_id: format!("id-{name}"), role, ready: true }
}

#[test]
fn bare_hosts_are_outside_and_no_swarm_is_ours() {
    let world = three().engine("n2", running(outside(SwarmState::Inactive)));
    let membership = read(&world);
    assert_eq!(membership.ours, None);
    assert_eq!(membership.others, []);
    assert!(membership.standings.values().all(|standing| *standing == Standing::Outside), "{membership:?}");
}

#[test]
fn members_of_our_swarm_are_told_by_node_id() {
    let membership = read(&three().swarm("c1", Some("home"), MEMBERS));
    assert_eq!(
        membership.ours.as_ref().map(|roster| (roster.via.0.as_str(), roster.adopted)),
        Some(("n1", false))
    );
    assert_eq!(ours(&three().swarm("c1", Some("home"), MEMBERS).view()).as_deref(), Some("c1"));
    assert_eq!(ours(&three().swarm("c1", Some("office"), MEMBERS).view()), None);
    for (name, role) in MEMBERS {
        assert_eq!(*membership.standing(&(*name).into()), member(name, *role));
    }
}

#[test]
fn what_does_not_answer_is_unknown() {
    let silent = Engine::Silent { cause: "no answer in 5 s".to_owned() };
    let world = three().off("n1").engine("n2", Engine::Stopped { swarm: true }).engine("n3", silent);
    let expected = [
        ("n1", Unknown::Unreachable),
        ("n2", Unknown::Stopped),
        ("n3", Unknown::Silent { cause: "no answer in 5 s".to_owned() }),
    ];
    let membership = read(&world);
    for (name, unknown) in expected {
        assert_eq!(*membership.standing(&name.into()), Standing::Unknown(unknown));
    }
}

#[test]
fn what_a_removed_engine_left_on_disc_is_not_known_to_be_outside() {
    let membership = read(&three().engine("n1", Engine::Absent { swarm: true }));
    assert_eq!(*membership.standing(&"n1".into()), Standing::Unknown(Unknown::Absent));
    assert_eq!(*membership.standing(&"n2".into()), Standing::Outside);
}

#[test]
fn states_that_are_neither_in_nor_out_stay_what_they_are() {
    let mut error = outside(SwarmState::Error);
    error.error = "certificate expired".to_owned();
    let world = three()
        .sees("n1", outside(SwarmState::Pending))
        .sees("n2", outside(SwarmState::Locked))
        .sees("n3", error);
    let membership = read(&world);
    assert_eq!(*membership.standing(&"n1".into()), Standing::Pending);
    assert_eq!(*membership.standing(&"n2".into()), Standing::Locked);
    assert_eq!(
        *membership.standing(&"n3".into()),
        Standing::Error { cause: "certificate expired".to_owned() }
    );
}

#[test]
fn a_swarm_without_our_label_is_not_ours() {
    for label in [None, Some("office")] {
        let membership = read(&three().swarm("c1", label, MEMBERS));
        assert_eq!(membership.ours, None);
        let other =
            Other { id: "c1".to_owned(), label: label.map(str::to_owned), managers: vec!["n1".into()] };
        assert_eq!(membership.others, [other]);
        assert!(
            matches!(membership.standing(&"n1".into()), Standing::Foreign { cluster: Some(id), .. } if id == "c1")
        );
        assert!(
            matches!(membership.standing(&"n2".into()), Standing::Foreign { cluster: Some(id), .. } if id == "c1")
        );
    }
}

#[test]
fn only_an_unlabelled_swarm_that_was_named_is_adopted() {
    let table = [(None, "c1", true), (None, "c2", false), (Some("office"), "c1", false)];
    for (label, named, adopted) in table {
        let mut world = three().swarm("c1", label, MEMBERS);
        world.choices.adopt = Some(named.to_owned());
        let membership = read(&world);
        assert_eq!(membership.ours.is_some_and(|roster| roster.adopted), adopted, "{label:?} {named}");
    }
}

#[test]
fn a_member_of_another_swarm_is_foreign() {
    let world = three().swarm("c1", Some("home"), &MEMBERS[..2]);
    let mut worker = outside(SwarmState::Active);
    worker.node_id = "stranger".to_owned();
    worker.managers = vec!["10.9.9.9:2377".to_owned()];
    let foreign = Standing::Foreign {
        cluster: None,
        node_id: "stranger".to_owned(),
        managers: worker.managers.clone(),
    };
    let membership = read(&world.clone().sees("n3", worker));
    assert_eq!(*membership.standing(&"n3".into()), foreign);

    let mut manager = outside(SwarmState::Active);
    manager.cluster = Some(crate::swarm::world::cluster("c2", Some("home"), Vec::new()));
    let membership = read(&world.sees("n3", manager));
    assert_eq!(membership.ours.as_ref().map(|roster| roster.cluster.id.as_str()), Some("c1"));
    assert_eq!(membership.others.len(), 1);
    assert!(
        matches!(membership.standing(&"n3".into()), Standing::Foreign { cluster: Some(id), .. } if id == "c2")
    );
}

#[test]
fn without_quorum_nothing_is_ours_and_the_engines_words_are_kept() {
    let words = "The swarm does not have a leader.";
    for cluster_id in ["", "c1"] {
        let mut world = three().swarm("c1", Some("home"), MEMBERS).options(|cluster| {
            cluster.id = cluster_id.to_owned();
            cluster.nodes = Err(words.to_owned());
        });
        world.engine_view("n1").error = words.to_owned();
        let membership = read(&world);
        assert_eq!(membership.ours, None, "{cluster_id:?}");
        assert!(
            matches!(membership.standing(&"n1".into()), Standing::Unplaced { cause, .. } if cause == words)
        );
        assert!(matches!(membership.standing(&"n2".into()), Standing::Unplaced { .. }));
    }
}

#[test]
fn a_manager_that_lists_the_nodes_answers_for_one_that_cannot() {
    let members = [("n1", Role::Manager), ("n2", Role::Manager), ("n3", Role::Worker)];
    let mut world = three().swarm("c1", Some("home"), &members);
    world.engine_view("n1").cluster.as_mut().unwrap().nodes = Err("context deadline exceeded".to_owned());
    assert_eq!(read(&world).ours.unwrap().via, "n2".into());
}

#[test]
fn a_host_set_up_anew_leaves_a_ghost() {
    let world = three();
    let mut records: Vec<_> = MEMBERS.iter().map(|(name, role)| world.member(name, *role)).collect();
    let anew = record("id-n3-old", Role::Worker, "192.168.2.3".parse().unwrap());
    records.push(SwarmNode { labels: records[2].labels.clone(), ..down(anew) });
    let ghosts = |world: &World| -> Vec<String> {
        read(world).ghosts(&"n3".into()).iter().map(|node| node.id.clone()).collect()
    };
    let back = world.clone().roster("c1", Some("home"), records.clone());
    assert_eq!(ghosts(&back), ["id-n3-old"], "it has joined again");

    let outside = world.clone().roster("c1", Some("home"), [&records[..2], &records[3..]].concat());
    assert_eq!(ghosts(&outside), ["id-n3-old"], "it has not joined yet");

    let silent = Engine::Silent { cause: "timed out".to_owned() };
    for engine in [Engine::Absent { swarm: true }, Engine::Stopped { swarm: true }, silent] {
        let world = outside.clone().engine("n3", engine);
        assert!(ghosts(&world).is_empty(), "what cannot be asked keeps its record: {world:?}");
    }
    assert!(ghosts(&outside.off("n3")).is_empty(), "a host that is off keeps its record");
    records[3].state = "ready".to_owned();
    let unnoticed = world.clone().roster("c1", Some("home"), records.clone());
    assert_eq!(
        ghosts(&unnoticed),
        ["id-n3-old"],
        "the managers have not noticed yet, but it bears its address"
    );
    records[3].addr = "192.168.2.99".to_owned();
    let other = world.clone().roster("c1", Some("home"), records.clone());
    assert!(ghosts(&other).is_empty(), "another machine, mislabelled");
    let rivals = |world: &World| -> Vec<String> {
        read(world).rivals(&"n3".into()).iter().map(|node| node.id.clone()).collect()
    };
    assert_eq!(rivals(&other), ["id-n3-old"]);
    assert!(rivals(&back).is_empty(), "its own past is no rival");
    assert!(rivals(&other.off("n3")).is_empty(), "a host that is off may be either");
    records[3].addr = "127.0.0.1".to_owned();
    let mut loopback = world.roster("c1", Some("home"), records);
    loopback.facts_mut("n3").network.push(crate::swarm::world::interface("lo", &["127.0.0.1/8"]));
    assert!(ghosts(&loopback).is_empty(), "every host has that address");
}

#[test]
fn members_are_named_by_what_hosts_tell_and_by_label_where_they_are_off() {
    let world = three().swarm("c1", Some("home"), MEMBERS).options(|cluster| {
        // Somebody swapped the labels: the hosts know better.
        for (record, label) in cluster.nodes.as_mut().unwrap().iter_mut().zip(["n2", "n1", "n3"]) {
            record.labels.insert(NODE_LABEL.to_owned(), label.to_owned());
        }
    });
    let names = |world: &World| -> Vec<Option<String>> {
        let membership = read(world);
        let nodes = membership.ours.clone().unwrap().nodes;
        nodes.iter().map(|node| membership.name_of(node).map(|name| name.0.clone())).collect()
    };
    let expected = ["n1", "n2", "n3"].map(|name| Some(name.to_owned()));
    assert_eq!(names(&world), expected);
    assert_eq!(names(&world.off("n3")), expected);
}

#[test]
fn a_swarm_is_at_rest_when_all_whose_engines_work_are_said_to() {
    let restless = |world: World| read(&world).restless();
    let healthy = three().swarm("c1", Some("home"), MEMBERS);
    assert_eq!(restless(three()), []);
    assert_eq!(restless(healthy.clone()), []);
    assert_eq!(restless(healthy.clone().sees("n2", outside(SwarmState::Pending))), ["n2".into()]);
    let stopped = healthy.engine("n3", Engine::Stopped { swarm: true });
    assert_eq!(restless(stopped), [], "no waiting brings it back");

    let records = |mend: fn(&mut SwarmNode)| {
        let world = three();
        let mut records: Vec<_> = MEMBERS.iter().map(|(name, role)| world.member(name, *role)).collect();
        mend(&mut records[0]);
        mend(&mut records[2]);
        restless(world.roster("c1", Some("home"), records))
    };
    assert_eq!(records(|record| record.state = "unknown".into()), ["n1".into(), "n3".into()]);
    let unheard = |record: &mut SwarmNode| {
        record.reachability = record.reachability.take().map(|_| "unreachable".to_owned());
    };
    assert_eq!(records(unheard), ["n1".into()]);

    let mut leaderless = three().swarm("c1", Some("home"), MEMBERS);
    let none_leads = Err("the swarm does not have a leader".to_owned());
    leaderless.engine_view("n1").cluster.as_mut().unwrap().nodes = none_leads;
    assert_eq!(restless(leaderless), ["n1".into(), "n2".into(), "n3".into()]);
}
