//! The engine as a process: whether it runs, and since when.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::super::text;
use crate::resource::Host;

/// The kernel's unit of time in `/proc/PID/stat`: USER_HZ is 100 on every architecture that Linux gives processes
/// of Debian.
const TICKS_PER_SECOND: i64 = 100;

/// The engine's name among processes.
const ENGINE: &str = "dockerd";

/// A running engine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// When it started, in milliseconds since 1970; 0 where that is not known.
    pub(crate) started_unix_ms: i64,
}

/// Whether there is an engine to start.
pub(crate) fn installed(host: &Host) -> bool {
    ["/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"]
        .iter()
        .any(|path| host.path(path).exists())
}

/// The running engine. Its socket proves nothing: systemd listens on it for an engine that is not running.
pub(crate) fn find(host: &Host) -> Option<Process> {
    let pid = pid(host)?;
    Some(Process { started_unix_ms: started_at(host, pid).unwrap_or(0) })
}

/// When a process started, in milliseconds since 1970; none where that is not to be told.
pub(crate) fn started_at(host: &Host, pid: u32) -> Option<i64> {
    started(&text(host, &format!("/proc/{pid}/stat")), &text(host, "/proc/stat"))
}

/// The words that the running engine was started with; none where none runs.
pub(in crate::facts) fn words(host: &Host) -> Option<Vec<String>> {
    let line = text(host, &format!("/proc/{}/cmdline", pid(host)?));
    Some(line.split_terminator('\0').map(str::to_owned).collect())
}

/// Whether a program of that name runs on the host itself, not in one of its containers.
pub(in crate::facts) fn runs(host: &Host, name: &str) -> bool {
    search(host, name).is_some()
}

fn pid(host: &Host) -> Option<u32> {
    let recorded = text(host, "/run/docker.pid").trim().parse().ok();
    recorded
        .filter(|pid| Name::of(&host.path("/proc"), *pid).is_some_and(|name| name.is(ENGINE)))
        .or_else(|| search(host, ENGINE))
}

/// A program by its name. One inside a container is another's: its PID namespace tells.
fn search(host: &Host, name: &str) -> Option<u32> {
    let namespace = |process: &str| fs::read_link(host.path(format!("/proc/{process}/ns/pid"))).ok();
    let own = namespace("self");
    let read = || Arc::new(Processes::read(host));
    let processes =
        host.in_this_look().map_or_else(read, |look| Arc::clone(look.processes.get_or_init(read)));
    processes.named(name).find(|pid| namespace(&pid.to_string()) == own)
}

/// All that runs, by its names.
#[derive(Debug)]
pub(crate) struct Processes(Vec<(u32, Name)>);

impl Processes {
    fn read(host: &Host) -> Self {
        let proc = host.path("/proc");
        Self(pids(&proc).filter_map(|pid| Some((pid, Name::of(&proc, pid)?))).collect())
    }

    fn named<'n>(&'n self, name: &'n str) -> impl Iterator<Item = u32> + use<'n> {
        self.0.iter().filter(move |(_, own)| own.is(name)).map(|(pid, _)| *pid)
    }
}

/// A program's name as the kernel keeps it: 15 bytes at most, and a line end.
#[derive(Debug)]
struct Name([u8; 16]);

impl Name {
    /// That of a process; none where it has ended. Without asking for the file's size first, as a reader of files would:
    /// there may be hundreds of processes.
    fn of(proc: &Path, pid: u32) -> Option<Self> {
        let mut name = [0; 16];
        File::open(proc.join(format!("{pid}/comm"))).and_then(|mut comm| comm.read(&mut name)).ok()?;
        Some(Self(name))
    }

    fn is(&self, name: &str) -> bool {
        self.0.split(|byte| *byte == b'\n' || *byte == 0).next() == Some(name.as_bytes())
    }
}

fn pids(proc: &Path) -> impl Iterator<Item = u32> {
    fs::read_dir(proc)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// When a process started, from its own `stat` and the system's; see proc_pid_stat(5) and proc_stat(5).
fn started(stat: &str, system: &str) -> Option<i64> {
    // The second field is the name in parentheses and may hold anything; the 22nd is the start in ticks after boot.
    let ticks: i64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let boot: i64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot * 1000 + ticks * 1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "812 (docker) d) S 1 812 812 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 17 0 4242 1 2 3\n";

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn start_times() {
        assert_eq!(started(STAT, "cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_042_420));
        assert_eq!(started(STAT, ""), None);
        assert_eq!(started("", "btime 1700000000\n"), None);
    }

    #[test]
    fn a_running_engine_is_found_by_its_pid_file() {
        let (_root, host) = host(&[
            ("run/docker.pid", "812"),
            ("proc/812/comm", "dockerd\n"),
            ("proc/812/stat", STAT),
            ("proc/stat", "btime 1700000000\n"),
        ]);
        assert_eq!(find(&host), Some(Process { started_unix_ms: 1_700_000_042_420 }));
    }

    #[test]
    fn a_pid_file_of_a_dead_engine_is_no_engine() {
        let (_root, host) =
            host(&[("run/docker.pid", "812"), ("proc/812/comm", "bash\n"), ("usr/bin/dockerd", "")]);
        assert_eq!(find(&host), None);
        assert!(installed(&host));
    }

    #[test]
    fn names_are_compared_whole() {
        let (_root, host) =
            host(&[("proc/5/comm", "dockerd-rootles\n"), ("proc/6/comm", "dockerd\n"), ("proc/7/stat", "")]);
        assert_eq!(Processes::read(&host).named("dockerd").collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn an_engine_without_the_usual_pid_file_is_found() {
        let (_root, host) = host(&[("proc/1/comm", "systemd\n"), ("proc/77/comm", "dockerd\n")]);
        assert_eq!(find(&host), Some(Process { started_unix_ms: 0 }));
    }
}
