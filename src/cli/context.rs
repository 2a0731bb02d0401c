//! One run of a command over the hosts of an inventory: its events, its journal, its agents, what they saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::args::{Changing, Common};
use super::{ask, exit};
use crate::apply::{Accounts, Journal, Sessions, Stop, millis, state_dir};
use crate::event::{Event, NodeSummary, Outcome, Sink, Summary};
use crate::fleet::{self, HostSession};
use crate::inventory::model::{Inventory, NodeName};
use crate::inventory::{self, Loaded};
use crate::plan::{self, Choices, Finding, View, desire};
use crate::report::{self, Printer, Reporter};
use crate::resource::Fault;
use crate::wire::{Answer, Body, LockOwner};

/// Why a command ends early.
#[derive(Debug)]
pub(super) struct Failure {
    /// skep's exit code.
    pub(super) code: u8,
    what: What,
}

#[derive(Debug)]
enum What {
    /// An error that is yet to be put into its form.
    Error { message: String, help: Option<String> },
    /// Something that is in its form already.
    Told(String),
}

impl Failure {
    /// A failure in one sentence.
    pub(super) fn new(code: u8, message: impl ToString) -> Self {
        Self { code, what: What::Error { message: message.to_string(), help: None } }
    }

    /// A failure that is printed as it is.
    pub(super) fn told(code: u8, text: String) -> Self {
        Self { code, what: What::Told(text) }
    }

    /// The same failure with what to do about it.
    pub(super) fn help(mut self, text: impl ToString) -> Self {
        if let What::Error { help, .. } = &mut self.what {
            *help = Some(text.to_string());
        }
        self
    }

    /// Prints it.
    pub(super) fn print(&self, printer: &Printer) {
        match &self.what {
            What::Error { message, help } => {
                printer.error(&report::error(message, help.as_deref(), printer.stderr()));
            }
            What::Told(text) => printer.error(text),
        }
    }
}

/// Reads the inventory of `--inventory`, and prints what is wrong with it.
pub(super) fn load(common: &Common) -> Result<Inventory, Failure> {
    let printer = common.printer();
    let colour = printer.stderr().colour;
    let Loaded { inventory, warnings } = inventory::load(&common.inventory)
        .map_err(|diagnostics| Failure::told(exit::USAGE, diagnostics.render(colour)))?;
    printer.note(&warnings.render(colour));
    for name in &common.limit {
        if inventory.node(name).is_none() {
            let names: Vec<_> = inventory.nodes.iter().map(|node| node.name.0.as_str()).collect();
            let message = format!("--limit names {name}, which is not in the inventory");
            return Err(Failure::new(exit::USAGE, message).help(format!("it has {}", names.join(", "))));
        }
    }
    Ok(inventory)
}

/// What the user said that the plan depends on.
pub(super) fn choices(common: &Common, changing: &Changing) -> Choices {
    Choices {
        limit: (!common.limit.is_empty()).then(|| common.limit.iter().cloned().collect()),
        adopt: changing.adopt.clone(),
        assume_new: changing.assume_new.iter().cloned().collect(),
    }
}

/// The reader of a run's events, which has to keep still while the user is asked something.
pub(super) type SharedReporter = Arc<Mutex<Box<dyn Reporter + Send>>>;

/// One run of a command over the hosts of an inventory.
pub(super) struct Run<'a> {
    pub(super) common: &'a Common,
    pub(super) inventory: &'a Inventory,
    pub(super) choices: Choices,
    pub(super) reporter: SharedReporter,
    pub(super) sink: Sink,
    pub(super) stop: Stop,
    id: String,
    command: &'static str,
    begun: Instant,
}

/// How a run lock was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locked {
    AtOnce,
    /// Somebody else changed the host in between.
    AfterWaiting,
}

/// How long the step that a killed run left behind may take: an installation on a board with a slow card.
const FINISHING: Duration = Duration::from_secs(45 * 60);

