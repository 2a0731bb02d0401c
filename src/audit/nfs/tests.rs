//! Each check in each of its outcomes, on made-up hosts.

use std::path::PathBuf;

use super::super::world::{Audited, cluster};
use super::super::{Check, Verdict};
use super::*;
use crate::facts::inspection::nfs::File;
use crate::facts::inspection::nfs::bound::Bound;
use crate::facts::inspection::nfs::declared::Declared;
use crate::facts::inspection::nfs::place::{Found, Place};
use crate::facts::inspection::nfs::rpc::Answer;
use crate::facts::{Engine, Support, SwarmState};
use crate::inventory::model::{Owner, Place as Line};
use crate::resource::exports::{FILE, Located, parse};
use crate::resource::mount::table::{Row, rows};
use crate::resource::{dropin, unit};
use crate::swarm::world::{outside, running};

const SHARED: &str = "/srv/shared";
const POINT: &str = "/mnt/shared";
const OPTIONS: &str = "rw,sync,no_subtree_check,all_squash,anonuid=1000,anongid=1000";
/// What `exportfs` of Debian 12 keeps of that in etab (nfs-utils 2.6.2).
const TOLD: &str = "rw,sync,wdelay,hide,nocrossmnt,secure,root_squash,all_squash,no_subtree_check,secure_locks,acl,no_pnfs,\
                    anonuid=1000,anongid=1000,sec=sys,rw,secure,root_squash,all_squash";

fn list(options: &str) -> Vec<String> {
    options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect()
}

fn share(options: &str) -> Share {
    Share {
        name: "shared".to_owned(),
        place: Line { line: 12, column: 3 },
        server: "n1".into(),
        path: SHARED.into(),
        clients: vec!["192.168.2.0/24".to_owned()],
        options: list(options),
        owner: Owner { uid: 1000, gid: 1000 },
        mode: 0o775,
        mount: Some(ShareMount {
            at: POINT.into(),
            on: vec!["n2".into(), "n3".into()],
            options: Vec::new(),
            remote: SHARED.into(),
        }),
    }
}

fn own_file(entries: &str) -> String {
    format!("# Written by skep.\n{entries}\n")
}

fn place(path: &str, found: Found, on: &str) -> Place {
    Place { path: path.into(), real: path.into(), found, on: rows(on).last() }
}

fn directory(mode: u32, uid: u32, gid: u32) -> Found {
    Found::Directory { mode, uid, gid, filled: false }
}

const DISC: &str = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw";
const MOUNTED: &str = "40 22 0:50 / /mnt/shared rw,noatime - nfs4 192.168.2.1:/srv/shared \
                       rw,vers=4.2,rsize=262144,wsize=262144,hard,proto=tcp,timeo=600,sec=sys,addr=192.168.2.1,local_lock=none";

fn row(line: &str) -> Row {
    rows(line).next().expect("a line of mountinfo")
}

/// The manager n1 shares a directory with the workers n2 and n3, and all is well.
fn healthy() -> Audited {
    sharing(share(OPTIONS))
}

fn sharing(share: Share) -> Audited {
    let line = format!("{SHARED} 192.168.2.0/24({OPTIONS})");
    let told = format!("{SHARED}\t192.168.2.0/24({TOLD})\n");
    let mut audited = cluster().inventory(|inventory| inventory.shares = vec![share]).host("n1", |host| {
        let exports = resource::Observed {
            text: Some(own_file(&line)),
            served: parse(&told).entries.into_iter().map(|(_, entry)| entry).collect(),
            other: Vec::new(),
            tools: true,
        };
        let unit = unit::Observed {
            load: "loaded".to_owned(),
            enabled: "enabled".to_owned(),
            active: "active".to_owned(),
            masked_by_package: false,
        };
        host.observed.insert(Key::Exports(FILE.into()), Ok(Observed::Exports(exports)));
        host.observed.insert(Key::Unit("nfs-server.service".to_owned()), Ok(Observed::Unit(unit)));
        let nfs = &mut host.facts.inspection.as_mut().expect("it was looked at").nfs;
        *nfs = Nfs {
            files: vec![File { path: FILE.into(), text: own_file(&line) }],
            etab: Some(told),
            threads: Some(8),
            versions: Some("+3 +4 +4.1 +4.2".to_owned()),
            client: true,
            places: vec![place(SHARED, directory(0o775, 1000, 1000), DISC)],
            ..Nfs::default()
        };
    });
    for node in ["n2", "n3"] {
        audited = audited.host(node, |host| {
            let mounted = mount::Observed {
                text: Some("[Mount]\n".to_owned()),
                enabled: true,
                mounted: Some(row(MOUNTED).info),
                stale: false,
                reload_pending: false,
            };
            let dropin = dropin::Observed {
                text: Some(
                    "[Unit]\nWants=mnt-shared.mount\nAfter=remote-fs.target mnt-shared.mount\n".to_owned(),
                ),
                reload_pending: false,
                running: true,
                stale: false,
            };
            let key =
                dropin::Key { unit: "docker.service".to_owned(), name: "10-skep-mounts.conf".to_owned() };
            host.observed.insert(Key::Mount(POINT.into()), Ok(Observed::Mount(mounted)));
            host.observed.insert(Key::Dropin(key), Ok(Observed::Dropin(dropin)));
            host.facts.engine = running(outside(SwarmState::Inactive));
            let nfs = &mut host.facts.inspection.as_mut().expect("it was looked at").nfs;
            *nfs = Nfs {
                client: true,
                places: vec![place(POINT, Found::Remote, MOUNTED)],
                mounts: vec![row(MOUNTED)],
                answers: [(Server::at("192.168.2.1", PORT), Answer::Serves(vec![3, 4]))].into(),
                ..Nfs::default()
            };
        });
    }
    audited
}

