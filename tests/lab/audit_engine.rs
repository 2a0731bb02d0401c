//! The audit of engines and of the swarm: silent on healthy nodes, and each planted fault found where it is.

use serde_json::Value;

use super::support::{Bench, Run, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("faults_of_engines_and_of_the_swarm_are_found", faults)]
}

/// A certificate of a worker that has long expired; its key was thrown away.
const EXPIRED: &str = include_str!("../fixtures/audit/expired.crt");

/// What an audit says about engines, their storage and the swarm, worse than a note.
fn said(run: &Run) -> Vec<Value> {
    let report = run.events().into_iter().find(|event| event["event"] == "audit").expect("a report");
    let verdicts = report["verdicts"].as_array().expect("verdicts").iter();
    let ours = |verdict: &&Value| {
        let check = verdict["check"].as_str().expect("an ID");
        ["engine", "storage-", "swarm"].iter().any(|family| check.starts_with(family))
    };
    let bad = |verdict: &&Value| !["note", "ok"].contains(&verdict["severity"].as_str().expect("a severity"));
    verdicts.filter(ours).filter(bad).cloned().collect()
}

fn faults() {
    let bench = Bench::with_engine("audit-engine", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(said(&bench.skep(&["audit", "--json"])), [Value::Null; 0], "nothing is wrong yet");

    bench.on("n1", "echo '{\"live-restore\": true, \"data-root\": \"/run/data\"}' >/etc/docker/daemon.json");
    bench.on("n1", "usermod -aG docker pi");
    bench.on(
        "n2",
        "printf '{\\n  \"debug\": true,\\n}\\n' >/etc/docker/daemon.json; systemctl disable -q docker",
    );
    bench.on(
        "n2",
        &format!(
            "printf '%s' '{EXPIRED}' >/run/expired.crt; \
             mount --bind /run/expired.crt /var/lib/docker/swarm/certificates/swarm-node.crt"
        ),
    );
    bench.inventory(&[("n1", "manager"), ("n2", "manager")], "");
    let text = std::fs::read_to_string(bench.inventory_path()).expect("the inventory");
    let text = text.replace("role: manager}", "role: manager, labels: {power: strip}}");
    std::fs::write(bench.inventory_path(), text).expect("the inventory");
    let run = bench.skep(&["audit", "--json"]).exits(4);
    finds(
        &said(&run),
        &[
            (
                "error",
                "engine-options",
                "n1",
                "live-restore",
                "remove `live-restore` from /etc/docker/daemon.json",
            ),
            ("error", "engine-options", "n2", "line 3, column 1", "correct /etc/docker/daemon.json"),
            ("error", "storage-place", "n1", "/run/data lies on tmpfs", "ext4"),
            ("error", "swarm-managers", "n1 n2", "2 managers need 2", "role: worker"),
            ("error", "swarm-certificate", "n2", "expired", "docker swarm leave --force` on n2"),
            ("warning", "engine-boot", "n2", "does not start at boot", "skep up"),
            ("warning", "swarm-spread", "n1 n2", "fail together with power strip", "another power"),
            ("warning", "swarm-node", "n2", "is a worker, not a manager", "skep up"),
        ],
    );
    assert!(run.stdout.contains("pi is in the group docker"), "{}", run.stdout);
    assert!(!run.stdout.contains("PRIVATE KEY"), "keys stay where they are");

    bench.on("n1", "rm /etc/docker/daemon.json; docker swarm update --autolock=true >/dev/null");
    bench.on("n2", "umount /var/lib/docker/swarm/certificates/swarm-node.crt; rm /etc/docker/daemon.json");
    bench.on("n2", "systemctl enable -q docker; systemctl stop docker.socket docker");
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    bench.settles_to("n1", "docker node ls -f name=n2 --format '{{.Status}}'", "Down");
    let run = bench.skep(&["audit", "--json"]).exits(4);
    finds(
        &said(&run),
        &[
            ("error", "engine", "n2", "the engine is stopped", "on n2: `systemctl start docker`"),
            ("error", "swarm-node", "n2", "is down, not ready", "systemctl status docker"),
        ],
    );
    assert!(run.stdout.contains("autolock is on"), "{}", run.stdout);
    bench.on("n2", "systemctl start docker");
    bench.settles_to("n1", "docker node ls -f name=n2 --format '{{.Status}}'", "Ready");
    assert_eq!(said(&bench.skep(&["audit", "--json"])), [Value::Null; 0], "nothing was changed by looking");
}

/// Exactly these: severity, check, nodes, words of the message, words of the remedy; in any order.
#[track_caller]
fn finds(said: &[Value], expected: &[(&str, &str, &str, &str, &str)]) {
    let nodes = |verdict: &Value| {
        let names: Vec<&str> =
            verdict["nodes"].as_array().expect("nodes").iter().filter_map(Value::as_str).collect();
        names.join(" ")
    };
    for (severity, check, names, message, remedy) in expected {
        let found = said.iter().find(|verdict| {
            verdict["check"] == *check
                && verdict["severity"] == *severity
                && nodes(verdict) == *names
                && verdict["message"].as_str().expect("a message").contains(message)
        });
        let found = found.unwrap_or_else(|| panic!("{check} of {names} is not in {said:#?}"));
        assert!(found["remedy"].to_string().contains(remedy), "{found:#}");
        assert!(!found["evidence"].as_array().expect("evidence").is_empty(), "{found:#}");
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}
