//! What Debian and its relatives call the packages that skep needs: the one place that knows.

use std::collections::BTreeSet;

use crate::facts::System;

/// The distribution's own engine.
pub(super) const ENGINE: &str = "docker.io";

/// Packages that are an engine, or that one cannot run without.
pub(super) const ENGINES: &[&str] =
    &[ENGINE, CLIENT, "containerd", "runc", "docker-ce", "docker-ce-cli", "containerd.io", "moby-engine"];

/// The engine's client, where it is a package of its own.
pub(super) const CLIENT: &str = "docker-cli";

/// What minimal images lack and the engine only recommends, so that it is missing where recommends are off.
pub(super) const BESIDES: &[&str] = &["iptables", "ca-certificates"];

/// `apparmor_parser`, without which the engine silently does without AppArmor.
pub(super) const APPARMOR: &str = "apparmor";

/// `mount.nfs4`; Debian has no package `nfs-utils`.
pub(super) const NFS_CLIENT: &str = "nfs-common";

/// `exportfs` and the server's units.
pub(super) const NFS_SERVER: &str = "nfs-kernel-server";

/// Releases whose `docker.io` holds the client too. Debian parted them in trixie; Ubuntu has not.
const CLIENT_INSIDE: &[&str] = &["buster", "bullseye", "bookworm"];

/// Whether the engine's client is a package of its own.
pub(super) fn client_apart(system: &System) -> bool {
    system.id != "ubuntu" && !CLIENT_INSIDE.contains(&system.codename.as_str())
}

/// Whether skep knows this kind of system: Debian, or one that calls itself like it.
pub(super) fn supported(system: &System) -> bool {
    system.id == "debian" || system.id_like.iter().any(|like| like == "debian")
}

/// All packages that matter to any plan.
pub(super) fn asked() -> BTreeSet<String> {
    let names = [ENGINE, CLIENT, APPARMOR, NFS_CLIENT, NFS_SERVER];
    names.into_iter().chain(BESIDES.iter().copied()).map(str::to_owned).collect()
}