fn nfs(audited: Audited, node: &str, change: impl FnOnce(&mut Nfs)) -> Audited {
    audited.inspection(node, |inspection| change(&mut inspection.nfs))
}

fn shares(audited: Audited, change: impl FnOnce(&mut Share)) -> Audited {
    audited.inventory(|inventory| change(&mut inventory.shares[0]))
}

fn exports(audited: Audited, change: impl FnOnce(&mut resource::Observed)) -> Audited {
    audited.host("n1", |host| {
        let Some(Ok(Observed::Exports(observed))) = host.observed.get_mut(&Key::Exports(FILE.into())) else {
            panic!("its exports were looked at")
        };
        change(observed);
    })
}

fn unit(audited: Audited, change: impl FnOnce(&mut unit::Observed)) -> Audited {
    audited.host("n1", |host| {
        let key = Key::Unit("nfs-server.service".to_owned());
        let Some(Ok(Observed::Unit(observed))) = host.observed.get_mut(&key) else {
            panic!("it was looked at")
        };
        change(observed);
    })
}

fn mounting(audited: Audited, change: impl FnOnce(&mut mount::Observed)) -> Audited {
    audited.host("n2", |host| {
        let Some(Ok(Observed::Mount(observed))) = host.observed.get_mut(&Key::Mount(POINT.into())) else {
            panic!("its mount was looked at")
        };
        change(observed);
    })
}

/// Adds a file of exports besides skep's, and what exportfs made of it.
fn beside(audited: Audited, text: &str, told: &str) -> Audited {
    let audited = exports(audited, |observed| {
        let located = |(line, entry)| Located { file: "/etc/exports".into(), line, entry };
        observed.other.extend(parse(text).entries.into_iter().map(located));
    });
    nfs(audited, "n1", |nfs| {
        nfs.files.insert(0, File { path: "/etc/exports".into(), text: text.to_owned() });
        nfs.etab.as_mut().expect("it has one").push_str(told);
        for (_, entry) in parse(text).entries {
            if nfs.place(&entry.path).is_none() {
                nfs.places.push(place(&entry.path.to_string_lossy(), directory(0o755, 0, 0), DISC));
            }
        }
    })
}

fn lacking(audited: Audited, node: &str, option: &str) -> Audited {
    audited.facts(node, |facts| {
        facts.kernel.options.insert(option.to_owned(), Support::Missing);
    })
}

/// What a check says of a node, without its name.
fn said(audited: &Audited, check: &Check, node: &str) -> Vec<String> {
    let about = format!(" {node}: ");
    audited
        .said(check)
        .into_iter()
        .filter(|line| line.contains(&about))
        .map(|line| line.replace(&about, ": "))
        .collect()
}

fn remedies(audited: &Audited, check: &Check) -> Vec<String> {
    audited.verdicts(check).into_iter().flat_map(|verdict: Verdict| verdict.remedy).collect()
}

