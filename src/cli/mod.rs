//! The command line: one file a subcommand, each thin: gather inputs, call, hand events to a reporter.

pub mod exit;

mod args;
mod ask;
mod audit;
mod complete;
mod demo;
mod end;
mod failure;
mod first_login;
mod hidden;
mod history;
mod init;
mod inputs;
mod inventory;
mod lab;
mod man;
mod node;
mod plan;
mod run;
mod runs;
mod scan;
mod schema;
mod shared;
mod status;
mod templates;
mod undo;
mod up;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use failure::Failure;

/// Parses, runs, and prints at most one error.
pub fn main() -> ExitCode {
    complete::answer();
    // clap's own exit code for usage errors is the same as [`exit::USAGE`].
    let arguments = Arguments::parse();
    let printer = arguments.common.printer();
    // Besides this thread, which may wait for the user, one for all connections: what passes between the tasks of a
    // connection would wake other threads each time, and skep mostly waits for hosts.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(exit::FAILED, format!("cannot start: {error}"));
            failure.print(&printer);
            return ExitCode::from(failure.code);
        }
    };
    let code = runtime.block_on(run(arguments)).unwrap_or_else(|failure| {
        failure.print(&printer);
        failure.code
    });
    // Tasks that wait for a prompt or a dead host must not hold the process back.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn run(arguments: Arguments) -> Result<u8, Failure> {
    let Arguments { common, command } = arguments;
    match command {
        Command::Init(command) => init::run(&common, &command),
        Command::Plan(command) => plan::run(&common, command).await,
        Command::Up(command) => up::run(&common, command).await,
        Command::Audit(command) => audit::run(&common, &command).await,
        Command::Status => status::run(&common).await,
        Command::Scan(command) => scan::run(&common, &command).await,
        Command::Runs(command) => runs::run(&common, &command),
        Command::Undo(command) => undo::run(&common, &command).await,
        Command::Inventory(command) => inventory::run(&common, command),
        Command::Node(command) => node::run(&common, command).await,
        Command::Lab(command) => lab::run(&common, command).await,
        Command::Templates(command) => templates::run(&common, &command),
        Command::Schema => schema::run(&common),
        Command::Completions { shell } => {
            common.printer().result(&complete::script(shell)?);
            Ok(exit::OK)
        }
        Command::Man { folder } => man::run(&folder),
        Command::ExitCodes => {
            common.printer().result(&exit::table());
            Ok(exit::OK)
        }
    }
}
