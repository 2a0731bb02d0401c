//! The host that the agent runs on: where its files are, how its programs are run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod command;
mod files;
mod look;

pub use command::{Command, CommandOutput};
pub(super) use files::kind_of;

use super::Fault;

/// The host that the agent runs on, by the root of its file system.
///
/// Every path and every program is looked up below the root, so that a test can give a directory of its own and
/// touch nothing else.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
    /// Where it is for one look only: what was read in that.
    look: Option<Arc<look::Look>>,
}

impl Host {
    /// The machine this runs on.
    pub fn real() -> Self {
        Self::at("/")
    }

    /// A host whose files and programs are below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), look: None }
    }

    /// Where the file that the host calls `absolute` is.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// A program of the host, to be run; found in the system's own directories only, whatever `PATH` says,
    /// unless its whole path is given.
    pub fn command(&self, program: &str) -> Command<'_> {
        Command::new(self, program)
    }

    /// Runs a program to its end and returns what it said, whatever its exit code; within two minutes.
    ///
    /// # Errors
    /// Where there is no such program, or it did not end in time.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<CommandOutput, Fault> {
        self.command(program).args(args).run()
    }

    /// As [`Host::run`], for at most `limit`.
    ///
    /// # Errors
    /// As [`Host::run`].
    pub fn run_within(&self, limit: Duration, program: &str, args: &[&str]) -> Result<CommandOutput, Fault> {
        self.command(program).args(args).limit(limit).run()
    }

    /// Whether the host has that program.
    pub fn has_program(&self, program: &str) -> bool {
        self.program(program).is_some()
    }

    fn program(&self, program: &str) -> Option<PathBuf> {
        if program.starts_with('/') {
            return Some(self.path(program)).filter(|path| path.is_file());
        }
        command::DIRECTORIES
            .iter()
            .map(|directory| self.path(directory).join(program))
            .find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_root() {
        assert_eq!(Host::real().path("/etc/exports"), Path::new("/etc/exports"));
        assert_eq!(Host::at("/tmp/x").path("/etc/exports"), Path::new("/tmp/x/etc/exports"));
        assert_eq!(Host::at("/tmp/x").path("etc/exports"), Path::new("/tmp/x/etc/exports"));
        assert_eq!(Host::at("/tmp/x").path("/"), Path::new("/tmp/x/"));
    }
}
