//! Bare hosts become a swarm, and stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("bare_hosts_become_a_swarm_of_three_managers", three_managers)]
}

/// What every join token begins with.
const TOKEN: &str = "SWMTKN-1-";

fn three_managers() {
    let mut bench = Bench::bare("three", 4);
    bench.inventory(
        &[("n1", "manager"), ("n2", "manager"), ("n3", "manager"), ("n4", "worker")],
        "engine: {options: {log-driver: json-file, log-opts: {max-size: 5m}}}\nswarm: {address_pool: [10.201.0.0/16]}\n",
    );
    plan_changes_nothing(&bench);
    let outputs = up_without_showing_a_token(&bench);
    assert_eq!(
        bench.members("n2"),
        ["n1 Ready Leader", "n2 Ready Reachable", "n3 Ready Reachable", "n4 Ready"]
    );
    no_token_is_left(&bench, &outputs);
    bound_by_label(&bench);
    a_second_up_changes_nothing(&bench);
    a_worker_is_added_later(&mut bench);
    bench.skep(&["status"]).exits(0).prints("n5");
}

/// Everything about a node that skep could have changed, line by line. Folders without the time of their last change of
/// attributes, which systemd touches now and then.
fn state_of(bench: &Bench, node: &str) -> Vec<String> {
    let files = "find /etc /usr /opt /root /home /var/lib/dpkg /var/lib/skep -xdev \
                 \\( -type d -printf '%p %T@ %m\\n' \\) -o -printf '%p %T@ %C@ %s %m\\n' | sort";
    let engine = "systemctl show docker -p MainPID -p ActiveEnterTimestampMonotonic";
    bench.on(node, &format!("{files}; {engine}")).lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_unchanged(bench: &Bench, before: &BTreeMap<&str, Vec<String>>, what: &str) {
    for (node, before) in before {
        let after = state_of(bench, node);
        let changed: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(after == *before, "{what} changed {node}: {changed:#?}");
    }
}

fn states<'n>(bench: &Bench, nodes: &[&'n str]) -> BTreeMap<&'n str, Vec<String>> {
    nodes.iter().map(|node| (*node, state_of(bench, node))).collect()
}

fn plan_changes_nothing(bench: &Bench) {
    // The first look pushes the agent; from then on nothing at all may change.
    bench.skep(&["plan"]).exits(0).prints("docker.io");
    let before = states(bench, &["n1", "n4"]);
    bench.skep(&["plan", "--exit-code"]).exits(3);
    assert_unchanged(bench, &before, "a plan");
}

/// Brings the hosts up while every process of every node is looked at again and again.
fn up_without_showing_a_token(bench: &Bench) -> String {
    let stop = AtomicBool::new(false);
    let (run, seen) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                seen.extend(tokens_of_all_processes());
            }
            seen
        });
        // Without this the watcher could be blind and nobody would know.
        let mut control = Command::new("sleep").arg("30").env("CONTROL", "SWMTKN-1-control").spawn().unwrap();
        let run = bench.skep(&["up", "--yes", "--json"]);
        control.kill().unwrap();
        control.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        (run, watcher.join().unwrap())
    });
    let run = run.exits(0);
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["SWMTKN-1-control"]);
    assert_eq!(run.events().last().unwrap()["summary"]["exit_code"], 0);
    run.stdout + &run.stderr
}

/// Join tokens in the arguments and environments of all processes; the nodes' are this computer's too.
fn tokens_of_all_processes() -> BTreeSet<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let read = |path: std::path::PathBuf| {
        ["cmdline", "environ"].map(|name| fs::read(path.join(name)).unwrap_or_default()).concat()
    };
    processes.flat_map(|path| tokens(&String::from_utf8_lossy(&read(path)))).collect()
}

fn tokens(text: &str) -> Vec<String> {
    let starts = text.match_indices(TOKEN).map(|(start, _)| &text[start..]);
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    starts.map(|rest| rest[..end(rest)].to_owned()).collect()
}

/// The swarm's own store is where tokens live; nothing else may hold one.
fn no_token_is_left(bench: &Bench, outputs: &str) {
    assert_eq!(tokens(outputs), [""; 0], "in what skep printed");
    let state = bench.state();
    let found = Command::new("grep").args(["-rlF", TOKEN]).arg(&state).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "in skep's own journal");
    for node in ["n1", "n2", "n3", "n4"] {
        let everywhere = format!(
            "grep -rlF {TOKEN} /etc /root /home /run /tmp /opt /var --exclude-dir=docker 2>/dev/null; \
             journalctl --no-pager | grep -F {TOKEN}; true"
        );
        assert_eq!(bench.on(node, &everywhere), "", "on {node}");
    }
}

fn bound_by_label(bench: &Bench) {
    for node in ["n1", "n2", "n3", "n4"] {
        let label =
            format!("docker node inspect $(docker node ls -q -f name={node}) -f '{{{{json .Spec.Labels}}}}'");
        assert_eq!(bench.on("n1", &label).trim(), format!(r#"{{"skep.node":"{node}"}}"#));
    }
}

fn a_second_up_changes_nothing(bench: &Bench) {
    let before = states(bench, &["n1", "n2", "n3", "n4"]);
    let run = bench.skep(&["up", "--json"]).exits(0);
    let steps = run.events().iter().filter(|event| event["event"] == "step_started").count();
    assert_eq!(steps, 0, "{}", run.stdout);
    assert_unchanged(bench, &before, "a second up");
    bench.skep(&["plan", "--exit-code"]).exits(0).prints("Nothing to do");
}

fn a_worker_is_added_later(bench: &mut Bench) {
    bench.grow(5, false);
    let comment = "# the attic\n";
    let before = fs::read_to_string(bench.inventory_path()).unwrap();
    fs::write(bench.inventory_path(), format!("{comment}{before}")).unwrap();
    let host = format!("root@{}", bench.address("n5"));
    bench.skep(&["node", "add", &host, "--yes"]).exits(0);
    let after = fs::read_to_string(bench.inventory_path()).unwrap();
    assert!(after.starts_with(comment) && after.contains("n5:"), "{after}");
    assert!(bench.members("n1").contains(&"n5 Ready".to_owned()));
    bench.skep(&["plan", "--exit-code"]).exits(0);
}
