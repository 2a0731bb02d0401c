//! Boot settings: the files changed, members really rebooted in turn, the running kernel asked afterwards.

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("boards_that_lack_a_controller_are_rebooted_in_turn_and_looked_at_again", in_turn)]
}

/// Takes the memory controller off a node until its next boot: of version 1 its mount goes, of version 2 its name.
const TAKE_MEMORY: &str = "if [ -e /sys/fs/cgroup/cgroup.controllers ]; then \
     tr ' ' '\\n' </sys/fs/cgroup/cgroup.controllers | grep -v memory | xargs >/run/controllers; \
     mount --bind /run/controllers /sys/fs/cgroup/cgroup.controllers; \
     else while umount -l /sys/fs/cgroup/memory 2>/dev/null; do :; done; fi";

const SETTINGS: &str = "verbosity=1\nextraargs=net.ifnames=0\noverlay_prefix=rockchip\n";

fn in_turn() {
    let bench = Bench::with_engine("boot", 3);
    let names = ["n1", "n2", "n3"];
    let managers = names.map(|name| (name, "manager"));
    bench.inventory(&managers, "");
    bench.skep(&["up", "--yes"]).exits(0);
    for name in names {
        flash(&bench, name, SETTINGS);
        bench.on(name, TAKE_MEMORY);
    }
    let first = names.map(|name| boot_id(&bench, name));

    // Nobody said that anything may be rebooted.
    bench.skep(&["up", "--yes"]).exits(0).prints("have to be rebooted").prints("skep up --reboot");
    for name in names {
        let settings = bench.on(name, "cat /boot/armbianEnv.txt");
        assert_eq!(settings, SETTINGS.replace("=0\n", "=0 cgroup_enable=memory\n"), "{name}");
        assert_eq!(bench.on(name, "cat /boot/armbianEnv.txt.before-skep"), SETTINGS, "{name}");
    }
    assert_eq!(names.map(|name| boot_id(&bench, name)), first);
    bench.skep(&["plan", "--reboot"]).exits(0).prints("reboots the host");

    // The run is killed while the second one is down.
    let steps = killed_at(&bench, "n2");
    let turn = |node: &str| ["drain", "reboot,", "make", "see"].map(|word| format!("{node} {word}"));
    let until: Vec<_> = turn("n1").into_iter().chain(turn("n2")).take(6).collect();
    assert_eq!(steps, until);
    comes_back(&bench, "n2", &first[1]);
    bench.settles("n2", all_ready);
    let second = names.map(|name| boot_id(&bench, name));
    assert!(second[0] != first[0] && second[2] == first[2]);
    let run = bench.skep(&["up", "--yes", "--reboot", "--wait", "60", "--json"]).exits(0);
    let steps: Vec<_> = run.events().iter().filter_map(begun).collect();
    let left: Vec<_> = turn("n3").into_iter().chain(["n2 make".to_owned()]).collect();
    assert_eq!(steps, left);
    let third = names.map(|name| boot_id(&bench, name));
    assert!(third[..2] == second[..2] && third[2] != second[2], "nobody is rebooted twice");
    assert_eq!(availability(&bench), "active active active");
    bench.skep(&["plan", "--exit-code"]).exits(0);

    in_vain(&bench);
}

