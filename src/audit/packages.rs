//! The state of packages, and what changes them without being asked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Family, Judgement, Subject};
use crate::inventory::model::EngineSource;
use crate::plan::distribution;
use crate::resource::packages::Observed as Packages;
use crate::resource::{Key, Observed};

/// See its explanation.
pub(super) const STATE: Check = Check {
    id: "packages-state",
    family: Family::System,
    title: "packages are wholly installed",
    explanation: "A dpkg that was interrupted, by a power cut or a full disk, leaves packages unpacked but not configured, and \
        apt refuses all else until they are. What is read is dpkg's own record (/var/lib/dpkg/status and \
        /var/lib/dpkg/updates), without asking dpkg, so that it is seen while dpkg works, too. It is a warning: `skep \
        up` finishes what was left half way before it installs anything.",
    examine: |case| case.each(|subject| [state(subject)]),
};

/// See its explanation.
pub(super) const HELD: Check = Check {
    id: "packages-held",
    family: Family::System,
    title: "no package is held against the inventory",
    explanation: "apt leaves packages on hold (`apt-mark hold`) as they are, whatever else is upgraded. For the engine that is \
        often meant so, and skep does it itself where the inventory says `engine.hold: true`. A hold on a package that \
        the inventory needs and that is not there yet is an error, since apt will not install it. An engine that is held \
        without the inventory saying so gets no security updates, which is worth a note. What is read is \
        /var/lib/dpkg/status.",
    examine: |case| case.each(held),
};

/// See its explanation.
pub(super) const SOURCES: Check = Check {
    id: "apt-sources",
    family: Family::System,
    title: "apt can read its sources",
    explanation: "apt does not work at all where one repository stands in two files with different keys: `Conflicting values \
        set for option Signed-By`. That happens where Docker's script wrote docker.list and its documentation \
        docker.sources (docker/for-linux#1349). What is read is /etc/apt/sources.list and sources.list.d, in both \
        notations. It is an error, unless it is Docker's repository and the inventory takes the engine from there: \
        `skep up` then leaves one entry. No source at all is a warning.",
    examine: |case| case.each(sources),
};

/// See its explanation.
pub(super) const UNATTENDED: Check = Check {
    id: "unattended-upgrades",
    family: Family::System,
    title: "the engine changes only when asked to",
    explanation: "unattended-upgrades installs security updates at night, that of the distribution's engine too, and each \
        restarts the engine and with it the node's containers, on all nodes at about the same time. What is read is \
        apt's configuration (`APT::Periodic::Unattended-Upgrade`). It is a note where the engine is the \
        distribution's and is not held; packages of Docker's repository are left alone by it. `engine.hold: true` in \
        the inventory keeps the engine as it is until `skep up`.",
    examine: |case| case.each(unattended),
};

/// What dpkg has of the packages that matter; why that is not known.
fn observed<'a>(subject: &Subject<'a>) -> Result<&'a Packages, Judgement> {
    let unknown = |cause: String| {
        Judgement::unknown("dpkg's record cannot be read").seen("/var/lib/dpkg/status", cause)
    };
    match subject.host.observed.get(&Key::Packages(distribution::asked().into())) {
        Some(Ok(Observed::Packages(packages))) => Ok(packages),
        Some(Err(fault)) => Err(unknown(fault.to_string())),
        _ => Err(unknown("it was not asked for".to_owned())),
    }
}

fn state(subject: &Subject<'_>) -> Judgement {
    let packages = match observed(subject) {
        Ok(packages) => packages,
        Err(unknown) => return unknown,
    };
    let help = "`skep up` finishes it; by hand: `dpkg --configure -a && apt-get install -f` on the host";
    match (&packages.unfinished[..], packages.interrupted) {
        ([], false) => Judgement::ok("all packages are wholly installed")
            .seen("/var/lib/dpkg/status", "nothing half installed"),
        ([], true) => Judgement::warning("dpkg was interrupted, or is at work just now")
            .seen("/var/lib/dpkg/updates", "changes that are yet to be recorded")
            .remedy(help),
        (unfinished, _) => {
            let names = some(unfinished);
            Judgement::warning(format!("packages are left half installed: {names}"))
                .seen("/var/lib/dpkg/status", names)
                .remedy(help)
        }
    }
}

/// The first of them, and how many more.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

fn held(subject: &Subject<'_>) -> Vec<Judgement> {
    let Ok(packages) = observed(subject) else { return Vec::new() };
    let held: BTreeSet<&str> = subject.inspection.packages.held.iter().map(String::as_str).collect();
    let place = "/var/lib/dpkg/status";
    let told =
        |judgement: Judgement, names: &[&str]| judgement.seen(place, format!("hold {}", names.join(" ")));
    let needed = needed(subject, packages);
    let missing: Vec<_> = held.iter().copied().filter(|name| needed.contains(name)).collect();
    let mut found = Vec::new();
    if !missing.is_empty() {
        let names = missing.join(" ");
        let message = format!("apt will not install {names}: on hold");
        let remedy = format!("run `apt-mark unhold {names}` on the host");
        found.push(told(Judgement::error(message), &missing).remedy(remedy));
    }
    let engines = distribution::engines();
    let engine: Vec<_> = held
        .iter()
        .copied()
        .filter(|name| engines.contains(*name) && packages.installed.contains_key(*name))
        .collect();
    let names = engine.join(" ");
    match subject.inventory.engine.hold {
        _ if engine.is_empty() => {}
        Some(true) => {}
        Some(false) => found.push(
            told(Judgement::note(format!("{names} is held, and the inventory wants it not to be")), &engine)
                .remedy("run `skep up`"),
        ),
        None => found.push(
            told(Judgement::note(format!("{names} is held: it gets no security updates")), &engine)
                .remedy(format!("if that is not meant so, run `apt-mark unhold {names}` on the host")),
        ),
    }
    if found.is_empty() {
        let others =
            if held.is_empty() { "nothing is on hold".to_owned() } else { format!("hold {}", held.len()) };
        found.push(Judgement::ok("nothing is held against the inventory").seen(place, others));
    }
    found
}

