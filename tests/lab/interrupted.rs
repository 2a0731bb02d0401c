//! Runs that are stopped or killed half way, and the run after.

use std::io::{BufRead, BufReader};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("after_ctrl_c_the_next_run_carries_on", ctrl_c),
        ("after_kill_9_the_next_run_carries_on", kill_9),
        ("killed_between_joins_the_next_run_carries_on", killed_between_joins),
    ]
}

/// Reads events until one is as wanted, then sends the signal; the rest of the events.
fn signal_at(child: &mut Child, signal: Signal, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut parsed = lines.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert!(parsed.by_ref().any(|event| wanted(&event)), "the run ended before it was to be stopped");
    kill(pid, signal).unwrap();
    lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect()
}

fn step_of(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == "step_started" && event["phase"] == phase
}

fn ctrl_c() {
    let bench = Bench::bare("ctrlc", 1);
    bench.inventory(&[("n1", "manager")], "");
    let mut child = bench.start(&["up", "--yes", "--json"]);
    let rest = signal_at(&mut child, Signal::SIGINT, step_of("packages"));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let kinds: Vec<_> = rest.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"stopping") && kinds.contains(&"step_done"), "{kinds:?}");
    let summary = &rest.last().unwrap()["summary"];
    assert_eq!(summary["nodes"][0]["outcome"], "stopped", "{summary}");
    let again = format!("skep -i {} up", bench.inventory_path().display());
    assert_eq!(summary["next"][0], again.as_str());
    // The step in hand was finished, and nothing after it begun.
    bench.on("n1", "dpkg-query -W docker.io && test ! -e /etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf");
    let journals = std::fs::read_dir(bench.state().join("skep/runs")).unwrap().count();
    assert_eq!(journals, 1);
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader"]);
}

fn kill_9() {
    let bench = Bench::bare("kill", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    let mut child = bench.start(&["up", "--yes", "--json"]);
    signal_at(&mut child, Signal::SIGKILL, |event| {
        event["event"] == "step_progress" && event["progress"]["text"].as_str().unwrap().contains("docker.io")
    });
    child.wait().unwrap();
    // The agents are still at it; the next run waits for them and goes on from there.
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

fn killed_between_joins() {
    let bench = Bench::with_engine("joins", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "manager"), ("n3", "manager")], "");
    let mut child = bench.start(&["up", "--yes", "--json"]);
    signal_at(&mut child, Signal::SIGKILL, |event| {
        event["event"] == "step_started" && event["node"] == "n2" && event["phase"] == "swarm"
    });
    child.wait().unwrap();
    let cluster = bench.on("n1", "docker info -f '{{.Swarm.Cluster.ID}}'");
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.on("n1", "docker info -f '{{.Swarm.Cluster.ID}}'"), cluster, "no second swarm was made");
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready Reachable", "n3 Ready Reachable"]);
}
