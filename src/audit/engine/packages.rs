//! Which engine it is: its packages, its version, and whether the nodes have the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{INFO, running};
use crate::audit::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::inventory::model::{EngineSource, NodeName};
use crate::plan::package_problem;
use crate::resource::Observed;
use crate::resource::packages::version::{fits, is_older};

pub(in crate::audit) const PACKAGES: Check = Check {
    id: "engine-packages",
    family: Family::Engine,
    title: "the engine's packages can be had",
    explanation: "The inventory says where the engine comes from (`engine.source`), and for which version. This check asks \
        the planner what keeps a host from it: packages of the other source in the way, an engine that no package holds, no \
        packages by Docker for the host's release or architecture, or an engine newer than the version wanted. Each is an \
        error, since `skep up` leaves the engine alone then. dpkg's own records and os-release are what is read.",
    examine: |case| {
        let choices = &case.view.choices;
        case.each(|subject| {
            [match package_problem(subject.inventory, subject.node, subject.host, choices) {
                None => Judgement::ok("the engine's packages are as wanted, or can be had"),
                Some(problem) => Judgement::error(problem.message).remedy(problem.help),
            }
            .seen("/var/lib/dpkg/status", installed(subject))]
        })
    },
};

/// The engine's packages as dpkg has them.
fn installed(subject: &Subject<'_>) -> String {
    let observed = subject.host.observed.values().filter_map(|observed| match observed {
        Ok(Observed::Packages(packages)) => Some(packages.installed.iter()),
        _ => None,
    });
    let engines =
        observed.flatten().filter(|(name, _)| name.starts_with("docker") || name.starts_with("containerd"));
    let engines: BTreeSet<String> = engines.map(|(name, version)| format!("{name} {version}")).collect();
    let told: Vec<String> = engines.into_iter().collect();
    if told.is_empty() { "no package of an engine".to_owned() } else { told.join(", ") }
}

pub(in crate::audit) const VERSION: Check = Check {
    id: "engine-version",
    family: Family::Engine,
    title: "the engine is of the version wanted",
    explanation: "The engine tells its version itself. Another one than `engine.version` wants is a warning: `skep up` \
        changes it, node by node. Engines before 20.10 are not known to skep, which is a warning. Those before 23.0, such as \
        Debian 12's own docker.io 20.10, work, but their `docker` lacks `--format json` and `docker stack config`: a note. \
        29.0 to 29.2 refuse clients below API version 1.44, which broke many dashboards and proxies; 29.3 took 1.40 again: \
        a note as well.",
    examine: |case| case.each(version),
};

fn version(subject: &Subject<'_>) -> Option<Judgement> {
    let version = &running(subject)?.version;
    let seen = |judgement: Judgement| judgement.seen(INFO, format!("ServerVersion {version}"));
    let engine = &subject.inventory.engine;
    let wanted = engine.version.as_ref().filter(|_| engine.source != EngineSource::Keep);
    if let Some(wanted) = wanted.filter(|wanted| !fits(wanted, version)) {
        // What would have to become older is told by the check of the packages.
        let help = if is_older(wanted, version) {
            "`skep up --replace-engine` goes back to it"
        } else {
            "`skep up` changes it"
        };
        let message = format!("Docker is {version}, and the inventory wants {wanted}");
        return Some(seen(Judgement::warning(message)).remedy(help));
    }
    Some(seen(match numbers(version) {
        None => Judgement::unknown(format!("Docker calls its version {version}, which has no numbers")),
        Some(older) if older < (20, 10) => Judgement::warning(format!(
            "Docker {version} is older than skep knows"
        ))
        .remedy(
            "write `engine: {source: docker}` for a newer one; `skep up --replace-engine` puts it in place",
        ),
        Some(older) if older < (23, 0) => Judgement::note(format!(
            "Docker {version} is old: its `docker` lacks `--format json` and `docker stack config`"
        )),
        Some((29, 0..=2)) => Judgement::note(format!(
            "Docker {version} refuses clients below API version 1.44, such as older dashboards and proxies"
        ))
        .remedy("29.3 takes them again: write `engine: {version: \"29.3.*\"}`"),
        Some(_) => Judgement::ok(format!("Docker {version}")),
    }))
}

/// Major and minor.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(in crate::audit) const VERSIONS: Check = Check {
    id: "engine-versions",
    family: Family::Engine,
    title: "the nodes have the same engine",
    explanation: "Managers of different versions work together while they are upgraded, one after another, but not for good: \
        a manager of a newer version may write what an older one does not understand. Engines that differ in their major or \
        minor number are a warning, those that differ only in the last one a note. Compared are the nodes that answer.",
    examine: versions,
};

fn versions(case: &Case<'_>) -> Vec<Verdict> {
    let mut groups: BTreeMap<&str, Vec<NodeName>> = BTreeMap::new();
    for subject in case.subjects() {
        if let Some(running) = running(&subject) {
            groups.entry(&running.version).or_default().push(subject.node.name.clone());
        }
    }
    let nodes: Vec<NodeName> = groups.values().flatten().cloned().collect();
    if nodes.len() < 2 {
        return Vec::new();
    }
    let mut minors: Vec<_> = groups.keys().map(|version| numbers(version)).collect();
    minors.dedup();
    let told: Vec<String> =
        groups.iter().map(|(version, nodes)| format!("{version} on {}", names(nodes))).collect();
    let told = told.join("; ");
    let judgement = match (minors.len(), groups.len()) {
        (_, 1) => Judgement::ok("all have the same engine"),
        (1, _) => Judgement::note(format!("the engines differ a little: {told}")),
        _ => Judgement::warning(format!("the engines are of different versions: {told}"))
            .remedy("write the one that all shall have, such as `engine: {version: \"28.*\"}`; `skep up` changes node by node"),
    };
    vec![judgement.seen(INFO, told).about(nodes)]
}

fn names(nodes: &[NodeName]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
