//! The hosts that are measured on, and the labs that most of them are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::job::{Job, json};
use super::{Bench, contender, write};
use crate::failure::Result;

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) role: String,
}

/// Hosts that take one key for root.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    pub(super) inventory: PathBuf,
    pub(super) key: PathBuf,
    pub(super) known_hosts: PathBuf,
    /// The same for the system's client.
    pub(super) ssh_config: PathBuf,
    pub(super) list: Vec<Host>,
}

impl Hosts {
    /// Boots a lab's nodes.
    pub(super) fn lab(bench: &Bench, name: &str, nodes: usize) -> Result<Self> {
        let up = Job::new("lab up", &bench.skep, 1200).args(["--json", "--yes", "lab", "up", "--name", name]);
        let up = up.arg("-n").arg(nodes);
        let lab = json(&up.name, &bench.measure(&up)?.stdout)?;
        let inventory = PathBuf::from(lab["inventory"].as_str().unwrap_or_default());
        let show = Job::new("inventory show", &bench.skep, 60).args(["--json", "inventory", "show", "-i"]);
        let show = show.arg(inventory.display());
        let list = hosts(&json(&show.name, &bench.measure(&show)?.stdout)?);
        let folder = inventory.parent().unwrap_or(Path::new("/"));
        let (key, known_hosts) = (folder.join("id_ed25519"), folder.join("known_hosts"));
        let ssh_config = bench.file("ssh_config");
        write(&ssh_config, &ssh_config_text(&key, &known_hosts))?;
        Ok(Self { inventory, key, known_hosts, ssh_config, list })
    }

    pub(super) fn addresses(&self) -> Vec<&str> {
        self.list.iter().map(|host| host.address.as_str()).collect()
    }

    /// What a command prints on the first of them.
    pub(super) fn ask(&self, bench: &Bench, command: &str) -> Result<String> {
        let first = Self { list: self.list[..1].to_vec(), ..self.clone() };
        Ok(bench.measure(&contender::on_each(&first, "ask", 60, command))?.stdout)
    }
}

/// Removes the lab that something was done on; what had gone wrong before is told first.
pub(super) fn then_down<T>(bench: &Bench, name: &str, done: Result<T>) -> Result<T> {
    let down = Job::new("lab down", &bench.skep, 300).args(["lab", "down", "--name", name]);
    let gone = bench.measure(&down);
    done.and_then(|done| gone.map(|_| done))
}

/// The nodes as `skep inventory show --json` tells them.
fn hosts(shown: &Value) -> Vec<Host> {
    let nodes = shown["nodes"].as_object().into_iter().flatten();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    nodes
        .map(|(name, node)| Host {
            name: name.clone(),
            address: word(&node["address"]),
            role: word(&node["role"]),
        })
        .collect()
}

/// For the system's client and for Ansible: no question, no other key, and nothing of the user's own configuration.
pub(super) fn ssh_config_text(key: &Path, known_hosts: &Path) -> String {
    format!(
        "Host *
    User root
    IdentityFile {}
    IdentitiesOnly yes
    UserKnownHostsFile {}
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 60
",
        key.display(),
        known_hosts.display()
    )
}

/// Where the connections that Ansible keeps have their sockets: their paths must be short.
pub(super) fn control_sockets() -> PathBuf {
    std::env::temp_dir().join("skep-bench-cp")
}

