//! The tasks of skep's own development that plain cargo cannot do. It needs few crates, so that it builds in seconds.

mod agents;
mod arch;
mod bench;
mod build;
mod deb;
mod dist;
mod failure;
mod fuzz;
mod policy;
mod release;
mod sbom;
mod smallest;
mod spdx;
mod toolchain;

use std::process::ExitCode;

use failure::{Failure, Result};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match task(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[String]) -> Result<()> {
    match arguments {
        [task, rest @ ..] if task == "demo" => dist::demo(rest),
        [task, rest @ ..] if task == "bench-peers" => bench::run(rest),
        // Parts of it that are processes of their own.
        [task, rest @ ..] if task == "bench-measure" => bench::measure(rest),
        [task, rest @ ..] if task == "bench-janitor" => bench::janitor(rest),
        [task, rest @ ..] if task == "fuzz" => fuzz::fuzz(rest),
        [task] if task == "dist" => dist::dist(),
        [task] if task == "policy" => policy::check(),
        _ => Err(Failure::Usage),
    }
}
