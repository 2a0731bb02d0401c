//! Drop-ins of systemd units.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::daemon::engine;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange, systemd};
use crate::facts::engine::process;

/// A drop-in that a unit should have: `/etc/systemd/system/UNIT.d/NAME`. It takes effect when the unit starts next;
/// only an engine that has to know it at once is restarted.
#[derive(Debug)]
pub enum Dropin {}

/// Which drop-in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The unit: `docker.service`.
    pub unit: String,
    /// The drop-in's file name: `10-skep-mounts.conf`.
    pub name: String,
}

/// A drop-in as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The unit: `docker.service`.
    pub unit: String,
    /// The drop-in's file name: `10-skep-mounts.conf`.
    pub name: String,
    /// Its whole text; none of the kind shall be there where it is empty.
    pub text: String,
    /// Whether the unit, which is the engine's, is restarted where it runs without knowing the file.
    #[serde(default)]
    pub restart: bool,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The file's text; none where there is no such file.
    pub text: Option<String>,
    /// Whether systemd has yet to read it, such as after a run that was killed between the two.
    pub reload_pending: bool,
    /// Whether the unit is the engine's and runs.
    #[serde(default)]
    pub running: bool,
    /// Whether the file is younger than the running engine, which then does not know it.
    #[serde(default)]
    pub stale: bool,
}

/// A drop-in written or, by undo, removed; systemd then reads its files again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The unit.
    pub unit: String,
    /// The change of the file; none where only the reading is missing.
    pub file: Option<TextChange>,
    /// Whether the running engine is restarted.
    #[serde(default)]
    pub restart: bool,
}

impl Kind for Dropin {
    type Key = Key;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> Key {
        Key { unit: desired.unit.clone(), name: desired.name.clone() }
    }

    fn observe(keys: &[Key], host: &Host) -> Result<Vec<Observed>, Fault> {
        let units: Vec<&str> = keys.iter().map(|key| key.unit.as_str()).collect();
        let states = systemd::show(host, &units, "NeedDaemonReload")?;
        let engine = process::find(host);
        keys.iter()
            .zip(states)
            .map(|(key, state)| {
                let path = path(&key.unit, &key.name);
                let reload_pending = state.get("NeedDaemonReload").is_some_and(|value| value == "yes");
                let engine = engine.as_ref().filter(|_| key.unit == engine::UNIT);
                let stale = engine.map_or(Ok(false), |engine| engine::is_stale(host, &path, engine))?;
                Ok(Observed { text: host.read_text(path)?, reload_pending, running: engine.is_some(), stale })
            })
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let path = path(&desired.unit, &desired.name);
        let text = Some(desired.text.as_str()).filter(|text| !text.is_empty());
        let file = TextChange::between(path, observed.text.as_deref(), text);
        let unknown_to_engine = file.is_some() || (text.is_some() && observed.stale);
        let restart = desired.restart && observed.running && unknown_to_engine;
        let wanted = file.is_some() || observed.reload_pending || restart;
        Ok(wanted.then(|| Change { unit: desired.unit.clone(), file, restart }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        if let Some(file) = &change.file {
            file.make(host)?;
        }
        systemd::daemon_reload(host)?;
        if change.restart {
            progress(Progress::text("restarting docker"));
            engine::restart(host)?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let file = receipt.file.as_ref()?.reversed();
        Some(Change { unit: receipt.unit.clone(), file: Some(file), restart: receipt.restart })
    }

    fn key_of(change: &Change) -> Option<Key> {
        let name = change.file.as_ref()?.path.file_name()?.to_string_lossy().into_owned();
        Some(Key { unit: change.unit.clone(), name })
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let file =
            change.file.as_ref().and_then(|file| file.rest(observed.text.as_deref(), &mut foreign));
        // Written, but systemd was not told any more, or the engine not restarted.
        let unknown = observed.reload_pending || (change.restart && observed.running && observed.stale);
        let needed = file.is_some() || (foreign.is_empty() && unknown);
        Rest { change: needed.then(|| Change { file, ..change.clone() }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let title = match &change.file {
            None if change.restart => format!("restart {}, which runs without its drop-ins", change.unit),
            None => format!("make systemd read the drop-ins of {} again", change.unit),
            Some(file) => format!("{} {}, for {}", file.verb(), file.path.display(), change.unit),
        };
        Description { title, text: change.file.clone(), disrupts: change.restart.then(engine::restarts) }
    }
}

fn path(unit: &str, name: &str) -> PathBuf {
    PathBuf::from(format!("{}/{unit}.d/{name}", systemd::UNITS))
}
