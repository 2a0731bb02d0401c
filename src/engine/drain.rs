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
        self.take_work_off(node_id).await
    }

    /// The same for a member that is about to leave, whatever that means for the others.
    ///
    /// # Errors
    /// Where the engine refuses, or tasks do not end in time.
    pub async fn take_work_off(&self, node_id: &str) -> Result<(), Error> {
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
        self.update_node("make the node available again", node_id, available).await.map(drop)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fake::{Answer, Asked, EAGER, Fake, ONCE, ok};
    use super::*;

    /// Managers that answer or not, the first of them of this availability; its tasks end at the third look once it is
    /// drained.
    fn swarm(reachable: &[bool], availability: &str, labels: Value) -> Fake {
        let manager = |(place, reachable): (usize, &bool)| {
            let reachability = if *reachable { "reachable" } else { "unreachable" };
            json!({
                "ID": format!("m{place}"),
                "Version": { "Index": 1 },
                "Spec": { "Role": "manager", "Availability": availability, "Labels": labels },
                "Status": { "State": if *reachable { "ready" } else { "down" } },
                "ManagerStatus": { "Reachability": reachability },
            })
        };
        let mut nodes: Vec<Value> = reachable.iter().enumerate().map(manager).collect();
        let mut looks = 0;
        Fake::new(move |Asked { method, path, body, .. }| -> Answer {
            match (method.as_str(), path.split('?').next().unwrap()) {
                ("GET", "/nodes") => ok(Value::Array(nodes.clone())),
                ("GET", "/nodes/m0") => ok(nodes[0].clone()),
                ("POST", _) => {
                    nodes[0]["Spec"] = body.clone();
                    ok(Value::Null)
                }
                ("GET", "/tasks") => {
                    assert!(path.contains("m0") && nodes[0]["Spec"]["Availability"] == "drain", "{path}");
                    looks += 1;
                    let state = if looks < 3 { "running" } else { "shutdown" };
                    ok(json!([{ "Status": { "State": state } }, { "Status": { "State": "failed" } }]))
                }
                other => panic!("{other:?}"),
            }
        })
    }

    /// The availability and the labels of the first node.
    async fn spec(engine: &Engine) -> (String, Vec<(String, String)>) {
        let node = engine.nodes().await.unwrap().remove(0);
        (node.availability, node.labels.into_iter().collect())
    }

    fn label(value: &str) -> Vec<(String, String)> {
        vec![(AVAILABILITY_LABEL.to_owned(), value.to_owned())]
    }

    #[tokio::test]
    async fn a_node_is_drained_waited_for_and_as_before_afterwards() {
        for before in ["active", "pause"] {
            let fake = swarm(&[true, true, true], before, json!({}));
            let engine = fake.connect(EAGER).await.unwrap();
            engine.drain("m0").await.unwrap();
            assert_eq!(spec(&engine).await, ("drain".to_owned(), label(before)));
            assert_eq!(fake.paths().iter().filter(|path| path.contains("/tasks")).count(), 3);
            engine.undrain("m0").await.unwrap();
            assert_eq!(spec(&engine).await, (before.to_owned(), vec![]));
        }
    }

    #[tokio::test]
    async fn what_was_drained_before_is_told_by_its_label() {
        // By a run that was killed: the label stays what it was.
        let fake = swarm(&[true], "drain", json!({ AVAILABILITY_LABEL: "pause" }));
        let engine = fake.connect(EAGER).await.unwrap();
        engine.drain("m0").await.unwrap();
        assert_eq!(spec(&engine).await, ("drain".to_owned(), label("pause")));
        // By the user: it stays drained.
        let fake = swarm(&[true], "drain", json!({}));
        let engine = fake.connect(EAGER).await.unwrap();
        engine.drain("m0").await.unwrap();
        engine.undrain("m0").await.unwrap();
        assert_eq!(spec(&engine).await, ("drain".to_owned(), vec![]));
        assert!(fake.paths().iter().all(|path| !path.starts_with("POST")), "{:?}", fake.paths());
    }

    #[tokio::test]
    async fn a_manager_that_the_others_need_is_not_drained() {
        let fake = swarm(&[true, true, false], "active", json!({}));
        let error = fake.connect(EAGER).await.unwrap().drain("m0").await.unwrap_err();
        assert!(matches!(error, Error::Indispensable { .. }), "{error}");
        assert_eq!(fake.paths(), ["GET /nodes"], "nothing was changed");
    }

    #[tokio::test]
    async fn a_manager_that_the_others_need_is_not_drained_while_nobody_is_listed() {
        let fake = swarm(&[], "active", json!({}));
        let error = fake.connect(ONCE).await.unwrap().drain("m0").await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert_eq!(fake.paths(), ["GET /nodes"], "nothing was changed");
    }

    #[tokio::test]
    async fn tasks_that_do_not_end_are_told() {
        let patience = super::super::Patience { drain: std::time::Duration::ZERO, ..EAGER };
        let fake = swarm(&[true], "active", json!({}));
        let error = fake.connect(patience).await.unwrap().drain("m0").await.unwrap_err();
        assert!(error.to_string().contains("end the node's tasks"), "{error}");
    }
}