/// What was found out about the hosts, and the agents that did.
pub(super) struct Observation {
    pub(super) sessions: Sessions,
    pub(super) hosts: BTreeMap<NodeName, plan::Host>,
    pub(super) unreachable: BTreeMap<NodeName, Fault>,
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
        let printer = common.printer();
        let id = run_id();
        let journal = journal.then(|| Journal::begin(&state_dir(), &id)).transpose();
        let journal = journal.map_err(|error| Failure::new(exit::FAILED, error))?;
        let names: Vec<_> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
        let reporter: SharedReporter = Arc::new(Mutex::new(report::reporter(&printer)));
        let shown = Arc::clone(&reporter);
        let sink: Sink = Arc::new(move |event| {
            if let Some(journal) = &journal {
                journal.record(&event);
            }
            shown.lock().unwrap_or_else(PoisonError::into_inner).event(&event);
        });
        let stop = Stop::default();
        stop.on_signals(Arc::clone(&sink));
        sink(Event::Started {
            run: id.clone(),
            command: command.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: names,
        });
        Ok(Self { common, inventory, choices, reporter, sink, stop, id, command, begun: Instant::now() })
    }

    /// Connects to all hosts at once and asks each what it is and has. With `lock`, takes the run lock of those that
    /// may be changed.
    pub(super) async fn observe(&self, lock: bool) -> Result<Observation, Failure> {
        let options = fleet::Options {
            forks: usize::from(self.common.forks),
            connect_timeout: self.common.connect_timeout,
            retry_for: self.common.wait,
            accept_new_host_keys: self.common.accept_new_host_keys,
            ask: ask::host_key(self.common, &self.reporter),
            agent_dir: self.common.agent_dir.clone(),
        };
        let connected = fleet::connect(&self.inventory.nodes, &options, Arc::clone(&self.sink)).await;
        let connected = connected.map_err(|error| Failure::new(exit::USAGE, error))?;
        let surveys = connected.into_iter().map(|(name, session)| async {
            let seen = match session {
                Ok(session) => {
                    let lock = lock && self.choices.includes(&name);
                    self.survey(&name, &session, lock).await.map(|host| (session, host))
                }
                Err(fault) => Err(fault),
            };
            (name, seen)
        });
        let mut observation =
            Observation { sessions: Sessions::new(), hosts: BTreeMap::new(), unreachable: BTreeMap::new() };
        for (name, seen) in join_all(surveys).await {
            match seen {
                Ok((session, host)) => {
                    observation.sessions.insert(name.clone(), session);
                    observation.hosts.insert(name, host);
                }
                Err(fault) => {
                    (self.sink)(Event::Unreachable { node: name.clone(), fault: fault.clone() });
                    observation.unreachable.insert(name, fault);
                }
            }
        }
        Ok(observation)
    }

    /// Asks the agents that are connected already once more.
    pub(super) async fn look_again(&self, observation: &mut Observation) {
        let surveys = observation
            .sessions
            .iter()
            .map(|(name, session)| async move { (name.clone(), self.survey(name, session, false).await) });
        let seen = join_all(surveys).await;
        for (name, host) in seen {
            match host {
                Ok(host) => {
                    observation.hosts.insert(name, host);
                }
                Err(fault) => {
                    observation.hosts.remove(&name);
                    observation.unreachable.insert(name, fault);
                }
            }
        }
    }

    async fn survey(&self, name: &NodeName, session: &HostSession, lock: bool) -> Result<plan::Host, Fault> {
        let node = self.inventory.node(name).ok_or_else(|| Fault::new(name, "not in the inventory"))?;
        // Both are sent at once, the lock first: what is seen under it stays as it was seen.
        let take = async {
            match lock {
                true => self.take_lock(name, session).await,
                false => Ok(Locked::AtOnce),
            }
        };
        let survey = session.survey(desire::keys(self.inventory, node));
        let (locked, mut seen) = futures_util::join!(take, survey);
        if locked? == Locked::AfterWaiting {
            seen = session.survey(desire::keys(self.inventory, node)).await;
        }
        let fleet::Survey { facts, observed, clock_offset_ms, .. } =
            seen.map_err(|error| Fault::new(name, error))?;
        (self.sink)(Event::Surveyed { node: name.clone() });
        Ok(plan::Host { facts, observed, clock_offset_ms })
    }

    /// Takes a host's run lock. Where a run was killed, its agent finishes the step in hand, and is waited for.
    async fn take_lock(&self, name: &NodeName, session: &HostSession) -> Result<Locked, Fault> {
        let deadline = Instant::now() + FINISHING;
        let mut locked = Locked::AtOnce;
        loop {
            match session.request(self.lock(), |_| {}).await {
                Ok(Answer::Locked) => return Ok(locked),
                Ok(Answer::LockHeld(owner)) if owner.finishing && Instant::now() < deadline => {
                    if locked == Locked::AtOnce {
                        let cause = format!("waiting for the step that `{}` left behind", owner.reason);
                        (self.sink)(Event::Retrying { node: name.clone(), cause });
                    }
                    locked = Locked::AfterWaiting;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(Answer::LockHeld(owner)) => return Err(held(name, &owner)),
                Ok(Answer::Fault(fault)) => return Err(fault),
                Ok(other) => {
                    return Err(Fault::new(name, format!("its agent answered out of turn: {other:?}")));
                }
                Err(error) => return Err(Fault::new(name, error)),
            }
        }
    }

    fn lock(&self) -> Body {
        let owner = LockOwner {
            who: std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned()),
            host: nix::unistd::gethostname()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            reason: format!("skep {}", self.command),
            since: jiff::Timestamp::now().to_string(),
            run: self.id.clone(),
            finishing: false,
        };
        Body::Lock { owner }
    }

    /// Everything the plan is made from.
    pub(super) fn view(&self, observation: &Observation) -> View<'a> {
        View { inventory: self.inventory, hosts: observation.hosts.clone(), choices: self.choices.clone() }
    }

    /// Ends the run: sums up, and tells the exit code.
    pub(super) fn finish(&self, end: &End<'_>) -> u8 {
        let nodes: Vec<_> =
            self.inventory.nodes.iter().map(|node| self.node_summary(&node.name, end)).collect();
        let exit_code = end.code.unwrap_or_else(|| exit_code(&nodes, end));
        let next = next_steps(self.command, exit_code, &nodes);
        let summary = Summary { exit_code, ms: millis(self.begun.elapsed()), nodes, next };
        (self.sink)(Event::Finished { summary });
        exit_code
    }

    fn node_summary(&self, node: &NodeName, end: &End<'_>) -> NodeSummary {
        let account = end.accounts.get(node);
        let fault = account.and_then(|account| account.fault.clone()).or_else(|| end.fault(node));
        let changed = account.map_or(0, |account| account.changed);
        let outcome = if let Some(fault) = end.unreachable.get(node) {
            Outcome::Unreachable { fault: fault.clone() }
        } else if let Some(fault) = fault {
            Outcome::Failed { fault }
        } else if account.is_some_and(|account| account.stopped) {
            Outcome::Stopped
        } else if !self.choices.includes(node) {
            Outcome::Skipped
        } else if changed > 0 {
            Outcome::Changed
        } else {
            Outcome::Ok
        };
        let time = account.map_or(Duration::ZERO, |account| account.time);
        NodeSummary { node: node.clone(), outcome, changed, ms: millis(time) }
    }
}

