//! Steps that change the swarm, through the engines of the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::Sessions;
use crate::engine::{self, Engine};
use crate::facts::SwarmState;
use crate::fleet::HostSession;
use crate::inventory::model::{NodeName, Role};
use crate::resource::Fault;
use crate::swarm::{SwarmAction, SwarmReceipt};

/// Where every engine listens.
const SOCKET: &str = "/var/run/docker.sock";

/// How long an engine may take to start after its host, and its swarm to find a leader again.
const STARTING: Duration = Duration::from_secs(90);

/// Between two looks at one.
const PAUSE: Duration = Duration::from_millis(500);

/// The engines of all nodes, each connected to when first needed.
pub(super) struct Hands<'a> {
    sessions: &'a Sessions,
    engines: Mutex<BTreeMap<NodeName, Arc<Engine>>>,
    /// The ID of the swarm that all of this is about; none before it is made. A manager of another is a stranger.
    pub(super) ours: Mutex<Option<String>>,
    /// Managers no more: they may take a while to notice.
    pub(super) demoted: Mutex<BTreeSet<NodeName>>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(sessions: &'a Sessions, ours: Option<String>) -> Self {
        Self { sessions, engines: Mutex::default(), ours: Mutex::new(ours), demoted: Mutex::default() }
    }

    /// Does what the step says. `again`: a connection was lost in the middle of it, so that it is first looked how far
    /// it came.
    pub(super) async fn act(
        &self,
        node: &NodeName,
        action: &SwarmAction,
        again: bool,
    ) -> Result<Option<SwarmReceipt>, Stuck> {
        let own = self.engine(node).await?;
        match action {
            SwarmAction::Init { advertise, name, address_pool, subnet_size, task_history } => {
                let init = engine::Init {
                    advertise: *advertise,
                    name,
                    address_pool,
                    subnet_size: *subnet_size,
                    task_history: *task_history,
                };
                self.init(node, &own, &init, again).await?;
                self.membership(node, &own).await
            }
            SwarmAction::Join { role, advertise } => {
                self.join(node, &own, *role, *advertise, again).await?;
                self.membership(node, &own).await
            }
            SwarmAction::AwaitJoin => {
                own.await_active().await.map_err(|error| stuck(node, error).help(leave_help(node)))?;
                Ok(None)
            }
            SwarmAction::Leave { node_id, .. } => self.leave(node, &own, node_id, again).await,
            SwarmAction::Dissolve { swarm, .. } => self.dissolve(node, &own, swarm).await,
            through_manager => self.through_manager(node, &own, through_manager, again).await,
        }
    }

    async fn init(
        &self,
        node: &NodeName,
        own: &Engine,
        init: &engine::Init<'_>,
        again: bool,
    ) -> Result<(), Stuck> {
        let asked = |error| stuck(node, error);
        // An engine that was asked already has made it, is still at it, or never heard of it. It makes one at most.
        let made = again && own.begun().await.map_err(asked)?;
        if made {
            own.await_active().await.map_err(asked)?;
        } else {
            self.nobody_else_knows_a_swarm().await?;
            own.init(init).await.map_err(asked)?;
        }
        *self.ours.lock().await = own.manages().await.map_err(asked)?;
        Ok(())
    }

    async fn join(
        &self,
        node: &NodeName,
        own: &Engine,
        role: Role,
        advertise: IpAddr,
        again: bool,
    ) -> Result<(), Stuck> {
        let begun = again && own.begun().await.map_err(|error| stuck(node, error))?;
        let (through, manager) = self.manager(node, again).await?;
        let joined = async {
            if begun {
                own.await_active().await?;
            } else {
                let tokens = manager.tokens().await?;
                let token = match role {
                    Role::Manager => tokens.manager,
                    Role::Worker => tokens.worker,
                };
                own.join(manager.manager_addresses().await?, &token, advertise).await?;
            }
            // The next one may only come when this one counts, or two would be missing at once. And what an engine was
            // once asked to join is told by the manager alone.
            match role {
                Role::Worker if !begun => Ok(()),
                Role::Worker | Role::Manager => manager.await_ready(&own.node_id().await?).await,
            }
        };
        joined.await.map_err(|error| {
            // An engine whose join failed in its background takes no further one before it has left.
            let failed = begun && matches!(error, engine::Error::NotJoined { .. });
            let stuck = stuck(node, error);
            match (failed, &stuck.fault.help) {
                (true, _) => stuck.help(leave_help(node)),
                (false, Some(_)) => stuck,
                (false, None) => stuck.help(join_help(node, &through)),
            }
        })
    }

    /// Which member the node became.
    async fn membership(&self, node: &NodeName, own: &Engine) -> Result<Option<SwarmReceipt>, Stuck> {
        let node_id = own.node_id().await.map_err(|error| stuck(node, error))?;
        let swarm = self.ours.lock().await.clone();
        Ok(swarm.map(|swarm| SwarmReceipt::Member { swarm, node_id }))
    }

    /// Changes that a manager makes to the record of a node. Each may be made again.
    async fn through_manager(
        &self,
        node: &NodeName,
        own: &Engine,
        action: &SwarmAction,
        again: bool,
    ) -> Result<Option<SwarmReceipt>, Stuck> {
        let (_, manager) = self.manager(node, again).await?;
        let done = async {
            match action {
                SwarmAction::Promote { node_id } => {
                    let before = manager.set_role(node_id, Role::Manager).await?;
                    Ok(Some(SwarmReceipt::Role { node_id: node_id.clone(), before }))
                }
                SwarmAction::Demote { node_id } => {
                    self.demoted.lock().await.insert(node.clone());
                    let before = manager.set_role(node_id, Role::Worker).await?;
                    Ok(Some(SwarmReceipt::Role { node_id: node_id.clone(), before }))
                }
                SwarmAction::Forget { node_id, manager: is_manager } => {
                    if *is_manager {
                        manager.set_role(node_id, Role::Worker).await?;
                    }
                    manager.remove_node(node_id).await.map(|()| None)
                }
                SwarmAction::Drain { node_id } => manager.drain(node_id).await.map(|()| None),
                SwarmAction::Undrain { node_id } => manager.undrain(node_id).await.map(|()| None),
                SwarmAction::Adopt { name } => manager.adopt(name).await.map(|()| None),
                SwarmAction::Release { .. } => manager.release().await.map(|()| None),
                SwarmAction::Configure { task_history } => {
                    let before = manager.configure(*task_history).await?;
                    Ok(before.map(|before| SwarmReceipt::TaskHistory { before }))
                }
                SwarmAction::Label { node_id, labels, remove } => {
                    let node_id = match node_id {
                        Some(known) => known.clone(),
                        None => own.node_id().await?,
                    };
                    let before = manager.set_labels(&node_id, labels, remove).await?;
                    Ok(Some(labels_receipt(node_id, &before, labels, remove)))
                }
                SwarmAction::Init { .. }
                | SwarmAction::Join { .. }
                | SwarmAction::AwaitJoin
                | SwarmAction::Leave { .. }
                | SwarmAction::Dissolve { .. } => Ok(None),
            }
        };
        done.await.map_err(|error| stuck(node, error))
    }
}

