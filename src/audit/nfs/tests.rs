//! Each check in each of its outcomes, on made-up hosts.

mod answers;
mod directories;
mod exports;
mod mounts;
mod used;
mod volumes;

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
        &VOLUMES,
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
    let blocked = nfs(bare.clone(), "n2", |nfs| {
        nfs.answers =
            [(Server::at("192.168.2.1", PORT), Answer::Unreachable("no answer within 3 s".to_owned()))]
                .into();
    });
    assert_eq!(
        said(&blocked, &ANSWERS, "n2"),
        ["error: the file server 192.168.2.1:2049 does not answer: no answer within 3 s"]
    );
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
