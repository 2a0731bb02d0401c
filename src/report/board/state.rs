//! What one node is doing.

use std::time::Duration;

use crate::report::text::clean;
use crate::resource::Progress;

/// What one node is doing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Waiting,
    Working { since: Duration, phase: String, title: String, progress: Option<Progress> },
    Done,
    Failed { phase: String, cause: String },
}

impl State {
    pub(super) fn connecting(since: Duration, title: &str) -> Self {
        Self::Working { since, phase: "connect".to_owned(), title: title.to_owned(), progress: None }
    }

    /// Whether what becomes of the connection is no news of its own: a step is told of, or why there is none.
    pub(super) fn tells_more(&self) -> bool {
        match self {
            Self::Working { phase, .. } => phase != "connect",
            Self::Failed { .. } => true,
            Self::Waiting | Self::Done => false,
        }
    }

    /// The same with how far it has come.
    pub(super) fn with(&self, shown: Progress) -> Self {
        let mut state = self.clone();
        if let Self::Working { progress, .. } = &mut state {
            *progress = Some(shown);
        }
        state
    }

    pub(super) fn failed(phase: impl ToString, cause: &str) -> Self {
        Self::Failed { phase: phase.to_string(), cause: clean(cause) }
    }

    /// When the work in hand began; `now` where none is.
    pub(super) fn since(&self, now: Duration) -> Duration {
        match self {
            Self::Working { since, .. } => *since,
            _ => now,
        }
    }
}
