//! Why there is no session, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::auth::{self, Attempt};
use super::known_hosts::KnownHostsError;
use super::target::{Target, UnknownKey};

/// A session that did not come about: with whom, why, and what helps.
#[derive(Debug, Error)]
pub struct ConnectError {
    /// The inventory's name for the host.
    pub node: String,
    /// The login that was tried.
    pub user: String,
    /// Name or address that was tried.
    pub host: String,
    /// Port that was tried.
    pub port: u16,
    /// The name that `ssh` is given for it.
    pub asked: String,
    /// What `ssh` is told to go the same way: `-p PORT USER@NAME`.
    pub arguments: String,
    /// What of this comes of ssh's configuration: `HostName`, `Port` …
    pub configured: Vec<&'static str>,
    /// Why.
    #[source]
    pub cause: Box<ConnectFailure>,
}

/// Why there is no session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// Nothing answers there as an SSH server.
    #[error("{0}")]
    Unreachable(Unreachable),
    /// Its key is not known, and nobody said that it may be trusted.
    #[error("its {} host key {} is not known in {}{}", .0.algorithm, .0.fingerprint, .0.known_hosts.display(), certificate_note(.0))]
    HostKeyUnknown(Box<UnknownKey>),
    /// Another key is recorded for it: the host was set up anew, or somebody sits between.
    #[error("it offers the {algorithm} host key {fingerprint}, but {}:{line} records another {} key for it", known_hosts.display(), recorded)]
    HostKeyChanged {
        /// Fingerprint of the key that it offers.
        fingerprint: String,
        /// Algorithm of the key that it offers.
        algorithm: String,
        /// Algorithm of the key that is recorded.
        recorded: String,
        /// The name under which it is recorded.
        recorded_as: Box<str>,
        /// The file that contradicts.
        known_hosts: PathBuf,
        /// The line that contradicts, counted from 1.
        line: usize,
    },
    /// Its key, or the one that signed its certificate, is recorded as one never to be trusted again.
    #[error("its {what} {fingerprint} is revoked by {}:{line}", known_hosts.display())]
    HostKeyRevoked {
        /// Which of them: `host key` or `certificate authority`.
        what: &'static str,
        /// Fingerprint of the key.
        fingerprint: String,
        /// The file that revokes it.
        known_hosts: PathBuf,
        /// The line that revokes it, counted from 1.
        line: usize,
    },
    /// Its certificate does not prove its name, and why.
    #[error("{0}")]
    HostCertificate(String),
    /// None of its keys has the fingerprint that the inventory demands.
    #[error("none of its host keys has the pinned fingerprint {pinned}; it offers {}", offered.join(", "))]
    HostKeyMismatch {
        /// The fingerprint demanded.
        pinned: String,
        /// `algorithm fingerprint` of each key that it offered.
        offered: Vec<String>,
    },
    /// The file of known hosts cannot be read or written.
    #[error(transparent)]
    KnownHosts(#[from] KnownHostsError),
    /// It lets this login in by none of the ways tried.
    #[error("it refuses the login{}{}; tried: {}", accepts(offered), said(server_said), listed(tried))]
    AuthFailed {
        /// What was tried, in order, and what came of it.
        tried: Vec<Attempt>,
        /// The methods that the server would still accept, in its own words.
        offered: Vec<String>,
        /// What the server had to say: its banner, or why it closed the connection.
        server_said: Option<String>,
        /// Whether the connection broke off in the middle, as it does where the host goes down: no verdict on the login.
        cut: bool,
    },
    /// The login works, but its password has to be changed before anything else.
    #[error("the password of this login has expired{}", said(server_said))]
    PasswordExpired {
        /// What the server had to say.
        server_said: Option<String>,
    },
    /// No algorithm of this kind is common to both sides.
    #[error("it offers no {kind} that skep knows; it offers {}", offered.join(", "))]
    NoCommonAlgorithm {
        /// What for: `host key`, `key exchange`, `cipher` …
        kind: String,
        /// What it offers.
        offered: Vec<String>,
    },
    /// The jump host before it cannot be passed.
    #[error("{}", source.sentence())]
    Jump {
        /// The jump host, as `ssh` is given it.
        hop: String,
        /// Why there is no session on it.
        source: Arc<ConnectError>,
    },
    /// The jump host before it does not forward connections for this login.
    #[error("jump host {hop} does not forward the connection ({why})")]
    Forwarding {
        /// The jump host, as `ssh` is given it.
        hop: String,
        /// Its reason.
        why: String,
    },
    /// The command that should lead to it did not.
    #[error("the ProxyCommand did not lead to an SSH server{}", said(last_words))]
    ProxyCommand {
        /// The last line of what it wrote to its standard error.
        last_words: Option<String>,
    },
    /// It does not speak SSH as agreed.
    #[error("the SSH protocol failed: {0}")]
    Protocol(String),
}

