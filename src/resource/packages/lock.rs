//! The locks of dpkg and apt: who holds one, and waiting until nobody does. A lock is never taken away.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::super::{Fault, Host, Progress};

/// The locks, in the order in which apt takes them.
const LOCKS: &[&str] = &[
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
];

/// How long somebody else's apt is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

const TICK: Duration = Duration::from_millis(500);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Process ID.
    pid: i32,
    /// The process's name.
    name: String,
    /// The lock.
    lock: &'static str,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "held by {} (pid {})", self.name, self.pid)
    }
}

/// Waits until nobody holds a lock of dpkg or apt, and says who does meanwhile.
pub(super) fn wait(host: &Host, patience: Duration, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let start = Instant::now();
    while let Some(holder) = holder(host)? {
        if start.elapsed() >= patience {
            return Err(Fault::new("apt", format!("{} is still {holder} after {} s", holder.lock, patience.as_secs()))
                .help(format!("see what it does with `ps -fp {}` on the host, then run `skep up` again", holder.pid)));
        }
        progress(Progress {
            text: format!("waiting for apt: {holder}"),
            done: start.elapsed().as_secs(),
            total: patience.as_secs(),
        });
        thread::sleep(TICK);
    }
    Ok(())
}

fn holder(host: &Host) -> Result<Option<Holder>, Fault> {
    for lock in LOCKS {
        if host.metadata(lock)?.is_none() {
            continue;
        }
        let file = File::open(host.path(lock)).map_err(|error| Fault::new(lock, error))?;
        if let Some(pid) = locked_by(&file).map_err(|error| Fault::new(lock, error))? {
            let name = host.read_text(format!("/proc/{pid}/comm"))?.map(|name| name.trim().to_owned());
            // 0 and -1 stand for a process that cannot be seen from here, such as one outside a container.
            let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "another process".to_owned());
            return Ok(Some(Holder { pid, name, lock }));
        }
    }
    Ok(None)
}

/// The process whose lock would keep us from locking the whole file.
fn locked_by(file: &File) -> nix::Result<Option<i32>> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((lock.l_type != libc::F_UNLCK as libc::c_short).then_some(lock.l_pid))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Another process that holds the lock, as apt does; perl is essential in Debian. `struct flock` is that of 64-bit
    /// Linux.
    fn hold(path: &std::path::Path) -> Child {
        let script = r#"use Fcntl; open(my $f, "+<", $ARGV[0]) or die; my $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
            fcntl($f, F_SETLK, $l) or die "lock: $!"; $| = 1; print "held\n"; sleep 600;"#;
        let mut child =
            Command::new("perl").args(["-e", script]).arg(path).stdout(Stdio::piped()).spawn().expect("perl runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        child
    }

    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn nobody_is_waited_for_where_nothing_is_locked() {
        let (_root, host) = host();
        wait(&host, Duration::ZERO, &mut |_| panic!("nothing to wait for")).unwrap();
        host.write_system_file("/var/lib/dpkg/lock-frontend", "").unwrap();
        wait(&host, Duration::ZERO, &mut |_| panic!("nothing to wait for")).unwrap();
    }

    #[test]
    fn the_holder_is_named_waited_for_and_left_alone() {
        let (_root, host) = host();
        host.write_system_file("/var/lib/dpkg/lock-frontend", "").unwrap();
        let mut child = hold(&host.path("/var/lib/dpkg/lock-frontend"));
        let pid = child.id();
        host.write_system_file(format!("/proc/{pid}/comm"), "unattended-upgr\n").unwrap();

        let fault = wait(&host, Duration::ZERO, &mut |_| ()).unwrap_err();
        assert!(fault.cause.contains(&format!("held by unattended-upgr (pid {pid})")), "{fault}");
        assert!(fault.cause.contains("/var/lib/dpkg/lock-frontend"), "{fault}");
        assert!(host.path("/var/lib/dpkg/lock-frontend").exists());
        assert!(child.try_wait().unwrap().is_none(), "the holder lives");

        let mut said = Vec::new();
        wait(&host, PATIENCE, &mut |progress| {
            said.push(progress.text);
            child.kill().unwrap();
            child.wait().unwrap();
        })
        .unwrap();
        assert_eq!(said, [format!("waiting for apt: held by unattended-upgr (pid {pid})")]);
    }
}
