//! Finds and ends a node's processes. They are known by arguments that no other process has, paths inside the
//! lab's folder, never by a number that was written down: that could have been given to another since.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::LabError;

const KILL_LIMIT: Duration = Duration::from_secs(20);

/// What /proc tells of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// Its number in its own, innermost namespace.
    inner_pid: u32,
    arguments: Vec<String>,
}

/// Numbers of the processes that have one of `marks` as an argument.
pub(super) fn marked(marks: &[String]) -> Vec<u32> {
    with_mark(&all(), marks).iter().map(|process| process.pid).collect()
}

/// The node's own init: the first process of the namespace that the process marked so made.
pub(super) fn init_below(mark: &str) -> Option<u32> {
    find_init(&all(), mark)
}

/// Ends every process with one of `marks` at once, as a power cut does, and waits until `init` is gone as well.
pub(super) fn end(marks: &[String], init: Option<u32>) -> Result<(), LabError> {
    let deadline = Instant::now() + KILL_LIMIT;
    let mut found_before = true;
    loop {
        let found = marked(marks);
        for pid in &found {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        // A process in the middle of exec has no arguments for a moment, so one empty look proves nothing.
        if found.is_empty() && !found_before && init.is_none_or(is_gone) {
            return Ok(());
        }
        found_before = !found.is_empty();
        if Instant::now() > deadline {
            let what = format!("ending the node's processes {found:?} (init {init:?})");
            return Err(LabError::Timeout { what, limit: KILL_LIMIT });
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A dead process leaves an empty command line at once and its directory a little later.
fn is_gone(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |cmdline| cmdline.is_empty())
}

fn with_mark<'a>(processes: &'a [Process], marks: &[String]) -> Vec<&'a Process> {
    processes.iter().filter(|p| p.arguments.iter().any(|argument| marks.contains(argument))).collect()
}

fn find_init(processes: &[Process], mark: &str) -> Option<u32> {
    let has_mark = |process: &Process| process.arguments.iter().any(|argument| argument == mark);
    processes
        .iter()
        // Until it has become systemd, the child still carries its maker's arguments.
        .filter(|process| process.inner_pid == 1 && !has_mark(process))
        .find(|process| processes.iter().any(|other| other.pid == process.parent && has_mark(other)))
        .map(|process| process.pid)
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(read).collect()
}

/// A process that ends while it is looked at is none.
fn read(pid: u32) -> Option<Process> {
    let dir = Path::new("/proc").join(pid.to_string());
    let cmdline = fs::read(dir.join("cmdline")).ok()?;
    if cmdline.is_empty() {
        return None; // the kernel's own, or dead and not yet collected
    }
    let (parent, inner_pid) = parse_status(&fs::read_to_string(dir.join("status")).ok()?)?;
    Some(Process { pid, parent, inner_pid, arguments: split(&cmdline) })
}

fn split(cmdline: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(cmdline).split_terminator('\0').map(str::to_owned).collect()
}

/// Parent and innermost number from /proc/PID/status (proc(5)).
fn parse_status(status: &str) -> Option<(u32, u32)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let parent = field("PPid")?.trim().parse().ok()?;
    let inner = field("NSpid")?.split_whitespace().last()?.parse().ok()?;
    Some((parent, inner))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn process(pid: u32, parent: u32, inner_pid: u32, arguments: &[&str]) -> Process {
        Process { pid, parent, inner_pid, arguments: arguments.iter().map(|&a| a.to_owned()).collect() }
    }

    #[test]
    fn init_is_the_first_of_the_innermost_namespace() {
        let mark = "--directory=/x/root";
        let table = [
            process(10, 1, 1, &["sh", "/x/launch.sh", "inside"]),
            process(11, 10, 7, &["systemd-nspawn", mark]),
            process(12, 11, 1, &["/sbin/init"]),
            process(13, 12, 30, &["sshd"]),
            process(21, 10, 7, &["systemd-nspawn", "--directory=/y/root"]),
            process(22, 21, 1, &["/sbin/init"]),
        ];
        assert_eq!(find_init(&table, mark), Some(12));
        assert_eq!(find_init(&table, "--directory=/z/root"), None);
        let booting = [table[1].clone(), process(12, 11, 1, &["systemd-nspawn", mark])];
        assert_eq!(find_init(&booting, mark), None);
    }

    #[test]
    fn only_a_whole_argument_is_a_mark() {
        let table = [process(1, 0, 1, &["a", "/x/lab"]), process(2, 0, 2, &["a", "/x/lab2"])];
        assert_eq!(with_mark(&table, &["/x/lab".to_owned()]), [&table[0]]);
    }

    #[test]
    fn status_and_arguments_are_read() {
        let status = "Name:\tsystemd\nPPid:\t866\nNSpid:\t868\t161\t1\n";
        assert_eq!(parse_status(status), Some((866, 1)));
        assert_eq!(parse_status("Name:\tx\n"), None);
        assert_eq!(split(b"sh\0-c\0\0x\0"), ["sh", "-c", "", "x"]);
    }

    /// A process with that argument; it waits for input that never comes, and ends with the test.
    struct Waiting(Child);

    impl Waiting {
        fn new(argument: &str) -> Self {
            let mut command = Command::new("sh");
            command.args(["-c", "read line", argument]).stdin(Stdio::piped());
            let process = Self(command.spawn().unwrap());
            // Between fork and the end of exec a process has no arguments yet.
            while read(process.0.id()).is_none_or(|found| !found.arguments.contains(&argument.to_owned())) {
                thread::yield_now();
            }
            process
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_marked_process_is_ended_and_others_are_not() {
        let mark = format!("skep-test-mark-{}", std::process::id());
        let (mut ours, mut other) = (Waiting::new(&mark), Waiting::new("another"));
        assert_eq!(marked(std::slice::from_ref(&mark)), [ours.0.id()]);
        end(&[mark], None).unwrap();
        assert!(!ours.0.wait().unwrap().success());
        assert!(other.0.try_wait().unwrap().is_none());
    }
}
