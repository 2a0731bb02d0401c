//! `skep templates`: the files that skep writes whole, and how to have them otherwise.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::args::{Common, Templates as Arguments};
use super::exit;
use super::failure::Failure;
use crate::inventory::model::Templates;
use crate::inventory::{self, Loaded};
use crate::plan::templates::{TEMPLATES, Template};
use crate::report::{Cell, Table, Tone};

pub(super) fn run(common: &Common, command: &Arguments) -> Result<u8, Failure> {
    match command {
        Arguments::Ls => ls(common),
        Arguments::Show { name } => {
            common.printer().result(named(name)?.text);
            Ok(exit::OK)
        }
        Arguments::Eject { name } => eject(common, named(name)?),
    }
}

fn named(name: &str) -> Result<&'static Template, Failure> {
    Template::named(name).ok_or_else(|| {
        let names: Vec<_> = TEMPLATES.iter().map(|template| template.name).collect();
        let help = match inventory::suggestion(name, &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Failure::new(exit::USAGE, format!("there is no template `{name}`")).help(help)
    })
}

/// Where the user's own templates are, if the command line or the inventory tells.
fn folder(common: &Common) -> Result<Option<PathBuf>, Failure> {
    if common.templates.is_some() || !common.inventory.exists() {
        return Ok(common.templates.clone());
    }
    let colour = common.printer().stderr().colour;
    let Loaded { inventory, .. } = inventory::load_alone(&common.inventory)
        .map_err(|diagnostics| Failure::told(exit::USAGE, diagnostics.render(colour)))?;
    Ok(inventory.templates.folder)
}

fn ls(common: &Common) -> Result<u8, Failure> {
    let own = folder(common)?.and_then(|folder| Templates::read(&folder).ok()).unwrap_or_default();
    let printer = common.printer();
    if common.json {
        for Template { name, about, variables, .. } in TEMPLATES {
            let own = own.get(name).map(|own| &own.path);
            let line =
                serde_json::json!({ "name": name, "about": about, "variables": variables, "own": own });
            printer.result(&line.to_string());
        }
        return Ok(exit::OK);
    }
    let mut table = Table::new(&["template", "from", "writes"]);
    for Template { name, about, .. } in TEMPLATES {
        let from = own.get(name).map_or_else(
            || Cell::new("skep", Tone::Dim),
            |own| Cell::new(own.path.display().to_string(), Tone::Accent),
        );
        table.row(vec![Cell::from(name), from, Cell::from(about)]);
    }
    printer.result(&table.render(printer.stdout()));
    Ok(exit::OK)
}

/// Copies a template to where the user can change it; one that is there stays.
fn eject(common: &Common, template: &Template) -> Result<u8, Failure> {
    let folder = folder(common)?.ok_or_else(|| {
        Failure::new(exit::USAGE, "it is not known where your templates are").help(format!(
            "write `templates: ./templates` into {}, or give `--templates DIR`",
            common.inventory.display()
        ))
    })?;
    let path = folder.join(template.name);
    let written = fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path))
        .and_then(|mut file| file.write_all(template.text.as_bytes()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let help = format!("change it there; `skep templates show {}` prints skep's own", template.name);
            return Err(Failure::new(exit::USAGE, format!("{} is there already", path.display())).help(help));
        }
        Err(error) => return Err(Failure::new(exit::FAILED, format!("{}: {error}", path.display()))),
    }
    let printer = common.printer();
    printer
        .note("change it, then run `skep plan -v`: it shows which line of a template each new line is from");
    printer.result(&path.display().to_string());
    Ok(exit::OK)
}
