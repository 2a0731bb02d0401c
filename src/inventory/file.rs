//! What the inventory file says, key by key, before anything is looked up or filled in.
//!
//! The doc comments of these types are the descriptions in the JSON Schema, so they speak to the user.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::boot;
use super::model;
use super::secret::Secret;
use super::spot::{Entries, Spot};

/// An inventory: the machines of one Docker Swarm and what they shall be.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "skep inventory")]
pub struct File {
    /// Where the JSON Schema of this file is, for editors. skep does not read it.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// Name of the swarm. Default: `swarm`.
    pub name: Option<Spot<String>>,
    /// What holds for every node that does not say otherwise.
    #[serde(default)]
    pub defaults: Defaults,
    /// The machines, by the names you call them.
    #[schemars(required, extend("propertyNames" = {"pattern": "^[a-z0-9][a-z0-9.-]{0,62}$"}, "minProperties" = 1))]
    pub nodes: Option<Spot<Entries<Node>>>,
    /// The Docker engine, the same on every node.
    #[serde(default)]
    pub engine: Engine,
    /// Directories that one node shares with others over NFS, by the names you call them.
    #[serde(default)]
    pub shares: Entries<Share>,
    /// Options of the swarm itself.
    #[serde(default)]
    pub swarm: Swarm,
    /// The boards' boot settings that containers depend on.
    #[serde(default)]
    pub boot: boot::Section,
    /// Folder of templates of your own, which stand for those of the same name that skep brings; relative to the
    /// inventory's folder. `skep templates` lists them. Default: none.
    pub templates: Option<Spot<PathBuf>>,
    /// Commands of your own that run before or after phases that have something to do.
    #[serde(default)]
    pub hooks: Vec<Hook>,
}

/// What holds for every node that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Role in the swarm.
    pub role: Option<Role>,
    /// User to log in as. Default: by your ssh configuration, else your own user name.
    pub user: Option<Spot<String>>,
    /// TCP port of the SSH server. Default: by your ssh configuration, else 22.
    #[schemars(range(min = 1))]
    pub port: Option<Spot<u16>>,
    /// Private key file; relative to the inventory's folder, `~/` is your home.
    pub key: Option<Spot<PathBuf>>,
    /// More private key files to try.
    pub keys: Option<Vec<Spot<PathBuf>>>,
    /// Where the password for SSH comes from; never the password itself.
    pub password: Option<Spot<Secret>>,
    /// Where the passphrase of encrypted key files comes from. Default: you are asked for it.
    pub key_passphrase: Option<Spot<Secret>>,
    /// The known_hosts file to read and to add to. Default: by your ssh configuration, else `~/.ssh/known_hosts`.
    pub known_hosts: Option<Spot<PathBuf>>,
    /// Jump hosts to go through, `[USER@]HOST[:PORT]`, several with commas; `none` for none. Default: by your ssh
    /// configuration.
    pub jump: Option<Spot<String>>,
    /// Command whose standard streams lead to the SSH server, as ProxyCommand in ssh_config(5).
    pub proxy_command: Option<Spot<String>>,
    /// How commands run as root. Default: `auto`.
    pub sudo: Option<Sudo>,
    /// Where the password for sudo comes from; never the password itself. Default: asked for where sudo wants one.
    pub sudo_password: Option<Spot<Secret>>,
    /// How freshly flashed machines are taken in; a node's own keys stand in for these, one by one.
    pub first_login: Option<FirstLogin>,
    /// Labels of the swarm node; a node's own are added to these.
    #[serde(default)]
    pub labels: Entries<Spot<String>>,
}

/// One machine.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Where SSH connects to: an IP address, a host name, or a name that your ssh configuration knows.
    #[schemars(required)]
    pub address: Option<Spot<String>>,
    /// Hardware address of its network card, `aa:bb:cc:dd:ee:ff`: by it a machine of this computer's own network is found
    /// whose address has changed.
    pub mac: Option<Spot<String>>,
    /// Role in the swarm: an odd number of managers, the rest workers.
    pub role: Option<Role>,
    /// The IP address that the other nodes reach it at. Default: found out on the node.
    pub advertise: Option<Spot<String>>,
    /// User to log in as.
    pub user: Option<Spot<String>>,
    /// TCP port of the SSH server.
    #[schemars(range(min = 1))]
    pub port: Option<Spot<u16>>,
    /// Private key file; relative to the inventory's folder, `~/` is your home.
    pub key: Option<Spot<PathBuf>>,
    /// More private key files to try.
    pub keys: Option<Vec<Spot<PathBuf>>>,
    /// Where the password for SSH comes from; never the password itself.
    pub password: Option<Spot<Secret>>,
    /// Where the passphrase of encrypted key files comes from. Default: you are asked for it.
    pub key_passphrase: Option<Spot<Secret>>,
    /// Fingerprint that the host's key must have, as `ssh-keygen -lf` prints it: `SHA256:…`.
    pub host_key: Option<Spot<String>>,
    /// The known_hosts file to read and to add to.
    pub known_hosts: Option<Spot<PathBuf>>,
    /// Jump hosts to go through, `[USER@]HOST[:PORT]`, several with commas; `none` for none.
    pub jump: Option<Spot<String>>,
    /// Command whose standard streams lead to the SSH server, as ProxyCommand in ssh_config(5).
    pub proxy_command: Option<Spot<String>>,
    /// How commands run as root.
    pub sudo: Option<Sudo>,
    /// Where the password for sudo comes from; never the password itself.
    pub sudo_password: Option<Spot<Secret>>,
    /// How it is taken in when it is freshly flashed.
    pub first_login: Option<FirstLogin>,
    /// Labels of the swarm node, added to those of `defaults`.
    #[serde(default)]
    pub labels: Entries<Spot<String>>,
}

