//! Past runs are listed and undone: on hosts that were bare, and in a swarm that goes on.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::support::{Bench, Run, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("undo_makes_a_host_bare_again_and_can_be_undone", bare_again),
        ("undo_in_a_swarm_keeps_its_quorum_and_all_that_others_changed", in_a_swarm),
    ]
}

/// Past runs as `skep runs` lists them, the newest first.
fn runs(bench: &Bench) -> Vec<Value> {
    bench.skep(&["runs", "--json"]).exits(0).events()
}

fn newest(bench: &Bench) -> String {
    runs(bench)[0]["run"].as_str().unwrap().to_owned()
}

/// What an undo has to bring back: files with their text and mode, enabled units, packages, and what runs.
fn state_of(bench: &Bench, node: &str) -> Vec<String> {
    let script = "find /etc /srv /mnt /opt /root /usr/local -xdev \\( -type f -o -type l \\) -printf '%p %s %m\\n'; \
                  dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\\n' | grep ^ii; \
                  systemctl list-unit-files --state=enabled --no-legend; sysctl -n net.ipv4.ip_forward";
    bench.on(node, script).lines().map(str::to_owned).collect()
}

/// What packages leave behind when they are removed and not purged: `docs/runs.md` lists it.
fn is_left_by_packages(line: &str) -> bool {
    const LEFT: &[&str] = &[
        "/etc/containerd/config.toml",
        "/etc/default/docker",
        "/etc/docker/key.json",
        "/etc/init.d/docker",
        "/etc/group",
        "/etc/gshadow",
        "/etc/rc",
        "/etc/systemd/system/multi-user.target.wants/containerd.service",
        "/etc/systemd/system/sockets.target.wants/docker.socket",
    ];
    LEFT.iter().any(|path| line.starts_with(path))
}

/// The lines that are in one and not in the other, but for what packages leave behind.
fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let missing = |from: &[String], sign: char, than: &[String]| -> Vec<String> {
        let lines = from.iter().filter(|line| !than.contains(line) && !is_left_by_packages(line));
        lines.map(|line| format!("{sign}{line}")).collect()
    };
    [missing(one, '-', other), missing(other, '+', one)].concat()
}

fn steps(run: &Run) -> usize {
    run.events().iter().filter(|event| event["event"] == "step_started").count()
}

