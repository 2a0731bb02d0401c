//! Membership: what is joined, what is left alone, what is refused.

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("one_manager_with_a_worker", one_manager),
        ("a_user_with_sudo_will_do", sudo),
        ("a_foreign_swarm_is_named_and_refused", foreign),
        ("a_swarm_made_by_hand_can_be_adopted", adopted),
        ("an_even_number_of_managers_is_refused", even),
        ("limit_changes_only_those_nodes", limit),
        ("roles_follow_the_inventory", roles),
        ("engines_of_managers_restart_one_after_another", restarts),
        ("a_foreign_swarm_outside_the_limit_is_never_joined", foreign_outside_the_limit),
    ]
}

fn one_manager() {
    let bench = Bench::with_engine("one", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.skep(&["up"]).exits(0).prints("Nothing to do");
    bench.skep(&["status"]).exits(0).prints("n1");
}

fn sudo() {
    let bench = Bench::with_engine("sudo", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    let text = std::fs::read_to_string(bench.inventory_path()).unwrap();
    std::fs::write(bench.inventory_path(), text.replace("user: root", "user: pi")).unwrap();
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    assert_eq!(bench.on("n1", "stat -c %U:%a /var/lib/skep/agent-*").trim(), "root:700");
    bench.skep(&["up"]).exits(0).prints("Nothing to do");
    // Without the right to become root it is said so, and what to do about it.
    bench.on("n2", "rm /etc/sudoers.d/*");
    bench.skep(&["plan"]).exits(5).says("n2").says("sudo");
}

fn foreign() {
    let bench = Bench::with_engine("foreign", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    bench.on("n2", "docker swarm init");
    let id = bench.on("n2", "docker info -f '{{.Swarm.Cluster.ID}}'");
    bench.skep(&["up", "--yes"]).exits(6).prints("n2").prints(id.trim());
    assert_eq!(bench.on("n1", "docker info -f '{{.Swarm.LocalNodeState}}'").trim(), "inactive");
    assert_eq!(
        bench.on("n2", "docker info -f '{{.Swarm.Cluster.ID}}'"),
        id,
        "the foreign swarm is as it was"
    );
}

fn adopted() {
    let bench = Bench::with_engine("adopted", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    bench.on("n1", "docker swarm init");
    let id = bench.on("n1", "docker info -f '{{.Swarm.Cluster.ID}}'");
    bench.skep(&["up", "--yes"]).exits(6).prints("--adopt");
    bench.skep(&["up", "--yes", "--adopt", id.trim()]).exits(0);
    assert_eq!(bench.on("n1", "docker info -f '{{.Swarm.Cluster.ID}}'"), id);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

fn even() {
    let bench = Bench::with_engine("even", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "manager")], "");
    bench.skep(&["up", "--yes"]).exits(6).prints("2 managers");
    assert_eq!(bench.on("n1", "docker info -f '{{.Swarm.LocalNodeState}}'").trim(), "inactive");
    bench.inventory(&[("n1", "manager")], "");
    let host = format!("root@{}", bench.address("n2"));
    let before = std::fs::read_to_string(bench.inventory_path()).unwrap();
    bench.skep(&["node", "add", &host, "--role", "manager", "--yes"]).exits(6);
    assert_eq!(std::fs::read_to_string(bench.inventory_path()).unwrap(), before);
}

fn limit() {
    let bench = Bench::with_engine("limit", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "worker"), ("n3", "worker")], "");
    // An engine writes to /etc/docker until it answers for the first time.
    let look = "docker info >/dev/null; ls -la --time-style=full-iso /etc /etc/sysctl.d";
    let untouched = bench.on("n3", look);
    // Nobody can join before the manager, which is outside, has made the swarm.
    bench.skep(&["up", "--yes", "--limit", "n2"]).exits(6).prints("n1");
    bench.skep(&["up", "--yes", "--limit", "n1,n2"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    assert_eq!(bench.on("n3", look), untouched);
    bench.skep(&["up", "--yes", "--limit", "n9"]).exits(2).says("n9");
    bench.skep(&["up", "--yes", "--limit", "n3"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready", "n3 Ready"]);
}

fn roles() {
    let bench = Bench::with_engine("roles", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "worker"), ("n3", "worker")], "");
    bench.skep(&["up", "--yes"]).exits(0);
    bench.inventory(&[("n1", "manager"), ("n2", "manager"), ("n3", "manager")], "");
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready Reachable", "n3 Ready Reachable"]);
    bench.inventory(&[("n1", "worker"), ("n2", "worker"), ("n3", "manager")], "");
    bench.skep(&["up", "--yes"]).exits(0);
    bench.settles("n3", |members| members == ["n1 Ready", "n2 Ready", "n3 Ready Leader"]);
}

fn restarts() {
    let bench = Bench::with_engine("restarts", 3);
    let managers = [("n1", "manager"), ("n2", "manager"), ("n3", "manager")];
    bench.inventory(&managers, "");
    bench.skep(&["up", "--yes"]).exits(0);
    bench.inventory(&managers, "engine: {options: {debug: true}}\n");
    bench.skep(&["plan"]).exits(0).prints("restarts docker");
    let run = bench.skep(&["up", "--yes", "--json"]).exits(0);
    let events = run.events();
    let steps = events.iter().filter(|event| event["phase"] == "engine" && event["step"].is_u64());
    let told: Vec<_> =
        steps.map(|event| (event["event"].as_str().unwrap(), event["node"].as_str().unwrap())).collect();
    let in_turn = ["n1", "n2", "n3"].map(|node| [("step_started", node), ("step_done", node)]).concat();
    assert_eq!(told, in_turn);
    assert_eq!(bench.members("n1").len(), 3);
    bench.skep(&["plan", "--exit-code"]).exits(0);

    // The first engine that does not come up is the last: the others keep running, and its old options come back.
    bench.inventory(&managers, "engine: {options: {no-such-option: true}}\n");
    bench.skep(&["up", "--yes"]).exits(1).says("n2").says("keeps running");
    let before = bench.on("n1", "cat /etc/docker/daemon.json");
    assert!(before.contains("debug") && !before.contains("no-such-option"), "{before}");
    bench.settles("n2", |members| members.iter().all(|member| member.contains("Ready")));
}

fn foreign_outside_the_limit() {
    let bench = Bench::with_engine("outside", 3);
    bench.inventory(&[("n1", "worker"), ("n2", "manager"), ("n3", "worker")], "");
    bench.skep(&["up", "--yes", "--limit", "n2"]).exits(0);
    bench.on("n1", "docker swarm init");
    bench.skep(&["up", "--yes", "--limit", "n3"]).exits(6).prints("n1");
    assert_eq!(bench.on("n3", "docker info -f '{{.Swarm.LocalNodeState}}'").trim(), "inactive");
}
