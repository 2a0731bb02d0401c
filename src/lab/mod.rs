//! Throwaway nodes on this computer: real Debian systems, each with its own service manager, sshd and apt, in
//! namespaces on a private bridge. For trying skep out, and for its tests.
//!
//! A lab is a folder: what it made outside of it is named after the lab's id and written down there first, so
//! that [`Lab::down`] removes exactly that, whatever was killed when. Nodes run on when skep ends; nothing is
//! mounted where this computer's other processes see it.
//!
//! All of it is synchronous: call it from a thread that may block.

mod base;
mod cgroup;
mod command;
mod error;
mod forwarding;
mod inventory;
mod lock;
mod network;
mod node;
mod prerequisites;
mod process;
mod sources;
mod state;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use error::LabError;
pub use prerequisites::{Package, install, missing, unavailable};

use base::Recipe;
use error::at;
use lock::Lock;
use node::{BOOT_LIMIT, Unit};
use state::{Id, NodeState, State, write_atomically};

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
    /// How many nodes, 1 to 200.
    pub nodes: usize,
    /// Whether new nodes have Docker installed already (never set up: no swarm, no image).
    pub engine: bool,
    /// Which user the inventory names; a lab that exists keeps its own.
    pub login: Login,
    /// Debian release of new nodes; this computer's own if none.
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
    /// Whether it runs.
    pub running: bool,
    /// Its init, as this computer counts processes.
    pub pid: Option<u32>,
}

/// A lab that exists, running or not.
#[derive(Debug, Clone)]
pub struct Lab {
    folder: PathBuf,
    state: State,
}

/// Makes the lab, or completes it: missing nodes are added, stopped ones started, the rest is left alone.
/// Returns when every node's sshd answers.
pub fn up(spec: &Spec, progress: &mut dyn FnMut(Progress)) -> Result<Lab, LabError> {
    if !(1..=state::MOST_NODES).contains(&spec.nodes) {
        return Err(LabError::NodeCount { wanted: spec.nodes, most: state::MOST_NODES });
    }
    let folder = state::folder(&spec.name)?;
    if let Some(reason) = unavailable() {
        return Err(LabError::Unavailable(reason));
    }
    let base = if State::load(&folder)?.is_none_or(|state| state.nodes.len() < spec.nodes) {
        Some(base::ensure(&Recipe::new(spec.release.as_deref(), spec.engine)?, progress)?)
    } else {
        None
    };
    let _lock = lab_lock(&folder)?;
    let before = State::load(&folder)?;
    let state = record(spec, &folder, base.as_deref())?;
    let lab = Lab { folder, state };
    node::make_key(&lab.key(), &format!("skep lab {}", spec.name))?;
    lab.connect(progress)?;
    lab.start_missing(before.as_ref(), progress)?;
    Ok(lab)
}

