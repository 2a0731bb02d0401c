//! One host's agent: requests in, answers out.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncWriteExt, Join};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::agents::Agents;
use super::bootstrap::{self, OnPush};
use super::denied::Denied;
use super::elevation::{self, Elevation};
use super::failure::{Bootstrap, SessionError, last_line};
use super::password::{Passwords, Tries};
use super::remote::{Exit, Input, Output, Remote};
use super::script::{self, Start};
use crate::facts::Facts;
use crate::facts::clock::unix_ms;
use crate::inventory::model::NodeName;
use crate::resource::{Fault, Key, Observed, Progress};
use crate::wire::{Answer, Body, Reply, Request, frame};

/// How long an agent without work may take to leave.
const PARTING: Duration = Duration::from_secs(2);

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
pub struct HostSession {
    node: NodeName,
    launcher: Arc<Launcher>,
    outgoing: Mutex<Option<UnboundedSender<Vec<u8>>>>,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
    reader: tokio::sync::Mutex<JoinHandle<()>>,
}

/// Starts agents on one host.
struct Launcher {
    remote: Box<dyn Remote>,
    agents: Arc<Agents>,
    privilege: Privilege,
}

/// The requests that wait for answers.
#[derive(Default)]
struct Waiting {
    answers: Mutex<HashMap<u64, UnboundedSender<Answer>>>,
    /// Why there will be no more.
    end: Mutex<Option<String>>,
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
        let channel = launcher.start("serve", on_push).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        tokio::spawn(write_all(channel.input, receiver));
        let reader = tokio::spawn(read_all(channel.output, channel.exit, Arc::clone(&waiting)));
        Ok(Self {
            node,
            launcher: Arc::new(launcher),
            outgoing: Mutex::new(Some(sender)),
            waiting,
            next_id: AtomicU64::new(1),
            reader: tokio::sync::Mutex::new(reader),
        })
    }

    /// The node.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Asks, and waits for the final answer. The request is made whole even if this is cancelled.
    ///
    /// # Errors
    /// [`SessionError::Gone`]; what the agent could not do is an [`Answer::Fault`].
    pub async fn request(
        &self,
        body: Body,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Answer, SessionError> {
        let mut answers = self.send(body)?;
        loop {
            match answers.recv().await {
                Some(Answer::Progress(progress)) => on_progress(progress),
                Some(answer) => return Ok(answer),
                None => return Err(self.gone()),
            }
        }
    }

    /// Asks what the host is, and how the things of `keys` are on it.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn survey(&self, keys: Vec<Key>) -> Result<Survey, SessionError> {
        // The clock is asked first and apart, since a survey takes longer than a comparison of clocks may.
        let (clock, survey) =
            tokio::join!(self.compare_clocks(), self.request(Body::Survey { keys }, |_| ()));
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

    /// What connects to a Unix socket on the host, under the agent's privilege, as often as wanted.
    pub fn dialer(
        &self,
        socket: &str,
    ) -> impl Fn() -> BoxFuture<'static, io::Result<Relay>> + Send + Sync + use<> {
        let (launcher, socket, node) = (Arc::clone(&self.launcher), socket.to_owned(), self.node.clone());
        move || {
            let (launcher, socket, node) = (Arc::clone(&launcher), socket.clone(), node.clone());
            async move {
                if !script::is_plain(&socket) {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("{socket:?} is no socket's path"),
                    ));
                }
                let started = launcher.start(&format!("dial {socket}"), &mut |_, _| ()).await;
                let channel =
                    started.map_err(|error| io::Error::other(format!("{node}: {socket}: {error}")))?;
                Ok(tokio::io::join(channel.output, channel.input))
            }
            .boxed()
        }
    }

    /// Lets the agent go, which releases the run lock. Later requests find it gone.
    pub async fn close(&self) {
        lock(&self.outgoing).take();
        let mut reader = self.reader.lock().await;
        if !reader.is_finished() {
            let _ = timeout(PARTING, &mut *reader).await;
        }
    }

    fn send(&self, body: Body) -> Result<UnboundedReceiver<Answer>, SessionError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answers) = mpsc::unbounded_channel();
        let request = frame::encode(&Request { id, body }).map_err(|error| {
            SessionError::Fault(Box::new(Fault::new(
                &self.node,
                format!("the request cannot be sent: {error}"),
            )))
        })?;
        self.waiting.register(id, answer);
        let sent = lock(&self.outgoing).as_ref().is_some_and(|outgoing| outgoing.send(request).is_ok());
        // A writer that has gone is noticed by the reader too, which then drops all that wait.
        if sent { Ok(answers) } else { Err(self.gone()) }
    }

    fn gone(&self) -> SessionError {
        let cause = lock(&self.waiting.end).clone();
        SessionError::Gone {
            node: self.node.to_string(),
            cause: cause.unwrap_or_else(|| "it was let go".to_owned()),
        }
    }

    /// What an answer that is none to the question means. Never its content: a survey holds files of the host.
    pub fn not(&self, answer: Answer) -> SessionError {
        match answer {
            Answer::Fault(fault) => SessionError::Fault(Box::new(fault)),
            Answer::LockHeld(owner) => SessionError::Held(Box::new(owner)),
            _ => SessionError::Unexpected { node: self.node.to_string() },
        }
    }
}

