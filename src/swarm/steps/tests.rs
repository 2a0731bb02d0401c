use std::collections::BTreeMap;

use super::*;
use crate::facts::{Engine, SwarmNode, SwarmState};
use crate::plan::Choices;
use crate::swarm::NODE_LABEL;
use crate::swarm::world::{World, down, interface, lead, outside, record, running};

const M: Role = Role::Manager;
const W: Role = Role::Worker;

fn plan(world: &World) -> SwarmPlan {
    steps(&world.view())
}

fn plan_with(world: &World, choices: Choices) -> SwarmPlan {
    steps(&View { choices, ..world.view() })
}

fn adopt(id: &str) -> Choices {
    Choices { adopt: Some(id.to_owned()), ..Choices::default() }
}

fn names(names: &[&str]) -> BTreeSet<NodeName> {
    names.iter().map(|name| NodeName::from(*name)).collect()
}

/// Steps in short: `n1 init`, `n2 join manager`.
fn short(steps: &[Step]) -> Vec<String> {
    let action = |action: &Action| match action {
        Action::Swarm(SwarmAction::Init { .. }) => "init".to_owned(),
        Action::Swarm(SwarmAction::Join { role, .. }) => format!("join {role}"),
        Action::Swarm(SwarmAction::AwaitJoin) => "await".to_owned(),
        Action::Swarm(SwarmAction::Promote { node_id }) => format!("promote {node_id}"),
        Action::Swarm(SwarmAction::Demote { node_id }) => format!("demote {node_id}"),
        Action::Swarm(SwarmAction::Forget { node_id, manager: true }) => format!("forget manager {node_id}"),
        Action::Swarm(SwarmAction::Forget { node_id, .. }) => format!("forget {node_id}"),
        Action::Swarm(SwarmAction::Drain { node_id }) => format!("drain {node_id}"),
        Action::Swarm(SwarmAction::Undrain { node_id }) => format!("undrain {node_id}"),
        Action::Swarm(SwarmAction::Adopt { name }) => format!("adopt {name}"),
        Action::Swarm(SwarmAction::Configure { task_history }) => format!("history {task_history}"),
        Action::Swarm(SwarmAction::Label { node_id, labels, .. }) => {
            let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("label {} {}", node_id.as_deref().unwrap_or("?"), labels.join(" "))
        }
        Action::Swarm(
            other @ (SwarmAction::Release { .. } | SwarmAction::Leave { .. } | SwarmAction::Dissolve { .. }),
        ) => panic!("{other:?}, which only an undo does"),
        Action::Change(_) | Action::Local(_) | Action::FirstLogin(_) | Action::Repair(_) => {
            panic!("{action:?} in the swarm's steps")
        }
    };
    steps.iter().map(|step| format!("{} {}", step.node, action(&step.action))).collect()
}

fn messages(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.message.as_str()).collect()
}

/// Each finding holds its part, in order, and there are no others.
fn assert_findings(case: &str, findings: &[Finding], expected: &[&str]) {
    assert_eq!(findings.len(), expected.len(), "{case}: {:?}", messages(findings));
    for (finding, part) in findings.iter().zip(expected) {
        let text = format!("{} | {}", finding.message, finding.help);
        assert!(text.contains(part), "{case}: {text}");
    }
}

/// Nothing to do and nothing to say.
fn assert_settled(case: &str, plan: &SwarmPlan) {
    assert_eq!(*plan, SwarmPlan::default(), "{case}");
}

fn three() -> World {
    World::new("home").manager("n1").manager("n2").manager("n3").worker("n4")
}

const THREE: &[(&str, Role)] = &[("n1", M), ("n2", M), ("n3", M), ("n4", W)];

fn records(world: &World, members: &[(&str, Role)]) -> Vec<SwarmNode> {
    lead(members.iter().map(|(name, role)| world.member(name, *role)).collect())
}

#[test]
fn bare_hosts_become_a_swarm() {
    let plan = plan(&World::new("home").worker("n1").manager("n2").worker("n3").manager("n4").manager("n5"));
    let expected = ["n2 init", "n4 join manager", "n5 join manager", "n1 join worker", "n3 join worker"];
    assert_eq!(short(&plan.steps), expected);
    let labels = ["n1", "n2", "n3", "n4", "n5"].map(|name| format!("{name} label ? skep.node={name}"));
    assert_eq!(short(&plan.labels), labels);
    assert!(plan.refusals.is_empty() && plan.problems.is_empty() && plan.warnings.is_empty(), "{plan:?}");
}

