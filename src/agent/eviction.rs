//! Telling an agent that holds the run lock to leave, because its controller is gone.
//!
//! It is never ended in the middle of a step: SIGTERM makes it finish the step in hand and begin no other.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wire::LockOwner;

/// How the files of agents are named: in their place on a host, and as built.
const NAMES: &[&str] = &["agent-", "skep-agent"];

/// Tells the agent that holds the lock at `path` to leave.
///
/// # Errors
/// Where the process that holds it is no agent that understands this.
pub(super) fn tell_to_leave(path: &Path, owner: &LockOwner) -> io::Result<()> {
    let Some(holder) = &owner.holder else {
        return Err(io::Error::other("what holds it does not say which process it is"));
    };
    let pid = holder.pid;
    if !holds(pid, path)? || !is_agent(pid) {
        return Err(io::Error::other(format!(
            "process {pid}, which it names, is no skep-agent that holds it"
        )));
    }
    let process = i32::try_from(pid).map_err(io::Error::other)?;
    Ok(kill(Pid::from_raw(process), Signal::SIGTERM)?)
}

/// Whether the kernel holds a lock on that file for that process.
fn holds(pid: u32, path: &Path) -> io::Result<bool> {
    let inode = fs::metadata(path)?.ino();
    Ok(is_listed(&fs::read_to_string("/proc/locks")?, pid, inode))
}

/// `/proc/locks` has lines such as `3: FLOCK  ADVISORY  WRITE 812 00:19:1234 0 EOF`: process, device and inode.
fn is_listed(locks: &str, pid: u32, inode: u64) -> bool {
    let is = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", holder, file, ..] = words[..] else { return false };
        holder.parse() == Ok(pid) && file.rsplit(':').next().and_then(|last| last.parse().ok()) == Some(inode)
    };
    locks.lines().any(is)
}

/// Whether a process is an agent, by its program or, where an emulator runs it, by its command line.
fn is_agent(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut names = arguments.split('\0').take(2).map(Path::new).chain([program.as_path()]);
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
        for (pid, inode, listed) in
            [(812, 1234, true), (813, 1234, false), (812, 123, false), (7, 42, false), (9, 1234, false)]
        {
            assert_eq!(is_listed(locks, pid, inode), listed, "{pid} {inode}");
        }
        assert!(!is_listed("", 1, 1));
    }

    #[test]
    fn other_processes_are_no_agents() {
        assert!(!is_agent(1));
        assert!(!is_agent(u32::MAX));
    }
}
