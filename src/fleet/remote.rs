//! What runs commands on a host: an SSH session, and in tests this computer's own shell.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};

use crate::ssh;

/// What a command reads. Its end is told by dropping it or by `shutdown`.
pub type Input = Box<dyn AsyncWrite + Send + Unpin>;

/// What a command writes.
pub type Output = BufReader<Box<dyn AsyncRead + Send + Unpin>>;

/// A running command.
pub struct Channel {
    /// Its standard input.
    pub input: Input,
    /// Its standard output.
    pub output: Output,
    /// Its end.
    pub exit: Box<dyn Exit>,
}

/// How a command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Its exit code, if it ended by itself.
    pub code: Option<u32>,
    /// The end of its standard error.
    pub stderr: String,
}

/// The end of a command.
pub trait Exit: Send {
    /// Waits for it.
    fn wait(&mut self) -> BoxFuture<'_, Result<Status, ssh::ExecError>>;

    /// Waits until more than `beyond` bytes have come on its standard error: how many by then, and the end of them.
    /// Waits for ever where no more come.
    fn stderr_beyond(&mut self, beyond: u64) -> BoxFuture<'_, (u64, String)>;
}

/// Runs commands on a host.
pub trait Remote: Send + Sync {
    /// Starts a command, which the login's shell reads.
    fn exec<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<Channel, ssh::ExecError>>;
}

impl Remote for ssh::Session {
    fn exec<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<Channel, ssh::ExecError>> {
        async move {
            let exec = Self::exec(self, command).await?;
            Ok(Channel {
                input: Box::new(exec.stdin),
                output: BufReader::new(Box::new(exec.stdout)),
                exit: Box::new(exec.exit),
            })
        }
        .boxed()
    }
}

impl Exit for ssh::Exit {
    fn wait(&mut self) -> BoxFuture<'_, Result<Status, ssh::ExecError>> {
        async move {
            let status = Self::wait(self).await?;
            Ok(Status { code: status.code, stderr: self.stderr() })
        }
        .boxed()
    }

    fn stderr_beyond(&mut self, beyond: u64) -> BoxFuture<'_, (u64, String)> {
        Self::stderr_beyond(self, beyond).boxed()
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