#[test]
fn the_first_step_carries_all_that_is_fixed_at_init() {
    let mut world = World::new("home").manager("n1").engine("n1", running(outside(SwarmState::Inactive)));
    world.inventory.swarm.address_pool = vec!["172.20.0.0/14".parse().unwrap()];
    world.inventory.swarm.subnet_size = Some(26);
    world.inventory.swarm.task_history = Some(2);
    let plan = plan(&world);
    let init = SwarmAction::Init {
        advertise: "192.168.2.1".parse().unwrap(),
        name: "home".to_owned(),
        address_pool: vec!["172.20.0.0/14".to_owned()],
        subnet_size: Some(26),
        task_history: Some(2),
    };
    assert_eq!(plan.steps, [Step { node: "n1".into(), action: Action::Swarm(init) }]);
    assert_findings("one manager", &plan.warnings, &["1 manager survives the loss of 0"]);
}

#[test]
fn a_settled_swarm_is_left_alone() {
    let mut world = three().swarm("c1", Some("home"), THREE);
    assert_settled("as it is", &plan(&world));
    assert_settled("a host that is off", &plan(&world.clone().off("n4")));
    assert_settled(
        "a stopped engine that the swarm knows",
        &plan(&world.clone().engine("n4", Engine::Stopped { swarm: true })),
    );
    assert_settled(
        "a removed engine that the swarm knows",
        &plan(&world.clone().engine("n4", Engine::Absent { swarm: true })),
    );
    world.inventory.swarm.address_pool = vec!["10.0.0.0/8".parse().unwrap()];
    world.inventory.swarm.subnet_size = Some(24);
    world.inventory.swarm.task_history = Some(5);
    assert_settled("with the options that it has", &plan(&world));
    assert_settled("adopted already", &plan_with(&world, adopt("c1")));
}

#[test]
fn no_swarm_is_made_while_one_may_be_there() {
    let silent = Engine::Silent { cause: "refused".to_owned() };
    let error = { crate::facts::SwarmView { error: "expired".to_owned(), ..outside(SwarmState::Error) } };
    let headless = {
        let mut view = outside(SwarmState::Active);
        view.node_id = "x".to_owned();
        view.control = true;
        view.error = "The swarm does not have a leader.".to_owned();
        view.managers = vec!["192.168.2.9:2377".to_owned()];
        view
    };
    let table: Vec<(&str, World, &[&str], &[&str])> = vec![
        ("off", three().off("n4"), &[], &["skep up --assume-new n4"]),
        ("two off", three().off("n1").off("n4"), &[], &["--assume-new n1 --assume-new n4"]),
        (
            "stopped",
            three().engine("n4", Engine::Stopped { swarm: true }),
            &[],
            &["no swarm is made before that is known | start it: `systemctl start docker` on n4"],
        ),
        (
            "removed",
            three().engine("n4", Engine::Absent { swarm: true }),
            &[],
            &["n4 has no engine now, but the state of a swarm on disc"],
        ),
        (
            "silent",
            three().engine("n2", silent),
            &[],
            &[
                "n2's engine runs but does not answer, so its swarm is unknown: refused; no swarm is made before that is \
               known | wait until it answers, or look at `journalctl -u docker` on n2",
            ],
        ),
        ("joining", three().sees("n2", outside(SwarmState::Pending)), &[], &["n2 is joining"]),
        ("locked", three().sees("n1", outside(SwarmState::Locked)), &[], &["docker swarm unlock"]),
        ("in error", three().sees("n1", error), &[], &["n1 is in a swarm but cannot work: expired"]),
        (
            "without a leader",
            three().sees("n1", headless),
            &[],
            &["answers for: The swarm does not have a leader."],
        ),
        (
            "managers off",
            three().swarm("c1", Some("home"), THREE).off("n1").off("n2").off("n3"),
            &[],
            &[
                "n4 is in a swarm that no manager answers for | bring back enough of its managers (192.168.2.1:2377",
            ],
        ),
        (
            "managers stopped",
            three()
                .swarm("c1", Some("home"), &[("n1", M), ("n2", M), ("n3", M)])
                .options(|cluster| cluster.nodes = Err("lost".to_owned()))
                .engine("n1", Engine::Stopped { swarm: true })
                .off("n3"),
            &[],
            &["n2 is in a swarm that no manager answers for: lost", "systemctl start docker` on n1"],
        ),
    ];
    for (case, world, refusals, problems) in table {
        let plan = plan(&world);
        assert_eq!(short(&plan.steps), [""; 0], "{case}");
        assert_eq!(short(&plan.labels), [""; 0], "{case}");
        assert_findings(case, &plan.refusals, refusals);
        assert_findings(case, &plan.problems, problems);
    }
}

