//! What has to hold before anything is changed.

use super::twins::Identity;
use super::view::{Host, View};
use super::{Finding, clocks, clones, distribution};
use crate::inventory::model::{EngineSource, Inventory, NodeName};
use crate::resource::Problem;

/// Why nothing may be changed; empty where all is well.
pub(super) fn refusals(view: &View<'_>) -> Vec<Finding> {
    let mut refusals = Vec::new();
    let repairs = clones::read(view);
    if repairs.is_empty() {
        refusals.extend(Identity::REFUSED.into_iter().flat_map(|identity| identity.findings(view)));
    }
    refusals.extend(repairs.refusals);
    refusals.extend(clocks::refusals(view));
    for (node, host) in view.hosts {
        refusals.extend(unsupported(view, node, host));
    }
    refusals
}

/// What makes one host unfit for skep.
fn unsupported(view: &View<'_>, node: &NodeName, host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |message: String, help: &str| {
        findings.push(Finding { nodes: vec![node.clone()], message, help: help.to_owned() });
    };
    for (cause, help) in unfit(host) {
        refuse(format!("{node} {cause}"), help);
    }
    if let Some(Problem { message, help }) = nothing_to_keep(view.inventory, host) {
        refuse(format!("{node} has {message}"), &help);
    }
    findings
}

/// What makes a host unfit whatever is wanted of it, and what helps.
pub(crate) fn unfit(host: &Host) -> Vec<(String, &'static str)> {
    let system = &host.facts.system;
    let unknown = !distribution::supported(system);
    let unknown = unknown.then(|| {
        (format!("runs {}, which skep does not know", system.pretty_name), "use Debian, Ubuntu or Armbian")
    });
    let other_init = !system.systemd;
    let other_init =
        other_init.then(|| ("does not run systemd".to_owned(), "use an image whose process 1 is systemd"));
    unknown.into_iter().chain(other_init).collect()
}

/// Whether an engine shall be kept that is not there.
pub(crate) fn nothing_to_keep(inventory: &Inventory, host: &Host) -> Option<Problem> {
    let wanted = inventory.engine.source == EngineSource::Keep && !host.facts.engine.is_installed();
    wanted.then(|| Problem {
        message: "no Docker engine, and `engine.source` is `keep`".to_owned(),
        help: "install one, or set `engine.source: distro`".to_owned(),
    })
}
