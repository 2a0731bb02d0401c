//! What the controller and the agent say to each other, versioned.
//!
//! The agent begins with one line, [`hello`]; then each side sends [`frame`]s of JSON. Requests are answered in
//! their order, each with exactly one final answer; only [`Answer::Progress`] may come before that one.
//!
//! Whoever changes a message raises [`PROTOCOL`] unless the old reader understands the new message and the new
//! reader the old one; the samples in `tests/fixtures/wire` prove the latter.

pub mod frame;

use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::resource::{Change, Fault, Key, Observed, Progress, Receipt};

/// Version of everything in here.
pub const PROTOCOL: u32 = 1;

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
    },
    /// Take the host's run lock.
    Lock {
        /// For whom.
        owner: LockOwner,
    },
    /// Make a change; only under the run lock.
    Apply {
        /// The change.
        change: Change,
    },
    /// Release the run lock.
    Unlock,
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
    /// To [`Body::Apply`]: it is done.
    Applied(Receipt),
    /// To any: it could not be done.
    Fault(Fault),
    /// To [`Body::Apply`]: it goes on. The only answer that is not the last one.
    Progress(Progress),
    /// To [`Body::Unlock`], also where the lock was not held.
    Unlocked,
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