#[test]
fn the_user_may_vouch_for_hosts_that_cannot_be_asked() {
    let vouch = |vouched: &[&str]| Choices { assume_new: names(vouched), ..Choices::default() };
    let off = plan_with(&three().off("n1"), vouch(&["n1"]));
    assert_eq!(short(&off.steps), ["n2 init", "n3 join manager", "n4 join worker"]);
    assert_findings(
        "two managers for now",
        &off.warnings,
        &["2 managers, not 3: 2 managers need 2 for a quorum"],
    );

    let silent = Engine::Silent { cause: "refused".to_owned() };
    for engine in [Engine::Stopped { swarm: true }, Engine::Absent { swarm: true }, silent] {
        let world = three().engine("n4", engine);
        assert_eq!(plan_with(&world, vouch(&["n4"])), plan(&world), "what was reached can be asked");
    }

    let nobody = plan_with(&three().off("n1").off("n2").off("n3"), vouch(&["n1", "n2", "n3"]));
    assert_findings(
        "no manager left",
        &nobody.refusals,
        &["none of its managers can make it: n1, n2, n3 | bring one"],
    );
}

#[test]
fn nodes_are_added() {
    let world = three().worker("n5").swarm("c1", Some("home"), THREE);
    let plan = plan(&world);
    assert_eq!(short(&plan.steps), ["n5 join worker"]);
    assert_eq!(short(&plan.labels), ["n5 label ? skep.node=n5"]);
}

#[test]
fn an_interrupted_run_is_taken_up() {
    let world = three().swarm("c1", Some("home"), &THREE[..1]).sees("n2", outside(SwarmState::Pending));
    let plan = plan(&world);
    assert_eq!(short(&plan.steps), ["n2 await", "n3 join manager", "n4 join worker"]);
    assert_eq!(
        short(&plan.labels),
        ["n2 label ? skep.node=n2", "n3 label ? skep.node=n3", "n4 label ? skep.node=n4"]
    );
}

#[test]
fn roles_change_with_promotions_first() {
    let members = [("n1", W), ("n2", W), ("n3", M), ("n4", M)];
    let world = World::new("home").manager("n1").manager("n2").worker("n3").worker("n4").manager("n5");
    let plan = plan(&world.swarm("c1", Some("home"), &members));
    let expected =
        ["n5 join manager", "n1 promote id-n1", "n2 promote id-n2", "n3 demote id-n3", "n4 demote id-n4"];
    assert_eq!(short(&plan.steps), expected);
    assert_findings("roles", &plan.warnings, &[]);
}

#[test]
fn fewer_managers_are_warned_of() {
    let world = World::new("home").manager("n1").worker("n2").worker("n3").worker("n4");
    let plan = plan(&world.swarm("c1", Some("home"), THREE));
    assert_eq!(short(&plan.steps), ["n2 demote id-n2", "n3 demote id-n3"]);
    assert_findings(
        "1 of 3",
        &plan.warnings,
        &["1 manager survives", "survives the loss of 1 more managers now, and of 0"],
    );
}

#[test]
fn no_step_endangers_the_quorum() {
    // Of three managers one is off; demoting another would leave one that answers, of two.
    let world = World::new("home").manager("n1").worker("n2").worker("n3").worker("n4");
    let mut nodes = records(&world, THREE);
    nodes[2] = down(nodes[2].clone());
    let plan = plan(&world.clone().roster("c1", Some("home"), nodes.clone()).off("n3"));
    assert_eq!(short(&plan.steps), [""; 0]);
    assert_findings("demote", &plan.problems, &["cannot demote n2: 2 of 3 managers answer, 2 are needed"]);

    // Its host answers, so it is demoted first, and the quorum is lower then.
    let plan = plan_with(&world.roster("c1", Some("home"), nodes), Choices::default());
    assert_eq!(short(&plan.steps), ["n3 demote id-n3", "n2 demote id-n2"]);
    assert_findings("demote", &plan.problems, &[]);
}

