//! What keeps ssh's configuration from being used.

use thiserror::Error;

use super::Question;

/// An ssh configuration that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `ssh` itself refuses it.
    #[error("ssh cannot use its configuration: {words}")]
    Refused {
        /// The host that was asked about.
        host: String,
        /// Its words: file and line as a rule.
        words: String,
    },
    /// `ssh` cannot be run, or comes to no end.
    #[error("`ssh -G {host}` {why}")]
    Program {
        /// The host that was asked about.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// A file of it cannot be read.
    #[error("ssh's configuration cannot be read without `ssh` itself: {why}")]
    File {
        /// Which, and what went wrong.
        why: String,
    },
    /// The value of an option cannot be used.
    #[error("{option} in ssh's configuration of {host} cannot be used: {why}")]
    Value {
        /// The host that was asked about.
        host: String,
        /// The option.
        option: &'static str,
        /// What went wrong.
        why: String,
    },
    /// Jump hosts lead to each other.
    #[error("the jump hosts lead in a circle: {way}")]
    Circle {
        /// The hosts, joined by `through`.
        way: String,
    },
}

impl ConfigError {
    pub(super) fn value(host: &str, option: &'static str, why: String) -> Self {
        Self::Value { host: host.to_owned(), option, why }
    }

    pub(super) fn circle(before: &[Question], last: &str) -> Self {
        let hosts: Vec<_> = before.iter().map(|question| question.host.as_str()).chain([last]).collect();
        Self::Circle { way: hosts.join(" through ") }
    }

    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Refused { words, .. } if words.contains("jumphost loop") => {
                "leave the jump host out of its own ProxyJump: `Host * !JUMPHOST`, or `ProxyJump none` for it first"
                    .into()
            }
            Self::Refused { host, .. } => format!("correct it until `ssh -G {host}` is content"),
            Self::Program { host, .. } => {
                format!("see what `ssh -G {host}` waits for: a `Match exec`, or a name server")
            }
            Self::File { .. } => "install OpenSSH's client: `apt-get install openssh-client`".into(),
            Self::Value { host, option, .. } => format!("correct {option}; `ssh -G {host}` shows it"),
            Self::Circle { .. } => "write `ProxyJump none` for the host that is reached directly".into(),
        }
    }
}
