//! Mounted shares, each a systemd mount unit.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, TextChange};

mod unit_name;

pub use unit_name::unit_name;

/// A share that a host should have mounted, now and after each boot.
#[derive(Debug)]
pub enum Mount {}

/// A mount as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    fn observe(_keys: &[PathBuf], _host: &Host) -> Result<Vec<Observed>, Fault> {
        Err(Fault::new("mount", "not built yet"))
    }

    fn diff(_desired: &Desired, _observed: &Observed) -> Result<Option<Change>, Problem> {
        Ok(None)
    }

    fn apply(_change: &Change, _host: &Host, _progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
        Err(Fault::new("mount", "not built yet"))
    }

    fn undo(_receipt: &Receipt) -> Option<Change> {
        None
    }

    fn describe(_change: &Change) -> Description {
        Description::line("mount")
    }
}
