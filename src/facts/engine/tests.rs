//! Engines of several versions and states, by their recorded answers.

use std::collections::HashMap;

use super::*;

/// An engine that answers from `tests/fixtures/facts/engine/<name>.json`: `{"/path": answer | {"error": text}}`.
fn recorded(name: &str) -> Result<Running, String> {
    let path = format!("{}/tests/fixtures/facts/engine/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the fixture is committed");
    let answers: HashMap<String, Value> = serde_json::from_str(&text).expect("the fixture is JSON");
    let get = |path: &str| {
        let answer = answers.get(path).unwrap_or_else(|| panic!("{name}: {path} must not be asked"));
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer.clone()),
        }
    };
    running(&get, 7)
}

fn view(name: &str) -> SwarmView {
    recorded(name).expect("the engine answers").swarm
}

#[test]
fn outside_a_swarm() {
    let engine = recorded("20.10-inactive").expect("the engine answers");
    assert_eq!((engine.version.as_str(), engine.storage_driver.as_str()), ("20.10.24+dfsg1", "overlay2"));
    assert_eq!((engine.started_unix_ms, engine.live_restore), (7, false));
    assert_eq!(engine.swarm.state, SwarmState::Inactive);
    assert_eq!((engine.swarm.cluster, engine.swarm.managers), (None, vec![]));
}

#[test]
fn a_worker_knows_its_managers_only() {
    let view = view("20.10-worker");
    assert_eq!((view.state, view.control), (SwarmState::Active, false));
    assert_eq!(
        (view.node_id.as_str(), view.node_addr.as_str()),
        ("x1k7mzwq0v6bqk2v8j0p3c9rd", "192.168.2.3")
    );
    assert_eq!(view.managers, ["192.168.2.1:2377"]);
    assert_eq!(view.cluster, None);
}

#[test]
fn a_manager_lists_the_nodes() {
    for version in ["20.10-manager", "28-manager"] {
        let cluster = view(version).cluster.expect("a manager knows its cluster");
        assert_eq!(
            (cluster.id.as_str(), cluster.task_history),
            ("kq2sw5wvkr7vhfvcl3y9k8ivf", Some(5)),
            "{version}"
        );
        assert_eq!(
            (cluster.address_pool, cluster.subnet_size),
            (vec!["10.0.0.0/8".to_owned()], 24),
            "{version}"
        );
        assert_eq!(cluster.labels.get("skep.swarm").map(String::as_str), Some("cluster"), "{version}");
        let nodes = cluster.nodes.expect("a manager lists the nodes");
        let (leader, worker) = (&nodes[0], &nodes[1]);
        assert_eq!((leader.leader, leader.reachability.as_deref()), (true, Some("reachable")), "{version}");
        assert_eq!((worker.leader, worker.reachability.as_deref()), (false, None), "{version}");
        assert_eq!((worker.role.as_str(), worker.state.as_str()), ("worker", "ready"), "{version}");
        assert_eq!(worker.availability, "active", "{version}");
        assert_eq!(worker.labels.get("skep.node").map(String::as_str), Some("n2"), "{version}");
        assert_eq!(
            (worker.architecture.as_str(), worker.addr.as_str()),
            ("aarch64", "192.168.2.2"),
            "{version}"
        );
    }
}

#[test]
fn without_quorum_the_cause_is_kept() {
    let view = view("20.10-no-leader");
    assert_eq!((view.state, view.control), (SwarmState::Active, true));
    let cluster = view.cluster.expect("it still is a manager");
    let cause = cluster.nodes.expect_err("nobody can list the nodes");
    assert!(cause.contains("does not have a leader"), "{cause}");
    assert_eq!(cluster.id, "");
}

#[test]
fn a_list_of_nobody_is_no_answer() {
    let error =
        answers::nodes(&serde_json::json!([]), &Value::Null).expect_err("the manager is a node itself");
    assert!(error.contains("lists nobody"), "{error}");
}

#[test]
fn states_between() {
    assert_eq!(view("28-locked").state, SwarmState::Locked);
    let pending = view("20.10-pending");
    assert_eq!(pending.state, SwarmState::Pending);
    let error = view("20.10-error");
    assert_eq!((error.state, error.control), (SwarmState::Error, false));
    assert!(error.error.contains("certificate"), "{}", error.error);
}

#[test]
fn live_restore_is_seen() {
    assert!(recorded("28-manager").expect("the engine answers").live_restore);
}

