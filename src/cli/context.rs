//! What every command that looks at hosts needs: the inventory, the sink for its events, connected agents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::args::{Changing, Common};
use super::{ask, exit};
use crate::apply::{Journal, Sessions, Stop, millis, state_dir};
use crate::event::{Event, NodeSummary, Outcome, Sink, Summary};
use crate::fleet::{self, Fleet};
use crate::inventory::model::{Inventory, NodeName};
use crate::inventory::{self};
use crate::plan::{self, Choices, Finding, View, desire};
use crate::report;
use crate::resource::Fault;

/// Why a command ends early.
#[derive(Debug)]
pub(super) struct Failure {
    /// skep's exit code.
    pub(super) code: u8,
    /// What to print; nothing where it has been said.
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(code: u8, text: impl ToString) -> Self {
        Self { code, text: text.to_string() }
    }
}

/// One run of a command over the hosts of an inventory.
pub(super) struct Run<'a> {
    pub(super) common: &'a Common,
    pub(super) inventory: &'a Inventory,
    pub(super) sink: Sink,
    pub(super) stop: Stop,
    begun: Instant,
}

/// What was found out about the hosts, with the agents that found it out.
pub(super) struct Observation {
    pub(super) sessions: Sessions,
    pub(super) hosts: BTreeMap<NodeName, plan::Host>,
    pub(super) unreachable: BTreeMap<NodeName, Fault>,
}
