//! Taking a member out of work for a while, and giving it its work back.
//!
//! What it was available for before is kept in a label of its own record: whoever comes after a run that was killed in
//! between finds it there.

use std::collections::HashMap;

use bollard::models::{NodeSpec, NodeSpecAvailabilityEnum as Availability, TaskState};
use bollard::query_parameters::ListTasksOptionsBuilder;

use super::{Engine, Error};
use crate::swarm::AVAILABILITY_LABEL;
use crate::swarm::membership::{is_manager, is_reachable};
use crate::swarm::quorum::{Managers, can_lose};

impl Engine {
    /// Has a member's tasks move to others, and waits until none runs on it. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses, tasks do not end in time, or the other managers would be too few.
    pub async fn drain(&self, node_id: &str) -> Result<(), Error> {
        self.others_suffice(node_id).await?;
        let drained = |spec: &mut NodeSpec| {
            let before = spec.availability.replace(Availability::DRAIN).unwrap_or(Availability::ACTIVE);
            if before != Availability::DRAIN {
                let labels = spec.labels.get_or_insert_default();
                labels.insert(AVAILABILITY_LABEL.to_owned(), before.to_string());
            }
        };
        self.update_node("drain the node", node_id, drained).await?;
        let ended = self.patience.poll_through("end the node's tasks", self.patience.drain, async || {
            Ok((self.tasks_at_work(node_id).await? == 0).then_some(()))
        });
        ended.await
    }

    /// Makes a member available for what it was before it was drained, once it is back. Asked of a manager.
    ///
    /// # Errors
    /// Where the engine refuses, or the node is not back in time.
    pub async fn undrain(&self, node_id: &str) -> Result<(), Error> {
        self.await_ready(node_id).await?;
        let available = |spec: &mut NodeSpec| {
            let before = spec.labels.as_mut().and_then(|labels| labels.remove(AVAILABILITY_LABEL));
            match before.as_deref() {
                Some("pause") => spec.availability = Some(Availability::PAUSE),
                Some(_) => spec.availability = Some(Availability::ACTIVE),
                None => {}
            }
        };
        self.update_node("make the node available again", node_id, available).await
    }

    /// The plan weighed the loss of this manager on the quorum, but another may have gone since.
    async fn others_suffice(&self, node_id: &str) -> Result<(), Error> {
        let nodes = self.nodes().await?;
        let managers = Managers {
            total: nodes.iter().filter(|node| is_manager(node)).count(),
            reachable: nodes.iter().filter(|node| is_manager(node) && is_reachable(node)).count(),
        };
        let is_one = nodes.iter().any(|node| node.id == node_id && is_manager(node));
        // The only manager takes the swarm with it whenever its engine stops; the plan says so.
        match is_one && managers.total > 1 && !can_lose(managers.reachable, managers.total) {
            true => Err(Error::Indispensable { managers }),
            false => Ok(()),
        }
    }

    async fn tasks_at_work(&self, node_id: &str) -> Result<usize, Error> {
        const DOING: &str = "list the node's tasks";
        let filters = HashMap::from([("node", vec![node_id])]);
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let tasks = self.patience.request(DOING, self.docker.list_tasks(Some(options))).await?;
        let states = tasks.into_iter().filter_map(|task| task.status?.state);
        Ok(states.filter(|state| is_at_work(*state)).count())
    }
}

/// Whether a task has begun and not ended. What is only assigned is taken away at once.
fn is_at_work(state: TaskState) -> bool {
    matches!(state, TaskState::PREPARING | TaskState::READY | TaskState::STARTING | TaskState::RUNNING)
}