/// How a run came to its end.
pub(super) struct End<'a> {
    /// Nodes that could not be reached.
    pub(super) unreachable: &'a BTreeMap<NodeName, Fault>,
    /// What became of the nodes that had steps.
    pub(super) accounts: &'a Accounts,
    /// What cannot be done, or is not as planned.
    pub(super) findings: &'a [Finding],
    /// The exit code where it is not to be told from the rest.
    pub(super) code: Option<u8>,
}

impl End<'_> {
    /// What keeps one node from being as planned.
    fn fault(&self, node: &NodeName) -> Option<Fault> {
        let finding = self.findings.iter().find(|finding| finding.nodes.contains(node))?;
        Some(Fault::new(node, &finding.message).help(&finding.help))
    }
}

fn exit_code(nodes: &[NodeSummary], end: &End<'_>) -> u8 {
    let any = |of: fn(&Outcome) -> bool| nodes.iter().any(|node| of(&node.outcome));
    let undone = any(|outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Stopped));
    match undone || !end.findings.is_empty() {
        true => exit::FAILED,
        false if any(|outcome| matches!(outcome, Outcome::Unreachable { .. })) => exit::UNREACHABLE,
        false => exit::OK,
    }
}

/// What to run next, where something is left to do.
fn next_steps(command: &str, exit_code: u8, nodes: &[NodeSummary]) -> Vec<String> {
    let left: Vec<&str> = nodes
        .iter()
        .filter(|node| !matches!(node.outcome, Outcome::Ok | Outcome::Changed | Outcome::Skipped))
        .map(|node| node.node.0.as_str())
        .collect();
    match exit_code {
        exit::OK if command == "up" && nodes.iter().any(|node| node.outcome == Outcome::Changed) => {
            vec!["skep status".to_owned()]
        }
        exit::FAILED | exit::UNREACHABLE if !left.is_empty() && left.len() < nodes.len() => {
            vec![format!("skep {command} --limit {}", left.join(","))]
        }
        exit::FAILED | exit::UNREACHABLE => vec![format!("skep {command}")],
        _ => Vec::new(),
    }
}

fn held(node: &NodeName, owner: &LockOwner) -> Fault {
    let LockOwner { who, host, reason, since, .. } = owner;
    Fault::new(node, format!("`{reason}` of {who}@{host} has been at work there since {since}"))
        .help("wait until it has ended; its lock ends with it, even where it was killed")
}

/// An ID for a run that sorts by time and is unique on this computer.
fn run_id() -> String {
    let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    format!("{}-{}", now.strftime("%Y%m%dT%H%M%S"), std::process::id())
}
