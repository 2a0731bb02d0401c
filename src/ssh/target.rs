//! What to connect to, and how.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::ask::AskSecret;
use super::error::ConnectError;
use super::identity::Identities;
use super::jump::Jumps;
use super::known_hosts::Names;

/// One host and the login on it. [`SshConfig`](super::SshConfig) makes one of what the user's own `ssh` would do.
#[derive(Debug, Clone)]
pub struct Target {
    /// The inventory's name for it, for messages.
    pub node: String,
    /// The name that `ssh` is given for it, for messages: its address in the inventory.
    pub asked: String,
    /// What else `ssh` has to be told to go the same way, for messages: `-o ProxyJump=…`.
    pub asked_with: Option<String>,
    /// What comes of ssh's configuration and not of the inventory, for messages: `HostName`, `Port` …
    pub configured: Vec<&'static str>,
    /// Name or address to connect to.
    pub host: String,
    /// TCP port, 22 as a rule.
    pub port: u16,
    /// The login.
    pub user: String,
    /// The way there.
    pub route: Route,
    /// Whether it only leads to others. It is no host of the swarm then: a password that was typed for those is never
    /// given to it, nor the other way round.
    pub jump_host: bool,
    /// Private key files to try, in this order. Empty: the usual ones in `~/.ssh`.
    pub keys: Vec<PathBuf>,
    /// Certificates of the user's keys, besides those that lie next to their keys as `KEY-cert.pub`.
    pub certificates: Vec<PathBuf>,
    /// Offer only [`keys`](Self::keys), whatever else an agent holds.
    pub identities_only: bool,
    /// The agent to ask.
    pub agent: WhichAgent,
    /// Password of the login, tried after the keys. Absent: the user is asked where it is wanted.
    pub password: Option<SecretString>,
    /// Whether no password is asked for, of the user, where none of the keys opens it.
    pub keys_only: bool,
    /// What an expired password is changed to, where the server asks for that in the login itself. A session is had of
    /// such a login whether it does or not. Absent: an expired password ends the login.
    pub renew: Option<SecretString>,
    /// A key of the host that is not known yet is trusted as usual, but only recorded by [`super::Session::pin`].
    pub pin_later: Option<PinLater>,
    /// How it is found where it is not at [`host`](Self::host) any more. Only where it is reached directly.
    pub whereabouts: Option<Whereabouts>,
    /// Where it should be, where it was found elsewhere by its hardware address: its keys and certificates are those of
    /// this host. A key that is not known is never taken there unasked, since anybody may have that address.
    pub found_for: Option<String>,
    /// Passphrase of encrypted key files. Absent, or of no avail: the user is asked where it is wanted.
    pub key_passphrase: Option<SecretString>,
    /// Fingerprint (`SHA256:…`) that the host's key must have. It takes the place of an entry in
    /// known_hosts; an entry that contradicts it is still refused.
    pub host_key: Option<String>,
    /// Where the keys of hosts are recorded, and under which name.
    pub known_hosts: KnownHosts,
    /// What to do with a key that is not known, where [`Options::accept_new_host_keys`] does not decide it.
    pub new_host_keys: NewHostKeys,
    /// The only algorithms of host keys to take, best first, in OpenSSH's words. Absent: all that skep knows.
    pub host_key_algorithms: Option<Vec<String>>,
    /// How long the TCP connection and the key exchange may take together; [`Options::connect_timeout`] where
    /// absent.
    pub connect_timeout: Option<Duration>,
}

impl Target {
    /// A host that is reached directly, by the usual keys, and known by the file `known_hosts`.
    pub fn new(node: &str, user: &str, host: &str, port: u16, known_hosts: PathBuf) -> Self {
        Self {
            node: node.to_owned(),
            asked: host.to_owned(),
            asked_with: None,
            configured: Vec::new(),
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            route: Route::Direct,
            jump_host: false,
            keys: Vec::new(),
            certificates: Vec::new(),
            identities_only: false,
            agent: WhichAgent::Usual,
            password: None,
            keys_only: false,
            renew: None,
            pin_later: None,
            whereabouts: None,
            found_for: None,
            key_passphrase: None,
            host_key: None,
            known_hosts: KnownHosts::file(known_hosts),
            new_host_keys: NewHostKeys::Ask,
            host_key_algorithms: None,
            connect_timeout: None,
        }
    }

