//! Packages of the distribution, through dpkg and apt.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

mod apt;
mod glob;
mod lock;
mod needs;
pub(crate) mod status;

pub use needs::Need;

use apt::Apt;
use status::Status;

/// Packages that a host should have.
#[derive(Debug)]
pub enum Packages {}

/// Packages as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// Packages that shall be installed.
    pub install: BTreeSet<String>,
    /// Wanted versions by package, with `*` for any run of characters; any version where a package is not named.
    pub versions: BTreeMap<String, String>,
    /// Packages that the host is asked about: at least those of `install`.
    pub asked: BTreeSet<String>,
}

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Versions of those packages asked about that are wholly installed.
    pub installed: BTreeMap<String, String>,
    /// All packages, asked about or not, that an interrupted dpkg left half way.
    pub unfinished: Vec<String>,
    /// Whether dpkg was interrupted while it wrote its own records (or is at work just now).
    pub interrupted: bool,
    /// What installed packages need of those asked about.
    #[serde(default)]
    pub needs: Vec<Need>,
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

    fn observe(keys: &[BTreeSet<String>], host: &Host) -> Result<Vec<Observed>, Fault> {
        let status = Status::read(host)?;
        let of = |names: &BTreeSet<String>| {
            let version = |name: &String| Some((name.clone(), status.installed.get(name)?.clone()));
            names.iter().filter_map(version).collect()
        };
        Ok(keys
            .iter()
            .map(|names| Observed {
                installed: of(names),
                unfinished: status.unfinished.clone(),
                interrupted: status.interrupted,
                needs: needs::of(names, &status.relations),
            })
            .collect())
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let install = missing(&desired.install, &desired.versions, &observed.installed);
        let repair = observed.interrupted || !observed.unfinished.is_empty();
        let of_those = |(name, _): &(&String, &String)| install.contains(*name);
        let owned = |(name, version): (&String, &String)| (name.clone(), version.clone());
        let versions = desired.versions.iter().filter(of_those).map(owned).collect();
        let needed = repair || !install.is_empty();
        Ok(needed.then(|| Change { install, versions, remove: BTreeSet::new(), repair }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
        lock::wait(host, lock::PATIENCE, progress)?;
        let mut apt = Apt { host, progress };
        // Whatever the plan said: apt does nothing before that.
        if Status::read(host)?.needs_repair() {
            apt.repair()?;
        }
        // Taken after the repair: what was left half way by somebody else is not skep's to remove again.
        let before = Status::read(host)?;
        let remove: BTreeSet<String> =
            change.remove.iter().filter(|name| before.installed.contains_key(*name)).cloned().collect();
        if !remove.is_empty() {
            apt.remove(&remove)?;
        }
        let install = missing(&change.install, &change.versions, &before.installed);
        if !install.is_empty() {
            apt.install(&install, &change.versions)?;
        }
        let after = Status::read(host)?;
        verify(change, &after)?;
        Ok(Receipt::between(&before, &after))
    }

    fn undo(receipt: &Receipt) -> Option<Change> {
        let names = |packages: &BTreeMap<String, String>| packages.keys().cloned().collect::<BTreeSet<_>>();
        let change = Change {
            install: names(&receipt.removed),
            versions: receipt.removed.clone(),
            remove: names(&receipt.installed),
            repair: false,
        };
        (!change.install.is_empty() || !change.remove.is_empty()).then_some(change)
    }

    fn key_of(change: &Change) -> Option<BTreeSet<String>> {
        Some(change.install.union(&change.remove).cloned().collect())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let is_there = |name: &&String| observed.installed.contains_key(*name);
        let mut remove: BTreeSet<String> = change.remove.iter().filter(is_there).cloned().collect();
        let foreign = needs::spare(&mut remove, &observed.needs);
        let install: BTreeSet<String> = change.install.iter().filter(|name| !is_there(name)).cloned().collect();
        let mut versions = change.versions.clone();
        versions.retain(|name, _| install.contains(name));
        let needed = !remove.is_empty() || !install.is_empty();
        Rest { change: needed.then_some(Change { install, versions, remove, repair: false }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let exact = |name: &String| match change.versions.get(name) {
            Some(version) => format!("{name} ({version})"),
            None => name.clone(),
        };
        let names = |names: &BTreeSet<String>| names.iter().map(exact).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if change.repair {
            parts.push("finish an interrupted package installation".to_owned());
        }
        if !change.remove.is_empty() {
            parts.push(format!("remove {}", names(&change.remove)));
        }
        if !change.install.is_empty() {
            parts.push(format!("install {}", names(&change.install)));
        }
        Description::line(parts.join(", "))
    }
}

/// Those of `names` that are not installed, or not in the wanted version.
fn missing(
    names: &BTreeSet<String>,
    versions: &BTreeMap<String, String>,
    installed: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let is_there = |name: &String| match (installed.get(name), versions.get(name)) {
        (Some(version), Some(pattern)) => glob::matches(pattern, version),
        (there, _) => there.is_some(),
    };
    names.iter().filter(|name| !is_there(name)).cloned().collect()
}

/// apt's exit code is not taken for the deed.
fn verify(change: &Change, after: &Status) -> Result<(), Fault> {
    if let Some(name) = missing(&change.install, &change.versions, &after.installed).first() {
        let cause = match after.installed.get(name) {
            Some(version) => format!("is installed in version {version}, though apt reported no error"),
            None => "is not installed, though apt reported no error".to_owned(),
        };
        return Err(Fault::new(name, cause).help(format!("run `apt-get install {name}` on the host to see what apt says")));
    }
    let kept = change.remove.iter().find(|name| after.installed.contains_key(*name));
    kept.map_or(Ok(()), |name| Err(Fault::new(name, "is still installed, though apt reported no error")))
}

impl Receipt {
    fn between(before: &Status, after: &Status) -> Self {
        let mut receipt = Self::default();
        for (name, version) in &after.installed {
            match before.installed.get(name) {
                None => drop(receipt.installed.insert(name.clone(), version.clone())),
                Some(old) if old != version => drop(receipt.replaced.insert(name.clone(), old.clone())),
                Some(_) => {}
            }
        }
        let gone = before.installed.iter().filter(|(name, _)| !after.installed.contains_key(*name));
        receipt.removed = gone.map(|(name, version)| (name.clone(), version.clone())).collect();
        receipt
    }
}
