//! bollard's models to our own words.

use bollard::models::{LocalNodeState, Node, ObjectVersion};

use crate::facts::engine::Trust;
use crate::facts::{SwarmNode, SwarmState};

pub(super) fn state(state: Option<LocalNodeState>) -> Option<SwarmState> {
    match state? {
        LocalNodeState::INACTIVE => Some(SwarmState::Inactive),
        LocalNodeState::PENDING => Some(SwarmState::Pending),
        LocalNodeState::ACTIVE => Some(SwarmState::Active),
        LocalNodeState::ERROR => Some(SwarmState::Error),
        LocalNodeState::LOCKED => Some(SwarmState::Locked),
        LocalNodeState::EMPTY => None,
    }
}

pub(super) fn node(node: Node) -> SwarmNode {
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let description = node.description.unwrap_or_default();
    let engine = description.engine.unwrap_or_default();
    let manager = node.manager_status;
    SwarmNode {
        id: node.id.unwrap_or_default(),
        hostname: description.hostname.unwrap_or_default(),
        role: spec.role.map(|role| role.to_string()).unwrap_or_default(),
        availability: spec.availability.map(|availability| availability.to_string()).unwrap_or_default(),
        state: status.state.map(|state| state.to_string()).unwrap_or_default(),
        addr: status.addr.unwrap_or_default(),
        leader: manager.as_ref().and_then(|manager| manager.leader).unwrap_or_default(),
        reachability: manager.map(|manager| manager.reachability.unwrap_or_default().to_string()),
        labels: spec.labels.unwrap_or_default().into_iter().collect(),
        engine_version: engine.engine_version.unwrap_or_default(),
        architecture: description.platform.and_then(|platform| platform.architecture).unwrap_or_default(),
        // Only an audit asks, and it reads what the agents saw.
        certificate: Trust::Unknown,
    }
}

/// Where a manager that answers can be joined.
pub(super) fn manager_address(node: &Node) -> Option<String> {
    let manager = node.manager_status.as_ref()?;
    let reachable = manager.reachability? == bollard::models::Reachability::REACHABLE;
    manager.addr.clone().filter(|addr| reachable && !addr.is_empty())
}

/// The number that an update must name, so that it does not undo somebody else's.
pub(super) fn version(version: Option<ObjectVersion>) -> Option<i64> {
    i64::try_from(version?.index?).ok()
}
