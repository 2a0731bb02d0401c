//! An aarch64 machine: a worker beside an amd64 manager, then the controller itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use skep::lab::Arch;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("an_aarch64_machine_joins_an_amd64_manager_and_runs_skep_itself", board)]
}

/// A binary as it is shipped; without it a part of the test is left out, or fails where none may be.
fn dist(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist").join(name);
    if path.is_file() {
        return Some(path);
    }
    let lacking = format!("{} is missing: `cargo dist` makes it", path.display());
    assert!(!super::is_set("SKEP_REQUIRE", "all"), "{lacking}");
    eprintln!("left out: {lacking}");
    None
}

fn board() {
    let Some(agent) = dist("skep-agent-aarch64") else { return };
    let agents = agent.parent().expect("a file is in a folder").display().to_string();
    let bench = Bench::boot("board", 1, vec![Arch::Arm64], true);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    bench.skep(&["--agent-dir", &agents, "up", "--yes"]).exits(0);
    bench.skep(&["--agent-dir", &agents, "plan", "--exit-code"]).exits(0);
    assert_eq!(bench.on("n2", "uname -m").trim(), "aarch64");
    let platforms =
        "docker node ls -q | xargs docker node inspect --format '{{.Description.Platform.Architecture}}'";
    let platforms = bench.on("n1", platforms);
    let mut platforms: Vec<_> = platforms.split_whitespace().collect();
    platforms.sort_unstable();
    assert_eq!(platforms, ["aarch64", "x86_64"]);
    eprintln!("the board is a worker");

    let Some(skep) = dist("skep-aarch64") else { return };
    // The board has skep, the lab's key and an inventory with paths of its own.
    let lab = bench.lab();
    copy(&bench, &skep, "/usr/local/bin/skep");
    copy(&bench, &lab.key(), "/root/lab-key");
    copy(&bench, &lab.known_hosts(), "/root/lab-hosts");
    bench.on("n2", "chmod 755 /usr/local/bin/skep; chmod 600 /root/lab-key");
    let inventory = fs::read_to_string(bench.inventory_path()).expect("the inventory is there");
    let inventory = inventory
        .replace(&lab.key().display().to_string(), "/root/lab-key")
        .replace(&lab.known_hosts().display().to_string(), "/root/lab-hosts");
    let path = bench.file("board.yml");
    fs::write(&path, inventory).expect("the board's inventory is written");
    copy(&bench, &path, "/root/cluster.yml");
    let said = bench.on("n2", "cd /root && skep -i cluster.yml plan --exit-code 2>&1");
    assert!(said.contains("Nothing to do"), "{said}");
    bench.on("n2", "cd /root && rm /etc/modules-load.d/*skep* && skep -i cluster.yml up --yes 2>&1");
    let said =
        bench.on("n2", "cd /root && skep -i cluster.yml plan --exit-code && skep -i cluster.yml status 2>&1");
    eprintln!("{said}");
}

/// Copies a file to the board.
fn copy(bench: &Bench, from: &Path, to: &str) {
    let mut words = bench.lab().ssh_command("n2").expect("the board is in the lab");
    words.push(format!("cat >{to}"));
    let input = File::open(from).expect("the file opens");
    let status = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::from(input)).status();
    assert!(status.expect("ssh runs").success(), "{} is copied", from.display());
}
