//! NFS: what the kernel needs to serve and to mount the inventory's shares.

use super::group::judge;
use super::item::Item;
use super::target::Target;
use crate::audit::{Check, Family, Judgement};
use crate::plan::desire::{NFS_CLIENT, NFS_SERVER};

pub(in crate::audit) const SERVER: Check = Check {
    id: "kernel-nfs-server",
    family: Family::Kernel,
    title: "serving NFS",
    explanation: "\
A node that serves a share of the inventory needs the kernel's NFS server (NFSD, NFSD_V4, SUNRPC): each that is missing \
is an error, and `skep up` leaves NFS alone there. Other nodes are not asked. \
Whether the server speaks the versions that shares are mounted by is told by nfs-server. \
Options are read as by kernel-necessary.",
    examine: |case| case.each(|subject| server(&Target::of(subject))),
};

pub(in crate::audit) const CLIENT: Check = Check {
    id: "kernel-nfs-client",
    family: Family::Kernel,
    title: "mounting NFS",
    explanation: "\
A node that mounts a share of the inventory needs the kernel's NFS client (NFS_FS, NFS_V4, SUNRPC) and the version that \
the share is mounted by: NFS_V4_2 for `vers=4.2`, skep's choice where the inventory makes none. \
Each that is missing is an error, and `skep up` leaves NFS alone there. Other nodes are not asked. \
Options are read as by kernel-necessary.",
    examine: |case| case.each(|subject| client(&Target::of(subject))),
};

/// Judges what serves; nothing is said of a node that shares nothing.
pub(super) fn server(target: &Target<'_>) -> Vec<Judgement> {
    if !target.serves {
        return Vec::new();
    }
    let named = NFS_SERVER.into_iter().chain(["SUNRPC"]);
    let items: Vec<_> = named.map(|option| Item::must(option, "no share is served")).collect();
    judge(target, &items, None)
}

/// Judges what mounts; nothing is said of a node that mounts nothing.
pub(super) fn client(target: &Target<'_>) -> Vec<Judgement> {
    const LOST: &str = "no share is mounted";
    let Some(versions) = &target.mounted else { return Vec::new() };
    let needed = NFS_CLIENT.into_iter().chain(["SUNRPC"]).map(|option| Item::must(option, LOST));
    let mut items: Vec<_> = needed.collect();
    let by = |wanted: &dyn Fn(&str) -> bool| versions.iter().any(|version| wanted(version));
    if by(&|version| matches!(version, "4.1" | "4.2")) {
        // From Linux 7.0 on it is part of NFS_V4; until then the newer one was never without it.
        items.push(Item::must("NFS_V4_1", LOST).until(7, 0).or(&["NFS_V4_2"]));
    }
    if by(&|version| version == "4.2") {
        items.push(Item::must("NFS_V4_2", LOST));
    }
    judge(target, &items, None)
}
