//! The host's run lock: one run at a time changes a host.
//!
//! The kernel holds it for the agent's process (flock), so that it cannot outlive its holder: neither a lost
//! connection nor kill -9 nor a power cut leaves a stale one. The file's text names the holder, and after it the last
//! one. A holder that lives but whose controller does not (a laptop asleep) is told by how long ago that was heard of.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::eviction;
use crate::wire::{Claim, Holder, LockOwner};

/// Where the lock is. `/run` is in memory and empty after each boot.
pub const PATH: &str = "/run/skep/lock";

/// How old the word of when the controller was last heard of may get, in seconds.
const HEARD_PRECISION: u64 = 5;

/// A held lock; released when dropped. The name of the last holder stays, for [`Claim::Again`].
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    owner: LockOwner,
    holder: Holder,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Lock),
    /// It is another's.
    Theirs(LockOwner),
    /// It is free, but was another run's since it was ours.
    Passed(LockOwner),
}

/// Takes the lock at `path` for `owner`, or tells who holds it. By what `claim` allows, a holder is told to leave: it
/// is [`LockOwner::finishing`] then.
///
/// # Errors
/// The file's; a holder's that cannot be told to leave.
pub fn take(path: &Path, owner: &LockOwner, claim: Claim) -> io::Result<Taken> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // Whoever may open it may hold it, so that nobody but root may.
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => match read(&mut held) {
            Some(last) if claim == Claim::Again && !last.same_run(owner) => Ok(Taken::Passed(last)),
            _ => Lock::begin(held, owner).map(Taken::Ours),
        },
        Err((file, Errno::EWOULDBLOCK)) => theirs(path, file, owner, claim),
        Err((_, error)) => Err(error.into()),
    }
}

fn theirs(path: &Path, file: File, owner: &LockOwner, claim: Claim) -> io::Result<Taken> {
    let mut theirs = holder(file);
    let told = match claim {
        Claim::Free => false,
        Claim::Again => theirs.same_run(owner),
        Claim::Silent => theirs.silent().is_some(),
    };
    if told && !theirs.finishing {
        eviction::tell_to_leave(path, &theirs)?;
        theirs.finishing = true;
    }
    Ok(Taken::Theirs(theirs))
}

impl Lock {
    fn begin(file: Flock<File>, owner: &LockOwner) -> io::Result<Self> {
        let holder = Holder { pid: process::id(), heard: uptime(), silent: 0, step: None };
        let mut lock = Self { file, owner: owner.clone(), holder };
        lock.write()?;
        Ok(lock)
    }

    /// Names somebody else as the one it is held for.
    ///
    /// # Errors
    /// The file's.
    pub fn name(&mut self, owner: &LockOwner) -> io::Result<()> {
        self.owner = owner.clone();
        self.write()
    }

    /// The ID of the run that it is held for.
    pub fn run(&self) -> &str {
        &self.owner.run
    }

    /// Tells that its run is gone, so that it is held for no longer than the step in hand takes.
    ///
    /// # Errors
    /// The file's.
    pub fn finishing(&mut self) -> io::Result<()> {
        self.owner.finishing = true;
        self.write()
    }

    /// Tells that the controller was heard of just now.
    ///
    /// # Errors
    /// The file's.
    pub fn heard(&mut self) -> io::Result<()> {
        let now = uptime();
        if now < self.holder.heard + HEARD_PRECISION {
            return Ok(());
        }
        self.holder.heard = now;
        self.write()
    }

    /// Tells which step is in hand.
    ///
    /// # Errors
    /// The file's.
    pub fn step(&mut self, title: Option<String>) -> io::Result<()> {
        self.holder.step = title;
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let named = LockOwner { holder: Some(self.holder.clone()), ..self.owner.clone() };
        let text = serde_json::to_vec(&named)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&text)
    }
}

