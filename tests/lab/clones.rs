//! A card that was copied, membership of a swarm included, gets an identity of its own; a killed run is carried on with.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("a_copied_card_is_repaired_and_its_original_left_alone", repaired)]
}

/// All that a copied card takes along, of what tells hosts apart.
const CARD: &str = "tar cz --ignore-failed-read -C / etc/machine-id etc/hostname etc/ssh etc/docker/key.json \
     var/lib/docker/engine-id var/lib/docker/swarm 2>/dev/null | base64 -w0";

/// What tells a host from others, one a line.
const MARKS: &str = "cat /etc/machine-id /etc/hostname /etc/ssh/ssh_host_*_key.pub; docker info -f '{{.ID}}'";

fn repaired() {
    let bench = Bench::with_engine("clones", 3);
    let known = bench.file("known_hosts");
    inventory(&bench, &known, &["n1", "n2"], "");
    fs::copy(bench.lab().known_hosts(), &known).unwrap();
    bench.skep(&["up", "--yes"]).exits(0);
    copy(&bench, &known);
    inventory(&bench, &known, &["n1", "n2", "n3"], "");
    let (original, copied) = (bench.on("n2", MARKS), bench.on("n3", MARKS));
    assert_eq!(original, copied, "the copy is a good one");
    let member = "docker info -f '{{.Swarm.NodeID}} {{.Swarm.LocalNodeState}}'";
    let (node_id, started) = (bench.on("n2", member), bench.on("n2", "systemctl show docker -p MainPID"));

    // Found, refused as before, and shown.
    let mut refused = bench.skep(&["plan"]).exits(6).prints("n2, n3 have one node ID between them");
    for shared in ["machine-id", "hostname", "engine ID", "SSH host key"] {
        refused = refused.prints(&format!("n2 and n3 have one {shared}"));
    }
    refused.prints("`skep up --repair-clones`");
    let audit = bench.skep(&["audit", "--no-ports", "--json"]).exits(4);
    assert!(audit.stdout.contains("several nodes have one SSH host key"), "{}", audit.stdout);
    bench.skep(&["plan", "--repair-clones"]).exits(6).prints("`mac` of n2 in the inventory has to say so");
    let mac = bench.on("n2", "cat /sys/class/net/host0/address");
    inventory(&bench, &known, &["n1", "n2", "n3"], &format!(", mac: \"{}\"", mac.trim()));
    bench
        .skep(&["plan", "--repair-clones"])
        .exits(0)
        .prints("make a machine-id of its own")
        .prints("name it n3")
        .prints("make SSH host keys of its own")
        .prints("forget the copied membership");
    assert_eq!(bench.on("n3", MARKS), copied, "a plan changes nothing");

    killed_at(&bench, "make SSH host keys");
    let run = bench.skep(&["up", "--yes", "--repair-clones"]).exits(0);
    run.prints("n3 has to be rebooted before everything goes by the new machine-id");
    let marks = bench.on("n3", MARKS);
    let shared: Vec<_> = marks.lines().filter(|mark| original.lines().any(|own| own == *mark)).collect();
    assert!(shared.is_empty(), "{shared:?}");
    assert_eq!(bench.on("n2", MARKS), original);
    assert_eq!(bench.on("n2", member), node_id);
    assert_eq!(bench.on("n2", "systemctl show docker -p MainPID"), started, "its engine was left alone");
    bench
        .settles("n1", |members| members.len() == 3 && members.iter().all(|member| member.contains("Ready")));

    // Known by its new keys, and no more by those of the card.
    let recorded = |node: &str| {
        let address = bench.address(node);
        let found = Command::new("ssh-keygen").args(["-F", &address, "-f"]).arg(&known).output().unwrap();
        String::from_utf8(found.stdout).unwrap()
    };
    let key = |node: &str| {
        let key = bench.on(node, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
        key.trim().to_owned()
    };
    assert!(recorded("n2").contains(&key("n2")) && recorded("n3").contains(&key("n3")));
    assert!(!recorded("n3").contains(&key("n2")), "{}", recorded("n3"));
    assert_eq!(bench.on("n3", "ls -A /etc/ssh | grep -c skep || true").trim(), "0", "nothing is left");

    bench.skep(&["up", "--yes", "--reboot", "--wait", "60"]).exits(0);
    let journal = bench.on("n3", "ls -d /run/log/journal/$(cat /etc/machine-id) /var/log/journal/$(cat /etc/machine-id) 2>/dev/null || true");
    assert!(!journal.trim().is_empty(), "the journal goes by the new machine-id");
    bench.skep(&["plan", "--repair-clones", "--exit-code"]).exits(0).prints("Nothing to do");
}

fn inventory(bench: &Bench, known: &Path, nodes: &[&str], mac: &str) {
    let key = bench.lab().key();
    let mut text = format!(
        "name: test\ndefaults: {{user: root, key: {}, known_hosts: {}}}\nnodes:\n",
        key.display(),
        known.display()
    );
    for (place, node) in nodes.iter().enumerate() {
        let role = if place == 0 { "manager" } else { "worker" };
        let mac = if *node == "n2" { mac } else { "" };
        text += &format!("  {node}: {{address: {}, role: {role}{mac}}}\n", bench.address(node));
    }
    fs::write(bench.inventory_path(), text).unwrap();
}

/// Makes n3 a copy of n2, and known by the keys of that one.
fn copy(bench: &Bench, known: &Path) {
    let card = bench.on("n2", CARD);
    bench.on("n3", "systemctl stop docker.socket docker");
    for part in card.trim().as_bytes().chunks(100_000) {
        bench.on("n3", &format!("printf %s {} >>/tmp/card", String::from_utf8_lossy(part)));
    }
    bench.on(
        "n3",
        "base64 -d /tmp/card | tar xz -C / && rm /tmp/card && hostname $(cat /etc/hostname) && systemctl restart ssh && \
         systemctl start docker",
    );
    let (two, three) = (format!("{} ", bench.address("n2")), format!("{} ", bench.address("n3")));
    let text = fs::read_to_string(known).unwrap();
    let others = text.lines().filter(|line| !line.starts_with(&three));
    let copied =
        text.lines().filter(|line| line.starts_with(&two)).map(|line| line.replacen(&two, &three, 1));
    let lines: Vec<_> = others.map(str::to_owned).chain(copied).collect();
    fs::write(known, lines.join("\n") + "\n").unwrap();
}

/// Kills a run as soon as it begins that step.
fn killed_at(bench: &Bench, title: &str) {
    let mut run = bench.start(&["up", "--yes", "--repair-clones", "--json"]);
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    let begins = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["event"] == "step_started"
            && event["title"].as_str().is_some_and(|begun| begun.starts_with(title))
    };
    assert!(lines.any(|line| begins(&line)), "it never begins to {title}");
    run.kill().unwrap();
    run.wait().unwrap();
}
