//! What an audit found, as it is shown, saved and compared. Its JSON form is public.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::reach::OVERLAY;
use super::verdict::{Severity, Verdict};
use crate::inventory::model::{NodeName, Role};
use crate::mask::masked;
use crate::resource::Fault;

/// Version of [`Report`]'s JSON form. Raise it when an old reader would misread a new report.
pub const AUDIT_VERSION: u32 = 1;

/// What an audit found. Stands as one line `"event":"audit"` among the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename = "audit")]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// skep's own version.
    pub skep: String,
    /// The cluster's name in the inventory.
    pub cluster: String,
    /// When, as RFC 3339.
    pub at: String,
    /// The nodes of the inventory, in its order.
    pub nodes: Vec<AuditedNode>,
    /// Those that did not answer, and why.
    pub unreachable: BTreeMap<NodeName, Fault>,
    /// Every check on every node that it applies to, the worst first.
    pub verdicts: Vec<Verdict>,
    /// What came through between the nodes; none where it was not tried.
    pub reach: Option<Reach>,
}

/// A text cannot be read as an audit that was saved.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is something else.
    #[error("is no saved audit: {0}")]
    Other(serde_json::Error),
    /// It has a form that this skep does not know.
    #[error("is an audit of form {found}, and this skep reads form {AUDIT_VERSION}")]
    Form {
        /// Its form.
        found: u32,
    },
}

impl Report {
    /// The worst there is; [`Severity::Ok`] where there is nothing.
    pub fn worst(&self) -> Severity {
        self.verdicts.iter().map(|verdict| verdict.severity).min().unwrap_or(Severity::Ok)
    }

    /// How it is saved: its JSON form, secrets masked.
    pub fn saved(&self) -> String {
        let text = serde_json::to_string(self).expect("maps of a report have strings as keys");
        masked(&text) + "\n"
    }

    /// Reads what [`Report::saved`] wrote, or what `skep audit --json` printed.
    ///
    /// # Errors
    /// Where it is none, or of another form.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        // Among the events of `--json` the report is one line of several.
        let report = |line: &&str| line.contains(r#""event":"audit","#);
        let text = text.lines().find(report).unwrap_or(text);
        let Form { version } = serde_json::from_str(text).map_err(ReadError::Other)?;
        match version {
            AUDIT_VERSION => serde_json::from_str(text).map_err(ReadError::Other),
            found => Err(ReadError::Form { found }),
        }
    }
}

/// What every form has.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

/// A node of the inventory, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedNode {
    /// Its name.
    pub name: NodeName,
    /// What it shall be.
    pub role: Role,
    /// Where SSH connects to.
    pub address: String,
    /// Its host name; empty where it did not answer, as is all that follows.
    pub hostname: String,
    /// Its system: `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// Its board, where it names one.
    pub board: Option<String>,
    /// `uname -m`.
    pub machine: String,
    /// `uname -r`.
    pub kernel: String,
    /// The engine's version; empty where none answers.
    pub engine: String,
    /// Whether it leads the swarm.
    #[serde(default)]
    pub leader: bool,
    /// Labels that it shall have, by the inventory.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What came through between the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Each port that was tried.
    pub tries: Vec<Try>,
    /// The largest packets that came through.
    pub mtus: Vec<PathMtu>,
}

/// One port, tried from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Who tried.
    pub from: NodeName,
    /// Whom.
    pub to: NodeName,
    /// At which address.
    pub address: IpAddr,
    /// Which port.
    pub port: u16,
    /// By which protocol.
    pub protocol: Protocol,
    /// What came of it.
    pub result: TryResult,
}

impl Try {
    /// Which way it was tried, as the evidence of a finding about it says.
    pub(crate) fn way(&self) -> String {
        format!("{} to {}, {}/{}", self.from, self.address, self.port, self.protocol)
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TryResult {
    /// It arrived.
    Open,
    /// It did not arrive: no answer, or the words of whoever refused it.
    Blocked(String),
    /// It could not be tried, and why.
    Untried(String),
}

/// The largest packet that came from one node to another in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMtu {
    /// Who sent.
    pub from: NodeName,
    /// Whom.
    pub to: NodeName,
    /// Bytes of the whole IP packet; none where none arrived.
    pub bytes: Option<u32>,
    /// Bytes that the sender's own interface takes.
    pub interface: u32,
}

/// What plain Ethernet takes, and overlay networks send.
pub(super) const ETHERNET: u32 = 1500;

impl PathMtu {
    /// Which way they were sent, as the evidence of a finding about it says.
    pub(crate) fn way(&self) -> String {
        format!("{} to {}, {OVERLAY}/udp", self.from, self.to)
    }

    /// How bad it is that packets get lost which the sender's interface takes; none where none do.
    pub(crate) fn loss(&self) -> Option<Severity> {
        let bytes = self.bytes.unwrap_or_default();
        let severity = if bytes < self.interface.min(ETHERNET) { Severity::Error } else { Severity::Warning };
        (bytes < self.interface).then_some(severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = include_str!("../../tests/fixtures/audit/v1.json");

    #[test]
    fn the_first_form_is_still_read_and_read_again_as_saved() {
        let report = Report::read(V1).unwrap();
        assert_eq!((report.version, report.nodes.len(), report.worst()), (1, 5, Severity::Error));
        assert_eq!(Report::read(&report.saved()).unwrap(), report);
        let among_events = format!("{{\"event\":\"connecting\"}}\n{}", report.saved());
        assert_eq!(Report::read(&among_events).unwrap(), report);
    }

    #[test]
    fn what_is_no_audit_of_this_form_is_refused_by_name() {
        for (text, told) in [
            ("", "is no saved audit"),
            ("{}", "is no saved audit: missing field `version`"),
            ("{\"version\":1}", "is no saved audit"),
            ("{\"version\":2,\"event\":\"audit\"}", "is an audit of form 2, and this skep reads form 1"),
        ] {
            let error = Report::read(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_of_hosts_are_not_saved() {
        let mut report = Report::read(V1).unwrap();
        report.verdicts[0].evidence[0].text = "HTTP_PROXY=http://bob:hunter2@proxy:3128".to_owned();
        let saved = report.saved();
        assert!(!saved.contains("hunter2") && saved.contains("***@proxy"), "{saved}");
    }
}