/// The lab of that name, if there is one.
pub fn find(name: &str) -> Result<Option<Lab>, LabError> {
    let folder = state::folder(name)?;
    Ok(State::load(&folder)?.map(|state| Lab { folder, state }))
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

/// Writes down what the lab will consist of, before any of it is made.
fn record(spec: &Spec, folder: &Path, base: Option<&Path>) -> Result<State, LabError> {
    let _lock = network_lock()?;
    let mut state = match State::load(folder)? {
        Some(state) => state,
        None => new_state(spec, folder)?,
    };
    let present = state.nodes.len();
    if let Some(base) = base {
        let numbers = (present + 1..=spec.nodes).filter_map(|number| u32::try_from(number).ok());
        state.nodes.extend(numbers.map(|number| NodeState { number, base: base.to_owned() }));
    }
    state.save(folder)?;
    Ok(state)
}

/// An id and a network that nothing on this computer has; the caller holds the network lock.
fn new_state(spec: &Spec, folder: &Path) -> Result<State, LabError> {
    let others = list()?;
    let used = |id: &Id| network::device_exists(&id.bridge()) || others.iter().any(|lab| lab.state.id == *id);
    let id = (0..=u8::MAX).map(|salt| Id::of(folder, salt)).find(|id| !used(id)).ok_or(LabError::NoSubnet)?;
    let mut taken = network::taken()?;
    taken.extend(others.iter().map(|lab| lab.state.subnet));
    let subnet = network::choose_subnet(&id, &taken).ok_or(LabError::NoSubnet)?;
    // Held until the state is saved; the bridge follows, and shows the network as taken to labs elsewhere.
    let state = State::new(&spec.name, id, subnet, spec.login);
    state.save(folder)?;
    network::create(&state.id, &state.subnet)?;
    Ok(state)
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

    /// The nodes as they are now, by number.
    pub fn nodes(&self) -> Vec<Node> {
        self.units()
            .map(|unit| {
                let pid = unit.init();
                Node { name: unit.name(), address: unit.address(), running: pid.is_some(), pid }
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
        let option = |name: &str, value: String| ["-o".to_owned(), format!("{name}={value}")];
        let mut command = vec!["ssh".to_owned(), "-i".to_owned(), self.key().display().to_string()];
        command.extend(option("IdentitiesOnly", "yes".to_owned()));
        command.extend(option("UserKnownHostsFile", self.known_hosts().display().to_string()));
        command.push(format!("{user}@{}", self.unit(node)?.address()));
        Ok(command)
    }

    /// Runs a command inside a node without SSH, at most five minutes: an eye that does not depend on what
    /// skep does there. The command's own failure is in the output's status.
    pub fn enter(&self, node: &str, argv: &[&str]) -> Result<Output, LabError> {
        self.enter_within(node, argv, ENTER_LIMIT)
    }

    /// Like [`Lab::enter`], at most `limit`.
    pub fn enter_within(&self, node: &str, argv: &[&str], limit: Duration) -> Result<Output, LabError> {
        let init = self
            .unit(node)?
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
        wait_for(vec![unit], &mut |_| ())
    }

    /// Ends the nodes and removes all that the lab made, running or not, complete or not.
    pub fn down(self) -> Result<(), LabError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(LabError::Unavailable("the lab is root's: `sudo skep lab down`".into()));
        }
        let lock = lab_lock(&self.folder)?;
        // Another `up` may have added nodes since, and another `down` may have been here already.
        if let Some(state) = State::load(&self.folder)? {
            Self { folder: self.folder, state }.remove()?;
        }
        lock.remove()
    }

    fn remove(&self) -> Result<(), LabError> {
        let id = &self.state.id;
        for unit in self.units() {
            unit.stop()?;
            unit.remove_leftovers()?;
        }
        let network = network_lock()?;
        // Each is tried, whatever became of the others; the state stays until all succeeded.
        let steps =
            [network::destroy(id, &self.state.machines()), forwarding::release(id), cgroup::remove(id)];
        steps.into_iter().collect::<Result<Vec<()>, _>>()?;
        drop(network);
        self.remove_files()
    }

    /// Only what skep made; the state last, so that an interrupted removal can be repeated.
    fn remove_files(&self) -> Result<(), LabError> {
        let nodes = self.folder.join("nodes");
        if nodes.exists() {
            at(fs::remove_dir_all(&nodes), "remove", &nodes)?;
        }
        let key = self.key();
        let files = [
            self.inventory(),
            self.known_hosts(),
            key.with_added_extension("pub"),
            key,
            state::file(&self.folder),
        ];
        for file in files {
            if file.exists() {
                at(fs::remove_file(&file), "remove", &file)?;
            }
        }
        let _ = fs::remove_dir(&self.folder); // a folder with the user's own files in it stays
        Ok(())
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

    /// Makes the network, after a reboot of this computer anew.
    fn connect(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), LabError> {
        let State { id, subnet, .. } = &self.state;
        let _lock = network_lock()?;
        if !network::device_exists(&id.bridge())
            && let Some(by) = network::overlap(subnet, &network::taken()?)
        {
            return Err(LabError::SubnetTaken { lab: self.name().to_owned(), subnet: *subnet, by });
        }
        forwarding::acquire(id)?;
        network::create(id, subnet)?;
        progress(Progress::Network { bridge: id.bridge(), subnet: subnet.to_string() });
        Ok(())
    }

    fn start_missing(
        &self,
        before: Option<&State>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let public = self.key().with_added_extension("pub");
        let key = at(fs::read_to_string(&public), "read", &public)?;
        for unit in self.units().filter(|unit| !unit.is_alive()) {
            unit.prepare(&key)?;
            unit.start()?;
            progress(Progress::Starting { node: unit.name() });
        }
        self.write_known_hosts()?;
        self.write_inventory(before, progress)?;
        wait_for(self.units().collect(), progress)
    }

    /// Adds the nodes that the file does not name yet: a host key that changed since must stay a changed one.
    fn write_known_hosts(&self) -> Result<(), LabError> {
        let path = self.known_hosts();
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        for unit in self.units() {
            let address = unit.address().to_string();
            if text.lines().any(|line| line.split(' ').next() == Some(&address)) {
                continue;
            }
            let public = at(fs::read_to_string(unit.host_key()), "read", &unit.host_key())?;
            text.extend(inventory::known_host(&address, &public));
        }
        write_atomically(&path, &text, 0o600)
    }

    /// Writes the inventory, unless its user changed it since.
    fn write_inventory(
        &self,
        before: Option<&State>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let path = self.inventory();
        let text = |state: &State| inventory::inventory(state, &self.key(), &self.known_hosts());
        match fs::read_to_string(&path).ok() {
            Some(present) if present == text(&self.state) => Ok(()),
            Some(present) if before.is_none_or(|before| present != text(before)) => {
                progress(Progress::InventoryKept { path });
                Ok(())
            }
            _ => write_atomically(&path, &text(&self.state), 0o644),
        }
    }
}

/// Waits until the sshd of each node answers.
fn wait_for(mut waiting: Vec<Unit<'_>>, progress: &mut dyn FnMut(Progress)) -> Result<(), LabError> {
    let started = Instant::now();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(Unit::answers);
        for unit in ready {
            progress(Progress::Ready {
                node: unit.name(),
                address: unit.address(),
                after: started.elapsed(),
            });
        }
        if let Some(unit) = rest.iter().find(|unit| !unit.may_boot(started)) {
            return Err(LabError::NoBoot {
                node: unit.name(),
                address: unit.address().to_string(),
                limit: BOOT_LIMIT,
                console: unit.console(),
                tail: unit.console_tail(),
            });
        }
        waiting = rest;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
