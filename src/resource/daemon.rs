//! The Docker engine's options: `/etc/docker/daemon.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Description, Fault, Host, Kind, Problem, Progress};

/// Options that the engine should have, besides whatever else is in its file.
#[derive(Debug)]
pub enum Daemon {}

/// The engine's options as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// Merged over what is there: objects key by key, everything else replaced.
    pub options: Map<String, Value>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The file's text; none where there is no file.
    pub text: Option<String>,
    /// Whether an engine runs.
    pub running: bool,
    /// Whether the file is younger than the running engine, which then does not know it.
    pub stale: bool,
}

/// The file written, and the engine restarted where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file's text now; none where there is no file.
    pub before: Option<String>,
    /// The file's text afterwards; none where it is removed.
    pub after: Option<String>,
    /// Whether a running engine is restarted.
    pub restart: bool,
}

impl Kind for Daemon {
    type Key = ();
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(_desired: &Desired) {}

    fn observe(_keys: &[()], _host: &Host) -> Result<Vec<Observed>, Fault> {
        Err(Fault::new("daemon.json", "not built yet"))
    }

    fn diff(_desired: &Desired, _observed: &Observed) -> Result<Option<Change>, Problem> {
        Ok(None)
    }

    fn apply(_change: &Change, _host: &Host, _progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        Err(Fault::new("daemon.json", "not built yet"))
    }

    fn undo(_receipt: &Change) -> Option<Change> {
        None
    }

    fn describe(_change: &Change) -> Description {
        Description::line("daemon.json")
    }
}
