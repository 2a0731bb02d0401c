//! What only managers can be asked: the swarm's members, its options, and what lets nodes join it.

use std::collections::BTreeMap;

use bollard::models::{Node, NodeSpec, NodeSpecRoleEnum, SwarmSpec};
use bollard::query_parameters::{
    DeleteNodeOptionsBuilder, ListNodesOptions, UpdateNodeOptionsBuilder, UpdateSwarmOptionsBuilder,
};
use secrecy::SecretString;

use super::{Engine, Error, convert};
use crate::facts::SwarmNode;
use crate::inventory::model::Role;
use crate::swarm::SWARM_LABEL;
use crate::swarm::membership::{is_manager, is_reachable, is_ready};
use crate::swarm::quorum::{Managers, Shift};

/// What lets a node join.
#[derive(Debug)]
pub struct Tokens {
    /// As a worker.
    pub worker: SecretString,
    /// As a manager.
    pub manager: SecretString,
}

impl Engine {
    /// What lets nodes join; asked of a manager.
    ///
    /// # Errors
    /// Where the engine is no manager or the swarm has no leader.
    pub async fn tokens(&self) -> Result<Tokens, Error> {
        const DOING: &str = "tell the join tokens";
        let swarm = self.patience.request(DOING, self.docker.inspect_swarm()).await?;
        let tokens = swarm.join_tokens.and_then(|tokens| tokens.worker.zip(tokens.manager));
        let (worker, manager) = tokens.ok_or_else(|| Error::answer(DOING, "it holds none"))?;
        Ok(Tokens { worker: worker.into(), manager: manager.into() })
    }

    /// Where nodes can join: `IP:port` of each manager that answers; asked of a manager.
    ///
    /// # Errors
    /// Where the engine is no manager or the swarm has no leader.
    pub async fn manager_addresses(&self) -> Result<Vec<String>, Error> {
        const DOING: &str = "list the managers";
        let nodes = self.list(DOING).await?;
        let addresses: Vec<String> = nodes.iter().filter_map(convert::manager_address).collect();
        if addresses.is_empty() {
            Err(Error::answer(DOING, "no manager is reachable"))
        } else {
            Ok(addresses)
        }
    }

    /// All members; asked of a manager.
    ///
    /// # Errors
    /// Where the engine is no manager or the swarm has no leader.
    pub async fn nodes(&self) -> Result<Vec<SwarmNode>, Error> {
        Ok(self.list("list the nodes").await?.into_iter().map(convert::node).collect())
    }

    /// Waits until a member works again, and, if it is a manager, the others reach it; asked of a manager.
    ///
    /// # Errors
    /// Where it does not in time.
    pub async fn await_ready(&self, node_id: &str) -> Result<(), Error> {
        let ready = self.patience.poll_through("get the node back", self.patience.settle, async || {
            let nodes = self.nodes().await?;
            let back = |node: &SwarmNode| is_ready(node) && (!is_manager(node) || is_reachable(node));
            Ok(nodes.iter().any(|node| node.id == node_id && back(node)).then_some(()))
        });
        ready.await
    }

    /// Sets node labels; others stay. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn set_labels(&self, node_id: &str, labels: &BTreeMap<String, String>) -> Result<(), Error> {
        let set = |spec: &mut NodeSpec| {
            let all = spec.labels.get_or_insert_default();
            all.extend(labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        };
        self.update_node("label the node", node_id, set).await
    }

    /// Gives a member its role, and waits until it has it. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses, or a demotion would leave too few managers that answer.
    pub async fn set_role(&self, node_id: &str, role: Role) -> Result<(), Error> {
        match role {
            Role::Manager => {
                let promoted = |spec: &mut NodeSpec| spec.role = Some(NodeSpecRoleEnum::MANAGER);
                self.update_node("promote the node", node_id, promoted).await?;
                self.await_ready(node_id).await
            }
            Role::Worker => self.demote(node_id).await,
        }
    }

