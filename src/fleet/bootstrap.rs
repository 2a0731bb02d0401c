//! The talk with [`script`](super::script): until the agent says hello.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::agents::{Agents, Build};
use super::denied::Denied;
use super::elevation::{Tool, asked_for, complaint};
use super::failure::{Bootstrap, Stage};
use super::password::Tries;
use super::remote::{Channel, Exit, Output, Remote, Status};
use super::script::{MARK, Start};
use crate::wire;

/// How long the host may say nothing. Writing the agent to a slow card can take this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much may be printed before the script's first word: a shell's start-up files are chatty, but not endless.
const NOISE: u64 = 64 << 10;

/// How much is sent between two words about the progress.
const PIECE: usize = 32 << 10;

/// Hears how many bytes of how many have been sent.
pub(super) type OnPush<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Runs the agent on a host, where it is put first if it is missing; the agent has said hello. `user` is the login.
pub(super) async fn start(
    remote: &dyn Remote,
    start: &Start<'_>,
    user: &str,
    passwords: &mut Tries<'_>,
    on_push: OnPush<'_>,
) -> Result<Channel, Bootstrap> {
    if let Some(command) = start.command_at_once() {
        let talk = Talk::new(remote.exec(&command).await?, user);
        // Whatever kept it from that, the script looks in other places, too, and tells what is amiss.
        if let Talked::Hello(channel) = talk.on(start, passwords, on_push).await? {
            return Ok(channel);
        }
    }
    let talk = Talk::new(remote.exec(&start.command()).await?, user);
    match talk.on(start, passwords, on_push).await? {
        Talked::Hello(channel) => Ok(channel),
        Talked::Ended(talk) => Err(talk.ended(passwords).await?),
    }
}

/// Runs a command that reads nothing and says little, to its end.
pub(super) async fn run(remote: &dyn Remote, command: &str) -> Result<Status, Bootstrap> {
    end(remote.exec(command).await?).await
}

/// A command that runs, and how far it is.
struct Talk<'a> {
    channel: Channel,
    user: &'a str,
    stage: Stage,
    heard: Heard,
    /// What sudo asked last.
    asked: Option<Question>,
    /// Places that take no agent, with the cause.
    no: Vec<String>,
}

/// sudo waits for a password.
#[derive(Clone)]
struct Question {
    /// Whose.
    owner: String,
    /// What was said of the answer before, where this is not the first question.
    complaint: Option<String>,
    /// How many bytes of standard error had come by then.
    at: u64,
}

/// What a talk has come to.
enum Talked<'a> {
    /// The agent has said hello.
    Hello(Channel),
    /// The output's end, without it.
    Ended(Talk<'a>),
}

enum Word {
    /// A line of the script or the agent.
    Line(String),
    /// One of sudo's.
    Question(Question),
    /// The output's end.
    End,
}

impl<'a> Talk<'a> {
    fn new(channel: Channel, user: &'a str) -> Self {
        Self { channel, user, stage: Stage::Login, heard: Heard::default(), asked: None, no: Vec::new() }
    }

