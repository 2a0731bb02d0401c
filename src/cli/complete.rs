//! Completions: the shell asks skep itself, so that names come from the inventory at hand.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use super::args::Arguments;
use super::exit;
use super::failure::Failure;
use crate::apply::{Record, list, state_dir};
use crate::event::Event;
use crate::{audit, inventory, lab};

/// The variable by which a shell's script asks for completions.
const ASKED_BY: &str = "COMPLETE";

/// Answers a shell that asks for completions, and ends the process then.
pub(super) fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(ASKED_BY).complete();
}

/// What a shell has to read at its start.
pub(super) fn script(shell: Shell) -> Result<String, Failure> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let writer = shells.completer(&name).expect("both lists of shells are the same");
    let mut script = Vec::new();
    let written = writer.write_registration(ASKED_BY, "skep", "skep", "skep", &mut script);
    written.map_err(|error| Failure::new(exit::FAILED, error))?;
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Zsh {
        script += ON_FIRST_CALL;
    }
    Ok(script)
}

/// zsh reads the file when the first completion is asked for, and takes it for the function that answers.
const ON_FIRST_CALL: &str = "
if [[ $funcstack[1] == _skep ]]; then
    _clap_dynamic_completer_skep \"$@\"
fi
";

/// The nodes of the inventory that the half-typed command names. Whatever is wrong with it is told when it is used.
pub(super) fn nodes() -> Vec<CompletionCandidate> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let path =
        value_of(&typed, "-i", "--inventory").map_or_else(|| inventory::DEFAULT_PATH.into(), PathBuf::from);
    let Ok(loaded) = inventory::load(&path) else { return Vec::new() };
    let nodes = loaded.inventory.nodes.iter();
    nodes
        .map(|node| candidate(&node.name.0).help(Some(format!("{}, {}", node.role, node.address).into())))
        .collect()
}

/// Past runs, with what they were.
pub(super) fn runs() -> Vec<CompletionCandidate> {
    let state = state_dir();
    let told = |id: String| {
        let record = Record::read(&state, &id).ok()?;
        let Some(Event::Started { command, cluster, .. }) = record.started() else { return None };
        Some(
            candidate(&id).help(Some(format!("{command} on {cluster}, {} changes", record.changes()).into())),
        )
    };
    let newest = list(&state).unwrap_or_default().into_iter().take(20);
    newest.filter_map(told).chain([candidate("last")]).collect()
}

/// The checks of an audit, with what is well when they are.
pub(super) fn checks() -> Vec<CompletionCandidate> {
    audit::CHECKS.iter().map(|check| candidate(check.id).help(Some(check.title.into()))).collect()
}

/// The labs of this computer.
pub(super) fn labs() -> Vec<CompletionCandidate> {
    lab::list().unwrap_or_default().iter().map(|lab| candidate(lab.name())).collect()
}

/// The nodes of the lab that the half-typed command names.
pub(super) fn lab_nodes() -> Vec<CompletionCandidate> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let name = value_of(&typed, "--name", "--name").unwrap_or_else(|| "lab".into());
    let lab = lab::find(&name.to_string_lossy()).ok().flatten();
    lab.iter().flat_map(lab::Lab::nodes).map(|node| candidate(&node.name)).collect()
}

fn candidate(value: &str) -> CompletionCandidate {
    CompletionCandidate::new(value)
}

/// The value of an option among words that clap has not parsed, and need not be able to yet.
fn value_of(typed: &[OsString], short: &str, long: &str) -> Option<OsString> {
    typed.iter().enumerate().rev().find_map(|(at, word)| {
        let text = word.to_str()?;
        if text == short || text == long {
            return typed.get(at + 1).cloned();
        }
        let joined = text.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
        let attached = text.strip_prefix(short).filter(|rest| !short.starts_with("--") && !rest.is_empty());
        joined.or(attached).map(OsString::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_half_typed_options() {
        for (typed, expected) in [
            ("skep up --limit", None),
            ("skep -i a.yml up --limit", Some("a.yml")),
            ("skep --inventory a.yml up", Some("a.yml")),
            ("skep up --inventory=b.yml -i a.yml", Some("a.yml")),
            ("skep up -ib.yml", Some("b.yml")),
            ("skep up --inventory", None),
        ] {
            let typed: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
            assert_eq!(value_of(&typed, "-i", "--inventory"), expected.map(OsString::from), "{typed:?}");
        }
    }
}
