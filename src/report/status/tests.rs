use super::*;
use crate::report::samples::{finding, no_route};
use crate::swarm::quorum::Managers;

fn node(name: &str, role: Role) -> NodeHealth {
    let number = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    NodeHealth {
        name: Some(name.into()),
        node_id: format!("id-{name}"),
        hostname: "nanopi".to_owned(),
        role,
        availability: "active".to_owned(),
        state: "ready".to_owned(),
        addr: format!("192.168.2.{number}"),
        leader: false,
        reachability: (role == Role::Manager).then(|| "reachable".to_owned()),
        labels: BTreeMap::from([(NODE_LABEL.to_owned(), name.to_owned())]),
        engine_version: "20.10.24".to_owned(),
        architecture: "aarch64".to_owned(),
    }
}

fn down(node: NodeHealth) -> NodeHealth {
    let reachability = node.reachability.as_ref().map(|_| "unreachable".to_owned());
    NodeHealth { state: "down".to_owned(), reachability, ..node }
}

/// The health of these members, the first of which leads if it is up.
fn health(mut nodes: Vec<NodeHealth>) -> Health {
    let managers = Managers {
        total: nodes.iter().filter(|node| node.role == Role::Manager).count(),
        reachable: nodes.iter().filter(|node| node.role == Role::Manager && is_up(node)).count(),
    };
    let quorum = managers.total / 2 + 1;
    let leads = managers.reachable >= quorum;
    let leader = nodes.iter_mut().find(|node| leads && is_up(node)).map(|node| {
        node.leader = true;
        NodeRef { name: node.name.clone(), node_id: node.node_id.clone(), hostname: node.hostname.clone() }
    });
    Health {
        name: "home".to_owned(),
        cluster: Some("c1".to_owned()),
        leader,
        managers,
        quorum,
        tolerance: managers.reachable.saturating_sub(quorum),
        nodes,
        missing: vec![],
    }
}

fn managers(names: &[&str]) -> Vec<NodeHealth> {
    names.iter().map(|name| node(name, Role::Manager)).collect()
}

fn show(health: Health, surface: &Surface) -> String {
    status(&Status::new(health, BTreeMap::new(), vec![]), surface)
}

/// Three managers of which one is down, a drained worker, a stranger, and a host that is in no swarm.
fn troubled() -> Status {
    let mut nodes = managers(&["n1", "n2"]);
    nodes.push(down(node("n3", Role::Manager)));
    nodes.push(NodeHealth { availability: "drain".to_owned(), ..node("n4", Role::Worker) });
    let mut labelled = node("n5", Role::Worker);
    labelled.labels.insert("disk".to_owned(), "ssd".to_owned());
    nodes.push(labelled);
    nodes.push(NodeHealth { name: None, hostname: "old-laptop".to_owned(), ..node("n9", Role::Worker) });
    let missing = vec![Missing { name: "n6".into(), why: "not reached".to_owned() }];
    let unreachable = BTreeMap::from([("n6".into(), no_route())]);
    let findings = vec![
        finding(&["n3"], "n3 is down, not ready", "see whether n3 is on: `systemctl status docker` there"),
        finding(&["n6"], "n6 is not reached", "run `skep up` once it can be reached"),
    ];
    Status::new(Health { missing, ..health(nodes) }, unreachable, findings)
}

#[test]
fn a_healthy_swarm() {
    let mut nodes = managers(&["n1", "n2", "n3"]);
    nodes.extend(["n4", "n5"].map(|name| node(name, Role::Worker)));
    insta::assert_snapshot!(show(health(nodes), &Surface::PLAIN));
}

#[test]
fn a_troubled_swarm() {
    insta::assert_snapshot!(status(&troubled(), &Surface::PLAIN));
    insta::assert_snapshot!(
        "a_troubled_swarm_ascii",
        status(&troubled(), &Surface { unicode: false, ..Surface::PLAIN })
    );
    let coloured = status(&troubled(), &Surface { colour: true, ..Surface::PLAIN });
    insta::assert_snapshot!("a_troubled_swarm_coloured", coloured.replace('\u{1b}', "^"));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), status(&troubled(), &Surface::PLAIN));
}

