//! Who may do what with exports, and what they lie on.

use super::*;

#[test]
fn who_may_use_exports() {
    let with = |client: &str, options: &str| {
        let text = format!("/srv/a {client}({options})\n");
        said(&beside(healthy(), &text, &text), &ACCESS, "n1")
    };
    for (client, options, expected) in [
        ("10.0.0.0/8", "rw", None),
        ("n2.lan", "rw", None),
        ("@boards", "rw", None),
        ("fd00::/64", "rw", None),
        ("100.64.0.0/10", "rw", None),
        ("*", "rw", Some("error: /srv/a may be written by everybody who reaches the server")),
        ("0.0.0.0/0", "rw", Some("error: /srv/a may be written by everybody who reaches the server")),
        ("*", "rw,no_root_squash", Some("error: /srv/a may be written by everybody, as root too")),
        ("*", "ro", Some("warning: /srv/a may be read by everybody who reaches the server")),
        ("203.0.113.7", "ro", Some("warning: /srv/a is exported to 203.0.113.7, a public address")),
        (
            "203.0.113.0/24",
            "rw,no_root_squash",
            Some("error: /srv/a may be written by 203.0.113.0/24, a public address, as root too"),
        ),
        (
            "10.0.0.0/8",
            "rw,no_root_squash",
            Some("warning: /srv/a has `no_root_squash`: root on any of 10.0.0.0/8 is root in it"),
        ),
        ("10.0.0.0/8", "ro,no_root_squash", None),
        ("10.0.0.0/8", "rw,no_root_squash,all_squash", None),
        (
            "10.0.0.0/8",
            "rw,async",
            Some("warning: /srv/a has `async`: a power cut loses what clients were told is safe"),
        ),
        ("10.0.0.0/8", "ro,async", None),
        (
            "10.0.0.0/8",
            "rw,insecure",
            Some("warning: /srv/a has `insecure`: every user of a client may claim to be any other"),
        ),
        (
            "10.0.0.0/8",
            "rw,insecure,all_squash",
            Some("note: /srv/a has `insecure`: every user of a client may claim to be any other"),
        ),
        ("10.0.0.0/8", "rw,insecure,sec=krb5p", None),
    ] {
        assert_eq!(with(client, options), Vec::from_iter(expected), "{client} {options}");
    }
    for (path, secret) in [
        ("/", true),
        ("/etc", true),
        ("/root", true),
        ("/var/lib", true),
        ("/srv", false),
        ("/var/www", false),
    ] {
        let text = format!("{path} 10.0.0.0/8(ro)\n");
        let found = said(&beside(healthy(), &text, &text), &ACCESS, "n1");
        let expected = format!("error: {path} holds the system's own secrets, and is exported to 10.0.0.0/8");
        assert_eq!(found, Vec::from_iter(secret.then_some(expected)), "{path}");
    }
    // The line of the named client stays meant, that of everybody is a mistake that is told elsewhere.
    let blank = beside(healthy(), "/srv/a 10.0.0.0/8 (rw)\n", "/srv/a\t10.0.0.0/8(ro)\n/srv/a\t*(rw)\n");
    assert_eq!(said(&blank, &ACCESS, "n1"), [""; 0]);
    let everybody = shares(healthy(), |share| share.clients = list("*"));
    assert_eq!(
        remedies(&everybody, &ACCESS),
        ["in cluster.yml:12, share shared: name your own network instead of `*`; then `skep up`"]
    );
}

