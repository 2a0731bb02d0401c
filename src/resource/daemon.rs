//! The Docker engine's options: `/etc/docker/daemon.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};
use crate::facts::engine::process;

pub(super) mod engine;
mod merge;

pub(crate) use engine::restarts;

/// Where the engine reads its options.
pub(crate) const FILE: &str = "/etc/docker/daemon.json";

/// Options that the engine should have, besides whatever else is in its file.
#[derive(Debug)]
pub enum Daemon {}

/// The engine's options as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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

impl Observed {
    /// The options in the file.
    ///
    /// # Errors
    /// Where it is no JSON object, with its line and column.
    pub fn options(&self) -> Result<Map<String, Value>, Problem> {
        merge::parse(self.text.as_deref().unwrap_or_default()).map_err(|error| unreadable(&error))
    }
}

impl Kind for Daemon {
    type Key = ();
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(_: &Desired) {}

    fn observe(keys: &[()], host: &Host) -> Result<Vec<Observed>, Fault> {
        let text = host.read_text(FILE)?;
        let running = process::find(host);
        let stale = running.as_ref().map_or(Ok(false), |process| engine::is_stale(host, FILE, process))?;
        Ok(vec![Observed { text, running: running.is_some(), stale }; keys.len()])
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let before = observed.text.clone();
        let after = merge::merge(before.as_deref(), &desired.options).map_err(|error| unreadable(&error))?;
        check(after.as_deref().unwrap_or_default(), &desired.options)?;
        let unknown_to_engine = observed.stale && !desired.options.is_empty();
        let restart = observed.running && (before != after || unknown_to_engine);
        Ok((before != after || restart).then_some(Change { before, after, restart }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        if let Some(text) = &change.after {
            engine::validate(host, text)?;
        }
        if let Some(file) = change.file() {
            file.make(host)?;
        }
        // It may have started since the plan was made: its package comes earlier in the same plan.
        if process::find(host).is_some() {
            progress(Progress::text("restarting docker"));
            engine::restart(host).map_err(|fault| give_back(change, host, fault))?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        (receipt.before != receipt.after).then(|| Change {
            before: receipt.after.clone(),
            after: receipt.before.clone(),
            restart: receipt.restart,
        })
    }

    fn key_of(_: &Change) -> Option<()> {
        Some(())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let file = change.file().and_then(|file| file.rest(observed.text.as_deref(), &mut foreign));
        // Written, but the engine was not restarted any more.
        let unknown_to_engine = foreign.is_empty() && observed.stale;
        let restart = observed.running && (file.is_some() || unknown_to_engine);
        let before = file.map_or(change.after.clone(), |file| file.before);
        let left = Change { before, after: change.after.clone(), restart };
        Rest { change: (restart || left.file().is_some()).then_some(left), foreign }
    }

    fn describe(change: &Change) -> Description {
        let title = match change.file() {
            Some(file) => format!("{} {FILE}", file.verb()),
            None => format!("restart docker, which runs without the options of {FILE}"),
        };
        let disrupts = change.restart.then(restarts);
        Description { title, text: change.file(), disrupts }
    }
}

impl Change {
    fn file(&self) -> Option<TextChange> {
        TextChange::between(FILE, self.before.as_deref(), self.after.as_deref())
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    // The error's own words end with the place.
    let text = error.to_string();
    let cause = text.split(" at line ").next().unwrap_or_default();
    Problem {
        message: format!("{FILE} cannot be read at line {line}, column {column}: {cause}"),
        help: format!("correct {FILE} on the host, or move it away; skep only adds to a file that it understands"),
    }
}

/// What a swarm refuses (moby, `daemon/config/config_linux.go`), wherever it comes from.
fn check(text: &str, asked: &Map<String, Value>) -> Result<(), Problem> {
    let result = merge::parse(text).map_err(|error| unreadable(&error))?;
    let refused = [("live-restore", Value::from(true)), ("firewall-backend", Value::from("nftables"))];
    let Some((name, value)) = refused.into_iter().find(|(name, value)| result.get(*name) == Some(value)) else {
        return Ok(());
    };
    let place = if asked.contains_key(name) { "`engine.options` in the inventory" } else { FILE };
    Err(Problem {
        message: format!("a swarm does not work with `{name}: {value}`, which is set by {place}"),
        help: format!("remove `{name}` from {place}"),
    })
}

/// Puts the previous options back, so that the host keeps the engine it had; tells why.
fn give_back(change: &Change, host: &Host, fault: Fault) -> Fault {
    let Some(file) = change.file() else { return fault };
    let back = file.reversed().make(host).and_then(|()| engine::restart(host));
    let outcome = match back {
        Ok(()) => "the previous options are back and docker runs with them".to_owned(),
        Err(second) => format!("putting the previous options back failed too: {}", second.cause),
    };
    Fault { cause: format!("{}\n{outcome}", fault.cause), ..fault }
}
