//! What has to hold before anything is changed.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::view::{Host, View};
use super::{Finding, distribution};
use crate::facts;
use crate::inventory::model::{EngineSource, NodeName};

/// Clocks may be this far apart; joins and TLS fail long after, logs are unreadable long before.
const CLOCKS_APART_MS: i64 = 30_000;

/// Why nothing may be changed; empty where all is well.
pub(super) fn refusals(view: &View<'_>) -> Vec<Finding> {
    let mut refusals = Vec::new();
    refusals.extend(twins(view, "machine-id", |host| Some(host.facts.system.machine_id.clone()), |_| {
        "they are copies of one card: on all but one, run `rm /etc/machine-id && systemd-machine-id-setup` and \
         reboot"
            .to_owned()
    }));
    refusals.extend(twins(
        view,
        "hostname",
        |host| Some(host.facts.system.hostname.clone()),
        |nodes| {
            let last = &nodes[nodes.len() - 1];
            format!("give each its own, such as `hostnamectl set-hostname {last}` on {last}")
        },
    ));
    refusals.extend(twins(view, "engine ID", engine_id, |_| {
        "they are copies of one card: on all but one, run `systemctl stop docker && rm \
         /var/lib/docker/engine-id /etc/docker/key.json; systemctl start docker`"
            .to_owned()
    }));
    refusals.extend(clocks(view));
    for (node, host) in &view.hosts {
        refusals.extend(unsupported(view, node, host));
    }
    refusals
}

fn engine_id(host: &Host) -> Option<String> {
    match &host.facts.engine {
        facts::Engine::Running(running) => Some(running.id.clone()),
        _ => None,
    }
}

/// Nodes that share what each must have for itself.
fn twins(
    view: &View<'_>,
    what: &str,
    value: impl Fn(&Host) -> Option<String>,
    help: impl Fn(&[NodeName]) -> String,
) -> Vec<Finding> {
    let values = view.hosts.iter().filter_map(|(node, host)| Some((value(host)?, node.clone())));
    shared(values.filter(|(value, _)| !value.is_empty()))
        .map(|(value, nodes)| Finding {
            message: format!("{} have one {what}, {value}", list(&nodes)),
            help: help(&nodes),
            nodes,
        })
        .collect()
}

/// Groups by value and keeps what several nodes share.
fn shared<V: Ord>(values: impl Iterator<Item = (V, NodeName)>) -> impl Iterator<Item = (V, Vec<NodeName>)> {
    let mut groups: BTreeMap<V, Vec<NodeName>> = BTreeMap::new();
    for (value, node) in values {
        groups.entry(value).or_default().push(node);
    }
    groups.into_iter().filter(|(_, nodes)| nodes.len() > 1)
}

/// Clocks too far apart from the median, which a single wrong clock cannot move.
fn clocks(view: &View<'_>) -> Vec<Finding> {
    let mut offsets: Vec<i64> = view.hosts.values().map(|host| host.clock_offset_ms).collect();
    offsets.sort_unstable();
    // With two nodes the lower one counts, and the other is the one that is ahead; either way both are told.
    let Some(median) = offsets.get(offsets.len().saturating_sub(1) / 2).copied() else { return Vec::new() };
    let wrong = view.hosts.iter().filter(|(_, host)| (host.clock_offset_ms - median).abs() > CLOCKS_APART_MS);
    wrong
        .map(|(node, host)| {
            let seconds = (host.clock_offset_ms - median) / 1000;
            let direction = if seconds > 0 { "ahead of" } else { "behind" };
            Finding {
                nodes: vec![node.clone()],
                message: format!("{node}'s clock is {} s {direction} the other nodes'", seconds.abs()),
                help: format!(
                    "set it right: `timedatectl set-ntp true` on {node}, then look at `timedatectl`"
                ),
            }
        })
        .collect()
}

/// What makes one host unfit for skep.
fn unsupported(view: &View<'_>, node: &NodeName, host: &Host) -> Vec<Finding> {
    let system = &host.facts.system;
    let mut findings = Vec::new();
    let mut refuse = |message: String, help: &str| {
        findings.push(Finding { nodes: vec![node.clone()], message, help: help.to_owned() });
    };
    if !distribution::supported(system) {
        let name = &system.pretty_name;
        refuse(format!("{node} runs {name}, which skep does not know"), "use Debian, Ubuntu or Armbian");
    }
    if !system.systemd {
        refuse(format!("{node} does not run systemd"), "use an image whose process 1 is systemd");
    }
    if view.inventory.engine.source == EngineSource::Keep && !host.facts.engine.is_installed() {
        refuse(
            format!("{node} has no Docker engine, and `engine.source` is `keep`"),
            "install one, or set `engine.source: distro`",
        );
    }
    findings
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
