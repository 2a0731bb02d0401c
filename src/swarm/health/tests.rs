use super::*;
use crate::swarm::world::{World, down, lead, record};

fn three_managers() -> World {
    World::new("home").manager("n1").manager("n2").manager("n3").worker("n4")
}

fn records(world: &World) -> Vec<SwarmNode> {
    let roles = [("n1", Role::Manager), ("n2", Role::Manager), ("n3", Role::Manager), ("n4", Role::Worker)];
    lead(roles.iter().map(|(name, role)| world.member(name, *role)).collect())
}

fn health(world: &World) -> (Health, Vec<String>) {
    let health = Health::of(&world.view());
    let findings = health.findings(&world.view()).into_iter().map(|finding| finding.message).collect();
    (health, findings)
}

#[test]
fn all_is_well() {
    let world = three_managers();
    let records = records(&world);
    let (health, findings) = health(&world.roster("c1", Some("home"), records));
    assert_eq!(findings, [""; 0]);
    assert_eq!(health.leader.unwrap().name, Some("n1".into()));
    assert_eq!(health.managers, Managers { total: 3, reachable: 3 });
    assert_eq!((health.quorum, health.tolerance), (2, 1));
    let names: Vec<_> = health.nodes.iter().map(|node| node.name.as_ref().unwrap().0.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3", "n4"]);
    assert_eq!(health.missing, []);
}

#[test]
fn what_is_not_as_planned_is_found() {
    type Change = fn(&mut Vec<SwarmNode>);
    let table: &[(&str, Change, &[&str])] = &[
        (
            "a manager is off",
            |nodes| nodes[2] = down(nodes[2].clone()),
            &[
                "survives the loss of 0 more managers, not 1: 2 of 3 answer, 2 are needed",
                "n3 is down, not ready",
            ],
        ),
        ("a worker is off", |nodes| nodes[3] = down(nodes[3].clone()), &["n4 is down, not ready"]),
        ("a worker is missing", |nodes| drop(nodes.pop()), &["n4 is in no swarm"]),
        (
            "nobody leads",
            |nodes| nodes[0].leader = false,
            &["no leader: 3 of 3 managers answer, 2 are needed"],
        ),
        (
            "a worker should be a manager",
            |nodes| {
                nodes[2].role = "worker".to_owned();
                nodes[2].reachability = None;
            },
            &["survives the loss of 0 more managers, not 1: 2 of 2", "n3 is a worker, not a manager"],
        ),
        (
            "the raft store cannot be reached",
            |nodes| nodes[1].reachability = Some("unreachable".to_owned()),
            &["survives the loss of 0", "the manager n2 is unreachable for the others"],
        ),
        ("a drained node is the user's wish", |nodes| nodes[3].availability = "drain".to_owned(), &[]),
        (
            "a member that the inventory lacks is none of its business",
            |nodes| nodes.push(record("stranger", Role::Worker, "192.168.2.99".parse().unwrap())),
            &[],
        ),
    ];
    for (case, change, expected) in table {
        let world = three_managers();
        let mut nodes = records(&world);
        change(&mut nodes);
        let (_, findings) = health(&world.roster("c1", Some("home"), nodes));
        assert_eq!(findings.len(), expected.len(), "{case}: {findings:?}");
        for (finding, expected) in findings.iter().zip(*expected) {
            assert!(finding.contains(expected), "{case}: {finding}");
        }
    }
}

#[test]
fn a_host_that_is_off_is_a_member_by_its_label() {
    let world = three_managers();
    let mut nodes = records(&world);
    nodes[3] = down(nodes[3].clone());
    let (health, findings) = health(&world.roster("c1", Some("home"), nodes).off("n4"));
    assert_eq!(health.missing, []);
    assert_eq!(findings, ["n4 is down, not ready"]);
}

#[test]
fn without_a_manager_each_node_is_told() {
    let (health, findings) = health(&three_managers().off("n2"));
    assert_eq!(health.cluster, None);
    assert_eq!((health.quorum, health.tolerance), (0, 0));
    let expected = "no manager answers for the swarm home: n1 is in no swarm, n2 is not reached, n3 is in no swarm, \
                    n4 is in no swarm";
    assert_eq!(findings, [expected]);
}

#[test]
fn each_node_that_is_no_member_is_told_what_helps_it() {
    use crate::facts::{Engine, SwarmState};
    use crate::swarm::world::outside;
    let silent = Engine::Silent { cause: "timed out".to_owned() };
    let stranger = crate::facts::SwarmView { node_id: "x".to_owned(), ..outside(SwarmState::Active) };
    let world = || three_managers().swarm("c1", Some("home"), &[("n1", Role::Manager)]);
    let table = [
        (world(), "run `skep up`"),
        (world().off("n4"), "switch n4 on"),
        (world().engine("n4", Engine::Stopped { swarm: true }), "`systemctl start docker` on n4"),
        (world().engine("n4", Engine::Absent { swarm: true }), "installs an engine on n4"),
        (world().engine("n4", silent), "`journalctl -u docker` on n4"),
        (world().sees("n4", stranger), "let it leave (`docker swarm leave --force` on n4"),
        (world().sees("n4", outside(SwarmState::Locked)), "`docker swarm unlock` on n4"),
    ];
    for (world, help) in table {
        let findings = Health::of(&world.view()).findings(&world.view());
        let told = findings.iter().find(|finding| finding.nodes == ["n4".into()]).expect(help);
        assert!(told.help.contains(help), "{help}: {told:?}");
        assert!(!told.help.contains("--adopt"), "there is a swarm already: {told:?}");
    }
}

#[test]
fn without_a_manager_those_that_stand_alike_are_told_as_one() {
    use crate::facts::Engine;
    let help = |world: World| Health::of(&world.view()).findings(&world.view())[0].help.clone();
    assert_eq!(help(three_managers()), "run `skep up`, which lets n1, n2, n3, n4 join");
    let stopped = Engine::Stopped { swarm: true };
    let mixed = three_managers().off("n2").engine("n3", stopped.clone()).engine("n4", stopped);
    assert_eq!(
        help(mixed),
        "switch n2 on or see what keeps SSH from it, then run `skep up`; start it: `systemctl start docker` on n3, \
         n4"
    );
    let nobodys = three_managers().swarm("c1", None, &[("n1", Role::Manager)]);
    assert!(help(nobodys).starts_with("take that swarm over with `skep up --adopt c1`, or let it leave"));
    let theirs = three_managers().swarm("c1", Some("office"), &[("n1", Role::Manager)]);
    assert!(help(theirs).starts_with("let it leave"));
}

#[test]
fn it_survives_its_json_form() {
    let world = three_managers();
    let records = records(&world);
    let (health, _) = health(&world.roster("c1", Some("home"), records));
    let json = serde_json::to_string(&health).unwrap();
    assert_eq!(serde_json::from_str::<Health>(&json).unwrap(), health);
}
