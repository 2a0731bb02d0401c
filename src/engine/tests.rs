use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::fake::{Answer, Asked, EAGER, Fake, ONCE, info, ok, refuse};
use super::*;
use crate::facts::SwarmNode;
use crate::inventory::model::Role;

const TOKEN: &str = "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-7p73s1dx5in4tatdymyhg9hu2";
const TIMEOUT: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the \
                       background. Use the \"docker info\" command to see the current swarm status of your node.";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What is asked next, and the answer to it.
type Turn = (&'static str, fn() -> Answer);

/// Answers one after another; the last one again and again.
fn script(answers: Vec<Turn>) -> Fake {
    let mut answers = std::collections::VecDeque::from(answers);
    Fake::new(move |asked| {
        let (expected, answer) = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] };
        assert_eq!(format!("{} {}", asked.method, asked.path), expected);
        answer()
    })
}

fn node(version: u64, spec: Value) -> Value {
    json!({ "ID": "n", "Version": { "Index": version }, "Spec": spec })
}

#[tokio::test]
async fn one_relay_serves_all_requests() {
    let fake = script(vec![("GET /info", || info("active", ""))]);
    let engine = fake.connect(EAGER).await.unwrap();
    for _ in 0..3 {
        assert_eq!(engine.local().await.unwrap().state, SwarmState::Active);
    }
    let (one, other) = tokio::join!(engine.local(), engine.node_id());
    assert_eq!((one.unwrap().node_id, other.unwrap()), ("id".to_owned(), "id".to_owned()));
    assert_eq!(fake.dialled(), 1);
    assert!(fake.asked().iter().all(|asked| asked.host == "docker"));
}

#[tokio::test]
async fn a_relay_that_broke_is_dialled_again() {
    let fake = script(vec![("GET /info", || Answer::Broken), ("GET /info", || info("inactive", ""))]);
    let engine = fake.connect(EAGER).await.unwrap();
    assert!(matches!(engine.local().await, Err(Error::Relay { .. })));
    assert_eq!(engine.local().await.unwrap().state, SwarmState::Inactive);
    assert_eq!(fake.dialled(), 2);
}

#[tokio::test]
async fn a_change_that_may_have_arrived_is_not_sent_again() {
    let fake = script(vec![("POST /swarm/init", || Answer::Broken)]);
    let engine = fake.connect(EAGER).await.unwrap();
    let init = Init {
        advertise: ip("10.0.0.1"),
        name: "home",
        address_pool: &[],
        subnet_size: None,
        task_history: None,
    };
    assert!(matches!(engine.init(&init).await, Err(Error::Relay { .. })));
    assert_eq!(fake.paths(), ["POST /swarm/init"]);
}

#[tokio::test]
async fn an_engine_that_never_answers_is_given_up_with_its_relay() {
    let fake = script(vec![("GET /info", || Answer::Silence), ("GET /info", || info("inactive", ""))]);
    let engine = fake.connect(EAGER).await.unwrap();
    let given_up = Patience { request: std::time::Duration::ZERO, ..EAGER };
    let silent = given_up.request("answer", async { engine.docker.info().await }).await;
    assert!(matches!(silent, Err(Error::Timeout { .. })));
    assert_eq!(engine.local().await.unwrap().state, SwarmState::Inactive);
}

#[tokio::test]
async fn where_nobody_can_be_dialled_the_systems_words_are_kept() {
    let dial = || async { io::Result::<tokio::io::DuplexStream>::Err(io::Error::other("no docker.sock")) };
    let error = Engine::connect(dial).await.unwrap_err();
    assert!(error.to_string().contains("no docker.sock"), "{error}");
}

