//! One connection to an agent: requests out, answers in, until it ends.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::bootstrap::OnPush;
use super::failure::{Bootstrap, last_line};
use super::remote::{Exit, Input, Output};
use super::script::Program;
use super::session::{Launcher, lock};
use crate::ssh::ExecError;
use crate::wire::{Answer, Body, Reply, Request, SILENCE_S, frame};

/// How long an agent without work may take to leave.
const PARTING: Duration = Duration::from_secs(2);

/// How often an agent hears of its controller at least, by which others tell a run that lives from one that is gone.
const WORD: Duration = Duration::from_secs(SILENCE_S / 6);

/// The number of the requests that only give word; nobody waits for their answers.
const WORD_ID: u64 = 0;

/// A connection to an agent.
pub(super) struct Link {
    /// What started the agent, and starts its relays over the same connection.
    pub(super) launcher: Launcher,
    outgoing: Mutex<Option<UnboundedSender<Vec<u8>>>>,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
    reader: tokio::sync::Mutex<JoinHandle<()>>,
}

/// The requests that wait for answers.
struct Waiting {
    answers: Mutex<HashMap<u64, UnboundedSender<Answer>>>,
    /// Why there will be no more.
    end: watch::Sender<Option<String>>,
}

impl Link {
    /// Starts an agent.
    pub(super) async fn open(launcher: Launcher, on_push: OnPush<'_>) -> Result<Self, Bootstrap> {
        let channel = launcher.start(Program::Agent("serve"), on_push).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting { answers: Mutex::default(), end: watch::Sender::new(None) });
        tokio::spawn(write_all(channel.input, receiver));
        let reader = tokio::spawn(read_all(channel.output, channel.exit, Arc::clone(&waiting)));
        Ok(Self {
            launcher,
            outgoing: Mutex::new(Some(sender)),
            waiting,
            next_id: AtomicU64::new(WORD_ID + 1),
            reader: tokio::sync::Mutex::new(reader),
        })
    }

    /// Sends a request; none where the connection has ended.
    pub(super) fn send(&self, body: Body) -> io::Result<Option<UnboundedReceiver<Answer>>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answers) = mpsc::unbounded_channel();
        let request = frame::encode(&Request { id, body })?;
        self.waiting.register(id, answer);
        let sent = lock(&self.outgoing).as_ref().is_some_and(|outgoing| outgoing.send(request).is_ok());
        // A writer that has gone is noticed by the reader too, which then drops all that wait.
        Ok(sent.then_some(answers))
    }

    /// Why it has ended, if it has.
    pub(super) fn end(&self) -> Option<String> {
        self.waiting.end.borrow().clone()
    }

    /// Waits for the end, and tells why.
    pub(super) async fn ended(&self) -> String {
        let mut end = self.waiting.end.subscribe();
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone()).unwrap_or_default()
    }

    /// Gives it up: who is there does not answer.
    pub(super) fn cut(&self, cause: &str) {
        lock(&self.outgoing).take();
        self.waiting.end(cause.to_owned());
    }

    /// Lets the agent go.
    pub(super) async fn close(&self) {
        lock(&self.outgoing).take();
        let mut reader = self.reader.lock().await;
        if !reader.is_finished() {
            let _ = timeout(PARTING, &mut *reader).await;
        }
    }
}

impl Waiting {
    fn register(&self, id: u64, answer: UnboundedSender<Answer>) {
        let mut answers = lock(&self.answers);
        // After the end nobody answers; dropping the sender says so.
        if self.end.borrow().is_none() {
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

    /// The first cause is the one that counts.
    fn end(&self, cause: String) {
        let mut answers = lock(&self.answers);
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(cause);
            first
        });
        answers.clear();
    }
}

/// Writes whole frames, whatever becomes of those who asked; the end of the input lets the agent go.
async fn write_all(mut input: Input, mut requests: UnboundedReceiver<Vec<u8>>) {
    let Ok(word) = frame::encode(&Request { id: WORD_ID, body: Body::Time }) else { return };
    // The first request is word enough.
    let mut words = interval_at(Instant::now() + WORD, WORD);
    words.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            _ = words.tick() => Some(word.clone()),
        };
        let Some(request) = request else { break };
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
        (Ok(Err(error)), _) => lost(&error),
        (Ok(Ok(status)), _) if !last_words(&status.stderr).is_empty() => last_words(&status.stderr),
        (_, Some(broken)) => broken.to_string(),
        (Ok(Ok(status)), None) => status
            .code
            .map_or_else(|| "it was killed".to_owned(), |code| format!("it ended with exit code {code}")),
        (Err(_), None) => "it closed its output".to_owned(),
    });
}

/// Why a command's end was not told. The node is named, and what helps said, by whoever tells of it.
fn lost(error: &ExecError) -> String {
    match error {
        ExecError::Lost { why: Some(why), .. } => format!("the connection was lost ({why})"),
        ExecError::Lost { why: None, .. } => "the connection was lost".to_owned(),
        other => other.to_string(),
    }
}

/// What an agent said at its end. A panic's message stands before the last line.
fn last_words(stderr: &str) -> String {
    let panic =
        stderr.lines().skip_while(|line| !line.contains("panicked at")).take(2).collect::<Vec<_>>().join(" ");
    if panic.is_empty() { last_line(stderr) } else { format!("a bug: {panic}") }
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
}
