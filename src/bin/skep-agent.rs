//! The on-host half of skep; see [`skep::agent`].

use std::ffi::OsString;
use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;

/// musl's own has threads wait for each other, and unmaps memory as soon as it is free: a third of what a look at a host
/// cost its kernel.
#[global_allocator]
static MEMORY: GlobalDlmalloc = GlobalDlmalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    skep::agent::main(&arguments)
}
