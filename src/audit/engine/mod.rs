//! The engine of each host: whether it runs, what it is told, and what its data lie on.

mod logs;
mod networks;
mod options;
mod packages;
mod reached;
mod state;
mod storage;
mod told;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Judgement, Subject};
use crate::facts;
use crate::facts::engine::Running;
use crate::inventory::model::NodeName;
use crate::resource::{Fault, Key, Observed, daemon};

pub(super) use logs::LOGS;
pub(super) use networks::{FIREWALL, NETWORKS, addresses};
pub(super) use options::OPTIONS;
pub(super) use packages::{PACKAGES, VERSION, VERSIONS};
pub(super) use reached::{GROUP, HOSTS};
pub(super) use state::{BOOT, ENGINE, MOUNTS};
pub(super) use storage::{DRIVER, PLACE};
pub(super) use told::{CGROUPS, REGISTRIES, SECURITY, WARNINGS};

/// The file of the engine's options.
const FILE: &str = daemon::FILE;

/// What an engine answers from.
pub(super) const INFO: &str = "GET /info";

/// What the engine's flags stand in.
const UNIT: &str = "docker.service";

/// How to find the file that a flag stands in.
const WHERE: &str = "`systemctl cat docker` shows where it stands";

/// What an engine that answers tells.
fn running<'a>(subject: &Subject<'a>) -> Option<&'a Running> {
    match &subject.facts().engine {
        facts::Engine::Running(running) => Some(running),
        _ => None,
    }
}

/// Whether the host has an engine, running or not.
fn is_installed(subject: &Subject<'_>) -> bool {
    subject.facts().engine.is_installed()
}

/// What a plan saw of the file of options; none where it did not look.
fn file<'a>(subject: &Subject<'a>) -> Option<Result<&'a daemon::Observed, &'a Fault>> {
    match subject.host.observed.get(&Key::Daemon(()))? {
        Ok(Observed::Daemon(observed)) => Some(Ok(observed)),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    }
}

/// The options in the file; none where it says nothing that can be understood, which [`OPTIONS`] tells.
fn on_disk(subject: &Subject<'_>) -> Map<String, Value> {
    let options = file(subject).and_then(Result::ok).and_then(|file| file.options().ok());
    options.unwrap_or_default()
}

/// What the engine has in the end: what the inventory wants, over what the file says.
fn options(subject: &Subject<'_>) -> Map<String, Value> {
    let mut options = on_disk(subject);
    for (name, value) in &subject.inventory.engine.options {
        match (options.get_mut(name), value) {
            (Some(Value::Object(there)), Value::Object(wanted)) => {
                there.extend(wanted.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => drop(options.insert(name.clone(), value.clone())),
        }
    }
    options
}

/// Where an option stands: in the inventory, if that sets it.
fn source_of<'a>(subject: &Subject<'a>, option: &str) -> Cow<'a, str> {
    match subject.inventory.engine.options.contains_key(option) {
        true => format!("{}: engine.options", subject.inventory.path.display()).into(),
        false => FILE.into(),
    }
}

/// The values that a flag was given: `--host`.
fn flags<'a>(subject: &Subject<'a>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let flags = subject.inspection.engine.flags.iter();
    flags.filter_map(move |flag| flag.strip_prefix(name)?.strip_prefix('='))
}

/// What a plan says of a node, without the node's name at its beginning: a report has that beside it.
pub(super) fn without_name<'a>(message: &'a str, name: &NodeName) -> &'a str {
    let rest = message.strip_prefix(&name.0);
    rest.and_then(|rest| rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' '))).unwrap_or(message)
}

/// The command that makes the engine read its options again.
fn restart(subject: &Subject<'_>) -> String {
    format!("on {}: `systemctl restart docker` (restarts its containers)", subject.node.name)
}

/// What could not be read.
fn unread(fault: &Fault) -> Judgement {
    let judgement =
        Judgement::unknown(format!("{} cannot be read", fault.what)).seen(&fault.what, &fault.cause);
    match &fault.help {
        Some(help) => judgement.remedy(help),
        None => judgement,
    }
}

#[cfg(test)]
mod tests;