    /// What `ssh` is told to go the same way.
    pub(super) fn arguments(&self) -> String {
        let Self { user, port, asked, asked_with, .. } = self;
        let with = asked_with.as_ref().map(|with| format!("{with} ")).unwrap_or_default();
        format!("{with}-p {port} {user}@{asked}")
    }

    /// Whose password it is that opens it: the same for all hosts of one user.
    pub(super) fn password_owner(&self) -> String {
        let Self { user, host, port, .. } = self;
        if self.jump_host { format!("{user}@{host}:{port}") } else { user.clone() }
    }

    /// The name that a certificate of the host must hold.
    pub(super) fn certified_name(&self) -> &str {
        self.known_hosts.alias.as_deref().unwrap_or(self.place())
    }

    /// The names under which its keys are recorded.
    pub(super) fn recorded(&self) -> Names {
        Names::of(self.place(), self.port, self.known_hosts.alias.as_deref())
    }

    /// Where it should be.
    fn place(&self) -> &str {
        self.found_for.as_ref().unwrap_or(&self.host)
    }
}

/// The key of a host that makes itself a new one in its first minutes: trusted already, recorded later. Shared by all
/// connections to it, so that the user is asked once.
#[derive(Debug, Clone, Default)]
pub struct PinLater(Arc<Mutex<Option<String>>>);

impl PinLater {
    /// The fingerprint that the user said yes to.
    pub(super) fn accepted(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn accept(&self, fingerprint: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint.to_owned());
    }
}

/// Where a host was found whose address has changed. Shared by all connections to it.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// The hardware address by which it is found.
    pub mac: String,
    /// Where, and when it was last looked for.
    seen: Arc<Mutex<(Option<IpAddr>, Option<Instant>)>>,
}

/// Between two searches for one host: each asks a whole network.
const SEARCH_PAUSE: Duration = Duration::from_secs(10);

impl Whereabouts {
    /// By this hardware address, `aa:bb:cc:dd:ee:ff`.
    pub fn by(mac: &str) -> Self {
        Self { mac: mac.to_owned(), seen: Arc::default() }
    }

    fn seen(&self) -> MutexGuard<'_, (Option<IpAddr>, Option<Instant>)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target where it was found last. Its keys are those that are known of it by its own address: whoever has that
    /// hardware address has yet to prove who it is.
    pub(super) fn target(&self, target: &Target) -> Target {
        let Some(found) = self.seen().0 else { return target.clone() };
        Target { host: found.to_string(), found_for: Some(target.host.clone()), ..target.clone() }
    }

    /// Whether to look for it now; notes that it is done.
    pub(super) fn begin_search(&self) -> bool {
        let mut seen = self.seen();
        let due = seen.1.is_none_or(|last| last.elapsed() >= SEARCH_PAUSE);
        if due {
            seen.1 = Some(Instant::now());
        }
        due
    }

    /// Notes where it is; whether that is news.
    pub(super) fn found(&self, address: IpAddr) -> bool {
        self.seen().0.replace(address) != Some(address)
    }
}

/// Looks for a host by its hardware address.
pub type Find = Arc<dyn Fn(Target) -> BoxFuture<'static, Option<IpAddr>> + Send + Sync>;

/// The way to a host.
#[derive(Debug, Clone, Default)]
pub enum Route {
    /// A TCP connection.
    #[default]
    Direct,
    /// Through the SSH server of this host, which has a way of its own. Hosts behind the same one share one
    /// connection to it.
    Jump(Arc<Target>),
    /// Over the standard streams of a command of the user's shell.
    Command(String),
}

