//! Packages of the distribution, through dpkg and apt.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress};

/// Packages that a host should have.
#[derive(Debug)]
pub enum Packages {}

/// Packages as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// Packages that shall be installed.
    pub install: BTreeSet<String>,
    /// Wanted versions by package, with `*` for any run of characters; any version where a package is not named.
    pub versions: BTreeMap<String, String>,
    /// Packages that the host is asked about: at least those of `install`.
    pub asked: BTreeSet<String>,
}

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Versions of those packages asked about that are wholly installed.
    pub installed: BTreeMap<String, String>,
    /// All packages, asked about or not, that an interrupted dpkg left half way.
    pub unfinished: Vec<String>,
    /// Whether dpkg was interrupted while it wrote its own records (or is at work just now).
    pub interrupted: bool,
}

/// Packages installed or, by undo, removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Packages to install.
    pub install: BTreeSet<String>,
    /// Wanted versions of those, with `*` for any run of characters.
    pub versions: BTreeMap<String, String>,
    /// Packages to remove; their configuration and data stay.
    pub remove: BTreeSet<String>,
    /// Finish first what an interrupted dpkg left half way.
    pub repair: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// Packages that were not there before, dependencies too, with their versions.
    pub installed: BTreeMap<String, String>,
    /// Packages whose version changed, with the version before.
    pub replaced: BTreeMap<String, String>,
    /// Packages that are gone, with the version before.
    pub removed: BTreeMap<String, String>,
}

impl Kind for Packages {
    type Key = BTreeSet<String>;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Receipt;

    fn key(desired: &Desired) -> BTreeSet<String> {
        desired.asked.union(&desired.install).cloned().collect()
    }

    fn observe(_keys: &[BTreeSet<String>], _host: &Host) -> Result<Vec<Observed>, Fault> {
        Err(Fault::new("packages", "not built yet"))
    }

    fn diff(_desired: &Desired, _observed: &Observed) -> Result<Option<Change>, Problem> {
        Ok(None)
    }

    fn apply(_change: &Change, _host: &Host, _progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
        Err(Fault::new("packages", "not built yet"))
    }

    fn undo(_receipt: &Receipt) -> Option<Change> {
        None
    }

    fn describe(_change: &Change) -> Description {
        Description::line("packages")
    }
}
