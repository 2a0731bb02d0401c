//! Throwaway nodes on this computer: real Debian systems, each with its own service manager, sshd and apt, in
//! namespaces on a private bridge. For trying skep out, and for its tests.
//!
//! A lab is a folder: what it made outside of it is named after the lab's id and written down there first, so
//! that [`Lab::down`] removes exactly that, whatever was killed when. Nodes run on when skep ends; nothing is
//! mounted where this computer's other processes see it.
//!
//! All of it is synchronous: call it from a thread that may block.

mod arch;
mod base;
mod cgroup;
mod command;
mod down;
mod error;
mod inventory;
mod lock;
mod machine;
mod network;
mod node;
mod parameters;
mod prerequisites;
mod process;
mod release;
mod sources;
mod state;
mod up;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use arch::Arch;
pub use error::LabError;
pub use prerequisites::{Package, install, missing, missing_for, unavailable};
pub use up::up;

use lock::Lock;
use node::Unit;
use state::{Id, State};

/// How long another skep that works on the same lab is waited for.
const LAB_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How long another skep that works on any lab's network is waited for.
const NETWORK_LIMIT: Duration = Duration::from_secs(2 * 60);
/// How long a command in a node may take, unless told otherwise.
const ENTER_LIMIT: Duration = Duration::from_secs(5 * 60);

/// What lab is wanted.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// How many nodes in namespaces; with the machines 1 to 200.
    pub nodes: usize,
    /// The processors of those with kernels of their own.
    pub machines: Vec<Arch>,
    /// Whether new nodes have Docker installed already (never set up: no swarm, no image).
    pub engine: bool,
    /// Which user the inventory names; a lab that exists keeps its own.
    pub login: Login,
    /// Release of new nodes, by code name or number: `trixie`, `13`; this computer's own if none.
    pub release: Option<String>,
}

/// Who skep logs in as. Every node takes the lab's key for both; the inventory names one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// `root`.
    #[default]
    Root,
    /// `pi`, who may use sudo without a password.
    Sudo,
}

/// What [`up`] is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A line from the program that builds the tree of new nodes; it takes a minute, and is cached.
    Base(String),
    /// The nodes' network is there.
    Network {
        /// Its bridge.
        bridge: String,
        /// Its addresses, as a CIDR.
        subnet: String,
    },
    /// A node was switched on.
    Starting {
        /// Which.
        node: String,
    },
    /// A node's sshd answers.
    Ready {
        /// Which.
        node: String,
        /// Where.
        address: Ipv4Addr,
        /// How long after the start of the first one.
        after: Duration,
    },
    /// The inventory was changed by its user, so new nodes were not written into it.
    InventoryKept {
        /// The file.
        path: PathBuf,
    },
}

/// A node as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name in the inventory, and its hostname.
    pub name: String,
    /// Where its sshd listens.
    pub address: Ipv4Addr,
    /// Its processor, if it has a kernel of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Arch>,
    /// Whether it runs.
    pub running: bool,
    /// Its init, as this computer counts processes; a machine's emulator.
    pub pid: Option<u32>,
}

/// A lab that exists, running or not.
#[derive(Debug, Clone)]
pub struct Lab {
    folder: PathBuf,
    state: State,
}

/// The lab of that name, if there is one.
pub fn find(name: &str) -> Result<Option<Lab>, LabError> {
    let folder = state::folder(name)?;
    Ok(State::load(&folder)?.map(|state| Lab { folder, state }))
}

/// Ends the nodes of that lab and removes all that it made, running or not, complete or not, whatever was killed
/// when; whether there was anything.
pub fn down(name: &str) -> Result<bool, LabError> {
    down::remove(&state::folder(name)?)
}

/// Every lab, by name.
pub fn list() -> Result<Vec<Lab>, LabError> {
    let mut labs = Vec::new();
    for name in lab_names(&state::root()) {
        labs.extend(find(&name).or_else(|error| match error {
            LabError::Name(_) => Ok(None), // somebody else's folder
            other => Err(other),
        })?);
    }
    Ok(labs)
}

