//! Why an engine did not do what it was asked; never with a secret in it.

use std::time::Duration;

use crate::swarm::quorum::{Managers, quorum};

/// Starts of what swarms keep secret: join tokens and unlock keys.
const SECRETS: &[&str] = &["SWMTKN-", "SWMKEY-"];

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The way to the engine broke or could not be opened.
    #[error("the engine could not be asked to {doing}: {cause}")]
    Relay {
        /// What it was asked.
        doing: &'static str,
        /// The system's own words.
        cause: String,
    },
    /// The engine refused.
    #[error("the engine refused to {doing}: {message}")]
    Refused {
        /// What it was asked.
        doing: &'static str,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// It was not done in time; it may still be under way.
    #[error("the engine did not {doing} within {} s", after.as_secs())]
    Timeout {
        /// What it was asked.
        doing: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The engine answered what cannot be understood.
    #[error("asked to {doing}, the engine answered what cannot be understood: {cause}")]
    Answer {
        /// What it was asked.
        doing: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// A join ended without making the node a member.
    #[error("the node did not join{}{cause}", if cause.is_empty() { "" } else { ": " })]
    NotJoined {
        /// The engine's own words, where it has some.
        cause: String,
    },
    /// A demotion would leave too few managers that answer.
    #[error("it stays a manager: {} of {} managers answer, {} are needed, and one less would be too few",
        managers.reachable, managers.total, quorum(managers.total))]
    Quorum {
        /// The managers as they are.
        managers: Managers,
    },
    /// Without this manager the others would be too few, though only for a while.
    #[error("its engine keeps running: {} of {} managers answer, and {} are needed besides it",
        managers.reachable, managers.total, quorum(managers.total))]
    Indispensable {
        /// The managers as they are.
        managers: Managers,
    },
}

impl Error {
    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        let (Self::Refused { message: words, .. } | Self::NotJoined { cause: words }) = self else {
            return None;
        };
        // The engine's messages are not a format: where none is recognised, its words stand alone.
        let known = [
            (
                "does not have a leader",
                "bring back managers that are off until more than half of them answer",
            ),
            ("needs to be unlocked", "run `docker swarm unlock` on the node"),
            (
                "certificates have expired",
                "let the node leave (`docker swarm leave --force` on it) and run `skep up`",
            ),
            ("already part of a swarm", "run `skep plan` to see which swarm it is in"),
            ("not a swarm manager", "run `skep status` to see who manages the swarm"),
            ("not yet valid", "set the clocks right: `timedatectl` on both nodes"),
            ("could not be found", "run `skep plan` again: the node's record is gone"),
            ("invalid join token", "run `skep up` again: the token was changed meanwhile"),
            ("connection refused", "check that the managers' port 2377/tcp can be reached from the node"),
            ("deadline exceeded", "check that the managers' port 2377/tcp can be reached from the node"),
        ];
        known.iter().find(|(part, _)| words.contains(part)).map(|(_, help)| *help)
    }

    pub(super) fn from_api(doing: &'static str, error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as Api;
        match error {
            Api::DockerResponseServerError { status_code, message } => {
                Self::Refused { doing, status: status_code, message: redact(message.trim()) }
            }
            Api::JsonDataError { message, .. } => Self::answer(doing, &message),
            Api::JsonSerdeError { err } => Self::answer(doing, &err.to_string()),
            Api::APIVersionParseError {} => Self::answer(doing, "it names no API version"),
            other => Self::Relay { doing, cause: redact(&chain(&other)) },
        }
    }

    pub(super) fn answer(doing: &'static str, cause: &str) -> Self {
        Self::Answer { doing, cause: redact(cause) }
    }

    /// Whether a join may go on although asking for it ended like that.
    pub(super) fn leaves_join_open(&self) -> bool {
        self.says("Timeout was reached before node joined") || self.is_relay()
    }

    /// Whether the way to the engine failed, so that nothing is known of what it did.
    pub(crate) fn is_relay(&self) -> bool {
        matches!(self, Self::Relay { .. } | Self::Timeout { .. })
    }

    /// Whether the managers will answer otherwise in a moment: somebody else changed the same thing in between, they
    /// choose a new leader, let a demoted manager go, or notice that a node is off.
    ///
    /// One that does not lead hands its questions on to the one that does: where that one goes, what is told are gRPC's
    /// own codes for a connection that broke or a question that nobody answered.
    pub(super) fn is_unsettled(&self) -> bool {
        let passing = [
            "code = Unavailable",
            "code = Canceled",
            "code = DeadlineExceeded",
            "update out of sequence",
            "does not have a leader",
            "no elected cluster leader",
            // By the one that led when it was asked, in the middle of its work.
            "node lost leader status",
            "node is stopped",
            "must be demoted",
            "is not down",
        ];
        passing.iter().any(|part| self.says(part))
    }

    /// Whether a node that was demoted has yet to notice.
    pub(super) fn is_still_manager(&self) -> bool {
        self.says("participating as a manager")
    }

    pub(super) fn is_no_manager(&self) -> bool {
        self.says("not a swarm manager")
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    fn says(&self, part: &str) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains(part))
    }
}

/// An error with all that caused it: hyper keeps the system's words to the last.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
}

/// The text without join tokens and unlock keys.
pub(super) fn redact(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((place, start)) = SECRETS.iter().filter_map(|start| Some((rest.find(start)?, start))).min()
    {
        kept.push_str(&rest[..place]);
        kept.push_str(start);
        kept.push('…');
        let secret = &rest[place..];
        let end = secret.find(|c: char| !(c.is_ascii_alphanumeric() || "-+/=_".contains(c)));
        rest = &secret[end.unwrap_or(secret.len())..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_cut_out() {
        let table = [
            ("", ""),
            ("nothing here", "nothing here"),
            ("bad token SWMTKN-1-3pu6hszjas19x-8vxv8rssmk743ojn: no", "bad token SWMTKN-…: no"),
            ("\"SWMTKN-1-a-b\",\"SWMTKN-1-c-d\"", "\"SWMTKN-…\",\"SWMTKN-…\""),
            ("key SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8", "key SWMKEY-…"),
            ("SWMKEY-1-x+/= and SWMTKN-", "SWMKEY-… and SWMTKN-…"),
        ];
        for (text, expected) in table {
            assert_eq!(redact(text), expected);
        }
    }

    proptest! {
        #[test]
        fn no_token_survives(before in ".*", after in "[^A-Za-z0-9+/=_-].*|", token in "[a-z0-9]{20,50}-[a-z0-9]{25}") {
            let error = Error::from_api("join", bollard::errors::Error::DockerResponseServerError {
                status_code: 400,
                message: format!("{before}SWMTKN-1-{token}{after}"),
            });
            let told = format!("{error} {error:?}");
            prop_assert!(!told.contains(&token), "{}", told);
        }

        #[test]
        fn other_text_stays(text in "[^S]*") {
            prop_assert_eq!(redact(&text), text);
        }
    }

    #[test]
    fn help_is_known_for_what_engines_say() {
        let refused =
            |message: &str| Error::Refused { doing: "join", status: 503, message: message.to_owned() };
        let table = [
            (
                "rpc error: The swarm does not have a leader. It's possible that too few managers are online.",
                "bring back",
            ),
            ("x509: certificate has expired or is not yet valid", "timedatectl"),
            ("Swarm is encrypted and needs to be unlocked before it can be used.", "docker swarm unlock"),
        ];
        for (message, help) in table {
            assert!(refused(message).help().is_some_and(|told| told.contains(help)), "{message}");
        }
        assert_eq!(refused("something new").help(), None);
    }
}