/// How a freshly flashed machine is taken in, and what it is then. `first_login: {}` does for Armbian's images.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstLogin {
    /// The image's own user. Default: `root`.
    pub user: Option<Spot<String>>,
    /// Where the image's password comes from; never the password itself. Default: that of Armbian's images.
    pub password: Option<Spot<Secret>>,
    /// Files with the public keys to install. Default: the public halves of the key files that skep logs in with.
    pub keys: Option<Vec<Spot<PathBuf>>>,
    /// Where the password comes from that takes the place of the image's. Default: a random one, which nobody knows.
    pub new_password: Option<Spot<Secret>>,
    /// User to make, with sudo and the same keys. Default: the node's `user`, where that is not the image's.
    pub account: Option<Spot<String>>,
    /// Time zone, such as `Europe/Berlin`. Default: as it is.
    pub time_zone: Option<Spot<String>>,
    /// Locale, such as `en_GB.UTF-8`. Default: as it is.
    pub locale: Option<Spot<String>>,
    /// Host name; `keep` leaves it as it is. Default: the node's name.
    pub hostname: Option<Spot<String>>,
    /// Whether only keys log in from then on, and no passwords. Default: true.
    pub keys_only: Option<bool>,
}

/// A node's role in the swarm.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps the swarm's state and decides; runs tasks too.
    Manager,
    /// Runs tasks only.
    Worker,
}

impl From<Role> for model::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Manager => Self::Manager,
            Role::Worker => Self::Worker,
        }
    }
}

/// How commands run as root.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sudo {
    /// Through sudo, or doas where there is no sudo, unless the user is root.
    Auto,
    /// Through sudo, whoever the user is.
    Always,
    /// As the user.
    Never,
    /// Through doas.
    Doas,
}

impl From<Sudo> for model::Sudo {
    fn from(sudo: Sudo) -> Self {
        match sudo {
            Sudo::Auto => Self::Auto,
            Sudo::Always => Self::Always,
            Sudo::Never => Self::Never,
            Sudo::Doas => Self::Doas,
        }
    }
}

/// The Docker engine.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Where it comes from. Default: `distro` where a node has none; one that is there stays.
    pub source: Option<EngineSource>,
    /// Wanted version as upstream counts, `*` for any run of characters: `"28.*"`. Default: whatever the source has.
    pub version: Option<Spot<String>>,
    /// Whether only skep changes the engine's packages: held, and kept out of unattended-upgrades. Default: true with
    /// `source: docker` or a `version`.
    pub hold: Option<bool>,
    /// Another repository than Docker's own, for `source: docker`: a mirror, or one without the internet.
    pub repository: Option<Spot<Repository>>,
    /// Proxies for apt and for the engine.
    pub proxy: Option<Proxy>,
    /// Mirrors of Docker Hub that the engine pulls from: `https://…`.
    #[serde(default)]
    pub registry_mirrors: Vec<Spot<String>>,
    /// Users put into the group `docker`, who may do with a node whatever root may.
    #[serde(default)]
    pub group: Vec<Spot<String>>,
    /// Options for `/etc/docker/daemon.json`, merged over what a node has there.
    #[serde(default)]
    pub options: Entries<Spot<serde_json::Value>>,
}

/// Where the Docker engine comes from.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineSource {
    /// Docker's own apt repository.
    Docker,
    /// The distribution's own packages.
    Distro,
    /// Whatever is installed already; nothing is installed.
    Keep,
}

impl From<EngineSource> for model::EngineSource {
    fn from(source: EngineSource) -> Self {
        match source {
            EngineSource::Docker => Self::Docker,
            EngineSource::Distro => Self::Distro,
            EngineSource::Keep => Self::Keep,
        }
    }
}

