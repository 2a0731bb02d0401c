//! Lost hosts come back: a session that is kept logs in again, with growing pauses, and takes its run lock again.
//!
//! Other rooms only see that a request ended with `Gone`, and wait for [`HostSession::back`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::failure::{Bootstrap, SessionError};
use super::link::Link;
use super::remote::Remote;
use super::run_lock::{busy, superseded};
use super::session::{HostSession, Shared, lock};
use crate::event::{Event, Sink};
use crate::resource::Fault;
use crate::wire::{Answer, Body, Claim, LockOwner};

/// Pauses between tries: short at first, since most breaks are, and never long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long an agent without work may take to answer.
const PROBE: Duration = Duration::from_secs(15);

/// Logs in to the host once more.
pub type LogIn = Arc<dyn Fn() -> BoxFuture<'static, Result<Box<dyn Remote>, Refusal>> + Send + Sync>;

/// Has this computer know the host by the first keys, and by the others no more.
pub type Relearn =
    Arc<dyn Fn(Vec<String>, Vec<String>) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync>;

/// Why a login came to nothing.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why.
    pub fault: Fault,
    /// Whether it may pass: nothing answers, or the host still boots.
    pub passing: bool,
}

/// How a session is kept up.
#[derive(Clone)]
pub struct Keep {
    /// For whom the run lock is held.
    pub owner: LockOwner,
    /// How long a lost host is tried.
    pub patience: Duration,
    /// Hears of each loss, try and return.
    pub sink: Sink,
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Standing {
    /// There is a connection, or nobody has noticed yet that there is none.
    Up,
    /// It is lost, and tried again.
    Away,
    /// It is lost for good, or not ours any more.
    Lost(Fault),
}

impl HostSession {
    /// Tells how to log in once more.
    #[must_use]
    pub fn reopened_by(self, log_in: LogIn) -> Self {
        let _ = self.shared.log_in.set(log_in);
        self
    }

    /// Tells how the host's keys are recorded.
    #[must_use]
    pub fn known_by(self, relearn: Relearn) -> Self {
        let _ = self.shared.relearn.set(relearn);
        self
    }

    /// Has this computer know the host by the keys `new`, and by `old` no more; each as in its `.pub` file.
    ///
    /// # Errors
    /// Where they cannot be recorded.
    pub async fn relearn(&self, new: Vec<String>, old: Vec<String>) -> Result<(), Fault> {
        match self.shared.relearn.get() {
            Some(relearn) => relearn(new, old).await,
            None => Err(Fault::new(self.node(), "its host keys are recorded nowhere")),
        }
    }

    /// Logs in once more at once, in the place of a connection that was lost.
    ///
    /// # Errors
    /// Why it cannot be.
    pub async fn reopen(&self) -> Result<(), Fault> {
        self.shared.connect().await.map_err(|refusal| refusal.fault)
    }

    /// Sees from now on to it that a lost connection comes back, and the run lock with it. Only for a session that
    /// holds it.
    pub fn keep(&self, keep: Keep) {
        let kept = tokio::spawn(keep_up(Arc::clone(&self.shared), keep));
        if let Some(before) = lock(&self.keeper).replace(kept) {
            before.abort();
        }
    }

    pub(super) fn let_be(&self) {
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.abort();
        }
    }

    /// Waits until there is a connection again, under the same run lock.
    ///
    /// # Errors
    /// Where it does not come back, and where another run has taken over. A session that is not kept is not waited for.
    pub async fn back(&self) -> Result<(), Fault> {
        let kept = lock(&self.keeper).is_some();
        let mut standing = self.shared.standing.subscribe();
        let decided = |standing: &Standing| match standing {
            Standing::Up => !kept || self.shared.link().end().is_none(),
            Standing::Away => false,
            Standing::Lost(_) => true,
        };
        let settled = standing.wait_for(decided).await.map(|standing| standing.clone());
        match settled {
            Ok(Standing::Lost(fault)) => Err(fault),
            _ => {
                let link = self.shared.link();
                link.end().map_or(Ok(()), |_| Err(self.shared.gone(&link).into()))
            }
        }
    }

    /// Whether the connection is lost and tried again.
    pub fn is_away(&self) -> bool {
        let standing = self.shared.standing.borrow().clone();
        match standing {
            Standing::Up => self.shared.link().end().is_some() && lock(&self.keeper).is_some(),
            Standing::Away => true,
            Standing::Lost(_) => false,
        }
    }

    /// Whether the connection that there was last has ended.
    pub fn is_gone(&self) -> bool {
        self.shared.link().end().is_some()
    }

