//! What only managers can be asked: the swarm's members, its options, and what lets nodes join it.

use std::collections::{BTreeMap, BTreeSet};

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
        let swarm = self.patience.poll_through(DOING, self.patience.settle, async || {
            self.patience.request(DOING, self.docker.inspect_swarm()).await.map(Some)
        });
        let tokens = swarm.await?.join_tokens.and_then(|tokens| tokens.worker.zip(tokens.manager));
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

    /// Sets node labels, and takes off those of `remove`; others stay. Tells all labels that it had before. Asked of a
    /// manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn set_labels(
        &self,
        node_id: &str,
        labels: &BTreeMap<String, String>,
        remove: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let set = |spec: &mut NodeSpec| {
            let all = spec.labels.get_or_insert_default();
            all.retain(|key, _| !remove.contains(key));
            all.extend(labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        };
        let before = self.update_node("label the node", node_id, set).await?;
        Ok(before.labels.unwrap_or_default().into_iter().collect())
    }

    /// Gives a member its role, and waits until it has it. Tells the role that it had before. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses, or a demotion would leave too few managers that answer.
    pub async fn set_role(&self, node_id: &str, role: Role) -> Result<Role, Error> {
        match role {
            Role::Manager => {
                let promoted = |spec: &mut NodeSpec| spec.role = Some(NodeSpecRoleEnum::MANAGER);
                let before = self.update_node("promote the node", node_id, promoted).await?;
                self.await_ready(node_id).await?;
                let was_manager = before.role == Some(NodeSpecRoleEnum::MANAGER);
                Ok(if was_manager { Role::Manager } else { Role::Worker })
            }
            Role::Worker => self.demote(node_id).await,
        }
    }

    /// The plan weighed this demotion on the quorum, but a step before it may have failed since.
    async fn demote(&self, node_id: &str) -> Result<Role, Error> {
        let nodes = self.nodes().await?;
        let managers = Managers {
            total: nodes.iter().filter(|node| is_manager(node)).count(),
            reachable: nodes.iter().filter(|node| is_manager(node) && is_reachable(node)).count(),
        };
        let Some(record) = nodes.iter().find(|node| node.id == node_id && is_manager(node)) else {
            return Ok(Role::Worker);
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
        stepped_down.await.map(|()| Role::Manager)
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
        self.update_swarm("label the swarm", label).await.map(drop)
    }

    /// Takes the label of [`Engine::adopt`] off again. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn release(&self) -> Result<(), Error> {
        let unlabel = |spec: &mut SwarmSpec| {
            spec.labels.get_or_insert_default().remove(SWARM_LABEL);
        };
        self.update_swarm("take the label off the swarm", unlabel).await.map(drop)
    }

    /// Sets how many finished tasks a slot keeps; tells how many it kept before. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn configure(&self, task_history: i64) -> Result<Option<i64>, Error> {
        let keep = |spec: &mut SwarmSpec| {
            spec.orchestration.get_or_insert_default().task_history_retention_limit = Some(task_history);
        };
        let before = self.update_swarm("set the swarm's options", keep).await?;
        Ok(before.orchestration.and_then(|orchestration| orchestration.task_history_retention_limit))
    }

    /// All members' records. A manager that is just losing or taking the lead may list nobody and call it success; but it is
    /// a member itself, so that nobody is no answer.
    async fn list(&self, doing: &'static str) -> Result<Vec<Node>, Error> {
        let listed = self.patience.poll_through(doing, self.patience.settle, async || {
            let nodes =
                self.patience.request(doing, self.docker.list_nodes(None::<ListNodesOptions>)).await?;
            Ok((!nodes.is_empty()).then_some(nodes))
        });
        listed.await
    }

    /// Reads a node's specification, changes it and writes it back; once more where somebody was faster. Tells what it
    /// was.
    pub(super) async fn update_node(
        &self,
        doing: &'static str,
        node_id: &str,
        change: impl Fn(&mut NodeSpec),
    ) -> Result<NodeSpec, Error> {
        let updated = self.patience.poll_through(doing, self.patience.settle, async || {
            let node = self.patience.request(doing, self.docker.inspect_node(node_id)).await?;
            let version =
                convert::version(node.version).ok_or_else(|| Error::answer(doing, "it has no version"))?;
            let before = node.spec.unwrap_or_default();
            let mut spec = before.clone();
            change(&mut spec);
            if spec == before {
                return Ok(Some(before));
            }
            let options = UpdateNodeOptionsBuilder::default().version(version).build();
            let update = self.docker.update_node(node_id, spec, options);
            self.patience.request(doing, update).await.map(|()| Some(before))
        });
        updated.await
    }

    /// Reads the swarm's specification, changes it and writes it back; once more where somebody was faster. Tells what
    /// it was.
    async fn update_swarm(
        &self,
        doing: &'static str,
        change: impl Fn(&mut SwarmSpec),
    ) -> Result<SwarmSpec, Error> {
        let updated = self.patience.poll_through(doing, self.patience.settle, async || {
            let swarm = self.patience.request(doing, self.docker.inspect_swarm()).await?;
            let version =
                convert::version(swarm.version).ok_or_else(|| Error::answer(doing, "it has no version"))?;
            let before = swarm.spec.unwrap_or_default();
            let mut spec = before.clone();
            change(&mut spec);
            if spec == before {
                return Ok(Some(before));
            }
            let options = UpdateSwarmOptionsBuilder::default().version(version).build();
            let update = self.docker.update_swarm(spec, options);
            self.patience.request(doing, update).await.map(|()| Some(before))
        });
        updated.await
    }
}