#[test]
fn a_healthy_cluster_is_well_and_each_check_says_so_of_whom_it_is_about() {
    let audited = healthy();
    for (check, nodes) in [
        (&SERVER, &["n1"][..]),
        (&EXPORTS, &["n1"]),
        (&EXPORT_FILES, &["n1"]),
        (&ROOT, &["n1"]),
        (&ACCESS, &["n1"]),
        (&DIRECTORIES, &["n1"]),
        (&FILE_SYSTEMS, &["n1"]),
        (&MOUNTS, &["n2", "n3"]),
        (&CONTAINERS, &["n2", "n3"]),
        (&ANSWERS, &["n2", "n3"]),
    ] {
        assert_eq!(audited.said(check), [""; 0], "{}", check.id);
        let verdicts = audited.verdicts(check);
        let about: Vec<_> =
            verdicts.iter().flat_map(|verdict| verdict.nodes.iter().map(|node| node.0.as_str())).collect();
        assert_eq!(about, nodes, "{}", check.id);
    }
}

#[test]
fn nothing_is_asked_of_nodes_without_shares() {
    for check in [
        &SERVER,
        &EXPORTS,
        &EXPORT_FILES,
        &ROOT,
        &ACCESS,
        &DIRECTORIES,
        &FILE_SYSTEMS,
        &MOUNTS,
        &CONTAINERS,
        &ANSWERS,
    ] {
        assert_eq!(cluster().all(check), [""; 0], "{}", check.id);
        // Exports that nobody serves are of no consequence.
        let text = "/srv/old *(rw)\n/srv/more (rw)\n";
        let idle = nfs(cluster(), "n2", |nfs| {
            nfs.files = vec![File { path: "/etc/exports".into(), text: text.to_owned() }]
        });
        assert_eq!(idle.all(check), [""; 0], "{}", check.id);
    }
}

#[test]
fn what_is_yet_to_be_done_is_a_note() {
    let bare = exports(healthy(), |observed| {
        *observed = resource::Observed { text: None, served: Vec::new(), other: Vec::new(), tools: false };
    });
    let bare = nfs(bare, "n1", |nfs| {
        *nfs = Nfs { places: vec![place(SHARED, Found::Absent, DISC)], ..Nfs::default() };
    });
    let bare = nfs(bare, "n2", |nfs| {
        *nfs = Nfs {
            places: vec![place(POINT, Found::Absent, DISC)],
            answers: [(Server::at("192.168.2.1", PORT), Answer::Refused)].into(),
            ..Nfs::default()
        };
    });
    let bare = mounting(bare, |observed| {
        *observed = mount::Observed {
            text: None,
            enabled: false,
            mounted: None,
            stale: false,
            reload_pending: false,
        };
    });
    for (check, node, expected) in [
        (&SERVER, "n1", "note: the NFS server is not installed yet"),
        (&EXPORTS, "n1", "note: the shares are not exported yet"),
        (&DIRECTORIES, "n1", "note: /srv/shared is not there yet"),
        (&MOUNTS, "n2", "note: the programs that mount NFS (nfs-common) are not installed yet"),
        (&ANSWERS, "n2", "note: n1 serves no NFS yet"),
    ] {
        assert_eq!(said(&bare, check, node), [expected], "{}", check.id);
        assert!(remedies(&bare, check).contains(&"skep up".to_owned()), "{}", check.id);
    }
    for check in [&EXPORT_FILES, &ROOT, &ACCESS, &FILE_SYSTEMS] {
        assert_eq!(said(&bare, check, "n1"), [""; 0], "{}", check.id);
    }
    assert_eq!(said(&bare, &CONTAINERS, "n2"), [""; 0]);
    let installed = nfs(bare, "n2", |nfs| nfs.client = true);
    assert_eq!(
        said(&installed, &MOUNTS, "n2"),
        ["note: 192.168.2.1:/srv/shared is not mounted at /mnt/shared yet"]
    );
}

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
            beside(rooted(), "/srv/other 10.0.0.0/8(ro)\n/srv/shared/sub 10.0.0.0/8(ro)\n", ""),
            vec!["warning: /srv/other is hidden from NFSv4 clients by /srv/shared, which has `fsid=0`"],
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
            lacking(at(filled), "n2", "NFS_V4"),
            "error: files lie in /mnt/shared, which the mount would hide, so `skep up` does not mount it",
        ),
        (at(Found::Other), "error: /mnt/shared shall be a mount point, and is no directory"),
        (at(Found::Failed("I/O error".to_owned())), "unknown: /mnt/shared cannot be looked at: I/O error"),
    ] {
        assert_eq!(said(&audited, &MOUNTS, "n2"), [expected]);
    }
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