#[tokio::test]
async fn a_swarm_is_made_with_its_label() {
    let fake = script(vec![("POST /swarm/init", || ok(json!("node-id")))]);
    let engine = fake.connect(EAGER).await.unwrap();
    let pool = ["172.20.0.0/14".to_owned()];
    let plain = Init {
        advertise: ip("192.168.2.1"),
        name: "home",
        address_pool: &[],
        subnet_size: None,
        task_history: None,
    };
    let full = Init { advertise: ip("fd00::1"), address_pool: &pool, task_history: Some(2), ..plain };
    engine.init(&plain).await.unwrap();
    engine.init(&full).await.unwrap();
    engine.init(&Init { subnet_size: Some(26), ..full }).await.unwrap();
    let bodies: Vec<Value> = fake.asked().into_iter().map(|asked| asked.body).collect();
    let labels = json!({ "skep.swarm": "home" });
    assert_eq!(
        bodies[0],
        json!({
            "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "192.168.2.1:2377",
            "Spec": { "Name": "default", "Labels": labels },
        })
    );
    assert_eq!(
        bodies[1],
        json!({
            "ListenAddr": "[::]:2377", "AdvertiseAddr": "[fd00::1]:2377", "DefaultAddrPool": ["172.20.0.0/14"], "SubnetSize": 24,
            "Spec": { "Name": "default", "Labels": labels, "Orchestration": { "TaskHistoryRetentionLimit": 2 } },
        })
    );
    assert_eq!(bodies[2]["SubnetSize"], 26);
}

#[tokio::test]
async fn tokens_are_kept_from_sight() {
    let fake =
        script(vec![("GET /swarm", || ok(json!({ "JoinTokens": { "Worker": TOKEN, "Manager": TOKEN } })))]);
    let tokens = fake.connect(EAGER).await.unwrap().tokens().await.unwrap();
    assert_eq!((tokens.worker.expose_secret(), tokens.manager.expose_secret()), (TOKEN, TOKEN));
    assert!(!format!("{tokens:?}").contains("SWMTKN"));

    let garbled = script(vec![("GET /swarm", || ok(json!({ "JoinTokens": TOKEN })))]);
    let error = garbled.connect(EAGER).await.unwrap().tokens().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&TOKEN[7..]), "{error:?}");
}

#[tokio::test]
async fn a_join_that_times_out_is_waited_for_and_not_repeated() {
    let fake = script(vec![
        ("POST /swarm/join", || refuse(503, TIMEOUT)),
        ("GET /info", || info("pending", "")),
        ("GET /info", || info("pending", "")),
        ("GET /info", || info("active", "")),
    ]);
    let engine = fake.connect(EAGER).await.unwrap();
    engine.join(vec!["192.168.2.1:2377".to_owned()], &TOKEN.into(), ip("192.168.2.2")).await.unwrap();
    assert_eq!(fake.paths(), ["POST /swarm/join", "GET /info", "GET /info", "GET /info"]);
    let body = json!({
        "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "192.168.2.2:2377", "RemoteAddrs": ["192.168.2.1:2377"],
        "JoinToken": TOKEN,
    });
    assert_eq!(fake.asked()[0].body, body);
}

#[tokio::test]
async fn a_join_whose_relay_broke_is_waited_for() {
    let broken = || Answer::Broken;
    let fake = script(vec![
        ("POST /swarm/join", broken),
        ("GET /info", broken),
        ("GET /info", || info("active", "")),
    ]);
    let engine = fake.connect(EAGER).await.unwrap();
    engine.join(Vec::new(), &TOKEN.into(), ip("192.168.2.2")).await.unwrap();
    assert_eq!(fake.paths().iter().filter(|path| *path == "POST /swarm/join").count(), 1);
}

#[tokio::test]
async fn whether_something_was_begun_is_told_by_the_engine_alone() {
    let broken = || Answer::Broken;
    let table: Vec<(&str, Patience, Fake, bool)> = vec![
        ("never heard of it", ONCE, script(vec![("GET /info", || info("inactive", ""))]), false),
        ("at it", ONCE, script(vec![("GET /info", || info("pending", ""))]), true),
        ("done", ONCE, script(vec![("GET /info", || info("active", ""))]), true),
        ("failed", ONCE, script(vec![("GET /info", || info("error", "x509"))]), true),
        (
            "late",
            Patience { begin: std::time::Duration::from_secs(600), ..EAGER },
            script(vec![
                ("GET /info", || info("inactive", "")),
                ("GET /info", broken),
                ("GET /info", || info("pending", "")),
            ]),
            true,
        ),
    ];
    for (name, patience, fake, begun) in table {
        let engine = fake.connect(patience).await.unwrap();
        assert_eq!(engine.begun().await.unwrap(), begun, "{name}");
    }
    // What cannot be asked is not taken for a no.
    let engine = script(vec![("GET /info", || Answer::Broken)]).connect(ONCE).await.unwrap();
    assert!(matches!(engine.begun().await, Err(Error::Relay { .. })));
}

