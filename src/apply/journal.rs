//! The record of a run: the very events that reporters read, one a line, durable after each step.
//!
//! History only: nothing is ever decided from it. It lies in `$XDG_STATE_HOME/skep/runs`, readable by its owner
//! alone, because receipts hold what files had in them before.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::fcntl::{Flock, FlockArg};

use super::history::{SUFFIX, list};
use crate::event::Event;
use crate::mask::masked;

/// The journal of one run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<Flock<File>>,
}

/// The journal cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep a journal at {}: {cause}; set XDG_STATE_HOME to a folder you can write to", .path.display())]
pub struct JournalError {
    path: PathBuf,
    cause: std::io::Error,
}

impl Journal {
    /// Begins the journal of a run under `state`, which is [`state_dir`] but for tests.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn begin(state: &Path, run: &str) -> Result<Self, JournalError> {
        let folder = state.join("runs");
        let path = folder.join(format!("{run}{SUFFIX}"));
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path)?;
            // Held as long as the run lives, which tells it from one that was killed.
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error.into())
        };
        match open() {
            Ok(file) => {
                let state = state.to_owned();
                // Beside the run, which has better to do; should it end before, the next one goes on with it.
                std::thread::spawn(move || prune(&state, KEPT));
                Ok(Self { path, file: Mutex::new(file) })
            }
            Err(cause) => Err(JournalError { path, cause }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records an event. A full disk on this computer must not stop work on the hosts, so a failure only shows in
    /// the journal's missing end.
    pub fn record(&self, event: &Event) {
        // Progress is for eyes; what counts is what began, ended and failed.
        if matches!(event, Event::StepProgress { .. } | Event::Pushing { .. }) {
            return;
        }
        let Ok(text) = serde_json::to_string(event) else { return };
        // A receipt has to give back what was there to the letter; everything else is only read.
        let line = if matches!(event, Event::StepDone { .. }) { text } else { masked(&text) } + "\n";
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let written = file.write_all(line.as_bytes());
        let lasting =
            matches!(event, Event::StepDone { .. } | Event::StepFailed { .. } | Event::Finished { .. });
        if written.is_ok() && lasting {
            let _ = file.sync_data();
        }
    }
}

/// How many journals are kept of runs that changed something, and how many of runs that changed nothing.
const KEPT: usize = 100;

/// Removes the oldest journals: those that an undo could not use anyway do not push out those that it could.
fn prune(state: &Path, kept: usize) {
    let (mut changed, mut idle) = (0, 0);
    let ids = list(state).unwrap_or_default();
    // Neither can be too many.
    if ids.len() <= kept {
        return;
    }
    for id in ids {
        let path = state.join("runs").join(id + SUFFIX);
        let text = std::fs::read(&path).unwrap_or_default();
        let did = text.windows(DONE.len()).any(|window| window == DONE);
        let count = if did { &mut changed } else { &mut idle };
        *count += 1;
        if *count > kept {
            // One that cannot be removed is tried again by the next run.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What only journals of runs that changed something hold.
const DONE: &[u8] = br#""event":"step_done""#;

/// Where skep keeps its history: `$XDG_STATE_HOME/skep`, or `~/.local/state/skep`.
pub fn state_dir() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().unwrap_or_else(|| PathBuf::from("/root"));
    state.unwrap_or_else(|| home().join(".local/state")).join("skep")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::resource::Progress;

    #[test]
    fn events_are_kept_for_the_owner_alone_and_progress_is_not() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::begin(state.path(), "r1").unwrap();
        let events = [
            Event::Connecting { node: "n1".into() },
            Event::StepProgress {
                node: "n1".into(),
                progress: Progress { text: "unpacking".to_owned(), done: 1, total: 2 },
            },
            Event::Stopping,
        ];
        events.iter().for_each(|event| journal.record(event));
        let text = std::fs::read_to_string(journal.path()).unwrap();
        let kept: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(kept, [events[0].clone(), events[2].clone()]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(journal.path()), mode(&state.path().join("runs"))), (0o600, 0o700));
    }

    #[test]
    fn old_journals_go_and_those_that_changed_something_last() {
        let state = tempfile::tempdir().unwrap();
        let runs = state.path().join("runs");
        std::fs::create_dir(&runs).unwrap();
        let done = Event::StepDone {
            node: "n1".into(),
            phase: crate::plan::PhaseName::Swarm,
            step: 0,
            ms: 1,
            receipt: None,
            swarm: None,
        };
        let done = serde_json::to_string(&done).unwrap();
        for (id, text) in
            [("r1", &done), ("r2", &done), ("r3", &String::new()), ("r4", &done), ("r5", &String::new())]
        {
            std::fs::write(runs.join(format!("{id}.jsonl")), text).unwrap();
        }
        prune(state.path(), 2);
        assert_eq!(list(state.path()).unwrap(), ["r5", "r4", "r3", "r2"]);
        prune(state.path(), 1);
        assert_eq!(list(state.path()).unwrap(), ["r5", "r4"]);
    }

    #[test]
    fn a_run_never_writes_over_another() {
        let state = tempfile::tempdir().unwrap();
        Journal::begin(state.path(), "r1").unwrap();
        let error = Journal::begin(state.path(), "r1").unwrap_err().to_string();
        assert!(error.contains("r1.jsonl") && error.contains("XDG_STATE_HOME"), "{error}");
    }
}
