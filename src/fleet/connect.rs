//! All hosts of an inventory at once, a bounded number at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};
use secrecy::SecretString;

use super::agents::Agents;
use super::reconnect::{LogIn, Refusal};
use super::remote::Remote;
use super::session::{HostSession, Privilege};
use crate::event::{Event, Sink};
use crate::inventory::SecretSource;
use crate::inventory::model::{Login, Node, NodeName, Sudo};
use crate::resource::Fault;
use crate::ssh::{self, AskHostKey, ConnectError, Identities, OnRetry, Target};

/// How hosts are connected to.
#[derive(Clone)]
pub struct Options {
    /// How many at once.
    pub forks: usize,
    /// How long a host may take to answer.
    pub connect_timeout: Duration,
    /// How long to try again while a host may still be booting. Zero: one try.
    pub retry_for: Duration,
    /// Trust and record the keys of hosts that are not known yet.
    pub accept_new_host_keys: bool,
    /// Who is asked about such a key otherwise. Nobody: it is refused.
    pub ask: Option<AskHostKey>,
    /// Where the user says that the agents are.
    pub agent_dir: Option<PathBuf>,
}

/// Connects to all of `nodes` and starts their agents. Each node that could not be reached or worked on comes with the
/// fault. Sends `Connecting`, `Retrying`, `Pushing` and
/// `Connected`.
///
/// # Errors
/// Where nothing can be tried at all: agents or keys cannot be read.
pub async fn connect(
    nodes: &[Node],
    options: &Options,
    sink: Sink,
) -> Result<Vec<(NodeName, Result<HostSession, Fault>)>, std::io::Error> {
    let agents = Arc::new(Agents::find(options.agent_dir.as_deref())?);
    let identities = Arc::new(Identities::from_env());
    let ssh = ssh::Options {
        connect_timeout: options.connect_timeout,
        retry_for: options.retry_for,
        accept_new_host_keys: options.accept_new_host_keys,
        ask: options.ask.clone(),
        on_retry: Some(tell_retries(Arc::clone(&sink))),
        ..ssh::Options::new(identities)
    };
    let passwords = Passwords::resolve(nodes).await;
    let opened = stream::iter(nodes).map(|node| async {
        let session = match passwords.of(node) {
            Ok(password) => open(node, password, &ssh, Arc::clone(&agents), &sink).await,
            Err(fault) => Err(fault),
        };
        (node.name.clone(), session)
    });
    Ok(opened.buffered(options.forks.max(1)).collect().await)
}

fn tell_retries(sink: Sink) -> OnRetry {
    Arc::new(move |error: &ConnectError| {
        sink(Event::Retrying { node: NodeName::from(error.node.as_str()), cause: error.cause.to_string() });
    })
}

async fn open(
    node: &Node,
    password: Option<SecretString>,
    ssh: &ssh::Options,
    agents: Arc<Agents>,
    sink: &Sink,
) -> Result<HostSession, Fault> {
    let begun = Instant::now();
    sink(Event::Connecting { node: node.name.clone() });
    let target = target(node, password);
    let session = ssh::connect(&target, ssh).await.map_err(|error| unreachable(&error))?;
    let mut on_push = |done, total| sink(Event::Pushing { node: node.name.clone(), done, total });
    let opened =
        HostSession::open(node.name.clone(), Box::new(session), agents, privilege(&node.login), &mut on_push)
            .await;
    let opened = opened.map_err(|error| error.fault(&node.name.0))?;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    sink(Event::Connected { node: node.name.clone(), ms });
    Ok(opened.reopened_by(again(target, ssh)))
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

/// What the ssh room wants to know of a node.
fn target(node: &Node, password: Option<SecretString>) -> Target {
    let login = &node.login;
    Target {
        node: node.name.0.clone(),
        host: node.address.clone(),
        port: login.port,
        user: login.user.clone(),
        keys: login.keys.clone(),
        certificates: Vec::new(),
        identities_only: false,
        agent: None,
        password,
        host_key: login.host_key.clone(),
        known_hosts: login.known_hosts.clone().unwrap_or_else(default_known_hosts),
    }
}

fn default_known_hosts() -> PathBuf {
    std::env::home_dir().unwrap_or_default().join(".ssh/known_hosts")
}

fn privilege(login: &Login) -> Privilege {
    let sudo = match login.sudo {
        Sudo::Always => true,
        Sudo::Never => false,
        Sudo::Auto => login.user != "root",
    };
    Privilege { sudo, directory: super::DIRECTORY.to_owned() }
}

fn unreachable(error: &ConnectError) -> Fault {
    let ConnectError { node, user, host, port, cause } = error;
    Fault::new(node, format!("cannot log in as {user} on {host} port {port}: {cause}")).help(error.help())
}

/// The passwords that the nodes' logins name.
#[derive(Default)]
struct Passwords(Vec<(SecretSource, Result<SecretString, String>)>);

impl Passwords {
    /// Fetches each once, one after the other: a command may ask the user for a passphrase.
    async fn resolve(nodes: &[Node]) -> Self {
        let mut passwords = Self::default();
        for source in nodes.iter().filter_map(|node| node.login.password.as_ref()) {
            if passwords.find(source).is_none() {
                let password = source.resolve().await.map_err(|error| error.to_string());
                passwords.0.push((source.clone(), password));
            }
        }
        passwords
    }

    fn find(&self, source: &SecretSource) -> Option<&Result<SecretString, String>> {
        self.0.iter().find(|(known, _)| known == source).map(|(_, password)| password)
    }

    fn of(&self, node: &Node) -> Result<Option<SecretString>, Fault> {
        let password = node.login.password.as_ref().and_then(|source| self.find(source));
        password.cloned().transpose().map_err(|cause| Fault::new(&node.name, cause))
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