/// Packages that the inventory needs on this node and that are yet to be installed, without those of the engine, which
/// skep changes though they are held.
fn needed<'a>(subject: &Subject<'_>, packages: &Packages) -> Vec<&'a str> {
    let nfs = !subject.inventory.shares.is_empty();
    let serves = subject.serves().next().is_some();
    let apparmor = subject.facts().kernel.apparmor;
    let always = distribution::BESIDES.iter().copied();
    let some = [
        (apparmor, distribution::APPARMOR),
        (nfs, distribution::NFS_CLIENT),
        (serves, distribution::NFS_SERVER),
    ];
    let some = some.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name);
    always.chain(some).filter(|name| !packages.installed.contains_key(*name)).collect()
}

fn sources(subject: &Subject<'_>) -> Vec<Judgement> {
    let sources = &subject.inspection.packages.sources;
    let place = "/etc/apt/sources.list.d";
    if sources.is_empty() {
        return vec![
            Judgement::warning("apt has no sources, so that nothing can be installed")
                .seen(place, "no entry, nor in /etc/apt/sources.list")
                .remedy("write the distribution's to /etc/apt/sources.list: `man sources.list` has examples"),
        ];
    }
    let mut places: BTreeMap<(&str, &str), BTreeMap<&str, &str>> = BTreeMap::new();
    for source in sources {
        let entry = &source.entry;
        let keys = places.entry((&entry.uri, &entry.suite)).or_default();
        keys.entry(&entry.signed_by).or_insert(&source.file);
    }
    let conflicts: Vec<_> = places
        .into_iter()
        .filter(|(_, keys)| keys.len() > 1)
        .map(|((uri, suite), keys)| conflict(subject, uri, suite, &keys))
        .collect();
    if conflicts.is_empty() {
        return vec![
            Judgement::ok("no two sources contradict each other")
                .seen(place, format!("{} entries with /etc/apt/sources.list", sources.len())),
        ];
    }
    conflicts
}

fn conflict(subject: &Subject<'_>, uri: &str, suite: &str, keys: &BTreeMap<&str, &str>) -> Judgement {
    let files: BTreeSet<&str> = keys.values().copied().collect();
    let message = format!("apt refuses its sources: {uri} {suite} stands there with several keys");
    let ours =
        subject.inventory.engine.source == EngineSource::Docker && uri.starts_with(distribution::DOCKER_URL);
    let judgement = if ours { Judgement::warning(message) } else { Judgement::error(message) };
    let judgement = keys.iter().fold(judgement, |judgement, (key, file)| {
        let key = if key.is_empty() { "no Signed-By" } else { key };
        judgement.seen(*file, key)
    });
    match files.iter().next_back() {
        _ if ours => judgement.remedy("run `skep up`: it leaves one entry"),
        Some(file) if files.len() > 1 => judgement.remedy(format!(
            "keep one of them: `rm {file}` on the host, where it holds nothing else, then `apt-get update`"
        )),
        _ => {
            judgement.remedy(format!("keep one of the entries in {}", files.into_iter().collect::<String>()))
        }
    }
}

fn unattended(subject: &Subject<'_>) -> Option<Judgement> {
    let packages = observed(subject).ok()?;
    let inspected = &subject.inspection.packages;
    let engine = &subject.inventory.engine;
    let has = |name: &str| packages.installed.contains_key(name);
    let distros = has(distribution::ENGINE)
        || (engine.source == EngineSource::Distro && !has(distribution::DOCKER_ENGINE));
    let Some(file) = inspected.unattended.as_ref().filter(|_| distros) else {
        return Some(
            Judgement::ok("nothing upgrades the engine by itself")
                .seen("/etc/apt/apt.conf.d", "no upgrades of this engine by themselves"),
        );
    };
    let held = engine.hold == Some(true) || inspected.held.iter().any(|name| name == distribution::ENGINE);
    let seen = |judgement: Judgement| judgement.seen(file, "APT::Periodic::Unattended-Upgrade");
    Some(seen(if held {
        Judgement::ok("the engine is held, so that it is not upgraded by itself")
    } else {
        Judgement::note(
            "unattended-upgrades may restart the engine at night, on all nodes at about the same time",
        )
        .remedy(format!("write `hold: true` under `engine` in {}", subject.inventory.path.display()))
    }))
}

#[cfg(test)]
mod tests;