#[test]
fn file_servers() {
    let server = || Server::at("192.168.2.1", PORT);
    let answer = |answer: Answer| nfs(healthy(), "n2", |nfs| drop(nfs.answers.insert(server(), answer)));
    for (audited, expected) in [
        (
            answer(Answer::Unreachable("no answer within 3 s".to_owned())),
            vec!["error: the file server 192.168.2.1:2049 does not answer: no answer within 3 s"],
        ),
        (answer(Answer::Refused), vec!["error: nothing listens at 192.168.2.1:2049"]),
        (
            answer(Answer::Silent),
            vec!["error: the file server 192.168.2.1:2049 takes connections, but does not answer"],
        ),
        (
            answer(Answer::Garbled("it answered \"HTTP\"".to_owned())),
            vec!["error: what answers at 192.168.2.1:2049 is no NFS server: it answered \"HTTP\""],
        ),
        (answer(Answer::NoNfs), vec!["error: 192.168.2.1:2049 answers, but serves no NFS"]),
        (answer(Answer::OtherVersions(2, 2)), vec!["error: 192.168.2.1:2049 serves NFS 2 to 2 only"]),
        (
            answer(Answer::Serves(vec![3])),
            vec!["error: 192.168.2.1:2049 serves NFS 3 only, and the share `shared` is mounted with 4.2"],
        ),
        (answer(Answer::Serves(vec![4])), vec![]),
        (
            answer(Answer::Unreachable("No route to host".to_owned())).off("n1"),
            vec![
                "error: the file server 192.168.2.1:2049 does not answer: No route to host; n1 does not answer skep either",
            ],
        ),
    ] {
        assert_eq!(said(&audited, &ANSWERS, "n2"), expected);
    }
    let dead = answer(Answer::Refused);
    assert_eq!(
        remedies(&dead, &ANSWERS),
        [
            "on n1: `systemctl restart nfs-server; systemctl status nfs-server`",
            "on n2, to let go of what waits: `umount -f -l /mnt/shared`"
        ]
    );
    let named = healthy().inventory(|inventory| inventory.nodes[0].address = "n1.lan".to_owned());
    let named = nfs(named, "n2", |nfs| {
        nfs.answers = [(Server::at("n1.lan", PORT), Answer::Unresolved("no such name".to_owned()))].into();
    });
    assert_eq!(
        said(&named, &ANSWERS, "n2"),
        ["error: the file server's name `n1.lan` has no address: no such name"]
    );
}

#[test]
fn servers_of_mounts_that_are_not_the_inventorys() {
    let line = "50 22 0:70 / /mnt/nas rw - nfs4 10.0.0.9:/x rw,vers=4.2,addr=10.0.0.9";
    let nas = |answer: Answer| {
        nfs(healthy(), "n2", |nfs| {
            nfs.mounts.push(row(line));
            nfs.answers.insert(Server::at("10.0.0.9", PORT), answer);
        })
    };
    assert_eq!(
        said(&nas(Answer::Silent), &ANSWERS, "n2"),
        [
            "warning: the file server 10.0.0.9:2049 takes connections, but does not answer; whatever touches /mnt/nas waits"
        ]
    );
    assert_eq!(nas(Answer::Serves(vec![4])).said(&ANSWERS), [""; 0]);
}

#[test]
fn several_shares_of_a_dead_server_are_one_fault() {
    let mut second = share(OPTIONS);
    (second.name, second.path) = ("more".to_owned(), PathBuf::from("/srv/more"));
    second.mount.as_mut().unwrap().at = "/mnt/more".into();
    let audited = healthy().inventory(|inventory| inventory.shares.push(second));
    let dead =
        nfs(audited, "n2", |nfs| drop(nfs.answers.insert(Server::at("192.168.2.1", PORT), Answer::Silent)));
    assert_eq!(said(&dead, &ANSWERS, "n2").len(), 1);
}

#[test]
fn a_node_is_asked_about_what_it_shares_and_mounts() {
    let audited = healthy();
    let mut inventory = None;
    let audited = audited.inventory(|known| inventory = Some(known.clone()));
    drop(audited);
    let mut inventory = inventory.expect("it was kept");
    let server = wanted(&inventory, &"n1".into());
    assert_eq!(
        (server.shared, server.points.len(), server.servers.len()),
        (vec![PathBuf::from(SHARED)], 0, 0)
    );
    let client = wanted(&inventory, &"n2".into());
    assert_eq!((client.shared.len(), client.points), (0, vec![PathBuf::from(POINT)]));
    assert_eq!(client.servers, [Server::at("192.168.2.1", PORT)]);
    let mount = inventory.shares[0].mount.as_mut().unwrap();
    mount.options = list("port=20049");
    assert_eq!(wanted(&inventory, &"n2".into()).servers[0].to_string(), "192.168.2.1:20049");
    inventory.shares[0].mount.as_mut().unwrap().options = list("proto=rdma");
    assert_eq!(wanted(&inventory, &"n2".into()).servers, []);
}
