//! What every foreign format comes down to, before it is made to fit skep.

use std::ops::Range;

use super::word::Word;
use crate::inventory::model::Role;

/// Hosts as a foreign file describes them.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The cluster's name, where the file has one.
    pub(super) name: Option<Word>,
    /// In the order of the file.
    pub(super) hosts: Vec<Candidate>,
    /// The engine that is installed there by other means, where the file says so.
    pub(super) engine: Option<String>,
}

/// A host that may become a node.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) name: Word,
    pub(super) address: Word,
    /// None where the file does not say, or means something else by it.
    pub(super) role: Option<Role>,
    pub(super) user: Option<Word>,
    pub(super) port: Option<Word>,
    pub(super) keys: Vec<Word>,
    pub(super) known_hosts: Option<Word>,
    /// Hosts to go through, `[user@]host[:port]`, separated by commas.
    pub(super) jump: Option<Word>,
    /// A command that leads to the host; counts where there is no jump host.
    pub(super) proxy_command: Option<Word>,
    pub(super) password: Option<Placeholder>,
    pub(super) key_passphrase: Option<Placeholder>,
    /// Whether root is reached by doas.
    pub(super) doas: bool,
    pub(super) sudo_password: Option<Placeholder>,
    pub(super) advertise: Option<Word>,
    pub(super) labels: Vec<(Word, Word)>,
}

/// Where a secret shall come from that the foreign file holds itself.
#[derive(Debug, Clone)]
pub(super) struct Placeholder {
    /// The environment variable, if the file names one itself.
    pub(super) variable: Option<String>,
    /// The host or group that it is set for.
    pub(super) scope: String,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

impl Candidate {
    /// A host of which no more is known yet.
    pub(super) fn new(name: Word, address: Word) -> Self {
        Self {
            name,
            address,
            role: None,
            user: None,
            port: None,
            keys: Vec::new(),
            known_hosts: None,
            jump: None,
            proxy_command: None,
            password: None,
            key_passphrase: None,
            doas: false,
            sudo_password: None,
            advertise: None,
            labels: Vec::new(),
        }
    }
}