#[test]
fn how_it_runs_is_told() {
    let info = serde_json::json!({
        "Swarm": {"LocalNodeState": "inactive"}, "DockerRootDir": "/var/lib/docker", "CgroupDriver": "systemd",
        "DriverStatus": [["Backing Filesystem", "xfs"], ["Supports d_type", "true"]], "LoggingDriver": "json-file",
        "SecurityOptions": ["name=seccomp,profile=builtin"], "Warnings": ["WARNING: No swap limit support"],
        "RegistryConfig": {
            "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128", "10.0.0.0/8"],
            "IndexConfigs": {"docker.io": {"Secure": true}, "nas.lan:5000": {"Secure": false}},
        },
    });
    let told = running(&|_| Ok(info.clone()), 0).expect("the engine answers").settings;
    assert_eq!((told.root.as_str(), told.log_driver.as_str()), ("/var/lib/docker", "json-file"));
    assert_eq!(
        (told.cgroup_driver.as_str(), told.storage["Backing Filesystem"].as_str()),
        ("systemd", "xfs")
    );
    assert_eq!(told.security, ["name=seccomp,profile=builtin"]);
    assert_eq!(told.warnings, ["WARNING: No swap limit support"]);
    assert_eq!(told.insecure_registries, ["10.0.0.0/8", "nas.lan:5000"]);
    let silent =
        running(&|_| Ok(serde_json::json!({"Swarm": {"LocalNodeState": "inactive"}, "Warnings": null})), 0);
    assert_eq!(silent.expect("the engine answers").settings, Settings::default());
}

#[test]
fn certificates_are_compared_with_the_swarms_root() {
    let trust = |own: Value, root: Value| {
        let node = serde_json::json!([{"ID": "a", "Description": {"TLSInfo": own}}]);
        answers::nodes(&node, &root).expect("a node")[0].certificate
    };
    let info = |root: &str| serde_json::json!({"TrustRoot": root, "CertIssuerSubject": "x"});
    assert_eq!(trust(info("a"), info("a")), Trust::Ready);
    assert_eq!(trust(info("a"), info("b")), Trust::Outdated);
    for (own, root) in
        [(Value::Null, info("a")), (info("a"), serde_json::json!({})), (Value::Null, Value::Null)]
    {
        assert_eq!(trust(own, root), Trust::Unknown);
    }
    let cluster = view("28-manager").cluster.expect("a manager knows its cluster");
    assert_eq!((cluster.autolock, cluster.rotating), (false, false));
}

#[test]
fn an_unknown_answer_is_never_a_guess() {
    let silent =
        |info: &str| running(&|_| Ok(serde_json::from_str(info).expect("JSON")), 0).expect_err("no guess");
    assert!(silent("{}").contains("nothing about a swarm"));
    assert!(silent(r#"{"Swarm":{"LocalNodeState":""}}"#).contains("does not know"));
    let refused = running(&|_| Err("permission denied".to_owned()), 0);
    assert_eq!(refused, Err("permission denied".to_owned()));
}

/// An engine on a real socket in `root` that runs, and answers each question with `answer`.
fn serve(root: &std::path::Path, answer: &'static str) {
    use std::io::{Read, Write};
    for (path, text) in [("run/docker.pid", "812"), ("proc/812/comm", "dockerd")] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    let socket = std::os::unix::net::UnixListener::bind(root.join("run/docker.sock")).expect("a socket");
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let mut question = [0; 512];
            let read = stream.read(&mut question).unwrap_or(0);
            assert!(question[..read].ends_with(b"\r\n\r\n"));
            stream.write_all(answer.as_bytes()).expect("the reader waits");
        }
    });
}

#[test]
fn asked_over_its_socket() {
    let root = tempfile::tempdir().expect("a temporary directory");
    serve(
        root.path(),
        "HTTP/1.0 200 OK\r\n\r\n{\"ServerVersion\":\"28.2.2\",\"Swarm\":{\"LocalNodeState\":\"inactive\"}}",
    );
    let host = Host::at(root.path());
    let Engine::Running(engine) = Engine::read(&host) else { panic!("it answers") };
    assert_eq!((engine.version.as_str(), engine.swarm.state), ("28.2.2", SwarmState::Inactive));
}

#[test]
fn a_swarm_outlives_its_engine_on_disc() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let host = Host::at(root.path());
    std::fs::create_dir_all(root.path().join("var/lib/docker/swarm/worker")).expect("a folder");
    let removed = Engine::read(&host);
    assert_eq!(removed, Engine::Absent { swarm: true });
    assert!(!removed.is_installed());
    std::fs::create_dir_all(root.path().join("usr/bin")).expect("a folder");
    std::fs::write(root.path().join("usr/bin/dockerd"), "").expect("a file");
    let stopped = Engine::read(&host);
    assert_eq!(stopped, Engine::Stopped { swarm: true });
    assert!(stopped.is_installed());
}

#[test]
fn a_running_engine_without_a_socket_is_silent() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let host = Host::at(root.path());
    assert_eq!(Engine::read(&host), Engine::Absent { swarm: false });
    serve(root.path(), "HTTP/1.0 500 Internal Server Error\r\n\r\n{\"message\":\"disk is full\"}");
    assert_eq!(Engine::read(&host), Engine::Silent { cause: "GET /info: disk is full".to_owned() });
    std::fs::remove_file(root.path().join("run/docker.sock")).expect("the socket is there");
    let Engine::Silent { cause } = Engine::read(&host) else { panic!("it cannot answer") };
    assert!(cause.contains("No such file"), "{cause}");
}
