use super::super::world::{Audited, single};
use super::*;
use crate::facts::inspection::packages::Source;
use crate::inventory::model::{Owner, Place, Share};
use crate::resource::Fault;
use crate::resource::repository::sources::Entry;

fn key() -> Key {
    Key::Packages(distribution::asked().into())
}

fn with(change: impl FnOnce(&mut Packages)) -> Audited {
    single().host("n1", |host| {
        let Some(Ok(Observed::Packages(packages))) = host.observed.get_mut(&key()) else { panic!() };
        change(packages);
    })
}

fn installed(names: &[&str]) -> Audited {
    with(|packages| {
        packages.installed = names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
    })
}

fn holding(audited: Audited, names: &[&str]) -> Audited {
    audited.inspection("n1", |inspection| {
        inspection.packages.held = names.iter().map(|name| (*name).to_owned()).collect();
    })
}

fn hold(audited: Audited, hold: Option<bool>) -> Audited {
    audited.inventory(|inventory| inventory.engine.hold = hold)
}

#[test]
fn packages_left_half_way() {
    assert_eq!(single().all(&STATE), ["ok n1: all packages are wholly installed"]);
    let names = |number: usize| (0..number).map(|number| format!("p{number}")).collect::<Vec<_>>();
    let half = with(|packages| packages.unfinished = names(2));
    assert_eq!(half.all(&STATE), ["warning n1: packages are left half installed: p0, p1"]);
    assert!(half.verdicts(&STATE)[0].remedy[0].contains("dpkg --configure -a"));
    let many = with(|packages| packages.unfinished = names(8));
    assert!(many.all(&STATE)[0].ends_with("p4 and 3 more"), "{:?}", many.all(&STATE));
    let interrupted = with(|packages| packages.interrupted = true);
    assert_eq!(interrupted.all(&STATE), ["warning n1: dpkg was interrupted, or is at work just now"]);
    let unread = single().host("n1", |host| {
        host.observed.insert(key(), Err(Fault::new("/var/lib/dpkg/status", "is not there")));
    });
    assert_eq!(unread.all(&STATE), ["unknown n1: dpkg's record cannot be read"]);
    let unasked = single().host("n1", |host| host.observed.clear());
    assert_eq!(unasked.all(&STATE), ["unknown n1: dpkg's record cannot be read"]);
}

#[test]
fn holds() {
    let ok = "ok n1: nothing is held against the inventory";
    assert_eq!(single().all(&HELD), [ok]);
    let engine = || holding(installed(&["docker.io"]), &["docker.io", "vim"]);
    for (wanted, expected) in [
        (None, "note n1: docker.io is held: it gets no security updates"),
        (Some(true), ok),
        (Some(false), "note n1: docker.io is held, and the inventory wants it not to be"),
    ] {
        assert_eq!(hold(engine(), wanted).all(&HELD), [expected]);
    }
    assert_eq!(holding(single(), &["docker.io"]).all(&HELD), [ok], "skep installs it though it is held");
    let missing = holding(installed(&["ca-certificates"]), &["iptables", "ca-certificates"]);
    assert_eq!(missing.all(&HELD), ["error n1: apt will not install iptables: on hold"]);
    assert_eq!(missing.verdicts(&HELD)[0].remedy, ["run `apt-mark unhold iptables` on the host"]);
    let nfs = || holding(installed(&["iptables", "ca-certificates"]), &["nfs-kernel-server"]);
    assert_eq!(nfs().all(&HELD), [ok], "nothing is shared");
    let serving = nfs().inventory(|inventory| {
        inventory.shares.push(Share {
            name: "shared".to_owned(),
            place: Place { line: 1, column: 1 },
            server: "n1".into(),
            path: "/srv".into(),
            clients: vec!["192.168.2.0/24".to_owned()],
            options: Vec::new(),
            owner: Owner { uid: 0, gid: 0 },
            mode: 0o755,
            mount: None,
        });
    });
    assert_eq!(serving.all(&HELD), ["error n1: apt will not install nfs-kernel-server: on hold"]);
}

fn from(sources: &[(&str, &str, &str)]) -> Audited {
    single().inspection("n1", |inspection| {
        let source = |(file, uri, signed_by): &(&str, &str, &str)| Source {
            file: (*file).to_owned(),
            entry: Entry {
                uri: (*uri).to_owned(),
                suite: "bookworm".to_owned(),
                signed_by: (*signed_by).to_owned(),
            },
        };
        inspection.packages.sources = sources.iter().map(source).collect();
    })
}

#[test]
fn sources_that_contradict_each_other() {
    let docker = "https://download.docker.com/linux/debian";
    let (list, deb822) = ("/etc/apt/sources.list.d/docker.list", "/etc/apt/sources.list.d/docker.sources");
    assert_eq!(single().all(&SOURCES), ["ok n1: no two sources contradict each other"]);
    assert_eq!(from(&[(list, docker, "/k"), (deb822, docker, "/k")]).said(&SOURCES), [""; 0]);
    let conflict = || from(&[(list, docker, "/k.gpg"), (deb822, docker, "/k.asc")]);
    let message = "apt refuses its sources: https://download.docker.com/linux/debian bookworm stands there with several keys";
    assert_eq!(conflict().all(&SOURCES), [format!("error n1: {message}")]);
    let verdict = conflict().verdicts(&SOURCES).remove(0);
    assert!(verdict.remedy[0].contains("`rm /etc/apt/sources.list.d/docker.sources`"), "{verdict:?}");
    assert_eq!(verdict.evidence.len(), 2);
    let ours = conflict().inventory(|inventory| inventory.engine.source = EngineSource::Docker);
    assert_eq!(ours.all(&SOURCES), [format!("warning n1: {message}")]);
    let unsigned = from(&[(list, docker, ""), (list, docker, "/k")]);
    assert!(
        unsigned.verdicts(&SOURCES)[0].remedy[0]
            .contains("one of the entries in /etc/apt/sources.list.d/docker.list")
    );
    assert_eq!(from(&[]).all(&SOURCES), ["warning n1: apt has no sources, so that nothing can be installed"]);
}

#[test]
fn upgrades_by_themselves() {
    let on = |audited: Audited| {
        audited.inspection("n1", |inspection| {
            inspection.packages.unattended = Some("/etc/apt/apt.conf.d/20auto-upgrades".to_owned());
        })
    };
    let none = "ok n1: nothing upgrades the engine by itself";
    let held = "ok n1: the engine is held, so that it is not upgraded by itself";
    let note =
        "note n1: unattended-upgrades may restart the engine at night, on all nodes at about the same time";
    assert_eq!(single().all(&UNATTENDED), [none]);
    assert_eq!(on(single()).all(&UNATTENDED), [note]);
    assert_eq!(on(installed(&["docker-ce"])).all(&UNATTENDED), [none], "Docker's are left alone");
    assert_eq!(hold(on(single()), Some(true)).all(&UNATTENDED), [held]);
    assert_eq!(holding(on(installed(&["docker.io"])), &["docker.io"]).all(&UNATTENDED), [held]);
    assert_eq!(single().host("n1", |host| host.observed.clear()).all(&UNATTENDED), [""; 0]);
}
