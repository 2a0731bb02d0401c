//! All hosts of an inventory at once, a bounded number at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use secrecy::SecretString;

use super::agents::Agents;
use super::session::{HostSession, Privilege};
use crate::event::{Event, Sink};
use crate::inventory::model::{Login, Node, NodeName, Sudo};
use crate::resource::Fault;
use crate::ssh::{self, AskHostKey, Identities, Target};

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
/// fault. Sends `Connecting`, `Pushing` and `Connected`.
///
/// # Errors
/// Where nothing can be tried at all: agents or keys cannot be read.
pub async fn connect(
    nodes: &[Node],
    options: &Options,
    sink: Sink,
) -> Result<Vec<(NodeName, Result<HostSession, Fault>)>, std::io::Error> {
    let agents = Arc::new(Agents::find(options.agent_dir.as_deref())?);
    let identities = Arc::new(Identities::load().await);
    let ssh = ssh::Options {
        connect_timeout: options.connect_timeout,
        retry_for: options.retry_for,
        accept_new_host_keys: options.accept_new_host_keys,
        ask: options.ask.clone(),
        ..ssh::Options::new(identities)
    };
    let opened = stream::iter(nodes).map(|node| async {
        let session = open(node, &ssh, Arc::clone(&agents), &sink).await;
        (node.name.clone(), session)
    });
    Ok(opened.buffered(options.forks.max(1)).collect().await)
}

async fn open(node: &Node, ssh: &ssh::Options, agents: Arc<Agents>, sink: &Sink) -> Result<HostSession, Fault> {
    let begun = Instant::now();
    sink(Event::Connecting { node: node.name.clone() });
    let name = &node.name.0;
    let password = password(&node.login).await.map_err(|cause| Fault::new(name, cause))?;
    let session = ssh::connect(&target(node, password), ssh).await.map_err(|error| unreachable(&error))?;
    let mut on_push = |done, total| sink(Event::Pushing { node: node.name.clone(), done, total });
    let opened =
        HostSession::open(node.name.clone(), Box::new(session), agents, privilege(&node.login), &mut on_push).await;
    let opened = opened.map_err(|error| error.fault(name))?;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    sink(Event::Connected { node: node.name.clone(), ms });
    Ok(opened)
}
