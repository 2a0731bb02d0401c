//! The task that drains a channel.
//!
//! russh delivers all channels of a connection one message after the other, and waits where a channel's
//! queue is full: one that nobody reads would halt all others, keepalives included. It also opens a channel's
//! window again as soon as data arrives, so that the window slows nobody down. Therefore each channel has a
//! task that always reads, and keeps what the consumer has not taken yet. That is bounded per channel, far
//! above what a consumer that reads at all lets pile up; past the bound the command is ended with an error,
//! because the only other choices are to halt its neighbours or to run out of memory.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{mpsc, oneshot};
use tokio_util::bytes::Bytes;

use super::exec::{ExitStatus, Tail};

/// How many bytes of a command's output may wait for their reader.
const BACKLOG_LIMIT: usize = 64 * 1024 * 1024;

/// The number of standard error in an "extended data" message (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// How a channel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The command ended so.
    Status(ExitStatus),
    /// The server did not run the command.
    Refused,
    /// The reader fell too far behind.
    Flooded,
    /// The server closed the channel without a word on the command.
    NoStatus,
    /// The connection ended.
    Lost,
}

/// Drains one channel.
pub(super) struct Pump {
    read: ChannelReadHalf,
    write: Arc<ChannelWriteHalf<Msg>>,
    /// None: the output has ended, or nobody wants it any more.
    stdout: Option<mpsc::UnboundedSender<io::Result<Bytes>>>,
    backlog: Arc<AtomicUsize>,
    stderr: Tail,
    ending: Option<Ending>,
}

impl Pump {
    pub(super) fn new(
        channel: Channel<Msg>,
        stdout: mpsc::UnboundedSender<io::Result<Bytes>>,
        backlog: Arc<AtomicUsize>,
        stderr: Tail,
    ) -> Self {
        let (read, write) = channel.split();
        Self { read, write: Arc::new(write), stdout: Some(stdout), backlog, stderr, ending: None }
    }

    /// Runs until the channel or the connection ends. `input_ended` fails when the writer was dropped without
    /// an end of the input; `abandoned` fails when nobody is interested in the command any more; `_ended` is
    /// dropped at the end.
    pub(super) async fn run(
        mut self,
        mut input_ended: oneshot::Receiver<()>,
        mut abandoned: oneshot::Receiver<Infallible>,
        _ended: oneshot::Sender<Infallible>,
    ) -> Ending {
        let (mut input_open, mut wanted) = (true, true);
        loop {
            tokio::select! {
                message = self.read.wait() => match message {
                    Some(ChannelMsg::Close) => return self.ending.unwrap_or(Ending::NoStatus),
                    Some(message) => self.take(message),
                    None => return self.lost(),
                },
                ended = &mut input_ended, if input_open => {
                    input_open = false;
                    if ended.is_err() {
                        self.end_input();
                    }
                }
                Err(_) = &mut abandoned, if wanted => {
                    wanted = false;
                    self.end(Ending::NoStatus);
                }
            }
            if let Some(Ending::Refused | Ending::Flooded | Ending::NoStatus) = self.ending {
                return self.hang_up().await;
            }
        }
    }

    fn take(&mut self, message: ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => self.take_output(data),
            ChannelMsg::ExtendedData { data, ext: STDERR } => self.stderr.push(&data),
            ChannelMsg::Eof => self.stdout = None,
            ChannelMsg::ExitStatus { exit_status } => {
                self.end(Ending::Status(ExitStatus { code: Some(exit_status), signal: None }))
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.end(Ending::Status(ExitStatus { code: None, signal: Some(signal(signal_name)) }))
            }
            ChannelMsg::Failure => self.end(Ending::Refused),
            _ => {}
        }
    }

    fn take_output(&mut self, data: Bytes) {
        let waiting = self.backlog.load(Ordering::Relaxed);
        if waiting + data.len() > BACKLOG_LIMIT {
            self.end(Ending::Flooded);
            self.output(Err(flooded()));
        } else {
            self.output(Ok(data));
        }
    }

    /// Hands on to the reader; a reader that is gone wants no more.
    fn output(&mut self, chunk: io::Result<Bytes>) {
        let Some(stdout) = &self.stdout else { return };
        let length = chunk.as_ref().map_or(0, Bytes::len);
        // Counted before it can be read: the reader subtracts.
        self.backlog.fetch_add(length, Ordering::Relaxed);
        if stdout.send(chunk).is_err() {
            self.stdout = None;
        }
    }

    /// The first word on the end is the one that counts.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    fn end_input(&self) {
        let write = Arc::clone(&self.write);
        // Not awaited here: it waits for the connection's task, which may itself wait for this one to drain
        // the channel.
        tokio::spawn(async move { write.eof().await });
    }

    /// The connection ended. What was said about the command before still holds.
    fn lost(mut self) -> Ending {
        self.ending.take().unwrap_or_else(|| {
            let broken = io::ErrorKind::ConnectionReset;
            self.output(Err(io::Error::new(broken, "the connection was lost")));
            Ending::Lost
        })
    }

    /// Closes the channel from this side. russh says nothing more about such a channel, not even its end.
    async fn hang_up(self) -> Ending {
        // First, so that the connection's task need not wait for anybody to drain the channel.
        drop(self.read);
        let _ = self.write.close().await;
        self.ending.unwrap_or(Ending::NoStatus)
    }
}

/// What a reader finds that fell too far behind.
pub(super) fn flooded() -> io::Error {
    let limit = BACKLOG_LIMIT / (1024 * 1024);
    io::Error::other(format!("its reader fell {limit} MiB behind"))
}

fn signal(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        known => format!("{known:?}"),
    }
}