/// How nothing answered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// Its name has no address.
    #[error("the name does not resolve: {0}")]
    Name(io::Error),
    /// No connection: refused, no route …
    #[error("no connection: {0}")]
    Connection(io::Error),
    /// No answer in time.
    #[error("no answer to {doing} within {} s", after.as_secs_f32())]
    Timeout {
        /// What there was no answer to.
        doing: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The jump host before it gets no connection to it.
    #[error("jump host {hop} gets no connection to it")]
    Beyond {
        /// The jump host, as `ssh` is given it.
        hop: String,
        /// What `ssh` is told to log in to it.
        login: String,
    },
    /// The connection to the jump host before it went away.
    #[error("the connection to jump host {hop} was lost")]
    JumpLost {
        /// The jump host, as `ssh` is given it.
        hop: String,
    },
    /// It hung up before the login: still booting, too busy, or a service that is not SSH.
    #[error("it closed the connection before the login{}", said(server_said))]
    Closed {
        /// Why, in the server's words.
        server_said: Option<String>,
    },
}

impl ConnectFailure {
    /// Whether the host may be at another address by now: nobody answers at this one, or somebody else does.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::HostKeyChanged { .. } | Self::HostKeyMismatch { .. })
    }
}

impl ConnectError {
    pub(super) fn new(target: &Target, cause: ConnectFailure) -> Self {
        Self {
            node: target.node.clone(),
            user: target.user.clone(),
            host: target.host.clone(),
            port: target.port,
            asked: target.asked.clone(),
            arguments: target.arguments(),
            configured: target.configured.clone(),
            cause: Box::new(cause),
        }
    }

    /// Whether nothing answered there at all; else the host is there, and refuses or is refused.
    pub fn is_unreachable(&self) -> bool {
        match &*self.cause {
            ConnectFailure::Unreachable(_) | ConnectFailure::ProxyCommand { .. } => true,
            ConnectFailure::Jump { source, .. } => source.is_unreachable(),
            _ => false,
        }
    }

    /// Whether a host that is still booting would look like this, so that it is worth trying again.
    pub fn is_transient(&self) -> bool {
        match &*self.cause {
            ConnectFailure::Unreachable(_) | ConnectFailure::ProxyCommand { .. } => true,
            ConnectFailure::Jump { source, .. } => source.is_transient(),
            ConnectFailure::AuthFailed { server_said, cut, .. } => {
                *cut || server_said.as_deref().is_some_and(is_booting)
            }
            _ => false,
        }
    }

    /// Whether the host is there and its SSH server is not, as while it restarts.
    pub fn is_restart(&self) -> bool {
        match &*self.cause {
            ConnectFailure::Unreachable(Unreachable::Closed { .. }) => true,
            ConnectFailure::Unreachable(Unreachable::Connection(error)) => {
                matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
            }
            _ => false,
        }
    }

    /// Whether the SSH server hangs up on everybody and gives no reason, as one does whose host keys are gone.
    pub fn hangs_up(&self) -> bool {
        match &*self.cause {
            ConnectFailure::Unreachable(Unreachable::Closed { server_said: None }) => true,
            ConnectFailure::Unreachable(Unreachable::Connection(error)) => {
                error.kind() == io::ErrorKind::ConnectionReset
            }
            _ => false,
        }
    }

