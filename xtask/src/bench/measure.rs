//! One command, measured from outside: wall time, processor time, memory.
//!
//! The kernel tells a process what its children used, all of them together. So each command is the only child of a
//! process of its own: `xtask bench-measure`, which tells what it saw, and ends the command where it takes too long or
//! where the benchmark itself is gone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::job::{Job, Ran, failed};
use super::results::Sample;
use super::{Bench, this_program};
use crate::failure::{Failure, Result};

/// What `xtask bench-measure` tells.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    sample: Sample,
    /// None where a signal ended it.
    exit: Option<i32>,
    too_long: bool,
}

impl Bench {
    /// Runs a command to its end and measures it.
    ///
    /// # Errors
    /// Where it takes too long, or ends with an exit code that is a failure.
    pub(super) fn measure(&self, job: &Job) -> Result<Ran> {
        let logs = self.file("logs");
        fs::create_dir_all(&logs).map_err(Failure::io(logs.display()))?;
        let (out, err) = (logs.join(job.log() + ".out"), logs.join(job.log() + ".err"));
        let mut command = Command::new(this_program()?);
        command
            .arg("bench-measure")
            .arg(job.limit.as_secs().to_string())
            .arg(&out)
            .arg(&err)
            .arg(&job.program);
        command.args(&job.arguments).envs(job.environment.iter().map(|(name, value)| (name, value)));
        // Its end of the pipe tells it that this process lives. Ctrl-C is not for it: it has a command to end first.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let measured = command.spawn().and_then(finish).map_err(Failure::io(&job.name))?;
        let told: Told = serde_json::from_slice(&measured)
            .map_err(|_| Failure::Bench(vec![format!("{} could not be started", job.program.display())]))?;
        let (stdout, stderr) = (text(&out)?, text(&err)?);
        match told.exit {
            _ if told.too_long => {
                Err(failed(job, &format!("took longer than {} s", job.limit.as_secs()), &stderr))
            }
            Some(code) if job.accepted.contains(&code) => Ok(Ran { sample: told.sample, stdout, stderr }),
            Some(code) => Err(failed(job, &format!("ended with {code}"), &stderr)),
            None => Err(failed(job, "was ended by a signal", &stderr)),
        }
    }
}

/// What a child prints until it ends; its standard input stays open meanwhile.
fn finish(mut child: Child) -> io::Result<Vec<u8>> {
    let alive = child.stdin.take();
    let mut printed = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        stdout.read_to_end(&mut printed)?;
    }
    drop(alive);
    child.wait()?;
    Ok(printed)
}

fn text(path: &std::path::Path) -> Result<String> {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(Failure::io(path.display()))
}

/// `xtask bench-measure SECONDS STDOUT STDERR PROGRAM ARGUMENT…`
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let [seconds, out, err, program, arguments @ ..] = arguments else { return Err(Failure::Usage) };
    let limit = Duration::from_secs(seconds.parse().map_err(|_| Failure::Usage)?);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    command.stdout(File::create(out).map_err(Failure::io(out))?);
    command.stderr(File::create(err).map_err(Failure::io(err))?);
    let told = watch(&mut command, limit, io::stdin()).map_err(Failure::io(program))?;
    // Where the benchmark is gone, nobody is told.
    let _ = writeln!(io::stdout(), "{}", serde_json::json!(told));
    Ok(())
}

/// `alive` ends with the benchmark.
fn watch(command: &mut Command, limit: Duration, alive: impl Read + Send + 'static) -> io::Result<Told> {
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let (ended, watchdog) = watchdog(child.id(), limit, alive);
    let status = child.wait()?;
    let wall = begun.elapsed();
    // A watchdog that has barked already listens no more.
    let _ = ended.send(End::OfCommand);
    let too_long = watchdog.join().unwrap_or(true);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let sample = Sample {
        wall_ms: wall.as_secs_f64() * 1e3,
        cpu_ms: milliseconds(usage.user_time()) + milliseconds(usage.system_time()),
        rss_kib: usage.max_rss().unsigned_abs(),
    };
    Ok(Told { sample, exit: status.code(), too_long })
}

enum End {
    OfCommand,
    OfBenchmark,
}

/// Ends the process group of `pid` after `limit`, or with the benchmark; the thread's result is whether it took too long.
fn watchdog(
    pid: u32,
    limit: Duration,
    mut alive: impl Read + Send + 'static,
) -> (Sender<End>, JoinHandle<bool>) {
    let (sender, ends) = mpsc::channel();
    let benchmark = sender.clone();
    thread::spawn(move || {
        let _ = io::copy(&mut alive, &mut io::sink());
        let _ = benchmark.send(End::OfBenchmark);
    });
    let group = Pid::from_raw(pid.cast_signed());
    let watchdog = thread::spawn(move || {
        let end = ends.recv_timeout(limit);
        if !matches!(end, Ok(End::OfCommand)) {
            let _ = killpg(group, Signal::SIGKILL);
        }
        matches!(end, Err(RecvTimeoutError::Timeout))
    });
    (sender, watchdog)
}

fn milliseconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration, alive: impl Read + Send + 'static) -> Told {
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0).stdin(Stdio::null());
        watch(&mut command, limit, alive).expect("sh starts")
    }

    #[test]
    fn a_command_is_measured_with_its_children() {
        let (alive, _benchmark) = io::pipe().expect("a pipe");
        let script = "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; exit 3";
        let told = shell(script, Duration::from_secs(60), alive);
        assert_eq!((told.exit, told.too_long), (Some(3), false));
        assert!(
            told.sample.cpu_ms > 0.0 && told.sample.wall_ms > 0.0 && told.sample.rss_kib > 100,
            "{told:?}"
        );
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_its_children() {
        let (alive, _benchmark) = io::pipe().expect("a pipe");
        let told = shell("sleep 600 & sleep 600", Duration::from_millis(50), alive);
        assert_eq!((told.exit, told.too_long), (None, true));
    }

    #[test]
    fn a_command_ends_with_the_benchmark() {
        let told = shell("sleep 600", Duration::from_secs(600), io::empty());
        assert_eq!((told.exit, told.too_long), (None, false));
    }
}
