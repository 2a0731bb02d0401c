//! The kernel and what it can do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// The kernel and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -m`: `aarch64`, `x86_64`.
    pub machine: String,
    /// cgroup version: 1 or 2 (by the file system at `/sys/fs/cgroup`; hybrid counts as 1).
    pub cgroup: u8,
    /// cgroup controllers in force; never from `/proc/cgroups`, which omits memory from 6.12 on without MEMCG_V1.
    pub controllers: Vec<String>,
    /// Whether AppArmor is enabled in the running kernel.
    pub apparmor: bool,
    /// Support of each option of [`OPTIONS`], by its name without `CONFIG_`.
    pub options: BTreeMap<String, Support>,
}

/// How the running kernel has an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// `=y`, or seen at work.
    BuiltIn,
    /// `=m`, and its module is there to load or loaded.
    Module,
    /// `=m`, but its module is not installed for the running kernel.
    ModuleMissing,
    /// Not set.
    Missing,
    /// No configuration to read, and nothing seen at work either way.
    Unknown,
}

/// The options that skep asks about, without `CONFIG_`, each with the module that brings it where it is one.
pub const OPTIONS: &[(&str, &str)] = &[
    ("NFS_FS", "nfs"),
    ("NFS_V4", "nfsv4"),
    ("NFSD", "nfsd"),
    ("NFSD_V4", "nfsd"),
    ("VXLAN", "vxlan"),
    ("BRIDGE_NETFILTER", "br_netfilter"),
    ("OVERLAY_FS", "overlay"),
    ("IP_VS", "ip_vs"),
    ("VETH", "veth"),
];
