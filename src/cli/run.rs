//! One run of a command over the hosts of an inventory: its events, its journal, its agents, what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;

use super::args::Common;
use super::failure::Failure;
use super::history::grown_old;
use super::shared::SharedReporter;
use super::{ask, exit};
use crate::apply::{Journal, Sessions, Stop, state_dir};
use crate::audit;
use crate::event::{Event, Sink};
use crate::fleet::{self, HostSession, Locked, NoSession, SessionError};
use crate::inventory::Surroundings;
use crate::inventory::model::{Inventory, Node, NodeName};
use crate::plan::undo::Deeds;
use crate::plan::{self, Choices, View, desire};
use crate::report;
use crate::resource::{Fault, Key};
use crate::ssh::Identities;
use crate::wire::{Claim, LockOwner};

/// One run of a command over the hosts of an inventory.
pub(super) struct Run<'a> {
    pub(super) common: &'a Common,
    pub(super) inventory: &'a Inventory,
    pub(super) choices: Choices,
    pub(super) reporter: SharedReporter,
    pub(super) sink: Sink,
    pub(super) stop: Stop,
    pub(super) command: &'static str,
    pub(super) begun: Instant,
    /// Kept for the whole run, so that the user is asked once for each passphrase and password.
    identities: Arc<Identities>,
    /// The run that this one undoes.
    undoes: Option<String>,
    /// What the nodes are asked about, where that is not told by the inventory.
    keys: Option<BTreeMap<NodeName, Vec<Key>>>,
    /// Whether the nodes are asked what only an audit wants to know.
    inspect: bool,
    id: String,
    /// For whom it takes the locks.
    owner: LockOwner,
}

/// Why nothing is known of a host.
pub(super) enum Missed {
    /// It refuses the login as a freshly flashed one does.
    Fresh(Fault),
    /// It could not be reached, or not be asked.
    Failed(Fault),
    /// Another run is at work there.
    Busy(LockOwner),
}

impl From<SessionError> for Missed {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Held(owner) => Self::Busy(*owner),
            error => Self::Failed(error.into()),
        }
    }
}

impl Missed {
    pub(super) fn fault(self, node: &NodeName) -> Fault {
        match self {
            Self::Fresh(fault) => {
                let help = format!(
                    "where it is freshly flashed, `skep up --limit {node}` takes it in (`first_login`); else: {}",
                    fault.help.as_deref().unwrap_or("check user and keys")
                );
                fault.help(help)
            }
            Self::Failed(fault) => fault,
            Self::Busy(owner) => fleet::busy(node, &owner),
        }
    }
}

/// What was found out about the hosts, and the agents that did.
#[derive(Default)]
pub(super) struct Observation {
    pub(super) sessions: Sessions,
    pub(super) hosts: BTreeMap<NodeName, plan::Host>,
    pub(super) unreachable: BTreeMap<NodeName, Fault>,
    /// Those that refuse the login as freshly flashed ones do, and may be taken in.
    pub(super) fresh: BTreeSet<NodeName>,
    /// Those whose image's password this run could not see to, and why.
    pub(super) owed: BTreeMap<NodeName, Fault>,
    /// Whether another run is at work on any of them.
    pub(super) busy: bool,
}

impl<'a> Run<'a> {
    /// Begins a run; one that changes hosts keeps a journal.
    pub(super) fn begin(
        common: &'a Common,
        inventory: &'a Inventory,
        choices: Choices,
        command: &'static str,
        journal: bool,
    ) -> Result<Self, Failure> {
        Self::begin_as(common, inventory, choices, (command, None), journal)
    }

    /// Begins a run that puts back what another one did; without a journal where it is only to show what that would be.
    pub(super) fn undoing(
        common: &'a Common,
        inventory: &'a Inventory,
        choices: Choices,
        deeds: &Deeds,
        journal: bool,
    ) -> Result<Self, Failure> {
        let command = if journal { "undo" } else { "undo --plan" };
        let run = Self::begin_as(common, inventory, choices, (command, Some(deeds.run.clone())), journal)?;
        Ok(Self { keys: Some(deeds.keys()), ..run })
    }

    /// Begins an audit, which looks at more than a plan is made from.
    pub(super) fn auditing(
        common: &'a Common,
        inventory: &'a Inventory,
        choices: Choices,
    ) -> Result<Self, Failure> {
        Ok(Self { inspect: true, ..Self::begin(common, inventory, choices, "audit", false)? })
    }

