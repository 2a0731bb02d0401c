//! Connections that are lost, hosts that fall, controllers that sleep: the run carries on, and nothing is done twice.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("cut_connections_are_made_again_and_nothing_is_done_twice", cut),
        ("a_host_that_reboots_in_mid_step_carries_on_and_one_that_is_gone_stops_only_itself", reboot),
        ("a_sleeping_controller_is_taken_over_and_notices", sleeper),
        ("managers_cut_in_the_middle_of_the_joins", joins),
        ("a_manager_that_reboots_in_the_middle_of_the_joins", rebooting_manager),
    ]
}

/// A run of skep whose events are acted on as they come.
struct Watched {
    child: Child,
    events: Vec<Value>,
}

impl Watched {
    fn start(bench: &Bench, arguments: &[&str]) -> Self {
        Self { child: bench.start(&[&["up", "--yes", "--json"], arguments].concat()), events: Vec::new() }
    }

    /// Reads events until one is as wanted.
    fn until(&mut self, lines: &mut impl Iterator<Item = Value>, wanted: impl Fn(&Value) -> bool) {
        for event in lines {
            let found = wanted(&event);
            self.events.push(event);
            if found {
                return;
            }
        }
        panic!("the run ended too early: {:#?}", self.events.last());
    }

    fn lines(&mut self) -> impl Iterator<Item = Value> + use<> {
        let lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap())
    }

    /// Acts on all further events, to the end; the exit code.
    fn each(&mut self, lines: impl Iterator<Item = Value>, mut act: impl FnMut(&Value)) -> i32 {
        for event in lines {
            act(&event);
            self.events.push(event);
        }
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn about(&self, kind: &str, node: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == kind && event["node"] == node).collect()
    }

    /// Each step that was begun has ended once, and well; with a receipt where it changed a resource.
    fn all_done(&self) {
        let plan = self.events.iter().find(|event| event["event"] == "planned").unwrap();
        for phase in plan["plan"]["phases"].as_array().unwrap() {
            for (place, step) in phase["steps"].as_array().unwrap().iter().enumerate() {
                let of_it = |event: &&Value| {
                    event["node"] == step["node"] && event["phase"] == phase["name"] && event["step"] == place
                };
                let ends: Vec<_> =
                    self.events.iter().filter(of_it).filter(|e| e["event"] != "step_started").collect();
                assert_eq!(ends.len(), 1, "{step} ended as {ends:#?}");
                assert_eq!(ends[0]["event"], "step_done", "{ends:#?}");
                let changed = step["action"].get("change").is_some();
                assert_eq!(changed, !ends[0]["receipt"].is_null(), "{ends:#?}");
            }
        }
    }
}

/// Whether a node is in the middle of unpacking the engine.
fn unpacking(event: &Value, node: &str) -> bool {
    let text = event["progress"]["text"].as_str().unwrap_or_default();
    event["event"] == "step_progress" && event["node"] == node && text.contains("docker.io")
}

fn begins(event: &Value, node: &str, phase: &str) -> bool {
    event["event"] == "step_started" && event["node"] == node && event["phase"] == phase
}

/// Ends the connections of a node, as a router would that forgets them.
fn cut_off(bench: &Bench, node: &str) {
    bench.on(node, "kill -9 $(pgrep -f '[r]oot@notty') || true");
}

/// How often the engine was installed on a node.
fn installations(bench: &Bench, node: &str) -> String {
    bench.on(node, "grep -c ' install docker.io' /var/log/dpkg.log").trim().to_owned()
}

/// Drops what this computer sends to a node, without a word to either side; until dropped.
struct Hole(String);

impl Hole {
    fn to(address: &str) -> Self {
        let hole = Self(format!("skep_test_{}", address.replace('.', "_")));
        let chain = "{ type filter hook output priority 0; }";
        nft(&format!(
            "add table ip {0}; add chain ip {0} out {chain}; add rule ip {0} out ip daddr {address} drop",
            hole.0
        ));
        hole
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        nft(&format!("delete table ip {}", self.0));
    }
}

fn nft(ruleset: &str) {
    assert!(Command::new("nft").arg(ruleset).status().unwrap().success(), "{ruleset}");
}