#[tokio::test]
async fn joins_that_fail_tell_why_without_the_token() {
    let said = || refuse(400, &format!("rpc error: invalid join token {TOKEN}"));
    let table: Vec<(&str, Fake, &str)> = vec![
        (
            "refused",
            script(vec![("POST /swarm/join", said)]),
            "refused to join: rpc error: invalid join token SWMTKN-…",
        ),
        (
            "given up in the background",
            script(vec![
                ("POST /swarm/join", || refuse(503, TIMEOUT)),
                ("GET /info", || info("inactive", "connection refused")),
            ]),
            "did not join: connection refused",
        ),
        (
            "never begun",
            script(vec![
                ("POST /swarm/join", || refuse(503, TIMEOUT)),
                ("GET /info", || info("inactive", "")),
            ]),
            "Timeout was reached",
        ),
        (
            "in error",
            script(vec![
                ("POST /swarm/join", || refuse(503, TIMEOUT)),
                ("GET /info", || info("error", "x509")),
            ]),
            "did not join: x509",
        ),
        (
            "pending for ever",
            script(vec![
                ("POST /swarm/join", || refuse(503, TIMEOUT)),
                ("GET /info", || info("pending", "")),
            ]),
            "did not join within 0 s",
        ),
    ];
    for (case, fake, words) in table {
        let engine = fake.connect(ONCE).await.unwrap();
        let error = engine.join(Vec::new(), &TOKEN.into(), ip("192.168.2.2")).await.unwrap_err();
        assert!(error.to_string().contains(words), "{case}: {error}");
        assert!(!format!("{error:?} {error}").contains(&TOKEN[7..]), "{case}");
    }
}

#[tokio::test]
async fn only_managers_that_answer_are_joined_at() {
    let list = || {
        ok(json!([
            { "ID": "a", "ManagerStatus": { "Reachability": "reachable", "Addr": "192.168.2.1:2377", "Leader": true } },
            { "ID": "b", "ManagerStatus": { "Reachability": "unreachable", "Addr": "192.168.2.2:2377" } },
            { "ID": "c", "Spec": { "Role": "worker" } },
        ]))
    };
    let silent = || ok(json!([{ "ID": "b", "ManagerStatus": { "Reachability": "unreachable" } }]));
    let fake = script(vec![("GET /nodes", list), ("GET /nodes", silent)]);
    let engine = fake.connect(EAGER).await.unwrap();
    assert_eq!(engine.manager_addresses().await.unwrap(), ["192.168.2.1:2377"]);
    assert!(matches!(engine.manager_addresses().await, Err(Error::Answer { .. })));
}

#[tokio::test]
async fn a_list_of_nobody_is_asked_for_again_but_not_for_ever() {
    let nobody = || ok(json!([]));
    let fake = script(vec![("GET /nodes", nobody), ("GET /nodes", || ok(json!([{ "ID": "a" }])))]);
    let nodes = fake.connect(EAGER).await.unwrap().nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["a"]);

    let lost = script(vec![("GET /nodes", nobody)]);
    let error = lost.connect(ONCE).await.unwrap().nodes().await.unwrap_err();
    assert_eq!(error.to_string(), "the engine did not list the nodes within 0 s");
}

