//! What clients mount, and what stands in the way.

use super::*;

#[test]
fn mounts_as_mounted() {
    let table = |lines: &[&str]| {
        nfs(healthy(), "n2", |nfs| nfs.mounts = lines.iter().map(|line| row(line)).collect())
    };
    let other = |from: &str, to: &str| MOUNTED.replace(from, to);
    for (audited, expected) in [
        (
            table(&[]),
            vec![
                "warning: 192.168.2.1:/srv/shared is not mounted at /mnt/shared: what is written there stays on this node",
            ],
        ),
        (
            table(&[&other("192.168.2.1:/srv", "192.168.2.9:/srv")]),
            vec![
                "warning: 192.168.2.9:/srv/shared (nfs4) is mounted at /mnt/shared instead of 192.168.2.1:/srv/shared",
            ],
        ),
        (
            table(&[MOUNTED, "41 40 0:60 / /mnt/shared rw - tmpfs tmpfs rw"]),
            vec!["warning: tmpfs (tmpfs) is mounted at /mnt/shared over 192.168.2.1:/srv/shared"],
        ),
        (
            table(&[&other("vers=4.2", "vers=4.1")]),
            vec!["warning: /mnt/shared is mounted with vers=4.1, not vers=4.2"],
        ),
        (
            table(&[&other("vers=4.2", "vers=3")]),
            vec!["warning: /mnt/shared is mounted with vers=3, not vers=4.2"],
        ),
        (
            table(&[&other("hard", "soft")]),
            vec![
                "warning: /mnt/shared is a `soft` mount: writes fail while the server is away, and programs may lose data",
            ],
        ),
        (table(&[&other("rw,noatime", "ro,noatime")]), vec!["warning: /mnt/shared is mounted read-only"]),
        (
            table(&[&other("local_lock=none", "local_lock=all")]),
            vec![
                "warning: /mnt/shared is mounted with `nolock`: locks hold on this node only, and programs on two nodes write over each other",
            ],
        ),
        (table(&[MOUNTED, MOUNTED]), vec!["warning: /mnt/shared is mounted 2 times on one another"]),
        (
            table(&["39 22 0:49 / /mnt/shared rw - autofs systemd-1 rw", MOUNTED]),
            vec![
                "warning: /mnt/shared is an automount, on which containers fail with \"Too many levels of symbolic links\"",
            ],
        ),
        (
            mounting(healthy(), |observed| observed.stale = true),
            vec![
                "warning: 192.168.2.1:/srv/shared at /mnt/shared is stale: the server no longer knows what was mounted",
            ],
        ),
        (
            mounting(healthy(), |observed| observed.enabled = false),
            vec!["warning: /mnt/shared is mounted, but will not be at the next boot"],
        ),
        (
            table(&[
                MOUNTED,
                "50 22 0:70 / /var/lib/docker/volumes/v/_data rw - nfs :/x rw,vers=3,addr=10.0.0.9",
            ]),
            vec!["note: :/x is mounted at /var/lib/docker/volumes/v/_data with NFS version 3"],
        ),
        (lacking(table(&[]), "n2", "NFS_FS"), vec![]),
    ] {
        assert_eq!(said(&audited, &MOUNTS, "n2"), expected);
    }
    let by_hand =
        mounting(table(&["41 22 0:60 / /mnt/shared rw - tmpfs tmpfs rw"]), |observed| observed.text = None);
    assert_eq!(
        said(&by_hand, &MOUNTS, "n2"),
        ["error: tmpfs (tmpfs) is mounted at /mnt/shared instead of 192.168.2.1:/srv/shared"]
    );
    assert!(remedies(&by_hand, &MOUNTS).contains(&"umount /mnt/shared; then `skep up`".to_owned()));
}