/// An apt repository with Docker's packages.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Where it is: `https://…`, `http://…`, or a folder of each node, `file:/…`.
    #[schemars(required)]
    pub url: Option<Spot<String>>,
    /// Its suite; one that ends with `/` has no components. Default: the node's code name.
    pub suite: Option<Spot<String>>,
    /// The key that signs it: a URL that nodes fetch it from, or a file beside the inventory. Default: `gpg` below `url`.
    pub key: Option<Spot<String>>,
    /// OpenPGP fingerprint of that key, 40 hexadecimal digits. Default: that of Docker's own key.
    pub key_fingerprint: Option<Spot<String>>,
}

/// Proxies for apt and for the engine.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// For `http://`: `http://proxy.example.net:3128`.
    pub http: Option<Spot<String>>,
    /// For `https://`. Default: that for `http://`.
    pub https: Option<Spot<String>>,
    /// Hosts, domains (`.example.net`) and networks that are reached without.
    #[serde(default)]
    pub no_proxy: Vec<Spot<String>>,
}

/// A directory that one node shares over NFS.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The node that shares it.
    #[schemars(required)]
    pub server: Option<Spot<String>>,
    /// The directory on the server, made if it is not there.
    #[schemars(required)]
    pub path: Option<Spot<String>>,
    /// Who may mount it: addresses, networks (`192.168.2.0/24`), host names, netgroups (`@name`).
    #[schemars(required, length(min = 1))]
    pub clients: Option<Vec<Spot<String>>>,
    /// Export options as in exports(5). Default: `[rw, sync, no_subtree_check]`.
    pub options: Option<Vec<Spot<String>>>,
    /// Numeric owner of the directory, `"1000:1000"`. Default: `anonuid:anongid` of an `all_squash` share, else `"0:0"`.
    pub owner: Option<Spot<String>>,
    /// Mode of the directory, in octal. Default: `"0775"`.
    pub mode: Option<Spot<String>>,
    /// Where it is mounted. Default: nowhere.
    pub mount: Option<Mount>,
}

/// Where and how a share is mounted.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Mount point, the same on each node.
    pub at: Spot<String>,
    /// The nodes that mount it. Default: `[all]`, every node but the server.
    pub on: Option<Vec<Spot<String>>>,
    /// Mount options besides those that skep always sets.
    #[serde(default)]
    pub options: Vec<Spot<String>>,
    /// The path to ask the server for. Default: the share's path, below an `fsid=0` share what is left of it.
    pub remote: Option<Spot<String>>,
}

/// Options of the swarm itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// Networks that overlay networks are cut from, fixed at init. Default: Docker's own, `10.0.0.0/8`.
    #[serde(default)]
    pub address_pool: Vec<Spot<String>>,
    /// Prefix length of each overlay network, fixed at init. Default: Docker's own, 24.
    #[schemars(range(min = 8, max = 29))]
    pub subnet_size: Option<Spot<u8>>,
    /// How many finished tasks a slot keeps. Default: Docker's own, 5.
    pub task_history: Option<i64>,
}

/// A command of your own that runs before or after a phase. It may run more than once; it sees `SKEP_NODE`, `SKEP_PHASE`
/// and `SKEP_RUN`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What you call it: lower-case letters, digits and `-`.
    pub name: Spot<String>,
    /// Where it runs: nodes by name, `[all]` of them, or the `[controller]`, this computer. Default: `[all]`.
    pub on: Option<Vec<Spot<String>>>,
    /// Before or after the phase.
    pub when: When,
    /// The phase. It runs on the nodes that have something to do in it.
    pub phase: HookPhase,
    /// The command, given to `sh`.
    pub run: Option<Spot<String>>,
    /// Instead of `run`: a script, run by what its first line (`#!`) names, else by `sh`; relative to the inventory's
    /// folder.
    pub script: Option<Spot<PathBuf>>,
    /// Seconds it may take before it is ended. Default: 600.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout: Option<Spot<u64>>,
}

/// Before or after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the phase; where it fails, its node does nothing more.
    Before,
    /// After the phase, on the nodes where all of it went well.
    After,
}

impl From<When> for model::When {
    fn from(when: When) -> Self {
        match when {
            When::Before => Self::Before,
            When::After => Self::After,
        }
    }
}

/// The phase that a hook goes with.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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
    /// All of them together: before the first, after the last.
    All,
}

impl From<HookPhase> for model::HookPhase {
    fn from(phase: HookPhase) -> Self {
        match phase {
            HookPhase::Packages => Self::Packages,
            HookPhase::Kernel => Self::Kernel,
            HookPhase::Engine => Self::Engine,
            HookPhase::Exports => Self::Exports,
            HookPhase::Mounts => Self::Mounts,
            HookPhase::Swarm => Self::Swarm,
            HookPhase::Labels => Self::Labels,
            HookPhase::All => Self::All,
        }
    }
}
