//! A host's reboot: told to, waited for, and known by another boot ID. Never by a connection alone, which ends for many
//! reasons.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Executor;
use crate::fleet::{HostSession, SessionError};
use crate::inventory::model::NodeName;
use crate::resource::{Change, Fault, Key, Observed, Receipt, reboot};
use crate::wire::{Answer, Body};

/// How long a host may take to go down: systemd gives each service 90 s.
const GOING_DOWN: Duration = Duration::from_secs(180);

/// Between two looks at a host that has yet to go down.
const PAUSE: Duration = Duration::from_secs(1);

impl Executor<'_> {
    /// Reboots a host and waits until it is back, its engine and its place in the swarm included.
    pub(super) async fn reboot(&self, node: &NodeName, change: &reboot::Desired) -> Result<Receipt, Fault> {
        let session = self.session(node)?;
        session.back().await?;
        let body = Body::apply(Change::Reboot(change.clone()), session.next_step());
        let report =
            |progress| (self.sink)(crate::event::Event::StepProgress { node: node.clone(), progress });
        match session.request(body, report).await {
            // The answer may have gone down with the host.
            Ok(Answer::Applied(_)) | Err(SessionError::Gone { .. }) => {}
            Ok(other) => return Err(session.not(other).into()),
            Err(error) => return Err(error.into()),
        }
        self.another_boot(session, &change.boot_id).await?;
        if change.engine {
            self.swarm.await_engine(node).await;
            self.through(node, async |again| self.swarm.await_back(node, again).await).await?;
        }
        Ok(Receipt::Reboot(change.clone()))
    }

    /// Waits until the host has gone and come back as another boot.
    async fn another_boot(&self, session: &HostSession, before: &str) -> Result<(), Fault> {
        let deadline = Instant::now() + GOING_DOWN;
        loop {
            match boot_id(session).await {
                Ok(now) if now != before => return Ok(()),
                // Still there, or reached again before it went.
                Ok(_) if Instant::now() < deadline => sleep(PAUSE).await,
                Ok(_) => return Err(stays(session.node())),
                Err(SessionError::Gone { .. }) => self.back(session).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

async fn boot_id(session: &HostSession) -> Result<String, SessionError> {
    let key = Key::Reboot(());
    let survey = session.survey(vec![key.clone()]).await?;
    match survey.observed.get(&key) {
        Some(Ok(Observed::Reboot(observed))) => Ok(observed.boot_id.clone()),
        Some(Err(fault)) => Err(SessionError::Fault(Box::new(fault.clone()))),
        _ => Err(SessionError::Unexpected { node: session.node().to_string() }),
    }
}

fn stays(node: &NodeName) -> Fault {
    let seconds = GOING_DOWN.as_secs();
    Fault::new(node, format!("was told to reboot, and still has not after {seconds} s"))
        .help("see what it waits for: `systemctl list-jobs` on the host; then run `skep up --reboot` again")
}
