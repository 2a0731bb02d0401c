//! A share between two kernels: who owns what is written, and what becomes of it when either side goes.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skep::lab::Arch;

use super::support::{Bench, Run, Test};
use super::traps;

pub(crate) fn trials() -> Vec<Test> {
    vec![("a_share_outlives_reboots_of_both_sides_and_no_container_starts_beside_it", share)]
}

/// As in `inventory/home.yml`, with the options of the share left open.
fn shares(bench: &Bench, root: &str) -> String {
    format!(
        "shares:\n  shared:\n    server: n1\n    path: /var/shared/folder\n    clients: [{}]\n    \
         options: [rw, {root}sync, crossmnt, no_subtree_check, all_squash, anonuid=1000, anongid=1000]\n    \
         owner: 1000:1000\n    mount: {{at: /mnt/shared}}\n",
        bench.lab().subnet()
    )
}

/// Longer than Docker waits for a mount, on a computer that does other things too.
const BOOT: Duration = Duration::from_secs(10 * 60);

const NODES: [(&str, &str); 2] = [("n1", "worker"), ("n2", "manager")];

fn share() {
    let bench = Bench::boot("kernel-nfs", 0, vec![Arch::Amd64, Arch::Amd64], true);
    bench.inventory(&NODES, &shares(&bench, "fsid=0, "));
    // Nothing keeps its time, as on a board that starts at the date of its image.
    bench.on("n2", "date --set=@1577836800");
    bench.skep(&["audit", "--no-ports"]).exits(4).prints("behind the other nodes'");
    bench.skep(&["up", "--yes"]).exits(0).prints("set the clock (");
    let time = bench.on("n2", "date +%s").trim().parse::<u64>().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(time.abs_diff(now) < 60, "n2 has {time}, and it is {now}");
    bench.skep(&["plan", "--exit-code"]).exits(0);
    let server = bench.address("n1");

    paths_below_a_root(&bench, &server);
    squashed(&bench);
    used(&bench);
    let writer = "--mount type=bind,src=/mnt/shared,dst=/data --constraint node.labels.skep.node==n2";
    bench.on(
        "n2",
        &format!(
            "tar -C / -ch usr/bin/busybox | docker import - box:1
             docker service create --quiet --detach --no-resolve-image --name writer {writer} --restart-delay 2s \
             box:1 /usr/bin/busybox sh -c 'while :; do echo alive >/data/alive; sleep 1; done'"
        ),
    );
    beats(&bench);
    eprintln!("the service writes through the share");

    // The server falls while it is mounted: the service goes on as soon as it is back.
    bench.lab().stop_node("n1").unwrap();
    told(&bench, &server);
    // Its client falls too, and comes back first.
    bench.lab().stop_node("n2").unwrap();
    bench.lab().start_node("n2").unwrap();
    bench.settles_within(BOOT, "n2", "systemctl is-active docker || true", "active");
    eprintln!("Docker runs without the server");
    let refused = "docker service ps writer --no-trunc --format '{{.Error}}' | grep -m1 -o 'source path does not exist' || true";
    bench.settles_within(BOOT, "n2", refused, "source path does not exist");
    let nothing = "docker ps --quiet; ls -d /mnt/shared 2>/dev/null || true";
    assert_eq!(bench.on("n2", nothing), "", "nothing runs, and nothing can be written beside the share");
    bench.lab().start_node("n1").unwrap();
    bench.settles_within(BOOT, "n2", "findmnt -n -o FSTYPE /mnt/shared || true", "nfs4");
    beats(&bench);
    eprintln!("client first: it is mounted again");

    // The server alone; then both at once, as after a power cut.
    bench.lab().stop_node("n1").unwrap();
    bench.lab().start_node("n1").unwrap();
    beats(&bench);
    eprintln!("server alone: the service goes on");
    bench.settles_within(BOOT, "n1", "systemctl is-active docker || true", "active");
    bench.skep(&["plan", "--exit-code"]).exits(0);

    // Without a root of its own the share is mounted by its whole path.
    bench.inventory(&NODES, &shares(&bench, ""));
    bench.skep(&["up", "--yes"]).exits(0);
    bench.skep(&["plan", "--exit-code"]).exits(0);
    let source = bench.on("n2", "findmnt -n -o SOURCE /mnt/shared");
    assert_eq!(source.trim(), format!("{server}:/var/shared/folder"));
    squashed(&bench);
    bench.on("n2", "docker service rm writer");
    traps::spring(&bench, &server);
    traps::translate(&bench, |options| bench.inventory(&NODES, &shares(&bench, options)));
    squashed(&bench);
}

