//! What an engine's answers mean: `/info` and `/nodes`, from Engine 20.10 on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::settings::settings;
use super::{Cluster, Running, SwarmNode, SwarmState, SwarmView, Trust};

/// Reads `/info`. The nodes of a manager's cluster are asked for apart and empty as yet.
pub(super) fn info(info: &Value, started_unix_ms: i64) -> Result<Running, String> {
    let swarm = info.get("Swarm").ok_or("GET /info: the answer says nothing about a swarm")?;
    Ok(Running {
        version: string(info, "/ServerVersion"),
        id: string(info, "/ID"),
        storage_driver: string(info, "/Driver"),
        live_restore: info["LiveRestoreEnabled"] == true,
        started_unix_ms,
        swarm: view(swarm)?,
        settings: settings(info),
    })
}

fn view(swarm: &Value) -> Result<SwarmView, String> {
    let control = swarm["ControlAvailable"] == true;
    Ok(SwarmView {
        state: state(&string(swarm, "/LocalNodeState"))?,
        node_id: string(swarm, "/NodeID"),
        node_addr: string(swarm, "/NodeAddr"),
        control,
        error: string(swarm, "/Error"),
        managers: list(&swarm["RemoteManagers"]).map(|manager| string(manager, "/Addr")).collect(),
        cluster: control.then(|| cluster(&swarm["Cluster"])),
    })
}

fn state(name: &str) -> Result<SwarmState, String> {
    match name {
        "inactive" => Ok(SwarmState::Inactive),
        "pending" => Ok(SwarmState::Pending),
        "active" => Ok(SwarmState::Active),
        "error" => Ok(SwarmState::Error),
        "locked" => Ok(SwarmState::Locked),
        other => Err(format!("GET /info: the swarm's state is {other:?}, which skep does not know")),
    }
}

/// A manager without quorum answers an empty one.
fn cluster(cluster: &Value) -> Cluster {
    Cluster {
        id: string(cluster, "/ID"),
        labels: labels(cluster.pointer("/Spec/Labels")),
        task_history: cluster
            .pointer("/Spec/Orchestration/TaskHistoryRetentionLimit")
            .and_then(Value::as_i64),
        address_pool: list(&cluster["DefaultAddrPool"])
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        subnet_size: cluster["SubnetSize"].as_u64().and_then(|size| u32::try_from(size).ok()).unwrap_or(0),
        autolock: cluster.pointer("/Spec/EncryptionConfig/AutoLockManagers") == Some(&Value::Bool(true)),
        rotating: cluster["RootRotationInProgress"] == true,
        nodes: Ok(Vec::new()),
    }
}

/// Reads `/nodes`; `root` is what the swarm says of its own certificates.
pub(super) fn nodes(nodes: &Value, root: &Value) -> Result<Vec<SwarmNode>, String> {
    let nodes = nodes.as_array().ok_or("GET /nodes: the answer is no list")?;
    // Whoever is asked is one of them: see `engine::manager`, which asks again.
    if nodes.is_empty() {
        return Err("GET /nodes: it lists nobody, not even itself: a leader is being chosen".to_owned());
    }
    nodes.iter().map(|member| node(member, root)).collect()
}

fn node(node: &Value, root: &Value) -> Result<SwarmNode, String> {
    let id = string(node, "/ID");
    if id.is_empty() {
        return Err("GET /nodes: a node has no ID".to_owned());
    }
    let manager = node.get("ManagerStatus").filter(|status| status.is_object());
    Ok(SwarmNode {
        id,
        hostname: string(node, "/Description/Hostname"),
        role: string(node, "/Spec/Role"),
        availability: string(node, "/Spec/Availability"),
        state: string(node, "/Status/State"),
        addr: string(node, "/Status/Addr"),
        leader: manager.is_some_and(|status| status["Leader"] == true),
        reachability: manager.map(|status| string(status, "/Reachability")),
        labels: labels(node.pointer("/Spec/Labels")),
        engine_version: string(node, "/Description/Engine/EngineVersion"),
        architecture: string(node, "/Description/Platform/Architecture"),
        certificate: trust(&node["Description"]["TLSInfo"], root),
    })
}

/// Compares the roots as `docker node ls` does.
fn trust(own: &Value, root: &Value) -> Trust {
    let tells = |info: &Value| info.as_object().is_some_and(|info| !info.is_empty());
    match (tells(own), tells(root)) {
        (true, true) if own == root => Trust::Ready,
        (true, true) => Trust::Outdated,
        _ => Trust::Unknown,
    }
}

pub(super) fn string(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn labels(labels: Option<&Value>) -> BTreeMap<String, String> {
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
