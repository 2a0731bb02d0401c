//! What to connect to, and how.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::ask::AskSecret;
use super::error::ConnectError;
use super::identity::Identities;

/// One host and the login on it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The inventory's name for it, for messages.
    pub node: String,
    /// Name or address to connect to.
    pub host: String,
    /// TCP port, 22 as a rule.
    pub port: u16,
    /// The login.
    pub user: String,
    /// Private key files to try, in this order. Empty: the usual ones in `~/.ssh`.
    pub keys: Vec<PathBuf>,
    /// Certificates of the user's keys, besides those that lie next to their keys as `KEY-cert.pub`.
    pub certificates: Vec<PathBuf>,
    /// Offer only [`keys`](Self::keys), whatever else an agent holds.
    pub identities_only: bool,
    /// The agent to ask, by the path of its socket; `none` for no agent. That of [`Identities`] where absent.
    pub agent: Option<PathBuf>,
    /// Password of the login, tried after the keys. Absent: the user is asked where it is wanted.
    pub password: Option<SecretString>,
    /// Passphrase of encrypted key files. Absent, or of no avail: the user is asked where it is wanted.
    pub key_passphrase: Option<SecretString>,
    /// Fingerprint (`SHA256:…`) that the host's key must have. It takes the place of an entry in
    /// known_hosts; an entry that contradicts it is still refused.
    pub host_key: Option<String>,
    /// The file of known host keys; it need not exist.
    pub known_hosts: PathBuf,
}

/// How a host that is not known yet is asked about: shown to the user, answered by yes or no.
///
/// Many hosts may ask at once; who asks on a terminal puts the questions in a row.
pub type AskHostKey = Arc<dyn Fn(UnknownKey) -> BoxFuture<'static, bool> + Send + Sync>;

/// Hears why a try failed, before the next one.
pub type OnRetry = Arc<dyn Fn(&ConnectError) + Send + Sync>;

/// How connections are made: the same for all hosts of a run.
#[derive(Clone)]
pub struct Options {
    /// How long the TCP connection and the key exchange may take together.
    pub connect_timeout: Duration,
    /// How long the login may take: servers look up names and slow down failed passwords, and a key in an
    /// agent may wait for a touch.
    pub login_timeout: Duration,
    /// After this long without a word from the host, ask it for one. Three unanswered questions end the
    /// session.
    pub keepalive: Duration,
    /// How long to try again while the host may still be booting. Zero: one try.
    pub retry_for: Duration,
    /// Who hears about the tries that failed.
    pub on_retry: Option<OnRetry>,
    /// Trust and record the key of a host that is not known yet.
    pub accept_new_host_keys: bool,
    /// Who is asked about such a key otherwise. Nobody: it is refused.
    pub ask: Option<AskHostKey>,
    /// Who is asked for passphrases, passwords and codes. Nobody: what needs them is left out.
    pub ask_secret: Option<AskSecret>,
    /// Key files and agent of this user, loaded once for all hosts.
    pub identities: Arc<Identities>,
}

impl Options {
    /// The defaults: ten seconds to connect, one try, unknown hosts refused.
    pub fn new(identities: Arc<Identities>) -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(60),
            keepalive: Duration::from_secs(15),
            retry_for: Duration::ZERO,
            on_retry: None,
            accept_new_host_keys: false,
            ask: None,
            ask_secret: None,
            identities,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connect_timeout", &self.connect_timeout)
            .field("login_timeout", &self.login_timeout)
            .field("keepalive", &self.keepalive)
            .field("retry_for", &self.retry_for)
            .field("accept_new_host_keys", &self.accept_new_host_keys)
            .field("ask", &self.ask.is_some())
            .field("ask_secret", &self.ask_secret.is_some())
            .finish_non_exhaustive()
    }
}

/// The key of a host that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The inventory's name for the host.
    pub node: String,
    /// Name or address connected to.
    pub host: String,
    /// Port connected to.
    pub port: u16,
    /// The key's algorithm, such as `ssh-ed25519`.
    pub algorithm: String,
    /// The key's fingerprint, `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The file in which it would be recorded.
    pub known_hosts: PathBuf,
    /// A line of that file that names a certificate authority for this host. Certificates of hosts are not
    /// checked yet.
    pub authority: Option<usize>,
}
