//! A running remote command as three parts that move apart: its input, its output, and its end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use russh::Channel;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::bytes::{Buf, Bytes};

use super::exec_error::ExecError;
use super::handler::Seen;
use super::pump::{Ending, Pump};

/// How much of a command's standard error is kept: its end, in bytes.
const STDERR_KEPT: usize = 8 * 1024;

/// A running remote command.
///
/// `tokio::io::join(exec.stdout, exec.stdin)` makes one stream of both directions. The command is told to
/// end (its channel is closed) once all three parts have been dropped.
#[derive(Debug)]
pub struct Exec {
    /// Its standard input.
    pub stdin: Stdin,
    /// Its standard output.
    pub stdout: Stdout,
    /// Its standard error and its end.
    pub exit: Exit,
}

/// Dropped with the last part of an [`Exec`].
type Lease = Arc<oneshot::Sender<Infallible>>;

impl Exec {
    pub(super) fn start(node: String, channel: Channel<Msg>, seen: Seen) -> Self {
        let writer = Box::pin(channel.make_writer());
        let (lease, abandoned) = oneshot::channel();
        let (end_of_input, input_ended) = oneshot::channel();
        let (ended, closed) = oneshot::channel();
        let (chunks_in, chunks) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let stderr = Tail::default();
        let lease = Arc::new(lease);

        let pump = Pump::new(channel, chunks_in, Arc::clone(&backlog), stderr.clone());
        let task = tokio::spawn(pump.run(input_ended, abandoned, ended));
        Self {
            stdin: Stdin { writer, closed, end_of_input: Some(end_of_input), _lease: lease.clone() },
            stdout: Stdout { chunks, current: Bytes::new(), backlog, _lease: lease.clone() },
            exit: Exit { node, task, ending: None, stderr, seen, _lease: lease },
        }
    }
}

/// A remote command's standard input. `shutdown` or dropping it sends the end of the input; writing to a
/// command that has ended fails with a broken pipe.
pub struct Stdin {
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    /// Resolves when the channel has ended. russh's writer does not notice that by itself: it would wait for
    /// a window that nobody opens any more.
    closed: oneshot::Receiver<Infallible>,
    /// Used or dropped: no more input.
    end_of_input: Option<oneshot::Sender<()>>,
    _lease: Lease,
}

impl Stdin {
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Err(_) = ready!(Pin::new(&mut self.closed).poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::BrokenPipe, "the remote command has ended"))
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.writer.as_mut().poll_write(cx, data) {
            Poll::Pending => self.poll_closed(cx).map(Err),
            done => done,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end_of_input.is_none() {
            return Poll::Ready(Ok(()));
        }
        let done = match self.writer.as_mut().poll_shutdown(cx) {
            Poll::Pending => ready!(self.poll_closed(cx).map(Err)),
            Poll::Ready(done) => done,
        };
        if let Some(told) = self.end_of_input.take() {
            // The pump may be gone with the channel.
            let _ = told.send(());
        }
        Poll::Ready(done)
    }
}

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

/// A remote command's standard output. A connection that breaks is an error here, never an end of file.
#[derive(Debug)]
pub struct Stdout {
    chunks: mpsc::UnboundedReceiver<io::Result<Bytes>>,
    current: Bytes,
    backlog: Arc<AtomicUsize>,
    _lease: Lease,
}

impl AsyncRead for Stdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.chunks.poll_recv(cx)) {
                Some(Ok(chunk)) => {
                    self.backlog.fetch_sub(chunk.len(), Ordering::Relaxed);
                    self.current = chunk;
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current[..length]);
        self.current.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// How a remote command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitStatus {
    /// Its exit code, if it ended by itself.
    pub code: Option<u32>,
    /// The signal that ended it, without `SIG`: `TERM`, `KILL` …
    pub signal: Option<String>,
}

impl ExitStatus {
    /// Whether it ended by itself with code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, &self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("no exit status"),
        }
    }
}

/// A remote command's standard error and its end.
#[derive(Debug)]
pub struct Exit {
    node: String,
    task: JoinHandle<Ending>,
    ending: Option<Ending>,
    stderr: Tail,
    seen: Seen,
    _lease: Lease,
}