#[tokio::test]
async fn nodes_are_told_in_our_words() {
    let list = || {
        ok(json!([{
            "ID": "a", "Version": { "Index": 9 },
            "Spec": { "Role": "manager", "Availability": "drain", "Labels": { "skep.node": "n1" } },
            "Description": { "Hostname": "board", "Platform": { "Architecture": "aarch64", "OS": "linux" }, "Engine": { "EngineVersion": "20.10.24" } },
            "Status": { "State": "ready", "Addr": "192.168.2.1" },
            "ManagerStatus": { "Leader": true, "Reachability": "reachable", "Addr": "192.168.2.1:2377" },
        }, { "ID": "b", "Spec": { "Role": "worker", "Availability": "active" }, "Status": { "State": "down", "Addr": "192.168.2.2" } }]))
    };
    let engine = script(vec![("GET /nodes", list)]).connect(EAGER).await.unwrap();
    let expected = SwarmNode {
        id: "a".to_owned(),
        hostname: "board".to_owned(),
        role: "manager".to_owned(),
        availability: "drain".to_owned(),
        state: "ready".to_owned(),
        addr: "192.168.2.1".to_owned(),
        leader: true,
        reachability: Some("reachable".to_owned()),
        labels: [("skep.node".to_owned(), "n1".to_owned())].into(),
        engine_version: "20.10.24".to_owned(),
        architecture: "aarch64".to_owned(),
        certificate: crate::facts::engine::Trust::Unknown,
    };
    let nodes = engine.nodes().await.unwrap();
    assert_eq!(nodes[0], expected);
    assert_eq!((nodes[1].state.as_str(), &nodes[1].reachability, nodes[1].leader), ("down", &None, false));
}

/// Labels as they are set in the table below.
fn labels() -> BTreeMap<String, String> {
    [("disk".to_owned(), "ssd".to_owned())].into()
}

#[tokio::test]
async fn labels_are_set_beside_others_and_against_somebody_faster() {
    let first =
        || ok(node(7, json!({ "Role": "worker", "Availability": "drain", "Labels": { "theirs": "kept" } })));
    let second =
        || ok(node(8, json!({ "Role": "worker", "Availability": "active", "Labels": { "theirs": "new" } })));
    let fake = script(vec![
        ("GET /nodes/n", first),
        ("POST /nodes/n/update?version=7", || {
            refuse(500, "rpc error: code = Unknown desc = update out of sequence")
        }),
        ("GET /nodes/n", second),
        ("POST /nodes/n/update?version=8", || ok(Value::Null)),
    ]);
    let engine = fake.connect(EAGER).await.unwrap();
    engine.set_labels("n", &labels(), &BTreeSet::new()).await.unwrap();
    let last = fake.asked().pop().unwrap();
    let spec =
        json!({ "Role": "worker", "Availability": "active", "Labels": { "theirs": "new", "disk": "ssd" } });
    assert_eq!(last.body, spec);
}

#[tokio::test]
async fn labels_that_are_there_are_not_set_again() {
    let fake = script(vec![("GET /nodes/n", || {
        ok(node(7, json!({ "Labels": { "disk": "ssd", "theirs": "kept" } })))
    })]);
    fake.connect(EAGER).await.unwrap().set_labels("n", &labels(), &BTreeSet::new()).await.unwrap();
    assert_eq!(fake.paths(), ["GET /nodes/n"]);
}

#[tokio::test]
async fn changes_wait_for_a_new_leader_but_not_for_ever() {
    let headless = || {
        refuse(
            500,
            "rpc error: The swarm does not have a leader. It's possible that too few managers are online.",
        )
    };
    let deposed = || {
        refuse(
            500,
            "rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status",
        )
    };
    let gone = || refuse(503, "rpc error: code = Unavailable desc = transport is closing");
    let fake = script(vec![
        ("GET /nodes/n", headless),
        ("GET /nodes/n", gone),
        ("GET /nodes/n", || ok(node(7, json!({})))),
        ("POST /nodes/n/update?version=7", deposed),
        ("GET /nodes/n", || ok(node(7, json!({ "Labels": { "disk": "ssd" } })))),
    ]);
    fake.connect(EAGER).await.unwrap().set_labels("n", &labels(), &BTreeSet::new()).await.unwrap();

    let lost = script(vec![("GET /nodes/n", headless)]);
    let error =
        lost.connect(ONCE).await.unwrap().set_labels("n", &labels(), &BTreeSet::new()).await.unwrap_err();
    assert!(error.to_string().contains("does not have a leader") && error.help().is_some(), "{error}");
}

