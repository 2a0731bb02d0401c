//! What a run starts from: the inventory and the user's choices.

use super::args::{Changing, Common};
use super::exit;
use super::failure::Failure;
use crate::inventory::model::Inventory;
use crate::inventory::{self, Loaded};
use crate::plan::Choices;

/// Reads the inventory of `--inventory`, and prints what is wrong with it.
pub(super) fn load(common: &Common) -> Result<Inventory, Failure> {
    let printer = common.printer();
    let colour = printer.stderr().colour;
    let Loaded { inventory, warnings } = inventory::load(&common.inventory)
        .map_err(|diagnostics| Failure::told(exit::USAGE, diagnostics.render(colour)))?;
    printer.note(&warnings.render(colour));
    for name in &common.limit {
        if inventory.node(name).is_none() {
            let names: Vec<_> = inventory.nodes.iter().map(|node| node.name.0.as_str()).collect();
            let message = format!("--limit names {name}, which is not in the inventory");
            return Err(Failure::new(exit::USAGE, message).help(format!("it has {}", names.join(", "))));
        }
    }
    Ok(inventory)
}

/// What the user said that the plan depends on.
pub(super) fn choices(common: &Common, changing: &Changing) -> Choices {
    Choices {
        limit: (!common.limit.is_empty()).then(|| common.limit.iter().cloned().collect()),
        adopt: changing.adopt.clone(),
        assume_new: changing.assume_new.iter().cloned().collect(),
        replace_engine: changing.replace_engine,
    }
}