    /// Whether the host is there and trusted, but lets this login in by no way that was tried, or wants its password
    /// changed first: as a freshly flashed one does.
    pub fn is_refused_login(&self) -> bool {
        match &*self.cause {
            ConnectFailure::AuthFailed { .. } => !self.is_transient(),
            ConnectFailure::PasswordExpired { .. } => true,
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> String {
        let Self { host, port, arguments, .. } = self;
        match &*self.cause {
            ConnectFailure::Jump { source, .. } => source.help(),
            ConnectFailure::Forwarding { .. } => {
                "look for AllowTcpForwarding, PermitOpen and DisableForwarding in its sshd_config, and for `restrict` and `no-port-forwarding` in its authorized_keys".into()
            }
            ConnectFailure::ProxyCommand { .. } => {
                format!("try the command by itself, or `ssh -v {arguments}`")
            }
            ConnectFailure::Unreachable(Unreachable::Beyond { login, .. }) => format!(
                "check that it is switched on, and from there: `ssh {login} getent hosts {host}`, `ssh {login} nc -vz {host} {port}`"
            ),
            ConnectFailure::HostCertificate(_) => {
                "have its authority sign its key anew: `ssh-keygen -s CA -h -I NAME -n HOSTNAME KEY.pub`".into()
            }
            ConnectFailure::Unreachable(Unreachable::Name(_)) => {
                self.help_with_name()
            }
            ConnectFailure::Unreachable(_) => format!(
                "check that it is switched on and that its SSH server runs: `ssh {arguments} true`"
            ),
            ConnectFailure::HostKeyUnknown(key) => format!(
                "compare the fingerprint on the host (`ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub`), then {}pin it in the inventory",
                key_file_word(&key.algorithm),
                // Nobody's word is taken for a host that was found by its hardware address.
                if key.found { "" } else { "pass --accept-new-host-keys or " }
            ),
            ConnectFailure::HostKeyChanged { known_hosts, algorithm, recorded, recorded_as, .. } => {
                let forget = format!(
                    "if it was set up anew, forget the old key: `ssh-keygen -f {} -R '{}'`",
                    known_hosts.display(),
                    recorded_as
                );
                if algorithm == recorded {
                    forget
                } else {
                    format!(
                        "if this key is its own too, record it as well: `ssh-keyscan -p {port} {host}`; {forget}"
                    )
                }
            }
            ConnectFailure::HostKeyRevoked { what: "certificate authority", .. } => {
                "give the host a certificate of another authority".into()
            }
            ConnectFailure::HostKeyRevoked { .. } => {
                "give the host new keys (`ssh-keygen -A` there, after removing the old ones)".into()
            }
            ConnectFailure::HostKeyMismatch { .. } => format!(
                "check the pinned fingerprint against the host: `ssh-keyscan -p {port} {host} | ssh-keygen -lf -`"
            ),
            ConnectFailure::KnownHosts(error) => {
                format!("check its owner and mode: `ls -l {}`", error.path.display())
            }
            ConnectFailure::AuthFailed { tried, .. } => auth::help(arguments, tried),
            ConnectFailure::PasswordExpired { .. } => {
                format!("change it first: `ssh {arguments}`")
            }
            ConnectFailure::NoCommonAlgorithm { kind, .. } if kind == "host key" => {
                "make an ed25519 key on the host: `ssh-keygen -A`, then restart its SSH server".into()
            }
            ConnectFailure::NoCommonAlgorithm { .. } => {
                "update the host's SSH server, or allow current algorithms in its sshd_config".into()
            }
            ConnectFailure::Protocol(_) => {
                format!("see whether OpenSSH gets further: `ssh -v {arguments}`")
            }
        }
    }
}

impl ConnectError {
    /// What was tried and what came of it, without the node and without help.
    pub fn what(&self) -> String {
        let Self { user, host, port, cause, .. } = self;
        format!("cannot log in as {user} on {host} port {port}{}: {cause}", self.origin())
    }

    /// The same with the node, or the jump host.
    pub(super) fn sentence(&self) -> String {
        format!("{}: {}", self.node, self.what())
    }

    /// Where user, host and port come from, if not from the inventory.
    fn origin(&self) -> String {
        match self.configured.split_last() {
            None => String::new(),
            Some((last, [])) => format!(" ({last} by ssh's configuration of {})", self.asked),
            Some((last, others)) => {
                format!(" ({} and {last} by ssh's configuration of {})", others.join(", "), self.asked)
            }
        }
    }

    fn help_with_name(&self) -> String {
        let host = &self.host;
        if self.configured.contains(&"HostName") {
            format!("check HostName in `ssh -G {}`, or `getent hosts {host}`", self.asked)
        } else {
            format!("check the address in the inventory, or `getent hosts {host}`")
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.sentence(), self.help())
    }
}

/// What pam_nologin says while systemd has not finished booting, or shuts down.
fn is_booting(server_said: &str) -> bool {
    ["System is booting up", "System is going down"].iter().any(|text| server_said.contains(text))
}

/// What pam_unix says of a login whose password has to be changed.
pub(super) fn is_expired(server_said: &str) -> bool {
    server_said.contains("required to change your password immediately")
}

pub(super) fn said(text: &Option<String>) -> String {
    text.as_ref().map(|text| format!(" (it said: {text})")).unwrap_or_default()
}

fn listed(tried: &[Attempt]) -> String {
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn accepts(methods: &[String]) -> String {
    if methods.is_empty() { String::new() } else { format!(" (it accepts {})", methods.join(", ")) }
}

fn certificate_note(key: &UnknownKey) -> String {
    key.certificate.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
}

/// `ed25519` of `ssh-ed25519`, as in the names of sshd's key files.
fn key_file_word(algorithm: &str) -> &str {
    match algorithm {
        "ssh-ed25519" => "ed25519",
        "ssh-rsa" => "rsa",
        ecdsa if ecdsa.starts_with("ecdsa-") => "ecdsa",
        _ => "*",
    }
}
