//! Packages of the distribution, through dpkg and apt.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::daemon::engine;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, systemd};

mod apt;
mod lock;
mod needs;
mod stanza;
pub(crate) mod status;
pub mod version;
mod words;

pub use needs::Need;

pub(super) use apt::Apt;
use apt::Transaction;
pub(crate) use status::Status;

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
    /// Packages that the host is asked about: at least those of `install` and `absent`.
    pub asked: BTreeSet<String>,
    /// Packages that stand in the way of those and shall go; their configuration and data stay.
    #[serde(default)]
    pub absent: BTreeSet<String>,
    /// Whether an older version may take the place of a newer one.
    #[serde(default)]
    pub downgrade: bool,
    /// Whether they change though they are held.
    #[serde(default)]
    pub change_held: bool,
    /// Whether others of the host's packages see to what an interrupted dpkg left half way.
    #[serde(default)]
    pub leave_repair: bool,
    /// The running unit whose program they are: it is interrupted where one that is installed changes, and runs
    /// again afterwards.
    #[serde(default)]
    pub service: Option<String>,
}

/// What a host is asked about packages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Whether some of them may have to go, so that it matters what needs them.
    pub with_needs: bool,
}

impl From<BTreeSet<String>> for Asked {
    fn from(names: BTreeSet<String>) -> Self {
        Self { names, with_needs: false }
    }
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
    /// What installed packages need of those asked about, where that was asked too.
    #[serde(default)]
    pub needs: Vec<Need>,
}

impl Observed {
    /// Whether dpkg has something to finish before anything else.
    fn is_broken(&self) -> bool {
        self.interrupted || !self.unfinished.is_empty()
    }
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
    /// Versions of those to install that are there already.
    #[serde(default)]
    pub before: BTreeMap<String, String>,
    /// Whether an older version may take the place of a newer one.
    #[serde(default)]
    pub downgrade: bool,
    /// Whether they change though they are held.
    #[serde(default)]
    pub change_held: bool,
    /// The running unit that is interrupted.
    #[serde(default)]
    pub service: Option<String>,
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
    /// Those of `replaced` that were asked for in another version; the rest came along.
    #[serde(default)]
    pub chosen: BTreeSet<String>,
    /// The unit that was interrupted.
    #[serde(default)]
    pub service: Option<String>,
}

impl Kind for Packages {
    type Key = Asked;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Receipt;

    fn key(desired: &Desired) -> Asked {
        let names = desired.asked.iter().chain(&desired.install).chain(&desired.absent);
        names.cloned().collect::<BTreeSet<_>>().into()
    }

    fn observe(keys: &[Asked], host: &Host) -> Result<Vec<Observed>, Fault> {
        let status = Status::seen(host)?;
        let version = |name: &String| Some((name.clone(), status.version(name)?.to_owned()));
        let relations = match keys.iter().any(|asked| asked.with_needs) {
            true => needs::Relations::read(host)?,
            false => Vec::new(),
        };
        let observed = |asked: &Asked| Observed {
            installed: asked.names.iter().filter_map(version).collect(),
            unfinished: status.unfinished.clone(),
            interrupted: status.interrupted,
            needs: if asked.with_needs { needs::of(&asked.names, &relations) } else { Vec::new() },
        };
        Ok(keys.iter().map(observed).collect())
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let install = missing(&desired.install, &desired.versions, &observed.installed);
        let remove: BTreeSet<String> = there(&desired.absent, &observed.installed);
        let repair = !desired.leave_repair && observed.is_broken();
        let of_those = |(name, _): &(&String, &String)| install.contains(*name);
        let owned = |(name, version): (&String, &String)| (name.clone(), version.clone());
        let versions = desired.versions.iter().filter(of_those).map(owned).collect();
        let before: BTreeMap<_, _> = observed.installed.iter().filter(of_those).map(owned).collect();
        let interrupts = !before.is_empty() || !remove.is_empty();
        let needed = repair || !install.is_empty() || !remove.is_empty();
        Ok(needed.then(|| Change {
            install,
            versions,
            remove,
            repair,
            before,
            downgrade: desired.downgrade,
            change_held: desired.change_held,
            service: desired.service.clone().filter(|_| interrupts),
        }))
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
        let installed = before.installed();
        let remove = there(&change.remove, &installed);
        let install = missing(&change.install, &change.versions, &installed);
        if !install.is_empty() {
            let Change { versions, downgrade, change_held, .. } = change;
            let (downgrade, change_held) = (*downgrade, *change_held);
            apt.commit(&Transaction { install: &install, versions, remove: &remove, downgrade, change_held })?;
        } else if !remove.is_empty() {
            apt.remove(&remove)?;
        }
        let after = Status::read(host)?;
        verify(change, &after)?;
        hold_again(&before, &after, host)?;
        if let Some(unit) = &change.service {
            run_again(unit, host, progress)?;
        }
        Ok(Receipt::of(change, &before, &after))
    }

