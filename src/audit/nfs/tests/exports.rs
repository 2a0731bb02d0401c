//! What servers run, export, and say in their files.

use super::*;

#[test]
fn the_server() {
    let versions = |text: &str| nfs(healthy(), "n1", |nfs| nfs.versions = Some(text.to_owned()));
    for (audited, expected) in [
        (
            unit(healthy(), |unit| unit.active = "inactive".into()),
            vec!["warning: the NFS server does not run: nfs-server.service is inactive"],
        ),
        (
            unit(healthy(), |unit| unit.enabled = "disabled".into()),
            vec!["warning: the NFS server does not start at boot: nfs-server.service is disabled"],
        ),
        (
            unit(healthy(), |unit| unit.load = "masked".into()),
            vec!["error: nfs-server.service is masked, so that nothing can start it"],
        ),
        (
            nfs(healthy(), "n1", |nfs| nfs.threads = Some(0)),
            vec!["warning: nfs-server.service is active, but no thread of the kernel serves NFS"],
        ),
        (
            versions("+3 +4 +4.1 -4.2"),
            vec!["error: the share `shared` is mounted with NFS 4.2, which is not served"],
        ),
        (
            versions("+3 -4 +4.1 +4.2"),
            vec!["error: the share `shared` is mounted with NFS 4.2, which is not served"],
        ),
        (
            nfs(healthy(), "n1", |nfs| nfs.versions = None),
            vec!["unknown: /proc/fs/nfsd/versions cannot be read"],
        ),
        // As kernels from 6.x tell it.
        (versions("+3 +4 -4.0 +4.1 +4.2"), vec![]),
        (
            shares(versions("+3 +4 +4.1 -4.2"), |share| {
                share.mount.as_mut().unwrap().options = list("vers=4.1")
            }),
            vec![],
        ),
        (shares(versions("+3 -4"), |share| share.mount = None), vec![]),
        // The checks of the kernel tell.
        (lacking(unit(healthy(), |unit| unit.active = "failed".into()), "n1", "NFSD"), vec![]),
    ] {
        assert_eq!(said(&audited, &SERVER, "n1"), expected);
    }
    let failed = healthy().host("n1", |host| {
        host.observed
            .insert(Key::Unit("nfs-server.service".to_owned()), Err(Fault::new("systemctl show", "no bus")));
    });
    assert_eq!(said(&failed, &SERVER, "n1"), ["unknown: systemctl show: no bus"]);
    assert!(remedies(&versions("+3 +4 -4.2"), &SERVER)[0].contains("`vers4.2=y`"));
}

#[test]
fn exports_as_served() {
    let served = |text: &str| {
        exports(healthy(), |observed| {
            observed.served = parse(text).entries.into_iter().map(|(_, entry)| entry).collect();
        })
    };
    for (audited, expected) in [
        (served(""), "warning: /srv/shared is not exported to 192.168.2.0/24"),
        (
            served(&format!("{SHARED} 10.0.0.0/8({TOLD})")),
            "warning: /srv/shared is exported to 10.0.0.0/8, not to 192.168.2.0/24",
        ),
        (
            served(&format!("{SHARED} 192.168.2.0/24(ro,sync,no_subtree_check,all_squash,anonuid=1000)")),
            "warning: /srv/shared is exported to 192.168.2.0/24 with other options: anongid=65534, not 1000; rw is off",
        ),
        (exports(healthy(), |observed| observed.text = None), "note: the shares are not exported yet"),
    ] {
        assert_eq!(said(&audited, &EXPORTS, "n1").first().map(String::as_str), Some(expected));
        assert!(remedies(&audited, &EXPORTS).contains(&"skep up".to_owned()), "{expected}");
    }
    // The same, written with a dotted mask.
    assert_eq!(served(&format!("{SHARED} 192.168.2.0/255.255.255.0({TOLD})")).said(&EXPORTS), [""; 0]);
    let own = format!("{SHARED} 192.168.2.0/24({TOLD})");
    let by_hand = served(&format!("{own}\n{SHARED} 10.9.9.9(rw)\n"));
    assert_eq!(
        said(&by_hand, &EXPORTS, "n1"),
        ["warning: /srv/shared is exported to 10.9.9.9 too, which neither the inventory nor any file says"]
    );
    assert_eq!(remedies(&by_hand, &EXPORTS), ["on n1: `exportfs -u 10.9.9.9:/srv/shared`"]);
    let foreign =
        beside(served(&format!("{own}\n{SHARED} 10.9.9.9(rw)\n")), "\n/srv/shared 10.9.9.9(rw)\n", "");
    assert_eq!(
        said(&foreign, &EXPORTS, "n1"),
        ["note: /srv/shared is exported to 10.9.9.9 too, by /etc/exports:2"]
    );
    let unseen = healthy().host("n1", |host| {
        host.observed.insert(Key::Exports(FILE.into()), Err(Fault::new("exportfs -s", "killed")));
    });
    assert_eq!(said(&unseen, &EXPORTS, "n1"), ["unknown: exportfs -s: killed"]);
    assert_eq!(lacking(served(""), "n1", "NFSD").said(&EXPORTS), [""; 0]);
}

