//! All hosts of an inventory at once, a bounded number at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};
use secrecy::SecretString;

use super::agents::Agents;
use super::elevation::Elevation;
use super::first_login::password::ARMBIAN;
use super::first_login::{Entrance, is_left_halfway, replace, settle};
use super::password::{Keyring, Passwords};
use super::place::PLACES;
use super::reconnect::{LogIn, Refusal, Relearn};
use super::remote::Remote;
use super::session::{HostSession, Privilege};
use crate::event::{Event, Sink};
use crate::inventory::model::{self, FirstLogin, Login, Node, NodeName};
use crate::inventory::{HostArg, SecretSource};
use crate::plan::password_that_stays;
use crate::resource::Fault;
use crate::scan;
use crate::ssh::{
    self, AskHostKey, AskSecret, ConnectError, Find, Given, HopSpec, Identities, OnRetry, PinLater, Route,
    SshConfig, Target, Whereabouts,
};

/// How long the SSH server of a host in its first boot may take over a restart.
const RESTART: Duration = Duration::from_secs(10);

/// How long it may hang up on everybody: between the image's host keys and its own a host has none, and a slow one makes
/// an RSA key for a minute.
const KEYLESS: Duration = Duration::from_secs(90);

/// How long to wait for a server that restarts.
fn restart(error: &ConnectError) -> Duration {
    if error.hangs_up() { KEYLESS } else { RESTART }
}

/// How hosts are connected to.
#[derive(Clone)]
pub struct Options {
    /// How many at once.
    pub forks: usize,
    /// How long a host may take to answer; by ssh's configuration, else ten seconds, where absent.
    pub connect_timeout: Option<Duration>,
    /// How long to try again while a host may still be booting. Zero: one try.
    pub retry_for: Duration,
    /// Trust and record the keys of hosts that are not known yet.
    pub accept_new_host_keys: bool,
    /// Who is asked about such a key otherwise. Nobody: it is refused.
    pub ask: Option<AskHostKey>,
    /// Who is asked for passphrases, passwords and codes. Nobody: what needs them is left out.
    pub ask_secret: Option<AskSecret>,
    /// Key files, agent, and what was typed already: the same for as long as the process runs.
    pub identities: Arc<Identities>,
    /// Where the user says that the agents are.
    pub agent_dir: Option<PathBuf>,
    /// Hosts that are taken in, where the inventory tells how; and whether a key opens them already, so that only the
    /// image's password has to go.
    pub first_logins: BTreeMap<NodeName, bool>,
}

/// Why there is no session on a host.
#[derive(Debug, Clone)]
pub enum NoSession {
    /// It could not be reached, or not be worked on.
    Failed(Fault),
    /// It refuses the login as a freshly flashed host does, and the inventory tells how such a one is taken in.
    Fresh(Fault),
}

