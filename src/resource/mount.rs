//! Mounted shares, each a systemd mount unit.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange, systemd};

mod advice;
mod rest;
mod stale;
pub mod table;
mod unit_name;

pub use unit_name::unit_name;

/// A share that a host should have mounted, now and after each boot.
#[derive(Debug)]
pub enum Mount {}

/// A mount as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The mount point.
    pub at: PathBuf,
    /// The mount unit, named after the mount point: [`unit_name`].
    pub unit: String,
    /// The unit file's whole text.
    pub text: String,
    /// What is mounted: `192.168.2.1:/var/shared/folder`.
    pub source: String,
    /// Options that the mount must show once it is there, such as `vers=4.2`.
    pub required: Vec<String>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The unit file's text; none where there is none.
    pub text: Option<String>,
    /// Whether the unit is mounted at boot.
    pub enabled: bool,
    /// What is mounted there now.
    pub mounted: Option<MountInfo>,
    /// Whether the server no longer knows what is mounted, so that it has to be mounted anew.
    #[serde(default)]
    pub stale: bool,
    /// Whether systemd has yet to read the unit file.
    pub reload_pending: bool,
}

/// What the kernel says of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountInfo {
    /// What is mounted: `192.168.2.1:/var/shared/folder`.
    pub source: String,
    /// The file system: `nfs4`.
    pub fstype: String,
    /// Options of the mount and of the file system.
    pub options: Vec<String>,
}

/// A mount unit written, enabled, mounted, or, by undo, the reverse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The mount point.
    pub at: PathBuf,
    /// The mount unit.
    pub unit: String,
    /// What is mounted afterwards.
    pub source: String,
    /// Options that the mount must show then.
    pub required: Vec<String>,
    /// The change of the unit file.
    pub file: Option<TextChange>,
    /// Enable the unit, or disable it.
    pub enable: Option<bool>,
    /// What to do about the mount itself.
    pub action: Action,
    /// Whether the mount point is removed in the end, if it is empty.
    pub remove_point: bool,
}

/// What to do about a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: it is as it shall be.
    Keep,
    /// Mount it.
    Mount,
    /// Unmount what is there, then mount it.
    Remount,
    /// Unmount it.
    Unmount,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The change that was made.
    pub change: Change,
    /// Whether the mount point was made for it.
    pub made_point: bool,
}

impl Kind for Mount {
    type Key = PathBuf;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Receipt;

    fn key(desired: &Desired) -> PathBuf {
        desired.at.clone()
    }

