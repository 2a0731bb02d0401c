//! What a host exports over NFS on skep's behalf: one file of its own below `/etc/exports.d`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, TextChange};

/// Everything that a host should export over NFS on skep's behalf.
#[derive(Debug)]
pub enum Exports {}

/// Where skep's exports stand.
pub const FILE: &str = "/etc/exports.d/skep.exports";

/// The exports as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The file: [`FILE`].
    pub path: PathBuf,
    /// Its whole text; empty where nothing is exported, and the file is then removed.
    pub text: String,
    /// What the text says, entry by entry.
    pub entries: Vec<Entry>,
}

/// A directory exported to a client, with the options in the order they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The directory.
    pub path: PathBuf,
    /// Who may mount it: an address, a network, a host name, a pattern; `*` is everybody.
    pub client: String,
    /// Options as in exports(5).
    pub options: Vec<String>,
}

/// An entry and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// The entry.
    pub entry: Entry,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The text of skep's file; none where there is none.
    pub text: Option<String>,
    /// What is exported now, as `exportfs -s` tells.
    pub served: Vec<Entry>,
    /// What other files say: `/etc/exports` and the rest of `/etc/exports.d`.
    pub other: Vec<Located>,
    /// Whether `exportfs` is installed.
    pub tools: bool,
}

/// The file written, and everything exported anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// The change of it; none where only the exporting is missing.
    pub file: Option<TextChange>,
    /// What shall be exported afterwards on skep's behalf.
    pub entries: Vec<Entry>,
}

impl Kind for Exports {
    type Key = PathBuf;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> PathBuf {
        desired.path.clone()
    }

    fn observe(_keys: &[PathBuf], _host: &Host) -> Result<Vec<Observed>, Fault> {
        Err(Fault::new("exports", "not built yet"))
    }

    fn diff(_desired: &Desired, _observed: &Observed) -> Result<Option<Change>, Problem> {
        Ok(None)
    }

    fn apply(_change: &Change, _host: &Host, _progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        Err(Fault::new("exports", "not built yet"))
    }

    fn undo(_receipt: &Change) -> Option<Change> {
        None
    }

    fn describe(_change: &Change) -> Description {
        Description::line("exports")
    }
}