impl From<Fault> for NoSession {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<NoSession> for Fault {
    fn from(none: NoSession) -> Self {
        let (NoSession::Failed(fault) | NoSession::Fresh(fault)) = none;
        fault
    }
}

/// Connects to all of `nodes`, starts their agents, and does `work` on each host as soon as it is connected, without
/// waiting for others; where it could not be reached or worked on, with the fault. Answers in the order of `nodes`. Sends
/// `Connecting`, `Retrying`, `Pushing` and `Connected`.
///
/// # Errors
/// Where nothing can be tried at all: agents or keys cannot be read.
pub async fn connect_each<'n, T, W: Future<Output = T>>(
    nodes: &'n [Node],
    options: &Options,
    sink: Sink,
    work: impl Fn(&'n Node, Result<HostSession, NoSession>) -> W,
) -> Result<Vec<T>, std::io::Error> {
    let agents = Arc::new(Agents::find(options.agent_dir.as_deref())?);
    let ssh = ssh::Options {
        retry_for: options.retry_for,
        accept_new_host_keys: options.accept_new_host_keys,
        ask: options.ask.clone(),
        ask_secret: options.ask_secret.clone(),
        on_retry: Some(tell_retries(Arc::clone(&sink))),
        find: Some(find(Arc::clone(&sink))),
        ..ssh::Options::new(Arc::clone(&options.identities))
    };
    let config = SshConfig::of_user();
    let secrets = Secrets::resolve(nodes, &options.first_logins).await;
    let keyring = Arc::new(Keyring::new(options.ask_secret.clone()));
    let (secrets, ssh, config, work) = (&secrets, &ssh, &config, &work);
    let opened = stream::iter(nodes.iter().enumerate()).map(|(place, node)| {
        let (agents, keyring, sink) = (Arc::clone(&agents), Arc::clone(&keyring), &sink);
        async move {
            let session = async {
                let given = Given {
                    password: secrets.of(node, &node.login.password)?,
                    key_passphrase: secrets.of(node, &node.login.key_passphrase)?,
                    connect_timeout: options.connect_timeout,
                    ..given(node)
                };
                let target = config.target(given).await;
                let mut target =
                    target.map_err(|error| Fault::new(&node.name, error.to_string()).help(error.help()))?;
                // What lies behind another host is in no network of this computer.
                let direct = matches!(target.route, Route::Direct);
                target.whereabouts = node.mac.as_deref().filter(|_| direct).map(Whereabouts::by);
                let passwords = Passwords {
                    sudo: secrets.of(node, &node.login.sudo_password)?,
                    login: target.password.clone(),
                    ..Passwords::of(&node.name.0, &target.user, keyring)
                };
                let door = Door { node, options, secrets, ssh, sink };
                door.open(target, passwords, agents).await
            };
            (place, work(node, session.await).await)
        }
    });
    // In no order: hosts that do not answer must not keep the others waiting.
    let mut done: Vec<(usize, T)> = opened.buffer_unordered(options.forks.max(1)).collect().await;
    done.sort_unstable_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, done)| done).collect())
}

fn tell_retries(sink: Sink) -> OnRetry {
    Arc::new(move |error: &ConnectError| {
        sink(Event::Retrying { node: NodeName::from(error.node.as_str()), cause: error.cause.to_string() });
    })
}

/// Looks for hosts in the networks of this computer, and says where they are.
fn find(sink: Sink) -> Find {
    Arc::new(move |target: Target| {
        let sink = Arc::clone(&sink);
        async move {
            let mac = target.whereabouts?.mac;
            let found = scan::by_mac(&mac, target.host.parse().ok(), target.port).await?;
            let cause =
                format!("it is not at {}; a host with its hardware address {mac} is at {found}", target.host);
            sink(Event::Retrying { node: NodeName::from(target.node.as_str()), cause });
            Some(found)
        }
        .boxed()
    })
}

/// One host from without.
struct Door<'a> {
    node: &'a Node,
    options: &'a Options,
    secrets: &'a Secrets,
    ssh: &'a ssh::Options,
    sink: &'a Sink,
}