#[test]
fn a_line_of_another_file_that_skep_gives_way_to_is_an_error() {
    let armbian = beside(healthy(), "/srv/shared 192.168.2.0/24(rw,sync)\n", "");
    assert_eq!(
        said(&armbian, &EXPORTS, "n1"),
        ["error: /srv/shared is exported to 192.168.2.0/24 by /etc/exports:1 already"]
    );
    let second_root =
        beside(sharing(share(&format!("{OPTIONS},fsid=0"))), "/srv/other 192.168.2.0/24(ro,fsid=0)\n", "");
    let [told] = &said(&second_root, &EXPORTS, "n1")[..] else { panic!("one is told") };
    assert!(told.starts_with("error: /srv/shared shall be the root of NFSv4"), "{told}");
    // Also where this kernel serves nothing: the files are wrong already.
    assert_eq!(said(&lacking(armbian, "n1", "NFSD"), &EXPORTS, "n1").len(), 1);
}

#[test]
fn files_of_exports() {
    let told = |text: &str, told: &str| said(&beside(healthy(), text, told), &EXPORT_FILES, "n1");
    for (text, etab, expected) in [
        (
            "/srv/a 10.0.0.0/8 (rw)\n",
            "/srv/a\t10.0.0.0/8(ro)\n/srv/a\t*(rw)\n",
            vec![
                "error: /etc/exports:1 exports /srv/a to everybody for writing: it has a blank before `(`, or no client",
            ],
        ),
        (
            "# mine\n/srv/a\n",
            "/srv/a\t*(ro)\n",
            vec![
                "warning: /etc/exports:2 exports /srv/a to everybody: it has a blank before `(`, or no client",
            ],
        ),
        (
            "/srv/a 10.0.0.0/8(rw,snyc)\n/srv/b 10.0.0.0/8(ro)\n/srv/c 10.0.0.0/8(ro)\n",
            "",
            vec![
                "warning: /etc/exports:1 has an error, and neither the line nor the 2 exports after it are exported: unknown \
                 option `snyc`",
            ],
        ),
        (
            "/srv/a 10.0.0.0/8(rw, sync)\n",
            "",
            vec![
                "warning: /etc/exports:1 has an error, and the line is not exported: bad option list `10.0.0.0/8(rw,`: options stand in one \
                 pair of parentheses without blanks",
            ],
        ),
        (
            "srv/a 10.0.0.0/8(rw)\n/srv/b 10.0.0.0/8(ro)\n",
            "srv/a\t10.0.0.0/8(rw)\n/srv/b\t10.0.0.0/8(ro)\n",
            vec!["warning: /etc/exports:1 exports nothing: `srv/a` is no absolute path"],
        ),
        (
            "/srv/a [fd00::1](rw)\n",
            "/srv/a\t[fd00::1](rw)\n",
            vec![
                "warning: /etc/exports:1 exports to nobody: `[fd00::1]` is a pattern, not an address: IPv6 addresses stand without \
                 brackets",
            ],
        ),
        (
            "/srv/a 10.0.0.0/8(rw)\n/srv/a 10.0.0.0/8(ro)\n",
            "/srv/a\t10.0.0.0/8(rw)\n",
            vec!["warning: /etc/exports:2 is ignored: /etc/exports:1 exports /srv/a to 10.0.0.0/8 already"],
        ),
        (
            "/srv/a 10.0.0.0/8(rw)\n/srv/a 10.0.0.0/8(rw,sync)\n",
            "/srv/a\t10.0.0.0/8(rw)\n",
            vec!["note: /etc/exports:2 is ignored: /etc/exports:1 exports /srv/a to 10.0.0.0/8 already"],
        ),
        (
            "/srv/a 10.0.0.0/8(rw)\n",
            "",
            vec!["warning: /etc/exports:1 is not in force: /srv/a is not exported to 10.0.0.0/8"],
        ),
        ("", "/srv/z\t10.0.0.0/8(rw)\n", vec!["note: /srv/z is exported to 10.0.0.0/8, which no file says"]),
        // exportfs tells the full name of a host that was written as an address.
        ("/srv/a 10.0.0.7(rw)\n", "/srv/a\tdesk.lan(rw)\n", vec![]),
        ("/srv/a 10.0.0.0/8(rw)\n", "/srv/a\t10.0.0.0/8(rw,sync)\n", vec![]),
    ] {
        let found = told(text, etab);
        assert_eq!(found, expected, "{text}");
    }
    let blank = beside(healthy(), "\n/srv/a 10.0.0.0/8 (rw)\n", "/srv/a\t10.0.0.0/8(ro)\n/srv/a\t*(rw)\n");
    assert_eq!(
        remedies(&blank, &EXPORT_FILES),
        [r"sed -i '2s/[[:space:]]\+(/(/g' /etc/exports && exportfs -ra"]
    );
    let unread = nfs(healthy(), "n1", |nfs| {
        drop(nfs.unread.insert("/etc/exports".into(), "is a directory".to_owned()))
    });
    assert_eq!(said(&unread, &EXPORT_FILES, "n1"), ["unknown: /etc/exports cannot be read: is a directory"]);
    // A link is exported as what it leads to.
    let linked = nfs(beside(healthy(), "/srv/l 10.0.0.0/8(rw)\n", "/data\t10.0.0.0/8(rw)\n"), "n1", |nfs| {
        nfs.places.last_mut().unwrap().real = "/data".into();
    });
    assert_eq!(said(&linked, &EXPORT_FILES, "n1"), [""; 0]);
}

