//! What a check comes to.

use serde::{Deserialize, Serialize};

use crate::inventory::model::NodeName;

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The host cannot be what the inventory wants, or data are in danger.
    Error,
    /// It works, but will not do so well, or not for long.
    Warning,
    /// It could not be seen, so that nothing is said about it.
    Unknown,
    /// Worth knowing; nothing has to be done.
    Note,
    /// All is well.
    Ok,
}

/// What was read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A file, a command or an address: `/proc/config.gz`.
    pub place: String,
    /// What it said: `CONFIG_VXLAN is not set`.
    pub text: String,
}

/// What a check comes to on a node, or on several of them, or on the cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The check's ID.
    pub check: String,
    /// The nodes it is about; the cluster as a whole where empty.
    pub nodes: Vec<NodeName>,
    /// How bad it is.
    pub severity: Severity,
    /// The thing and the cause, in one sentence without the node's name.
    pub message: String,
    /// What was read.
    pub evidence: Vec<Evidence>,
    /// What to do, each the exact line or command for these nodes; empty where nothing has to be done.
    pub remedy: Vec<String>,
}

/// A verdict that is not yet about any node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    severity: Severity,
    message: String,
    evidence: Vec<Evidence>,
    remedy: Vec<String>,
}

impl Judgement {
    /// That bad, for this reason.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), evidence: Vec::new(), remedy: Vec::new() }
    }

    /// All is well.
    pub fn ok(message: impl Into<String>) -> Self {
        Self::new(Severity::Ok, message)
    }

    /// Worth knowing.
    pub fn note(message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message)
    }

    /// It could not be seen.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Severity::Unknown, message)
    }

    /// It will not do well.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    /// It cannot be.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// What was read there.
    #[must_use]
    pub fn seen(mut self, place: impl Into<String>, text: impl Into<String>) -> Self {
        self.evidence.push(Evidence { place: place.into(), text: text.into() });
        self
    }

    /// What helps.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy.push(remedy.into());
        self
    }

    /// Says it of these nodes; of the cluster as a whole where there are none.
    pub fn about(self, nodes: impl IntoIterator<Item = NodeName>) -> Verdict {
        let Self { severity, message, evidence, remedy } = self;
        let nodes = nodes.into_iter().collect();
        Verdict { check: String::new(), nodes, severity, message, evidence, remedy }
    }
}