impl Launcher {
    /// Starts an agent. sudo is let ask for a password only where it wants one: that is another command to run.
    async fn start(&self, arguments: &str, on_push: OnPush<'_>) -> Result<super::Channel, Bootstrap> {
        let mut passwords = self.privilege.passwords.tries();
        let mut password = self.privilege.passwords.expected();
        let mut late = false;
        loop {
            let started = self.start_once(arguments, password, &mut passwords, on_push).await;
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
        arguments: &str,
        password: bool,
        passwords: &mut Tries<'_>,
        on_push: OnPush<'_>,
    ) -> Result<super::Channel, Bootstrap> {
        let Privilege { elevation, places, passwords: Passwords { user, .. } } = &self.privilege;
        let start = Start { agents: &self.agents, places, arguments, elevation: *elevation, password };
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
}

impl Waiting {
    fn register(&self, id: u64, answer: UnboundedSender<Answer>) {
        let mut answers = lock(&self.answers);
        // After the end nobody answers; dropping the sender says so.
        if lock(&self.end).is_none() {
            answers.insert(id, answer);
        }
    }

    fn deliver(&self, Reply { id, body }: Reply) {
        let mut answers = lock(&self.answers);
        let last = body.is_final();
        if let Some(answer) = answers.get(&id) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(body);
        }
        if last {
            answers.remove(&id);
        }
    }

    fn end(&self, cause: String) {
        let mut answers = lock(&self.answers);
        *lock(&self.end) = Some(cause);
        answers.clear();
    }
}

/// Writes whole frames, whatever becomes of those who asked; the end of the input lets the agent go.
async fn write_all(mut input: Input, mut requests: UnboundedReceiver<Vec<u8>>) {
    while let Some(request) = requests.recv().await {
        if input.write_all(&request).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}

async fn read_all(mut output: Output, mut exit: Box<dyn Exit>, waiting: Arc<Waiting>) {
    let broken = loop {
        match frame::receive(&mut output).await {
            Ok(Some(reply)) => waiting.deliver(reply),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let ended = timeout(PARTING, exit.wait()).await;
    waiting.end(match (ended, broken) {
        (Ok(Err(lost)), _) => lost.to_string(),
        (Ok(Ok(status)), _) if !last_words(&status.stderr).is_empty() => last_words(&status.stderr),
        (_, Some(broken)) => broken.to_string(),
        (Ok(Ok(status)), None) => status
            .code
            .map_or_else(|| "it was killed".to_owned(), |code| format!("it ended with exit code {code}")),
        (Err(_), None) => "it closed its output".to_owned(),
    });
}

/// What an agent said at its end. A panic's message stands before the last line.
fn last_words(stderr: &str) -> String {
    let panic =
        stderr.lines().skip_while(|line| !line.contains("panicked at")).take(2).collect::<Vec<_>>().join(" ");
    if panic.is_empty() { last_line(stderr) } else { format!("a bug: {panic}") }
}

/// How far a clock is ahead that said `theirs` in answer to a question sent at `sent`, and how far that may be wrong.
fn offset(sent: i64, took: Duration, theirs: i64) -> (i64, i64) {
    let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    (theirs - sent - took / 2, took / 2 + 1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for HostSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostSession").field("node", &self.node).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_of_an_agent() {
        let panic = "thread 'main' panicked at src/a.rs:1:2:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\n";
        for (stderr, words) in [
            ("", ""),
            ("warning: x\nKilled\n\n", "Killed"),
            (panic, "a bug: thread 'main' panicked at src/a.rs:1:2: index out of bounds"),
        ] {
            assert_eq!(last_words(stderr), words);
        }
    }

    #[test]
    fn clock_offsets() {
        for (sent, took, theirs, expected) in [
            (1000, 0, 1000, (0, 1)),
            (1000, 40, 1020, (0, 21)),
            (1000, 40, 61_020, (60_000, 21)),
            (61_000, 40, 1020, (-60_000, 21)),
        ] {
            assert_eq!(offset(sent, Duration::from_millis(took), theirs), expected);
        }
    }
}