/// A swarm of managers that takes demotions, promotions and removals the way an engine does.
fn managers(list: &[(&str, &str)]) -> Fake {
    let mut nodes: Vec<Value> = list
        .iter()
        .map(|(id, reachability)| {
            let status = json!({ "Reachability": reachability, "Addr": "192.168.2.1:2377" });
            let state = if *reachability == "reachable" { "ready" } else { "down" };
            json!({ "ID": id, "Version": { "Index": 1 }, "Spec": { "Role": "manager" }, "Status": { "State": state }, "ManagerStatus": status })
        })
        .collect();
    // The raft store lets a demoted manager go only after a while.
    let mut leaving: Option<(String, u8)> = None;
    Fake::new(move |Asked { method, path, body, .. }| {
        let id = path.trim_start_matches("/nodes/").split(['/', '?']).next().unwrap_or_default().to_owned();
        let at = nodes.iter().position(|node| node["ID"] == id.as_str());
        if let Some((gone, looks)) = &mut leaving {
            *looks = looks.saturating_sub(1);
            if *looks == 0 {
                let gone = nodes.iter_mut().find(|node| node["ID"] == gone.as_str()).unwrap();
                gone.as_object_mut().unwrap().remove("ManagerStatus");
                leaving = None;
            }
        }
        match (method.as_str(), at) {
            ("GET", None) => ok(Value::Array(nodes.clone())),
            ("GET", Some(at)) => ok(nodes[at].clone()),
            ("POST", Some(at)) => {
                nodes[at]["Spec"] = body.clone();
                match body["Role"].as_str() {
                    Some("worker") => leaving = Some((id, 3)),
                    _ => nodes[at]["ManagerStatus"] = json!({ "Reachability": "reachable" }),
                }
                ok(Value::Null)
            }
            ("DELETE", Some(at)) if nodes[at]["ManagerStatus"].is_object() => refuse(
                400,
                "rpc error: node n is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal",
            ),
            ("DELETE", Some(at)) => {
                nodes.remove(at);
                ok(Value::Null)
            }
            _ => refuse(404, "node not found"),
        }
    })
}

#[tokio::test]
async fn a_manager_is_demoted_and_waited_for() {
    let fake = managers(&[("a", "reachable"), ("b", "reachable"), ("c", "reachable")]);
    let engine = fake.connect(EAGER).await.unwrap();
    engine.set_role("c", Role::Worker).await.unwrap();
    let c = engine.nodes().await.unwrap().into_iter().find(|node| node.id == "c").unwrap();
    assert_eq!((c.role.as_str(), c.reachability), ("worker", None));

    let before = fake.asked().len();
    engine.set_role("c", Role::Worker).await.unwrap();
    assert_eq!(fake.paths()[before..], ["GET /nodes"], "it is a worker already");
}

#[tokio::test]
async fn a_demotion_that_endangers_the_quorum_is_refused_in_time() {
    let table: &[&[(&str, &str)]] = &[
        &[("a", "reachable")],
        &[("a", "reachable"), ("b", "reachable"), ("c", "unreachable")],
        &[("a", "reachable"), ("b", "unreachable"), ("c", "unreachable")],
    ];
    for list in table {
        let fake = managers(list);
        let error = fake.connect(EAGER).await.unwrap().set_role("a", Role::Worker).await.unwrap_err();
        assert!(matches!(error, Error::Quorum { .. }), "{error}");
        assert_eq!(fake.paths(), ["GET /nodes"], "nothing was changed");
    }
}

#[tokio::test]
async fn an_engine_that_demotes_its_own_node_is_no_manager_any_more() {
    let list = || {
        let manager = |id: &str| json!({ "ID": id, "Spec": { "Role": "manager" }, "ManagerStatus": { "Reachability": "reachable" } });
        ok(json!([manager("n"), manager("a"), manager("b")]))
    };
    let fake = script(vec![
        ("GET /nodes", list),
        ("GET /nodes/n", || ok(node(3, json!({ "Role": "manager" })))),
        ("POST /nodes/n/update?version=3", || ok(Value::Null)),
        ("GET /nodes", list),
        ("GET /nodes", || {
            refuse(
                503,
                "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.",
            )
        }),
    ]);
    fake.connect(EAGER).await.unwrap().set_role("n", Role::Worker).await.unwrap();
}