impl Exit {
    /// The last 8 KiB of what the command has written to its standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until more than `beyond` bytes have come on standard error: how many by then, and the last 8 KiB of them.
    /// Waits for ever where no more come.
    pub async fn stderr_beyond(&self, beyond: u64) -> (u64, String) {
        self.stderr.beyond(beyond).await
    }

    /// Waits for the command's end. Its output need not be read for that. Can be cancelled and called again.
    ///
    /// # Errors
    /// See [`ExecError`]; a command that ended in whatever way is no error.
    pub async fn wait(&mut self) -> Result<ExitStatus, ExecError> {
        if self.ending.is_none() {
            // The task fails only when the whole runtime goes down.
            let ending = (&mut self.task).await.unwrap_or(Ending::Lost);
            self.ending = Some(ending);
        }
        let node = self.node.clone();
        match self.ending.clone().unwrap_or(Ending::Lost) {
            Ending::Status(status) if status.code == Some(1) && self.demands_new_password() => {
                Err(ExecError::PasswordExpired { node })
            }
            Ending::Status(status) => Ok(status),
            Ending::Refused => Err(ExecError::Refused { node, why: "the request to run it failed".into() }),
            Ending::Flooded => Err(ExecError::Output { node, source: super::pump::flooded() }),
            Ending::NoStatus => Err(ExecError::NoStatus {
                node,
                stderr: Some(self.stderr()).filter(|text| !text.trim().is_empty()),
            }),
            Ending::Lost => Err(ExecError::Lost { node, why: self.seen.farewell() }),
        }
    }

    /// What sshd itself writes in the command's place where a password has expired.
    fn demands_new_password(&self) -> bool {
        self.stderr().contains("Password change required but no TTY available")
    }
}

/// The end of a stream of bytes, shared between who fills and who reads it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail(Arc<Filling>);

#[derive(Debug, Default)]
struct Filling {
    kept: Mutex<Kept>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    /// How many bytes have come.
    written: u64,
    last: VecDeque<u8>,
}

impl Tail {
    pub(super) fn push(&self, data: &[u8]) {
        let mut kept = self.kept();
        kept.written += data.len() as u64;
        kept.last.extend(&data[data.len().saturating_sub(STDERR_KEPT)..]);
        let surplus = kept.last.len().saturating_sub(STDERR_KEPT);
        kept.last.drain(..surplus);
        drop(kept);
        self.0.more.notify_waiters();
    }

    pub(super) fn text(&self) -> String {
        self.kept().text()
    }

    async fn beyond(&self, beyond: u64) -> (u64, String) {
        loop {
            // Registered before the look, so that nothing comes unnoticed in between.
            let mut more = pin!(self.0.more.notified());
            more.as_mut().enable();
            let now = {
                let mut kept = self.kept();
                (kept.written > beyond).then(|| (kept.written, kept.text()))
            };
            match now {
                Some(now) => return now,
                None => more.await,
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.last.make_contiguous()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end() {
        let tail = Tail::default();
        tail.push(b"");
        assert_eq!(tail.text(), "");
        tail.push(b"ab");
        tail.push(b"cd");
        assert_eq!(tail.text(), "abcd");
        tail.push(&vec![b'x'; STDERR_KEPT - 1]);
        assert_eq!(tail.text().len(), STDERR_KEPT);
        assert!(tail.text().starts_with("dx"));
        tail.push(&vec![b'y'; STDERR_KEPT * 3]);
        assert_eq!(tail.text(), "y".repeat(STDERR_KEPT));
    }

    #[tokio::test]
    async fn who_waits_for_more_hears_of_it_once() {
        let tail = Tail::default();
        let (seen, ()) = tokio::join!(tail.beyond(0), async {
            tokio::task::yield_now().await;
            tail.push(b"Pass");
            tail.push(b"word:");
        });
        assert_eq!(seen, (9, "Password:".to_owned()));
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, tail.beyond(9)).await.is_err());
        tail.push(b"!");
        assert_eq!(tail.beyond(9).await, (10, "Password:!".to_owned()));
    }

    #[test]
    fn statuses_read_well() {
        let code = |code| ExitStatus { code: Some(code), signal: None };
        let signal = ExitStatus { code: None, signal: Some("TERM".into()) };
        assert!(code(0).success());
        assert!(!code(1).success() && !signal.success());
        assert_eq!(code(7).to_string(), "exit code 7");
        assert_eq!(signal.to_string(), "signal TERM");
    }
}