/// Who holds the lock. While it is written down the file is empty for a moment.
fn holder(mut file: File) -> LockOwner {
    for _ in 0..10 {
        if let Some(mut owner) = read(&mut file) {
            if let Some(holder) = &mut owner.holder {
                holder.silent = uptime().saturating_sub(holder.heard);
            }
            return owner;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let unknown = || "unknown".to_owned();
    let (since, run) = (String::new(), String::new());
    LockOwner {
        who: unknown(),
        host: unknown(),
        reason: unknown(),
        since,
        run,
        finishing: false,
        holder: None,
    }
}

fn read(file: &mut File) -> Option<LockOwner> {
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut text)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Seconds since the host booted, its sleep included. Unlike the clock it is never set.
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
}

/// Whether an error means that the lock's file cannot be made for want of privilege.
pub(super) fn lacks_privilege(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SILENCE_S;

    fn owner(who: &str) -> LockOwner {
        LockOwner {
            who: who.to_owned(),
            host: "laptop".to_owned(),
            reason: "skep up".to_owned(),
            since: "2026-11-23T01:00:00Z".to_owned(),
            run: "r1".to_owned(),
            finishing: false,
            holder: None,
        }
    }

    fn ours(path: &Path, who: &str, claim: Claim) -> Lock {
        match take(path, &owner(who), claim).expect("the file can be made") {
            Taken::Ours(lock) => lock,
            other => panic!("nobody holds it: {other:?}"),
        }
    }

    /// Who holds it, as a second run is told; without the agent.
    fn theirs(path: &Path) -> LockOwner {
        match take(path, &owner("second"), Claim::Free).expect("the file can be made") {
            Taken::Theirs(owner) => LockOwner { holder: None, ..owner },
            other => panic!("the lock is held: {other:?}"),
        }
    }

    #[test]
    fn the_holder_is_named_until_it_lets_go() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("skep/lock");
        let mut lock = ours(&path, "first", Claim::Free);
        assert_eq!(theirs(&path), owner("first"));
        lock.name(&owner("x")).expect("the file can be written");
        assert_eq!(theirs(&path), owner("x"));
        lock.finishing().expect("the file can be written");
        assert_eq!(theirs(&path), LockOwner { finishing: true, ..owner("x") });
        drop(lock);
        drop(ours(&path, "second", Claim::Free));
    }

    #[test]
    fn the_holders_agent_its_step_and_its_silence_are_told() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("lock");
        let mut lock = ours(&path, "first", Claim::Free);
        lock.step(Some("install docker.io".to_owned())).expect("the file can be written");
        lock.holder.heard = lock.holder.heard.saturating_sub(SILENCE_S);
        lock.write().expect("the file can be written");
        let told = |path: &Path| match take(path, &owner("second"), Claim::Free) {
            Ok(Taken::Theirs(owner)) => owner,
            other => panic!("the lock is held: {other:?}"),
        };
        let holder = told(&path).holder.expect("it is an agent of skep");
        assert_eq!((holder.pid, holder.step.as_deref()), (process::id(), Some("install docker.io")));
        assert!(told(&path).silent().is_some_and(|silent| (SILENCE_S..SILENCE_S + 60).contains(&silent)));
        lock.heard().expect("the file can be written");
        assert_eq!(told(&path).silent(), None);
    }

    #[test]
    fn a_holder_that_does_not_say_who_it_is_still_holds() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("lock");
        let lock = ours(&path, "first", Claim::Free);
        fs::write(&path, "half a nam").expect("the file can be written");
        assert_eq!(theirs(&path).who, "unknown");
        drop(lock);
    }

    #[test]
    fn what_another_run_had_in_between_is_not_taken_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("lock");
        drop(ours(&path, "first", Claim::Free));
        drop(ours(&path, "first", Claim::Again));
        drop(ours(&path, "second", Claim::Free));
        match take(&path, &owner("first"), Claim::Again).expect("the file can be read") {
            Taken::Passed(since) => assert!(since.same_run(&owner("second"))),
            other => panic!("another run had it: {other:?}"),
        }
        // A reboot empties the place: nobody is known to have had it.
        fs::remove_file(&path).expect("it is there");
        drop(ours(&path, "first", Claim::Again));
    }
}
