//! Every kind of system that nodes of a lab can be.

use std::path::PathBuf;
use std::process::Command;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("each_debian_release_becomes_a_manager_of_one_swarm", debian_releases)]
}

/// The releases that Debian's archive carries, each with the engine's packages on it. n1 is of this computer's own.
const OTHERS: [(&str, &str); 2] = [("trixie", "docker-cli, docker.io"), ("11", "install docker.io")];

/// From bare to a manager, and nothing left to do: the oldest release that still has a mirror, this computer's own, and
/// the newest, whose packages, service manager and engine are five years apart.
fn debian_releases() {
    let own = std::fs::read_to_string("/etc/os-release").expect("this computer says what it runs");
    if !own.lines().any(|line| line == "ID=debian") {
        // Ubuntu's mirrors carry other releases, under other names.
        eprintln!("left out: the releases of Debian: this computer's mirror is not Debian's");
        assert!(std::env::var("SKEP_REQUIRE").is_err(), "SKEP_REQUIRE: they should have run");
        return;
    }
    let mut bench = Bench::bare("releases", 1);
    for (place, (release, _)) in OTHERS.iter().enumerate() {
        bench.grow_with(place + 2, release);
    }
    bench.inventory(&[("n1", "manager"), ("n2", "manager"), ("n3", "manager")], "");
    let agents = static_agents();
    let agents = agents.to_str().expect("the target folder's path is text");
    let skep = |arguments: &[&str]| bench.skep(&[&["--agent-dir", agents], arguments].concat());

    let plan = skep(&["plan", "--exit-code"]).exits(3);
    for (_, packages) in OTHERS {
        assert!(plan.stdout.contains(packages), "{packages} is not in:\n{}", plan.stdout);
    }
    skep(&["up", "--yes"]).exits(0);
    let members = ["n1 Ready Leader", "n2 Ready Reachable", "n3 Ready Reachable"];
    for node in ["n1", "n2", "n3"] {
        assert_eq!(bench.members(node), members, "as {node} sees it");
        // The engine runs containers' processes in groups of their own on each of them.
        bench.on(node, "docker info --format '{{.CgroupVersion}}' && systemctl is-active docker.service");
    }
    let again = skep(&["up", "--json"]).exits(0);
    let steps = again.events().iter().filter(|event| event["event"] == "step_started").count();
    assert_eq!(steps, 0, "{}", again.stdout);
    skep(&["plan", "--exit-code"]).exits(0).prints("Nothing to do");
}

/// The folder of an agent that needs no library of the host, as those that are shipped: this computer's C library is
/// newer than that of the oldest release. Built here, so that it is the one of these sources.
fn static_agents() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/static-agent");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--locked", "--no-default-features", "--bin", "skep-agent"])
        .args(["--target", &target, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "no static agent: {status}");
    folder.join(target).join("debug")
}
