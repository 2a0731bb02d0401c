//! The distribution and its architecture.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};

use super::{Case, Check, Family, Judgement, Subject, Verdict, days};
use crate::facts::System;
use crate::inventory::model::NodeName;
use crate::plan::architecture;
use crate::plan::validate::unfit;
use crate::words::list;

/// Days before the end of a release on which it is told of.
const TOLD_BEFORE: i64 = 120;

/// Until when releases get security updates from their distribution, long-term support included, but not what is paid
/// for. From `debian.csv` (`eol-lts`) and `ubuntu.csv` (`eol`) of the package distro-info-data.
const ENDS: &[(&str, Date)] = &[
    ("stretch", date(2022, 6, 30)),
    ("buster", date(2024, 6, 30)),
    ("bullseye", date(2026, 8, 31)),
    ("bookworm", date(2028, 6, 30)),
    ("trixie", date(2030, 6, 30)),
    ("bionic", date(2023, 5, 31)),
    ("focal", date(2025, 5, 29)),
    ("jammy", date(2027, 6, 1)),
    ("noble", date(2029, 5, 31)),
    ("oracular", date(2025, 7, 10)),
    ("plucky", date(2026, 1, 15)),
    ("questing", date(2026, 7, 9)),
    ("resolute", date(2031, 5, 29)),
];

/// See its explanation.
pub(super) const SYSTEM: Check = Check {
    id: "system",
    family: Family::System,
    title: "supported system",
    explanation: "skep knows Debian, Ubuntu and what is made from them (Armbian, Raspberry Pi OS, ...), with systemd as \
        process 1; anything else is an error, and `skep up` refuses it. What is read is os-release(5). A release that \
        gets no more security updates is a warning: its archives are moved away sooner or later, and packages can no \
        longer be installed. Its last months, and releases that have no end yet, such as testing, are worth a note. The \
        dates are those that Debian (with its long-term support) and Ubuntu publish in distro-info-data.",
    examine: |case| case.each(|subject| [system(subject)]),
};

/// See its explanation.
pub(super) const ARCHITECTURE: Check = Check {
    id: "architecture",
    family: Family::System,
    title: "architecture",
    explanation: "The swarm is told the architecture of a node's kernel, and chooses images by it. Packages of 32 bits on a \
        kernel of 64, as some images for Raspberry Pis have them, are a warning: the node is given images that its \
        engine cannot run. Nodes of several architectures in one swarm are worth a note: each image has to be built \
        for all of them, or its service kept to some by `node.platform.arch`, which is written as in `uname -m` \
        (`aarch64`, not `arm64`). What is read is `uname -m` and the architecture of dpkg's own package.",
    examine: architectures,
};

fn system(subject: &Subject<'_>) -> Judgement {
    let system = &subject.facts().system;
    let place = "/etc/os-release";
    let told = format!("ID={} VERSION_CODENAME={}", system.id, system.codename);
    if let Some((cause, help)) = unfit(subject.host).into_iter().next() {
        return Judgement::error(format!("the host {cause}")).seen(place, told).remedy(help);
    }
    let name = &system.pretty_name;
    let Some((release, end)) = end(system) else {
        return Judgement::note(format!("{name} has no day yet until which it gets security updates"))
            .seen(place, told);
    };
    let left = days::day(end) - days::today(subject);
    let judgement = match left {
        ..0 => Judgement::warning(format!("{name} gets no security updates since {end}")).remedy(format!(
            "move to a newer release: take the node out with `skep node rm {}`, flash it anew and run `skep up`",
            subject.node.name
        )),
        0..TOLD_BEFORE => Judgement::note(format!("{name} gets security updates until {end} only")),
        _ => Judgement::ok(name.clone()),
    };
    judgement.seen(place, told).seen("distro-info-data", format!("{release} ends on {end}"))
}

/// The release that a system is, or was made from, and its last day.
fn end(system: &System) -> Option<(&str, Date)> {
    let names = [&system.ubuntu_codename, &system.debian_codename].into_iter().flatten();
    let mut names = names.chain([&system.codename]).map(String::as_str);
    names.find_map(|name| ENDS.iter().find(|(release, _)| *release == name)).copied()
}

