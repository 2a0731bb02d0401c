//! The talk with [`script`](super::script): until the agent says hello.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::agents::{Agents, Build};
use super::failure::Bootstrap;
use super::remote::{Channel, Output, Remote, Status};
use super::script::MARK;
use crate::wire;

/// How long the host may say nothing. Writing the agent to a slow card can take this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much may be printed before the script's first word: a shell's start-up files are chatty, but not endless.
const NOISE: u64 = 64 << 10;

/// How much is sent between two words about the progress.
const PIECE: usize = 32 << 10;

/// Hears how many bytes of how many have been sent.
pub(super) type OnPush<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Runs `skep-agent ARGUMENTS` on a host, where it is put first if it is missing; the agent has said hello.
pub(super) async fn start(
    remote: &dyn Remote,
    agents: &Agents,
    command: &str,
    on_push: OnPush<'_>,
) -> Result<Channel, Bootstrap> {
    let mut channel = remote.exec(command).await?;
    loop {
        let Some(line) = marked_line(&mut channel.output).await? else {
            return Err(Bootstrap::from_end(&end(channel).await?));
        };
        if let Some((protocol, version)) = wire::parse_hello(&line) {
            return match protocol {
                wire::PROTOCOL => Ok(channel),
                protocol => Err(Bootstrap::Protocol { protocol, version: version.to_owned() }),
            };
        }
        match line.strip_prefix(MARK).unwrap_or_default().split_once(' ') {
            Some(("push", machine)) => {
                let build = agents.get(machine).ok_or_else(|| unknown(machine, agents))?;
                // A host that stops reading has said why, or will: that tells more than the broken pipe.
                let _ = timeout(PATIENCE, push(&mut channel, build, on_push)).await;
            }
            Some(("fail", reason)) => {
                let status = end(channel).await?;
                return Err(Bootstrap::from_line(reason, machines(agents), &status));
            }
            _ => {}
        }
    }
}

/// The next line of the script or the agent; none at the output's end.
async fn marked_line(output: &mut Output) -> Result<Option<String>, Bootstrap> {
    let mut output = output.take(NOISE);
    loop {
        let mut line = Vec::new();
        let read = timeout(PATIENCE, output.read_until(b'\n', &mut line)).await;
        let read = read.map_err(|_| Bootstrap::Silent(format!("no word within {} s", PATIENCE.as_secs())))?;
        // How the command ended tells more than how its output did.
        if read.unwrap_or(0) == 0 {
            return match output.limit() {
                0 => Err(Bootstrap::Silent("the login's shell prints without end".to_owned())),
                _ => Ok(None),
            };
        }
        let line = String::from_utf8_lossy(&line);
        if line.starts_with(MARK) {
            return Ok(Some(line.trim_end().to_owned()));
        }
    }
}

async fn push(channel: &mut Channel, build: &Build, on_push: OnPush<'_>) -> std::io::Result<()> {
    let gzip = build.gzip();
    let (mut done, total) = (0, gzip.len() as u64);
    on_push(done, total);
    channel.input.write_all(format!("{total}\n").as_bytes()).await?;
    for piece in gzip.chunks(PIECE) {
        channel.input.write_all(piece).await?;
        done += piece.len() as u64;
        on_push(done, total);
    }
    channel.input.flush().await
}

/// How the command ended; it is not waited for longer than for a word.
async fn end(channel: Channel) -> Result<Status, Bootstrap> {
    let Channel { input, mut exit, .. } = channel;
    drop(input);
    let ended = timeout(PATIENCE, exit.wait()).await;
    Ok(ended.map_err(|_| Bootstrap::Silent(format!("it did not end within {} s", PATIENCE.as_secs())))??)
}

fn unknown(machine: &str, agents: &Agents) -> Bootstrap {
    Bootstrap::Machine { machine: machine.to_owned(), have: machines(agents) }
}

fn machines(agents: &Agents) -> Vec<String> {
    agents.iter().map(|(machine, _)| machine.to_owned()).collect()
}
