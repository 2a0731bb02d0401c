//! One host's agent: requests in, answers out.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Join};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::agents::Agents;
use super::bootstrap::{self, OnPush};
use super::denied::Denied;
use super::elevation::{self, Elevation};
use super::failure::{Bootstrap, SessionError};
use super::link::Link;
use super::password::{Passwords, Tries};
use super::reconnect::{LogIn, Relearn, Standing};
use super::remote::{Channel, Input, Output, Remote, Status};
use super::script::{self, Program, Start};
use crate::facts::Facts;
use crate::facts::clock::unix_ms;
use crate::facts::inspection::Wanted;
use crate::inventory::model::NodeName;
use crate::resource::{Fault, Key, Observed, Progress};
use crate::wire::{Answer, Body};

/// A stream of bytes to a socket on a host.
pub type Relay = Join<Output, Input>;

/// How agents are started on a host.
#[derive(Debug, Clone)]
pub struct Privilege {
    /// The login becomes root by this.
    pub elevation: Elevation,
    /// What sudo may be answered with, where it asks.
    pub passwords: Passwords,
    /// Where agents may be kept on the host, the best place first; [`super::PLACES`]. Plain words.
    pub places: Vec<String>,
}

/// What a host is and has.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// What it is.
    pub facts: Facts,
    /// Each thing asked about.
    pub observed: BTreeMap<Key, Result<Observed, Fault>>,
    /// How far its clock is ahead of this computer's, in milliseconds.
    pub clock_offset_ms: i64,
    /// How far the truth may be from that, in milliseconds: half the time the question took.
    pub clock_uncertainty_ms: i64,
}

/// An agent that runs on a host. Requests may be made from several tasks at once; they are answered in their order.
///
/// Where the connection is lost, requests end with [`SessionError::Gone`]; a session that is
/// [kept](HostSession::keep) connects again by itself, and [`HostSession::back`] waits for that.
pub struct HostSession {
    pub(super) shared: Arc<Shared>,
    pub(super) keeper: Mutex<Option<JoinHandle<()>>>,
}

/// What a session shares with the task that keeps it up.
pub(super) struct Shared {
    pub(super) node: NodeName,
    link: Mutex<Arc<Link>>,
    /// How to log in once more.
    pub(super) log_in: OnceLock<LogIn>,
    /// How its keys are recorded.
    pub(super) relearn: OnceLock<Relearn>,
    pub(super) standing: watch::Sender<Standing>,
    next_step: AtomicU64,
    /// Why the image's password could not be seen to.
    password_owed: OnceLock<Fault>,
}

/// How much is read of what a program prints, in bytes.
const LONGEST: u64 = 4096;

/// Starts agents on one host.
pub(super) struct Launcher {
    remote: Box<dyn Remote>,
    agents: Arc<Agents>,
    privilege: Privilege,
}

impl HostSession {
    /// Starts the agent, which is brought to the host where it is missing.
    ///
    /// # Errors
    /// See [`Bootstrap`].
    pub async fn open(
        node: NodeName,
        remote: Box<dyn Remote>,
        agents: Arc<Agents>,
        privilege: Privilege,
        on_push: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Self, Bootstrap> {
        let launcher = Launcher { remote, agents, privilege };
        let link = Link::open(launcher, on_push).await?;
        let shared = Shared {
            node,
            link: Mutex::new(Arc::new(link)),
            log_in: OnceLock::new(),
            relearn: OnceLock::new(),
            standing: watch::Sender::new(Standing::Up),
            next_step: AtomicU64::new(1),
            password_owed: OnceLock::new(),
        };
        Ok(Self { shared: Arc::new(shared), keeper: Mutex::default() })
    }

    /// The node.
    pub fn node(&self) -> &NodeName {
        &self.shared.node
    }

    /// Why the password of the host's image could not be seen to, where it could not.
    pub fn password_owed(&self) -> Option<&Fault> {
        self.shared.password_owed.get()
    }

    /// The image's password could not be seen to.
    pub(super) fn owe_password(&self, fault: Fault) {
        let _ = self.shared.password_owed.set(fault);
    }

    /// A number for a step that no other of this session has.
    pub fn next_step(&self) -> u64 {
        self.shared.next_step.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks, and waits for the final answer. The request is made whole even if this is cancelled.
    ///
    /// # Errors
    /// [`SessionError::Gone`]; what the agent could not do is an [`Answer::Fault`].
    pub async fn request(
        &self,
        body: Body,
        on_progress: impl FnMut(Progress),
    ) -> Result<Answer, SessionError> {
        self.shared.request(body, on_progress).await
    }

    /// Asks what the host is, and how the things of `keys` are on it.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn survey(&self, keys: Vec<Key>) -> Result<Survey, SessionError> {
        self.ask(keys, None).await
    }

    /// As [`survey`](Self::survey), with what only an audit wants to know.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn inspect(&self, keys: Vec<Key>, wanted: Wanted) -> Result<Survey, SessionError> {
        self.ask(keys, Some(wanted)).await
    }

