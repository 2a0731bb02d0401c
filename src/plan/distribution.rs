//! What Debian and its relatives call the packages that skep needs, and which of them Docker builds for: the one place
//! that knows.

use std::collections::BTreeSet;

use crate::facts::System;

/// The distribution's own engine.
pub(crate) const ENGINE: &str = "docker.io";

/// Packages that are an engine, or that one cannot run without.
pub(super) const ENGINES: &[&str] =
    &[ENGINE, CLIENT, "containerd", "runc", "docker-ce", "docker-ce-cli", "containerd.io", "moby-engine"];

/// The engine's client, where it is a package of its own.
pub(super) const CLIENT: &str = "docker-cli";

/// What the distribution's engine brings along, and what keeps it running.
pub(super) const RUNTIME: &str = "containerd";

/// Docker's own engine.
pub(crate) const DOCKER_ENGINE: &str = "docker-ce";

/// Docker's packages, as its documentation installs them.
pub(super) const DOCKER: &[&str] =
    &[DOCKER_ENGINE, "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"];

/// Packages whose versions are the engine's.
pub(super) const VERSIONED: &[&str] = &[DOCKER_ENGINE, "docker-ce-cli", ENGINE, CLIENT];

/// Packages that hold the same files as Docker's own (<https://docs.docker.com/engine/install/debian/>).
pub(super) const IN_DOCKERS_WAY: &[&str] = &[
    ENGINE,
    CLIENT,
    RUNTIME,
    "runc",
    "docker-buildx",
    "docker-compose",
    "docker-compose-v2",
    "podman-docker",
];

/// Packages that hold the same files as the distribution's engine.
pub(super) const IN_DISTROS_WAY: &[&str] = &[
    DOCKER_ENGINE,
    "docker-ce-cli",
    "docker-ce-rootless-extras",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
    "docker-model-plugin",
    "podman-docker",
];

/// Where Docker's packages are.
pub(crate) const DOCKER_URL: &str = "https://download.docker.com/linux";

/// The fingerprint of the key that signs them (<https://docs.docker.com/engine/install/debian/>).
pub(super) const DOCKER_FINGERPRINT: &str = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

/// What minimal images lack and the engine only recommends, so that it is missing where recommends are off.
pub(crate) const BESIDES: &[&str] = &["iptables", "ca-certificates"];

/// `apparmor_parser`, without which the engine silently does without AppArmor.
pub(crate) const APPARMOR: &str = "apparmor";

/// `mount.nfs4`; Debian has no package `nfs-utils`.
pub(crate) const NFS_CLIENT: &str = "nfs-common";

/// `exportfs` and the server's units.
pub(crate) const NFS_SERVER: &str = "nfs-kernel-server";

/// Releases whose `docker.io` holds the client too. Debian parted them in trixie; Ubuntu has not.
const CLIENT_INSIDE: &[&str] = &["buster", "bullseye", "bookworm"];

/// One distribution that Docker builds for (<https://docs.docker.com/engine/install/>).
struct Built {
    /// Its name in Docker's URLs.
    name: &'static str,
    /// Code names of its releases.
    suites: &'static [&'static str],
    /// dpkg's names of the architectures.
    architectures: &'static [&'static str],
}

/// What Docker builds for.
const BUILT: &[Built] = &[
    Built {
        name: "debian",
        suites: &["bullseye", "bookworm", "trixie"],
        architectures: &["amd64", "arm64", "armhf", "ppc64el"],
    },
    Built {
        name: "ubuntu",
        suites: &["jammy", "noble", "questing", "resolute"],
        architectures: &["amd64", "arm64", "armhf", "ppc64el", "s390x"],
    },
    // Raspberry Pi OS for 32 bits; that for 64 bits calls itself Debian.
    Built { name: "raspbian", suites: &["bullseye", "bookworm"], architectures: &["armhf"] },
];

/// Where on Docker's server a host's packages are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Docker's name of the distribution.
    pub(super) distribution: &'static str,
    /// The code name that its suites go by.
    pub(super) suite: String,
}

/// The distribution and code name that a host's packages follow: its own, or those of what it was made from, which
/// Linux Mint and its like tell in os-release.
fn base(system: &System) -> Option<(&'static Built, &str)> {
    let built = |name: &str| BUILT.iter().find(|built| built.name == name);
    if let Some(built) = built(&system.id) {
        return Some((built, &system.codename));
    }
    let told = [("ubuntu", &system.ubuntu_codename), ("debian", &system.debian_codename)];
    let told = told.into_iter().find_map(|(name, codename)| Some((built(name)?, codename.as_deref()?)));
    told.or_else(|| {
        let like =
            ["ubuntu", "debian"].into_iter().find(|name| system.id_like.iter().any(|like| like == name))?;
        Some((built(like)?, system.codename.as_str()))
    })
}

