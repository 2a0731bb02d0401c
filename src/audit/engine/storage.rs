//! How images and containers are stored, and what the engine's data lie on.

use super::{INFO, is_installed, running};
use crate::audit::{Check, Family, Judgement, Subject};
use crate::facts::inspection::engine::{Place, is_remote};

pub(in crate::audit) const DRIVER: Check = Check {
    id: "storage-driver",
    family: Family::Engine,
    title: "images are stored well",
    explanation: "`overlay2` (and `overlayfs` of containerd's image store, from engine 29.0 on) shares the layers of images \
        and writes only what differs; it wants a file system that names the types of its entries (d_type): ext4, or xfs made \
        with ftype=1. Without d_type removed files come back and upgrades break: an error. `vfs` copies every layer whole, \
        `fuse-overlayfs` passes each access through a process: warnings. `devicemapper`, `aufs` and `overlay` are gone from \
        newer engines, so that an upgrade loses sight of all images: a warning. The engine tells its driver; without one \
        that runs nothing is said.",
    examine: |case| case.each(driver),
};

fn driver(subject: &Subject<'_>) -> Option<Judgement> {
    let running = running(subject)?;
    let (driver, told) = (running.storage_driver.as_str(), &running.settings.storage);
    let backing = told.get("Backing Filesystem").map_or("", String::as_str);
    let d_type = told.get("Supports d_type").is_none_or(|value| value == "true");
    let anew = "images are pulled again and volumes stay";
    let other = || {
        format!(
            "write `engine: {{options: {{storage-driver: overlay2}}}}` to the inventory, then `skep up`: {anew}"
        )
    };
    let judgement = match driver {
        "" => Judgement::unknown("the engine does not tell its storage driver"),
        "overlay2" | "overlayfs" if !d_type => Judgement::error(format!("{driver} lies on {backing} without d_type: removed files come back"))
            .remedy("back the volumes up, make the file system anew (`mkfs.xfs -n ftype=1`, or ext4), and start the engine on it"),
        "overlay2" | "overlayfs" | "btrfs" | "zfs" => Judgement::ok(format!("{driver} stores images")),
        "vfs" => Judgement::warning("vfs copies each layer whole: it is slow and fills the disc").remedy(other()),
        "fuse-overlayfs" => Judgement::warning("fuse-overlayfs is slow: each access goes through a process").remedy(other()),
        "devicemapper" | "aufs" | "overlay" => Judgement::warning(format!("{driver} is gone from newer engines: after an upgrade all images are out of sight"))
            .remedy(other()),
        _ => Judgement::note(format!("{driver} stores images, which skep knows nothing about")),
    };
    let backing = if backing.is_empty() { String::new() } else { format!(", Backing Filesystem {backing}") };
    Some(judgement.seen(INFO, format!("Driver {driver}{backing}")))
}

pub(in crate::audit) const PLACE: Check = Check {
    id: "storage-place",
    family: Family::Engine,
    title: "the engine's data lie on a disc",
    explanation: "The data of the engine (/var/lib/docker, or where its options put it, and /var/lib/containerd) hold images, \
        volumes and the node's place in the swarm. On NFS and its like, on FAT, NTFS or an overlay file system the storage \
        driver does not work or falls back to copying; on RAM (tmpfs, zram) everything is gone after a reboot, the node's \
        identity included: errors. ext4, xfs, btrfs, zfs and f2fs are well. The kernel's table of mounts is read, and nothing \
        below a network mount is ever touched. Hosts without an engine are judged too: it is where the data will lie.",
    examine: |case| case.each(places),
};

fn places(subject: &Subject<'_>) -> Vec<Judgement> {
    let places = &subject.inspection.engine.places;
    // containerd's folder matters where the engine keeps its images there.
    let snapshots = running(subject).is_some_and(|running| {
        running.settings.storage.get("driver-type").is_some_and(|kind| kind.starts_with("io.containerd."))
    });
    let counts = |place: &&Place| snapshots || place.directory != std::path::Path::new("/var/lib/containerd");
    let judged: Vec<(bool, Judgement)> =
        places.iter().filter(counts).map(|place| place_of(subject, place)).collect();
    // One line that all is well is enough.
    match judged.iter().any(|(well, _)| !well) {
        true => judged.into_iter().filter(|(well, _)| !well).map(|(_, judgement)| judgement).collect(),
        false => judged.into_iter().take(1).map(|(_, judgement)| judgement).collect(),
    }
}

/// Whether it is well, and the words for it.
fn place_of(subject: &Subject<'_>, place: &Place) -> (bool, Judgement) {
    let Place { directory, point, fstype, source } = place;
    let name = directory.display();
    let trouble = match fstype.as_str() {
        "" => {
            let unknown = Judgement::unknown(format!("what {name} lies on cannot be seen"));
            return (false, unknown.seen("/proc/self/mountinfo", "does not tell"));
        }
        _ if is_remote(fstype) => Some("images and the swarm's state need a disc of the host itself"),
        "tmpfs" | "ramfs" => {
            Some("everything is gone after a reboot, the node's place in the swarm included")
        }
        _ if source.starts_with("/dev/zram") || source.starts_with("/dev/ram") => {
            Some("everything is gone after a reboot, the node's place in the swarm included")
        }
        "overlay" | "overlayfs" | "aufs" => {
            Some("overlay2 does not work on an overlay, and what is written may be gone after a reboot")
        }
        "vfat" | "exfat" | "msdos" | "ntfs" | "ntfs3" | "squashfs" | "iso9660" => {
            Some("it knows neither owners nor links as Linux does")
        }
        _ => None,
    };
    let seen = |judgement: Judgement| {
        judgement.seen("/proc/self/mountinfo", format!("{source} on {} ({fstype})", point.display()))
    };
    let Some(why) = trouble else {
        let known = ["ext4", "ext3", "xfs", "btrfs", "zfs", "f2fs"].contains(&fstype.as_str());
        return match known {
            true => (true, seen(Judgement::ok(format!("{name} lies on {fstype}")))),
            false => (
                false,
                seen(Judgement::note(format!("{name} lies on {fstype}, which skep knows nothing about"))),
            ),
        };
    };
    let node = &subject.node.name;
    let remedy = match is_installed(subject) {
        true => format!(
            "on {node}: `systemctl stop docker docker.socket`, move {name} to a disc with ext4 or xfs, mount it there, start docker"
        ),
        false => format!(
            "on {node}: mount a disc with ext4 or xfs at {name}, or write `engine: {{options: {{data-root: …}}}}`, before `skep up`"
        ),
    };
    (false, seen(Judgement::error(format!("{name} lies on {}: {why}", kind(place)))).remedy(remedy))
}

/// The file system in a word.
fn kind(place: &Place) -> String {
    match place.source.rsplit('/').next() {
        Some(device) if device.starts_with("zram") => format!("{} in compressed RAM", place.fstype),
        _ => place.fstype.clone(),
    }
}