    async fn ask(&self, keys: Vec<Key>, inspect: Option<Wanted>) -> Result<Survey, SessionError> {
        // The clock is asked first and apart, since a survey takes longer than a comparison of clocks may.
        let (clock, survey) =
            tokio::join!(self.compare_clocks(), self.request(Body::Survey { keys, inspect }, |_| ()));
        let (clock_offset_ms, clock_uncertainty_ms) = clock?;
        match survey? {
            Answer::Survey { facts, observed } => Ok(Survey {
                facts: *facts,
                observed: observed.into_iter().collect(),
                clock_offset_ms,
                clock_uncertainty_ms,
            }),
            other => Err(self.not(other)),
        }
    }

    /// How far the host's clock is ahead, and how far that may be wrong.
    async fn compare_clocks(&self) -> Result<(i64, i64), SessionError> {
        let (sent, asked) = (unix_ms(), Instant::now());
        match self.request(Body::Time, |_| ()).await? {
            Answer::Time { unix_ms } => Ok(offset(sent, asked.elapsed(), unix_ms)),
            other => Err(self.not(other)),
        }
    }

    /// What connects to a Unix socket on the host, under the agent's privilege, as often as wanted; over whichever
    /// connection there is at that time.
    pub fn dialer(
        &self,
        socket: &str,
    ) -> impl Fn() -> BoxFuture<'static, io::Result<Relay>> + Send + Sync + use<> {
        let (shared, socket) = (Arc::clone(&self.shared), socket.to_owned());
        move || {
            let (shared, socket) = (Arc::clone(&shared), socket.clone());
            async move {
                let node = &shared.node;
                if !script::is_plain(&socket) {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("{socket:?} is no socket's path"),
                    ));
                }
                let link = shared.link();
                if let Some(cause) = link.end() {
                    return Err(io::Error::other(format!("{node}: {socket}: {cause}")));
                }
                let started =
                    link.launcher.start(Program::Agent(&format!("dial {socket}")), &mut |_, _| ()).await;
                let channel =
                    started.map_err(|error| io::Error::other(format!("{node}: {socket}: {error}")))?;
                Ok(tokio::io::join(channel.output, channel.input))
            }
            .boxed()
        }
    }

    /// Has the host's own perl read a program and what it works on, under the agent's privilege: how it ended, and what it
    /// printed, which is to be short.
    pub(super) async fn perl(&self, program: &SecretString) -> Result<(Status, String), Bootstrap> {
        let started = self.shared.link().launcher.start(Program::Perl, &mut |_, _| ()).await?;
        let Channel { mut input, output, mut exit } = started;
        // How it ended tells more than a broken pipe.
        let _ = input.write_all(program.expose_secret().as_bytes()).await;
        let _ = input.shutdown().await;
        drop(input);
        let mut printed = String::new();
        let _ = output.take(LONGEST).read_to_string(&mut printed).await;
        Ok((exit.wait().await?, printed))
    }

    /// Whether sudo took the password of `user` here.
    pub(super) fn sudo_wants(&self, user: &str) -> bool {
        self.shared.link().launcher.privilege.passwords.took(user)
    }

    /// `user` has another password from now on.
    pub(super) fn password_changed(&self, user: &str, new: &SecretString) {
        self.shared.link().launcher.privilege.passwords.changed(user, new);
    }

    /// Lets the agent go, which releases the run lock. Later requests find it gone.
    pub async fn close(&self) {
        self.let_be();
        self.shared.link().close().await;
    }

    /// What an answer that is none to the question means. Never its content: a survey holds files of the host.
    pub fn not(&self, answer: Answer) -> SessionError {
        self.shared.not(answer)
    }
}

