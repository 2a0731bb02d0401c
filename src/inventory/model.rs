//! What the user wants: the inventory after loading, with every default filled in.
//!
//! Nothing here knows YAML. [`super::load`] produces it and has already refused what contradicts itself,
//! so the planner may rely on each reference pointing somewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::Serialize;

pub use super::attached::{OwnTemplate, Templates};
pub use super::boot::{Boot, WhenDue};
use super::host_arg::HostArg;
use super::secret::SecretSource;

/// The whole desire of one inventory file.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The file it was read from, for messages.
    pub path: PathBuf,
    /// Name of the swarm, kept as a label in the swarm itself to tell it from foreign ones.
    pub name: String,
    /// Nodes in the order of the file.
    pub nodes: Vec<Node>,
    /// The Docker engine, the same on every node.
    pub engine: Engine,
    /// Directories shared over NFS, in the order of the file.
    pub shares: Vec<Share>,
    /// Options of the swarm.
    pub swarm: Swarm,
    /// What becomes of the boards' boot settings.
    pub boot: Boot,
    /// Templates of the user's own.
    pub templates: Templates,
    /// Commands of the user's own, in the order of the file.
    pub hooks: Vec<Hook>,
}

impl Inventory {
    /// The node of that name.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.iter().find(|node| &node.name == name)
    }

    /// Nodes that shall be managers, in the order of the file.
    pub fn managers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == Role::Manager)
    }
}

/// A node's name in the inventory: how skep and its user call it, whatever its hostname is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
pub struct NodeName(pub String);

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// A place in the inventory file; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// One machine.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Where the name stands in the file.
    pub place: Place,
    /// Where SSH connects to: an IP address, a host name, or a name that the ssh configuration knows.
    pub address: String,
    /// The hardware address of its network card, `aa:bb:cc:dd:ee:ff`, by which it is found where it has moved.
    pub mac: Option<String>,
    /// What it shall be in the swarm.
    pub role: Role,
    /// How to log in.
    pub login: Login,
    /// How it is taken in when it is freshly flashed; not at all where absent.
    pub first_login: Option<FirstLogin>,
    /// The address other nodes reach it at; found out on the host where absent.
    pub advertise: Option<IpAddr>,
    /// Swarm node labels it shall have.
    pub labels: BTreeMap<String, String>,
}

/// A node's role in the swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes part in the raft store.
    Manager,
    /// Runs tasks only.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Manager => "manager",
            Self::Worker => "worker",
        })
    }
}

/// How to log in to a node. What is absent is by the user's ssh configuration.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Remote user; without a configuration the local user's name.
    pub user: Option<String>,
    /// TCP port of sshd; without a configuration 22.
    pub port: Option<u16>,
    /// Private key files to try; without a configuration the usual `~/.ssh/id_*` where empty.
    pub keys: Vec<PathBuf>,
    /// Where the password comes from, if one is wanted.
    pub password: Option<SecretSource>,
    /// Where the passphrase of encrypted key files comes from; the user is asked where absent.
    pub key_passphrase: Option<SecretSource>,
    /// Fingerprint (`SHA256:…`) the host's key must have.
    pub host_key: Option<String>,
    /// The known_hosts file to read and to add to; without a configuration `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// The jump hosts to go through.
    pub jump: Option<Jump>,
    /// A command whose standard streams lead to sshd, instead of a jump host.
    pub proxy_command: Option<String>,
    /// How commands run as root.
    pub sudo: Sudo,
    /// Where the password for sudo comes from, if it is not to be asked for.
    pub sudo_password: Option<SecretSource>,
}

/// How a freshly flashed machine is taken in, and what it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstLogin {
    /// The image's own user.
    pub user: String,
    /// Where the image's password comes from; that of Armbian's images where absent.
    pub password: Option<SecretSource>,
    /// Files with public keys to install; the public halves of the login's key files where empty.
    pub keys: Vec<PathBuf>,
    /// Where the password comes from that takes the place of the image's; a random one where absent.
    pub new_password: Option<SecretSource>,
    /// User to make, with sudo and the same keys.
    pub account: Option<String>,
    /// Time zone, by its name below `/usr/share/zoneinfo`; as it is where absent.
    pub time_zone: Option<String>,
    /// Locale, as `LANG` names it; as it is where absent.
    pub locale: Option<String>,
    /// Host name; as it is where absent.
    pub hostname: Option<String>,
    /// Whether only keys log in from then on.
    pub keys_only: bool,
}

/// The jump hosts on the way to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jump {
    /// None, whatever the ssh configuration says.
    None,
    /// These, in the order in which they are passed; never empty.
    Via(Vec<HostArg>),
}

/// How commands run as root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sudo {
    /// Through sudo, or doas where there is no sudo, unless the user is root.
    #[default]
    Auto,
    /// Through sudo, whoever the user is.
    Always,
    /// As the user.
    Never,
    /// Through doas.
    Doas,
}