    fn observe(keys: &[PathBuf], host: &Host) -> Result<Vec<Observed>, Fault> {
        let units: Vec<String> = keys.iter().map(|at| unit_name(at)).collect();
        let names: Vec<&str> = units.iter().map(String::as_str).collect();
        let states = systemd::show(host, &names, "UnitFileState,NeedDaemonReload")?;
        let table = mount_table(host)?;
        let is = |state: &systemd::Properties, name: &str, value: &str| {
            state.get(name).is_some_and(|is| is == value)
        };
        let mounted: Vec<_> = keys.iter().map(|at| table::at(&table, at)).collect();
        let stale = stale::are_stale(host, keys.iter().zip(&mounted).map(|(at, info)| info.as_ref().and(Some(at))));
        let units = units.iter().zip(states);
        units
            .zip(mounted.into_iter().zip(stale))
            .map(|((unit, state), (mounted, stale))| {
                Ok(Observed {
                    text: host.read_text(file(unit))?,
                    enabled: is(&state, "UnitFileState", "enabled"),
                    stale,
                    mounted,
                    reload_pending: is(&state, "NeedDaemonReload", "yes"),
                })
            })
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let text = TextChange::between(file(&desired.unit), observed.text.as_deref(), Some(&desired.text));
        let action = match &observed.mounted {
            None => Action::Mount,
            Some(mounted) if observed.text.is_none() && !is_source(&mounted.source, &desired.source) => {
                return Err(Problem {
                    message: format!(
                        "{} ({}) is mounted at {} already",
                        mounted.source,
                        mounted.fstype,
                        desired.at.display()
                    ),
                    help: format!(
                        "unmount it with `umount {}`, or mount the share elsewhere",
                        desired.at.display()
                    ),
                });
            }
            Some(_) if observed.stale => Action::Remount,
            Some(mounted) if is_as_wanted(mounted, &desired.source, &desired.required) => {
                match &observed.text {
                    // Options that the kernel does not show may have changed, so the unit is what counts.
                    Some(before) if !mounts_alike(before, &desired.text) => Action::Remount,
                    _ => Action::Keep,
                }
            }
            Some(_) => Action::Remount,
        };
        let enable = (!observed.enabled).then_some(true);
        let needed = text.is_some() || enable.is_some() || action != Action::Keep || observed.reload_pending;
        Ok(needed.then(|| Change {
            at: desired.at.clone(),
            unit: desired.unit.clone(),
            source: desired.source.clone(),
            required: desired.required.clone(),
            file: text,
            enable,
            action,
            remove_point: false,
        }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
        let mut made_point = false;
        match change.action {
            // Before the unit's file is gone, since it is the unit that unmounts.
            Action::Unmount => unmount(change, host, progress)?,
            Action::Keep => {}
            Action::Mount | Action::Remount => made_point = make_point(&change.at, host)?,
        }
        if let Err(fault) = carry_out(change, host, progress) {
            restore(change, made_point, host);
            return Err(fault);
        }
        if change.remove_point {
            remove_point(&change.at, host)?;
        }
        Ok(Receipt { change: change.clone(), made_point })
    }

    fn undo(receipt: &Receipt) -> Option<Change> {
        let done = &receipt.change;
        let action = match done.action {
            Action::Keep => Action::Keep,
            Action::Mount => Action::Unmount,
            // The unit as it was mounts what it mounted.
            Action::Remount => Action::Remount,
            Action::Unmount => Action::Mount,
        };
        let before = done.file.as_ref().and_then(|file| file.before.as_deref());
        let source = before.and_then(what).map_or_else(|| done.source.clone(), str::to_owned);
        let changed = done.file.is_some() || done.enable.is_some() || action != Action::Keep;
        changed.then(|| Change {
            at: done.at.clone(),
            unit: done.unit.clone(),
            source,
            required: Vec::new(),
            file: done.file.as_ref().map(TextChange::reversed),
            enable: done.enable.map(|enable| !enable),
            action,
            remove_point: receipt.made_point,
        })
    }

    fn key_of(change: &Change) -> Option<PathBuf> {
        Some(change.at.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        rest::rest(change, observed)
    }

    fn describe(change: &Change) -> Description {
        let (source, at) = (&change.source, change.at.display());
        let (title, disrupts) = match change.action {
            Action::Mount => (format!("mount {source} at {at}"), None),
            Action::Remount => {
                (format!("mount {source} at {at} anew"), Some(format!("unmounts {at} for a moment")))
            }
            Action::Unmount => (format!("unmount {at}"), Some(format!("unmounts {at}"))),
            Action::Keep => match (&change.file, change.enable) {
                (Some(file), _) => (format!("{} {}", file.verb(), file.path.display()), None),
                (None, Some(true)) => (format!("mount {at} at each boot"), None),
                (None, Some(false)) => (format!("mount {at} no more at boot"), None),
                (None, None) => (format!("make systemd read {} again", change.unit), None),
            },
        };
        Description { title, text: change.file.clone(), disrupts }
    }
}

/// Everything but the mount point.
fn carry_out(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    if change.enable == Some(false) {
        systemd::set_enabled(host, &change.unit, false)?;
    }
    if let Some(file) = &change.file {
        file.make(host)?;
    }
    systemd::daemon_reload(host)?;
    if change.enable == Some(true) {
        systemd::set_enabled(host, &change.unit, true)?;
    }
    match change.action {
        Action::Mount | Action::Remount => mount(change, host, progress),
        Action::Keep | Action::Unmount => Ok(()),
    }
}

/// Puts back what was there; the fault that led here is told, not one on the way back.
fn restore(change: &Change, made_point: bool, host: &Host) {
    if change.enable == Some(true) {
        let _ = systemd::set_enabled(host, &change.unit, false);
    }
    if let Some(file) = &change.file {
        let _ = file.reversed().make(host);
    }
    let _ = systemd::daemon_reload(host);
    // A unit that failed and is gone would be told of for ever.
    let _ = host.run("systemctl", &["reset-failed", "--", &change.unit]);
    let had_unit = change.file.as_ref().is_none_or(|file| file.before.is_some());
    if change.action == Action::Remount && had_unit {
        let _ = systemd::turn(host, "start", &change.unit);
    }
    if made_point {
        let _ = remove_point(&change.at, host);
    }
}

fn file(unit: &str) -> PathBuf {
    PathBuf::from(format!("{}/{unit}", systemd::UNITS))
}

fn mount_table(host: &Host) -> Result<String, Fault> {
    let bytes = host.read("/proc/self/mountinfo")?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a mount unit's text mounts.
fn what(text: &str) -> Option<&str> {
    setting(text, "What=")
}

/// Whether two mount units' texts mount in the same way, whatever else they say.
fn mounts_alike(one: &str, other: &str) -> bool {
    ["Type=", "Options="].iter().all(|name| setting(one, name) == setting(other, name))
}

/// A setting of a unit's text, such as that of `What=`.
pub(crate) fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Whether two ways of writing what is mounted mean the same.
pub(crate) fn is_source(one: &str, other: &str) -> bool {
    // The root of a server stays `server:/`; elsewhere a slash at the end means nothing.
    let plain = |source: &str| match source.strip_suffix('/') {
        Some(shorter) if !shorter.ends_with(':') => shorter.to_owned(),
        _ => source.to_owned(),
    };
    plain(one) == plain(other)
}

fn is_as_wanted(mounted: &MountInfo, source: &str, required: &[String]) -> bool {
    is_source(&mounted.source, source) && required.iter().all(|option| mounted.options.contains(option))
}

/// Makes the mount point; true where it was not there. What is in a directory would be hidden by the mount.
fn make_point(at: &Path, host: &Host) -> Result<bool, Fault> {
    if table::at(&mount_table(host)?, at).is_some() {
        return Ok(false);
    }
    let real = host.path(at);
    let fault = |error: std::io::Error| Fault::new(at.display(), error);
    let mut entries = match fs::read_dir(&real) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return fs::create_dir_all(&real).map(|()| true).map_err(fault);
        }
        other => other.map_err(fault)?,
    };
    if entries.next().is_none() {
        return Ok(false);
    }
    Err(Fault::new(at.display(), "is to be a mount point, but is not empty: what is in it would be hidden")
        .help(format!("look at it with `ls -A {}`, then move it away", at.display())))
}

fn mount(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let current = table::at(&mount_table(host)?, &change.at);
    let verb = match (change.action, &current) {
        (Action::Remount, _) => "restart",
        // Already there since an interrupted run.
        (_, Some(mounted)) if is_as_wanted(mounted, &change.source, &change.required) => return Ok(()),
        (_, Some(_)) => "restart",
        (_, None) => "start",
    };
    progress(Progress::text(format!("mounting {} at {}", change.source, change.at.display())));
    systemd::turn(host, verb, &change.unit)
        .map_err(|fault| advice::advise(fault, &change.source, &change.at))?;
    let mounted = table::at(&mount_table(host)?, &change.at);
    let cause = match &mounted {
        None => "is not mounted, though systemd says so".to_owned(),
        Some(mounted) if !is_source(&mounted.source, &change.source) => {
            format!("{} is mounted there instead of {}", mounted.source, change.source)
        }
        Some(mounted) => match change.required.iter().find(|option| !mounted.options.contains(option)) {
            None => return Ok(()),
            Some(option) => format!("is mounted without `{option}`, but with {}", mounted.options.join(",")),
        },
    };
    Err(Fault::new(change.at.display(), cause).help(format!(
        "look at `findmnt {}` and `systemctl status {}` on the host",
        change.at.display(),
        change.unit
    )))
}

fn unmount(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    progress(Progress::text(format!("unmounting {}", change.at.display())));
    systemd::turn(host, "stop", &change.unit)
        .map_err(|fault| advice::advise(fault, &change.source, &change.at))?;
    match table::at(&mount_table(host)?, &change.at) {
        None => Ok(()),
        Some(mounted) => {
            Err(Fault::new(change.at.display(), format!("{} is still mounted there", mounted.source))
                .help(format!("see who uses it with `fuser -vm {}` on the host", change.at.display())))
        }
    }
}

fn remove_point(at: &Path, host: &Host) -> Result<(), Fault> {
    match fs::remove_dir(host.path(at)) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(Fault::new(at.display(), error))
        }
        _ => Ok(()),
    }
}
