//! Hosts that are off, locked out, or busy.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("a_host_that_is_off_stops_only_itself", switched_off),
        ("a_wrong_key_is_told_with_what_was_tried", wrong_key),
        ("a_changed_host_key_is_refused", changed_host_key),
        ("a_held_package_lock_is_waited_for_and_its_holder_named", package_lock),
        ("a_kernel_without_nfs_is_named_and_the_rest_done", no_nfs),
        ("a_second_run_is_told_who_is_at_work", run_lock),
    ]
}

fn switched_off() {
    let bench = Bench::with_engine("off", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "worker"), ("n3", "worker")], "");
    bench.lab().stop_node("n3").unwrap();
    // Nobody knows whether n3 holds a swarm, so none is made; all else is done.
    let options = ["--connect-timeout", "3"];
    bench.skep(&[&["up", "--yes"], &options[..]].concat()).exits(1).says("n3").prints("--assume-new");
    assert_eq!(bench.on("n1", "docker info -f '{{.Swarm.LocalNodeState}}'").trim(), "inactive");
    assert_eq!(
        bench.on("n2", "cat /etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf | tail -1").trim(),
        "net.ipv4.ip_forward = 1"
    );
    bench.skep(&[&["up", "--yes", "--assume-new", "n3"], &options[..]].concat()).exits(5).says("n3");
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.lab().start_node("n3").unwrap();
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready", "n3 Ready"]);
    bench.lab().stop_node("n3").unwrap();
    bench.skep(&[&["status"], &options[..]].concat()).exits(5).prints("n3");
    bench.skep(&[&["up", "--yes"], &options[..]].concat()).exits(5);
}

fn wrong_key() {
    let bench = Bench::with_engine("key", 1);
    bench.inventory(&[("n1", "manager")], "");
    let key = bench.file("wrong");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    let text = fs::read_to_string(bench.inventory_path()).unwrap();
    let right = bench.lab().key().display().to_string();
    fs::write(bench.inventory_path(), text.replace(&right, &key.display().to_string())).unwrap();
    bench.skep(&["plan"]).exits(5).says("n1").says(&key.display().to_string());
}

fn changed_host_key() {
    let bench = Bench::with_engine("hostkey", 1);
    bench.inventory(&[("n1", "manager")], "");
    bench.skep(&["plan"]).exits(0);
    bench.on("n1", "rm /etc/ssh/ssh_host_* && ssh-keygen -A && systemctl restart ssh");
    let known_hosts = bench.lab().known_hosts();
    for extra in [None, Some("--accept-new-host-keys")] {
        let arguments: Vec<_> = ["plan"].into_iter().chain(extra).collect();
        bench.skep(&arguments).exits(5).says("records another").says(&format!("{}:1", known_hosts.display()));
    }
    fs::write(&known_hosts, "").unwrap();
    bench.skep(&["plan"]).exits(5).says("SHA256:");
    bench.skep(&["plan", "--accept-new-host-keys"]).exits(0);
    bench.skep(&["plan"]).exits(0);
}

fn package_lock() {
    let bench = Bench::bare("dpkg", 1);
    bench.inventory(&[("n1", "manager")], "");
    // struct flock of a write lock on the whole file, as apt takes it.
    let holder = r#"perl -e 'use Fcntl; open(my $f, ">>", "/var/lib/dpkg/lock-frontend") or die;
        my $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; sleep 1 while -e "/run/hold"'"#;
    bench.on("n1", "touch /run/hold");
    bench.on("n1", &format!("systemd-run --quiet --unit=holder {}", holder.replace('\n', " ")));
    let mut child = bench.start(&["up", "--yes", "--json"]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut named = false;
    for event in events {
        let text = event["progress"]["text"].as_str().unwrap_or_default();
        if !named && text.contains("perl") {
            named = true;
            bench.on("n1", "rm /run/hold");
        }
        assert!(named || event["event"] != "step_done" || event["phase"] != "packages", "it did not wait");
    }
    assert!(named, "the holder of the lock was not named");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(bench.members("n1"), ["n1 Ready Leader"]);
}

fn no_nfs() {
    let supported = fs::read_to_string("/proc/filesystems").unwrap().contains("nfsd");
    if supported {
        // The nodes share this computer's kernel: there is none without NFS to be had.
        eprintln!("left out: a kernel without NFS, because this computer's has it");
        return;
    }
    let bench = Bench::with_engine("nonfs", 2);
    let share = "shares: {shared: {server: n1, path: /srv/shared, clients: [10.0.0.0/8], mount: {at: /mnt/shared}}}\n";
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], share);
    bench.skep(&["plan"]).exits(0).prints("CONFIG_NFSD").prints("CONFIG_NFS_FS");
    bench.skep(&["up", "--yes"]).exits(1).says("CONFIG_NFSD");
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    bench.on("n1", "test ! -e /srv/shared -a ! -e /etc/exports.d/skep.exports");
}

fn run_lock() {
    let bench = Bench::with_engine("lock", 1);
    bench.inventory(&[("n1", "manager")], "");
    bench.skep(&["plan"]).exits(0);
    // The lock is any live holder's; this one stands for another computer's skep.
    let owner = r#"{"who":"maya","host":"desk","reason":"skep up","since":"2026-01-02T03:04:05Z","run":"r"}"#;
    bench.on("n1", &format!("mkdir -p /run/skep; printf '%s' '{owner}' > /run/skep/lock"));
    bench.on("n1", "systemd-run --quiet --unit=holder flock /run/skep/lock sleep 300; sleep 1");
    bench.skep(&["up", "--yes", "--limit", "n1"]).says("maya@desk").says("2026-01-02T03:04:05Z").exits(6);
    bench.on("n1", "systemctl stop holder");
    bench.skep(&["up", "--yes"]).exits(0);
}
