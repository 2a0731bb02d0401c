//! Letting a member go: drained first, then out, and never a swarm that still holds something.

use bollard::query_parameters::{
    LeaveSwarmOptionsBuilder, ListConfigsOptions, ListSecretsOptions, ListServicesOptions,
};

use super::{Engine, Error};
use crate::facts::SwarmState;
use crate::swarm::Holdings;

impl Engine {
    /// What the swarm holds; asked of a manager.
    ///
    /// # Errors
    /// Where the engine is no manager or the swarm has no leader.
    pub async fn holdings(&self) -> Result<Holdings, Error> {
        const DOING: &str = "list what the swarm holds";
        let services = self.docker.list_services(None::<ListServicesOptions>);
        let services = self.patience.request(DOING, services).await?.len();
        let secrets = self.docker.list_secrets(None::<ListSecretsOptions>);
        let secrets = self.patience.request(DOING, secrets).await?.len();
        let configs = self.docker.list_configs(None::<ListConfigsOptions>);
        let configs = self.patience.request(DOING, configs).await?.len();
        Ok(Holdings { services, secrets, configs })
    }

    /// Lets this node go out of its swarm, and waits until it is out. With `force` also the last manager, with which the
    /// swarm ends.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn leave(&self, force: bool) -> Result<(), Error> {
        const DOING: &str = "leave the swarm";
        let left = self.patience.poll_through(DOING, self.patience.settle, async || {
            if self.local().await?.state == SwarmState::Inactive {
                return Ok(Some(()));
            }
            let options = LeaveSwarmOptionsBuilder::default().force(force).build();
            match self.patience.request(DOING, self.docker.leave_swarm(Some(options))).await {
                // It is looked at once more whether it is out.
                Ok(()) => Ok(None),
                Err(error) if error.is_still_manager() && !force => Ok(None),
                Err(error) => Err(error),
            }
        });
        left.await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fake::{Answer, Asked, EAGER, Fake, ONCE, info, ok, refuse};
    use super::*;

    /// A member whose engine takes it for a manager for so many more questions.
    fn demoted(mut unaware: usize) -> Fake {
        let mut left = false;
        Fake::new(move |asked: &Asked| match asked.path.as_str() {
            "/info" => info(if left { "inactive" } else { "active" }, ""),
            "/swarm/leave?force=false" if unaware > 0 => {
                unaware -= 1;
                refuse(
                    503,
                    "You are attempting to leave the swarm on a node that is participating as a manager. ",
                )
            }
            "/swarm/leave?force=false" | "/swarm/leave?force=true" => {
                left = true;
                ok(json!(null))
            }
            other => panic!("asked for {other}"),
        })
    }

    #[tokio::test]
    async fn a_node_leaves_once_it_knows_that_it_was_demoted() {
        let fake = demoted(2);
        fake.connect(EAGER).await.unwrap().leave(false).await.unwrap();
        assert_eq!(fake.paths().iter().filter(|path| path.starts_with("POST")).count(), 3);
        // Out already: nothing is asked of it.
        let again = fake.connect(EAGER).await.unwrap().leave(false).await;
        assert_eq!((again, fake.paths().len()), (Ok(()), 8));
        let stays = demoted(usize::MAX).connect(ONCE).await.unwrap().leave(false).await;
        assert!(matches!(stays, Err(Error::Timeout { .. })), "{stays:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_counted_is_not_taken_for_nothing() {
        let fake = Fake::new(|asked: &Asked| match asked.path.as_str() {
            "/services" => ok(json!([{ "ID": "s" }])),
            "/secrets" => ok(json!([])),
            _ => Answer::Json(500, json!({ "message": "The swarm does not have a leader" })),
        });
        let error = fake.connect(EAGER).await.unwrap().holdings().await.unwrap_err();
        assert!(error.to_string().contains("does not have a leader"), "{error}");
    }
}
