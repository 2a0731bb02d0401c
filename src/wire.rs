//! What the controller and the agent say to each other, versioned.
//!
//! The agent begins with one line, [`hello`]; then each side sends [`frame`]s of JSON. Requests are answered in
//! their order, each with exactly one final answer; only [`Answer::Progress`] may come before that one.
//!
//! Whoever changes a message raises [`PROTOCOL`] unless the old reader understands the new message and the new
//! reader the old one; the samples in `tests/fixtures/wire` prove the latter.

pub mod exercise;
pub mod frame;
pub mod reach;

use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::facts::inspection::Wanted;
use crate::resource::{Change, Fault, Key, Observed, Progress, Receipt};

/// Version of everything in here.
pub const PROTOCOL: u32 = 4;

/// First word of the agent's first line.
const HELLO: &str = "skep-agent";

/// The agent's first line, without its end.
pub fn hello() -> String {
    format!("{HELLO} {PROTOCOL} {}", env!("CARGO_PKG_VERSION"))
}

/// The protocol and the version that an agent's first line names; none where it is no such line.
pub fn parse_hello(line: &str) -> Option<(u32, &str)> {
    let (protocol, version) = line.trim_end().strip_prefix(HELLO)?.strip_prefix(' ')?.split_once(' ')?;
    Some((protocol.parse().ok()?, version))
}

/// Controller to agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Told in each answer.
    pub id: u64,
    /// What is asked.
    pub body: Body,
}

/// What is asked of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// What time is it? Answered at once, so that the clocks can be compared.
    Time,
    /// What is the host, and how are these things on it?
    Survey {
        /// The things.
        keys: Vec<Key>,
        /// What an audit wants to know besides; nothing where it is none.
        #[serde(default)]
        inspect: Option<Wanted>,
    },
    /// Take the host's run lock.
    Lock {
        /// For whom.
        owner: LockOwner,
        /// What if it is held.
        #[serde(default)]
        claim: Claim,
    },
    /// Make a change; only under the run lock.
    Apply {
        /// The change.
        change: Change,
        /// What the run calls this step, so that it can ask for the [`Outcome`] over another connection.
        #[serde(default)]
        step: u64,
        /// What it does, for whoever finds the run lock held.
        #[serde(default)]
        title: String,
    },
    /// What became of a step, for a controller that lost its connection in the middle of it.
    Outcome {
        /// The ID of its run.
        run: String,
        /// The step.
        step: u64,
    },
    /// Release the run lock.
    Unlock,
    /// Listen for what other hosts send, for a minute at most.
    Listen {
        /// Marks the datagrams to listen for.
        token: u64,
        /// The ports that others connect to.
        tcp: Vec<u16>,
    },
    /// Send to other hosts.
    Probe(reach::Probe),
    /// What arrived since [`Body::Listen`]?
    Heard,
    /// Use a mounted share.
    Exercise(exercise::Exercise),
}

impl Body {
    /// Has a change made as that step. The agent is told what it does, and need not know how to say it.
    pub fn apply(change: Change, step: u64) -> Self {
        Self::Apply { title: change.describe().title, change, step }
    }
}

/// Who holds a host's run lock, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// User on the controller.
    pub who: String,
    /// The controller's hostname.
    pub host: String,
    /// The command: `skep up`.
    pub reason: String,
    /// Since when, as RFC 3339.
    pub since: String,
    /// ID of the run, for its journal.
    pub run: String,
    /// Whether the run itself is gone, and its agent only finishes the step in hand.
    #[serde(default)]
    pub finishing: bool,
    /// The agent that holds it; none in a request, and where it is none of skep's.
    #[serde(default)]
    pub holder: Option<Holder>,
}

/// An agent that holds a host's run lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When it last heard of its controller, in seconds since the host booted: a first boot may set the clock.
    pub heard: u64,
    /// How many seconds ago that was when it was asked about.
    pub silent: u64,
    /// The step in hand.
    #[serde(default)]
    pub step: Option<String>,
}

/// What to do where a host's run lock is held, or was held by another run in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// It is left to its holder.
    #[default]
    Free,
    /// The run had it and lost its connection: the agent that still holds it for this run is told to leave. It is not
    /// taken where another run has had it since.
    Again,
    /// A holder whose controller was not heard of for [`SILENCE_S`] is told to leave.
    Silent,
}

/// Controllers are heard of every few seconds. One that was silent for this many is asleep, cut off or gone.
pub const SILENCE_S: u64 = 120;

impl LockOwner {
    /// Whether both are the same run.
    pub fn same_run(&self, other: &Self) -> bool {
        (&self.who, &self.host, &self.run) == (&other.who, &other.host, &other.run)
    }

    /// How many seconds its controller has not been heard of, where that is known and long enough to take it for gone.
    pub fn silent(&self) -> Option<u64> {
        self.holder.as_ref().map(|holder| holder.silent).filter(|silent| *silent >= SILENCE_S)
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done(Receipt),
    /// It could not be done.
    Failed(Fault),
    /// Nobody knows: the host was rebooted, or its agent was killed in the middle of it.
    Unknown,
}

/// Agent to controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's.
    pub id: u64,
    /// The answer to it.
    pub body: Answer,
}

/// The agent's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Body::Time`].
    Time {
        /// The host's clock, in milliseconds since 1970.
        unix_ms: i64,
    },
    /// To [`Body::Survey`].
    Survey {
        /// What the host is.
        facts: Box<Facts>,
        /// Each thing asked about, in the order of the request.
        observed: Vec<(Key, Result<Observed, Fault>)>,
    },
    /// To [`Body::Lock`]: it is yours.
    Locked,
    /// To [`Body::Lock`]: it is another's.
    LockHeld(LockOwner),
    /// To [`Body::Lock`] with [`Claim::Again`]: it is free, but this other run has had it since.
    LockPassed(LockOwner),
    /// To [`Body::Outcome`].
    Outcome(Outcome),
    /// To [`Body::Apply`]: it is done.
    Applied(Receipt),
    /// To any: it could not be done.
    Fault(Fault),
    /// To [`Body::Apply`]: it goes on. The only answer that is not the last one.
    Progress(Progress),
    /// To [`Body::Unlock`], also where the lock was not held.
    Unlocked,
    /// To [`Body::Listen`]: whatever arrives from now on is noticed.
    Listening,
    /// To [`Body::Probe`], in the order of its peers.
    Probed(Vec<reach::Sent>),
    /// To [`Body::Heard`].
    Heard(reach::Heard),
    /// To [`Body::Exercise`], for each user in its order.
    Exercised(Vec<exercise::Exercised>),
}

impl Answer {
    /// Whether nothing more is answered to this request.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Progress(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_lines() {
        assert_eq!(parse_hello(&hello()), Some((PROTOCOL, env!("CARGO_PKG_VERSION"))));
        assert_eq!(parse_hello("skep-agent 7 1.2.3-rc.1\r\n"), Some((7, "1.2.3-rc.1")));
        for other in [
            "",
            "skep-agent",
            "skep-agent 1",
            "skep-agents 1 2",
            "skep-agent x 1",
            "Welcome to skep-agent 1 2",
        ] {
            assert_eq!(parse_hello(other), None, "{other:?}");
        }
    }
}