impl Door<'_> {
    async fn open(
        self,
        target: Target,
        mut passwords: Passwords,
        agents: Arc<Agents>,
    ) -> Result<HostSession, NoSession> {
        let Self { node, ssh, sink, .. } = self;
        let begun = Instant::now();
        sink(Event::Connecting { node: node.name.clone() });
        let first = node.first_login.as_ref();
        let taking_in = first.zip(self.options.first_logins.get(&node.name).copied());
        let (session, target) = match (taking_in, first) {
            (Some((first, false)), _) => {
                let new = self.secrets.of(node, &password_that_stays(node))?;
                // What sudo wants from now on, where it wants any.
                passwords.login = new.clone().or(passwords.login);
                passwords.user.clone_from(&first.user);
                self.take_in(first, target, new).await?
            }
            (_, Some(_)) => self.first_come(target).await?,
            (_, None) => {
                let session = ssh::connect(&target, ssh).await.map_err(|error| unreachable(&error))?;
                (session, target)
            }
        };
        // What was typed for the login is what sudo wants as a rule.
        passwords.login = passwords.login.or_else(|| ssh.identities.typed_password(&target));
        let mut on_push = |done, total| sink(Event::Pushing { node: node.name.clone(), done, total });
        let privilege = Privilege {
            elevation: Elevation::of(node.login.sudo, &target.user),
            passwords,
            places: PLACES.map(str::to_owned).to_vec(),
        };
        let opened =
            HostSession::open(node.name.clone(), Box::new(session), agents, privilege, &mut on_push).await;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let fresh = match first {
                    Some(first) => {
                        let is_replaced = password_that_stays(node).is_some();
                        is_left_halfway(&error, first, is_replaced, &target, ssh).await
                    }
                    None => false,
                };
                let none = if fresh { NoSession::Fresh } else { NoSession::Failed };
                return Err(none(error.fault(&node.name.0)));
            }
        };
        if let Some((first, begun_before)) = taking_in {
            let seen_to = self.see_to_password(first, &opened).await;
            // A board that a key opened before is worth more than that.
            match seen_to {
                Err(fault) if begun_before => opened.owe_password(fault),
                done => done?,
            }
        }
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        sink(Event::Connected { node: node.name.clone(), ms });
        Ok(opened.known_by(relearn(target.clone())).reopened_by(again(target, ssh)))
    }

    /// Logs in to a host that may be a freshly flashed one: its key is recorded once it has the one that it keeps.
    async fn first_come(&self, target: Target) -> Result<(ssh::Session, Target), NoSession> {
        // Nobody is asked for a password that a first login is about to make useless.
        let keys_only = target.password.is_none();
        let target = Target { pin_later: Some(PinLater::default()), keys_only, ..target };
        let begun = Instant::now();
        let session = loop {
            match ssh::connect(&target, self.ssh).await {
                Ok(session) => break session,
                Err(error) if error.is_refused_login() => return Err(NoSession::Fresh(unreachable(&error))),
                // The first boot takes the server's keys away, makes others, and restarts it.
                Err(error) if error.is_restart() && begun.elapsed() < restart(&error) => {
                    self.ssh.on_retry.iter().for_each(|tell| tell(&error));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(unreachable(&error).into()),
            }
        };
        let session = match session.unpinned() {
            Some(_) => settle(session, &target, self.ssh, self.sink).await?.0,
            None => session,
        };
        Ok((session, Target { pin_later: None, ..target }))
    }

    /// Takes a freshly flashed host in.
    async fn take_in(
        &self,
        first: &FirstLogin,
        target: Target,
        new: Option<SecretString>,
    ) -> Result<(ssh::Session, Target), Fault> {
        let image = self.image(first)?;
        let (node, ssh, sink) = (&self.node.name, self.ssh.clone(), self.sink);
        Entrance { node, first, target, ssh, image, new, sink }.enter().await
    }

    /// Replaces the image's password, where it is in force.
    async fn see_to_password(&self, first: &FirstLogin, session: &HostSession) -> Result<(), Fault> {
        let image = self.image(first)?;
        let new = self.secrets.of(self.node, &password_that_stays(self.node))?;
        replace(session, first, &image, new, self.sink).await
    }

    /// The password of the node's image.
    fn image(&self, first: &FirstLogin) -> Result<SecretString, Fault> {
        let image = self.secrets.of(self.node, &first.password)?;
        Ok(image.unwrap_or_else(|| SecretString::from(ARMBIAN)))
    }
}

/// Logs in once more, in the middle of a run: one try each time, and nobody is asked about keys that were settled.
fn again(target: Target, ssh: &ssh::Options) -> LogIn {
    let ssh = ssh::Options { retry_for: Duration::ZERO, on_retry: None, ask: None, ..ssh.clone() };
    Arc::new(move || {
        let (target, ssh) = (target.clone(), ssh.clone());
        async move {
            let session = ssh::connect(&target, &ssh).await;
            session
                .map(|session| Box::new(session) as Box<dyn Remote>)
                .map_err(|error| Refusal { fault: unreachable(&error), passing: error.is_transient() })
        }
        .boxed()
    })
}

fn relearn(target: Target) -> Relearn {
    Arc::new(move |new, old| {
        let target = target.clone();
        async move { ssh::relearn(&target, new, old).await.map_err(|error| unreachable(&error)) }.boxed()
    })
}