#[test]
fn a_worker_that_is_not_ready_is_not_promoted() {
    let world = three();
    let mut nodes = records(&world, &[("n1", M), ("n2", M), ("n3", W), ("n4", W)]);
    nodes[2] = down(nodes[2].clone());
    let plan = plan(&world.roster("c1", Some("home"), nodes));
    assert_eq!(short(&plan.steps), [""; 0]);
    assert_findings("promote", &plan.problems, &["n3 is not ready, so it is not promoted"]);
}

#[test]
fn a_host_set_up_anew_takes_its_old_place() {
    let world = three();
    let mut nodes = records(&world, THREE);
    let old = SwarmNode { id: "old".to_owned(), ..down(nodes[2].clone()) };
    nodes[2] = SwarmNode {
        availability: "drain".to_owned(),
        labels: BTreeMap::from([
            (NODE_LABEL.to_owned(), "n3".to_owned()),
            ("disk".to_owned(), "ssd".to_owned()),
        ]),
        ..old
    };
    let plan = plan(&world.roster("c1", Some("home"), nodes));
    assert_eq!(short(&plan.steps), ["n3 forget manager old", "n3 join manager"]);
    assert_eq!(short(&plan.labels), ["n3 label ? disk=ssd skep.node=n3"]);
    assert_findings("drained before", &plan.warnings, &["n3 was on drain before it was set up anew"]);
}

#[test]
fn an_old_record_of_a_host_that_joined_again_is_forgotten() {
    let world = three();
    let mut nodes = records(&world, THREE);
    nodes.push(SwarmNode { id: "old".to_owned(), ..down(nodes[3].clone()) });
    let plan = plan(&world.roster("c1", Some("home"), nodes));
    assert_eq!(short(&plan.steps), ["n4 forget old"]);
    assert_eq!(short(&plan.labels), [""; 0]);
}

#[test]
fn a_member_elsewhere_with_a_hosts_name_is_not_forgotten() {
    let world = three();
    let mut nodes = records(&world, THREE);
    nodes[3].id = "elsewhere".to_owned();
    nodes[3].addr = "192.168.2.99".to_owned();
    let refusal = "another machine carries the name n4 in this swarm: the member elsewhere (board, ready) at \
                   192.168.2.99";
    let outside = plan(&world.clone().roster("c1", Some("home"), nodes.clone()));
    assert_findings("it has yet to join", &outside.refusals, &[refusal]);
    assert_eq!(short(&outside.steps), [""; 0]);

    nodes.push(world.member("n4", W));
    let member = plan(&world.clone().roster("c1", Some("home"), nodes.clone()));
    assert_findings("it is a member itself", &member.refusals, &[refusal]);

    nodes[3].state = "down".to_owned();
    let past = plan(&world.roster("c1", Some("home"), nodes));
    assert_findings("it moved", &past.refusals, &[]);
    assert_eq!(short(&past.steps), ["n4 forget elsewhere"]);
}

#[test]
fn labels_that_differ_are_set_and_others_stay() {
    let mut world = three();
    world.node_mut("n2").labels =
        BTreeMap::from([("disk".to_owned(), "ssd".to_owned()), ("rack".to_owned(), "1".to_owned())]);
    let world = world.swarm("c1", Some("home"), THREE).options(|cluster| {
        let nodes = cluster.nodes.as_mut().unwrap();
        nodes[0].labels = BTreeMap::from([("theirs".to_owned(), "kept".to_owned())]);
        nodes[1].labels.insert("rack".to_owned(), "1".to_owned());
        nodes[1].labels.insert("disk".to_owned(), "hdd".to_owned());
        nodes[2].labels.insert("theirs".to_owned(), "kept".to_owned());
    });
    let plan = plan(&world);
    assert_eq!(short(&plan.steps), [""; 0]);
    assert_eq!(short(&plan.labels), ["n1 label id-n1 skep.node=n1", "n2 label id-n2 disk=ssd"]);
}

