//! Inventories of other tools, made into skep's own.
//!
//! A file is read into hosts (`ini`, `ansible_yaml`, `cluster`), those are understood (`ansible`, `roles`), made to
//! fit (`settle`) and written (`write`). What is not carried over becomes a finding with its place; secrets are never
//! copied and never shown.

mod ansible;
mod ansible_yaml;
mod cluster;
mod draft;
mod findings;
mod format;
mod groups;
mod hide;
mod ini;
mod ranges;
mod roles;
mod settle;
mod ssh_args;
mod template;
mod word;
mod words;
mod write;
mod yaml;

use std::path::Path;

pub use format::{Format, UnknownFormat};

use self::draft::Draft;
use self::findings::Findings;
use super::check::Problem;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::load::{Surroundings, read};
use super::parse::MAX_BYTES;

/// What another tool's file became.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The format it was read as.
    pub format: Format,
    /// The inventory, which loads as it stands.
    pub text: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// How many of them are managers.
    pub managers: usize,
    /// What was not carried over, and what else to look at: warnings about the file.
    pub findings: Diagnostics,
}

/// Makes an inventory of the file at `path`.
///
/// `name` is the swarm's where the file has none.
///
/// # Errors
/// What keeps the file from being read, with its place; and where no host of it can become a node.
pub fn import(path: &Path, format: Option<Format>, name: &str) -> Result<Imported, Diagnostics> {
    let text = text_of(path).map_err(|diagnostic| Diagnostics::new(vec![*diagnostic], ""))?;
    let mut imported = import_text(path, &text, format, name)?;
    let beside = beside(path, imported.format).into_iter().collect();
    imported.findings = imported.findings.and(beside);
    Ok(imported)
}

fn text_of(path: &Path) -> Result<String, Box<Diagnostic>> {
    let about =
        |message: String, help: &str| Box::new(Diagnostic::about_file(path, message, help.to_owned()));
    let cannot = |cause: std::io::Error| {
        about(format!("cannot read it: {cause}"), "name a file that another tool reads its hosts from")
    };
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > MAX_BYTES as u64 {
        return Err(about(format!("the file has {length} bytes"), "that is no list of hosts"));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes)
        .map_err(|_| about("the file is not UTF-8 text".into(), "save it as UTF-8 in your editor"))
}

/// Ansible reads variables from folders beside the file too.
fn beside(path: &Path, format: Format) -> Option<Diagnostic> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let there: Vec<_> =
        ["group_vars", "host_vars"].into_iter().filter(|name| folder.join(name).exists()).collect();
    if there.is_empty() || !format.is_ansible() {
        return None;
    }
    let message = format!("{} beside it was not read", there.join(" and "));
    let help = "`ansible-inventory -i FILE --list --yaml > hosts.yml` brings all variables together; import hosts.yml then";
    Some(Diagnostic::warning_about_file(path, message, help.to_owned()))
}

/// As [`import`], of a text as if it stood at `path`. Does no input or output.
///
/// # Errors
/// As [`import`].
pub fn import_text(
    path: &Path,
    text: &str,
    format: Option<Format>,
    name: &str,
) -> Result<Imported, Diagnostics> {
    let hidden = hide::hide(text);
    let diagnostics = |problems: Vec<Problem>| {
        let list = problems.into_iter().map(|problem| problem.into_diagnostic(path, &hidden)).collect();
        Diagnostics::new(list, &hidden)
    };
    let mut findings = Findings::default();
    let format = match format::refused(text) {
        Some(problem) => return Err(diagnostics(vec![problem])),
        None => format.unwrap_or_else(|| Format::guess(path, text)),
    };
    let made = draft(text, format, &mut findings).and_then(|draft| {
        let name = settle::swarm_name(&draft, name, &mut findings);
        let engine = draft.engine.clone();
        Ok((settle::nodes(draft, &mut findings)?, engine, name))
    });
    let (nodes, engine, name) = match made {
        Ok(made) => made,
        Err(problem) => {
            let mut problems = findings.into_problems();
            problems.push(problem);
            return Err(diagnostics(problems));
        }
    };
    let origin = origin(path, format);
    let cluster = write::Cluster { name: &name, nodes: &nodes, origin: &origin, engine: engine.as_deref() };
    let imported = Imported {
        format,
        text: write::write(&cluster),
        nodes: nodes.len(),
        managers: nodes.iter().filter(|node| node.manager).count(),
        findings: diagnostics(findings.into_problems()),
    };
    loads(&imported.text).map_err(|problem| diagnostics(vec![problem]))?;
    Ok(imported)
}

fn draft(text: &str, format: Format, findings: &mut Findings) -> Result<Draft, Problem> {
    match format {
        Format::AnsibleIni => ansible::draft(&ini::read(text)?, findings),
        Format::AnsibleYaml => {
            let documents = yaml::documents(text)?;
            let Some(first) = documents.first() else {
                return Err(Problem::error(0..0, "the file is empty".into()).help("it begins with `all:`"));
            };
            ansible::draft(&ansible_yaml::read(first, findings)?, findings)
        }
        Format::K0sctl | Format::Launchpad => cluster::draft(&yaml::documents(text)?, format, findings),
    }
}

/// The file and its format, for the first lines of the result.
fn origin(path: &Path, format: Format) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{} ({format})", name.escape_debug())
}

/// Nothing is written that would be refused later.
fn loads(text: &str) -> Result<(), Problem> {
    let home = Some("/home".into());
    let here = Surroundings { folder: "/".into(), home, user: "root".into() };
    read(Path::new("result"), text, &here).map(drop).map_err(|wrong| {
        let first = wrong.iter().find(|one| one.severity == super::Severity::Error);
        let why = first.map(|one| one.message.clone()).unwrap_or_default();
        Problem::error(0..0, format!("what this makes is no inventory: {why}"))
            .help("this is a mistake of skep; please tell its makers")
    })
}

#[cfg(test)]
mod tests;
