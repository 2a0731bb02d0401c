//! `skep node`: changes of single nodes.

use super::args::{Common, Node};
use super::failure::Failure;
use super::inputs::{choices, load};
use super::{exit, up};
use crate::inventory::edit::{NewNode, add_node, free_name};
use crate::inventory::model::{NodeName, Role};
use crate::inventory::{self, HostArg, Inventory, Surroundings, write_atomically};
use crate::plan::Finding;
use crate::swarm::quorum;

pub(super) async fn run(common: &Common, command: Node) -> Result<u8, Failure> {
    match command {
        Node::Add { host, name, role } => add(common, host, name, role).await,
    }
}

/// Adds a node to the inventory, then brings it up.
async fn add(common: &Common, host: HostArg, name: Option<String>, role: Role) -> Result<u8, Failure> {
    let inventory = load(common)?;
    let names = inventory.nodes.iter().map(|node| node.name.0.as_str());
    let name = name.unwrap_or_else(|| free_name(names));
    let node = NewNode {
        name: name.clone(),
        address: host.host,
        role: Some(role),
        user: host.user,
        port: host.port,
    };

    let path = &common.inventory;
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let text = add_node(path, &text, &node).map_err(|error| Failure::new(exit::USAGE, error))?;
    let added = refuse_even(&text, common)?;
    write_atomically(path, &text).map_err(failed)?;
    common.printer().note(&format!("added {name} to {}", path.display()));

    let common = Common { limit: vec![NodeName(name)], ..common.clone() };
    up::bring_up(&common, &added, choices(&common, &Default::default())).await
}

/// The inventory with the node. A manager more must not make their number even; better said before the file is touched.
fn refuse_even(text: &str, common: &Common) -> Result<Inventory, Failure> {
    let path = &common.inventory;
    let mut added = inventory::read(path, text, &Surroundings::of(path))
        .map_err(|diagnostics| Failure::new(exit::USAGE, diagnostics))?;
    inventory::attach(&mut added.inventory).map_err(|diagnostics| Failure::new(exit::USAGE, diagnostics))?;
    let refusal = |finding: Finding| Failure::new(exit::REFUSED, finding.message).help(finding.help);
    quorum::check_inventory(&added.inventory).map_err(refusal)?;
    Ok(added.inventory)
}