fn architectures(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = case.each(|subject| [architecture(subject)]);
    let mut kinds: BTreeMap<&str, Vec<NodeName>> = BTreeMap::new();
    for (name, host) in case.view.hosts {
        kinds.entry(&host.facts.kernel.machine).or_default().push(name.clone());
    }
    if kinds.len() > 1 {
        let parts: Vec<_> = kinds.iter().map(|(kind, nodes)| format!("{kind} on {}", list(nodes))).collect();
        let judgement = Judgement::note(format!(
            "nodes of several architectures: {}; each image has to be built for all of them",
            parts.join("; ")
        ));
        let example = kinds.keys().next().unwrap_or(&"aarch64");
        let remedy = format!(
            "or keep a service to some: `--constraint node.platform.arch=={example}`, written as in `uname -m`"
        );
        verdicts.push(judgement.seen("uname -m", parts.join("; ")).remedy(remedy).about([]));
    }
    verdicts
}

fn architecture(subject: &Subject<'_>) -> Judgement {
    let facts = subject.facts();
    let (kernel, packages) = (&facts.kernel.machine, &facts.system.architecture);
    let judgement = match architecture::mixed(subject.host) {
        Some(_) => Judgement::warning(format!(
            "packages of {packages} on a kernel of {kernel}: the swarm gives out images that the engine cannot run"
        ))
        .remedy(architecture::HELP),
        None => Judgement::ok(format!("{packages} on {kernel}")),
    };
    judgement.seen("uname -m", kernel).seen("/var/lib/dpkg/status", format!("dpkg is of {packages}"))
}

#[cfg(test)]
mod tests {
    use super::super::world::{Audited, cluster, single};
    use super::*;

    fn with(change: impl FnOnce(&mut System)) -> Audited {
        single().facts("n1", |facts| change(&mut facts.system))
    }

    fn on(day: &str, codename: &str) -> Audited {
        let day = days::day(day.parse().unwrap());
        with(|system| codename.clone_into(&mut system.codename))
            .facts("n1", |facts| facts.clock.unix_ms = day * 24 * 60 * 60 * 1000)
    }

    #[test]
    fn systems_that_skep_knows_and_others() {
        assert_eq!(single().all(&SYSTEM), ["ok n1: Debian"]);
        let other = with(|system| {
            system.id = "alpine".to_owned();
            system.pretty_name = "Alpine".to_owned();
        });
        assert_eq!(other.all(&SYSTEM), ["error n1: the host runs Alpine, which skep does not know"]);
        assert_eq!(other.verdicts(&SYSTEM)[0].remedy, ["use Debian, Ubuntu or Armbian"]);
        let sysvinit = with(|system| system.systemd = false);
        assert_eq!(sysvinit.all(&SYSTEM), ["error n1: the host does not run systemd"]);
    }

    #[test]
    fn releases_end() {
        for (day, codename, expected) in [
            ("2026-01-01", "bookworm", "ok n1: Debian"),
            ("2028-05-01", "bookworm", "note n1: Debian gets security updates until 2028-06-30 only"),
            ("2028-06-30", "bookworm", "note n1: Debian gets security updates until 2028-06-30 only"),
            ("2028-07-01", "bookworm", "warning n1: Debian gets no security updates since 2028-06-30"),
            ("2026-01-01", "forky", "note n1: Debian has no day yet until which it gets security updates"),
            ("2026-01-01", "", "note n1: Debian has no day yet until which it gets security updates"),
        ] {
            assert_eq!(on(day, codename).all(&SYSTEM), [expected], "{day} {codename}");
        }
        let mint = on("2030-01-01", "zena").facts("n1", |facts| {
            facts.system.ubuntu_codename = Some("noble".to_owned());
        });
        assert_eq!(mint.all(&SYSTEM), ["warning n1: Debian gets no security updates since 2029-05-31"]);
        assert!(mint.verdicts(&SYSTEM)[0].remedy[0].contains("skep node rm n1"));
    }

    #[test]
    fn architectures_of_one_host_and_of_all() {
        assert_eq!(single().all(&ARCHITECTURE), ["ok n1: amd64 on x86_64"]);
        let mixed = cluster().facts("n2", |facts| {
            facts.kernel.machine = "aarch64".to_owned();
            facts.system.architecture = "armhf".to_owned();
        });
        assert_eq!(
            mixed.said(&ARCHITECTURE),
            [
                "warning n2: packages of armhf on a kernel of aarch64: the swarm gives out images that the engine cannot run",
                "note: nodes of several architectures: aarch64 on n2; x86_64 on n1 and n3; each image has to be built for all \
                 of them",
            ]
        );
    }
}