#[test]
fn exported_directories() {
    let owned = |options: &str, uid: u32, mode: u32| {
        let mut share = share(options);
        (share.owner, share.mode) = (Owner { uid, gid: uid }, mode);
        nfs(sharing(share), "n1", |nfs| nfs.places = vec![place(SHARED, directory(mode, uid, uid), DISC)])
    };
    for (audited, expected) in [
        (
            owned(OPTIONS, 0, 0o755),
            vec![
                "error: no client can write to /srv/shared: all write as 1000:1000, and it shall be 0:0, mode 0755",
            ],
        ),
        (owned(OPTIONS, 0, 0o1777), vec![]),
        (
            owned("rw,sync,no_subtree_check", 0, 0o775),
            vec![
                "warning: containers that run as root cannot write to /srv/shared: they write as 65534:65534, and it shall be 0:0, \
                 mode 0775",
            ],
        ),
        (owned("rw,no_root_squash", 0, 0o775), vec![]),
        (owned("rw", 1000, 0o775), vec![]),
        (owned("ro", 0, 0o755), vec![]),
        (owned("rw,anonuid=0", 0, 0o755), vec![]),
        (
            owned("rw", 1000, 0o777),
            vec![
                "warning: /srv/shared shall be for everybody to write, without the sticky bit (1000:1000, mode 0777)",
            ],
        ),
    ] {
        assert_eq!(said(&audited, &DIRECTORIES, "n1"), expected);
    }
    let found = |found: Found| {
        said(&nfs(healthy(), "n1", |nfs| nfs.places = vec![place(SHARED, found, DISC)]), &DIRECTORIES, "n1")
    };
    for (is, expected) in [
        (
            directory(0o755, 0, 0),
            vec![
                "warning: no client can write to /srv/shared: all write as 1000:1000, and it is 0:0, mode 0755",
            ],
        ),
        (
            directory(0o777, 1000, 1000),
            vec![
                "warning: /srv/shared is for everybody to write, without the sticky bit (1000:1000, mode 0777)",
            ],
        ),
        (
            directory(0o750, 1000, 1000),
            vec!["warning: /srv/shared is 1000:1000, mode 0750, not 1000:1000, mode 0775"],
        ),
        (Found::Absent, vec!["note: /srv/shared is not there yet"]),
        (Found::Other, vec!["error: /srv/shared shall be shared, and is no directory"]),
        (Found::Failed("I/O error".to_owned()), vec!["unknown: /srv/shared cannot be looked at: I/O error"]),
    ] {
        assert_eq!(found(is), expected);
    }
    let foreign = |is: Found, options: &str| {
        let text = format!("/srv/a 10.0.0.0/8({options})\n");
        let audited =
            nfs(beside(healthy(), &text, &text), "n1", |nfs| nfs.places.last_mut().unwrap().found = is);
        said(&audited, &DIRECTORIES, "n1")
    };
    for (is, options, expected) in [
        (
            directory(0o777, 0, 0),
            "rw",
            vec!["warning: /srv/a is for everybody to write, without the sticky bit (0:0, mode 0777)"],
        ),
        (directory(0o1777, 0, 0), "rw", vec![]),
        (directory(0o777, 0, 0), "ro", vec![]),
        (Found::Absent, "rw", vec!["warning: /srv/a is exported, and is not there"]),
        (Found::Other, "rw", vec!["warning: /srv/a is exported, and is no directory"]),
    ] {
        assert_eq!(foreign(is, options), expected, "{options}");
    }
}