/// A node that loses the controller at each boot is told of as failed, not as done; the others need not follow it.
fn in_vain(bench: &Bench) {
    let script = "/usr/local/sbin/forget";
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\nAfter=sysinit.target\nBefore=ssh.service docker.service\n[Service]\n\
         Type=oneshot\nExecStart=/bin/sh {script}\n[Install]\nWantedBy=multi-user.target\n"
    );
    bench.on("n1", &format!("cat >{script} <<'EOF'\n{TAKE_MEMORY}\nEOF"));
    bench.on(
        "n1",
        &format!("cat >/etc/systemd/system/forget.service <<'EOF'\n{unit}EOF\nsystemctl enable forget"),
    );
    for name in ["n1", "n2"] {
        flash(bench, name, SETTINGS);
        bench.on(name, TAKE_MEMORY);
    }
    let before = ["n1", "n2", "n3"].map(|name| boot_id(bench, name));
    let failed = bench.skep(&["up", "--yes", "--reboot"]).exits(1);
    failed
        .says("was booted without what /boot/armbianEnv.txt says and lacks the memory controller")
        .says("did not help");
    let after = ["n1", "n2", "n3"].map(|name| boot_id(bench, name));
    assert!(after[0] != before[0] && after[1..] == before[1..]);
    assert_eq!(availability(bench), "active active active");
    // It is told again, and not rebooted again, whoever touches the file.
    bench.on("n1", "touch /boot/armbianEnv.txt");
    bench.skep(&["up", "--yes", "--limit", "n1", "--reboot"]).exits(1).prints("was booted without");
    assert_eq!(boot_id(bench, "n1"), after[0]);
    bench.inventory(&[("n1", "manager"), ("n2", "manager"), ("n3", "manager")], "boot: {manage: false}\n");
    bench.skep(&["up", "--yes"]).exits(0).prints("Nothing to do");
}

/// Gives a node a board's boot settings.
fn flash(bench: &Bench, node: &str, settings: &str) {
    bench.on(node, &format!("mkdir -p /boot && printf '%s' '{settings}' >/boot/armbianEnv.txt"));
}

fn boot_id(bench: &Bench, node: &str) -> String {
    bench.on(node, "cat /proc/sys/kernel/random/boot_id")
}

/// Waits until a node runs another boot, its engine included.
fn comes_back(bench: &Bench, node: &str, before: &str) {
    let look = "cat /proc/sys/kernel/random/boot_id && docker node ls >/dev/null";
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let seen = bench.lab().enter(node, &["sh", "-c", look]);
        let other = |text: &[u8]| text != before.as_bytes();
        if seen.is_ok_and(|seen| seen.status.success() && other(&seen.stdout)) {
            return;
        }
        assert!(Instant::now() < deadline, "{node} does not come back");
        thread::sleep(Duration::from_secs(1));
    }
}

fn availability(bench: &Bench) -> String {
    bench.on("n3", "docker node inspect -f '{{.Spec.Availability}}' n1 n2 n3 | xargs").trim().to_owned()
}

fn all_ready(members: &[String]) -> bool {
    members.len() == 3 && members.iter().all(|member| member.contains("Ready"))
}

/// Whether all of three managers take part. A leader that was just elected knows the others' engines by their next
/// heartbeat only.
fn all_agree(members: &[String]) -> bool {
    let agrees = |member: &String| ["Leader", "Reachable"].iter().any(|word| member.ends_with(word));
    members.len() == 3 && members.iter().all(agrees)
}

/// A step that begins, as `node word`.
fn begun(event: &Value) -> Option<String> {
    let title = event["title"].as_str().filter(|_| event["event"] == "step_started")?;
    Some(format!("{} {}", event["node"].as_str()?, title.split([' ', ':']).next()?))
}

/// Runs `up --reboot`, and kills it once this node goes down; the steps that were begun. Whenever one is about to go, all are
/// there: seen as it is drained, with the run stopped meanwhile, because once the reboot has begun the members may be electing
/// another leader. The one before may just have done so, for which they are given a moment.
fn killed_at(bench: &Bench, node: &str) -> Vec<String> {
    let mut run = bench.start(&["up", "--yes", "--reboot", "--json"]);
    let pid = Pid::from_raw(run.id().try_into().unwrap());
    let mut steps = Vec::new();
    for line in BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap();
        let Some(step) = begun(&event) else {
            if event["event"] == "retrying" && event["node"] == node {
                break;
            }
            continue;
        };
        if step.ends_with(" drain") {
            kill(pid, Signal::SIGSTOP).unwrap();
            bench.settles("n3", all_agree);
            kill(pid, Signal::SIGCONT).unwrap();
        }
        steps.push(step);
    }
    run.kill().unwrap();
    run.wait().unwrap();
    steps
}
