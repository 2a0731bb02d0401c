//! Steps that change the swarm, through the engines of the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::Sessions;
use crate::engine::{self, Engine};
use crate::facts::SwarmState;
use crate::inventory::model::{NodeName, Role};
use crate::resource::Fault;
use crate::swarm::SwarmAction;

/// Where every engine listens.
const SOCKET: &str = "/var/run/docker.sock";

/// The engines of all nodes, each connected to when first needed.
pub(super) struct Hands<'a> {
    sessions: &'a Sessions,
    engines: Mutex<BTreeMap<NodeName, Arc<Engine>>>,
    /// The ID of the swarm that all of this is about; none before it is made. A manager of another is a stranger.
    ours: Mutex<Option<String>>,
    /// Managers no more: they may take a while to notice.
    demoted: Mutex<BTreeSet<NodeName>>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(sessions: &'a Sessions, ours: Option<String>) -> Self {
        Self { sessions, engines: Mutex::default(), ours: Mutex::new(ours), demoted: Mutex::default() }
    }

    /// Does what the step says.
    pub(super) async fn act(&self, node: &NodeName, action: &SwarmAction) -> Result<(), Fault> {
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
                self.nobody_else_knows_a_swarm().await?;
                let made = async {
                    own.init(&init).await?;
                    own.manages().await
                };
                *self.ours.lock().await = made.await.map_err(|error| fault(node, error))?;
                Ok(())
            }
            SwarmAction::Join { role, advertise } => {
                let (through, manager) = self.manager(node).await?;
                let joined = async {
                    let tokens = manager.tokens().await?;
                    let token = match role {
                        Role::Manager => tokens.manager,
                        Role::Worker => tokens.worker,
                    };
                    let addresses = manager.manager_addresses().await?;
                    own.join(addresses, &token, *advertise).await?;
                    // The next one may only come when this one counts, or two would be missing at once.
                    match role {
                        Role::Manager => manager.await_ready(&own.node_id().await?).await,
                        Role::Worker => Ok(()),
                    }
                };
                joined.await.map_err(|error| {
                    let fault = fault(node, error);
                    if fault.help.is_some() { fault } else { fault.help(join_help(node, &through)) }
                })
            }
            SwarmAction::AwaitJoin => own.await_active().await.map_err(|error| {
                fault(node, error)
                    .help(format!("run `docker swarm leave --force` on {node}, then `skep up` again"))
            }),
            through_manager => self.through_manager(node, &own, through_manager).await,
        }
    }

    /// Changes that a manager makes to the record of a node.
    async fn through_manager(
        &self,
        node: &NodeName,
        own: &Engine,
        action: &SwarmAction,
    ) -> Result<(), Fault> {
        let (_, manager) = self.manager(node).await?;
        let done = async {
            match action {
                SwarmAction::Promote { node_id } => manager.set_role(node_id, Role::Manager).await,
                SwarmAction::Demote { node_id } => {
                    self.demoted.lock().await.insert(node.clone());
                    manager.set_role(node_id, Role::Worker).await
                }
                SwarmAction::Forget { node_id, manager: is_manager } => {
                    if *is_manager {
                        manager.set_role(node_id, Role::Worker).await?;
                    }
                    manager.remove_node(node_id).await
                }
                SwarmAction::Drain { node_id } => manager.drain(node_id).await,
                SwarmAction::Undrain { node_id } => manager.undrain(node_id).await,
                SwarmAction::Adopt { name } => manager.adopt(name).await,
                SwarmAction::Configure { task_history } => manager.configure(*task_history).await,
                SwarmAction::Label { node_id, labels } => {
                    let node_id = match node_id {
                        Some(known) => known.clone(),
                        None => own.node_id().await?,
                    };
                    manager.set_labels(&node_id, labels).await
                }
                SwarmAction::Init { .. } | SwarmAction::Join { .. } | SwarmAction::AwaitJoin => Ok(()),
            }
        };
        done.await.map_err(|error| fault(node, error))
    }
}

impl Hands<'_> {
    /// The engine of a node, over one relay that is kept for all its requests.
    async fn engine(&self, node: &NodeName) -> Result<Arc<Engine>, Fault> {
        if let Some(engine) = self.engines.lock().await.get(node) {
            return Ok(Arc::clone(engine));
        }
        let session = self.sessions.get(node).ok_or_else(|| Fault::new(node, "no connection"))?;
        let engine = Engine::connect(session.dialer(SOCKET)).await.map_err(|error| fault(node, error))?;
        let engine = Arc::new(engine);
        self.engines.lock().await.insert(node.clone(), Arc::clone(&engine));
        Ok(engine)
    }

    /// The plan saw no swarm anywhere; minutes of installing may lie between.
    async fn nobody_else_knows_a_swarm(&self) -> Result<(), Fault> {
        for node in self.sessions.keys() {
            let Ok(engine) = self.engine(node).await else { continue };
            let local = engine.local().await.map_err(|error| fault(node, error))?;
            if local.state != SwarmState::Inactive {
                return Err(Fault::new(
                    "swarm",
                    format!("{node} is in one by now, so no second one is made"),
                )
                .help("run `skep plan` to see which"));
            }
        }
        Ok(())
    }

    /// Waits until a manager whose engine was restarted counts again, so that the next one may go.
    pub(super) async fn await_back(&self, node: &NodeName) -> Result<(), Fault> {
        let local = self.engine(node).await?.local().await.map_err(|error| fault(node, error))?;
        if local.state != SwarmState::Active || self.ours.lock().await.is_none() {
            return Ok(());
        }
        let (_, manager) = self.manager(node).await?;
        manager.await_ready(&local.node_id).await.map_err(|error| fault(node, error))
    }

    /// A manager that answers for the swarm, asked anew each time: it may have lost its say since. `about`, the node
    /// that something is done to, comes last: it may be about to lose it.
    async fn manager(&self, about: &NodeName) -> Result<(NodeName, Arc<Engine>), Fault> {
        let known: Vec<NodeName> = self.engines.lock().await.keys().cloned().collect();
        let demoted = self.demoted.lock().await.clone();
        let ours = self.ours.lock().await.clone();
        let mut candidates: Vec<_> =
            self.sessions.keys().filter(|node| !demoted.contains(*node)).cloned().collect();
        candidates.sort_by_key(|node| (node == about, !known.contains(node)));
        for node in candidates {
            let Ok(engine) = self.engine(&node).await else { continue };
            if engine.manages().await.is_ok_and(|swarm| swarm.is_some() && swarm == ours) {
                return Ok((node, engine));
            }
        }
        Err(Fault::new("swarm", "no manager answers").help("look at `skep status`"))
    }
}

fn fault(node: &NodeName, error: engine::Error) -> Fault {
    let help = error.help();
    let fault = Fault::new(format!("{node}'s engine"), error);
    match help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

fn join_help(node: &NodeName, manager: &NodeName) -> String {
    format!(
        "{node} must reach {manager} on 2377/tcp, and all nodes each other on 7946/tcp, 7946/udp and 4789/udp; then \
         run `skep up` again"
    )
}
