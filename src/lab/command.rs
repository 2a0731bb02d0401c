//! Runs other programs: never without a bound in time, never with a terminal, always in plain English.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::error::LabError;

/// How long a small tool (`ip`, `nft`, `ssh-keygen`) may take.
pub(super) const SHORT: Duration = Duration::from_secs(30);

/// A program that finds the administrator's tools too, even where the caller's `PATH` lacks them.
pub(super) fn tool(program: &str) -> Command {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"));
    let mut command = Command::new(program);
    command.env("PATH", path).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a small tool; its standard output if it ends well.
pub(super) fn short(program: &str, args: &[&str]) -> Result<String, LabError> {
    feed(program, args, "")
}

/// Like [`short`], with `input` on its standard input.
pub(super) fn feed(program: &str, args: &[&str], input: &str) -> Result<String, LabError> {
    let mut command = tool(program);
    command.args(args);
    let output = checked(&mut command, input, SHORT, &mut |_| ())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that must end well; each line of its standard error and output goes to `on_line`.
pub(super) fn checked(
    command: &mut Command,
    input: &str,
    limit: Duration,
    on_line: &mut dyn FnMut(&str),
) -> Result<Output, LabError> {
    let output = run(command, input, limit, on_line)?;
    if output.status.success() {
        return Ok(output);
    }
    let text = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Err(LabError::Command {
        program: describe(command),
        status: output.status.to_string(),
        tail: tail(&String::from_utf8_lossy(text), 15),
    })
}

/// Runs a program to its end, however it ends; past `limit` it is killed with all of its children.
pub(super) fn run(
    command: &mut Command,
    input: &str,
    limit: Duration,
    on_line: &mut dyn FnMut(&str),
) -> Result<Output, LabError> {
    let spawned =
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = spawned.map_err(|source| LabError::Spawn { program: program.clone(), source })?;
    feed_from_thread(&mut child, input);
    let deadline = Instant::now() + limit;
    let ended = collect(&mut child, deadline, on_line);
    if ended.is_none() {
        // The child leads a group of its own, so this reaches what it started as well.
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        let _ = child.wait();
    }
    ended
        .ok_or_else(|| LabError::Timeout { what: format!("`{}`", describe(command)), limit })?
        .map_err(|source| LabError::Spawn { program, source })
}

/// The last `count` lines of a text, without trailing blanks.
pub(super) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Feeds standard input from a thread: a program that does not read must not block us.
fn feed_from_thread(child: &mut Child, input: &str) {
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Stream {
    Out,
    Err,
}

fn collect(
    child: &mut Child,
    deadline: Instant,
    on_line: &mut dyn FnMut(&str),
) -> Option<std::io::Result<Output>> {
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        read_lines(stdout, Stream::Out, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        read_lines(stderr, Stream::Err, sender.clone());
    }
    drop(sender);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((stream, line)) => {
                on_line(String::from_utf8_lossy(&line).trim_end());
                if stream == Stream::Out { &mut stdout } else { &mut stderr }.extend(line);
            }
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ok(Output { status, stdout, stderr })),
            Ok(None) if Instant::now() >= deadline => return None,
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Some(Err(error)),
        }
    }
}

fn read_lines(source: impl Read + Send + 'static, stream: Stream, sender: Sender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(source);
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if sender.send((stream, line)).is_err() => return,
                Ok(_) => (),
            }
        }
    });
}

/// The program and as many of its arguments as a message can bear.
fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().take(6) {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_without_trailing_blanks() {
        let cases = [("", 2, ""), ("a", 2, "a"), ("a\nb \nc\n\n", 2, "b\nc"), ("a\r\nb", 5, "a\nb")];
        for (text, count, expected) in cases {
            assert_eq!(tail(text, count), expected, "{text:?}");
        }
    }

    #[test]
    fn output_lines_and_status_come_back() {
        let mut seen = Vec::new();
        let mut command = tool("sh");
        command.args(["-c", "cat; echo bad >&2; exit 3"]);
        let output = run(&mut command, "in\n", SHORT, &mut |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(output.stdout, b"in\n");
        assert_eq!(output.stderr, b"bad\n");
        assert_eq!(output.status.code(), Some(3));
        seen.sort();
        assert_eq!(seen, ["bad", "in"]);
    }

    #[test]
    fn a_program_past_its_limit_is_killed_with_its_children() {
        let mut command = tool("sh");
        command.args(["-c", "sleep 600 & sleep 600"]);
        let result = run(&mut command, "", Duration::from_millis(50), &mut |_| ());
        assert!(matches!(result, Err(LabError::Timeout { .. })), "{result:?}");
    }

    #[test]
    fn a_failure_tells_the_program_the_status_and_what_it_said() {
        let error = short("sh", &["-c", "echo no such thing >&2; exit 7"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains('7') && text.contains("no such thing"), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let text = short("skep-no-such-program", &[]).unwrap_err().to_string();
        assert!(text.contains("skep-no-such-program"), "{text}");
    }
}
