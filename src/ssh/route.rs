//! The way to a host: a stream of bytes to its SSH server, by TCP, through a jump host or over a command.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use russh::ChannelOpenFailure;
use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{ChildStderr, Command};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{ConnectFailure, Unreachable};
use super::exec::Tail;
use super::prompt::{Acknowledgement, prompt};
use super::session::Session;
use super::target::{Options, Route, Target};

/// How long a command that closed its output may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A way that is ready to be gone.
pub(super) enum Way {
    Direct,
    Jump { session: Arc<Session>, hop: Arc<Target> },
    Command(String),
}

/// A stream to an SSH server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream to an SSH server, and what to ask where it breaks off early.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Stream>,
    pub(super) command: Option<CommandWords>,
}

impl Way {
    /// Makes the way to `target` ready: the jump host has its own time to answer, and to be asked about.
    pub(super) async fn prepare(target: &Target, options: &Options) -> Result<Self, ConnectFailure> {
        Ok(match &target.route {
            Route::Direct => Self::Direct,
            Route::Command(command) => Self::Command(command.clone()),
            Route::Jump(hop) => match options.jumps.session(hop, options).await {
                Ok(session) => Self::Jump { session, hop: Arc::clone(hop) },
                Err(source) => return Err(ConnectFailure::Jump { hop: hop.asked.clone(), source }),
            },
        })
    }

    /// Opens the stream, whose acknowledgements can be hurried where it leads straight to the server.
    pub(super) async fn open(
        &self,
        target: &Target,
        deadline: Instant,
        patience: Duration,
        acknowledgement: &Acknowledgement,
    ) -> Result<Opened, ConnectFailure> {
        let (stream, command): (Box<dyn Stream>, _) = match self {
            Self::Direct => {
                let stream = connect(target, deadline, patience, acknowledgement.clone()).await?;
                (Box::new(stream), None)
            }
            Self::Jump { session, hop } => {
                let opening = through(session, hop, target);
                let opened = timeout_at(deadline, opening).await;
                let channel =
                    opened.map_err(|_| too_slow("the connection through the jump host", patience))??;
                (Box::new(Keeping { stream: channel, _kept: Arc::clone(session) }), None)
            }
            Self::Command(command) => {
                let (stream, words) = spawn(command)?;
                (Box::new(stream), Some(words))
            }
        };
        Ok(Opened { stream, command })
    }
}

async fn connect(
    target: &Target,
    deadline: Instant,
    patience: Duration,
    acknowledgement: Acknowledgement,
) -> Result<impl Stream + 'static, ConnectFailure> {
    let addresses =
        timeout_at(deadline, resolve(target)).await.map_err(|_| too_slow("the name lookup", patience))??;
    let mut last = None;
    for (index, address) in addresses.iter().enumerate() {
        // Each address gets an equal share of what is left: a dead IPv6 route must not use up the time.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - index) as u32;
        last = Some(match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(prompt(stream, acknowledgement)),
            Ok(Err(error)) => Unreachable::Connection(error),
            Err(_) => Unreachable::Timeout { doing: "the connection attempt", after: patience },
        });
    }
    Err(ConnectFailure::Unreachable(
        last.unwrap_or_else(|| Unreachable::Name(io::Error::other("it has no address"))),
    ))
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, ConnectFailure> {
    tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map(Iterator::collect)
        .map_err(|error| ConnectFailure::Unreachable(Unreachable::Name(error)))
}

pub(super) fn too_slow(doing: &'static str, after: Duration) -> ConnectFailure {
    ConnectFailure::Unreachable(Unreachable::Timeout { doing, after })
}

/// The name is looked up by the jump host.
async fn through(
    session: &Session,
    hop: &Target,
    target: &Target,
) -> Result<ChannelStream<Msg>, ConnectFailure> {
    let (name, login) = (|| hop.asked.clone(), || hop.arguments());
    session.forward(&target.host, target.port).await.map_err(|error| match error {
        russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed) => {
            ConnectFailure::Unreachable(Unreachable::Beyond { hop: name(), login: login() })
        }
        russh::Error::ChannelOpenFailure(reason) => {
            ConnectFailure::Forwarding { hop: name(), why: reason_word(&reason) }
        }
        _ => ConnectFailure::Unreachable(Unreachable::JumpLost { hop: name() }),
    })
}

fn reason_word(reason: &ChannelOpenFailure) -> String {
    match reason {
        ChannelOpenFailure::AdministrativelyProhibited => "administratively prohibited".to_owned(),
        ChannelOpenFailure::ResourceShortage => "resource shortage".to_owned(),
        ChannelOpenFailure::UnknownChannelType => "unknown channel type".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Starts a user's command whose standard streams lead to a server. It ends with the stream.
///
/// Interrupts from the terminal are kept from it, as skep brings the step in hand to its end before it leaves.
fn spawn(command: &str) -> Result<(impl Stream + 'static, CommandWords), ConnectFailure> {
    const SHIELDED: &str = r#"trap '' INT; exec "$0" -c "$1""#;
    let shell =
        std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
    let mut process = Command::new("/bin/sh");
    process.arg("-c").arg(SHIELDED).arg(shell).arg(format!("exec {command}"));
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |error: io::Error| ConnectFailure::ProxyCommand { last_words: Some(error.to_string()) };
    let mut child = process.spawn().map_err(failed)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed(io::Error::other("no streams")));
    };
    let stream = Keeping { stream: tokio::io::join(stdout, stdin), _kept: child };
    Ok((stream, CommandWords::listen(stderr)))
}

/// What a command says on its standard error.
pub(super) struct CommandWords {
    tail: Tail,
    listener: tokio::task::JoinHandle<()>,
}

impl CommandWords {
    fn listen(mut stderr: ChildStderr) -> Self {
        let tail = Tail::default();
        let heard = tail.clone();
        // For as long as the command lives: it would halt if nobody listened.
        let listener = tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
                heard.push(&buffer[..length]);
            }
        });
        Self { tail, listener }
    }

    /// The last line, once the command has ended or has had the time to say it.
    pub(super) async fn last(self) -> Option<String> {
        let _ = timeout(LAST_WORDS, self.listener).await;
        let text = self.tail.text();
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(super::handler::printable(line))
    }
}

/// A stream, and what has to live as long.
struct Keeping<S, K> {
    stream: S,
    _kept: K,
}

impl<S: AsyncRead + Unpin, K: Unpin> AsyncRead for Keeping<S, K> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, K: Unpin> AsyncWrite for Keeping<S, K> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
