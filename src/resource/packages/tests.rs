//! What undo makes of a receipt, and holds that outlive a change.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn undo_brings_back_what_was_replaced_and_what_was_asked_for_in_another_version() {
    let receipt = Receipt {
        installed: map(&[("docker-ce", "2"), ("containerd.io", "2")]),
        replaced: map(&[("libc6", "1"), ("docker-ce-cli", "1")]),
        removed: map(&[("docker.io", "1")]),
        chosen: set(&["docker-ce-cli"]),
        service: Some("docker.service".to_owned()),
    };
    let change = Packages::undo(&receipt).unwrap();
    assert_eq!(change.install, set(&["docker-ce-cli", "docker.io"]));
    assert_eq!(change.versions, map(&[("docker-ce-cli", "1"), ("docker.io", "1")]));
    assert_eq!(change.remove, set(&["docker-ce", "containerd.io"]));
    assert!(change.downgrade && change.change_held && change.service.is_some());
    // A plain installation is only taken away again.
    let plain = Receipt { installed: map(&[("iptables", "1")]), replaced: map(&[("libc6", "1")]), ..Receipt::default() };
    let change = Packages::undo(&plain).unwrap();
    assert_eq!((change.install.len(), change.remove), (0, set(&["iptables"])));
    assert!(!change.downgrade && !change.change_held);
    assert_eq!(Packages::undo(&Receipt { replaced: map(&[("libc6", "1")]), ..Receipt::default() }), None);
}

#[test]
fn undo_asks_for_needs_and_leaves_what_others_need() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let stanza = |name: &str, more: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n{more}\n");
    let record = stanza("docker.io", "Depends: runc\n") + &stanza("podman", "Depends: runc\n") + &stanza("runc", "");
    host.write_system_file("/var/lib/dpkg/status", &record).unwrap();
    let receipt = Receipt { installed: map(&[("docker.io", "1"), ("runc", "1")]), ..Receipt::default() };
    let change = Packages::undo(&receipt).unwrap();
    let key = Packages::key_of(&change).unwrap();
    let observed = Packages::observe(&[key], &host).unwrap().remove(0);
    let rest = Packages::rest(&change, &observed);
    assert_eq!(rest.change.unwrap().remove, set(&["docker.io"]));
    assert_eq!(rest.foreign, ["runc is needed by podman"]);
    // Nothing has to go where something is only put back.
    let back = Change { install: set(&["runc"]), remove: BTreeSet::new(), ..change };
    assert!(!Packages::key_of(&back).unwrap().with_needs);
}

/// A host whose apt changes versions and forgets holds, as the real one does.
fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let status = host.path("/var/lib/dpkg/status").display().to_string();
    let programs = [
        ("apt-cache", "printf 'a:\\n  Candidate: 2\\n'; echo ' a | 2 | x'".to_owned()),
        ("apt-get", format!("case \" $* \" in *' --simulate '*) ;; *) sed -i 's/hold ok/install ok/; s/^Version: 1/Version: 2/' {status} ;; esac")),
        ("apt-mark", format!("sed -i 's/install ok/hold ok/' {status}; echo \"$*\" >>{}", host.path("/log").display())),
        ("sh", format!("PATH={}:$PATH exec /bin/sh \"$@\"", host.path("/usr/bin").display())),
    ];
    for (name, script) in programs {
        let path = format!("/usr/bin/{name}");
        host.write_system_file(&path, &format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(host.path(&path), PermissionsExt::from_mode(0o755)).unwrap();
    }
    host.write_system_file("/var/lib/apt/lists/mirror_dists_x", "").unwrap();
    (root, host)
}

#[test]
fn what_was_held_is_held_again_after_it_was_changed() {
    for (wanted, log) in [("hold", Some("hold -- a\n")), ("install", None)] {
        let (_root, host) = host();
        let status = format!("Package: a\nStatus: {wanted} ok installed\nVersion: 1\n");
        host.write_system_file("/var/lib/dpkg/status", &status).unwrap();
        let desired = Desired { install: set(&["a"]), versions: map(&[("a", "2")]), change_held: true, ..Desired::default() };
        let observed = Packages::observe(&[set(&["a"]).into()], &host).unwrap().remove(0);
        let change = Packages::diff(&desired, &observed).unwrap().unwrap();
        let receipt = Packages::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!((receipt.replaced, receipt.chosen), (map(&[("a", "1")]), set(&["a"])));
        assert_eq!(host.read_text("/log").unwrap().as_deref(), log, "{wanted}");
    }
}
