//! What the engine tells of itself: limits, confinement, registries, warnings.

use super::{INFO, running};
use crate::audit::{Check, Family, Judgement, Subject};

pub(in crate::audit) const CGROUPS: Check = Check {
    id: "engine-cgroups",
    family: Family::Engine,
    title: "limits of containers are systemd's to set",
    explanation: "On cgroup version 2 systemd owns the tree and expects to be its only writer (systemd's CGROUP_DELEGATION \
        document). An engine with the driver `cgroupfs` writes beside it, and limits get lost when systemd reloads: a \
        warning. On version 1 `cgroupfs` is Docker's own choice and well. A driver `none` limits nothing: an error. The \
        engine tells its driver.",
    examine: |case| case.each(cgroups),
};

fn cgroups(subject: &Subject<'_>) -> Option<Judgement> {
    let settings = &running(subject)?.settings;
    let (driver, version) = (settings.cgroup_driver.as_str(), subject.facts().kernel.cgroup);
    let own = "take `native.cgroupdriver` out of `exec-opts` in /etc/docker/daemon.json, then restart docker";
    let judgement = match (driver, version) {
        ("", _) => return None,
        ("none", _) => Judgement::error("the engine cannot limit containers at all")
            .remedy("look at `docker info` and at cgroups among the kernel's checks"),
        ("cgroupfs", 2) if subject.facts().system.systemd => {
            Judgement::warning("the engine writes to systemd's cgroups behind its back").remedy(own)
        }
        _ => Judgement::ok(format!("limits are set through {driver}")),
    };
    Some(judgement.seen(INFO, format!("CgroupDriver {driver}, cgroup version {version}")))
}

pub(in crate::audit) const SECURITY: Check = Check {
    id: "engine-security",
    family: Family::Engine,
    title: "containers are held back",
    explanation: "The engine tells what holds its containers back. Without seccomp, or with the profile `unconfined`, each \
        container may call all of the kernel: a warning. An engine without root (`rootless`) has no overlay networks to \
        offer, so that it can be no node of a swarm that is of use: an error. AppArmor is judged among the kernel's checks.",
    examine: |case| case.each(security),
};

fn security(subject: &Subject<'_>) -> Option<Judgement> {
    let security = &running(subject)?.settings.security;
    let has = |name: &str| {
        security.iter().find(|option| option.split(',').any(|part| part == format!("name={name}")))
    };
    let judgement = match (has("rootless"), has("seccomp")) {
        _ if security.is_empty() => return None,
        (Some(_), _) => {
            Judgement::error("the engine runs without root: overlay networks do not work with that")
                .remedy("install the engine for the whole host: `skep up`")
        }
        (None, None) => Judgement::warning("no container is held back by seccomp")
            .remedy("boot a kernel with CONFIG_SECCOMP_FILTER; Debian's and Armbian's have it"),
        (None, Some(seccomp)) if seccomp.contains("unconfined") => {
            Judgement::warning("seccomp holds no container back: its profile is unconfined")
                .remedy("take `seccomp-profile` out of /etc/docker/daemon.json, then restart docker")
        }
        (None, Some(_)) => Judgement::ok("containers are held back by seccomp"),
    };
    Some(judgement.seen(INFO, format!("SecurityOptions {}", security.join(" "))))
}

pub(in crate::audit) const REGISTRIES: Check = Check {
    id: "engine-registries",
    family: Family::Engine,
    title: "images come over verified TLS",
    explanation: "From a registry in `insecure-registries` images come unencrypted, or from whoever answers in its name. In \
        one's own network that is common, and a note. A network as wide as the internet (0.0.0.0/0) is a warning: no image \
        is safe then. The engine tells its list; that of the host itself is left out.",
    examine: |case| case.each(registries),
};

fn registries(subject: &Subject<'_>) -> Option<Judgement> {
    let list = &running(subject)?.settings.insecure_registries;
    let judgement = match list.iter().find(|entry| entry.ends_with("/0")) {
        _ if list.is_empty() => return Some(Judgement::ok("images come over verified TLS only").seen(INFO, "no insecure registries")),
        Some(all) => Judgement::warning(format!("images from anywhere ({all}) may be anybody's: no TLS is asked for")).remedy(
            "name the registries one by one in `insecure-registries` of /etc/docker/daemon.json, or give them a certificate",
        ),
        None => Judgement::note(format!("images from {} may be anybody's who answers there: no TLS is asked for", list.join(", "))),
    };
    Some(judgement.seen(INFO, format!("insecure registries: {}", list.join(", "))))
}

pub(in crate::audit) const WARNINGS: Check = Check {
    id: "engine-warnings",
    family: Family::Engine,
    title: "the engine has nothing to complain of",
    explanation: "`docker info` ends with what the engine found wrong with its host when it started. What it says of bridges \
        and forwarding is a warning, since networks do not work then; limits that the kernel lacks (swap, block devices, \
        processor quotas) are a note each. An API that is open to the network has a check of its own.",
    examine: |case| case.each(warnings),
};

fn warnings(subject: &Subject<'_>) -> Vec<Judgement> {
    let Some(running) = running(subject) else { return Vec::new() };
    let all = running.settings.warnings.iter().map(|warning| warning.trim());
    let plain = all.map(|warning| warning.strip_prefix("WARNING:").unwrap_or(warning).trim());
    let plain = plain.filter(|warning| !warning.is_empty() && !warning.contains("API is accessible"));
    let (networks, limits): (Vec<_>, Vec<_>) = plain.partition(|warning| is_about_networks(warning));
    let mut judged: Vec<Judgement> = networks.into_iter().map(network).collect();
    if !limits.is_empty() {
        let note = Judgement::note(format!("the engine says: {}", brief(&limits)));
        judged.push(limits.iter().fold(note, |note, warning| note.seen(INFO, *warning)));
    }
    if judged.is_empty() {
        judged.push(Judgement::ok("the engine has nothing to complain of").seen(INFO, "no Warnings"));
    }
    judged
}

fn is_about_networks(warning: &str) -> bool {
    ["bridge-nf-call", "forwarding", "ip_forward", "iptables"].iter().any(|word| warning.contains(word))
}

fn network(warning: &str) -> Judgement {
    let judgement = Judgement::warning(format!("the engine says: {}", brief(&[warning]))).seen(INFO, warning);
    match warning {
        _ if warning.contains("bridge-nf-call") => judgement
            .remedy("`skep up` loads br_netfilter; `systemctl restart docker` makes the engine look again"),
        _ if warning.contains("forwarding") || warning.contains("ip_forward") => {
            judgement.remedy("`skep up` sets net.ipv4.ip_forward")
        }
        _ => judgement.remedy("look at `iptables -S` and `journalctl -u docker`"),
    }
}

/// Their first lines: the engine adds links and advice.
fn brief(warnings: &[&str]) -> String {
    let firsts =
        warnings.iter().map(|warning| warning.lines().next().unwrap_or_default().trim_end_matches('.'));
    firsts.collect::<Vec<_>>().join("; ")
}