#[tokio::test]
async fn a_worker_is_promoted_and_waited_for() {
    let fake = managers(&[("a", "reachable"), ("b", "reachable"), ("c", "reachable")]);
    let engine = fake.connect(EAGER).await.unwrap();
    engine.set_role("b", Role::Worker).await.unwrap();
    engine.set_role("b", Role::Manager).await.unwrap();
    let b = engine.nodes().await.unwrap().into_iter().find(|node| node.id == "b").unwrap();
    assert_eq!((b.role.as_str(), b.reachability.as_deref()), ("manager", Some("reachable")));
}

#[tokio::test]
async fn a_dead_managers_record_is_removed() {
    let fake = managers(&[("a", "reachable"), ("b", "reachable"), ("old", "unreachable")]);
    let engine = fake.connect(EAGER).await.unwrap();
    engine.set_role("old", Role::Worker).await.unwrap();
    engine.remove_node("old").await.unwrap();
    assert_eq!(engine.nodes().await.unwrap().len(), 2);
    engine.remove_node("old").await.unwrap();
}

#[tokio::test]
async fn a_record_is_removed_once_the_raft_store_lets_it_go() {
    let must = || refuse(400, "It must be demoted to worker before removal");
    let fake = script(vec![
        ("DELETE /nodes/n?force=false", must),
        ("DELETE /nodes/n?force=false", || ok(Value::Null)),
    ]);
    fake.connect(EAGER).await.unwrap().remove_node("n").await.unwrap();

    let up = || refuse(400, "rpc error: node n is not down and can't be removed");
    let fake = script(vec![
        ("DELETE /nodes/n?force=false", up),
        ("DELETE /nodes/n?force=false", || ok(Value::Null)),
    ]);
    fake.connect(EAGER).await.unwrap().remove_node("n").await.unwrap();

    let fake = script(vec![("DELETE /nodes/n?force=false", up)]);
    let error = fake.connect(ONCE).await.unwrap().remove_node("n").await.unwrap_err();
    assert!(error.to_string().contains("is not down"), "{error}");
}

#[tokio::test]
async fn the_swarms_own_options_are_changed_beside_others() {
    let swarm = || {
        ok(json!({
            "ID": "c1", "Version": { "Index": 11 }, "JoinTokens": { "Worker": TOKEN, "Manager": TOKEN },
            "Spec": {
                "Name": "default", "Labels": { "theirs": "kept" },
                "Orchestration": { "TaskHistoryRetentionLimit": 5 },
                "Raft": { "SnapshotInterval": 10000, "KeepOldSnapshots": 0, "LogEntriesForSlowFollowers": 500, "ElectionTick": 10, "HeartbeatTick": 1 },
                "Dispatcher": { "HeartbeatPeriod": 5_000_000_000_u64 },
                "CAConfig": { "NodeCertExpiry": 7_776_000_000_000_000_u64 },
                "TaskDefaults": {}, "EncryptionConfig": { "AutoLockManagers": true },
            },
        }))
    };
    let fake = Fake::new(move |asked| if asked.method == "GET" { swarm() } else { ok(Value::Null) });
    let engine = fake.connect(EAGER).await.unwrap();
    engine.adopt("home").await.unwrap();
    engine.configure(2).await.unwrap();
    engine.configure(5).await.unwrap();
    let path = &fake.paths()[1];
    assert!(path.starts_with("POST /swarm/update?version=11&") && !path.contains("=true"), "{path}");
    let bodies: Vec<Value> =
        fake.asked().into_iter().filter(|asked| asked.method == "POST").map(|asked| asked.body).collect();
    assert_eq!(bodies.len(), 2, "what is there is not set again");
    assert_eq!(bodies[0]["Labels"], json!({ "theirs": "kept", "skep.swarm": "home" }));
    assert_eq!(bodies[0]["EncryptionConfig"], json!({ "AutoLockManagers": true }));
    assert_eq!(bodies[0]["Raft"]["LogEntriesForSlowFollowers"], 500);
    assert_eq!(bodies[1]["Orchestration"], json!({ "TaskHistoryRetentionLimit": 2 }));
}
