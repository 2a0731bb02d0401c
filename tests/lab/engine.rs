//! Engines from Docker's packages: installed, chosen by version, held, and put in the place of another.

use std::io::{BufRead, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::repository::{Repository, VERSIONS};
use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("dockers_packages_are_checked_chosen_and_held", dockers_packages),
        ("engines_of_either_source_take_the_place_of_the_other", there_and_back),
        ("engines_of_a_swarm_are_replaced_in_turn_even_when_killed", replaced_in_turn),
    ]
}

const DOCKERS_KEY: &str = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

/// The inventory's section, with more keys of it.
fn section(repository: &Repository, more: &str) -> String {
    let Repository { url, fingerprint, .. } = repository;
    format!(
        "engine:\n  source: docker\n  repository: {{url: '{url}', key_fingerprint: {fingerprint}}}\n{more}"
    )
}

fn version(bench: &Bench, node: &str, package: &str) -> String {
    bench.on(node, &format!("dpkg-query -W -f '${{Version}}' {package}"))
}

fn dockers_packages() {
    let bench = Bench::bare("docker", 1);
    let repository = Repository::serve(&bench);
    let inventory = |text: &str| bench.inventory(&[("n1", "manager")], text);
    let list = "deb [signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/debian bookworm stable";
    bench.on("n1", &format!("echo '{list}' >/etc/apt/sources.list.d/docker.list"));
    inventory("engine: {source: keep}\n");
    bench.skep(&["up", "--yes"]).exits(6).prints("`engine.source` is `keep`");
    wrong_key(&bench, &repository);

    // No version of that kind: what there is is told.
    inventory(&section(&repository, "  version: '27.*'\n"));
    bench.skep(&["up", "--yes"]).exits(1).says("27.*").says(VERSIONS[0]).says(VERSIONS[1]);

    inventory(&section(&repository, "  version: '28.4.*'\n  group: [pi]\n"));
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(version(&bench, "n1", "docker-ce"), VERSIONS[0]);
    assert_eq!(version(&bench, "n1", "docker-ce-cli"), VERSIONS[0]);
    bench.on("n1", "test ! -e /etc/apt/sources.list.d/docker.list && id -nG pi | grep -qw docker");
    assert_eq!(bench.on("n1", "stat -c %a:%U /etc/apt/keyrings/docker.asc").trim(), "644:root");
    assert_eq!(bench.members("n1"), ["n1 Ready Leader"]);
    bench.skep(&["plan", "--exit-code"]).exits(0).prints("Nothing to do");

    // Whoever upgrades the rest of the host leaves the engine alone.
    bench.on("n1", "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get -q -y upgrade");
    assert_eq!(version(&bench, "n1", "docker-ce"), VERSIONS[0]);
    let blacklist = bench.on("n1", "apt-config dump Unattended-Upgrade::Package-Blacklist");
    assert!(
        blacklist.contains("\"docker-ce$\"") && blacklist.contains("\"containerd\\.io$\""),
        "{blacklist}"
    );

    inventory(&section(&repository, "  version: '28.5.*'\n"));
    bench.skep(&["plan"]).exits(0).prints("drain").prints("restarts docker");
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(version(&bench, "n1", "docker-ce"), VERSIONS[1]);
    assert_eq!(availability(&bench, "n1", "n1"), "active map[skep.node:n1]");
    let held = bench.on("n1", "apt-mark showhold");
    assert!(held.contains("docker-ce\n") && held.contains("containerd.io\n"), "{held}");
    bench.skep(&["plan", "--exit-code"]).exits(0);

    inventory(&section(&repository, "  version: '28.4.*'\n"));
    bench.skep(&["up", "--yes"]).exits(1).says("would be older").says("--replace-engine");
    assert_eq!(version(&bench, "n1", "docker-ce"), VERSIONS[1]);

    inventory("engine: {source: keep}\n");
    bench.skep(&["plan", "--exit-code"]).exits(0).prints("Nothing to do");
}

