//! The standard streams as the protocol's own.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::unistd::{dup2_stdin, dup2_stdout};

use crate::wire;

/// Both directions to the controller. The process's standard input and output are empty afterwards, so that nothing
/// that a child process or a stray print says can get between the frames.
#[derive(Debug)]
pub struct Streams {
    /// From the controller.
    pub input: File,
    /// To the controller.
    pub output: File,
}

impl Streams {
    /// Takes them over.
    ///
    /// # Errors
    /// The system's.
    pub fn take() -> io::Result<Self> {
        // Cloned descriptors are closed in children.
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let null = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        Ok(Self { input, output })
    }

    /// Tells the controller who speaks.
    ///
    /// # Errors
    /// The stream's.
    pub fn hello(&mut self) -> io::Result<()> {
        // In one piece: each is a packet, and wakes everybody on the way.
        self.output.write_all(format!("{}\n", wire::hello()).as_bytes())
    }
}