#[test]
fn ascii_is_ascii() {
    assert!(status(&troubled(), &Surface { unicode: false, ..Surface::PLAIN }).is_ascii());
}

#[test]
fn the_headline_tells_how_many_losses_are_survived() {
    let all = |number: usize, lost: usize| {
        let mut nodes: Vec<_> = (1..=number).map(|n| node(&format!("n{n}"), Role::Manager)).collect();
        for lost in nodes.iter_mut().rev().take(lost) {
            *lost = down(lost.clone());
        }
        headline(&health(nodes), &Surface::PLAIN)
    };
    let cases = [
        (1, 0, "swarm home  ·  1 manager, leader n1  ·  its loss is the loss of the swarm"),
        (2, 0, "swarm home  ·  2 managers, leader n1  ·  survives no loss of a manager"),
        (3, 0, "swarm home  ·  3 managers, leader n1  ·  survives the loss of 1 manager"),
        (3, 1, "swarm home  ·  3 managers, leader n1  ·  survives no further loss of a manager"),
        (3, 2, "swarm home  ·  3 managers, no leader  ·  no quorum: 1 of 3 answer, 2 are needed"),
        (5, 0, "swarm home  ·  5 managers, leader n1  ·  survives the loss of 2 managers"),
        (5, 1, "swarm home  ·  5 managers, leader n1  ·  survives the loss of 1 more manager"),
    ];
    for (number, lost, wanted) in cases {
        assert_eq!(all(number, lost), wanted);
    }
}

#[test]
fn without_a_swarm_each_host_is_told() {
    let nowhere = Health {
        name: "home".to_owned(),
        cluster: None,
        leader: None,
        managers: Managers { total: 0, reachable: 0 },
        quorum: 0,
        tolerance: 0,
        nodes: vec![],
        missing: vec![
            Missing { name: "n1".into(), why: "in no swarm".to_owned() },
            Missing { name: "n2".into(), why: "not reached".to_owned() },
        ],
    };
    insta::assert_snapshot!(show(nowhere, &Surface::PLAIN));
}

#[test]
fn a_hundred_nodes_fit_a_narrow_terminal() {
    let mut nodes = managers(&["n1", "n2", "n3", "n4", "n5", "n6", "n7"]);
    nodes.extend((8..=100).map(|n| node(&format!("n{n}"), Role::Worker)));
    let narrow = Surface { width: Some(80), ..Surface::PLAIN };
    let text = show(health(nodes), &narrow);
    let drawing: Vec<_> = text.split("\n\n").take(2).collect();
    insta::assert_snapshot!(drawing.join("\n\n"));
    let widths: Vec<_> = drawing[1].lines().map(console::measure_text_width).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "frames are straight: {widths:?}");
    assert!(drawing[1].lines().all(|line| console::measure_text_width(line) <= 80));
}

#[test]
fn names_of_any_alphabet_keep_the_frames() {
    let nodes = vec![node("küche1", Role::Manager), node("日本2", Role::Worker)];
    insta::assert_snapshot!(show(health(nodes), &Surface::PLAIN));
}

#[test]
fn no_text_of_a_host_steers_the_terminal() {
    let evil = "x\u{1b}[2J\u{7}\r\n\u{9b}1m".to_owned();
    let mut node = node("n1", Role::Worker);
    node.labels.insert(evil.clone(), evil.clone());
    let node = NodeHealth {
        name: None,
        hostname: evil.clone(),
        state: evil.clone(),
        addr: evil.clone(),
        engine_version: evil,
        ..node
    };
    let text = show(health(vec![node]), &Surface::PLAIN);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn the_json_form_is_versioned_and_read_back() {
    let json = serde_json::to_value(troubled()).unwrap();
    assert_eq!((&json["event"], &json["version"]), (&"status".into(), &1.into()));
    assert_eq!(serde_json::from_value::<Status>(json).unwrap(), troubled());
}
