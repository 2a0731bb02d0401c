//! An open, logged-in connection to one host.

use std::fmt;
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{ChannelStream, Disconnect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::auth::PasswordStanding;
use super::connect::record_host_key;
use super::error::ConnectError;
use super::exec::{Exec, ExitStatus};
use super::exec_error::ExecError;
use super::handler::{Seen, Watcher};
use super::target::Target;

/// How long to wait for a connection to end that was told to.
const PARTING: Duration = Duration::from_secs(2);

/// An open, logged-in connection to one host. Any number of commands run over it at once.
///
/// Dropping it ends the connection once the last of its commands has ended or been dropped.
pub struct Session {
    node: String,
    handle: Handle<Watcher>,
    seen: Seen,
    standing: PasswordStanding,
}

/// A command that has ended, with all that it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: String,
}

impl Session {
    pub(super) fn new(node: String, handle: Handle<Watcher>, seen: Seen, standing: PasswordStanding) -> Self {
        Self { node, handle, seen, standing }
    }

    /// How the login's password stands.
    pub fn password_standing(&self) -> PasswordStanding {
        self.standing
    }

    /// The host's key, as in its own `.pub` file without the comment, where it is trusted but not recorded yet.
    pub fn unpinned(&self) -> Option<String> {
        let mut key = self.seen.new_host_key()?;
        key.set_comment("");
        key.to_openssh().ok()
    }

    /// Records the host's key, where that was put off by [`Target::pin_later`].
    ///
    /// # Errors
    /// Where the file cannot be written, or holds another key of the host by now.
    pub async fn pin(&self, target: &Target) -> Result<(), ConnectError> {
        let recorded = record_host_key(target, &self.seen).await;
        recorded.map_err(|failure| ConnectError::new(target, failure))
    }

    /// The inventory's name for the host.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether the connection has ended, by either side or by itself.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Starts `command`, which the login's shell on the host will read: quote what it must not interpret,
    /// and put nothing secret into it. There is no terminal.
    ///
    /// # Errors
    /// [`ExecError::Lost`] and [`ExecError::Refused`]; a server that refuses only after the request says so
    /// to [`Exit::wait`](super::Exit::wait).
    pub async fn exec(&self, command: &str) -> Result<Exec, ExecError> {
        self.start(command, false).await
    }

    /// As [`exec`](Self::exec), on a terminal of its own: standard error comes with standard output.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    pub async fn exec_on_terminal(&self, command: &str) -> Result<Exec, ExecError> {
        self.start(command, true).await
    }

    async fn start(&self, command: &str, terminal: bool) -> Result<Exec, ExecError> {
        let opened = async {
            let channel = self.handle.channel_open_session().await?;
            if terminal {
                channel.request_pty(false, "dumb", 200, 24, 0, 0, &[]).await?;
            }
            channel.exec(true, command).await?;
            Ok(channel)
        };
        match opened.await {
            Ok(channel) => Ok(Exec::start(self.node.clone(), channel, self.seen.clone())),
            Err(russh::Error::ChannelOpenFailure(reason)) => Err(ExecError::Refused {
                node: self.node.clone(),
                why: format!("no further channel: {reason:?}"),
            }),
            Err(_) => Err(ExecError::Lost { node: self.node.clone(), why: self.seen.farewell() }),
        }
    }

    /// Runs `command` to its end with `input` on its standard input.
    ///
    /// # Errors
    /// As [`exec`](Self::exec) and [`Exit::wait`](super::Exit::wait). How the command ended is no error here.
    pub async fn run(&self, command: &str, input: &[u8]) -> Result<Output, ExecError> {
        let Exec { mut stdin, mut stdout, mut exit } = self.exec(command).await?;
        // A command need not read its input to the end; how it ended tells more than the broken pipe.
        let fed = async {
            stdin.write_all(input).await?;
            stdin.shutdown().await
        };
        let _ = fed.await;
        drop(stdin);
        let mut output = Vec::new();
        let read = stdout.read_to_end(&mut output).await;
        let status = exit.wait().await?;
        read.map_err(|source| ExecError::Output { node: self.node.clone(), source })?;
        Ok(Output { status, stdout: output, stderr: exit.stderr() })
    }

    /// A stream to where the host reaches `port` of `host`, a name that it looks up itself.
    pub(super) async fn forward(&self, host: &str, port: u16) -> Result<ChannelStream<Msg>, russh::Error> {
        // Where the stream comes from, for the server's log; nobody connects to this side.
        let channel = self.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0).await?;
        Ok(channel.into_stream())
    }

    /// Ends the connection, and with it all commands that still run over it.
    pub async fn close(self) {
        let told = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
        if told.is_ok() {
            let _ = timeout(PARTING, self.handle).await;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("node", &self.node)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
