//! Telling an agent that holds the run lock to leave, because its controller is gone.
//!
//! It is never ended in the middle of a step: SIGTERM makes it finish the step in hand and begin no other.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wire::{Holder, LockOwner};

/// How the files of agents are named: in their place on a host, and as built.
const NAMES: &[&str] = &["agent-", "skep-agent"];

/// Tells the agent that holds the lock at `path` to leave. One that has left meanwhile need not be told.
///
/// # Errors
/// Where the process that holds it is no agent that understands this.
pub(super) fn tell_to_leave(path: &Path, owner: &LockOwner) -> io::Result<()> {
    let Some(Holder { pid, .. }) = owner.holder else {
        return Err(io::Error::other("what holds it does not say which process it is"));
    };
    // In this order: a process that ends in between is found to hold nothing.
    let is_agent = is_agent(pid);
    let holders = holders(&fs::read_to_string("/proc/locks")?, fs::metadata(path)?.ino());
    if holders.is_empty() {
        return Ok(());
    }
    if !is_agent || !holders.contains(&pid) {
        return Err(io::Error::other(format!(
            "process {pid}, which it names, is no skep-agent that holds it"
        )));
    }
    let process = i32::try_from(pid).map_err(io::Error::other)?;
    match kill(Pid::from_raw(process), Signal::SIGTERM) {
        Err(Errno::ESRCH) => Ok(()),
        told => Ok(told?),
    }
}

/// The processes that the kernel holds a lock on a file for. `/proc/locks` has lines such as
/// `3: FLOCK  ADVISORY  WRITE 812 00:19:1234 0 EOF`: process, device and inode.
fn holders(locks: &str, inode: u64) -> Vec<u32> {
    let holder = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", holder, file, ..] = words[..] else { return None };
        let same = file.rsplit(':').next()?.parse() == Ok(inode);
        holder.parse().ok().filter(|_| same)
    };
    locks.lines().filter_map(holder).collect()
}

/// Whether a process is an agent, by its program or, where an emulator runs it, by its command line: the emulator's own
/// options come before the program there.
fn is_agent(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut names = arguments.split('\0').take(4).map(Path::new).chain([program.as_path()]);
    names.any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        NAMES.iter().any(|start| name.starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_of_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 00:19:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 812 00:19:1234 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 813 00:19:1234 0 EOF\n3: FLOCK  ADVISORY  READ 9 00:19:1234 0 EOF\n";
        for (inode, expected) in [(1234, &[812][..]), (123, &[]), (42, &[])] {
            assert_eq!(holders(locks, inode), expected, "{inode}");
        }
        assert!(holders("", 1).is_empty());
    }

    #[test]
    fn other_processes_are_no_agents() {
        assert!(!is_agent(1));
        assert!(!is_agent(u32::MAX));
    }
}
