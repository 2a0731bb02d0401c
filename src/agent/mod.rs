//! The on-host half: answers the controller over its standard streams, and is gone when they close.
//!
//! No daemon, no port: sshd starts it, and nothing but its cached file stays behind.

pub mod dial;
mod eviction;
mod exercise;
pub mod lock;
mod outcome;
mod reach;
pub mod serve;
mod streams;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};

pub use streams::Streams;

use crate::resource::Host;
use crate::wire;

/// What `skep-agent` does with these arguments, its own name left out.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<_> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let done = match words[..] {
        ["version"] => Streams::take().and_then(|mut streams| streams.hello()),
        ["serve"] => serve_until_gone(Path::new(lock::PATH)),
        // For tests, which must not wait for each other.
        ["serve", lock] => serve_until_gone(Path::new(lock)),
        ["dial", path] => dial::dial(Path::new(path)),
        _ => {
            // The one thing that is said to a person: somebody ran it by hand.
            eprintln!("skep-agent is run by skep: skep-agent serve | dial SOCKET | version");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {}: {error}", wire::hello(), words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn serve_until_gone(lock: &Path) -> io::Result<()> {
    outlive_the_connection()?;
    // Whatever umask the login has, directories made here and by the programs run from here are the system's.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    serve::serve(Streams::take()?, &Host::real(), lock, told_to_leave)
}

/// A terminal's or a connection's end must not cut a step in two: the end of the input and SIGTERM are the only words
/// for stopping. Blocked, not ignored, since children would inherit the latter.
fn outlive_the_connection() -> io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    Ok(signals.thread_block()?)
}

/// Returns once another agent, or the system at its end, tells this one to leave. The signal is blocked in all threads.
fn told_to_leave() {
    let told = SigSet::from_iter([Signal::SIGTERM]);
    while told.wait().is_err() {}
}
