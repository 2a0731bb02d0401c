//! What a run starts from: the inventory and the user's choices.

use super::args::{Changing, Common};
use super::exit;
use super::failure::Failure;
use crate::inventory::model::Inventory;
use crate::inventory::{self, Diagnostics, Loaded};
use crate::plan::{Choices, templates};
use crate::report::Printer;

/// Reads the inventory of `--inventory`, and prints what is wrong with it.
pub(super) fn load(common: &Common) -> Result<Inventory, Failure> {
    let printer = common.printer();
    let colour = printer.stderr().colour;
    let told = |diagnostics: Diagnostics| Failure::told(exit::USAGE, diagnostics.render(colour));
    let Loaded { mut inventory, warnings, .. } = inventory::load_alone(&common.inventory).map_err(told)?;
    if let Some(folder) = &common.templates {
        inventory.templates.folder = Some(folder.clone());
    }
    inventory::attach(&mut inventory).map_err(told)?;
    printer.note(&warnings.render(colour));
    check_templates(&inventory, &printer)?;
    for name in &common.limit {
        if inventory.node(name).is_none() {
            let names: Vec<_> = inventory.nodes.iter().map(|node| node.name.0.as_str()).collect();
            let message = format!("--limit names {name}, which is not in the inventory");
            return Err(Failure::new(exit::USAGE, message).help(format!("it has {}", names.join(", "))));
        }
    }
    Ok(inventory)
}

/// Tells all that is wrong with the user's own templates, before any host hears of it.
fn check_templates(inventory: &Inventory, printer: &Printer) -> Result<(), Failure> {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        templates::check(inventory).into_iter().partition(templates::TemplateError::is_fatal);
    let told = |list: Vec<templates::TemplateError>| {
        let blocks: Vec<_> = list.iter().map(|one| one.render(printer.stderr().colour)).collect();
        blocks.join("\n")
    };
    printer.note(&told(warnings));
    if errors.is_empty() { Ok(()) } else { Err(Failure::told(exit::USAGE, told(errors))) }
}

/// What the user said that the plan depends on.
pub(super) fn choices(common: &Common, changing: &Changing) -> Choices {
    Choices {
        limit: (!common.limit.is_empty()).then(|| common.limit.iter().cloned().collect()),
        adopt: changing.adopt.clone(),
        assume_new: changing.assume_new.iter().cloned().collect(),
        replace_engine: changing.replace_engine,
        reboot: changing.reboot,
        repair_clones: changing.repair_clones,
    }
}