fn bare_again() {
    let bench = Bench::bare("undo", 1);
    bench.inventory(&[("n1", "manager")], "engine: {options: {log-driver: json-file}}\n");
    bench.skep(&["runs"]).exits(0).says("no past runs");
    bench.skep(&["undo", "last"]).exits(2).says("no past run");
    let before = state_of(&bench, "n1");
    bench.skep(&["up", "--yes"]).exits(0);
    let made = newest(&bench);
    bench.skep(&["up"]).exits(0);
    bench.skep(&["runs"]).exits(0).prints(&made).prints("ok");
    bench.skep(&["runs", "show", &made]).exits(0).prints("install docker.io").prints("verified");

    // A preview changes nothing; `last` passes over the run that found nothing to do.
    let up = state_of(&bench, "n1");
    bench
        .skep(&["undo", "last", "--plan"])
        .exits(0)
        .prints("end the swarm test")
        .prints("remove /etc/docker/daemon.json");
    assert_eq!(differences(&up, &state_of(&bench, "n1")), [""; 0]);

    // What somebody changed since stays, and is named; everything else goes back.
    let file = "/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf";
    bench.on("n1", &format!("echo '# mine' >> {file}"));
    bench.skep(&["undo", &made, "--yes"]).exits(0).prints(&format!("{file} was changed since"));
    let undone = newest(&bench);
    let after = state_of(&bench, "n1");
    let left = differences(&before, &after);
    assert!(left.len() == 1 && left[0].starts_with(&format!("+{file}")), "{left:#?}");
    assert!(bench.on("n1", &format!("cat {file}")).contains("# mine"));

    // Once more, and there is nothing to do.
    let again = bench.skep(&["undo", &made, "--json", "--yes"]).exits(0);
    assert_eq!(steps(&again), 0, "{}", again.stdout);
    assert_eq!(differences(&after, &state_of(&bench, "n1")), [""; 0]);

    // The undo is a run as well.
    bench.skep(&["undo", &undone, "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader"]);
    bench.on("n1", &format!("sed -i '/# mine/d' {file}"));
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

fn in_a_swarm() {
    let bench = Bench::with_engine("undone", 4);
    let three = [("n1", "manager"), ("n2", "manager"), ("n3", "manager")];
    bench.inventory(&three, "");
    let before = state_of(&bench, "n1");
    bench.skep(&["up", "--yes"]).exits(0);
    let made = newest(&bench);
    bench.on("n1", "docker service create --detach --replicas 0 --name held --no-resolve-image busybox");

    // A swarm that holds something is not ended, and nothing else is touched either.
    let swarm = bench.on("n1", "docker info -f '{{.Swarm.Cluster.ID}}'");
    bench.skep(&["undo", &made, "--yes"]).exits(6).prints("it holds 1 service");
    assert_eq!(bench.on("n1", "docker info -f '{{.Swarm.Cluster.ID}}'"), swarm);
    assert_eq!(bench.members("n1").len(), 3);

    a_run_that_added_a_node(&bench, &three);

    // Killed in the middle, the next undo carries on.
    bench.on("n1", "docker service rm held");
    let mut child = bench.start(&["undo", &made, "--yes", "--json"]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert!(events.any(|event| event["event"] == "step_done" && event["phase"] == "swarm"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(runs(&bench)[0]["ended"], "killed");
    bench.skep(&["undo", &made, "--yes"]).exits(0);
    for node in ["n1", "n2", "n3"] {
        assert_eq!(bench.on(node, "docker info -f '{{.Swarm.LocalNodeState}}'").trim(), "inactive", "{node}");
    }
    assert_eq!(differences(&before, &state_of(&bench, "n1")), [""; 0]);
}

/// A later run adds a node, a label and an option of the engines; undone, the swarm is as it was.
fn a_run_that_added_a_node(bench: &Bench, three: &[(&str, &str)]) {
    let all = [three, &[("n4", "worker")]].concat();
    bench.inventory(&all, "engine: {options: {debug: true}}\n");
    let text = std::fs::read_to_string(bench.inventory_path()).unwrap();
    let labelled = text.replacen("role: manager}", "role: manager, labels: {disk: ssd}}", 1);
    std::fs::write(bench.inventory_path(), labelled).unwrap();
    bench.skep(&["up", "--yes"]).exits(0);
    let added = newest(bench);
    bench
        .settles("n1", |members| members.len() == 4 && members.iter().all(|member| member.contains("Ready")));
    let run = bench.skep(&["undo", &added, "--yes", "--json"]).exits(0);
    bench
        .settles("n1", |members| members.len() == 3 && members.iter().all(|member| member.contains("Ready")));
    // The engines take turns, as they do in `up`.
    let restarts: Vec<_> = run
        .events()
        .iter()
        .filter(|event| event["phase"] == "engine" && event["step"].is_u64())
        .map(|event| format!("{} {}", event["event"].as_str().unwrap(), event["node"].as_str().unwrap()))
        .collect();
    assert_eq!(restarts.len(), 8, "{restarts:?}");
    for turn in restarts.chunks(2) {
        let node = turn[0].split(' ').next_back().unwrap();
        assert_eq!(turn, [format!("step_started {node}"), format!("step_done {node}")]);
    }
    assert_eq!(bench.on("n4", "docker info -f '{{.Swarm.LocalNodeState}}'").trim(), "inactive");
    assert_eq!(bench.on("n1", "docker node inspect self -f '{{.Spec.Labels}}'").trim(), "map[skep.node:n1]");
    bench.on("n1", "test ! -e /etc/docker/daemon.json || ! grep debug /etc/docker/daemon.json");
    let again = bench.skep(&["undo", &added, "--json", "--yes"]).exits(0);
    assert_eq!(steps(&again), 0, "{}", again.stdout);
}
