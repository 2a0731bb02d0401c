//! `skep status`: the cluster drawn so that one sees who leads and how many losses it survives.

mod boxes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::errors::{Level, findings};
use super::surface::{Surface, Tone};
use super::table::{Cell, Table};
use super::text::clean;
use crate::inventory::model::{NodeName, Role};
use crate::plan::Finding;
use crate::resource::Fault;
use crate::swarm::NODE_LABEL;
use crate::swarm::health::{Health, Missing, NodeHealth, NodeRef};
use crate::words::count;
use boxes::Item;

/// Version of [`Status`]'s JSON form. Raise it when an old reader would misread a new status.
pub const STATUS_VERSION: u32 = 1;

/// The cluster as it is. Its JSON form is public, and stands as one line `"event":"status"` among the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename = "status")]
pub struct Status {
    /// Version of this form.
    pub version: u32,
    /// Members, leader and quorum.
    pub health: Health,
    /// Hosts of the inventory that could not be reached, and why.
    pub unreachable: BTreeMap<NodeName, Fault>,
    /// What is not as the inventory wants it; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Status {
    /// The status of this health.
    pub fn new(health: Health, unreachable: BTreeMap<NodeName, Fault>, findings: Vec<Finding>) -> Self {
        Self { version: STATUS_VERSION, health, unreachable, findings }
    }
}

/// The drawing, the table of all members, and what is not as it should be. Why a host was not reached is left to the
/// run's summary, which tells it for every command.
pub fn status(status: &Status, surface: &Surface) -> String {
    let health = &status.health;
    let mut blocks = vec![headline(health, surface)];
    blocks.extend(boxes::draw(&groups(health, surface), surface));
    blocks.push(table(health).render(surface));
    blocks.extend(findings(Level::Error, &status.findings, surface));
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n")
}

fn headline(health: &Health, surface: &Surface) -> String {
    let title = surface.paint(Tone::Strong, &format!("swarm {}", clean(&health.name)));
    let mut parts = vec![title];
    if health.cluster.is_some() {
        parts.push(managers(health, surface));
    }
    let (tone, prospect) = prospect(health);
    parts.push(surface.paint(tone, &prospect));
    parts.join(&format!("  {}  ", surface.paint(Tone::Dim, surface.symbols().dot)))
}

fn managers(health: &Health, surface: &Surface) -> String {
    let number = count(health.managers.total, "manager");
    match &health.leader {
        Some(leader) => format!("{number}, leader {}", surface.paint(Tone::Strong, &name(leader))),
        None => format!("{number}, {}", surface.paint(Tone::Bad, "no leader")),
    }
}

/// How many losses the swarm survives, in words.
fn prospect(health: &Health) -> (Tone, String) {
    let (total, reachable) = (health.managers.total, health.managers.reachable);
    if health.cluster.is_none() {
        return (Tone::Bad, "no manager answers for it".to_owned());
    }
    if health.leader.is_none() || reachable < health.quorum {
        return (
            Tone::Bad,
            format!("no quorum: {reachable} of {total} answer, {} are needed", health.quorum),
        );
    }
    let more = if reachable < total { "more " } else { "" };
    match health.tolerance {
        0 if total == 1 => (Tone::Warn, "its loss is the loss of the swarm".to_owned()),
        0 => (
            Tone::Warn,
            format!("survives no {}loss of a manager", if more.is_empty() { "" } else { "further " }),
        ),
        losses => (Tone::Good, format!("survives the loss of {}", count(losses, &format!("{more}manager")))),
    }
}

fn groups(health: &Health, surface: &Surface) -> Vec<(String, Vec<Item>)> {
    let of =
        |role| health.nodes.iter().filter(move |node| node.role == role).map(|node| member(node, surface));
    let missing = health.missing.iter().map(|Missing { name, .. }| Item {
        sign: surface.symbols().down,
        tone: Tone::Bad,
        name: clean(&name.0),
        note: String::new(),
    });
    let quorum = match health.quorum {
        0 => "managers".to_owned(),
        quorum => format!(
            "managers: {} of {} up, {quorum} needed",
            health.managers.reachable, health.managers.total
        ),
    };
    vec![
        (quorum, of(Role::Manager).collect()),
        ("workers".to_owned(), of(Role::Worker).collect()),
        ("not in the swarm".to_owned(), missing.collect()),
    ]
}

fn member(node: &NodeHealth, surface: &Surface) -> Item {
    let symbols = surface.symbols();
    let (sign, tone) = match () {
        () if !is_up(node) => (symbols.down, Tone::Bad),
        () if node.availability != "active" => (symbols.up, Tone::Warn),
        () if node.leader => (symbols.leader, Tone::Good),
        () => (symbols.up, Tone::Good),
    };
    let note = match () {
        () if !is_up(node) => state(node),
        () if node.availability != "active" => clean(&node.availability),
        () if node.leader => "leader".to_owned(),
        () => String::new(),
    };
    Item { sign, tone, name: display_name(node), note }
}

fn is_up(node: &NodeHealth) -> bool {
    node.state == "ready" && (node.role == Role::Worker || node.reachability.as_deref() == Some("reachable"))
}

/// Its state, and for managers that work but do not take part in the raft store, that too.
fn state(node: &NodeHealth) -> String {
    match node.reachability.as_deref() {
        Some(reachability) if node.state == "ready" && reachability != "reachable" => clean(reachability),
        _ => clean(&node.state),
    }
}

fn table(health: &Health) -> Table<'static> {
    let mut table = Table::new(&[
        "node",
        "role",
        "state",
        "availability",
        "address",
        "engine",
        "arch",
        "labels",
        "remark",
    ]);
    for node in &health.nodes {
        let role = if node.leader { "leader".to_owned() } else { node.role.to_string() };
        let availability = match node.availability.as_str() {
            "active" => Cell::from("active"),
            other => Cell::new(other, Tone::Warn),
        };
        table.row(vec![
            Cell::new(display_name(node), Tone::Strong),
            Cell::from(role),
            Cell::new(state(node), if is_up(node) { Tone::Good } else { Tone::Bad }),
            availability,
            Cell::from(&node.addr),
            Cell::from(&node.engine_version),
            Cell::from(&node.architecture),
            Cell::new(labels(node), Tone::Dim),
            Cell::new(if node.name.is_none() { "not in the inventory" } else { "" }, Tone::Warn),
        ]);
    }
    for Missing { name, why } in &health.missing {
        table.row(vec![Cell::new(&name.0, Tone::Strong), Cell::from(""), Cell::new(why, Tone::Bad)]);
    }
    table
}

/// Its labels, but for the one that says its name again.
fn labels(node: &NodeHealth) -> String {
    let own = node.labels.iter().filter(|(key, _)| *key != NODE_LABEL);
    own.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Its name in the inventory; the hostname in brackets of one that the inventory lacks.
fn display_name(node: &NodeHealth) -> String {
    match &node.name {
        Some(name) => clean(&name.0),
        None => format!("({})", clean(&node.hostname)),
    }
}

fn name(node: &NodeRef) -> String {
    clean(node.name.as_ref().map_or(&node.hostname, |name| &name.0))
}

#[cfg(test)]
mod tests;
