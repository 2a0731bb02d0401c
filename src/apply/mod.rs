//! Executes a plan: phase after phase, nodes in parallel, each node's steps in order.
//!
//! A node whose step fails does nothing more; the others finish the phase and go on. A connection that is lost is
//! waited for. There is nothing to resume from: the hosts and the swarm are the state, and the next run's plan holds
//! what is left.

mod clones;
mod history;
mod journal;
mod leave;
mod local;
mod reboot;
mod recover;
mod stop;
mod swarm;
#[cfg(test)]
mod tests;
mod through;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

pub use history::{Ending, Record, Sought, find, list};
pub use journal::{Journal, JournalError, state_dir};
pub use leave::holdings;
pub use stop::Stop;

use crate::event::{Event, Sink};
use crate::fleet::HostSession;
use crate::inventory::model::{NodeName, Role, When};
use crate::plan::{Action, Phase, PhaseName, Plan, Step};
use crate::resource::{Change, Fault, Receipt, boot};
use crate::swarm::{SwarmAction, SwarmReceipt};

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

/// Whether a step failed on any node.
pub fn any_failed(accounts: &Accounts) -> bool {
    accounts.values().any(|account| account.fault.is_some())
}

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

/// What a plan is executed with.
pub struct Means<'a> {
    /// The agents.
    pub sessions: &'a Sessions,
    /// The ID of the swarm that the plan is about; none where it has yet to be made.
    pub swarm: Option<String>,
    /// The ID of the run that holds the run locks.
    pub run: &'a str,
    /// How many nodes at once.
    pub forks: usize,
    /// Where events go.
    pub sink: &'a Sink,
    /// The user's wish to stop.
    pub stop: &'a Stop,
}

/// Executes a plan.
pub async fn execute(plan: &Plan, means: Means<'_>) -> Accounts {
    let Means { sessions, swarm, run, forks, sink, stop } = means;
    let executor = Executor {
        sessions,
        run: run.to_owned(),
        sink,
        stop,
        forks: Semaphore::new(forks),
        accounts: Mutex::default(),
        held_back: Mutex::default(),
        swarm: swarm::Hands::new(sessions, swarm),
    };
    for phase in &plan.phases {
        sink(Event::PhaseStarted { phase: phase.name });
        let begun = Instant::now();
        executor.phase(phase).await;
        sink(Event::PhaseDone { phase: phase.name, ms: millis(begun.elapsed()) });
    }
    executor.accounts.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct Executor<'a> {
    sessions: &'a Sessions,
    run: String,
    sink: &'a Sink,
    stop: &'a Stop,
    forks: Semaphore,
    accounts: Mutex<Accounts>,
    /// Why steps of a sort are not done any more on any node.
    held_back: Mutex<Vec<(Sort, Fault)>>,
    swarm: swarm::Hands<'a>,
}

/// What a step did, for its undo.
struct Done {
    receipt: Option<Receipt>,
    swarm: Option<SwarmReceipt>,
}

/// What a step does to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Nothing.
    Harmless,
    /// It takes the engine away for a while, so nodes take turns, and one that does not come back is the last.
    Restart,
    /// It changes the swarm; without the one that makes it, the others have nothing to join.
    Swarm,
    /// It is a hook of the controller: of no node, but for all of them.
    Alone,
}

/// A step with its place in its phase.
type Placed<'a> = (usize, &'a Step);