/// Ends the connections that Ansible keeps.
pub(super) fn end_kept_connections() {
    for socket in fs::read_dir(control_sockets()).into_iter().flatten().flatten() {
        let path = format!("ControlPath={}", socket.path().display());
        let mut exit = Command::new("ssh");
        exit.args(["-F", "none", "-O", "exit", "-o", &path, "any"]);
        // One whose process is gone answers nothing.
        let _ = exit.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    let _ = fs::remove_dir_all(control_sockets());
}

impl Bench {
    /// What Ansible and pyinfra are told of the hosts.
    pub(super) fn write_inventories(
        &self,
        hosts: &Hosts,
        packages: &[String],
        modules: &[String],
    ) -> Result<()> {
        write(&self.file("hosts.yml"), &ansible_inventory(hosts, packages, modules).to_string())?;
        write(&self.file("hosts.py"), &pyinfra_inventory(hosts, packages, modules))
    }
}

/// JSON is YAML.
fn ansible_inventory(hosts: &Hosts, packages: &[String], modules: &[String]) -> Value {
    let host = |host: &Host| {
        let variables = serde_json::json!({ "ansible_host": host.address, "role": host.role });
        (host.name.clone(), variables)
    };
    let list: serde_json::Map<_, _> = hosts.list.iter().map(host).collect();
    serde_json::json!({ "all": { "vars": { "packages": packages, "modules": modules }, "hosts": list } })
}

/// Lists and texts are written in Python as in JSON.
fn pyinfra_inventory(hosts: &Hosts, packages: &[String], modules: &[String]) -> String {
    let first = hosts.list.first().map(|host| host.name.as_str()).unwrap_or_default();
    let host = |host: &Host| {
        let data = serde_json::json!({
            "ssh_hostname": host.address, "ssh_user": "root", "ssh_key": hosts.key,
            "ssh_known_hosts_file": hosts.known_hosts, "ssh_strict_host_key_checking": "yes",
            "role": host.role, "first": first, "packages": packages, "modules": modules,
        });
        // Python's constants have other names than JSON's; these two are set here for that.
        format!(
            "    ({:?}, {{**{data}, \"ssh_allow_agent\": False, \"ssh_look_for_keys\": False}}),\n",
            host.name
        )
    };
    format!("nodes = [\n{}]\n", hosts.list.iter().map(host).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Hosts {
        let host = |name: &str, address: &str, role: &str| Host {
            name: name.into(),
            address: address.into(),
            role: role.into(),
        };
        Hosts {
            inventory: "/lab/inventory.yml".into(),
            key: "/lab/key".into(),
            known_hosts: "/lab/known".into(),
            ssh_config: "/bench/ssh_config".into(),
            list: vec![host("n1", "192.0.2.1", "manager"), host("n2", "192.0.2.2", "worker")],
        }
    }

    #[test]
    fn hosts_are_read_from_skeps_own_view_of_the_inventory() {
        let shown = serde_json::json!({"name": "bench", "nodes": {
            "n1": {"address": "192.0.2.1", "role": "manager", "user": "root"},
            "n2": {"address": "192.0.2.2", "role": "worker"},
        }, "swarm": {}});
        assert_eq!(hosts(&shown), two().list);
        assert_eq!(hosts(&serde_json::json!({})), []);
    }

    #[test]
    fn peers_are_told_the_same_of_the_hosts() {
        let (packages, modules) = (["docker.io".to_owned()], ["vxlan".to_owned()]);
        let ansible = ansible_inventory(&two(), &packages, &modules);
        assert_eq!(
            ansible["all"]["hosts"]["n2"],
            serde_json::json!({"ansible_host": "192.0.2.2", "role": "worker"})
        );
        assert_eq!(ansible["all"]["vars"]["packages"][0], "docker.io");
        let pyinfra = pyinfra_inventory(&two(), &packages, &modules);
        assert_eq!(pyinfra.lines().count(), 4);
        for part in
            [r#"("n1", {**{"#, r#""first":"n1""#, r#""packages":["docker.io"]"#, r#""modules":["vxlan"]"#]
        {
            assert!(pyinfra.contains(part), "{part} is not in {pyinfra}");
        }
        assert!(!pyinfra.contains("true") && !pyinfra.contains("null"), "Python knows no such words");
    }

    #[test]
    fn the_systems_client_asks_nothing_and_uses_no_other_key() {
        let text = ssh_config_text(Path::new("/lab/key"), Path::new("/lab/known"));
        for line in
            ["IdentityFile /lab/key", "IdentitiesOnly yes", "UserKnownHostsFile /lab/known", "BatchMode yes"]
        {
            assert!(text.contains(line), "{line}");
        }
    }
}
