use std::path::PathBuf;

use super::*;
use crate::inventory::Loaded;
use crate::inventory::load::{Surroundings, read};

fn loaded(text: &str) -> Loaded {
    let here = Surroundings { folder: "/inv".into(), home: Some("/home/me".into()), user: "me".into() };
    read(Path::new("cluster.yml"), text, &here)
        .unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)))
}

fn shown(text: &str) -> Value {
    let Loaded { inventory, file, .. } = loaded(text);
    Show { file: &file, inventory: &inventory, folder: Path::new("/inv") }.all()
}

fn meaning(text: &str) -> String {
    crate::fuzzing::meaning(loaded(text).inventory)
}

/// Every key once, in every form.
const FULL: &str = r#"
$schema: ./schema.json
name: full.1
defaults: {user: pi, key: ~/.ssh/a, password: {file: pw}, known_hosts: hosts, labels: {board: "1"}, role: worker}
nodes:
  n1: {address: "fd00::1", role: manager, advertise: "fd00::1", user: root, port: 2222, keys: [/k, b], sudo: never}
  n2:
    address: n2.lan
    password: {env: PW}
    host_key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    known_hosts: ~/known
    sudo: always
    labels: {a.b: x, "disk": "yes: no"}
    jump: none
    sudo_password: {env: SUDO}
    key_passphrase: {file: ~/pp}
  n3: {address: 10.77.0.1, password: {command: 'pass show "pi"'}, port: 22, jump: "a,pi@b:23,root@[fd00::9]:24", sudo: doas}
  n4: {address: n4, proxy_command: "nc -X 5 -x proxy %h %p", known_hosts: /dev/null}
engine:
  source: docker
  version: "28.*"
  hold: false
  repository: {url: "https://mirror.lan/docker/", suite: bookworm, key: keys/mirror.asc, key_fingerprint: 9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88}
  proxy: {http: "http://proxy.lan:3128", no_proxy: [localhost, .lan]}
  group: [pi]
  registry_mirrors: ["https://mirror.lan"]
  options: {log-driver: local, log-opts: {max-file: "3"}, mtu: 1400, debug: true}
shares:
  root: {server: n1, path: /srv/nfs/, clients: [n2, 10.0.0.0/8], options: [fsid=root, rw], owner: "1:2", mode: "0700", mount: {at: /mnt/root, options: [ro]}}
  below: {server: n1, path: /srv/nfs/a b, clients: ["@group"], mount: {at: /mnt/below, on: [n3]}}
  told: {server: n2, path: /srv/c, clients: [n1], mount: {at: /mnt/told, remote: /other}}
  bare: {server: n3, path: /srv/d, clients: ["*.lan"]}
swarm: {address_pool: [10.200.0.0/16], subnet_size: 26, task_history: 3}
templates: ./mine
hooks:
  - {name: backup, on: [controller], when: before, phase: all, run: "tar c /srv", timeout: 60}
  - {name: tell, when: after, phase: swarm, script: tell.sh}
  - {name: some, on: [n1, n3], when: after, phase: mounts, run: "true"}
"#;

#[test]
fn what_is_shown_means_the_same() {
    let examples = ["minimal", "home", "boards"].map(|name| {
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "inventory", &format!("{name}.yml")].iter().collect();
        std::fs::read_to_string(path).expect("an example")
    });
    for text in examples.into_iter().chain([FULL.to_owned()]) {
        let shown = shown(&text);
        let json = serde_json::to_string(&shown).expect("JSON");
        // JSON is YAML.
        for again in [shown.yaml(), json] {
            assert_eq!(meaning(&again), meaning(&text), "{again}");
        }
    }
}

#[test]
fn a_second_showing_shows_the_same() {
    let keys = |yaml: &str| -> Vec<String> {
        yaml.lines().map(|line| line.split(" #").next().unwrap_or_default().trim_end().to_owned()).collect()
    };
    let first = shown(FULL).yaml();
    let uncommented = |yaml: &str| keys(yaml).into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>();
    assert_eq!(uncommented(&shown(&first).yaml()), uncommented(&first));
}

#[test]
fn values_say_where_they_come_from() {
    let yaml = shown("defaults: {user: pi, keys: [a]}\nnodes:\n  n1: {address: n1, role: manager}\n  n2: {address: n2, role: worker, user: root, port: 23}\n").yaml();
    let wanted = "\
name: swarm  # default

nodes:
  n1:
    address: n1
    role: manager
    # advertise: found out on the node
    user: pi  # from `defaults`
    # port: by your ssh configuration, else 22
    keys: [/inv/a]  # from `defaults`
    # password: asked for where it is wanted
    # key_passphrase: asked for where it is wanted
    # host_key: as known_hosts has it
    # known_hosts: by your ssh configuration, else ~/.ssh/known_hosts
    # jump: by your ssh configuration, else none
    sudo: auto  # default
    # sudo_password: asked for where sudo wants one
  n2:
    address: n2
    role: worker
    # advertise: found out on the node
    user: root
    port: 23
    keys: [/inv/a]  # from `defaults`
    # password: asked for where it is wanted
    # key_passphrase: asked for where it is wanted
    # host_key: as known_hosts has it
    # known_hosts: by your ssh configuration, else ~/.ssh/known_hosts
    # jump: by your ssh configuration, else none
    sudo: auto  # default
    # sudo_password: asked for where sudo wants one

engine: {}
  # source: distro where a node has no engine; one that is there stays
  # version: whatever the source has
  # hold: as the packages are

swarm: {}
  # address_pool: Docker's own, 10.0.0.0/8
  # subnet_size: Docker's own, 24
  # task_history: Docker's own, 5

boot:
  manage: true  # default
  reboot: ask  # default
";
    assert_eq!(yaml, wanted);
}

#[test]
fn secrets_are_shown_by_their_source_alone() {
    let text = "nodes: {n1: {address: n1, role: manager, password: {env: PW}}}\n\
                engine: {options: {proxies: {http-proxy: \"http://bob:hunter2@proxy:1\"}}}\n";
    let yaml = shown(text).yaml();
    assert!(yaml.contains("password: {env: PW}") && yaml.contains("***@proxy"), "{yaml}");
    assert!(!yaml.contains("hunter2") && yaml.contains("# *** stands where"), "{yaml}");
    loaded(&yaml);
}

#[test]
fn some_nodes_alone() {
    let Loaded { inventory, file, .. } = loaded(FULL);
    let show = Show { file: &file, inventory: &inventory, folder: Path::new("/") };
    let yaml = show.nodes(&["n3".into(), "n9".into()]).yaml();
    assert!(yaml.starts_with("n3:\n  address: 10.77.0.1\n") && !yaml.contains("n1:"), "{yaml}");
    assert!(yaml.contains("known_hosts: /inv/hosts  # from `defaults`"), "{yaml}");
    assert!(yaml.contains("labels: {board: \"1\"}  # some or all from `defaults`"), "{yaml}");
}