impl Executor<'_> {
    async fn phase(&self, phase: &Phase) {
        let placed: Vec<Placed<'_>> = phase.steps.iter().enumerate().collect();
        for turn in turns(&placed) {
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
            if self.comes_too_early(step) {
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
        let result = match self.held_back(step) {
            Some(fault) => Err(fault),
            None => self.act(step).await,
        };
        let time = begun.elapsed();
        self.account(&node, |account| account.time += time);
        match result {
            Ok(Done { receipt, swarm }) => {
                self.account(&node, |account| account.changed += 1);
                (self.sink)(Event::StepDone { node, phase, step: place, ms: millis(time), receipt, swarm });
            }
            Err(fault) => {
                self.hold_back_others(step);
                self.account(&node, |account| account.fault = Some(fault.clone()));
                (self.sink)(Event::StepFailed { node, phase, step: place, fault });
            }
        }
    }

    async fn act(&self, step: &Step) -> Result<Done, Fault> {
        match &step.action {
            Action::Change(Change::Reboot(change)) => {
                let receipt = self.reboot(&step.node, change).await?;
                Ok(Done { receipt: Some(receipt), swarm: None })
            }
            Action::Change(change) => {
                let receipt = self.change(&step.node, change).await?;
                if sort(step) == Sort::Restart && comes_back(change) {
                    self.through(&step.node, async |again| self.swarm.await_back(&step.node, again).await)
                        .await?;
                }
                Ok(Done { receipt, swarm: None })
            }
            Action::Swarm(action) => {
                let act = async |again| self.swarm.act(&step.node, action, again).await;
                let swarm = self.through(&step.node, act).await?;
                Ok(Done { receipt: None, swarm })
            }
            Action::Local(hook) => {
                let (sink, node) = (Sink::clone(self.sink), step.node.clone());
                let report = move |progress| sink(Event::StepProgress { node: node.clone(), progress });
                local::run(hook, report).await?;
                Ok(Done { receipt: None, swarm: None })
            }
            Action::Repair(repair) => {
                self.repair(&step.node, repair).await?;
                Ok(Done { receipt: None, swarm: None })
            }
            // Taken in before anything of a plan is done: there is no agent yet.
            Action::FirstLogin(_) => {
                Err(Fault::new(&step.node, "it was not taken in").help("run `skep up` again"))
            }
        }
    }

    /// Whether it is a hook of this computer for after a phase that did not go well on every node.
    fn comes_too_early(&self, step: &Step) -> bool {
        let Action::Local(hook) = &step.action else { return false };
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        hook.id.when == When::After.to_string() && any_failed(&accounts)
    }

    /// Why a step is not even tried.
    fn held_back(&self, step: &Step) -> Option<Fault> {
        let held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |of: Sort| of == Sort::Alone || of == sort(step);
        held_back.iter().find(|(of, _)| holds(*of)).map(|(_, fault)| fault.clone())
    }

    /// What the failure of a step means for the steps of other nodes.
    fn hold_back_others(&self, failed: &Step) {
        let (node, mut sort) = (&failed.node, sort(failed));
        let (cause, culprit) = match (&failed.action, sort) {
            (Action::Change(Change::Reboot(_)), _) => (
                format!("{node} did not come back from its reboot, so this one keeps running"),
                node.to_string(),
            ),
            // It is back, but in vain: what did not help there need not be tried on the next one.
            (Action::Change(Change::Boot(boot::Change::Check { .. })), _) => {
                sort = Sort::Restart;
                (format!("the reboot of {node} did not help, so this one keeps running"), node.to_string())
            }
            (Action::Swarm(SwarmAction::Init { .. }), _) => {
                (format!("{node} did not make the swarm"), node.to_string())
            }
            (Action::Swarm(SwarmAction::Drain { .. }), _) => {
                (format!("{node} could not be drained, so this one keeps running"), node.to_string())
            }
            (Action::Swarm(SwarmAction::Undrain { .. }), _) => (
                format!("{node} did not come back into the swarm, so this one keeps running"),
                node.to_string(),
            ),
            (Action::Local(hook), _) => {
                (format!("hook {} of this computer failed", hook.id.name), "the hook".to_owned())
            }
            (Action::Change(change), Sort::Restart) if comes_back(change) => (
                format!("{node} did not come back from its restart, so this one keeps running"),
                node.to_string(),
            ),
            _ => return,
        };
        let fault =
            Fault::new("not tried", cause).help(format!("mend {culprit} first, then run the same again"));
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner).push((sort, fault));
    }

    fn account<T>(&self, node: &NodeName, with: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        with(accounts.entry(node.clone()).or_default())
    }
}

/// Cuts the steps of a phase into turns: neighbours that may go at once share one, all others have their own.
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

/// Whether a step may go at once with those of other nodes. Membership changes one manager at a time, and engines are
/// restarted one at a time; workers take no part in the raft store, and the rest is each node's own business.
fn goes_along(step: &Step) -> bool {
    match &step.action {
        Action::Change(_) => sort(step) == Sort::Harmless,
        Action::Swarm(action) => {
            matches!(action, SwarmAction::Join { role: Role::Worker, .. } | SwarmAction::Label { .. })
        }
        Action::Local(_) => false,
        Action::FirstLogin(_) => true,
        Action::Repair(_) => sort(step) == Sort::Harmless,
    }
}

fn sort(step: &Step) -> Sort {
    match &step.action {
        Action::Swarm(SwarmAction::Drain { .. } | SwarmAction::Undrain { .. }) => Sort::Restart,
        Action::Swarm(_) => Sort::Swarm,
        Action::Local(_) => Sort::Alone,
        Action::FirstLogin(_) => Sort::Harmless,
        Action::Repair(repair) if repair.describe().disrupts.is_some() => Sort::Restart,
        Action::Repair(_) => Sort::Harmless,
        Action::Change(change) if change.describe().disrupts.is_some() => Sort::Restart,
        Action::Change(_) => Sort::Harmless,
    }
}

/// Whether the engine runs again after a change that disrupts it: an undo may take it away for good.
fn comes_back(change: &Change) -> bool {
    match change {
        Change::Daemon(_) | Change::Dropin(_) | Change::Iptables(_) => true,
        Change::Packages(packages) => !packages.install.is_empty(),
        _ => false,
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