    /// Sees whether the agent still answers. A connection that is silent is given up, so that another one is tried.
    /// Only while the agent has nothing else to do.
    pub async fn probe(&self) {
        let link = self.shared.link();
        if timeout(PROBE, self.request(Body::Time, |_| ())).await.is_err() {
            link.cut(&format!("no answer within {} s", PROBE.as_secs()));
        }
    }

    /// Which of the connections that there were it is: another one, or none, after a loss.
    pub fn mark(&self) -> Mark {
        Mark(self.shared.link())
    }

    /// Whether the connection of that time is lost.
    pub fn lost_since(&self, mark: &Mark) -> bool {
        mark.0.end().is_some()
    }

    /// What became of a step that was in hand when the connection was lost.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn outcome(&self, run: &str, step: u64) -> Result<crate::wire::Outcome, SessionError> {
        match self.request(Body::Outcome { run: run.to_owned(), step }, |_| ()).await? {
            Answer::Outcome(outcome) => Ok(outcome),
            other => Err(self.not(other)),
        }
    }

    /// Ends the run on this host: the lock is released, and what was kept for a return is removed.
    pub async fn finish(&self) {
        self.let_be();
        // Who does not answer is let go all the same: the lock ends with the agent.
        let _ = timeout(PROBE, self.request(Body::Unlock, |_| ())).await;
        self.close().await;
    }
}

/// One of the connections that a session has had.
pub struct Mark(Arc<Link>);

impl Drop for HostSession {
    fn drop(&mut self) {
        self.let_be();
    }
}

async fn keep_up(shared: Arc<Shared>, keep: Keep) {
    let tell = |cause: String| (keep.sink)(Event::Retrying { node: shared.node.clone(), cause });
    loop {
        let cause = shared.link().ended().await;
        let lost = Instant::now();
        shared.standing.send_replace(Standing::Away);
        tell(cause);
        match bring_back(&shared, &keep, &tell).await {
            Ok(()) => {
                let ms = u64::try_from(lost.elapsed().as_millis()).unwrap_or(u64::MAX);
                (keep.sink)(Event::Connected { node: shared.node.clone(), ms });
                shared.standing.send_replace(Standing::Up);
            }
            Err(fault) => {
                shared.standing.send_replace(Standing::Lost(fault));
                return;
            }
        }
    }
}

/// Tries until there is a connection under the run lock again.
async fn bring_back(shared: &Shared, keep: &Keep, tell: &(dyn Fn(String) + Sync)) -> Result<(), Fault> {
    let mut deadline = Instant::now() + keep.patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let refusal = match shared.connect().await {
            Ok(()) => {
                // Waiting for the agent that finishes its step takes as long as it takes.
                match shared.take_lock(&keep.owner, Claim::Again, tell).await {
                    Ok(_) => return Ok(()),
                    Err(SessionError::Held(other)) if other.same_run(&keep.owner) => {
                        return Err(busy(&shared.node, &other));
                    }
                    Err(SessionError::Held(other) | SessionError::Passed(other)) => {
                        return Err(superseded(&shared.node, &other));
                    }
                    Err(error) => {
                        deadline = Instant::now() + keep.patience;
                        Refusal { passing: matches!(error, SessionError::Gone { .. }), fault: error.into() }
                    }
                }
            }
            Err(refusal) => refusal,
        };
        if !refusal.passing {
            return Err(refusal.fault);
        }
        if Instant::now() + pause > deadline {
            return Err(not_back(refusal.fault, keep.patience));
        }
        tell(refusal.fault.cause);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn not_back(last: Fault, patience: Duration) -> Fault {
    let cause = format!(
        "the connection was lost, and did not come back within {} s: {}",
        patience.as_secs(),
        last.cause
    );
    Fault::new(last.what, cause).help("bring it back, then run `skep up` again: it carries on")
}

impl Shared {
    /// Logs in and starts an agent, in the place of the connection before.
    async fn connect(&self) -> Result<(), Refusal> {
        let before = self.link();
        let Some(log_in) = self.log_in.get() else {
            return Err(Refusal { fault: self.gone(&before).into(), passing: false });
        };
        let remote = log_in().await?;
        let link = Link::open(before.launcher.over(remote), &mut |_, _| ()).await;
        self.replace(link.map_err(|error| Refusal {
            fault: error.fault(&self.node.0),
            // A refused password is not told again and again: some logins are locked after a few.
            passing: !matches!(error, Bootstrap::Denied(_)),
        })?);
        Ok(())
    }
}