impl Hands<'_> {
    /// The engine of a node, over one relay that is kept for all its requests, and opened again where it broke.
    pub(super) async fn engine(&self, node: &NodeName) -> Result<Arc<Engine>, Stuck> {
        if let Some(engine) = self.engines.lock().await.get(node) {
            return Ok(Arc::clone(engine));
        }
        let session = self.sessions.get(node).ok_or_else(|| Fault::new(node, "no connection"))?;
        let engine = Engine::connect(session.dialer(SOCKET)).await.map_err(|error| stuck(node, error))?;
        let engine = Arc::new(engine);
        self.engines.lock().await.insert(node.clone(), Arc::clone(&engine));
        Ok(engine)
    }

    /// The plan saw no swarm anywhere; minutes of installing may lie between.
    async fn nobody_else_knows_a_swarm(&self) -> Result<(), Stuck> {
        for (node, session) in self.sessions {
            // One that is lost for good was seen to be in none, under the run lock.
            if session.back().await.is_err() {
                continue;
            }
            let Ok(engine) = self.engine(node).await else { continue };
            let local = engine.local().await.map_err(|error| stuck(node, error))?;
            if local.state != SwarmState::Inactive {
                let known = Fault::new("swarm", format!("{node} is in one by now, so no second one is made"));
                return Err(known.help("run `skep plan` to see which").into());
            }
        }
        Ok(())
    }

    /// Waits until a manager whose engine was restarted counts again, so that the next one may go.
    pub(super) async fn await_back(&self, node: &NodeName, again: bool) -> Result<(), Stuck> {
        let engine = self.engine(node).await?;
        let deadline = Instant::now() + STARTING;
        let local = loop {
            let local = engine.local().await.map_err(|error| stuck(node, error))?;
            match local.state {
                // It looks for the other managers.
                SwarmState::Pending if Instant::now() < deadline => sleep(PAUSE).await,
                _ => break local,
            }
        };
        if local.state != SwarmState::Active || self.ours.lock().await.is_none() {
            return Ok(());
        }
        let (_, manager) = self.manager(node, again).await?;
        manager.await_ready(&local.node_id).await.map_err(|error| stuck(node, error))
    }

    /// Waits until a node's engine answers: after a reboot it comes later than the login.
    pub(super) async fn await_engine(&self, node: &NodeName) {
        let deadline = Instant::now() + STARTING;
        while Instant::now() < deadline {
            if let Ok(engine) = self.engine(node).await
                && engine.local().await.is_ok()
            {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// A manager that answers for the swarm, asked anew each time: it may have lost its say since. `about`, the node
    /// that something is done to, comes last: it may be about to lose it. Where none answers, those whose connection is
    /// lost are waited for; `again`: one was, and may just be starting.
    pub(super) async fn manager(
        &self,
        about: &NodeName,
        again: bool,
    ) -> Result<(NodeName, Arc<Engine>), Stuck> {
        let mut deadline = Instant::now() + if again { STARTING } else { Duration::ZERO };
        loop {
            let candidates = self.candidates(about).await;
            for (node, _) in &candidates {
                if let Some(engine) = self.manages(node).await {
                    return Ok(((*node).clone(), engine));
                }
            }
            let away = candidates.iter().filter(|(_, session)| session.is_away());
            let back: Vec<_> = away.map(|(_, session)| Box::pin(session.back())).collect();
            if !back.is_empty() {
                let _ = select_all(back).await;
                deadline = Instant::now() + STARTING;
            } else if Instant::now() < deadline {
                sleep(PAUSE).await;
            } else {
                return Err(Fault::new("swarm", "no manager answers").help("look at `skep status`").into());
            }
        }
    }

    /// The nodes that may be managers: first those that are at hand, and of these first those that were asked before.
    async fn candidates(&self, about: &NodeName) -> Vec<(&NodeName, &HostSession)> {
        let known: Vec<NodeName> = self.engines.lock().await.keys().cloned().collect();
        let demoted = self.demoted.lock().await.clone();
        let mut candidates: Vec<_> =
            self.sessions.iter().filter(|(node, _)| !demoted.contains(*node)).collect();
        candidates.sort_by_key(|(node, session)| (session.is_away(), *node == about, !known.contains(node)));
        candidates
    }

    /// The engine of a node, where it manages our swarm.
    async fn manages(&self, node: &NodeName) -> Option<Arc<Engine>> {
        let engine = self.engine(node).await.ok()?;
        let (swarm, ours) = (engine.manages().await.ok()?, self.ours.lock().await.clone());
        (swarm.is_some() && swarm == ours).then_some(engine)
    }
}

/// The labels that were changed, as they were and as they are.
pub(super) fn labels_receipt(
    node_id: String,
    had: &BTreeMap<String, String>,
    set: &BTreeMap<String, String>,
    remove: &BTreeSet<String>,
) -> SwarmReceipt {
    let keys = || set.keys().chain(remove).filter(|key| had.get(*key) != set.get(*key));
    let as_in = |labels: &BTreeMap<String, String>| {
        keys().map(|key| (key.clone(), labels.get(key).cloned())).collect()
    };
    SwarmReceipt::Labels { node_id, before: as_in(had), after: as_in(set) }
}

/// Why a step came to nothing.
pub(super) struct Stuck {
    pub(super) fault: Fault,
    /// Whether the way to an engine broke, so that nothing is known of what it did.
    pub(super) broken: bool,
}

impl Stuck {
    fn help(self, help: String) -> Self {
        Self { fault: self.fault.help(help), ..self }
    }
}

impl From<Fault> for Stuck {
    fn from(fault: Fault) -> Self {
        Self { fault, broken: false }
    }
}

pub(super) fn stuck(node: &NodeName, error: engine::Error) -> Stuck {
    let (help, broken) = (error.help(), error.is_relay());
    let fault = Fault::new(format!("{node}'s engine"), error);
    let fault = match help {
        Some(help) => fault.help(help),
        None => fault,
    };
    Stuck { fault, broken }
}

fn leave_help(node: &NodeName) -> String {
    format!("run `docker swarm leave --force` on {node}, then `skep up` again")
}

fn join_help(node: &NodeName, manager: &NodeName) -> String {
    format!(
        "{node} must reach {manager} on 2377/tcp, and all nodes each other on 7946/tcp, 7946/udp and 4789/udp; then \
         run `skep up` again"
    )
}