#[test]
fn the_root_of_nfs4() {
    let rooted = || sharing(share(&format!("{OPTIONS},fsid=0")));
    let own = rooted().all(&ROOT);
    assert_eq!(
        own,
        [
            "ok n1: /srv/shared is the root of NFSv4: clients mount `192.168.2.1:/`, those of NFSv3 `192.168.2.1:/srv/shared`"
        ]
    );
    for (audited, expected) in [
        (
            beside(rooted(), "/srv/other 10.0.0.0/8(ro,fsid=root)\n", ""),
            vec![
                "error: both /srv/shared and /srv/other have `fsid=0`, so that clients of NFSv4 get one of them for the other",
            ],
        ),
        (
            beside(healthy(), "/srv/a 10.0.0.0/8(ro,fsid=0)\n/srv/b 10.0.0.0/8(ro,fsid=0)\n", ""),
            vec![
                "error: both /srv/a and /srv/b have `fsid=0`, so that clients of NFSv4 get one of them for the other",
            ],
        ),
        (
            beside(healthy(), "/srv/other 10.0.0.0/8(ro,fsid=0)\n", ""),
            vec!["error: /srv/shared is hidden from NFSv4 clients by /srv/other, which has `fsid=0`"],
        ),
        (
            beside(
                rooted(),
                "/srv/other 10.0.0.0/8(ro)\n/srv/more 10.0.0.0/8(ro)\n/srv/shared/sub 10.0.0.0/8(ro)\n",
                "",
            ),
            vec![
                "warning: /srv/other, /srv/more are hidden from NFSv4 clients by /srv/shared, which has `fsid=0`",
            ],
        ),
        (beside(rooted(), "/srv/shared 10.0.0.0/8(ro,fsid=0)\n", ""), vec![]),
        (
            nfs(healthy(), "n1", |nfs| nfs.etab = Some("/srv/z\t10.0.0.0/8(rw,fsid=0)\n".to_owned())),
            vec!["error: /srv/shared is hidden from NFSv4 clients by /srv/z, which has `fsid=0`"],
        ),
    ] {
        assert_eq!(said(&audited, &ROOT, "n1"), expected);
    }
    let other = beside(healthy(), "/srv/other 10.0.0.0/8(ro,fsid=0)\n", "");
    assert_eq!(remedies(&other, &ROOT), ["take `fsid=0` out of /etc/exports:1; then `exportfs -ra`"]);
}
