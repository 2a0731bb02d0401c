//! What it tells of itself, and what its data lie on.

use super::*;

#[test]
fn what_it_tells() {
    table(
        &CGROUPS,
        vec![
            (healthy(), "ok n1: limits are set through systemd"),
            (
                runs(|engine| engine.settings.cgroup_driver = "cgroupfs".into()),
                "warning n1: the engine writes to systemd's cgroups behind its back",
            ),
            (
                runs(|engine| engine.settings.cgroup_driver = "cgroupfs".into())
                    .facts("n1", |facts| facts.kernel.cgroup = 1),
                "ok n1: limits are set through cgroupfs",
            ),
            (
                runs(|engine| engine.settings.cgroup_driver = "none".into()),
                "error n1: the engine cannot limit containers at all",
            ),
            (single(), ""),
            (runs(|engine| engine.settings = Settings::default()), ""),
        ],
    );
    let security = |options: &[&str]| {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        runs(|engine| engine.settings.security = options)
    };
    table(
        &SECURITY,
        vec![
            (healthy(), "ok n1: containers are held back by seccomp"),
            (
                security(&["name=seccomp,profile=builtin", "name=rootless"]),
                "error n1: the engine runs without root: overlay networks do not work with that",
            ),
            (security(&["name=apparmor"]), "warning n1: no container is held back by seccomp"),
            (
                security(&["name=seccomp,profile=unconfined"]),
                "warning n1: seccomp holds no container back: its profile is unconfined",
            ),
            (security(&[]), ""),
            (single(), ""),
        ],
    );
    let registries = |list: &[&str]| {
        let list = list.iter().map(|entry| (*entry).to_owned()).collect();
        runs(|engine| engine.settings.insecure_registries = list)
    };
    table(
        &REGISTRIES,
        vec![
            (healthy(), "ok n1: images come over verified TLS only"),
            (
                registries(&["nas.lan:5000"]),
                "note n1: images from nas.lan:5000 may be anybody's who answers there: no TLS is asked for",
            ),
            (
                registries(&["nas.lan:5000", "0.0.0.0/0"]),
                "warning n1: images from anywhere (0.0.0.0/0) may be anybody's: no TLS is asked for",
            ),
            (single(), ""),
        ],
    );
    let warned = |list: &[&str]| {
        let list = list.iter().map(|entry| (*entry).to_owned()).collect();
        runs(|engine| engine.settings.warnings = list)
    };
    table(
        &WARNINGS,
        vec![
            (healthy(), "ok n1: the engine has nothing to complain of"),
            (
                warned(&["WARNING: No swap limit support", "WARNING: No cpu shares support"]),
                "note n1: the engine says: No swap limit support; No cpu shares support",
            ),
            (
                warned(&["WARNING: bridge-nf-call-iptables is disabled", "WARNING: No swap limit support"]),
                "warning n1: the engine says: bridge-nf-call-iptables is disabled\nnote n1: the engine says: No swap limit support",
            ),
            (
                warned(&["WARNING: IPv4 forwarding is disabled"]),
                "warning n1: the engine says: IPv4 forwarding is disabled",
            ),
            (
                warned(&["WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n  Access…"]),
                "ok n1: the engine has nothing to complain of",
            ),
            (single(), ""),
        ],
    );
}

#[test]
fn how_it_stores() {
    let driver = |name: &str, d_type: &str| {
        let (name, d_type) = (name.to_owned(), d_type.to_owned());
        runs(|engine| {
            engine.storage_driver = name;
            engine.settings.storage.insert("Supports d_type".into(), d_type);
        })
    };
    table(
        &DRIVER,
        vec![
            (healthy(), "ok n1: overlay2 stores images"),
            (driver("overlayfs", "true"), "ok n1: overlayfs stores images"),
            (
                driver("overlay2", "false"),
                "error n1: overlay2 lies on extfs without d_type: removed files come back",
            ),
            (driver("vfs", "true"), "warning n1: vfs copies each layer whole: it is slow and fills the disc"),
            (
                driver("fuse-overlayfs", "true"),
                "warning n1: fuse-overlayfs is slow: each access goes through a process",
            ),
            (
                driver("devicemapper", "true"),
                "warning n1: devicemapper is gone from newer engines: after an upgrade all images are out of sight",
            ),
            (driver("stargz", "true"), "note n1: stargz stores images, which skep knows nothing about"),
            (driver("", "true"), "unknown n1: the engine does not tell its storage driver"),
            (single(), ""),
        ],
    );
}

#[test]
fn where_its_data_lie() {
    let on = |directory: &str, fstype: &str, source: &str| Place {
        directory: directory.into(),
        point: "/".into(),
        fstype: fstype.into(),
        source: source.into(),
    };
    let places = |audited: Audited, places: Vec<Place>| {
        audited.inspection("n1", |inspection| inspection.engine.places = places)
    };
    let docker = |fstype: &str, source: &str| places(healthy(), vec![on("/var/lib/docker", fstype, source)]);
    table(
        &PLACE,
        vec![
            (healthy(), ""),
            (docker("ext4", "/dev/sda1"), "ok n1: /var/lib/docker lies on ext4"),
            (
                docker("nfs4", "nas:/d"),
                "error n1: /var/lib/docker lies on nfs4: images and the swarm's state need a disc of the host itself",
            ),
            (
                docker("tmpfs", "tmpfs"),
                "error n1: /var/lib/docker lies on tmpfs: everything is gone after a reboot, the node's place in the swarm included",
            ),
            (
                docker("ext4", "/dev/zram1"),
                "error n1: /var/lib/docker lies on ext4 in compressed RAM: everything is gone after a reboot, the node's place in the swarm included",
            ),
            (
                docker("overlay", "overlay"),
                "error n1: /var/lib/docker lies on overlay: overlay2 does not work on an overlay, and what is written may be gone after a reboot",
            ),
            (
                docker("vfat", "/dev/sda1"),
                "error n1: /var/lib/docker lies on vfat: it knows neither owners nor links as Linux does",
            ),
            (
                docker("bcachefs", "/dev/sda1"),
                "note n1: /var/lib/docker lies on bcachefs, which skep knows nothing about",
            ),
            (docker("", ""), "unknown n1: what /var/lib/docker lies on cannot be seen"),
            (
                places(single(), vec![on("/mnt/ssd", "tmpfs", "tmpfs")]),
                "error n1: /mnt/ssd lies on tmpfs: everything is gone after a reboot, the node's place in the swarm included",
            ),
            (
                places(
                    healthy(),
                    vec![
                        on("/var/lib/docker", "ext4", "/dev/sda1"),
                        on("/var/lib/containerd", "tmpfs", "tmpfs"),
                    ],
                ),
                "ok n1: /var/lib/docker lies on ext4",
            ),
            (
                places(
                    runs(|engine| {
                        drop(
                            engine
                                .settings
                                .storage
                                .insert("driver-type".into(), "io.containerd.snapshotter.v1".into()),
                        )
                    }),
                    vec![
                        on("/var/lib/docker", "ext4", "/dev/sda1"),
                        on("/var/lib/containerd", "tmpfs", "tmpfs"),
                    ],
                ),
                "error n1: /var/lib/containerd lies on tmpfs: everything is gone after a reboot, the node's place in the swarm included",
            ),
        ],
    );
}
