//! Holds on a host whose apt-mark is played by a script.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A host with `a` held and `b` not, whose apt-mark does what it is told, or nothing.
fn host(obedient: bool) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let status = host.path("/var/lib/dpkg/status").display().to_string();
    let work = "word=install; [ \"$1\" = hold ] && word=hold; shift 2; for name; do sed -i \"/^Package: $name$/,/^Version/s/^Status: [a-z]*/Status: $word/\" FILE; done";
    let script = if obedient { work.replace("FILE", &status) } else { "echo 'E: no such package' >&2".to_owned() };
    host.write_system_file("/usr/bin/apt-mark", &format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(host.path("/usr/bin/apt-mark"), PermissionsExt::from_mode(0o755)).unwrap();
    let stanza = |name: &str, wanted: &str| format!("Package: {name}\nStatus: {wanted} ok installed\nVersion: 1\n\n");
    host.write_system_file("/var/lib/dpkg/status", &(stanza("a", "hold") + &stanza("b", "install"))).unwrap();
    (root, host)
}

fn held(host: &Host) -> BTreeSet<String> {
    Status::read(host).unwrap().held
}

#[test]
fn only_what_was_held_by_this_is_let_go_again() {
    let (_root, host) = host(true);
    let wanted = Desired { asked: set(&["a", "b", "gone"]), packages: set(&["a", "b"]), also: set(&["gone"]), held: true };
    let observed = Hold::observe(&[Hold::key(&wanted)], &host).unwrap().remove(0);
    let change = Hold::diff(&wanted, &observed).unwrap().unwrap();
    let receipt = Hold::apply(&change, &host, &mut |_| ()).unwrap();
    assert_eq!((held(&host), &receipt.packages), (set(&["a", "b"]), &set(&["b"])));
    let observed = Hold::observe(&[Hold::key(&wanted)], &host).unwrap().remove(0);
    assert_eq!(Hold::diff(&wanted, &observed).unwrap(), None);
    let nothing = Hold::apply(&change, &host, &mut |_| ()).unwrap();
    assert_eq!(Hold::undo(&nothing), None);
    Hold::apply(&Hold::undo(&receipt).unwrap(), &host, &mut |_| ()).unwrap();
    assert_eq!(held(&host), set(&["a"]));
}

#[test]
fn apt_marks_word_is_not_taken_for_the_deed() {
    let (_root, host) = host(false);
    let fault = Hold::apply(&Change { packages: set(&["b"]), hold: true }, &host, &mut |_| ()).unwrap_err();
    assert_eq!((fault.what.as_str(), fault.cause.as_str()), ("apt-mark hold b", "E: no such package"));
}