/// What the inventory says about a node.
fn given(node: &Node) -> Given {
    let login = &node.login;
    Given {
        node: node.name.0.clone(),
        address: node.address.clone(),
        user: login.user.clone(),
        port: login.port,
        keys: login.keys.clone(),
        password: None,
        key_passphrase: None,
        host_key: login.host_key.clone(),
        known_hosts: login.known_hosts.clone(),
        jump: login.jump.as_ref().map(jump),
        proxy_command: login.proxy_command.clone(),
        connect_timeout: None,
    }
}

fn jump(jump: &model::Jump) -> ssh::Jump {
    let hop = |hop: &HostArg| HopSpec { user: hop.user.clone(), host: hop.host.clone(), port: hop.port };
    match jump {
        model::Jump::None => ssh::Jump::None,
        model::Jump::Via(hops) => ssh::Jump::Via(hops.iter().map(hop).collect()),
    }
}

fn unreachable(error: &ConnectError) -> Fault {
    Fault::new(&error.node, error.what()).help(error.help())
}

/// The secrets that the nodes' logins name.
#[derive(Default)]
struct Secrets(Vec<(SecretSource, Result<SecretString, String>)>);

/// Where the secrets of a node's logins come from.
fn sources<'n>(
    node: &'n Node,
    first_logins: &BTreeMap<NodeName, bool>,
) -> impl Iterator<Item = &'n SecretSource> + use<'n> {
    let Login { password, key_passphrase, sudo_password, .. } = &node.login;
    let first = node.first_login.as_ref().filter(|_| first_logins.contains_key(&node.name));
    let first = first.into_iter().flat_map(|first| [&first.password, &first.new_password]);
    [password, key_passphrase, sudo_password].into_iter().chain(first).flatten()
}

impl Secrets {
    /// Fetches each once, one after the other: a command may ask the user for a passphrase.
    async fn resolve(nodes: &[Node], first_logins: &BTreeMap<NodeName, bool>) -> Self {
        let mut secrets = Self::default();
        for source in nodes.iter().flat_map(|node| sources(node, first_logins)) {
            if secrets.find(source).is_none() {
                let secret = source.resolve().await.map_err(|error| error.to_string());
                secrets.0.push((source.clone(), secret));
            }
        }
        secrets
    }

    fn find(&self, source: &SecretSource) -> Option<&Result<SecretString, String>> {
        self.0.iter().find(|(known, _)| known == source).map(|(_, secret)| secret)
    }

    fn of(&self, node: &Node, source: &Option<SecretSource>) -> Result<Option<SecretString>, Fault> {
        let secret = source.as_ref().and_then(|source| self.find(source));
        secret.cloned().transpose().map_err(|cause| Fault::new(&node.name, cause))
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("forks", &self.forks)
            .field("agent_dir", &self.agent_dir)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::ssh::{ConnectFailure, Unreachable};

    #[test]
    fn a_server_without_keys_is_waited_for_longer_than_one_that_is_not_there() {
        let connection = |kind: ErrorKind| Unreachable::Connection(kind.into());
        for (why, passes, wait) in [
            (Unreachable::Closed { server_said: None }, true, KEYLESS),
            (Unreachable::Closed { server_said: Some("too busy".to_owned()) }, true, RESTART),
            (connection(ErrorKind::ConnectionReset), true, KEYLESS),
            (connection(ErrorKind::ConnectionRefused), true, RESTART),
            (connection(ErrorKind::HostUnreachable), false, RESTART),
        ] {
            let error = ConnectError {
                node: "n1".to_owned(),
                user: "root".to_owned(),
                host: "192.168.2.1".to_owned(),
                port: 22,
                asked: "n1".to_owned(),
                arguments: "root@n1".to_owned(),
                configured: Vec::new(),
                cause: Box::new(ConnectFailure::Unreachable(why)),
            };
            assert_eq!((error.is_restart(), restart(&error)), (passes, wait), "{error}");
        }
    }
}