/// The distribution's engine gives way to Docker's, which comes from a folder of the node itself, and comes back.
fn there_and_back() {
    let bench = Bench::with_engine("folder", 1);
    let repository = Repository::serve(&bench);
    bench.inventory(&[("n1", "manager")], "");
    bench.skep(&["up", "--yes"]).exits(0);
    let id = || bench.on("n1", "docker info -f '{{.Swarm.NodeID}}'; docker volume ls -q");
    bench.on("n1", "docker volume create kept-here");
    let before = id();

    let fetch = format!("/usr/lib/apt/apt-helper download-file {}/all.tar /run/all.tar", repository.url);
    bench.on(
        "n1",
        &format!("{fetch} && mkdir /srv/docker && tar -C /srv/docker -xf /run/all.tar && rm /run/all.tar"),
    );
    // No other source of packages is left.
    bench.on("n1", "mkdir /root/apart; mv /etc/apt/sources.list* /root/apart/; rm -rf /var/lib/apt/lists/*");
    let section = format!(
        "engine: {{source: docker, repository: {{url: 'file:/srv/docker', key_fingerprint: {}}}}}\n",
        repository.fingerprint
    );
    bench.inventory(&[("n1", "manager")], &section);
    bench.skep(&["up", "--yes", "--replace-engine"]).exits(0);
    assert_eq!(version(&bench, "n1", "docker-ce"), VERSIONS[1]);
    assert_eq!(id(), before, "swarm, node and data are the same");
    bench.skep(&["plan", "--exit-code"]).exits(0);

    bench.on("n1", "rm -r /etc/apt/sources.list.d; mv /root/apart/* /etc/apt/");
    bench.inventory(&[("n1", "manager")], "engine: {source: distro}\n");
    bench.skep(&["up", "--yes"]).exits(1).says("docker-ce").says("--replace-engine");
    bench.skep(&["up", "--yes", "--replace-engine"]).exits(0);
    bench.on("n1", "dpkg-query -W docker.io containerd runc && ! dpkg -l docker-ce containerd.io | grep ^.i");
    assert_eq!(id(), before, "swarm, node and data are the same");
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

/// A key that is not the one wanted is refused, and nothing is left of it.
fn wrong_key(bench: &Bench, repository: &Repository) {
    let key = bench.file("key.asc");
    std::fs::copy(&repository.key, &key).unwrap();
    for key in [format!("{}/gpg", repository.url), key.display().to_string()] {
        let text =
            format!("engine: {{source: docker, repository: {{url: '{}', key: '{key}'}}}}\n", repository.url);
        bench.inventory(&[("n1", "manager")], &text);
        bench.skep(&["up", "--yes"]).exits(1).says(DOCKERS_KEY).says(&repository.fingerprint);
        bench.on(
            "n1",
            "test ! -e /etc/apt/keyrings/docker.asc -a ! -e /etc/apt/sources.list.d/docker.sources \
             -a -e /etc/apt/sources.list.d/docker.list && ! ls -d /run/skep-key-* && ! dpkg -s docker-ce",
        );
    }
}

/// A node's availability and labels, as a manager has them.
fn availability(bench: &Bench, manager: &str, node: &str) -> String {
    let format = "{{.Spec.Availability}} {{.Spec.Labels}}";
    bench.on(manager, &format!("docker node inspect {node} -f '{format}'")).trim().to_owned()
}

fn replaced_in_turn() {
    let bench = Bench::with_engine("replace", 3);
    let repository = Repository::serve(&bench);
    let managers = [("n1", "manager"), ("n2", "manager"), ("n3", "manager")];
    bench.inventory(&managers, "");
    bench.skep(&["up", "--yes"]).exits(0);
    let nodes = ["n1", "n2", "n3"];
    let identity = |node: &str| {
        bench.on(node, "docker info -f '{{.Swarm.Cluster.ID}} {{.Swarm.NodeID}}'; docker volume ls -q")
    };
    for node in nodes {
        bench.on(node, "docker volume create kept-here; apt-mark hold docker.io");
    }
    let before = nodes.map(identity);
    service(&bench, &nodes);
    bench.on("n1", "docker node update --availability pause n3");

    bench.inventory(&managers, &section(&repository, ""));
    bench.skep(&["up", "--yes"]).exits(1).says("docker.io").says("--replace-engine");
    for node in nodes {
        bench.on(node, "dpkg -s docker.io >/dev/null && ! dpkg -s docker-ce");
    }

    // Killed while the second engine is replaced.
    let mut child = bench.start(&["up", "--yes", "--json", "--replace-engine"]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut at_work = None;
    for event in lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()) {
        if event["phase"] != "engine" {
            continue;
        }
        let node = event["node"].as_str().unwrap_or_default().to_owned();
        let title = event["title"].as_str().unwrap_or_default();
        match event["event"].as_str().unwrap() {
            "step_started" => {
                assert_eq!(at_work.replace(node.clone()), None, "one after another");
                if node == "n2" && title.starts_with("remove") {
                    assert_eq!(
                        availability(&bench, "n1", "n2"),
                        "drain map[skep.availability:active skep.node:n2]"
                    );
                    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGKILL).unwrap();
                    break;
                }
            }
            "step_done" => at_work = None,
            _ => {}
        }
    }
    child.wait().unwrap();
    assert_eq!(at_work.as_deref(), Some("n2"), "the run ended before it was to be killed");

    // Those who are left decide, and the next run carries on.
    bench.skep(&["up", "--yes", "--replace-engine"]).exits(0);
    bench
        .settles("n1", |members| members.iter().all(|member| member.contains("Ready")) && members.len() == 3);
    for (node, before) in nodes.iter().zip(before) {
        assert_eq!(version(&bench, node, "docker-ce"), VERSIONS[1]);
        assert_eq!(identity(node), before, "swarm, node and data of {node} are the same");
    }
    let after = nodes.map(|node| availability(&bench, "n1", node));
    assert_eq!(after, ["active map[skep.node:n1]", "active map[skep.node:n2]", "pause map[skep.node:n3]"]);
    bench.settles_to("n1", "docker service ls --format '{{.Replicas}}'", "2/2");
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

/// A service of two tasks, of an image made of what a node has.
fn service(bench: &Bench, nodes: &[&str]) {
    for node in nodes {
        let files = "$(ldd /bin/sleep | grep -o '/[^ ]*') /bin/sleep";
        bench.on(node, &format!("tar -chPf - {files} | docker import - tiny"));
    }
    bench.on("n1", "docker service create -q -d --no-resolve-image --name idle --replicas 2 --stop-grace-period 2s tiny /bin/sleep 1d");
    bench.settles_to("n1", "docker service ls --format '{{.Replicas}}'", "2/2");
}