    /// Goes on until the agent says hello or nothing more is said.
    async fn on(
        mut self,
        start: &Start<'_>,
        passwords: &mut Tries<'_>,
        on_push: OnPush<'_>,
    ) -> Result<Talked<'a>, Bootstrap> {
        loop {
            let word = match self.word(start.password).await? {
                Word::Question(question) => {
                    self.answer(question, passwords).await?;
                    continue;
                }
                Word::End => return Ok(Talked::Ended(self)),
                Word::Line(line) => line,
            };
            if let Some((protocol, version)) = wire::parse_hello(&word) {
                match protocol {
                    // Somebody else's words, before the script had its say.
                    _ if self.stage != Stage::Script => {}
                    wire::PROTOCOL => return Ok(Talked::Hello(self.channel)),
                    protocol => return Err(Bootstrap::Protocol { protocol, version: version.to_owned() }),
                }
                continue;
            }
            let word = word.strip_prefix(MARK).unwrap_or_default();
            match (self.stage, word.split_once(' ').unwrap_or((word, ""))) {
                (Stage::Login, ("shell", "")) => self.stage = Stage::Shell,
                (Stage::Shell, ("by", tool)) => {
                    self.stage = Tool::named(tool).map_or(Stage::Shell, Stage::Elevation)
                }
                (_, ("script", "")) => {
                    passwords.taken();
                    self.stage = Stage::Script;
                }
                (Stage::Script, ("no", place)) => self.no.push(place.to_owned()),
                (Stage::Script, ("push", machine)) => {
                    let build = start.agents.get(machine).ok_or_else(|| unknown(machine, start.agents))?;
                    // A host that stops reading has said why, or will: that tells more than the broken pipe.
                    let _ = timeout(PATIENCE, push(&mut self.channel, build, on_push)).await;
                }
                (Stage::Shell | Stage::Script, ("fail", reason)) => {
                    let (no, have) = (std::mem::take(&mut self.no), machines(start.agents));
                    let status = end(self.channel).await?;
                    return Err(Bootstrap::from_line(reason, self.user, &no, have, &status));
                }
                _ => {}
            }
        }
    }

    /// What comes next. A password is only ever asked for by sudo itself: after the login's shell has begun, and before
    /// the script has.
    async fn word(&mut self, password: bool) -> Result<Word, Bootstrap> {
        let Self { channel, heard, asked, stage, .. } = self;
        let seen = asked.as_ref().map_or(0, |question| question.at);
        let may_ask = password && *stage == Stage::Elevation(Tool::Sudo);
        tokio::select! {
            line = heard.marked_line(&mut channel.output) => Ok(line?.map_or(Word::End, Word::Line)),
            question = question(&mut *channel.exit, seen), if may_ask => {
                *asked = Some(question.clone());
                Ok(Word::Question(question))
            }
        }
    }

    /// Answers sudo, or lets it go without an answer.
    async fn answer(&mut self, question: Question, passwords: &mut Tries<'_>) -> Result<(), Denied> {
        let Question { owner, complaint, .. } = question;
        let user = self.user.to_owned();
        if complaint.as_deref() == Some("") {
            return Err(Denied::Second { user });
        }
        let Some(password) = passwords.next(&owner).await else {
            return Err(match complaint {
                Some(_) => Denied::Wrong { user, owner },
                None => Denied::Password { user, owner },
            });
        };
        let line = SecretString::from(format!("{}\n", password.expose_secret()));
        // Where sudo has gone meanwhile, its last words tell why.
        let _ = self.channel.input.write_all(line.expose_secret().as_bytes()).await;
        let _ = self.channel.input.flush().await;
        Ok(())
    }

    /// Why the output ended without an agent.
    async fn ended(self, passwords: &Tries<'_>) -> Result<Bootstrap, Bootstrap> {
        let Self { channel, user, stage, heard, asked, .. } = self;
        let status = end(channel).await?;
        let wrong =
            ["incorrect password attempt", "try again"].iter().any(|words| status.stderr.contains(words));
        Ok(match asked {
            Some(Question { owner, .. }) if stage != Stage::Script && wrong && passwords.tried() => {
                Denied::Wrong { user: user.to_owned(), owner }.into()
            }
            _ => Bootstrap::from_end(stage, user, heard.last.as_deref(), &status),
        })
    }
}

/// Waits until sudo asks, after the first `seen` bytes of standard error.
async fn question(exit: &mut dyn Exit, mut seen: u64) -> Question {
    loop {
        let (at, stderr) = exit.stderr_beyond(seen).await;
        if let Some(owner) = asked_for(&stderr) {
            let complaint = complaint(&stderr).map(str::to_owned);
            return Question { owner: owner.to_owned(), complaint, at };
        }
        seen = at;
    }
}

/// The lines heard so far that are nobody's we know.
#[derive(Default)]
struct Heard {
    /// A line without its end yet.
    partial: Vec<u8>,
    /// How many bytes since the last line that is somebody's.
    noise: u64,
    /// The last of the noise.
    last: Option<String>,
}

impl Heard {
    /// The next line of the script or the agent; none at the output's end. Can be cancelled and called again.
    async fn marked_line(&mut self, output: &mut Output) -> Result<Option<String>, Bootstrap> {
        loop {
            let room = NOISE.saturating_sub(self.noise + self.partial.len() as u64);
            if room == 0 {
                return Err(Bootstrap::Silent("the login's shell prints without end".to_owned()));
            }
            let mut output = (&mut *output).take(room);
            let read = timeout(PATIENCE, output.read_until(b'\n', &mut self.partial)).await;
            let read =
                read.map_err(|_| Bootstrap::Silent(format!("no word within {} s", PATIENCE.as_secs())))?;
            // How the command ended tells more than how its output did.
            let ended = read.unwrap_or(0) == 0;
            if !ended && !self.partial.ends_with(b"\n") {
                continue;
            }
            let line = std::mem::take(&mut self.partial);
            let text = String::from_utf8_lossy(&line);
            if text.starts_with(MARK) && !ended {
                self.noise = 0;
                return Ok(Some(text.trim_end().to_owned()));
            }
            self.noise += line.len() as u64;
            let text = text.trim();
            if !text.is_empty() {
                self.last = Some(text.to_owned());
            }
            if ended {
                return Ok(None);
            }
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
