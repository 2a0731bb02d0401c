//! `skep lab`: throwaway nodes on this computer.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::args::{Common, Lab as Arguments};
use super::failure::Failure;
use super::{ask, demo, exit};
use crate::lab::{self, Lab, LabError, Login, Spec};
use crate::report::{Cell, Printer, Table, Tone};

pub(super) async fn run(common: &Common, command: Arguments) -> Result<u8, Failure> {
    let common = common.clone();
    if let Arguments::Demo { name, nodes } = command {
        return demo::run(&common, &name, nodes).await;
    }
    let done = tokio::task::spawn_blocking(move || match command {
        Arguments::Up { which, nodes, machines, engine, release } => {
            let nodes = nodes.unwrap_or(if machines.is_empty() { 3 } else { 0 });
            let (name, login) = (which.name, Login::Root);
            let spec = Spec { name, nodes: nodes.into(), machines, engine, login, release };
            up(&common, &spec).map(|_| ())
        }
        Arguments::Ls => ls(&common),
        Arguments::Ssh { which, node, command } => ssh(&which.name, &node.0, &command),
        Arguments::Down { which, all } => down(&common, &which.name, all),
        Arguments::Demo { .. } => Ok(()),
    });
    done.await.map_err(|error| Failure::new(exit::FAILED, error))??;
    Ok(exit::OK)
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::new(exit::FAILED, error)
    }
}

/// Boots the nodes, after installing what that needs; prints the path of the inventory.
pub(super) fn up(common: &Common, spec: &Spec) -> Result<Lab, Failure> {
    let printer = common.printer();
    install_missing(common, spec, &printer)?;
    let lab = lab::up(spec, &mut |progress| printer.note(&tell(&progress)))?;
    printer.note(&format!("lab {} is up; its inventory:", spec.name));
    match common.json {
        true => printer.result(&json(&lab)),
        false => printer.result(&lab.inventory().display().to_string()),
    }
    Ok(lab)
}

/// Installs the packages that labs need, after asking.
fn install_missing(common: &Common, spec: &Spec, printer: &Printer) -> Result<(), Failure> {
    let mut missing = lab::missing();
    missing.extend(lab::missing_for(&spec.machines));
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    let question = format!("A lab needs these packages on this computer: {}. Install them?", names.join(" "));
    if !ask::plainly(common, &question)? {
        return Err(Failure::new(exit::FAILED, "nothing was installed, and no lab made"));
    }
    lab::install(&missing, &mut |line| printer.note(&format!("apt: {line}")))?;
    Ok(())
}

fn tell(progress: &lab::Progress) -> String {
    match progress {
        lab::Progress::Base(line) => format!("base tree: {line}"),
        lab::Progress::Network { bridge, subnet } => format!("network {subnet} on {bridge}"),
        lab::Progress::Starting { node } => format!("{node} starts"),
        lab::Progress::Ready { node, address, after } => {
            format!("{node} answers at {address} after {:.1} s", after.as_secs_f64())
        }
        lab::Progress::InventoryKept { path } => {
            format!("{} was changed by hand, so new nodes were not written into it", path.display())
        }
    }
}

/// A lab as one line of JSON.
fn json(lab: &Lab) -> String {
    serde_json::json!({ "lab": lab.name(), "inventory": lab.inventory(), "nodes": lab.nodes() }).to_string()
}

fn ls(common: &Common) -> Result<(), Failure> {
    let printer = common.printer();
    let labs = lab::list()?;
    if common.json {
        for lab in labs {
            printer.result(&json(&lab));
        }
        return Ok(());
    }
    if common.quiet {
        labs.iter().for_each(|lab| printer.result(&format!("{}\n", lab.inventory().display())));
        return Ok(());
    }
    if labs.is_empty() {
        printer.note("no labs; `skep lab up` makes one");
        return Ok(());
    }
    let mut table = Table::new(&["lab", "node", "address", "machine", "state", "inventory"]);
    for lab in labs {
        for node in lab.nodes() {
            let (state, tone) = if node.running { ("running", Tone::Good) } else { ("off", Tone::Dim) };
            table.row(vec![
                Cell::from(lab.name()),
                Cell::from(&node.name),
                Cell::from(node.address.to_string()),
                Cell::new(node.machine.map_or_else(|| "-".into(), |arch| arch.to_string()), Tone::Dim),
                Cell::new(state, tone),
                Cell::new(lab.inventory().display().to_string(), Tone::Dim),
            ]);
        }
    }
    printer.result(&table.render(printer.stdout()));
    Ok(())
}

fn ssh(name: &str, node: &str, command: &[String]) -> Result<(), Failure> {
    let lab = find(name)?;
    let mut words = lab.ssh_command(node)?;
    words.extend(command.iter().cloned());
    // Only returns where it failed.
    let error = Command::new(&words[0]).args(&words[1..]).exec();
    Err(Failure::new(exit::FAILED, format!("{}: {error}", words[0])))
}

fn down(common: &Common, name: &str, all: bool) -> Result<(), Failure> {
    let names: Vec<String> = match all {
        true => lab::list()?.iter().map(|lab| lab.name().to_owned()).collect(),
        false => vec![name.to_owned()],
    };
    for name in names {
        if !lab::down(&name)? {
            return Err(absent(&name));
        }
        common.printer().note(&format!("lab {name} is gone"));
    }
    Ok(())
}

fn find(name: &str) -> Result<Lab, Failure> {
    lab::find(name)?.ok_or_else(|| absent(name))
}

fn absent(name: &str) -> Failure {
    Failure::new(exit::USAGE, format!("there is no lab {name}"))
        .help("`skep lab ls` lists them, `skep lab up` makes one")
}
