//! Groups on a host whose getent and gpasswd are played by scripts.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn program(host: &Host, name: &str, script: &str) {
    let path = format!("/usr/bin/{name}");
    host.write_system_file(&path, &format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(host.path(&path), PermissionsExt::from_mode(0o755)).unwrap();
}

/// A host with the users pi (whose own group it is) and bob, and the group docker with bob in it.
fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let etc = host.path("/etc").display().to_string();
    program(
        &host,
        "getent",
        &format!("file=$1; shift; status=0; for name; do grep \"^$name:\" {etc}/$file || status=2; done; exit $status"),
    );
    program(
        &host,
        "gpasswd",
        &format!("case $1 in -a) sed -i \"/^$3:/s/$/,$2/\" {etc}/group ;; -d) sed -i \"/^$3:/s/,$2//\" {etc}/group ;; esac"),
    );
    host.write_system_file("/etc/passwd", "pi:x:1000:1000::/:/bin/sh\nbob:x:1001:100::/:/bin/sh\n").unwrap();
    host.write_system_file("/etc/group", "pi:x:1000:\ndocker:x:999:bob\n").unwrap();
    (root, host)
}

fn plan(wanted: &Key, host: &Host) -> Result<Option<Change>, Problem> {
    Member::diff(wanted, &Member::observe(std::slice::from_ref(wanted), host).unwrap().remove(0))
}

#[test]
fn only_who_was_put_in_is_taken_out_again() {
    let (_root, host) = host();
    let wanted = Key { group: "docker".to_owned(), users: set(&["bob", "pi"]) };
    let change = plan(&wanted, &host).unwrap().unwrap();
    let receipt = Member::apply(&change, &host, &mut |_| ()).unwrap();
    assert_eq!(receipt.add, set(&["pi"]));
    assert_eq!(plan(&wanted, &host).unwrap(), None);
    assert_eq!(Member::undo(&Member::apply(&change, &host, &mut |_| ()).unwrap()), None, "made once");
    Member::apply(&Member::undo(&receipt).unwrap(), &host, &mut |_| ()).unwrap();
    assert_eq!(host.read_text("/etc/group").unwrap().unwrap(), "pi:x:1000:\ndocker:x:999:bob\n");
}

#[test]
fn a_primary_group_counts_and_a_missing_one_is_still_to_come() {
    let (_root, host) = host();
    let of = |group: &str, users: &[&str]| plan(&Key { group: group.to_owned(), users: set(users) }, &host);
    assert_eq!(of("pi", &["pi"]).unwrap(), None);
    assert_eq!(of("new", &["pi"]).unwrap().unwrap().add, set(&["pi"]));
    assert!(of("docker", &["eve", "pi"]).unwrap_err().message.contains("no user eve"));
}

#[test]
fn gpasswds_word_is_not_taken_for_the_deed() {
    let (_root, host) = host();
    program(&host, "gpasswd", "echo 'cannot lock /etc/group' >&2");
    let change = Change { group: "docker".to_owned(), add: set(&["pi"]), remove: set(&[]) };
    let fault = Member::apply(&change, &host, &mut |_| ()).unwrap_err();
    assert_eq!((fault.what.as_str(), fault.cause.as_str()), ("gpasswd -a pi docker", "cannot lock /etc/group"));
}