    /// The plan weighed this demotion on the quorum, but a step before it may have failed since.
    async fn demote(&self, node_id: &str) -> Result<(), Error> {
        let nodes = self.nodes().await?;
        let managers = Managers {
            total: nodes.iter().filter(|node| is_manager(node)).count(),
            reachable: nodes.iter().filter(|node| is_manager(node) && is_reachable(node)).count(),
        };
        let Some(record) = nodes.iter().find(|node| node.id == node_id && is_manager(node)) else {
            return Ok(());
        };
        let shift = if is_reachable(record) { Shift::Demote } else { Shift::Forget };
        if managers.after(shift).is_none() {
            return Err(Error::Quorum { managers });
        }
        let demoted = |spec: &mut NodeSpec| spec.role = Some(NodeSpecRoleEnum::WORKER);
        self.update_node("demote the node", node_id, demoted).await?;
        let stepped_down = self.patience.poll_through("demote the node", self.patience.settle, async || {
            match self.nodes().await {
                Ok(nodes) => Ok(nodes
                    .iter()
                    .all(|node| node.id != node_id || node.reachability.is_none())
                    .then_some(())),
                // It was this very engine's node.
                Err(error) if error.is_no_manager() => Ok(Some(())),
                Err(error) => Err(error),
            }
        });
        stepped_down.await
    }

    /// Removes the record of a member that is no manager, as soon as the managers take it for down. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn remove_node(&self, node_id: &str) -> Result<(), Error> {
        const DOING: &str = "remove the node's record";
        let removed = self.patience.poll_through(DOING, self.patience.settle, async || {
            let options = DeleteNodeOptionsBuilder::default().force(false).build();
            match self.patience.request(DOING, self.docker.delete_node(node_id, Some(options))).await {
                Ok(()) => Ok(Some(())),
                Err(error) if error.is_unknown() => Ok(Some(())),
                Err(error) => Err(error),
            }
        });
        removed.await
    }

    /// Labels the swarm as that of the inventory `name`. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn adopt(&self, name: &str) -> Result<(), Error> {
        let label = |spec: &mut SwarmSpec| {
            spec.labels.get_or_insert_default().insert(SWARM_LABEL.to_owned(), name.to_owned());
        };
        self.update_swarm("label the swarm", label).await
    }

    /// Sets how many finished tasks a slot keeps. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn configure(&self, task_history: i64) -> Result<(), Error> {
        let keep = |spec: &mut SwarmSpec| {
            spec.orchestration.get_or_insert_default().task_history_retention_limit = Some(task_history);
        };
        self.update_swarm("set the swarm's options", keep).await
    }

    async fn list(&self, doing: &'static str) -> Result<Vec<Node>, Error> {
        self.patience.request(doing, self.docker.list_nodes(None::<ListNodesOptions>)).await
    }

    /// Reads a node's specification, changes it and writes it back; once more where somebody was faster.
    pub(super) async fn update_node(
        &self,
        doing: &'static str,
        node_id: &str,
        change: impl Fn(&mut NodeSpec),
    ) -> Result<(), Error> {
        let updated = self.patience.poll_through(doing, self.patience.settle, async || {
            let node = self.patience.request(doing, self.docker.inspect_node(node_id)).await?;
            let version =
                convert::version(node.version).ok_or_else(|| Error::answer(doing, "it has no version"))?;
            let before = node.spec.unwrap_or_default();
            let mut spec = before.clone();
            change(&mut spec);
            if spec == before {
                return Ok(Some(()));
            }
            let options = UpdateNodeOptionsBuilder::default().version(version).build();
            let update = self.docker.update_node(node_id, spec, options);
            self.patience.request(doing, update).await.map(Some)
        });
        updated.await
    }

    /// Reads the swarm's specification, changes it and writes it back; once more where somebody was faster.
    async fn update_swarm(&self, doing: &'static str, change: impl Fn(&mut SwarmSpec)) -> Result<(), Error> {
        let updated = self.patience.poll_through(doing, self.patience.settle, async || {
            let swarm = self.patience.request(doing, self.docker.inspect_swarm()).await?;
            let version =
                convert::version(swarm.version).ok_or_else(|| Error::answer(doing, "it has no version"))?;
            let before = swarm.spec.unwrap_or_default();
            let mut spec = before.clone();
            change(&mut spec);
            if spec == before {
                return Ok(Some(()));
            }
            let options = UpdateSwarmOptionsBuilder::default().version(version).build();
            self.patience.request(doing, self.docker.update_swarm(spec, options)).await.map(Some)
        });
        updated.await
    }
}