/// The Docker engine.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where it comes from.
    pub source: EngineSource,
    /// Whether the inventory names that source: an engine from another one is then in the way. Otherwise it stays.
    pub source_is_named: bool,
    /// Wanted version, with `*` for any run of characters: `28.*`; any where absent.
    pub version: Option<String>,
    /// Whether the engine's packages are held; as they are where absent.
    pub hold: Option<bool>,
    /// Another repository than Docker's own.
    pub repository: Option<Repository>,
    /// Proxies for apt and for the engine.
    pub proxy: Proxy,
    /// Users in the group `docker`.
    pub group: Vec<String>,
    /// Options for `daemon.json`, merged over what a host has.
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// Where the engine comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineSource {
    /// Docker's own apt repository, or what stands in for it.
    Docker,
    /// The distribution's own packages.
    Distro,
    /// Whatever is installed already; nothing is installed.
    Keep,
}

/// An apt repository with Docker's packages that is not Docker's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where it is.
    pub url: String,
    /// Its suite; the host's code name where absent.
    pub suite: Option<String>,
    /// The key that signs it.
    pub key: RepositoryKey,
    /// That key's OpenPGP fingerprint, in capitals; Docker's own where absent.
    pub fingerprint: Option<String>,
}

/// Where the key of a repository comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryKey {
    /// Hosts fetch it.
    Url(String),
    /// A file of this computer that is yet to be read.
    File(PathBuf),
    /// The key itself, armored.
    Text(String),
}

/// Proxies for apt and for the engine. May hold a login, which is masked wherever it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// For `http://`.
    pub http: Option<String>,
    /// For `https://`.
    pub https: Option<String>,
    /// What is reached without.
    pub no_proxy: Vec<String>,
}

/// A directory that one node shares over NFS.
#[derive(Debug, Clone)]
pub struct Share {
    /// Its name in the inventory.
    pub name: String,
    /// Where the name stands in the file.
    pub place: Place,
    /// The node that shares it.
    pub server: NodeName,
    /// The directory on the server.
    pub path: PathBuf,
    /// Who may mount it: addresses, networks, host names; never empty.
    pub clients: Vec<String>,
    /// Export options as in exports(5), in the order of the file.
    pub options: Vec<String>,
    /// Owner of the directory on the server.
    pub owner: Owner,
    /// Mode of the directory on the server.
    pub mode: u32,
    /// Where it is mounted, if anywhere.
    pub mount: Option<ShareMount>,
}

/// Where and how a share is mounted.
#[derive(Debug, Clone)]
pub struct ShareMount {
    /// Mount point on each node.
    pub at: PathBuf,
    /// The nodes that mount it, never its server.
    pub on: Vec<NodeName>,
    /// Mount options besides those that skep always sets.
    pub options: Vec<String>,
    /// The path that clients ask the server for; differs from the share's path below an `fsid=0` root.
    pub remote: PathBuf,
}

/// Numeric owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Options of the swarm itself.
#[derive(Debug, Clone, Default)]
pub struct Swarm {
    /// Networks that overlay networks are cut from; Docker's own choice (10.0.0.0/8) where empty. Fixed at init.
    pub address_pool: Vec<IpNet>,
    /// Prefix length of each overlay network. Fixed at init.
    pub subnet_size: Option<u8>,
    /// How many finished tasks a slot keeps.
    pub task_history: Option<i64>,
}

impl Swarm {
    /// Docker's own choice of networks that overlay networks are cut from.
    pub const DEFAULT_POOL: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8));

    /// Docker's own choice of the prefix length of each overlay network.
    pub const DEFAULT_SUBNET_SIZE: u8 = 24;

    /// The networks that overlay networks of a new swarm are cut from.
    pub fn pools(&self) -> Vec<IpNet> {
        if self.address_pool.is_empty() { vec![Self::DEFAULT_POOL] } else { self.address_pool.clone() }
    }
}

/// A command of the user's own that runs before or after a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name, unique in the inventory.
    pub name: String,
    /// Where it runs.
    pub place: HookPlace,
    /// Before or after the phase.
    pub when: When,
    /// The phase.
    pub phase: HookPhase,
    /// The file that the text was read from, where it is a script.
    pub script: Option<PathBuf>,
    /// What is run: a command for `sh`, or a script's text.
    pub text: String,
    /// How long it may take.
    pub limit: Duration,
}

/// Where a hook runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookPlace {
    /// On the computer that skep runs on.
    Controller,
    /// On these nodes.
    Nodes(Vec<NodeName>),
}

/// Before or after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before it.
    Before,
    /// After it.
    After,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// The phase that a hook goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPhase {
    /// Packages of the distribution.
    Packages,
    /// Kernel modules and parameters.
    Kernel,
    /// The engine's options and state.
    Engine,
    /// Shared directories and NFS exports.
    Exports,
    /// Mounted shares.
    Mounts,
    /// Swarm membership and roles.
    Swarm,
    /// Node labels.
    Labels,
    /// All of them together.
    All,
}
