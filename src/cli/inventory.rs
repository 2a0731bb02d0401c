//! `skep inventory`: check it, show what was understood, make one of another tool's.

use std::path::Path;

use serde_json::json;

use super::args::{Common, Inventory as Arguments};
use super::failure::Failure;
use super::{exit, init};
use crate::inventory::import::{self, Format, Imported};
use crate::inventory::model::{Inventory, NodeName};
use crate::inventory::show::Show;
use crate::inventory::{Diagnostics, Loaded, load, load_alone};
use crate::words::count;

pub(super) fn run(common: &Common, command: Arguments) -> Result<u8, Failure> {
    match command {
        Arguments::Check => check(common),
        Arguments::Show { nodes } => show(common, &nodes),
        Arguments::Import { file, format, output, force } => {
            let output = output.unwrap_or_else(|| common.inventory.clone());
            import(common, &file, format, &output, force)
        }
    }
}

fn check(common: &Common) -> Result<u8, Failure> {
    let printer = common.printer();
    let (good, found) = match load(&common.inventory) {
        Ok(loaded) => (Some(loaded.inventory), loaded.warnings),
        Err(diagnostics) => (None, diagnostics),
    };
    if printer.json() {
        let (nodes, shares) = good.as_ref().map_or((0, 0), |good| (good.nodes.len(), good.shares.len()));
        let answer = json!({"good": good.is_some(), "nodes": nodes, "shares": shares, "diagnostics": found});
        printer.result(&answer.to_string());
    } else if let Some(good) = &good {
        printer.note(&found.render(printer.stderr().colour));
        printer.result(&summary(good, &found));
    } else {
        printer.error(&found.render(printer.stderr().colour));
    }
    Ok(if good.is_some() { exit::OK } else { exit::USAGE })
}

/// What there is, in one line.
fn summary(inventory: &Inventory, warnings: &Diagnostics) -> String {
    let managers = inventory.managers().count();
    let mut parts =
        vec![format!("{} ({})", count(inventory.nodes.len(), "node"), count(managers, "manager"))];
    if !inventory.shares.is_empty() {
        parts.push(count(inventory.shares.len(), "share"));
    }
    let verdict = match warnings.len() {
        0 => "good".to_owned(),
        some => format!("usable, with {}", count(some, "warning")),
    };
    format!("{}: {}: {verdict}", inventory.path.display(), parts.join(", "))
}

fn show(common: &Common, names: &[NodeName]) -> Result<u8, Failure> {
    let printer = common.printer();
    let colour = printer.stderr().colour;
    let Loaded { inventory, file, warnings } = load_alone(&common.inventory)
        .map_err(|diagnostics| Failure::told(exit::USAGE, diagnostics.render(colour)))?;
    if let Some(unknown) = names.iter().find(|name| inventory.node(name).is_none()) {
        let there: Vec<_> = inventory.nodes.iter().map(|node| node.name.0.as_str()).collect();
        let message = format!("there is no node {unknown} in {}", common.inventory.display());
        return Err(Failure::new(exit::USAGE, message).help(format!("it has {}", there.join(", "))));
    }
    printer.note(&warnings.render(colour));
    let folder = std::env::current_dir().map_err(|error| Failure::new(exit::FAILED, error))?;
    let show = Show { file: &file, inventory: &inventory, folder: &folder };
    let shown = if names.is_empty() { show.all() } else { show.nodes(names) };
    if printer.json() {
        let json = serde_json::to_string(&shown).map_err(|error| Failure::new(exit::FAILED, error))?;
        printer.result(&json);
    } else {
        printer.result(&shown.yaml());
    }
    Ok(exit::OK)
}

fn import(
    common: &Common,
    file: &Path,
    format: Option<Format>,
    output: &Path,
    force: bool,
) -> Result<u8, Failure> {
    let printer = common.printer();
    let colour = printer.stderr().colour;
    let to_stdout = output == Path::new("-");
    if !to_stdout && output.exists() && !force {
        return Err(Failure::new(exit::USAGE, format!("{} is there already", output.display())).help(
            "write elsewhere with `-o FILE`, look first with `-o -`, or replace the file with `--force`",
        ));
    }
    let imported = import::import(file, format, &init::swarm_name())
        .map_err(|diagnostics| Failure::told(exit::USAGE, diagnostics.render(colour)))?;
    if !to_stdout {
        init::write(output, &imported.text)?;
    }
    if printer.json() {
        printer.result(&json(&imported, (!to_stdout).then_some(output)).to_string());
        return Ok(exit::OK);
    }
    printer.note(&imported.findings.render(colour));
    let guessed = if format.is_none() { ", as it seems (`--format` names another)" } else { "" };
    printer.note(&format!("{}: {}{guessed}", file.display(), imported.format));
    if to_stdout {
        printer.result(&imported.text);
        return Ok(exit::OK);
    }
    let nodes = format!("{} ({})", count(imported.nodes, "node"), count(imported.managers, "manager"));
    let findings = match imported.findings.len() {
        0 => String::new(),
        some => format!("; {} above to look at", count(some, "finding")),
    };
    printer.note(&format!("wrote {} with {nodes}{findings}", output.display()));
    printer.note("look it over, then run `skep plan`");
    Ok(exit::OK)
}

fn json(imported: &Imported, output: Option<&Path>) -> serde_json::Value {
    let text = output.is_none().then_some(&imported.text);
    json!({
        "format": imported.format.name(), "output": output, "inventory": text, "nodes": imported.nodes,
        "managers": imported.managers, "findings": imported.findings,
    })
}
