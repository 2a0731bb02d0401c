//! The kernel: its configuration against what Docker, a swarm and NFS need, and cgroups, iptables and parameters at run
//! time.
//!
//! What is needed for what is one table in [`table`]; a [`Group`] of it is one check. The same checks judge a running
//! host and, as far as its configuration tells, a kernel that is only a file ([`file`]).

mod apparmor;
mod boot;
mod cgroup;
mod configuration;
mod file;
mod group;
mod groups;
mod iptables;
mod item;
mod nfs;
mod parameters;
mod remedy;
mod table;
mod target;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod world;

use std::collections::BTreeSet;

use super::{Check, Judgement};

pub(super) use apparmor::APPARMOR;
pub(super) use cgroup::CGROUP;
pub(super) use configuration::CONFIGURATION;
pub use file::{ConfigError, judge_file};
pub(super) use groups::{ENCRYPTED, HELPERS, IPVLAN, MACVLAN, NECESSARY, OPTIONAL, OVERLAY, STORAGE, SWARM};
pub(super) use iptables::IPTABLES;
pub(super) use nfs::{CLIENT, SERVER};
pub(super) use parameters::{FORWARDING, LIMITS};

use group::Group;
use target::Target;

/// The groups of options, each of which is one check.
const GROUPS: [&Group; 9] = [
    &groups::NECESSARY_OPTIONS,
    &groups::OPTIONAL_OPTIONS,
    &groups::SWARM_OPTIONS,
    &groups::OVERLAY_OPTIONS,
    &groups::ENCRYPTED_OPTIONS,
    &groups::IPVLAN_OPTIONS,
    &groups::MACVLAN_OPTIONS,
    &groups::HELPER_OPTIONS,
    &groups::STORAGE_OPTIONS,
];

/// Judges a kernel, running or not.
type Examine = fn(&Target<'_>) -> Vec<Judgement>;

/// The checks that a configuration alone can be judged by.
const OF_A_FILE: [(&Check, Examine); 11] = [
    (&NECESSARY, groups::necessary),
    (&OPTIONAL, groups::optional),
    (&SWARM, groups::swarm),
    (&OVERLAY, groups::overlay),
    (&ENCRYPTED, groups::encrypted),
    (&IPVLAN, groups::ipvlan),
    (&MACVLAN, groups::macvlan),
    (&HELPERS, groups::helpers),
    (&STORAGE, groups::storage),
    (&SERVER, nfs::server),
    (&CLIENT, nfs::client),
];

/// The options of a kernel's configuration that are judged, without `CONFIG_`.
pub fn options() -> Vec<String> {
    let items = GROUPS
        .iter()
        .flat_map(|group| group.items)
        .flat_map(|item| [item.option].into_iter().chain(item.instead.iter().copied()));
    let names: BTreeSet<&str> = items.chain(table::BESIDES.iter().copied()).collect();
    names.into_iter().map(str::to_owned).collect()
}
