//! Whether containers use what is mounted, and not the directory below it.

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::SKEP_UP;
use crate::facts::inspection::nfs::bound::Bound;
use crate::facts::inspection::nfs::is_nfs;
use crate::resource::mount::unit_name;
use crate::resource::{Key, Observed, dropin};

pub(in crate::audit) const CONTAINERS: Check = Check {
    id: "nfs-containers",
    family: Family::Nfs,
    title: "containers on shares",
    explanation: "A container binds what is at a path when it begins, and keeps it. One that began before the share was \
        mounted writes to the directory below the mount point, on this node's own disc, unseen by all others: an error, \
        since those data are not where they are looked for. Each mount namespace's own table of mounts is read \
        (/proc/PID/mountinfo) and tells it for certain; nothing is mounted or touched for that. Docker itself does not \
        wait for network mounts at boot, so skep adds a drop-in to docker.service that makes it wait; where that is \
        missing although the share is set up, the same happens at the next boot: a warning. After restarting such a \
        container, look below the mount point for what it wrote: `mount --bind / /mnt && ls /mnt/…`.",
    examine,
};

/// The unit that must wait.
const DOCKER: &str = "docker.service";
/// The drop-in that makes it wait.
const DROPIN: &str = "10-skep-mounts.conf";

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    case.each(judge)
}

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let set_up = |at| subject.nfs().mounts.iter().any(|row| row.at == at && is_nfs(&row.info.fstype));
    let mounts: Vec<_> = subject.mounting().map(|(_, mount)| mount).collect();
    let ready: Vec<_> = mounts
        .iter()
        .filter(|mount| {
            set_up(mount.at.clone()) || subject.mount(mount).is_some_and(|observed| observed.text.is_some())
        })
        .collect();
    let mut found: Vec<_> = subject.nfs().bound.iter().map(|bound| below(subject, bound)).collect();
    if ready.is_empty() && found.is_empty() {
        return Vec::new();
    }
    let units: Vec<_> = ready.iter().map(|mount| unit_name(&mount.at)).collect();
    found.extend(order(subject, &units));
    super::or_ok(found, || {
        Judgement::ok("no container began before its share, and Docker waits for shares at boot")
    })
}

fn below(subject: &Subject<'_>, bound: &Bound) -> Judgement {
    let Bound { point, from, at, pid, name, container } = bound;
    let mounted = subject.nfs().mounts.iter().any(|row| row.at == *point && is_nfs(&row.info.fstype));
    let who = match container {
        Some(id) => format!("the container {id} ({name})"),
        None => format!("the process {pid} ({name})"),
    };
    let from = from.display();
    let message = match mounted {
        true => format!(
            "{who} began before {} was mounted, and uses the directory below it as {}",
            point.display(),
            at.display()
        ),
        false => format!(
            "{who} uses {from} as {}, where nothing is mounted: its data stay on this node",
            at.display()
        ),
    };
    let judgement = Judgement::error(message)
        .seen(format!("/proc/{pid}/mountinfo"), format!("{from} of the host's own disc at {}", at.display()));
    let judgement = if mounted { judgement } else { judgement.remedy(SKEP_UP) };
    match container {
        Some(id) => judgement.remedy(format!("docker restart {id}")),
        None => {
            judgement.remedy(format!("restart the service of the process: `systemctl status {pid}` names it"))
        }
    }
}

/// Whether Docker waits for the mounts at boot.
fn order(subject: &Subject<'_>, units: &[String]) -> Option<Judgement> {
    if !subject.facts().engine.is_installed() || units.is_empty() {
        return None;
    }
    let key = Key::Dropin(dropin::Key { unit: DOCKER.to_owned(), name: DROPIN.to_owned() });
    let place = format!("/etc/systemd/system/{DOCKER}.d/{DROPIN}");
    let text = match subject.host.observed.get(&key) {
        Some(Ok(Observed::Dropin(observed))) => observed.text.as_deref().unwrap_or_default(),
        Some(Err(fault)) => return Some(super::unseen(fault)),
        _ => return None,
    };
    let unit = units
        .iter()
        .find(|unit| !text.split_whitespace().any(|word| word.trim_start_matches("Wants=") == *unit))?;
    let said = if text.is_empty() { "not there" } else { text };
    Some(
        Judgement::warning(format!(
            "Docker does not wait for {unit} at boot: containers may begin before it is mounted"
        ))
        .seen(place, said)
        .remedy(SKEP_UP),
    )
}
