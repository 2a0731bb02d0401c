//! Executes a plan: phase after phase, nodes in parallel, each node's steps in order.
//!
//! A node whose step fails does nothing more; the others finish the phase and go on. There is nothing to resume
//! from: the hosts and the swarm are the state, and the next run's plan holds what is left.

mod journal;
mod stop;
mod swarm;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

pub use journal::{Journal, JournalError, state_dir};
pub use stop::Stop;

use crate::event::{Event, Sink};
use crate::fleet::HostSession;
use crate::inventory::model::{NodeName, Role};
use crate::plan::{Action, Phase, PhaseName, Plan, Step};
use crate::resource::{Change, Fault, Receipt};
use crate::swarm::SwarmAction;
use crate::wire::{Answer, Body};

/// The agents of all nodes that answered.
pub type Sessions = BTreeMap<NodeName, HostSession>;

/// What became of each node.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Steps done.
    pub changed: usize,
    /// Time spent in steps.
    pub time: Duration,
    /// Why it stopped, if it did.
    pub fault: Option<Fault>,
    /// Whether steps were left undone because the user asked to stop.
    pub stopped: bool,
}

/// What became of all nodes that had steps.
pub type Accounts = BTreeMap<NodeName, Account>;

/// Adds what became of the nodes in a further plan of the same run.
pub fn add(accounts: &mut Accounts, further: Accounts) {
    for (node, Account { changed, time, fault, stopped }) in further {
        let account = accounts.entry(node).or_default();
        account.changed += changed;
        account.time += time;
        account.fault = fault.or(account.fault.take());
        account.stopped |= stopped;
    }
}

/// Executes a plan; at most `forks` nodes at once.
pub async fn execute(plan: &Plan, sessions: &Sessions, forks: usize, sink: &Sink, stop: &Stop) -> Accounts {
    let executor = Executor {
        sessions,
        sink,
        stop,
        forks: Semaphore::new(forks),
        accounts: Mutex::default(),
        swarm: swarm::Hands::new(sessions),
    };
    for phase in &plan.phases {
        sink(Event::PhaseStarted { phase: phase.name });
        executor.phase(phase).await;
    }
    executor.accounts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Executor<'a> {
    sessions: &'a Sessions,
    sink: &'a Sink,
    stop: &'a Stop,
    forks: Semaphore,
    accounts: Mutex<Accounts>,
    swarm: swarm::Hands<'a>,
}

/// A step with its place in its phase.
type Placed<'a> = (usize, &'a Step);

impl Executor<'_> {
    async fn phase(&self, phase: &Phase) {
        let placed: Vec<Placed<'_>> = phase.steps.iter().enumerate().collect();
        // Membership changes one manager at a time; everything else is each node's own business.
        let turns = match phase.name {
            PhaseName::Swarm => turns(&placed),
            _ => vec![placed],
        };
        for turn in turns {
            let mut by_node: BTreeMap<&NodeName, Vec<Placed<'_>>> = BTreeMap::new();
            for step in turn {
                by_node.entry(&step.1.node).or_default().push(step);
            }
            join_all(by_node.into_values().map(|steps| self.node(phase.name, steps))).await;
        }
    }

    /// One node's steps of a phase, until one fails or the user asks to stop.
    async fn node(&self, phase: PhaseName, steps: Vec<Placed<'_>>) {
        let _turn = self.forks.acquire().await;
        for (place, step) in steps {
            if self.account(&step.node, |account| account.fault.is_some()) {
                return;
            }
            if self.stop.is_asked() {
                self.account(&step.node, |account| account.stopped = true);
                return;
            }
            self.step(phase, place, step).await;
        }
    }

    async fn step(&self, phase: PhaseName, place: usize, step: &Step) {
        let node = step.node.clone();
        let title = step.action.describe().title;
        (self.sink)(Event::StepStarted { node: node.clone(), phase, step: place, title });
        let begun = Instant::now();
        let result = self.act(step).await;
        let time = begun.elapsed();
        self.account(&node, |account| account.time += time);
        match result {
            Ok(receipt) => {
                self.account(&node, |account| account.changed += 1);
                (self.sink)(Event::StepDone { node, phase, step: place, ms: millis(time), receipt });
            }
            Err(fault) => {
                self.account(&node, |account| account.fault = Some(fault.clone()));
                (self.sink)(Event::StepFailed { node, phase, step: place, fault });
            }
        }
    }

    async fn act(&self, step: &Step) -> Result<Option<Receipt>, Fault> {
        match &step.action {
            Action::Change(change) => self.change(&step.node, change).await.map(Some),
            Action::Swarm(action) => self.swarm.act(&step.node, action).await.map(|()| None),
        }
    }

    async fn change(&self, node: &NodeName, change: &Change) -> Result<Receipt, Fault> {
        let session = self.sessions.get(node).ok_or_else(|| Fault::new(node, "no connection"))?;
        let body = Body::Apply { change: change.clone() };
        let report = |progress| (self.sink)(Event::StepProgress { node: node.clone(), progress });
        match session.request(body, report).await {
            Ok(Answer::Applied(receipt)) => Ok(receipt),
            Ok(Answer::Fault(fault)) => Err(fault),
            Ok(other) => Err(Fault::new(node, format!("its agent answered out of turn: {other:?}"))),
            Err(error) => Err(error.into()),
        }
    }

    fn account<T>(&self, node: &NodeName, with: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        with(accounts.entry(node.clone()).or_default())
    }
}

/// Cuts the steps of the swarm phase into turns: neighbours that may go at once share one, all others have their own.
fn turns<'a>(steps: &[Placed<'a>]) -> Vec<Vec<Placed<'a>>> {
    let mut turns: Vec<Vec<Placed<'a>>> = Vec::new();
    for step in steps {
        match turns.last_mut() {
            Some(turn) if turn.iter().chain([step]).all(|(_, step)| goes_along(step)) => turn.push(*step),
            _ => turns.push(vec![*step]),
        }
    }
    turns
}

/// Whether a step may go at once with others of its kind: workers take no part in the raft store.
fn goes_along(step: &Step) -> bool {
    matches!(
        step.action,
        Action::Change(_)
            | Action::Swarm(SwarmAction::Join { role: Role::Worker, .. } | SwarmAction::Label { .. })
    )
}

/// A duration in whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
