//! Whether the shares are mounted as the inventory wants them.

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::SKEP_UP;
use crate::facts::inspection::nfs::is_nfs;
use crate::facts::inspection::nfs::place::Found;
use crate::inventory::model::{Share, ShareMount};
use crate::plan::desire;
use crate::resource::mount::table::Row;
use crate::resource::mount::{is_source, unit_name};

pub(in crate::audit) const MOUNTS: Check = Check {
    id: "nfs-mounts",
    family: Family::Nfs,
    title: "mounts as mounted",
    explanation: "What is mounted is read from /proc/self/mountinfo, so that a dead server keeps nobody waiting, and held \
        against the inventory: what, from where, with which version and options. What is not mounted, mounted from \
        elsewhere or otherwise is a warning where `skep up` sets it right, and an error where it cannot: something else \
        holds the mount point, or files lie in it that the mount would hide. `soft` mounts hand an error to whoever writes \
        while the server is away, and some programs lose data by that; an automount makes containers fail with \"Too many \
        levels of symbolic links\"; a line of /etc/fstab for the same place fights with skep's unit: warnings. Other NFS \
        mounts of the node are noted where they speak version 3: that is what Docker's local volumes fall back to without \
        `vers=`, and options of a volume never change once it is made.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    case.each(judge)
}

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let mounts = subject.mounting().flat_map(|(share, mount)| mounted(subject, share, mount));
    mounts.chain(older(subject)).collect()
}

fn mounted(subject: &Subject<'_>, share: &Share, mount: &ShareMount) -> Vec<Judgement> {
    let at = mount.at.display();
    let rows: Vec<&Row> = subject.nfs().mounts.iter().filter(|row| row.at == mount.at).collect();
    let mut found: Vec<_> = beside(subject, share, mount, &rows);
    match rows.iter().rev().find(|row| row.info.fstype != "autofs") {
        None => found.extend(missing(subject, share, mount, &rows)),
        Some(top) => found.extend(as_mounted(subject, share, mount, top, &rows)),
    }
    if found.is_empty() && rows.is_empty() {
        return found;
    }
    super::or_ok(found, || {
        let source = desire::source(subject.inventory, share, mount);
        seen(Judgement::ok(format!("{source} is mounted at {at}")), &rows)
    })
}

/// What the table of mounts says.
fn seen(judgement: Judgement, rows: &[&Row]) -> Judgement {
    if rows.is_empty() {
        return judgement.seen("/proc/self/mountinfo", "nothing is mounted there");
    }
    rows.iter().fold(judgement, |judgement, row| {
        let info = &row.info;
        let line = format!("{} {} {} {}", info.source, row.at.display(), info.fstype, info.options.join(","));
        judgement.seen("/proc/self/mountinfo", line)
    })
}

/// Nothing of the share is mounted.
fn missing(subject: &Subject<'_>, share: &Share, mount: &ShareMount, rows: &[&Row]) -> Option<Judgement> {
    let (nfs, at) = (subject.nfs(), mount.at.display());
    let place = nfs.place(&mount.at);
    match place.map(|place| &place.found) {
        Some(Found::Directory { filled: true, .. }) => {
            let judgement = Judgement::error(format!(
                "files lie in {at}, which the mount would hide, so `{SKEP_UP}` does not mount it"
            ));
            let remedy = format!("on {}: `mv {at} {at}.before`, then here `{SKEP_UP}`", subject.node.name);
            return Some(
                judgement.seen(at.to_string(), "not empty").remedy(format!("ls -A {at}")).remedy(remedy),
            );
        }
        Some(Found::Other) => {
            return Some(
                Judgement::error(format!("{at} shall be a mount point, and is no directory"))
                    .seen(at.to_string(), "is no directory")
                    .remedy(format!("ls -l {at}")),
            );
        }
        Some(Found::Failed(cause)) => {
            return Some(Judgement::unknown(format!("{at} cannot be looked at: {cause}")));
        }
        _ => {}
    }
    if subject.kernel_cannot_mount() {
        return None;
    }
    if !nfs.client {
        return Some(
            Judgement::note("the programs that mount NFS (nfs-common) are not installed yet").remedy(SKEP_UP),
        );
    }
    let source = desire::source(subject.inventory, share, mount);
    let set_up = subject.mount(mount).is_some_and(|observed| observed.text.is_some());
    Some(match set_up {
        false => Judgement::note(format!("{source} is not mounted at {at} yet")).remedy(SKEP_UP),
        true => seen(
            Judgement::warning(format!(
                "{source} is not mounted at {at}: what is written there stays on this node"
            )),
            rows,
        )
        .remedy(SKEP_UP)
        .remedy(format!("systemctl status {}", unit_name(&mount.at))),
    })
}