#[test]
fn what_stands_in_the_way_of_a_mount() {
    let at = |found: Found| {
        nfs(healthy(), "n2", |nfs| {
            nfs.mounts.clear();
            nfs.places = vec![place(POINT, found, DISC)];
        })
    };
    let filled = Found::Directory { mode: 0o755, uid: 0, gid: 0, filled: true };
    for (audited, expected) in [
        (
            at(filled.clone()),
            "error: files lie in /mnt/shared, which the mount would hide, so `skep up` does not mount it",
        ),
        (
            lacking(at(filled.clone()), "n2", "NFS_V4"),
            "error: files lie in /mnt/shared, which the mount would hide, so `skep up` does not mount it",
        ),
        (at(Found::Other), "error: /mnt/shared shall be a mount point, and is no directory"),
        (at(Found::Failed("I/O error".to_owned())), "unknown: /mnt/shared cannot be looked at: I/O error"),
    ] {
        assert_eq!(said(&audited, &MOUNTS, "n2"), [expected]);
    }
    let aside = "on n2: `mv /mnt/shared /mnt/shared.before`, then here `skep up`";
    assert!(remedies(&at(filled), &MOUNTS).contains(&aside.to_owned()));
    let declared = |by: &str, fstype: &str, options: &str| {
        let declared = Declared {
            by: by.to_owned(),
            at: POINT.into(),
            source: "n1:/srv/shared".to_owned(),
            fstype: fstype.to_owned(),
            options: list(options),
        };
        nfs(healthy(), "n2", |nfs| nfs.declared = vec![declared])
    };
    let fstab = declared("/etc/fstab:7", "nfs4", "_netdev");
    assert_eq!(
        said(&fstab, &MOUNTS, "n2"),
        [
            "warning: /etc/fstab:7 mounts n1:/srv/shared at /mnt/shared too, beside the unit of the share `shared`"
        ]
    );
    assert_eq!(remedies(&fstab, &MOUNTS), ["sed -i '7d' /etc/fstab && systemctl daemon-reload"]);
    let automount = declared("/etc/fstab:7", "nfs4", "_netdev,x-systemd.automount");
    assert_eq!(said(&automount, &MOUNTS, "n2").len(), 2);
    let own = declared("/etc/systemd/system/mnt-shared.mount", "nfs4", "_netdev");
    assert_eq!(said(&own, &MOUNTS, "n2"), [""; 0]);
}

#[test]
fn containers_on_shares() {
    let bound = |container: Option<&str>| Bound {
        point: POINT.into(),
        from: "/mnt/shared/web".into(),
        at: "/data".into(),
        pid: 90,
        name: "nginx".to_owned(),
        container: container.map(str::to_owned),
    };
    let early = nfs(healthy(), "n2", |nfs| nfs.bound = vec![bound(Some("3f4e8a9b0c1d"))]);
    assert_eq!(
        said(&early, &CONTAINERS, "n2"),
        [
            "error: the container 3f4e8a9b0c1d (nginx) began before /mnt/shared was mounted, and uses the directory below it as /data"
        ]
    );
    assert_eq!(remedies(&early, &CONTAINERS), ["docker restart 3f4e8a9b0c1d"]);
    let without =
        nfs(nfs(healthy(), "n2", |nfs| nfs.bound = vec![bound(None)]), "n2", |nfs| nfs.mounts.clear());
    assert_eq!(
        said(&without, &CONTAINERS, "n2"),
        [
            "error: the process 90 (nginx) uses /mnt/shared/web as /data, where nothing is mounted: its data stay on this node"
        ]
    );
    let key = || dropin::Key { unit: "docker.service".to_owned(), name: "10-skep-mounts.conf".to_owned() };
    let dropin = |text: Option<&str>| {
        healthy().host("n2", |host| {
            let Some(Ok(Observed::Dropin(observed))) = host.observed.get_mut(&Key::Dropin(key())) else {
                panic!("it was looked at")
            };
            observed.text = text.map(str::to_owned);
        })
    };
    for text in [None, Some("[Unit]\nWants=mnt-other.mount\n")] {
        assert_eq!(
            said(&dropin(text), &CONTAINERS, "n2"),
            [
                "warning: Docker does not wait for mnt-shared.mount at boot: containers may begin before it is mounted"
            ]
        );
    }
    let unseen = healthy().host("n2", |host| {
        host.observed.insert(Key::Dropin(key()), Err(Fault::new("docker.service", "no bus")));
    });
    assert_eq!(said(&unseen, &CONTAINERS, "n2"), ["unknown: docker.service: no bus"]);
    let bare = dropin(None).facts("n2", |facts| facts.engine = Engine::Absent { swarm: false });
    assert_eq!(said(&bare, &CONTAINERS, "n2"), [""; 0]);
}
