//! Whether an engine runs, and comes back after a boot when what its containers write to is there.

use std::path::Path;

use super::{INFO, is_installed, unread};
use crate::audit::{Check, Family, Judgement, Subject};
use crate::facts::Engine;
use crate::facts::inspection::engine::Line;
use crate::plan::nothing_to_keep;
use crate::resource::{Key, Kind, Observed, mount, unit};

const UNIT: &str = "docker.service";

pub(in crate::audit) const ENGINE: Check = Check {
    id: "engine",
    family: Family::Engine,
    title: "the engine answers",
    explanation: "A node is nothing in a swarm without an engine that answers. It is asked over its own socket, and only \
        while its process runs, since asking a stopped one would start it. No engine is a note, because `skep up` installs \
        one, but an error where `engine.source` is `keep`. A stopped engine is an error where its data hold the state of a \
        swarm, as tasks are missing there now, or where its last start failed; else a note. One that runs without an \
        answer is unknown: nothing can be said about its swarm. Its own words are in `journalctl -u docker`.",
    examine: |case| case.each(|subject| [engine(subject)]),
};

fn engine(subject: &Subject<'_>) -> Judgement {
    let name = &subject.node.name;
    let journal = format!("on {name}: `journalctl -u docker -n 50 --no-pager` tells why");
    let containerd = match subject.inspection.engine.containerd {
        true => "containerd runs",
        false => "no containerd runs",
    };
    match &subject.facts().engine {
        Engine::Running(running) => Judgement::ok(format!("Docker {} answers", running.version))
            .seen(INFO, format!("ServerVersion {}", running.version)),
        Engine::Absent { .. } => match nothing_to_keep(subject.inventory, subject.host) {
            Some(problem) => Judgement::error(problem.message)
                .seen("/usr/bin/dockerd", "is not there")
                .remedy(problem.help),
            None => Judgement::note("there is no engine yet: `skep up` installs it")
                .seen("/usr/bin/dockerd", "is not there"),
        },
        Engine::Silent { cause } => Judgement::unknown("the engine runs, but does not answer")
            .seen("/run/docker.sock", cause)
            .seen("/proc", containerd)
            .remedy(journal),
        Engine::Stopped { swarm } => {
            let failed = unit_state(subject).and_then(Result::ok).is_some_and(|unit| unit.active == "failed");
            let start = format!("on {name}: `systemctl start docker`, or `skep up`");
            let judgement = match (failed, swarm) {
                (true, _) => Judgement::error("the engine failed to start"),
                (false, true) => {
                    Judgement::error("the engine is stopped, and its data hold the state of a swarm")
                }
                (false, false) => Judgement::note("the engine is stopped: `skep up` starts it"),
            };
            let judgement = judgement.seen("/proc", format!("no dockerd runs, {containerd}"));
            if failed || *swarm { judgement.remedy(start).remedy(journal) } else { judgement }
        }
    }
}

/// What a plan saw of the engine's unit.
fn unit_state<'a>(subject: &Subject<'a>) -> Option<Result<&'a unit::Observed, &'a crate::resource::Fault>> {
    match subject.host.observed.get(&Key::Unit(UNIT.to_owned()))? {
        Ok(Observed::Unit(unit)) => Some(Ok(unit)),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    }
}

pub(in crate::audit) const BOOT: Check = Check {
    id: "engine-boot",
    family: Family::Engine,
    title: "the engine starts at boot",
    explanation: "After a power cut every node has to come back by itself, or the managers lose their quorum one reboot at a \
        time. systemd is asked for the state of docker.service: `enabled` is well, a masked unit cannot be started by \
        anybody and is an error, everything else is a warning that `skep up` puts right. Hosts without an engine are left \
        out.",
    examine: |case| case.each(|subject| is_installed(subject).then(|| boot(subject)).flatten()),
};

fn boot(subject: &Subject<'_>) -> Option<Judgement> {
    let unit = match unit_state(subject)? {
        Ok(unit) => unit,
        Err(fault) => return Some(unread(fault)),
    };
    let seen = |judgement: Judgement| judgement.seen(format!("systemctl is-enabled {UNIT}"), &unit.enabled);
    let desired = unit::Desired { name: UNIT.to_owned(), enabled: Some(true), active: None };
    Some(match unit::Unit::diff(&desired, unit) {
        Ok(None) => seen(Judgement::ok("the engine starts at boot")),
        Ok(Some(_)) => {
            seen(Judgement::warning("the engine does not start at boot")).remedy("`skep up` enables it")
        }
        Err(problem) => seen(Judgement::error(problem.message)).remedy(problem.help),
    })
}

pub(in crate::audit) const MOUNTS: Check = Check {
    id: "engine-mounts",
    family: Family::Engine,
    title: "the engine waits for its shares",
    explanation: "Debian's and Docker's unit wait for the network, but not for network mounts (moby issue 47153). A container \
        that starts earlier writes into the empty directory below the mount point, where nobody sees its data once the share \
        is mounted. The files of docker.service and its drop-ins are read: `After=` with remote-fs.target or the mount's own \
        unit, or `RequiresMountsFor=` with its path, makes it wait. Only nodes that mount shares are judged. It is a warning, \
        or a note on a host that has no engine yet; `skep up` writes the drop-in 10-skep-mounts.conf.",
    examine: |case| case.each(mounts),
};

fn mounts(subject: &Subject<'_>) -> Option<Judgement> {
    let points: Vec<&Path> =
        subject.mounts().filter_map(|share| Some(share.mount.as_ref()?.at.as_path())).collect();
    let order = &subject.inspection.engine.order;
    let missed = points.iter().find(|point| !order.iter().any(|line| waits(line, point)));
    let first = points.first()?;
    Some(match missed {
        None => {
            let line = order.iter().find(|line| waits(line, first))?;
            Judgement::ok("the engine waits for the shares that it mounts")
                .seen(line.file.display().to_string(), format!("{}={}", line.key, line.value))
        }
        Some(point) => {
            let message = format!("after a boot, containers may start before {} is mounted", point.display());
            let bare = !is_installed(subject);
            let judgement = if bare { Judgement::note(message) } else { Judgement::warning(message) };
            judgement
                .seen(
                    format!("/etc/systemd/system/{UNIT}.d"),
                    format!("nothing there waits for {}", mount::unit_name(point)),
                )
                .remedy("`skep up` writes the drop-in that makes the engine wait")
        }
    })
}

/// Whether a line makes the unit start after what is mounted there.
fn waits(line: &Line, point: &Path) -> bool {
    let mut names = line.value.split_whitespace();
    match line.key.as_str() {
        "After" => {
            let unit = mount::unit_name(point);
            names.any(|name| name == "remote-fs.target" || name == unit)
        }
        "RequiresMountsFor" | "WantsMountsFor" => names.any(|path| Path::new(path).starts_with(point)),
        _ => false,
    }
}
