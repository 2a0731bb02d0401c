//! Keeps two processes from doing the same thing at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{LabError, at};

/// Machine-wide runtime files: gone after a reboot, as what they speak of.
pub(super) const RUN: &str = "/run/skep";

/// A lock on a file; the kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for the lock, at most `limit`.
    pub(super) fn take(path: &Path, limit: Duration) -> Result<Self, LabError> {
        if let Some(parent) = path.parent() {
            at(fs::create_dir_all(parent), "make", parent)?;
        }
        let deadline = Instant::now() + limit;
        loop {
            let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
            let file = at(opened, "open", path)?;
            match file.try_lock() {
                // The one before us may have removed the file between our opening and locking it.
                Ok(()) if same_file(&file, path) => return Ok(Self { path: path.to_owned(), _file: file }),
                Ok(()) => continue,
                Err(TryLockError::Error(source)) => return at(Err(source), "lock", path),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    let what = format!("another skep, which holds {},", path.display());
                    return Err(LabError::Timeout { what, limit });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Frees the lock and removes its file.
    pub(super) fn remove(self) -> Result<(), LabError> {
        at(fs::remove_file(&self.path), "remove", &self.path)
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_waited_for_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/lock");
        let held = Lock::take(&path, Duration::ZERO).unwrap();
        let error = Lock::take(&path, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        drop(held);
        Lock::take(&path, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiter_never_takes_a_removed_file_for_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path, Duration::ZERO).unwrap();
        let waiter = {
            let path = path.clone();
            thread::spawn(move || Lock::take(&path, Duration::from_secs(60)).unwrap())
        };
        first.remove().unwrap();
        let second = waiter.join().unwrap();
        assert!(path.exists() && Lock::take(&path, Duration::ZERO).is_err());
        drop(second);
    }
}
