//! Programs of the host, run to their end within a bound.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::super::Fault;
use super::Host;

/// Where programs are looked for; sudo and plain SSH sessions differ in their `PATH`.
pub(super) const DIRECTORIES: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// How long a program may take unless told otherwise.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// How often a running program is looked at.
const TICK: Duration = Duration::from_millis(20);

/// How soon a program is looked at again that has closed its output: as a rule it ends at that very moment.
const FIRST_TICK: Duration = Duration::from_micros(100);

/// How long output is still awaited after the program ended: a daemon that it left behind may hold the pipe open.
const LINGER: Duration = Duration::from_millis(500);

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// Exit code; 128 + the signal's number where a signal ended it.
    pub status: i32,
    /// Standard output; invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error; invalid UTF-8 replaced.
    pub stderr: String,
}

impl CommandOutput {
    /// Whether the exit code is 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// The program's last words: its errors, else its output, else its exit code.
    pub fn last_words(&self) -> String {
        [&self.stderr, &self.stdout]
            .into_iter()
            .map(|text| text.trim())
            .find(|text| !text.is_empty())
            .map_or_else(|| format!("exit code {}", self.status), last_lines)
    }

    /// Standard output where the exit code is 0.
    ///
    /// # Errors
    /// A fault about `what` with the program's last words.
    pub fn expect_success(self, what: impl ToString) -> Result<String, Fault> {
        if self.success() { Ok(self.stdout) } else { Err(Fault::new(what, self.last_words())) }
    }
}

/// The last few lines of a text, since the cause of a failure stands at its end.
fn last_lines(text: &str) -> String {
    const KEPT: usize = 8;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(KEPT)..].join("\n")
}

/// A program of the host, to be run: without input, in the C locale, in a process group of its own so that a
/// signal to the agent does not end it half way.
#[derive(Debug)]
pub struct Command<'h> {
    host: &'h Host,
    program: String,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    limit: Duration,
    keep: usize,
}

impl<'h> Command<'h> {
    pub(super) fn new(host: &'h Host, program: &str) -> Self {
        Self {
            host,
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            limit: LIMIT,
            keep: usize::MAX,
        }
    }

    /// Adds arguments. Never secrets: every user of a host can read them.
    #[must_use]
    pub fn args<A: AsRef<str>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable. Never a secret.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// How much of standard output is kept at least, in bytes: its end. All of it, unless told.
    #[must_use]
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// How long it may take before it is ended.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// Where there is no such program, or it did not end in time.
    pub fn run(self) -> Result<CommandOutput, Fault> {
        self.run_streaming(&mut |_| ())
    }

