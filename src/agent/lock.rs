//! The host's run lock: one run at a time changes a host.
//!
//! The kernel holds it for the agent's process (flock), so that it cannot outlive its holder: neither a lost
//! connection nor kill -9 nor a power cut leaves a stale one. The file's text only names the holder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::wire::LockOwner;

/// Where the lock is. `/run` is in memory and empty after each boot.
pub const PATH: &str = "/run/skep/lock";

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    owner: LockOwner,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Lock),
    /// It is another's.
    Theirs(LockOwner),
}

/// Takes the lock at `path` for `owner`, or tells who holds it.
///
/// # Errors
/// The file's.
pub fn take(path: &Path, owner: &LockOwner) -> io::Result<Taken> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // Whoever may open it may hold it, so that nobody but root may.
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(held) => {
            let mut lock = Lock { file: held, owner: owner.clone() };
            lock.write_owner()?;
            Ok(Taken::Ours(lock))
        }
        Err((file, Errno::EWOULDBLOCK)) => Ok(Taken::Theirs(holder(file))),
        Err((_, error)) => Err(error.into()),
    }
}

impl Lock {
    /// Names somebody else as the one it is held for.
    ///
    /// # Errors
    /// The file's.
    pub fn name(&mut self, owner: &LockOwner) -> io::Result<()> {
        self.owner = owner.clone();
        self.write_owner()
    }

    /// Tells that its run is gone, so that it is held for no longer than the step in hand takes.
    ///
    /// # Errors
    /// The file's.
    pub fn finishing(&mut self) -> io::Result<()> {
        self.owner.finishing = true;
        self.write_owner()
    }

    fn write_owner(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(&self.owner)?)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock goes with the file descriptor; a name that is left there would only mislead a reader.
        let _ = self.file.set_len(0);
    }
}

/// Who holds the lock. Between taking it and writing that down the file is empty for a moment.
fn holder(mut file: File) -> LockOwner {
    for _ in 0..10 {
        let mut text = Vec::new();
        if file.rewind().and_then(|()| file.read_to_end(&mut text)).is_ok()
            && let Ok(owner) = serde_json::from_slice(&text)
        {
            return owner;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let unknown = || "unknown".to_owned();
    let (since, run) = (String::new(), String::new());
    LockOwner { who: unknown(), host: unknown(), reason: unknown(), since, run, finishing: false }
}

/// Whether an error means that the lock's file cannot be made for want of privilege.
pub(super) fn lacks_privilege(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(who: &str) -> LockOwner {
        LockOwner {
            who: who.to_owned(),
            host: "laptop".to_owned(),
            reason: "skep up".to_owned(),
            since: "2026-11-23T01:00:00Z".to_owned(),
            run: "r1".to_owned(),
            finishing: false,
        }
    }

    fn theirs(path: &Path) -> LockOwner {
        match take(path, &owner("second")).expect("the file can be made") {
            Taken::Theirs(owner) => owner,
            Taken::Ours(_) => panic!("the lock is held"),
        }
    }

    #[test]
    fn the_holder_is_named_until_it_lets_go() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("skep/lock");
        let Taken::Ours(mut lock) = take(&path, &owner("first")).expect("the file can be made") else {
            panic!("nobody holds it")
        };
        assert_eq!(theirs(&path), owner("first"));
        lock.name(&owner("x")).expect("the file can be written");
        assert_eq!(theirs(&path), owner("x"));
        lock.finishing().expect("the file can be written");
        assert_eq!(theirs(&path), LockOwner { finishing: true, ..owner("x") });
        drop(lock);
        assert_eq!(fs::read(&path).expect("the file stays"), b"");
        assert!(matches!(take(&path, &owner("second")), Ok(Taken::Ours(_))));
    }

    #[test]
    fn a_holder_that_does_not_say_who_it_is_still_holds() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("lock");
        let Ok(Taken::Ours(lock)) = take(&path, &owner("first")) else { panic!("nobody holds it") };
        fs::write(&path, "half a nam").expect("the file can be written");
        assert_eq!(theirs(&path).who, "unknown");
        drop(lock);
    }
}