/// Something is mounted there.
fn as_mounted(
    subject: &Subject<'_>,
    share: &Share,
    mount: &ShareMount,
    top: &Row,
    rows: &[&Row],
) -> Vec<Judgement> {
    let (at, info) = (mount.at.display(), &top.info);
    let source = desire::source(subject.inventory, share, mount);
    let observed = subject.mount(mount);
    let set_up = observed.is_some_and(|observed| observed.text.is_some());
    if !is_nfs(&info.fstype) || !is_source(&info.source, &source) {
        let below = rows.iter().any(|row| is_source(&row.info.source, &source));
        let how = if below { "over" } else { "instead of" };
        let message = format!("{} ({}) is mounted at {at} {how} {source}", info.source, info.fstype);
        // Where the unit is skep's, it is what `up` mounts anew.
        return vec![match set_up {
            true => seen(Judgement::warning(message), rows).remedy(SKEP_UP),
            false => seen(Judgement::error(message), rows).remedy(format!("umount {at}; then `{SKEP_UP}`")),
        }];
    }
    let has = |option: &str| info.options.iter().any(|other| other == option);
    let mut found = Vec::new();
    if observed.is_some_and(|observed| observed.stale) {
        found.push(
            Judgement::warning(format!(
                "{source} at {at} is stale: the server no longer knows what was mounted"
            ))
            .remedy(SKEP_UP),
        );
    }
    for option in desire::required(mount).iter().filter(|option| !has(option)) {
        let is = info
            .options
            .iter()
            .find(|other| other.starts_with("vers="))
            .map_or("another version", String::as_str);
        found.push(Judgement::warning(format!("{at} is mounted with {is}, not {option}")).remedy(SKEP_UP));
    }
    let twice = rows.iter().filter(|row| is_nfs(&row.info.fstype)).count();
    if twice > 1 {
        found.push(
            Judgement::warning(format!("{at} is mounted {twice} times on one another"))
                .remedy(format!("umount {at}")),
        );
    }
    found.extend(options(subject, share, mount, &has));
    if observed.is_some_and(|observed| observed.text.is_some() && !observed.enabled) {
        found.push(
            Judgement::warning(format!("{at} is mounted, but will not be at the next boot")).remedy(SKEP_UP),
        );
    }
    found.into_iter().map(|judgement| seen(judgement, rows)).collect()
}

/// Options that endanger what is written.
fn options(
    subject: &Subject<'_>,
    share: &Share,
    mount: &ShareMount,
    has: &dyn Fn(&str) -> bool,
) -> Vec<Judgement> {
    let (at, place) = (mount.at.display(), subject.at(share));
    let asked = |option: &str| mount.options.iter().any(|other| other == option);
    let helps = |option: &str| match asked(option) {
        true => format!("in {place}: take `{option}` out of the mount's options; then `{SKEP_UP}`"),
        false => SKEP_UP.to_owned(),
    };
    let mut found = Vec::new();
    let writes = share.options.iter().any(|option| option == "rw");
    if has("soft") && writes && !has("ro") {
        let message = format!(
            "{at} is a `soft` mount: writes fail while the server is away, and programs may lose data"
        );
        found.push(Judgement::warning(message).remedy(helps("soft")));
    }
    if has("ro") && writes && !asked("ro") {
        found.push(
            Judgement::warning(format!("{at} is mounted read-only"))
                .remedy(format!("mount -o remount,rw {at}")),
        );
    }
    if has("nolock") || has("local_lock=all") {
        let message = format!(
            "{at} is mounted with `nolock`: locks hold on this node only, and programs on two nodes write over each other"
        );
        found.push(Judgement::warning(message).remedy(helps("nolock")));
    }
    found
}

/// What else wants to mount something there.
fn beside(subject: &Subject<'_>, share: &Share, mount: &ShareMount, rows: &[&Row]) -> Vec<Judgement> {
    let at = mount.at.display();
    let mut found = Vec::new();
    let declared: Vec<_> = subject.nfs().declared.iter().filter(|declared| declared.at == mount.at).collect();
    let is_automount = |options: &[String]| options.iter().any(|option| option == "x-systemd.automount");
    let automount =
        declared.iter().find(|declared| declared.fstype == "autofs" || is_automount(&declared.options));
    if automount.is_some() || rows.iter().any(|row| row.info.fstype == "autofs") {
        let message = format!(
            "{at} is an automount, on which containers fail with \"Too many levels of symbolic links\""
        );
        let unit = unit_name(&mount.at).replace(".mount", ".automount");
        let judgement = match automount {
            Some(by) => Judgement::warning(message)
                .seen(by.by.as_str(), format!("{} {}", by.fstype, by.options.join(","))),
            None => seen(Judgement::warning(message), rows),
        };
        found.push(judgement.remedy(format!("systemctl disable --now {unit}; then `{SKEP_UP}`")));
    }
    for line in declared.iter().filter(|declared| declared.by.starts_with("/etc/fstab:")) {
        let number = line.by.trim_start_matches("/etc/fstab:");
        let message = format!(
            "{} mounts {} at {at} too, beside the unit of the share `{}`",
            line.by, line.source, share.name
        );
        found.push(
            Judgement::warning(message)
                .seen(
                    line.by.as_str(),
                    format!("{} {at} {} {}", line.source, line.fstype, line.options.join(",")),
                )
                .remedy(format!("sed -i '{number}d' /etc/fstab && systemctl daemon-reload")),
        );
    }
    found
}

/// Mounts that are not the inventory's, in the version that nobody means.
fn older(subject: &Subject<'_>) -> Vec<Judgement> {
    let is_share = |row: &Row| subject.mounting().any(|(_, mount)| mount.at == row.at);
    let older = subject.nfs().mounts.iter().filter(|row| {
        is_nfs(&row.info.fstype) && row.info.options.iter().any(|option| option == "vers=3") && !is_share(row)
    });
    older
        .map(|row| {
            let judgement = Judgement::note(format!(
                "{} is mounted at {} with NFS version 3",
                row.info.source,
                row.at.display()
            ));
            seen(judgement, &[row])
                .remedy("give a Docker volume `vers=4.2` in its `o=`, and make it anew on each node")
        })
        .collect()
}
