//! Packages that apt leaves as they are, whatever else is upgraded: `apt-mark hold`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::packages::Status;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

/// Packages held, or no longer held.
#[derive(Debug)]
pub enum Hold {}

/// Packages as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Packages that the host is asked about: at least all others here.
    pub asked: BTreeSet<String>,
    /// Packages that are installed, or will be when this is done.
    pub packages: BTreeSet<String>,
    /// Packages that are held as well where they are installed.
    pub also: BTreeSet<String>,
    /// Whether they are held.
    pub held: bool,
}

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Those of the packages asked about that are installed.
    pub installed: BTreeSet<String>,
    /// Those of them that are held.
    pub held: BTreeSet<String>,
}

/// Packages held or let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The packages; those that are not installed when it is done are left out.
    pub packages: BTreeSet<String>,
    /// Whether they are held.
    pub hold: bool,
}

impl Kind for Hold {
    type Key = BTreeSet<String>;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> BTreeSet<String> {
        desired.asked.clone()
    }

    fn observe(keys: &[BTreeSet<String>], host: &Host) -> Result<Vec<Observed>, Fault> {
        let status = Status::seen(host)?;
        let of = |names: &BTreeSet<String>| Observed {
            installed: names.iter().filter(|name| status.version(name).is_some()).cloned().collect(),
            held: names.intersection(&status.held).cloned().collect(),
        };
        Ok(keys.iter().map(of).collect())
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let all: BTreeSet<String> = desired.packages.union(&desired.also).cloned().collect();
        if !desired.held {
            let packages: BTreeSet<String> = all.intersection(&observed.held).cloned().collect();
            return Ok((!packages.is_empty()).then_some(Change { packages, hold: false }));
        }
        let there = desired.also.intersection(&observed.installed);
        let loose = desired.packages.iter().chain(there).any(|name| !observed.held.contains(name));
        // What only comes with the others may not be there yet, so all that are not held are named.
        let packages = all.difference(&observed.held).cloned().collect();
        Ok(loose.then_some(Change { packages, hold: true }))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        let before = Status::read(host)?;
        let differs = |name: &&String| before.version(name).is_some() && before.held.contains(*name) != change.hold;
        let packages: BTreeSet<String> = change.packages.iter().filter(differs).cloned().collect();
        if packages.is_empty() {
            return Ok(Change { packages, hold: change.hold });
        }
        let verb = if change.hold { "hold" } else { "unhold" };
        let output = host.command("apt-mark").args([verb, "--"]).args(&packages).run()?;
        let after = Status::read(host)?;
        let undone: Vec<&str> = packages.iter().filter(|name| after.held.contains(*name) != change.hold).map(String::as_str).collect();
        if !undone.is_empty() {
            let what = format!("apt-mark {verb} {}", undone.join(" "));
            return Err(Fault::new(&what, output.last_words()).help(format!("run `{what}` on the host to see what it says")));
        }
        Ok(Change { packages, hold: change.hold })
    }

    fn undo(receipt: &Change) -> Option<Change> {
        (!receipt.packages.is_empty()).then(|| Change { packages: receipt.packages.clone(), hold: !receipt.hold })
    }

    fn key_of(change: &Change) -> Option<BTreeSet<String>> {
        Some(change.packages.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let differs =
            |name: &&String| observed.installed.contains(*name) && observed.held.contains(*name) != change.hold;
        let packages: BTreeSet<String> = change.packages.iter().filter(differs).cloned().collect();
        Rest::of((!packages.is_empty()).then_some(Change { packages, hold: change.hold }))
    }

    fn describe(change: &Change) -> Description {
        let names = change.packages.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        Description::line(match change.hold {
            true => format!("hold {names}, so that only skep changes them"),
            false => format!("no longer hold {names}"),
        })
    }
}

#[cfg(test)]
mod tests;
