//! Whether each host can be what the inventory wants it to be, and what to do if not. Changes nothing.
//!
//! Pure: the hosts' [`Inspection`]s and facts in, a [`Report`] out. One file a check, or a family of checks that read
//! the same thing; [`CHECKS`] lists them all. Severity follows what the inventory asks for: a node without shares
//! needs no NFS server.

mod case;
mod compare;
mod report;
mod verdict;

pub use case::{Case, Subject};
pub use compare::{CHANGES_VERSION, Change, ChangeKind, Changes, NodeChange, NodeChanged};
pub use report::{AUDIT_VERSION, AuditedNode, PathMtu, Protocol, Reach, ReadError, Report, Try, TryResult};
pub use verdict::{Evidence, Judgement, Severity, Verdict};

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
pub const CHECKS: &[&Check] = &[];

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