#[test]
fn the_swarms_options() {
    let mut world = three().swarm("c1", Some("home"), THREE);
    world.inventory.swarm.task_history = Some(2);
    world.inventory.swarm.address_pool = vec!["172.20.0.0/14".parse().unwrap()];
    world.inventory.swarm.subnet_size = Some(26);
    let plan = plan(&world);
    assert_eq!(short(&plan.steps), ["n1 history 2"]);
    assert_findings(
        "fixed",
        &plan.warnings,
        &["address pool is 10.0.0.0/8, not 172.20.0.0/14", "subnet size is /24, not /26"],
    );
}

#[test]
fn foreign_swarms_are_named_and_refused() {
    let stranger = |node_id: &str, manager: &str| crate::facts::SwarmView {
        node_id: node_id.to_owned(),
        managers: vec![manager.to_owned()],
        ..outside(SwarmState::Active)
    };
    let ours = three().swarm("c1", Some("home"), &THREE[..3]);
    let second = {
        let cluster = crate::swarm::world::cluster("c2", None, Vec::new());
        crate::facts::SwarmView { control: true, cluster: Some(cluster), ..stranger("y", "192.168.2.4:2377") }
    };
    let table: Vec<(&str, World, &[&str])> = vec![
        (
            "unlabelled",
            three().swarm("c1", None, THREE),
            &[
                "n1, n2, n3, n4 are in the swarm c1, which skep did not make | take it over with `skep up --adopt c1`",
            ],
        ),
        (
            "another inventory's",
            three().swarm("c1", Some("office"), &THREE[..1]),
            &["n1 is in the swarm c1, which belongs to the inventory office | write `name: office`"],
        ),
        (
            "a worker of another swarm",
            ours.clone().sees("n4", stranger("x", "10.9.9.9:2377")),
            &["n4 is the member x of a swarm that is not ours, managed at 10.9.9.9:2377"],
        ),
        (
            "a worker that was removed",
            ours.clone().sees("n4", stranger("x", "192.168.2.2:2377")),
            &["n4 still takes itself for the member x, which our swarm has removed"],
        ),
        (
            "a second swarm",
            ours.sees("n4", second),
            &["n4 is in the swarm c2, and n1 is in the swarm c1: one inventory is one swarm"],
        ),
        (
            "two swarms, neither ours",
            World::new("home").manager("n1").worker("n2").swarm("c1", None, &[("n1", M)]).sees("n2", {
                let cluster = crate::swarm::world::cluster(
                    "c2",
                    None,
                    vec![record("y", M, "192.168.2.2".parse().unwrap())],
                );
                crate::facts::SwarmView {
                    control: true,
                    cluster: Some(cluster),
                    ..stranger("y", "192.168.2.2:2377")
                }
            }),
            &["n1 is in the swarm c1", "n2 is in the swarm c2"],
        ),
    ];
    for (case, world, refusals) in table {
        let plan = plan(&world);
        assert_findings(case, &plan.refusals, refusals);
        assert_eq!(short(&plan.steps), [""; 0], "{case}");
        assert_eq!(short(&plan.labels), [""; 0], "{case}");
    }
}

#[test]
fn an_unlabelled_swarm_is_taken_over_when_named() {
    let world = three().swarm("c1", None, &THREE[..3]);
    let plan = plan_with(&world, adopt("c1"));
    assert_eq!(short(&plan.steps), ["n1 adopt home", "n4 join worker"]);
    assert_findings("adopted", &plan.refusals, &[]);

    let wrong = plan_with(&world, adopt("c9"));
    assert_findings(
        "another ID",
        &wrong.refusals,
        &["skep up --adopt c1", "no manager that answers is in the swarm c9"],
    );
}

#[test]
fn members_that_the_inventory_lacks_are_counted() {
    let world = three();
    let mut nodes = records(&world, THREE);
    nodes.push(record("worker", W, "192.168.2.98".parse().unwrap()));
    let one = plan(&world.clone().roster("c1", Some("home"), nodes.clone()));
    assert_findings(
        "a worker",
        &one.warnings,
        &["members that the inventory lacks: worker (board, worker) |"],
    );
    assert_eq!(short(&one.steps), [""; 0]);

    nodes.push(record("extra", M, "192.168.2.99".parse().unwrap()));
    let two = plan(&world.roster("c1", Some("home"), nodes));
    let expected = [
        "extra (board, manager); 1 of them count as managers",
        "will have 4 managers, not 3: 4 managers need 3",
    ];
    assert_findings("a manager", &two.warnings, &expected);
}

