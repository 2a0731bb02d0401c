//! Whether containers use what is mounted, and not the directory below it.

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::SKEP_UP;
use crate::facts::inspection::nfs::bound::Bound;
use crate::facts::inspection::nfs::docker::Failed;
use crate::facts::inspection::nfs::is_nfs;
use crate::resource::exports::options;
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
        container, look below the mount point for what it wrote: `mount --bind / /mnt && ls /mnt/…`. Where a share makes \
        all users one (`all_squash`), nobody may give a file to another user, and images that do so at their start, as \
        those of most databases, end with an error. A container that uses such a share and is started again and again is \
        a warning, one that ended with an error a note: Docker's own files tell of them (containers/ID/config.v2.json), \
        and only the container's log tells whether that was why.",
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
    found.extend(subject.nfs().failed.iter().filter_map(|failed| squashed(subject, failed)));
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

/// A container that may have failed because nobody may change the owner of a file on its share.
fn squashed(subject: &Subject<'_>, failed: &Failed) -> Option<Judgement> {
    let Failed { id, name, from, code, again } = failed;
    let (share, mount) = subject.mounting().find(|(_, mount)| from.starts_with(&mount.at))?;
    let options = options::effective(&share.options);
    if !options::is_on(&options, "all_squash") {
        return None;
    }
    let at = mount.at.display();
    let told = |what: &str| {
        format!(
            "`{name}` {what}: it may be an image that changes owners, which nobody may in {at} (`all_squash`)"
        )
    };
    let judgement = match again {
        true => Judgement::warning(told("starts again and again")),
        false => Judgement::note(told("ended with an error")),
    };
    let id_of = |key| options.get(key).map_or("65534", String::as_str);
    let user = format!("{}:{}", id_of("anonuid"), id_of("anongid"));
    let seen =
        judgement.seen(format!("docker inspect {id}"), format!("exit code {code}; uses {}", from.display()));
    Some(seen.remedy(format!("docker logs {id} 2>&1 | grep -i -e chown -e 'not permitted'")).remedy(format!(
        "where it says so: run it as the user of the share (`--user {user}`, in a stack `user: \"{user}\"`), or give it a \
         volume of the node's own"
    )))
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
