//! `skep man`: the manual pages, one a command.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;

use super::args::Arguments;
use super::exit;
use super::failure::Failure;

/// Writes all manual pages into a folder, made if it is not there.
pub(super) fn run(folder: &Path) -> Result<u8, Failure> {
    write(folder).map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", folder.display())))?;
    Ok(exit::OK)
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(explained(Arguments::command()), folder)?;
    for entry in fs::read_dir(folder)? {
        let page = entry?.path();
        // What a command's help ends with is examples; clap has no word for it.
        let text = fs::read_to_string(&page)?.replace(".SH EXTRA\n", ".SH EXAMPLES\n");
        fs::write(page, text)?;
    }
    Ok(())
}

/// With a description of every option: those that `-h` leaves out would have none.
fn explained(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| argument.hide_short_help(false)).mut_subcommands(explained)
}