/// The suite of a repository that is not Docker's own.
pub(super) fn suite(system: &System) -> Option<String> {
    base(system).map(|(_, codename)| codename.to_owned()).filter(|codename| !codename.is_empty())
}

/// Where Docker has packages for a host.
///
/// # Errors
/// What of the host it has none for.
pub(super) fn docker_has(system: &System) -> Result<Place, String> {
    let name = &system.pretty_name;
    let (built, codename) = base(system).ok_or_else(|| format!("Docker has no packages for {name}"))?;
    if !built.suites.contains(&codename) {
        let release = if codename.is_empty() { name } else { codename };
        return Err(format!(
            "Docker has no packages for {release}: it builds for {}",
            built.suites.join(", ")
        ));
    }
    let architecture = &system.architecture;
    if !built.architectures.contains(&architecture.as_str()) {
        let all = built.architectures.join(", ");
        return Err(format!(
            "Docker has no packages for {} on {architecture}: it builds for {all}",
            built.name
        ));
    }
    Ok(Place { distribution: built.name, suite: codename.to_owned() })
}

/// Whether the engine's client is a package of its own.
pub(super) fn client_apart(system: &System) -> bool {
    // What is made from another release has that one's packages, under a code name of its own.
    let ubuntu = system.id == "ubuntu" || system.ubuntu_codename.is_some();
    let codename = system.debian_codename.as_ref().unwrap_or(&system.codename);
    !ubuntu && !CLIENT_INSIDE.contains(&codename.as_str())
}

/// Whether skep knows this kind of system: Debian, or one that calls itself like it.
pub(crate) fn supported(system: &System) -> bool {
    system.id == "debian" || system.id_like.iter().any(|like| like == "debian")
}

/// All packages that matter to any plan.
pub(crate) fn asked() -> BTreeSet<String> {
    let names = [APPARMOR, NFS_CLIENT, NFS_SERVER].into_iter().chain(BESIDES.iter().copied());
    names.map(str::to_owned).chain(engines()).collect()
}

/// All packages that hold an engine or stand in the way of one.
pub(crate) fn engines() -> BTreeSet<String> {
    [DOCKER, VERSIONED, IN_DOCKERS_WAY, IN_DISTROS_WAY].concat().into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::world::World;

    fn system(id: &str, like: &str, codename: &str, architecture: &str) -> System {
        let mut world = World::new("home").manager("n1");
        let system = &mut world.facts_mut("n1").system;
        system.id = id.to_owned();
        system.id_like = like.split_whitespace().map(str::to_owned).collect();
        system.codename = codename.to_owned();
        system.architecture = architecture.to_owned();
        system.pretty_name = format!("{id} {codename}");
        system.clone()
    }

    #[test]
    fn docker_builds_for_these() {
        for (system, distribution, suite) in [
            (system("debian", "", "bookworm", "amd64"), "debian", "bookworm"),
            (system("debian", "", "trixie", "arm64"), "debian", "trixie"),
            (system("ubuntu", "debian", "noble", "s390x"), "ubuntu", "noble"),
            (system("raspbian", "debian", "bookworm", "armhf"), "raspbian", "bookworm"),
            (
                System {
                    ubuntu_codename: Some("noble".into()),
                    ..system("linuxmint", "ubuntu debian", "xia", "amd64")
                },
                "ubuntu",
                "noble",
            ),
            (
                System {
                    debian_codename: Some("bookworm".into()),
                    ..system("linuxmint", "debian", "faye", "amd64")
                },
                "debian",
                "bookworm",
            ),
            (system("devuan-like", "debian", "bookworm", "amd64"), "debian", "bookworm"),
        ] {
            let place = docker_has(&system).unwrap();
            assert_eq!((place.distribution, place.suite.as_str()), (distribution, suite), "{system:?}");
        }
    }

    #[test]
    fn what_docker_does_not_build_for_is_named() {
        for (system, words) in [
            (system("debian", "", "forky", "amd64"), "for forky: it builds for bullseye"),
            (system("debian", "", "", "amd64"), "for debian : it builds"),
            (system("debian", "", "buster", "amd64"), "for buster"),
            (system("ubuntu", "debian", "focal", "amd64"), "for focal"),
            (system("debian", "", "trixie", "riscv64"), "for debian on riscv64"),
            (system("raspbian", "debian", "bookworm", "arm64"), "for raspbian on arm64: it builds for armhf"),
            (system("linuxmint", "ubuntu debian", "xia", "amd64"), "for xia"),
            (system("alpine", "", "", "amd64"), "for alpine"),
        ] {
            let error = docker_has(&system).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn nothing_of_one_source_is_in_its_own_way() {
        assert!(DOCKER.iter().all(|name| !IN_DOCKERS_WAY.contains(name)));
        assert!([ENGINE, CLIENT, RUNTIME].iter().all(|name| !IN_DISTROS_WAY.contains(name)));
        assert!(DOCKER.iter().all(|name| IN_DISTROS_WAY.contains(name)));
    }
}
