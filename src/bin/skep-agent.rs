//! The on-host half of skep; see [`skep::agent`].

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    skep::agent::main(&arguments)
}