    /// Runs it to its end; hands over each line of standard output as it comes, without its line end.
    ///
    /// # Errors
    /// As [`Command::run`].
    pub fn run_streaming(self, on_line: &mut dyn FnMut(&str)) -> Result<CommandOutput, Fault> {
        let mut child = self.spawn()?;
        let group = Pid::from_raw(i32::try_from(child.id()).expect("process ids fit pid_t, which is an i32"));
        let (sender, receiver) = mpsc::channel();
        pump(child.stdout.take(), Stream::Out, sender.clone());
        pump(child.stderr.take(), Stream::Err, sender);
        let mut output = Output { keep: self.keep, ..Output::default() };
        let deadline = Instant::now() + self.limit;
        let mut pause = FIRST_TICK;
        let status = loop {
            let open = output.take(&receiver, TICK, on_line);
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => {}
                Ok(None) => {
                    end(group, &mut child);
                    return Err(self.overdue(&output));
                }
                Err(error) => return Err(Fault::new(self.line(), error)),
            }
            if !open {
                thread::sleep(pause);
                pause = (pause * 2).min(TICK);
            }
        };
        let linger = Instant::now() + LINGER;
        while Instant::now() < linger && output.take(&receiver, TICK, on_line) {}
        output.finish(on_line);
        Ok(output.with(status))
    }

    fn spawn(&self) -> Result<Child, Fault> {
        let path = self.host.program(&self.program).ok_or_else(|| {
            Fault::new(&self.program, "there is no such program on the host")
                .help("run `skep plan`: it shows which packages are missing")
        })?;
        std::process::Command::new(path)
            .args(&self.args)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Fault::new(self.line(), error))
    }

    fn overdue(&self, output: &Output) -> Fault {
        let said = output.clone().with(ExitStatus::default());
        let words = [said.stderr.trim(), said.stdout.trim()]
            .into_iter()
            .find(|text| !text.is_empty())
            .map(last_lines);
        let said = words.map(|words| format!("; it said last: {words}")).unwrap_or_default();
        Fault::new(self.line(), format!("did not end within {} s{said}", self.limit.as_secs()))
    }

    /// The command line, for people.
    fn line(&self) -> String {
        std::iter::once(self.program.as_str())
            .chain(self.args.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Reads a pipe to its end from a thread of its own, so that neither stream can block the other.
fn pump(pipe: Option<impl Read + Send + 'static>, stream: Stream, sender: Sender<(Stream, Vec<u8>)>) {
    let Some(mut pipe) = pipe else { return };
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(size @ 1..) = pipe.read(&mut buffer) {
            if sender.send((stream, buffer[..size].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// Ends the whole group: first politely, then not. One that waits in the kernel for a disc or a file server may not
/// even end by that, and is left to itself.
fn end(group: Pid, child: &mut Child) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // A failure means that it is gone already, which is what was wanted.
        let _ = killpg(group, signal);
        for _ in 0..100 {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(TICK);
        }
    }
}

#[derive(Debug, Default, Clone)]
struct Output {
    out: Vec<u8>,
    err: Vec<u8>,
    /// How much of `out` was handed over as lines.
    told: usize,
    /// How much of `out` is kept at least.
    keep: usize,
}

impl Output {
    /// Takes what has come, waiting at most `patience` for it; false once both streams have ended.
    fn take(
        &mut self,
        receiver: &Receiver<(Stream, Vec<u8>)>,
        patience: Duration,
        on_line: &mut dyn FnMut(&str),
    ) -> bool {
        let mut next = receiver.recv_timeout(patience);
        loop {
            match next {
                Ok((Stream::Out, bytes)) => {
                    self.out.extend(bytes);
                    self.tell(on_line);
                }
                Ok((Stream::Err, bytes)) => self.err.extend(bytes),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            next = receiver.recv_timeout(Duration::ZERO);
        }
    }

    fn tell(&mut self, on_line: &mut dyn FnMut(&str)) {
        while let Some(length) = self.out[self.told..].iter().position(|byte| *byte == b'\n') {
            on_line(&String::from_utf8_lossy(&self.out[self.told..self.told + length]));
            self.told += length + 1;
        }
        // Twice as much may pile up, so that it is not moved for each line.
        if self.out.len() / 2 > self.keep {
            // A line that never ends is not kept for being told whole.
            let dropped = self.out.len() - self.keep;
            self.out.drain(..dropped);
            self.told = self.told.saturating_sub(dropped);
        }
    }

    fn finish(&mut self, on_line: &mut dyn FnMut(&str)) {
        if self.told < self.out.len() {
            on_line(&String::from_utf8_lossy(&self.out[self.told..]));
            self.told = self.out.len();
        }
    }

    fn with(self, status: ExitStatus) -> CommandOutput {
        CommandOutput {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            stdout: String::from_utf8_lossy(&self.out).into_owned(),
            stderr: String::from_utf8_lossy(&self.err).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command<'static> {
        static REAL: std::sync::OnceLock<Host> = std::sync::OnceLock::new();
        REAL.get_or_init(Host::real).command("sh").args(["-c", script])
    }

    #[test]
    fn both_streams_and_the_exit_code_are_kept() {
        let output = sh("echo out; echo err >&2; exit 3").run().unwrap();
        assert_eq!(output, CommandOutput { status: 3, stdout: "out\n".into(), stderr: "err\n".into() });
        assert_eq!(output.expect_success("it").unwrap_err(), Fault::new("it", "err"));
    }

    #[test]
    fn a_signal_becomes_128_and_its_number() {
        assert_eq!(sh("kill -9 $$").run().unwrap().status, 137);
    }

    #[test]
    fn lines_are_told_whole_the_last_one_without_its_end_too() {
        let mut lines = Vec::new();
        sh("printf 'one\\ntw'; sleep 0.1; printf 'o\\nthree'")
            .run_streaming(&mut |line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn more_than_a_pipe_holds_on_both_streams_does_not_block() {
        let output = sh("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero").run().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
    }

    #[test]
    fn a_program_over_its_limit_is_ended_and_named() {
        let fault =
            sh("echo last words; exec sleep 600").limit(Duration::from_millis(300)).run().unwrap_err();
        assert!(fault.what.starts_with("sh -c"), "{fault}");
        assert!(fault.cause.contains("did not end within") && fault.cause.contains("last words"), "{fault}");
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_open_does_not_hold_us() {
        let output = sh("sleep 600 & echo $!").run().unwrap();
        let pid: i32 = output.stdout.trim().parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    #[test]
    fn a_missing_program_is_named() {
        let root = tempfile::tempdir().unwrap();
        let fault = Host::at(root.path()).run("exportfs", &["-s"]).unwrap_err();
        assert_eq!(fault.what, "exportfs");
        assert!(!Host::at(root.path()).has_program("exportfs"));
    }

    #[test]
    fn a_fault_holds_the_last_lines_only() {
        let many: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(last_lines(many.trim()), "92\n93\n94\n95\n96\n97\n98\n99");
    }
}