/// With `fsid=0` NFSv4 clients see the share as `/` and nowhere else, those of version 3 by its whole path.
fn paths_below_a_root(bench: &Bench, server: &str) {
    let source = bench.on("n2", "findmnt -n -o SOURCE,FSTYPE /mnt/shared");
    assert_eq!(source.split_whitespace().collect::<Vec<_>>(), [&format!("{server}:/"), "nfs4"]);
    bench.on("n2", "mkdir -p /run/try");
    let mount = |version: &str, path: &str| {
        let command = format!("mount -t nfs -o vers={version},retry=0,nolock {server}:{path} /run/try 2>&1");
        bench.on("n2", &format!("if {command}; then umount /run/try; echo mounted; fi"))
    };
    assert!(mount("4.2", "/var/shared/folder").contains("No such file"), "a root hides its own path");
    assert_eq!(mount("3", "/var/shared/folder").trim(), "mounted");
}

/// Whoever writes, it is user 1000 who wrote.
fn squashed(bench: &Bench) {
    for user in ["0", "1000", "4242", "65534"] {
        let write = format!("mkdir /mnt/shared/dir-{user} && echo x >/mnt/shared/file-{user}");
        bench.on("n2", &format!("setpriv --reuid {user} --regid {user} --clear-groups sh -c '{write}'"));
    }
    let owners =
        "stat -c %u:%g /var/shared/folder/dir-* /var/shared/folder/file-* | sort | uniq -c | tr -s ' '";
    assert_eq!(bench.on("n1", owners).trim(), "8 1000:1000");
    bench.on("n2", "rm -r /mnt/shared/dir-* /mnt/shared/file-*");
    assert_eq!(bench.on("n1", "ls /var/shared/folder | grep -c -- - || true").trim(), "0");
}

/// An audit uses the share, as root and as a stranger, and leaves nothing behind.
fn used(bench: &Bench) {
    let run = bench.skep(&["audit", "--no-ports", "--deep", "--json"]);
    let report = run.events().into_iter().find(|event| event["event"] == "audit").expect("a report");
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let used: Vec<_> = verdicts.iter().filter(|verdict| verdict["check"] == "nfs-used").collect();
    let [verdict] = used[..] else { panic!("{used:#?}") };
    assert_eq!(
        (verdict["severity"].as_str(), verdict["message"].as_str()),
        (Some("ok"), Some("files in /mnt/shared can be written, locked, renamed and removed")),
        "{verdict:#}"
    );
    assert_eq!(verdict["evidence"].as_array().map(Vec::len), Some(2), "as two users: {verdict:#}");
    assert_eq!(bench.on("n1", "ls -A /var/shared/folder | grep skep || true"), "");
}

/// The service writes, and what it writes is user 1000's.
fn beats(bench: &Bench) {
    bench.on("n1", "rm -f /var/shared/folder/alive");
    let owner = "stat -c %u:%g /var/shared/folder/alive 2>/dev/null || true";
    bench.settles_within(BOOT, "n1", owner, "1000:1000");
}

/// A dead server is told of, and nothing waits for it: each command ends, long before an NFS client gives up.
fn told(bench: &Bench, server: &str) {
    let audit = ends(bench, "audit");
    audit.prints(&format!("the file server {server}:2049 does not answer"));
    let status = ends(bench, "status");
    assert!(status.stdout.contains("n1") && status.code != 0, "{status:?}");
    eprintln!("the dead server is told of:\n{}", status.stdout);
}

/// Runs a command of skep, which has to end.
fn ends(bench: &Bench, command: &str) -> Run {
    let limited = Command::new("timeout")
        .args(["120", env!("CARGO_BIN_EXE_skep"), "--inventory"])
        .arg(bench.inventory_path())
        .args([command, "--connect-timeout", "5"])
        .env("XDG_STATE_HOME", bench.state())
        .stdin(Stdio::null())
        .output();
    let run = Run::of(&limited.expect("skep runs"));
    assert_ne!(run.code, 124, "skep {command} did not end: {run:?}");
    run
}
