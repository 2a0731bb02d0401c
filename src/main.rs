//! The controller.

use std::process::ExitCode;

fn main() -> ExitCode {
    skep::cli::main()
}