#[test]
fn members_that_cannot_work_are_told_and_the_others_go_on() {
    let error =
        crate::facts::SwarmView { error: "certificate has expired".to_owned(), ..outside(SwarmState::Error) };
    let world = three().worker("n5").swarm("c1", Some("home"), THREE);
    let plan = plan(&world.sees("n2", outside(SwarmState::Locked)).sees("n4", error));
    assert_findings(
        "stuck",
        &plan.problems,
        &["n2 is a manager that waits for its unlock key", "certificate has expired"],
    );
    assert_findings("no strangers", &plan.warnings, &[]);
    assert_eq!(short(&plan.steps), ["n5 join worker"]);
}

#[test]
fn an_engine_that_is_stopped_is_not_joined_before_it_is_known() {
    let world =
        three().worker("n5").swarm("c1", Some("home"), THREE).engine("n5", Engine::Stopped { swarm: true });
    let plan = plan(&world);
    assert_findings("stopped", &plan.problems, &["the engine of n5 is installed but stopped"]);
    assert_eq!(short(&plan.steps), [""; 0]);
}

#[test]
fn a_silent_engine_keeps_its_own_node_back_and_counts_for_no_quorum() {
    let silent = || Engine::Silent { cause: "timed out".to_owned() };
    let world = three().worker("n5").swarm("c1", Some("home"), THREE);
    let plan = plan(&world.clone().engine("n4", silent()));
    assert_findings("silent", &plan.problems, &["n4's engine runs but does not answer"]);
    assert_eq!(short(&plan.steps), ["n5 join worker"]);

    let world = World::new("home").manager("n1").worker("n2").worker("n3").worker("n4");
    let world = world.swarm("c1", Some("home"), THREE);
    let fewer = steps(&world.engine("n3", silent()).view());
    assert_findings("demote", &fewer.problems, &["n3's engine", "cannot demote n2: 2 of 3 managers answer"]);
    assert_eq!(short(&fewer.steps), [""; 0]);
}

#[test]
fn addresses_must_be_chosen_and_differ() {
    let network = |world: &mut World, name: &str, nets: &[&str]| {
        world.facts_mut(name).network = vec![interface("eth0", nets)];
    };
    let mut several = three();
    several.node_mut("n2").address = "n2.lan".to_owned();
    network(&mut several, "n2", &["192.168.2.2/24", "192.168.3.2/24"]);
    assert_findings("several", &plan(&several).refusals, &["advertise: 192.168.2.2"]);

    let mut same = three().swarm("c1", Some("home"), &THREE[..3]);
    same.node_mut("n4").address = "n4.lan".to_owned();
    network(&mut same, "n4", &["192.168.2.1/24"]);
    assert_findings("one for two", &plan(&same).refusals, &["n1, n4 would all advertise 192.168.2.1"]);

    let mut apart = three();
    apart.node_mut("n4").address = "10.0.0.4".to_owned();
    network(&mut apart, "n4", &["10.0.0.4/24"]);
    let plan = plan(&apart);
    assert_findings("apart", &plan.warnings, &["share no network"]);
    assert_eq!(plan.steps.len(), 4);
}

#[test]
fn clones_are_refused() {
    let mut world = three().swarm("c1", Some("home"), THREE);
    let clone = world.engine_view("n4").clone();
    let plan = plan(&world.worker("n5").sees("n5", clone));
    assert_findings("a clone", &plan.refusals, &["n4, n5 have one node ID between them: id-n4"]);
}

#[test]
fn a_wrong_number_of_managers_is_refused_whatever_the_hosts_say() {
    let two = World::new("home").manager("n1").manager("n2");
    for world in [two.clone(), two.swarm("c1", Some("home"), &[("n1", M), ("n2", M)])] {
        let plan = plan(&world);
        assert!(
            messages(&plan.refusals).iter().any(|message| message.contains("2 managers need 2")),
            "{plan:?}"
        );
        assert_eq!(short(&plan.steps), [""; 0]);
    }
}

