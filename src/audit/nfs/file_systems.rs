//! Whether what is exported lies on a file system that can be, and on the disc that is meant.

use std::path::Path;

use super::super::{Check, Family, Judgement, Subject};
use super::export::{self, Export};
use super::{SKEP_UP, each_server};
use crate::facts::inspection::nfs::declared::Declared;
use crate::facts::inspection::nfs::is_nfs;
use crate::facts::inspection::nfs::place::{Found, Place};
use crate::resource::mount::table::Row;

pub(in crate::audit) const FILE_SYSTEMS: Check = Check {
    id: "nfs-file-systems",
    family: Family::Nfs,
    title: "file systems of exports",
    explanation: "Clients keep handles that must mean the same file after a reboot of the server. overlayfs cannot give \
        such handles unless it is mounted with nfs_export=on, and file systems of programs (FUSE), in memory (tmpfs) or of \
        another server only with an `fsid=` of their own: without it exporting fails, which is an error. What lies in \
        memory, zram too, is gone at each boot, and file systems without owners (vfat, exfat) cannot say whose a file is: \
        warnings. /proc/self/mountinfo tells which file system a directory lies on, /etc/fstab and the units of \
        /etc/systemd/system which one is meant. Where that disc is not mounted, clients write to the card below it: an \
        error. Where it is mounted but may be missing at a boot (nofail, noauto), the export should have the option \
        `mountpoint`, with which nothing is exported then: a warning without.",
    examine: |case| each_server(case, judge),
};

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let exports = export::all(subject);
    let mut directories: Vec<&Export> = exports.iter().collect();
    export::keep_one_a_directory(&mut directories);
    directories.into_iter().flat_map(|export| of(subject, export)).collect()
}

fn of(subject: &Subject<'_>, export: &Export) -> Vec<Judgement> {
    let path = export.entry.path.display();
    let Some(place) = subject.nfs().place(&export.entry.path) else { return Vec::new() };
    let Some(on) = &place.on else {
        return vec![Judgement::unknown(format!("the file system below {path} is not known"))];
    };
    let found = [disc(subject, export, place, on), kind(subject, export, place, on)];
    let found = found.into_iter().flatten().map(|judgement| seen(judgement, place, on)).collect();
    super::or_ok(found, || {
        seen(Judgement::ok(format!("{path} lies on {} ({})", on.info.fstype, on.info.source)), place, on)
    })
}

fn seen(judgement: Judgement, place: &Place, on: &Row) -> Judgement {
    let info = &on.info;
    judgement.seen(
        "/proc/self/mountinfo",
        format!(
            "{}: {} {} at {} ({})",
            place.real.display(),
            info.fstype,
            info.source,
            on.at.display(),
            info.options.join(",")
        ),
    )
}

/// What is wrong with the kind of file system.
fn kind(subject: &Subject<'_>, export: &Export, place: &Place, on: &Row) -> Option<Judgement> {
    let (path, at, then, info) = (export.entry.path.display(), export.place(), export.then(), &on.info);
    let has_id = export.options.contains_key("fsid");
    let elsewhere = format!("in {at}: a directory on a disc; then `{then}`");
    let with_id = format!("in {at}: add `fsid=1` (a number of its own) to the options; then `{then}`");
    let fstype = info.fstype.as_str();
    match fstype {
        "overlay" if !info.options.iter().any(|option| option == "nfs_export=on") => Some(
            Judgement::error(format!("{path} lies on overlayfs, which cannot be exported without `nfs_export=on`"))
                .remedy(if on.at == Path::new("/") { real_root(subject) } else { elsewhere }),
        ),
        "tmpfs" | "ramfs" | "devtmpfs" if !has_id => Some(
            Judgement::error(format!("{path} lies in memory ({fstype}), which cannot be exported without `fsid=`, and is gone at each boot"))
                .remedy(elsewhere),
        ),
        "tmpfs" | "ramfs" | "devtmpfs" => Some(volatile(export, fstype).remedy(elsewhere)),
        _ if info.source.starts_with("/dev/zram") => Some(volatile(export, "zram").remedy(elsewhere)),
        _ if place.found == Found::Remote || is_nfs(fstype) || fstype.starts_with("fuse") => {
            let what = if is_nfs(fstype) { "another server's".to_owned() } else { format!("a program's or another computer's ({fstype})") };
            let message = format!("{path} lies on a file system of {what}");
            Some(match has_id {
                true => Judgement::warning(format!("{message}, and is gone with it")).remedy(elsewhere),
                false => Judgement::error(format!("{message}, which cannot be exported without `fsid=`")).remedy(elsewhere).remedy(with_id),
            })
        }
        "vfat" | "msdos" | "exfat" | "ntfs" | "ntfs3" => Some(
            Judgement::warning(format!("{path} lies on {fstype}, which knows no owners"))
                .remedy(format!("copy it to a disc with ext4: `mkfs.ext4` deletes what is on {}", info.source)),
        ),
        _ if export.is("rw") && is_read_only(on) => Some(
            Judgement::warning(format!("{path} is exported for writing, and its file system is mounted read-only"))
                .remedy(format!("mount -o remount,rw {}", on.at.display()))
                .remedy("dmesg | tail"),
        ),
        _ => None,
    }
}