fn cut() {
    let bench = Bench::bare("cut", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    let mut run = Watched::start(&bench, &[]);
    let lines = run.lines();
    let (mut cut, mut hole) = (false, None);
    let code = run.each(lines, |event| {
        if !cut && unpacking(event, "n1") {
            cut = true;
            cut_off(&bench, "n1");
        }
        if hole.is_none() && unpacking(event, "n2") {
            hole = Some(Some(Hole::to(&bench.address("n2"))));
        }
        // Nobody told the controller; it has noticed by itself, and n2's agent still waits for it.
        if event["event"] == "retrying" && event["node"] == "n2" {
            hole.as_mut().map(Option::take);
        }
    });
    assert_eq!(code, 0, "{:#?}", run.events.last());
    for node in ["n1", "n2"] {
        assert!(!run.about("retrying", node).is_empty() && !run.about("resumed", node).is_empty(), "{node}");
        assert_eq!(installations(&bench, node), "1", "{node}");
        assert_eq!(
            bench.on(node, "ls -A /run/skep").trim(),
            "lock",
            "nothing is kept of a run that has ended"
        );
    }
    run.all_done();
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

fn reboot() {
    let bench = Bench::bare("reboot", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "worker"), ("n3", "worker")], "");
    let mut run = Watched::start(&bench, &["--reconnect", "20"]);
    let lines = run.lines();
    let (mut rebooted, mut off) = (false, false);
    let code = run.each(lines, |event| {
        if !rebooted && unpacking(event, "n2") {
            rebooted = true;
            pull_the_plug(&bench, "n2");
        }
        if !off && unpacking(event, "n3") {
            off = true;
            // So that nobody has to wait until the silence is noticed.
            cut_off(&bench, "n3");
            bench.lab().stop_node("n3").unwrap();
        }
    });
    assert_eq!(code, 5, "{:#?}", run.events.last());
    let failed = run.about("step_failed", "n3");
    assert_eq!(failed.len(), 1, "{failed:#?}");
    let cause = failed[0]["fault"]["cause"].as_str().unwrap();
    assert!(cause.contains("did not come back within 20 s"), "{cause}");
    assert!(failed[0]["fault"]["help"].as_str().unwrap().contains("skep up"));
    assert!(run.about("step_failed", "n1").is_empty() && run.about("step_failed", "n2").is_empty());
    assert!(!run.about("resumed", "n2").is_empty());
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.lab().start_node("n3").unwrap();
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready", "n3 Ready"]);
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

/// Reboots without a word to anybody, the command that does it included.
fn pull_the_plug(bench: &Bench, node: &str) {
    let _ = bench.lab().enter(node, &["systemctl", "reboot", "--force", "--force"]);
}

fn sleeper() {
    let bench = Bench::bare("asleep", 1);
    bench.inventory(&[("n1", "manager")], "");
    let mut first = Watched::start(&bench, &[]);
    let mut lines = first.lines();
    first.until(&mut lines, |event| unpacking(event, "n1"));
    let pid = Pid::from_raw(first.child.id().try_into().unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    bench
        .skep(&["up", "--yes", "--take-over"])
        .exits(6)
        .says("has been at work there since")
        .says("wait until");
    // Two minutes later, without the two minutes.
    age_lock(&bench);
    bench.skep(&["up", "--yes"]).exits(6).says("last heard of 2 h ago").says("--take-over");
    bench.skep(&["up", "--yes", "--take-over"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader"]);
    kill(pid, Signal::SIGCONT).unwrap();
    assert_eq!(first.each(lines, |_| ()), 1);
    // What its agent had finished before it left is on record; all else was the second run's.
    let done = first.about("step_done", "n1");
    assert_eq!(done.len(), 1, "{done:#?}");
    assert!(done[0]["phase"] == "packages" && !done[0]["receipt"].is_null(), "{done:#?}");
    let failed = first.about("step_failed", "n1");
    assert!(failed[0]["fault"]["cause"].as_str().unwrap().contains("took over there"), "{failed:#?}");
    assert_eq!(installations(&bench, "n1"), "1");
    assert_eq!(bench.members("n1"), ["n1 Ready Leader"]);
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

/// Makes a node's run lock say that its controller was last heard of two hours ago. Written in place: the lock is the
/// file's, not its name's.
fn age_lock(bench: &Bench) {
    let aged = r#"open(my $f, "+<", "/run/skep/lock") or die; my $t = <$f>;
        $t =~ s/"heard":(\d+)/sprintf q("heard":%d), $1 - 7200/e; seek($f, 0, 0); truncate($f, 0); print $f $t"#;
    bench.on("n1", &format!("perl -e '{aged}'"));
}

fn joins() {
    let bench = Bench::with_engine("joinscut", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "manager"), ("n3", "manager")], "");
    let mut run = Watched::start(&bench, &[]);
    let lines = run.lines();
    let code = run.each(lines, |event| {
        // The one that makes the swarm; the one that is joined through; the one that joins; the one that is labelled.
        for (node, phase, cut) in
            [("n1", "swarm", "n1"), ("n2", "swarm", "n1"), ("n3", "swarm", "n3"), ("n3", "labels", "n3")]
        {
            if begins(event, node, phase) {
                cut_off(&bench, cut);
            }
        }
    });
    assert_eq!(code, 0, "{:#?}", run.events.last());
    assert!(!run.about("retrying", "n1").is_empty() && !run.about("retrying", "n3").is_empty());
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready Reachable", "n3 Ready Reachable"]);
    let journals = fs::read_dir(bench.state().join("skep/runs")).unwrap().count();
    assert_eq!(journals, 1, "all in one run");
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

fn rebooting_manager() {
    let bench = Bench::with_engine("joinsreboot", 4);
    let nodes = [("n1", "manager"), ("n2", "manager"), ("n3", "manager"), ("n4", "worker")];
    bench.inventory(&nodes, "");
    let mut run = Watched::start(&bench, &[]);
    let lines = run.lines();
    let code = run.each(lines, |event| {
        // The leader, through which all went so far; the other two choose another.
        if begins(event, "n4", "swarm") {
            pull_the_plug(&bench, "n1");
        }
    });
    assert_eq!(code, 0, "{:#?}", run.events.last());
    assert!(!run.about("retrying", "n1").is_empty());
    run.all_done();
    bench
        .settles("n2", |members| members.len() == 4 && members.iter().all(|member| member.contains("Ready")));
    bench.skep(&["plan", "--exit-code"]).exits(0);
}
