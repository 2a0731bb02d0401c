//! The state of systemd units.

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, systemd};

/// A systemd unit that should be enabled, running, or not.
#[derive(Debug)]
pub enum Unit {}

/// A unit as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Its full name: `docker.service`.
    pub name: String,
    /// Whether it starts at boot; as it is where absent.
    pub enabled: Option<bool>,
    /// Whether it runs now; as it is where absent.
    pub active: Option<bool>,
}

/// What systemd says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// `LoadState`: `loaded`, `masked`, or `not-found` where its package is yet to come.
    pub load: String,
    /// `UnitFileState`: `enabled`, `disabled`, `static`, …; empty where there is no unit file.
    pub enabled: String,
    /// `ActiveState`: `active`, `inactive`, `failed`, ….
    pub active: String,
    /// Whether it is masked only because its package was removed; the next one with such a unit unmasks it.
    #[serde(default)]
    pub masked_by_package: bool,
}

/// Where Debian's packages note the units that they mask when they are removed.
const MASKED_BY_PACKAGES: &str = "/var/lib/systemd/deb-systemd-helper-masked";

/// A unit enabled or disabled, started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its full name.
    pub name: String,
    /// Enable it, or disable it.
    pub enable: Option<bool>,
    /// Start it, or stop it.
    pub start: Option<bool>,
    /// What was there.
    pub before: Observed,
}

impl Kind for Unit {
    type Key = String;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> String {
        desired.name.clone()
    }

    fn observe(keys: &[String], host: &Host) -> Result<Vec<Observed>, Fault> {
        let units: Vec<&str> = keys.iter().map(String::as_str).collect();
        let states = systemd::show(host, &units, "LoadState,UnitFileState,ActiveState")?;
        let observed = states.into_iter().zip(keys).map(|(mut state, name)| {
            Ok(Observed {
                load: state.remove("LoadState").unwrap_or_default(),
                enabled: state.remove("UnitFileState").unwrap_or_default(),
                active: state.remove("ActiveState").unwrap_or_default(),
                masked_by_package: host.metadata(format!("{MASKED_BY_PACKAGES}/{name}"))?.is_some(),
            })
        });
        observed.collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let wants_it = desired.enabled == Some(true) || desired.active == Some(true);
        if wants_it && observed.is_masked() {
            return Err(Problem {
                message: format!("{} is masked on the host, so that it cannot start", desired.name),
                help: format!("run `systemctl unmask {}` there if skep may start it", desired.name),
            });
        }
        let enable = desired.enabled.filter(|enabled| *enabled != observed.starts_at_boot(*enabled));
        let start = desired.active.filter(|active| *active != observed.runs());
        let wanted = enable.is_some() || start.is_some();
        Ok(wanted.then(|| Change { name: desired.name.clone(), enable, start, before: observed.clone() }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        if let Some(enable) = change.enable {
            systemd::set_enabled(host, &change.name, enable)?;
        }
        if let Some(start) = change.start {
            let (verb, doing) = if start { ("start", "starting") } else { ("stop", "stopping") };
            progress(Progress::text(format!("{doing} {}", change.name)));
            systemd::turn(host, verb, &change.name).inspect_err(|_| {
                // What did not start now shall not start at the next boot either, unless it did so before.
                if let Some(enable) = change.enable {
                    let _ = systemd::set_enabled(host, &change.name, !enable);
                }
            })?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let reverse = |done: Option<bool>| done.map(|done| !done);
        let before = Observed {
            load: receipt.before.load.clone(),
            enabled: receipt.enable.map_or(receipt.before.enabled.clone(), |on| word(on, "enabled", "disabled")),
            active: receipt.start.map_or(receipt.before.active.clone(), |on| word(on, "active", "inactive")),
            masked_by_package: false,
        };
        (receipt.enable.is_some() || receipt.start.is_some()).then(|| Change {
            name: receipt.name.clone(),
            enable: reverse(receipt.enable),
            start: reverse(receipt.start),
            before,
        })
    }

    fn key_of(change: &Change) -> Option<String> {
        Some(change.name.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        // A unit whose package is gone neither runs nor starts.
        if observed.load == "not-found" && change.enable != Some(true) && change.start != Some(true) {
            return Rest::of(None);
        }
        let enable = change.enable.filter(|enable| *enable != observed.starts_at_boot(*enable));
        let start = change.start.filter(|start| *start != observed.runs());
        let needed = enable.is_some() || start.is_some();
        if needed && observed.is_masked() {
            return Rest::foreign(format!("{} was masked since", change.name));
        }
        Rest::of(needed.then(|| Change { enable, start, before: observed.clone(), ..change.clone() }))
    }

    fn describe(change: &Change) -> Description {
        let enable = change.enable.map(|on| word(on, "enable", "disable"));
        let start = change.start.map(|on| word(on, "start", "stop"));
        let verbs: Vec<String> = enable.into_iter().chain(start).collect();
        let disrupts = (change.start == Some(false)).then(|| format!("stops {}", change.name));
        Description { disrupts, ..Description::line(format!("{} {}", verbs.join(" and "), change.name)) }
    }
}

impl Observed {
    /// Whether it starts at boot. Units that cannot be enabled (`static`, `generated`, …) do whatever is wanted.
    fn starts_at_boot(&self, wanted: bool) -> bool {
        match self.enabled.as_str() {
            "enabled" => true,
            // `linked` is only known to systemd; a `-runtime` state is gone after the next boot.
            "disabled" | "masked" | "linked" | "linked-runtime" | "enabled-runtime" | "" => false,
            _ => wanted,
        }
    }

    /// Whether its user keeps it from starting; what its package masks, the package unmasks.
    fn is_masked(&self) -> bool {
        !self.masked_by_package && (self.load == "masked" || self.enabled.starts_with("masked"))
    }

    fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }
}

fn word(on: bool, yes: &str, no: &str) -> String {
    if on { yes } else { no }.to_owned()
}