fn lab_names(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn lab_lock(folder: &Path) -> Result<Lock, LabError> {
    Lock::take(&Path::new(lock::RUN).join(format!("lab-{}.lock", Id::of(folder, 0))), LAB_LIMIT)
}

fn network_lock() -> Result<Lock, LabError> {
    Lock::take(&Path::new(lock::RUN).join("lab-network.lock"), NETWORK_LIMIT)
}

impl Lab {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Its folder: everything of the lab that is a file.
    pub fn dir(&self) -> &Path {
        &self.folder
    }

    /// The inventory that names its nodes.
    pub fn inventory(&self) -> PathBuf {
        self.folder.join("inventory.yml")
    }

    /// The private key that every node takes, for `root` and for `pi`.
    pub fn key(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// The nodes' host keys.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// The network that its nodes are in.
    pub fn subnet(&self) -> ipnet::Ipv4Net {
        self.state.subnet
    }

    /// The nodes as they are now, by number.
    pub fn nodes(&self) -> Vec<Node> {
        self.units()
            .map(|unit| {
                let pid = unit.pid();
                let (name, address, machine) = (unit.name(), unit.address(), unit.machine());
                Node { name, address, machine, running: pid.is_some(), pid }
            })
            .collect()
    }

    /// Everything the node wrote to its console, from its first start on.
    pub fn console(&self, node: &str) -> Result<PathBuf, LabError> {
        Ok(self.unit(node)?.console())
    }

    /// The command that logs in to the node with the system's own client.
    pub fn ssh_command(&self, node: &str) -> Result<Vec<String>, LabError> {
        let user = match self.state.login {
            Login::Root => "root",
            Login::Sudo => "pi",
        };
        let mut command = self.ssh();
        command.push(format!("{user}@{}", self.unit(node)?.address()));
        Ok(command)
    }

    /// The system's own client, with the lab's key and its nodes' host keys.
    fn ssh(&self) -> Vec<String> {
        let option = |name: &str, value: String| ["-o".to_owned(), format!("{name}={value}")];
        let mut command = vec!["ssh".to_owned(), "-i".to_owned(), self.key().display().to_string()];
        command.extend(option("IdentitiesOnly", "yes".to_owned()));
        command.extend(option("UserKnownHostsFile", self.known_hosts().display().to_string()));
        command
    }

    /// Runs a command inside a node without SSH, at most five minutes: an eye that does not depend on what
    /// skep does there. A machine is entered as root by the system's own client. The command's own failure is in the
    /// output's status.
    pub fn enter(&self, node: &str, argv: &[&str]) -> Result<Output, LabError> {
        self.enter_within(node, argv, ENTER_LIMIT)
    }

    /// Like [`Lab::enter`], at most `limit`.
    pub fn enter_within(&self, node: &str, argv: &[&str], limit: Duration) -> Result<Output, LabError> {
        let unit = self.unit(node)?;
        if unit.machine().is_some() {
            let words = machine::remote(&self.ssh(), unit.address(), argv);
            return command::run(command::tool(&words[0]).args(&words[1..]), "", limit, &mut |_| ());
        }
        let init = unit
            .init()
            .ok_or_else(|| LabError::NotRunning { lab: self.name().to_owned(), node: node.to_owned() })?;
        node::enter(init, argv, limit)
    }

    /// Switches a node off as a power cut does: nothing in it gets a chance to say goodbye.
    pub fn stop_node(&self, node: &str) -> Result<(), LabError> {
        self.unit(node)?.stop()
    }

    /// Switches a node on again and waits for its sshd; nothing happens to one that runs.
    pub fn start_node(&self, node: &str) -> Result<(), LabError> {
        let unit = self.unit(node)?;
        if !unit.is_alive() {
            unit.start()?;
        }
        up::wait_for(vec![unit], &mut |_| ())
    }

    /// Ends the nodes and removes all that the lab made; see [`down`].
    pub fn down(self) -> Result<(), LabError> {
        down::remove(&self.folder).map(drop)
    }

    fn units(&self) -> impl Iterator<Item = Unit<'_>> {
        self.state.nodes.iter().map(|node| Unit::new(&self.folder, &self.state, node))
    }

    fn unit(&self, name: &str) -> Result<Unit<'_>, LabError> {
        self.units().find(|unit| unit.name() == name).ok_or_else(|| LabError::NoNode {
            lab: self.name().to_owned(),
            node: name.to_owned(),
            known: self.units().map(|unit| unit.name()).collect(),
        })
    }
}
