//! Why a command was not run, or its end not seen.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::error::said;

/// A command that was not run, or whose end was not seen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The connection went away. What the command did until then, and whether it still runs, is unknown.
    #[error(
        "{node}: the connection was lost{}; run the same command again once the host answers",
        because(why)
    )]
    Lost {
        /// The inventory's name for the host.
        node: String,
        /// Why, as far as this side knows.
        why: Option<String>,
    },
    /// The server opens no further channel, or runs no commands for this login.
    #[error(
        "{node}: the SSH server refuses to run a command ({why}); look for MaxSessions, ForceCommand and PermitTTY in its sshd_config and for `command=` in authorized_keys"
    )]
    Refused {
        /// The inventory's name for the host.
        node: String,
        /// The server's reason.
        why: String,
    },
    /// The server ran no command, because the login's password has to be changed first.
    #[error("{node}: the password of this login has expired; change it first by logging in with `ssh`")]
    PasswordExpired {
        /// The inventory's name for the host.
        node: String,
    },
    /// The command ended, but the server did not say how.
    #[error(
        "{node}: the SSH server closed the channel without an exit status{}; see `journalctl -u ssh` there",
        said(stderr)
    )]
    NoStatus {
        /// The inventory's name for the host.
        node: String,
        /// The end of what the command wrote to its standard error.
        stderr: Option<String>,
    },
    /// The command has not ended in the time that it may take, and may run still.
    #[error(
        "{node}: {what} has not ended within {} s; a worn card or a full disk does that: look at `dmesg | tail` and `df -h` there",
        limit.as_secs()
    )]
    Unended {
        /// The inventory's name for the host.
        node: String,
        /// The command, or what it is for.
        what: String,
        /// How long it may take.
        limit: Duration,
    },
    /// Its output did not come through whole.
    #[error("{node}: the command's output broke off: {source}")]
    Output {
        /// The inventory's name for the host.
        node: String,
        /// Why.
        source: io::Error,
    },
}

fn because(text: &Option<String>) -> String {
    text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default()
}