#[test]
fn only_nodes_within_the_limit_are_changed() {
    let limit = |limited: &[&str]| Choices { limit: Some(names(limited)), ..Choices::default() };
    let world = three().worker("n5").swarm("c1", Some("home"), &THREE[..3]);
    let one = plan_with(&world, limit(&["n5"]));
    assert_eq!(short(&one.steps), ["n5 join worker"]);
    assert_eq!(short(&one.labels), ["n5 label ? skep.node=n5"]);

    let stranger = crate::facts::SwarmView { node_id: "x".to_owned(), ..outside(SwarmState::Active) };
    let beside = plan_with(&world.sees("n4", stranger), limit(&["n1"]));
    assert_findings("nothing to change within the limit", &beside.refusals, &[]);

    let roles = World::new("home").manager("n1").worker("n2").worker("n3").manager("n4");
    let roles = roles.swarm("c1", Some("home"), &[("n1", M), ("n2", M), ("n3", M), ("n4", W)]);
    assert!(
        short(&plan_with(&roles, limit(&["n3"])).steps).is_empty(),
        "two managers are refused whatever the limit"
    );
}

#[test]
fn the_limit_hides_nothing_that_keeps_a_swarm_from_being_made() {
    let limit = |limited: &[&str]| Choices { limit: Some(names(limited)), ..Choices::default() };
    let stranger = crate::facts::SwarmView { node_id: "x".to_owned(), ..outside(SwarmState::Active) };
    let first = plan_with(&three(), limit(&["n2", "n4"]));
    assert_eq!(short(&first.steps), ["n2 init", "n4 join worker"]);

    let table: &[(&str, World, &[&str], &str)] = &[
        ("no manager", three(), &["n4"], "add one of them to `--limit`: n1, n2, n3"),
        ("one off", three().off("n4"), &["n1", "n2"], "--assume-new n4"),
        (
            "a stranger",
            three().sees("n4", stranger),
            &["n1", "n2"],
            "n4 is in a swarm that no manager answers for | bring back enough of its managers;",
        ),
    ];
    for (case, world, limited, refusal) in table {
        let plan = plan_with(world, limit(limited));
        assert_findings(case, &[plan.refusals, plan.problems].concat(), &[refusal]);
        assert_eq!(short(&plan.steps), [""; 0], "{case}");
    }
}

#[test]
fn the_limit_hides_no_conflict_while_the_swarm_is_changed() {
    let world = three().worker("n5").worker("n6").swarm("c1", Some("home"), &THREE[..3]);
    let stranger = crate::facts::SwarmView { node_id: "x".to_owned(), ..outside(SwarmState::Active) };
    let manager = {
        let cluster = crate::swarm::world::cluster("c2", None, Vec::new());
        crate::facts::SwarmView { control: true, cluster: Some(cluster), ..stranger.clone() }
    };
    let clone = world.clone().engine_view("n3").clone();
    let one_address = {
        let mut world = world.clone();
        world = world.options(|cluster| {
            cluster.nodes.as_mut().unwrap()[2].addr = "192.168.2.2".to_owned();
        });
        world.facts_mut("n3").network = vec![interface("eth0", &["192.168.2.2/24"])];
        world
    };
    let table = [
        ("a stranger", world.clone().sees("n4", stranger), "n4 is the member x of a swarm that is not ours"),
        ("a second swarm", world.clone().sees("n4", manager), "n4 is in the swarm c2"),
        ("a clone", world.clone().sees("n4", clone), "n3, n4 have one node ID between them"),
        ("one address for two", one_address, "n2, n3 would all advertise 192.168.2.2"),
    ];
    for (case, world, refusal) in table {
        for limited in [Some(names(&["n5"])), None] {
            let plan = plan_with(&world, Choices { limit: limited.clone(), ..Choices::default() });
            assert_findings(case, &plan.refusals, &[refusal]);
            assert_eq!(plan.refusals[0].nodes.is_empty(), limited.is_some(), "{case}: told to all");
            assert_eq!(short(&[plan.steps, plan.labels].concat()), [""; 0], "{case}");
        }
    }
}

#[test]
fn a_record_that_the_managers_still_take_for_alive_is_no_manager_that_answers() {
    let world = three();
    let mut nodes = records(&world, THREE);
    nodes[2].id = "old".to_owned();
    let plan = plan(&world.roster("c1", Some("home"), nodes));
    assert_eq!(short(&plan.steps), ["n3 forget manager old", "n3 join manager"]);
    assert_findings("none", &plan.warnings, &[]);
}