fn is_read_only(on: &Row) -> bool {
    on.info.options.iter().any(|option| option == "ro")
}

fn volatile(export: &Export, what: &str) -> Judgement {
    let path = export.entry.path.display();
    Judgement::warning(format!(
        "{path} lies in memory ({what}): it is gone at each boot, and clients then see stale handles"
    ))
}

/// How a root file system below an overlay becomes a plain one again.
fn real_root(subject: &Subject<'_>) -> String {
    let system = &subject.facts().system;
    match (&system.armbian_board, system.variant.as_deref()) {
        (Some(_), _) => {
            "in /etc/overlayroot.conf: `overlayroot=\"\"` (from outside: `overlayroot-chroot`); then `reboot`"
        }
        (None, Some("Raspberry Pi OS")) => "raspi-config nonint disable_overlayfs && reboot",
        _ => "share a directory on a disc of its own: the root file system is an overlay that forgets",
    }
    .to_owned()
}

/// Whether the disc that is meant is there, and stays required.
fn disc(subject: &Subject<'_>, export: &Export, place: &Place, on: &Row) -> Option<Judgement> {
    let declared = subject
        .nfs()
        .declared
        .iter()
        .filter(|declared| is_disc(declared) && place.real.starts_with(&declared.at));
    let declared = declared.max_by_key(|declared| declared.at.components().count())?;
    let (path, at, by) = (export.entry.path.display(), declared.at.display(), &declared.by);
    let guarded = export.options.get("mountpoint");
    let judgement = if !on.at.starts_with(&declared.at) {
        let judgement = match guarded {
            None => Judgement::error(format!(
                "{path} belongs on the disc of {at} ({by}), which is not mounted: clients write to the card instead"
            )),
            Some(_) => Judgement::warning(format!(
                "the disc of {at} ({by}) is not mounted, so that {path} is not exported"
            )),
        };
        judgement.remedy(format!("mount {at} && exportfs -ra"))
    } else if guarded.is_none() && may_be_missing(declared) {
        let option =
            if place.real == declared.at { "mountpoint".to_owned() } else { format!("mountpoint={at}") };
        let then = if export.wanted { SKEP_UP } else { "exportfs -ra" };
        Judgement::warning(format!(
            "{path} is exported even where the disc of {at} ({by}) is missing at a boot"
        ))
        .remedy(format!("in {}: add `{option}` to the options; then `{then}`", export.place()))
    } else {
        return None;
    };
    Some(judgement.seen(
        by.as_str(),
        format!("{} {at} {} {}", declared.source, declared.fstype, declared.options.join(",")),
    ))
}

fn is_disc(declared: &Declared) -> bool {
    declared.at != Path::new("/")
        && !is_nfs(&declared.fstype)
        && !matches!(declared.fstype.as_str(), "swap" | "autofs")
}

fn may_be_missing(declared: &Declared) -> bool {
    declared
        .options
        .iter()
        .any(|option| matches!(option.as_str(), "nofail" | "noauto" | "x-systemd.automount"))
}