    fn begin_as(
        common: &'a Common,
        inventory: &'a Inventory,
        choices: Choices,
        (command, undoes): (&'static str, Option<String>),
        journal: bool,
    ) -> Result<Self, Failure> {
        let printer = common.printer();
        let id = run_id();
        let journal = journal.then(|| Journal::begin(&state_dir(), &id)).transpose();
        let journal = journal.map_err(|error| Failure::new(exit::FAILED, error))?;
        let names: Vec<_> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
        let reporter = SharedReporter::new(report::reporter(&printer));
        let shown = reporter.clone();
        let sink: Sink = Arc::new(move |event| {
            if let Some(journal) = &journal {
                journal.record(&event);
            }
            shown.event(event);
        });
        let stop = Stop::default();
        stop.on_signals(Arc::clone(&sink), i32::from(exit::INTERRUPTED));
        sink(Event::Started {
            run: id.clone(),
            command: command.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: names,
            inventory: std::path::absolute(&common.inventory).unwrap_or_else(|_| common.inventory.clone()),
            cluster: inventory.name.clone(),
            undoes: undoes.clone(),
        });
        Ok(Self {
            common,
            inventory,
            choices,
            reporter,
            sink,
            stop,
            command,
            begun: Instant::now(),
            identities: Arc::new(Identities::from_env()),
            undoes,
            keys: None,
            inspect: false,
            owner: owner(common, command, &id),
            id,
        })
    }

    /// Connects to all hosts at once and asks each what it is and has. With `lock`, takes the run lock of each: what is
    /// planned for one depends on what all of them are.
    ///
    /// # Errors
    /// Where nothing can be tried at all, and where the user asks to stop.
    pub(super) async fn observe(&self, lock: bool) -> Result<Observation, Failure> {
        tokio::select! {
            observation = self.look(lock) => observation,
            () = self.stop.asked() => Err(Failure::new(exit::FAILED, "stopped before anything was changed")),
        }
    }

    /// How hosts are connected to.
    pub(super) fn fleet_options(&self) -> fleet::Options {
        fleet::Options {
            forks: usize::from(self.common.forks),
            connect_timeout: self.common.connect_timeout,
            retry_for: self.common.wait,
            accept_new_host_keys: self.common.accept_new_host_keys,
            ask: ask::host_key(self.common, &self.reporter),
            ask_secret: ask::secret(self.common, &self.reporter),
            identities: Arc::clone(&self.identities),
            agent_dir: self.common.agent_dir.clone(),
            first_logins: BTreeMap::new(),
        }
    }

    /// Whether this run is about taking in that node, if it is freshly flashed.
    fn takes_in(&self, node: &NodeName) -> bool {
        ["plan", "up"].contains(&self.command) && self.choices.includes(node)
    }

    /// Looks at a host that was connected to, and says when.
    pub(super) async fn see(
        &self,
        node: &Node,
        session: Result<HostSession, NoSession>,
        lock: bool,
    ) -> (NodeName, Result<(HostSession, plan::Host), Missed>, Instant) {
        let name = node.name.clone();
        let seen = match session {
            Ok(session) => self.first_survey(&name, &session, lock).await.map(|host| (session, host)),
            Err(NoSession::Fresh(fault)) => Err(Missed::Fresh(fault)),
            Err(NoSession::Failed(fault)) => Err(Missed::Failed(fault)),
        };
        (name, seen, Instant::now())
    }

    async fn look(&self, lock: bool) -> Result<Observation, Failure> {
        let options = self.fleet_options();
        let survey = |node: &'a Node, session| self.see(node, session, lock);
        let surveys =
            fleet::connect_each(&self.inventory.nodes, &options, Arc::clone(&self.sink), survey).await;
        let surveys = surveys.map_err(|error| Failure::new(exit::USAGE, error))?;
        let mut observation = Observation::default();
        let mut looked_at = BTreeMap::new();
        for (name, seen, at) in surveys {
            match seen {
                Ok((session, host)) => {
                    observation.sessions.insert(name.clone(), session);
                    observation.hosts.insert(name.clone(), host);
                    looked_at.insert(name, at);
                }
                Err(Missed::Fresh(_)) if self.takes_in(&name) => {
                    observation.fresh.insert(name);
                }
                Err(missed) => {
                    observation.busy |= matches!(missed, Missed::Busy(_));
                    let fault = missed.fault(&name);
                    (self.sink)(Event::Unreachable { node: name.clone(), fault: fault.clone() });
                    observation.unreachable.insert(name, fault);
                }
            }
        }
        let history = grown_old(&observation.hosts, &looked_at, Instant::now());
        self.look_again_at(&mut observation, |name| history.contains(name)).await;
        Ok(observation)
    }

    /// Asks the agents that are connected already once more.
    pub(super) async fn look_again(&self, observation: &mut Observation) {
        self.look_again_at(observation, |_| true).await;
    }

    async fn look_again_at(&self, observation: &mut Observation, which: impl Fn(&NodeName) -> bool) {
        let sessions = observation.sessions.iter().filter(|(name, _)| which(name));
        let surveys = sessions
            .map(|(name, session)| async move { (name.clone(), self.survey_again(name, session).await) });
        let seen = join_all(surveys).await;
        for (name, host) in seen {
            match host {
                Ok(host) => {
                    observation.hosts.insert(name, host);
                }
                Err(missed) => {
                    observation.hosts.remove(&name);
                    observation.unreachable.insert(name.clone(), missed.fault(&name));
                }
            }
        }
    }

    /// The command as the user has to type it again, without `skep`.
    pub(super) fn again(&self) -> String {
        match &self.undoes {
            Some(run) => format!("undo {run}"),
            None => self.command.to_owned(),
        }
    }

    /// What a node is asked about.
    fn keys(&self, name: &NodeName) -> Vec<Key> {
        match &self.keys {
            Some(keys) => keys.get(name).cloned().unwrap_or_default(),
            None => {
                let of = |node| desire::keys(self.inventory, node, &self.choices);
                self.inventory.node(name).map(of).unwrap_or_default()
            }
        }
    }

    async fn survey_again(&self, name: &NodeName, session: &HostSession) -> Result<plan::Host, Missed> {
        session.back().await.map_err(Missed::Failed)?;
        match self.survey(name, session, None).await {
            Err(Missed::Failed(_)) if session.is_gone() => {
                session.back().await.map_err(Missed::Failed)?;
                self.survey(name, session, None).await
            }
            seen => seen,
        }
    }

    /// Looks at a host for the first time. A connection that is lost meanwhile is made once more.
    async fn first_survey(
        &self,
        name: &NodeName,
        session: &HostSession,
        lock: bool,
    ) -> Result<plan::Host, Missed> {
        let mut seen = self.survey(name, session, lock.then_some(Claim::Free)).await;
        if let Err(Missed::Failed(fault)) = &seen
            && session.is_gone()
        {
            (self.sink)(Event::Retrying { node: name.clone(), cause: fault.cause.clone() });
            session.reopen().await.map_err(Missed::Failed)?;
            // The agent of the connection before may hold the lock still.
            seen = self.survey(name, session, lock.then_some(Claim::Again)).await;
        }
        let seen = seen?;
        if lock && !self.common.reconnect.is_zero() {
            let (owner, sink) = (self.owner.clone(), Arc::clone(&self.sink));
            session.keep(fleet::Keep { owner, patience: self.common.reconnect, sink });
        }
        Ok(seen)
    }

    async fn survey(
        &self,
        name: &NodeName,
        session: &HostSession,
        lock: Option<Claim>,
    ) -> Result<plan::Host, Missed> {
        let keys = || self.keys(name);
        // Both are sent at once, the lock first: what is seen under it stays as it was seen.
        let take = async {
            match lock {
                Some(claim) => self.take_lock(name, session, claim).await,
                None => Ok(Locked::AtOnce),
            }
        };
        let survey = || async {
            match self.inspect {
                true => session.inspect(keys(), audit::wanted(self.inventory, name)).await,
                false => session.survey(keys()).await,
            }
        };
        let (locked, mut seen) = futures_util::join!(take, survey());
        if locked? == Locked::AfterWaiting {
            seen = survey().await;
        }
        let fleet::Survey { facts, observed, clock_offset_ms, .. } = seen?;
        let machine = Some(facts.system.fingerprint()).filter(|known| !known.is_empty());
        (self.sink)(Event::Surveyed { node: name.clone(), machine });
        Ok(plan::Host { facts, observed, clock_offset_ms })
    }

    /// Takes a host's run lock. Where a run was killed, its agent finishes the step in hand, and is waited for. One
    /// whose controller is silent is told to leave where the user says so.
    async fn take_lock(
        &self,
        name: &NodeName,
        session: &HostSession,
        claim: Claim,
    ) -> Result<Locked, Missed> {
        let owner = &self.owner;
        let tell = |cause| (self.sink)(Event::Retrying { node: name.clone(), cause });
        if claim == Claim::Again
            && let Ok(locked) = session.take_lock(owner, claim, &tell).await
        {
            return Ok(locked);
        }
        let claim = if self.common.take_over { Claim::Silent } else { Claim::Free };
        match session.take_lock(owner, claim, &tell).await {
            Err(SessionError::Held(holder))
                if !holder.finishing
                    && holder.silent().is_some()
                    && ask::take_over(self.common, &self.reporter, &fleet::busy(name, &holder)).await =>
            {
                session.take_lock(owner, Claim::Silent, &tell).await?;
                // Whatever was seen before is the other run's work.
                Ok(Locked::AfterWaiting)
            }
            locked => Ok(locked?),
        }
    }

    /// The run's ID.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Lets go of all hosts: nothing more is done on them.
    pub(super) async fn leave(&self, sessions: &Sessions) {
        join_all(sessions.values().map(HostSession::finish)).await;
    }

    /// Everything the plan is made from.
    pub(super) fn view<'v>(&'v self, observation: &'v Observation) -> View<'v> {
        View {
            inventory: self.inventory,
            hosts: &observation.hosts,
            fresh: &observation.fresh,
            owed: &observation.owed,
            choices: self.choices.clone(),
            run: &self.id,
        }
    }
}

/// For whom a run takes the locks.
fn owner(common: &Common, command: &str, run: &str) -> LockOwner {
    LockOwner {
        who: Surroundings::of(&common.inventory).user,
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        reason: format!("skep {command}"),
        since: jiff::Timestamp::now().to_string(),
        run: run.to_owned(),
        finishing: false,
        holder: None,
    }
}

/// An ID for a run that sorts by time and is unique on this computer.
pub(super) fn run_id() -> String {
    // Not by way of the local time: its zones are looked for all over the disc.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    format!("{}-{}", now.strftime("%Y%m%dT%H%M%S"), std::process::id())
}