#[test]
fn file_systems_of_exports() {
    let on = |line: &str, options: &str| {
        let audited = nfs(sharing(share(&format!("{OPTIONS}{options}"))), "n1", |nfs| {
            nfs.places = vec![place(SHARED, directory(0o775, 1000, 1000), line)];
        });
        said(&audited, &FILE_SYSTEMS, "n1")
    };
    for (line, options, expected) in [
        (DISC, "", vec![]),
        (
            "22 1 0:30 / / rw - overlay overlayroot rw,lowerdir=/l",
            "",
            vec!["error: /srv/shared lies on overlayfs, which cannot be exported without `nfs_export=on`"],
        ),
        ("22 1 0:30 / / rw - overlay overlay rw,lowerdir=/l,index=on,nfs_export=on", "", vec![]),
        (
            "30 1 0:31 / /srv rw - tmpfs tmpfs rw",
            "",
            vec![
                "error: /srv/shared lies in memory (tmpfs), which cannot be exported without `fsid=`, and is gone at each boot",
            ],
        ),
        (
            "30 1 0:31 / /srv rw - tmpfs tmpfs rw",
            ",fsid=7",
            vec![
                "warning: /srv/shared lies in memory (tmpfs): it is gone at each boot, and clients then see stale handles",
            ],
        ),
        (
            "30 1 252:0 / /srv rw - ext4 /dev/zram1 rw",
            "",
            vec![
                "warning: /srv/shared lies in memory (zram): it is gone at each boot, and clients then see stale handles",
            ],
        ),
        (
            "30 1 0:40 / /srv rw - fuse.mergerfs a:b rw",
            "",
            vec![
                "error: /srv/shared lies on a file system of a program's or another computer's (fuse.mergerfs), which cannot be \
                 exported without `fsid=`",
            ],
        ),
        (
            "30 1 0:40 / /srv rw - nfs4 10.0.0.9:/x rw",
            ",fsid=7",
            vec!["warning: /srv/shared lies on a file system of another server's, and is gone with it"],
        ),
        (
            "30 1 8:17 / /srv rw - exfat /dev/sdb1 rw",
            "",
            vec!["warning: /srv/shared lies on exfat, which knows no owners"],
        ),
        (
            "30 1 8:17 / /srv ro - ext4 /dev/sdb1 rw",
            "",
            vec!["warning: /srv/shared is exported for writing, and its file system is mounted read-only"],
        ),
    ] {
        assert_eq!(on(line, options), expected, "{line}");
    }
    let unknown = nfs(healthy(), "n1", |nfs| nfs.places[0].on = None);
    assert_eq!(
        said(&unknown, &FILE_SYSTEMS, "n1"),
        ["unknown: the file system below /srv/shared is not known"]
    );
    let board = on_overlay().facts("n1", |facts| facts.system.armbian_board = Some("NanoPi R5S".to_owned()));
    assert!(remedies(&board, &FILE_SYSTEMS)[0].contains("/etc/overlayroot.conf"));
    let pi = on_overlay().facts("n1", |facts| facts.system.variant = Some("Raspberry Pi OS".to_owned()));
    assert!(remedies(&pi, &FILE_SYSTEMS)[0].contains("disable_overlayfs"));
}

fn on_overlay() -> Audited {
    nfs(healthy(), "n1", |nfs| nfs.places[0].on = Some(row("22 1 0:30 / / rw - overlay overlayroot rw")))
}

#[test]
fn the_disc_that_is_meant() {
    let declared = |at: &str, options: &str| Declared {
        by: "/etc/fstab:4".to_owned(),
        at: at.into(),
        source: "UUID=1".to_owned(),
        fstype: "ext4".to_owned(),
        options: list(options),
    };
    let mounted = "30 22 8:17 / /srv rw - ext4 /dev/sdb1 rw";
    for (entry, line, options, expected) in [
        (
            declared("/srv", "nofail"),
            DISC,
            "",
            vec![
                "error: /srv/shared belongs on the disc of /srv (/etc/fstab:4), which is not mounted: clients write to the card instead",
            ],
        ),
        (
            declared("/srv", "nofail"),
            DISC,
            ",mountpoint=/srv",
            vec![
                "warning: the disc of /srv (/etc/fstab:4) is not mounted, so that /srv/shared is not exported",
            ],
        ),
        (
            declared("/srv", "defaults,nofail"),
            mounted,
            "",
            vec![
                "warning: /srv/shared is exported even where the disc of /srv (/etc/fstab:4) is missing at a boot",
            ],
        ),
        (declared("/srv", "nofail"), mounted, ",mp=/srv", vec![]),
        // Without the disc there is no boot.
        (declared("/srv", "defaults"), mounted, "", vec![]),
        (declared("/", "defaults"), DISC, "", vec![]),
        (declared("/srv/other", "nofail"), DISC, "", vec![]),
    ] {
        let audited = nfs(sharing(share(&format!("{OPTIONS}{options}"))), "n1", |nfs| {
            nfs.places = vec![place(SHARED, directory(0o775, 1000, 1000), line)];
            nfs.declared = vec![entry.clone()];
        });
        assert_eq!(said(&audited, &FILE_SYSTEMS, "n1"), expected, "{entry:?} {options}");
    }
}
