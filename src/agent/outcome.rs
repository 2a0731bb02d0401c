//! What became of a run's last step, kept for a controller that lost its connection in the middle of it.
//!
//! In memory, beside the run lock, readable by root alone: a receipt may hold what a file had in it before.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::wire::Outcome;

/// Version of the file. One of another version says nothing.
const VERSION: u32 = 1;

/// How the files are named, before the run's ID.
const PREFIX: &str = "outcome-";

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    step: u64,
    outcome: Outcome,
}

/// Where the outcomes of a run are kept; none where its ID is no file name.
fn path(lock: &Path, run: &str) -> Option<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!run.is_empty() && run.bytes().all(plain)).then(|| lock.with_file_name(format!("{PREFIX}{run}")))
}

/// Keeps the outcome of a step in the place of the one before.
///
/// # Errors
/// The file's.
pub(super) fn keep(lock: &Path, run: &str, step: u64, outcome: Outcome) -> io::Result<()> {
    let (Some(path), Some(directory)) = (path(lock, run), lock.parent()) else { return Ok(()) };
    let mut file = tempfile::Builder::new().prefix(".outcome-").tempfile_in(directory)?;
    file.write_all(&serde_json::to_vec(&Kept { version: VERSION, step, outcome })?)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// What became of a step.
///
/// # Errors
/// The file's; that there is none is an answer.
pub(super) fn read(lock: &Path, run: &str, step: u64) -> io::Result<Outcome> {
    let Some(path) = path(lock, run) else { return Ok(Outcome::Unknown) };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::Unknown),
        Err(error) => return Err(error),
    };
    Ok(match serde_json::from_slice(&text) {
        Ok(Kept { version: VERSION, step: kept, outcome }) if kept == step => outcome,
        _ => Outcome::Unknown,
    })
}

/// Removes what was kept for a run that has ended properly.
pub(super) fn forget(lock: &Path, run: &str) {
    if let Some(path) = path(lock, run) {
        let _ = fs::remove_file(path);
    }
}

/// Removes what was kept for all runs but this one: nobody asks for it any more.
pub(super) fn forget_others(lock: &Path, run: &str) {
    let own = path(lock, run);
    let entries = lock.parent().and_then(|directory| fs::read_dir(directory).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(PREFIX) && Some(entry.path()) != own {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::resource::Fault;

    #[test]
    fn the_last_step_of_a_run_is_told_and_no_other() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lock = directory.path().join("lock");
        let failed = |cause: &str| Outcome::Failed(Fault::new("x", cause));
        for step in [1, 2] {
            keep(&lock, "r1", step, failed("full")).expect("a file");
        }
        keep(&lock, "r2", 2, failed("off")).expect("a file");
        let told = |run: &str, step| read(&lock, run, step).expect("readable");
        assert_eq!((told("r1", 2), told("r2", 2)), (failed("full"), failed("off")));
        for (run, step) in [("r1", 1), ("r1", 3), ("r3", 2), ("../r1", 2), ("", 2)] {
            assert_eq!(told(run, step), Outcome::Unknown, "{run} {step}");
        }
        let mode = fs::metadata(directory.path().join("outcome-r1")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        forget_others(&lock, "r1");
        assert_eq!((told("r1", 2), told("r2", 2)), (failed("full"), Outcome::Unknown));
        forget(&lock, "r1");
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn what_cannot_be_understood_says_nothing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lock = directory.path().join("lock");
        for text in [
            "",
            "{",
            r#"{"version":2,"step":1,"outcome":"unknown"}"#,
            r#"{"version":1,"step":1,"outcome":"x"}"#,
        ] {
            fs::write(directory.path().join("outcome-r1"), text).expect("a file");
            assert_eq!(read(&lock, "r1", 1).expect("readable"), Outcome::Unknown, "{text}");
        }
    }
}
