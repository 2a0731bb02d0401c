//! Everything that happens in a run, as plain data.
//!
//! Logic sends events and never prints; the terminal, plain lines, JSON and the journal are readers of this one
//! stream. The JSON form is public: one event a line, told apart by `event`; names and meanings stay.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::inventory::model::NodeName;
use crate::plan::{Finding, PhaseName, Plan};
use crate::resource::{Fault, Progress, Receipt};
use crate::swarm::SwarmReceipt;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run begins. First of all events.
    Started {
        /// The run's ID; sorts by time.
        run: String,
        /// The command: `up`, `plan`, `status`, `undo`.
        command: String,
        /// Version of skep.
        version: String,
        /// All nodes the run looks at.
        nodes: Vec<NodeName>,
        /// The inventory file; empty in journals of older versions.
        #[serde(default)]
        inventory: PathBuf,
        /// The inventory's name; empty in journals of older versions.
        #[serde(default)]
        cluster: String,
        /// The run that this one undoes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<String>,
    },
    /// A node is being connected to.
    Connecting {
        /// The node.
        node: NodeName,
    },
    /// Connecting failed in a way that may pass, or a connection was lost; it is tried again.
    Retrying {
        /// The node.
        node: NodeName,
        /// Why.
        cause: String,
    },
    /// The agent is being pushed to a node that lacks it.
    Pushing {
        /// The node.
        node: NodeName,
        /// Bytes sent.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A node's agent answers.
    Connected {
        /// The node.
        node: NodeName,
        /// Milliseconds it took.
        ms: u64,
    },
    /// A node's facts have been read.
    Surveyed {
        /// The node.
        node: NodeName,
        /// What tells this installation of a system from any other: a hash of its machine-id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        machine: Option<String>,
    },
    /// A node could not be reached, or not be worked on at all.
    Unreachable {
        /// The node.
        node: NodeName,
        /// Why, and what helps.
        fault: Fault,
    },
    /// The plan is made.
    Planned {
        /// The plan.
        plan: Plan,
    },
    /// A phase begins.
    PhaseStarted {
        /// Which one.
        phase: PhaseName,
    },
    /// A phase has ended, its steps done or not.
    PhaseDone {
        /// Which one.
        phase: PhaseName,
        /// Milliseconds it took.
        ms: u64,
    },
    /// A step begins.
    StepStarted {
        /// The node.
        node: NodeName,
        /// Its phase.
        phase: PhaseName,
        /// The step's place in the phase.
        step: usize,
        /// What it does: `install docker.io`.
        title: String,
    },
    /// A step goes on.
    StepProgress {
        /// The node.
        node: NodeName,
        /// How far it has come.
        progress: Progress,
    },
    /// The connection was lost in the middle of a step and is back: what became of the step.
    Resumed {
        /// The node.
        node: NodeName,
        /// What became of it, and how the run goes on.
        how: String,
    },
    /// A step is done.
    StepDone {
        /// The node.
        node: NodeName,
        /// Its phase.
        phase: PhaseName,
        /// The step's place in the phase.
        step: usize,
        /// Milliseconds it took.
        ms: u64,
        /// What was there before, of steps that change a resource.
        receipt: Option<Receipt>,
        /// What was there before, of steps that change the swarm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        swarm: Option<SwarmReceipt>,
    },
    /// A step failed; its node does nothing more in this run, unless all that failed was to see to its image's password.
    StepFailed {
        /// The node.
        node: NodeName,
        /// Its phase.
        phase: PhaseName,
        /// The step's place in the phase.
        step: usize,
        /// Why, and what helps.
        fault: Fault,
    },
    /// The user asked to stop: steps in hand are finished, no others begun.
    Stopping,
    /// The cluster was looked at again after the changes.
    Verified {
        /// What is not as planned; empty when all is well.
        findings: Vec<Finding>,
    },
    /// The run ended. Last of all events.
    Finished {
        /// How.
        summary: Summary,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// skep's exit code.
    pub exit_code: u8,
    /// Milliseconds it took in all.
    pub ms: u64,
    /// Each node, in the order of the inventory.
    pub nodes: Vec<NodeSummary>,
    /// What to run next, where something is left to do.
    pub next: Vec<String>,
}

/// How a run ended for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// The node.
    pub node: NodeName,
    /// How it ended.
    pub outcome: Outcome,
    /// Steps done.
    pub changed: usize,
    /// Milliseconds spent in its steps.
    pub ms: u64,
}

/// How a run ended for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was left to do.
    Ok,
    /// Everything planned was done.
    Changed,
    /// Not worked on: outside `--limit`.
    Skipped,
    /// Steps were left undone because the run was stopped.
    Stopped,
    /// A step failed, or something cannot be done on it.
    Failed {
        /// Why, and what helps.
        fault: Fault,
    },
    /// Could not be reached.
    Unreachable {
        /// Why, and what helps.
        fault: Fault,
    },
}

/// Takes events. Cheap to clone; safe to call from any task.
pub type Sink = std::sync::Arc<dyn Fn(Event) + Send + Sync>;
