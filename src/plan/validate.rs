//! What has to hold before anything is changed.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::twins::Identity;
use super::view::{Host, View};
use super::{Finding, distribution};
use crate::inventory::model::{EngineSource, Inventory, NodeName};
use crate::resource::Problem;

/// Clocks may be this far apart; joins and TLS fail long after, logs are unreadable long before.
pub(crate) const CLOCKS_APART_MS: i64 = 30_000;

/// Why nothing may be changed; empty where all is well.
pub(super) fn refusals(view: &View<'_>) -> Vec<Finding> {
    let mut refusals = Vec::new();
    refusals.extend(Identity::ALL.into_iter().flat_map(|identity| identity.refusals(view)));
    refusals.extend(clocks(view));
    for (node, host) in view.hosts {
        refusals.extend(unsupported(view, node, host));
    }
    refusals
}

/// Clocks too far apart.
fn clocks(view: &View<'_>) -> Vec<Finding> {
    let wrong = clock_leads(view).into_iter().filter(|(_, lead)| lead.abs() > CLOCKS_APART_MS);
    wrong.map(|(node, lead)| clock_finding(node, lead)).collect()
}

/// That a node's clock goes so many milliseconds before the others'.
pub(crate) fn clock_finding(node: NodeName, lead: i64) -> Finding {
    let direction = if lead > 0 { "ahead of" } else { "behind" };
    Finding {
        message: format!("{node}'s clock is {} s {direction} the other nodes'", lead.abs() / 1000),
        help: format!("set it right: `timedatectl set-ntp true` on {node}, then look at `timedatectl`"),
        nodes: vec![node],
    }
}

/// How far each node's clock is ahead of their median, in milliseconds; a single wrong clock cannot move that.
pub(crate) fn clock_leads(view: &View<'_>) -> BTreeMap<NodeName, i64> {
    let median = clock_median(view).unwrap_or_default();
    view.hosts.iter().map(|(node, host)| (node.clone(), host.clock_offset_ms - median)).collect()
}

/// How far the median of the nodes' clocks is ahead of this computer's, in milliseconds; none where there are no nodes.
/// With two nodes the lower one counts, and the other is the one that is ahead; either way both are told.
pub(crate) fn clock_median(view: &View<'_>) -> Option<i64> {
    let mut offsets: Vec<i64> = view.hosts.values().map(|host| host.clock_offset_ms).collect();
    offsets.sort_unstable();
    offsets.get(offsets.len().saturating_sub(1) / 2).copied()
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

/// `n1, n2 and n3`.
pub(crate) fn list<T: Display>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.to_string(),
        [firsts @ .., last] => {
            let firsts: Vec<_> = firsts.iter().map(T::to_string).collect();
            format!("{} and {last}", firsts.join(", "))
        }
    }
}