impl Shared {
    /// The connection that there is now, or was last.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&lock(&self.link))
    }

    /// Puts another connection in the place of one that is lost.
    pub(super) fn replace(&self, link: Link) {
        *lock(&self.link) = Arc::new(link);
    }

    pub(super) async fn request(
        &self,
        body: Body,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Answer, SessionError> {
        let link = self.link();
        let sent = link.send(body).map_err(|error| {
            SessionError::Fault(Box::new(Fault::new(
                &self.node,
                format!("the request cannot be sent: {error}"),
            )))
        })?;
        let Some(mut answers) = sent else { return Err(self.gone(&link)) };
        loop {
            match answers.recv().await {
                Some(Answer::Progress(progress)) => on_progress(progress),
                Some(answer) => return Ok(answer),
                None => return Err(self.gone(&link)),
            }
        }
    }

    pub(super) fn gone(&self, link: &Link) -> SessionError {
        SessionError::Gone {
            node: self.node.to_string(),
            cause: link.end().unwrap_or_else(|| "it was let go".to_owned()),
        }
    }

    pub(super) fn not(&self, answer: Answer) -> SessionError {
        match answer {
            Answer::Fault(fault) => SessionError::Fault(Box::new(fault)),
            Answer::LockHeld(owner) => SessionError::Held(Box::new(owner)),
            Answer::LockPassed(owner) => SessionError::Passed(Box::new(owner)),
            _ => SessionError::Unexpected { node: self.node.to_string() },
        }
    }
}

impl Launcher {
    /// Starts an agent. sudo is let ask for a password only where it wants one: that is another command to run.
    pub(super) async fn start(
        &self,
        program: Program<'_>,
        on_push: OnPush<'_>,
    ) -> Result<Channel, Bootstrap> {
        let mut passwords = self.privilege.passwords.tries();
        let mut password = self.privilege.passwords.expected();
        let mut late = false;
        loop {
            let started = self.start_once(program, password, &mut passwords, on_push).await;
            password = match started {
                Err(Bootstrap::Denied(Denied::Password { .. })) if !password => {
                    self.not_forbidden().await?;
                    true
                }
                // sudo gave up before the user did.
                Err(Bootstrap::Denied(Denied::Wrong { .. })) if passwords.may_go_on() => true,
                Err(Bootstrap::Denied(Denied::Late)) if !late && passwords.may_go_on() => {
                    late = true;
                    passwords.untried();
                    true
                }
                done => return done,
            };
        }
    }

    async fn start_once(
        &self,
        program: Program<'_>,
        password: bool,
        passwords: &mut Tries<'_>,
        on_push: OnPush<'_>,
    ) -> Result<Channel, Bootstrap> {
        let Privilege { elevation, places, passwords: Passwords { user, .. } } = &self.privilege;
        let start = Start { agents: &self.agents, places, program, elevation: *elevation, password };
        bootstrap::start(&*self.remote, &start, user, passwords, on_push).await
    }

    /// sudo asks for a password before it says that a login may not do this at all. Where the login may do other things
    /// without one, it says so at once: nobody is asked for a password that does not help.
    async fn not_forbidden(&self) -> Result<(), Bootstrap> {
        let status = bootstrap::run(&*self.remote, elevation::MAY_RUN).await?;
        match status.code == Some(elevation::MAY_NOT) {
            true => Err(Denied::Restricted { user: self.privilege.passwords.user.clone() }.into()),
            false => Ok(()),
        }
    }

    /// The same over another connection.
    pub(super) fn over(&self, remote: Box<dyn Remote>) -> Self {
        Self { remote, agents: Arc::clone(&self.agents), privilege: self.privilege.clone() }
    }
}

/// How far a clock is ahead that said `theirs` in answer to a question sent at `sent`, and how far that may be wrong:
/// by half of what it took, and by what was cut off of three times.
fn offset(sent: i64, took: Duration, theirs: i64) -> (i64, i64) {
    let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    (theirs - sent - took / 2, took / 2 + 2)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for HostSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostSession").field("node", self.node()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_offsets() {
        for (sent, took, theirs, expected) in [
            (1000, 0, 1000, (0, 2)),
            (1000, 40, 1020, (0, 22)),
            (1000, 40, 61_020, (60_000, 22)),
            (61_000, 40, 1020, (-60_000, 22)),
            // Asked at 1000.9, answered at 1003.9, back at 1003.99.
            (1000, 3, 1003, (2, 3)),
        ] {
            assert_eq!(offset(sent, Duration::from_millis(took), theirs), expected);
        }
    }
}