impl Target {
    /// Whether a session on the one would do for the other.
    pub(super) fn same_login(&self, other: &Self) -> bool {
        let what =
            |target: &Self| (target.host.clone(), target.port, target.user.clone(), target.agent.clone());
        what(self) == what(other)
            && self.keys == other.keys
            && self.certificates == other.certificates
            && self.identities_only == other.identities_only
            && self.host_key == other.host_key
            && self.found_for == other.found_for
            && self.known_hosts == other.known_hosts
            && match (&self.route, &other.route) {
                (Route::Direct, Route::Direct) => true,
                (Route::Jump(one), Route::Jump(two)) => one.same_login(two),
                (Route::Command(one), Route::Command(two)) => one == two,
                _ => false,
            }
    }
}

/// Which agent is asked for keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WhichAgent {
    /// That of [`Identities`].
    #[default]
    Usual,
    /// The one behind this socket.
    At(PathBuf),
    /// None.
    None,
}

impl WhichAgent {
    /// The socket of the agent to ask, if any, where `usual` is that of [`Identities`].
    pub(super) fn socket<'a>(&'a self, usual: Option<&'a Path>) -> Option<&'a Path> {
        match self {
            Self::Usual => usual,
            Self::At(socket) => Some(socket),
            Self::None => None,
        }
    }
}

/// Where the keys of hosts are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHosts {
    /// The user's files, of which none need exist. New keys are recorded in the first.
    pub files: Vec<PathBuf>,
    /// The computer's files, which are only read.
    pub global: Vec<PathBuf>,
    /// A list of keys that no host may have.
    pub revoked: Option<PathBuf>,
    /// Whether names are recorded as hashes.
    pub hash: bool,
    /// The name under which the host is recorded, whatever its address and port are.
    pub alias: Option<String>,
}

impl KnownHosts {
    /// One file, with plain names.
    pub fn file(path: PathBuf) -> Self {
        Self { files: vec![path], global: Vec::new(), revoked: None, hash: false, alias: None }
    }

    /// The file that new keys are recorded in.
    pub(super) fn written(&self) -> &Path {
        self.files.first().map_or(Path::new("/dev/null"), PathBuf::as_path)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.global)
    }
}

/// What to do with the key of a host that is not known yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewHostKeys {
    /// Ask the user, or refuse it where nobody can be asked.
    #[default]
    Ask,
    /// Trust and record it.
    Accept,
    /// Refuse it.
    Refuse,
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
    /// Who looks for hosts whose address has changed. Nobody: they are not found.
    pub find: Option<Find>,
    /// Key files and agent of this user, loaded once for all hosts.
    pub identities: Arc<Identities>,
    /// The sessions on jump hosts, shared by all hosts behind them.
    pub jumps: Arc<Jumps>,
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
            find: None,
            identities,
            jumps: Arc::default(),
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
    /// Whether it was found there by its hardware address, and is known by another one.
    pub found: bool,
    /// The key's algorithm, such as `ssh-ed25519`.
    pub algorithm: String,
    /// The key's fingerprint, `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The file in which it would be recorded.
    pub known_hosts: PathBuf,
    /// Why no certificate of the host spoke for it, where an authority is trusted for it.
    pub certificate: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_found_elsewhere_goes_by_its_own_names() {
        let mut target = Target::new("n1", "root", "pi.lan", 2222, "known_hosts".into());
        let whereabouts = Whereabouts::by("dc:a6:32:01:02:03");
        assert!(whereabouts.found([192, 168, 2, 9].into()) && !whereabouts.found([192, 168, 2, 9].into()));
        for alias in [None, Some("board".to_owned())] {
            target.known_hosts.alias = alias;
            let found = whereabouts.target(&target);
            assert_eq!(found.host, "192.168.2.9");
            assert_eq!(found.recorded(), target.recorded());
            assert_eq!(found.certified_name(), target.certified_name());
        }
    }
}
