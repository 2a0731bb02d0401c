//! Docker's volumes of NFS, and containers that fail on a share.

use super::*;
use crate::facts::inspection::nfs::docker::{Failed, Volume};

fn volume(name: &str, fstype: &str, options: &str) -> Volume {
    let device = if fstype.is_empty() { "" } else { ":/srv/web" };
    Volume {
        name: name.to_owned(),
        file: format!("/var/lib/docker/volumes/{name}/opts.json").into(),
        fstype: fstype.to_owned(),
        options: options.to_owned(),
        device: device.to_owned(),
    }
}

fn with(audited: Audited, node: &str, volume: Volume) -> Audited {
    nfs(audited, node, |nfs| nfs.volumes.push(volume))
}

#[test]
fn options_of_volumes() {
    const UNNAMED: &str =
        "error: the volume `web` has no `addr=`, so that no container with it starts (\"invalid argument\")";
    const THREE: &str = "warning: the volume `web` has no `vers=`, so that it is mounted by NFS version 3";
    for (fstype, options, expected) in [
        ("nfs", "addr=10.0.0.1,rw,vers=4.2", None),
        ("nfs", "addr=nas,rw,nfsvers=4.1", None),
        ("nfs", "v4.2,addr=nas,verbose", None),
        ("nfs4", "addr=10.0.0.1,rw,vers=4.2", None),
        ("nfs4", "addr=fd00::1,v4.1", None),
        ("nfs4", "addr=fe80::1%eth0,v4.1", None),
        // Whoever writes it means it.
        ("nfs", "addr=nas,vers=3", None),
        ("cifs", "", None),
        ("", "", None),
        ("nfs", "addr=nas,rw", Some(THREE)),
        ("nfs", "addr=nas,verbose", Some(THREE)),
        (
            "nfs4",
            "addr=10.0.0.1,vers=3",
            Some(
                "warning: the volume `web` of `type=nfs4` has a version 3 among its options, and is mounted by that",
            ),
        ),
        (
            "nfs4",
            "addr=10.0.0.1",
            Some("note: the volume `web` has no `vers=`, so that it is mounted by NFS version 4.0"),
        ),
        ("nfs", "rw,vers=4.2", Some(UNNAMED)),
        ("nfs4", "", Some(UNNAMED)),
        (
            "nfs4",
            "addr=nas,rw",
            Some(
                "error: the volume `web` of `type=nfs4` has the name `nas` as `addr=`, so that no container with it \
                 starts (\"invalid argument\"): names are for `type=nfs`",
            ),
        ),
    ] {
        let audited = with(healthy(), "n2", volume("web", fstype, options));
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(said(&audited, &VOLUMES, "n2"), expected, "{fstype} {options}");
    }
    let well = with(healthy(), "n2", volume("web", "nfs", "addr=nas,vers=4.2"));
    assert_eq!(well.all(&VOLUMES), ["ok n2: each option of 1 NFS volume is there"]);
    assert_eq!(with(healthy(), "n2", volume("web", "", "")).all(&VOLUMES), [""; 0]);
}

#[test]
fn the_remedy_makes_a_volume_anew_with_what_it_lacks() {
    for (fstype, options, device, made) in [
        ("nfs", "addr=nas,rw", ":/srv/web", "'o=addr=nas,rw,vers=4.2' --opt 'device=:/srv/web'"),
        ("nfs4", "rw,vers=4.1", "nas:/srv", "'o=addr=nas,rw,vers=4.1' --opt 'device=nas:/srv'"),
        ("nfs", "", ":/a'b", r"'o=addr=SERVER,vers=4.2' --opt 'device=:/a'\''b'"),
        ("nfs4", "addr=nas", ":/x", "'o=addr=nas,vers=4.2' --opt 'device=:/x'"),
        ("nfs4", "addr=10.0.0.1,vers=3,rw", ":/x", "'o=addr=10.0.0.1,rw,vers=4.2' --opt 'device=:/x'"),
        ("nfs", "vers=3", "nas:/x", "'o=addr=nas,vers=3' --opt 'device=nas:/x'"),
    ] {
        let made = format!("docker volume rm web && docker volume create --opt type=nfs --opt {made} web");
        let web = Volume { device: device.to_owned(), ..volume("web", fstype, options) };
        let audited = with(healthy(), "n2", web);
        assert_eq!(remedies(&audited, &VOLUMES)[0], made);
    }
}

#[test]
fn volumes_that_differ_between_nodes() {
    const V42: &str = "addr=nas,rw,vers=4.2";
    let cases = [
        (volume("web", "nfs", "vers=4.2,addr=nas,rw"), None),
        (volume("other", "nfs", "addr=nas,vers=4.1"), None),
        (
            volume("web", "nfs", "addr=nas,rw,vers=4.1"),
            Some("has other options on another node: Docker never changes those that it has"),
        ),
        (
            Volume { device: ":/else".to_owned(), ..volume("web", "nfs", V42) },
            Some("has other options on another node: Docker never changes those that it has"),
        ),
        (volume("web", "", ""), Some("is NFS, but a directory of the node's own on n3")),
    ];
    for (other, expected) in cases {
        let audited = with(with(healthy(), "n2", volume("web", "nfs", V42)), "n3", other);
        let expected: Vec<_> =
            expected.map(|what| format!("warning n2 n3: the volume `web` {what}")).into_iter().collect();
        assert_eq!(audited.said(&VOLUMES), expected);
    }
    let plain = with(with(healthy(), "n2", volume("web", "", "")), "n3", volume("web", "", ""));
    assert_eq!(plain.all(&VOLUMES), [""; 0]);
}

#[test]
fn containers_that_fail_where_all_users_are_one() {
    let failed = |from: &str, again| Failed {
        id: "3f4e8a9b0c1d".to_owned(),
        name: "db".to_owned(),
        from: from.into(),
        code: 1,
        again,
    };
    let told =
        |options: &str, failed: Failed| nfs(sharing(share(options)), "n2", |nfs| nfs.failed = vec![failed]);
    const MAY: &str =
        "it may be an image that changes owners, which nobody may in /mnt/shared (`all_squash`)";
    let looped = told(OPTIONS, failed("/mnt/shared/db", true));
    assert_eq!(said(&looped, &CONTAINERS, "n2"), [format!("warning: `db` starts again and again: {MAY}")]);
    assert!(remedies(&looped, &CONTAINERS)[1].contains("`--user 1000:1000`"));
    let ended = told(OPTIONS, failed("/mnt/shared", false));
    assert_eq!(said(&ended, &CONTAINERS, "n2"), [format!("note: `db` ended with an error: {MAY}")]);
    for (options, from) in [("rw,sync", "/mnt/shared/db"), (OPTIONS, "/mnt/other/db")] {
        assert_eq!(said(&told(options, failed(from, true)), &CONTAINERS, "n2"), [""; 0], "{options} {from}");
    }
}
