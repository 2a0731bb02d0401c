//! Whether each host can be what the inventory wants it to be, and what to do if not. Changes nothing.
//!
//! Pure, but for [`reach`] and [`deep`]: the hosts' [`Inspection`]s and facts in, a [`Report`] out. One file a check, or a family of checks that read
//! the same thing; [`CHECKS`] lists them all. Severity follows what the inventory asks for: a node without shares
//! needs no NFS server.

mod ask;
mod boot;
mod case;
mod clock;
mod compare;
mod days;
pub(crate) mod deep;
mod engine;
mod identity;
pub mod kernel;
mod login;
mod network;
mod nfs;
mod packages;
pub(crate) mod reach;
mod report;
mod room;
mod sshd;
mod swarm;
mod system;
mod verdict;
#[cfg(test)]
pub(crate) mod world;

pub use case::{Case, Subject};
pub use compare::{CHANGES_VERSION, Change, ChangeKind, Changes, NodeChange, NodeChanged};
pub use deep::Deep;
pub(crate) use reach::OVERLAY;
pub use report::{AUDIT_VERSION, AuditedNode, PathMtu, Protocol, Reach, ReadError, Report, Try, TryResult};
pub(crate) use swarm::PLACES;
pub use verdict::{Evidence, Judgement, Severity, Verdict};

use crate::facts::inspection::Wanted;
use crate::inventory::model::{Inventory, NodeName};

/// One thing that is checked on each node, or on the cluster as a whole.
#[derive(Debug)]
pub struct Check {
    /// Its name for `--explain` and in reports; never changes once released: `kernel-overlay`.
    pub id: &'static str,
    /// What kind of thing it is about.
    pub family: Family,
    /// What is well when it is: `overlay networks`.
    pub title: &'static str,
    /// Why it matters, what is read, how its severity comes about, and what helps; for `--explain`.
    pub explanation: &'static str,
    /// Judges each node that it applies to.
    pub examine: fn(&Case<'_>) -> Vec<Verdict>,
}

/// What kind of thing a check is about; in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Login and privilege.
    Access,
    /// Distribution, identity, clock, disc, packages.
    System,
    /// Kernel and cgroups.
    Kernel,
    /// The Docker engine.
    Engine,
    /// Exports and mounts.
    Nfs,
    /// Ports and packet sizes between nodes.
    Network,
    /// The swarm as a whole.
    Swarm,
}

impl Family {
    /// What the checks of a family stand under.
    pub fn title(self) -> &'static str {
        match self {
            Self::Access => "Access",
            Self::System => "System",
            Self::Kernel => "Kernel",
            Self::Engine => "Engine",
            Self::Nfs => "NFS",
            Self::Network => "Network",
            Self::Swarm => "Swarm",
        }
    }
}

/// All checks, in the order of the report.
pub const CHECKS: &[&Check] = &[
    &login::LOGIN,
    &login::ACCOUNT,
    &sshd::LOGIN,
    &sshd::LIMITS,
    &sshd::JUMP,
    &sshd::PASSWORDS,
    &system::SYSTEM,
    &system::ARCHITECTURE,
    &clock::CLOCK,
    &clock::SOURCE,
    &clock::RTC,
    &identity::HOSTNAME,
    &identity::LOOKUP,
    &identity::MACHINE_ID,
    &identity::HOST_KEY,
    &identity::ADDRESS,
    &identity::ENGINE_ID,
    &room::DISK,
    &room::MEMORY,
    &packages::STATE,
    &packages::HELD,
    &packages::SOURCES,
    &packages::UNATTENDED,
    &boot::REBOOT_PENDING,
    &boot::FIRST_BOOT,
    &boot::AUTOLOGIN,
    &boot::WAIT_ONLINE,
    &kernel::CONFIGURATION,
    &kernel::CGROUP,
    &kernel::NECESSARY,
    &kernel::OPTIONAL,
    &kernel::SWARM,
    &kernel::OVERLAY,
    &kernel::ENCRYPTED,
    &kernel::IPVLAN,
    &kernel::MACVLAN,
    &kernel::HELPERS,
    &kernel::STORAGE,
    &kernel::IPTABLES,
    &kernel::FORWARDING,
    &kernel::LIMITS,
    &kernel::APPARMOR,
    &kernel::SERVER,
    &kernel::CLIENT,
    &engine::ENGINE,
    &engine::BOOT,
    &engine::MOUNTS,
    &engine::PACKAGES,
    &engine::VERSION,
    &engine::VERSIONS,
    &engine::OPTIONS,
    &engine::HOSTS,
    &engine::GROUP,
    &engine::NETWORKS,
    &engine::FIREWALL,
    &engine::LOGS,
    &engine::REGISTRIES,
    &engine::CGROUPS,
    &engine::SECURITY,
    &engine::WARNINGS,
    &engine::DRIVER,
    &engine::PLACE,
    &nfs::SERVER,
    &nfs::USED,
    &nfs::EXPORTS,
    &nfs::EXPORT_FILES,
    &nfs::ROOT,
    &nfs::ACCESS,
    &nfs::DIRECTORIES,
    &nfs::FILE_SYSTEMS,
    &nfs::MOUNTS,
    &nfs::CONTAINERS,
    &nfs::VOLUMES,
    &nfs::ANSWERS,
    &network::ADDRESSES,
    &network::DEFAULT_ROUTE,
    &network::DNS,
    &network::LINKS,
    &network::PORTS,
    &network::MTU,
    &network::FIREWALL,
    &network::BRIDGE_NETWORKS,
    &network::IP_FORWARDING,
    &network::IPV6_ADVERTISEMENTS,
    &network::NETWORK_MANAGER,
    &swarm::SWARM,
    &swarm::MANAGERS,
    &swarm::SPREAD,
    &swarm::MEMBERS,
    &swarm::NODE,
    &swarm::ADDRESS,
    &swarm::POOL,
    &swarm::LOCK,
    &swarm::CERTIFICATE,
    &swarm::ROOT,
];

/// What an audit wants to know of one node in particular.
pub(crate) fn wanted(inventory: &Inventory, node: &NodeName) -> Wanted {
    Wanted { kernel_options: kernel::options(), nfs: nfs::wanted(inventory, node) }
}

/// The check of that ID.
pub fn check(id: &str) -> Option<&'static Check> {
    CHECKS.iter().copied().find(|check| check.id == id)
}

/// All verdicts, the worst first, then in the order of [`CHECKS`].
pub fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let judged = CHECKS.iter().flat_map(|check| {
        (check.examine)(case).into_iter().map(|verdict| Verdict { check: check.id.to_owned(), ..verdict })
    });
    let mut verdicts: Vec<_> = judged.collect();
    verdicts.sort_by_key(|verdict| verdict.severity);
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_words_and_each_names_one_check() {
        let mut ids: Vec<_> = CHECKS.iter().map(|check| check.id).collect();
        let plain = |id: &&str| id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(ids.iter().all(plain), "{ids:?}");
        ids.sort_unstable();
        let number = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), number);
    }
}