    fn undo(receipt: &Receipt) -> Option<Change> {
        let names = |packages: &BTreeMap<String, String>| packages.keys().cloned().collect::<BTreeSet<_>>();
        let put_back = receipt.replaced.iter().filter(|(name, _)| receipt.chosen.contains(*name));
        let mut versions = receipt.removed.clone();
        versions.extend(put_back.map(|(name, version)| (name.clone(), version.clone())));
        let chosen = !receipt.chosen.is_empty() || !receipt.removed.is_empty();
        let change = Change {
            install: names(&versions),
            versions,
            remove: names(&receipt.installed),
            repair: false,
            before: BTreeMap::new(),
            downgrade: chosen,
            change_held: chosen,
            service: receipt.service.clone(),
        };
        (!change.install.is_empty() || !change.remove.is_empty()).then_some(change)
    }

    fn key_of(change: &Change) -> Option<Asked> {
        let names = change.install.union(&change.remove).cloned().collect();
        Some(Asked { names, with_needs: !change.remove.is_empty() })
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let is_there = |name: &&String| observed.installed.contains_key(*name);
        let mut remove: BTreeSet<String> = change.remove.iter().filter(is_there).cloned().collect();
        let foreign = needs::spare(&mut remove, &observed.needs);
        let install = missing(&change.install, &change.versions, &observed.installed);
        let mut versions = change.versions.clone();
        versions.retain(|name, _| install.contains(name));
        let repair = (change.repair || !change.install.is_empty()) && observed.is_broken();
        let needed = repair || !remove.is_empty() || !install.is_empty();
        let change = Change { install, versions, remove, repair, ..change.clone() };
        Rest { change: needed.then_some(change), foreign }
    }

    fn describe(change: &Change) -> Description {
        let exact = |name: &String| match (change.before.get(name), change.versions.get(name)) {
            (Some(before), Some(version)) => format!("{name} (from {before} to {version})"),
            (None, Some(version)) => format!("{name} ({version})"),
            (_, None) => name.clone(),
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
        let disrupts = change.service.as_ref().map(|_| engine::restarts());
        Description { disrupts, ..Description::line(parts.join(", ")) }
    }
}

/// Those of `names` that are installed.
fn there(names: &BTreeSet<String>, installed: &BTreeMap<String, String>) -> BTreeSet<String> {
    names.iter().filter(|name| installed.contains_key(*name)).cloned().collect()
}

/// apt lets go of a hold when it changes a held package.
fn hold_again(before: &Status, after: &Status, host: &Host) -> Result<(), Fault> {
    let lost = before.held.difference(&after.held).filter(|name| after.version(name).is_some());
    let lost: Vec<&String> = lost.collect();
    if lost.is_empty() {
        return Ok(());
    }
    host.command("apt-mark").args(["hold", "--"]).args(&lost).run()?.expect_success("apt-mark hold").map(drop)
}

/// A package's own scripts usually start its unit; where something keeps them from it, it would stay down.
fn run_again(unit: &str, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    if systemd::property(host, unit, "ActiveState")? == "active" {
        return Ok(());
    }
    progress(Progress::text(format!("starting {unit}")));
    systemd::turn(host, "start", unit)
}

/// Those of `names` that are not installed, or not in the wanted version.
fn missing(
    names: &BTreeSet<String>,
    versions: &BTreeMap<String, String>,
    installed: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let is_there = |name: &String| match (installed.get(name), versions.get(name)) {
        (Some(version), Some(pattern)) => version::fits(pattern, version),
        (there, _) => there.is_some(),
    };
    names.iter().filter(|name| !is_there(name)).cloned().collect()
}

/// apt's exit code is not taken for the deed.
fn verify(change: &Change, after: &Status) -> Result<(), Fault> {
    if let Some(name) = missing(&change.install, &change.versions, &after.installed()).first() {
        let cause = match after.version(name) {
            Some(version) => format!("is installed in version {version}, though apt reported no error"),
            None => "is not installed, though apt reported no error".to_owned(),
        };
        return Err(Fault::new(name, cause).help(format!("run `apt-get install {name}` on the host to see what apt says")));
    }
    let kept = change.remove.iter().find(|name| after.version(name).is_some());
    kept.map_or(Ok(()), |name| Err(Fault::new(name, "is still installed, though apt reported no error")))
}

impl Receipt {
    fn of(change: &Change, before: &Status, after: &Status) -> Self {
        let mut receipt = Self { service: change.service.clone(), ..Self::default() };
        let (installed_before, installed_after) = (before.installed(), after.installed());
        for (name, version) in &installed_after {
            match installed_before.get(name) {
                None => drop(receipt.installed.insert(name.clone(), version.clone())),
                Some(old) if old != version => drop(receipt.replaced.insert(name.clone(), old.clone())),
                Some(_) => {}
            }
        }
        receipt.removed = installed_before;
        receipt.removed.retain(|name, _| !installed_after.contains_key(name));
        receipt.chosen =
            receipt.replaced.keys().filter(|name| change.versions.contains_key(*name)).cloned().collect();
        receipt
    }
}

#[cfg(test)]
mod tests;
