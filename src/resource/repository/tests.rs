//! A repository put in place on a host whose apt is played by scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const KEY: &str = include_str!("../../../tests/fixtures/openpgp/one.asc");
const FINGERPRINT: &str = include_str!("../../../tests/fixtures/openpgp/one.fingerprint");
const LIST: &str = "/etc/apt/sources.list.d/docker.list";
const OWN: &str = "/etc/apt/sources.list.d/docker.sources";
const KEY_FILE: &str = "/etc/apt/keyrings/docker.asc";
const THEIRS: &str = "# mine\ndeb https://download.docker.com/linux/debian bookworm stable\n";

/// A host with a `docker.list`, which fetches whatever `/served` holds; `apt-get update` says what `/trouble` holds.
fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let at = |path: &str| host.path(path).display().to_string();
    program(&host, "/usr/lib/apt/apt-helper", &format!("echo \"$2\" >>{}; cp {} \"$3\"", at("/log"), at("/served")));
    program(&host, "/usr/bin/apt-get", &format!("echo \"$*\" >>{}; cat {} >&2 2>/dev/null; true", at("/log"), at("/trouble")));
    program(&host, "/usr/bin/sh", &format!("PATH={}:$PATH exec /bin/sh \"$@\"", at("/usr/bin")));
    host.write_system_file("/served", KEY).unwrap();
    host.write_system_file("/trouble", "W: Key is stored in legacy trusted.gpg keyring\n").unwrap();
    host.write_system_file("/var/lib/apt/lists/mirror_dists_x", "").unwrap();
    host.write_system_file(LIST, THEIRS).unwrap();
    fs::create_dir_all(host.path("/run")).unwrap();
    (root, host)
}

fn program(host: &Host, path: &str, script: &str) {
    host.write_system_file(path, &format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(host.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

fn desired(signed_by: KeySource) -> Desired {
    Desired {
        key: Key {
            name: "docker".to_owned(),
            places: vec!["https://download.docker.com/linux".to_owned()],
            also: BTreeSet::new(),
        },
        text: "Types: deb\nURIs: https://download.docker.com/linux/debian\n".to_owned(),
        signed_by,
        fingerprint: FINGERPRINT.trim().to_owned(),
    }
}

fn by_url() -> Desired {
    desired(KeySource::Url("https://download.docker.com/linux/debian/gpg".to_owned()))
}

fn plan(desired: &Desired, host: &Host) -> Option<Change> {
    let observed = Repository::observe(std::slice::from_ref(&desired.key), host).unwrap().remove(0);
    Repository::diff(desired, &observed).unwrap()
}

fn apply(change: &Change, host: &Host) -> Result<Receipt, Fault> {
    Repository::apply(change, host, &mut |_| ())
}

/// All that the repository is about, by path.
fn state(host: &Host) -> [Option<String>; 3] {
    [LIST, OWN, KEY_FILE].map(|path| host.read_text(path).unwrap())
}

#[test]
fn put_in_place_then_converged_then_taken_back() {
    for wanted in [by_url(), desired(KeySource::Text(KEY.to_owned()))] {
        let (_root, host) = host();
        let before = state(&host);
        let change = plan(&wanted, &host).unwrap();
        let receipt = apply(&change, &host).unwrap();
        assert_eq!(state(&host), [None, Some(wanted.text.clone()), Some(KEY.to_owned())]);
        assert_eq!(plan(&wanted, &host), None);
        assert_eq!(apply(&change, &host).unwrap(), receipt, "a change made twice is made once");
        let log = host.read_text("/log").unwrap().unwrap();
        assert!(log.contains(&format!("Dir::Etc::sourcelist={OWN}")), "{log}");
        apply(&Repository::undo(&receipt).unwrap(), &host).unwrap();
        assert_eq!(state(&host), before);
        assert_eq!(fs::read_dir(host.path("/run")).unwrap().count(), 0);
    }
}

#[test]
fn another_key_is_refused_by_both_fingerprints_and_nothing_is_left() {
    let (_root, host) = host();
    let before = state(&host);
    let wanted = Desired { fingerprint: "AB".repeat(20), ..by_url() };
    let fault = apply(&plan(&wanted, &host).unwrap(), &host).unwrap_err();
    assert!(fault.cause.contains(FINGERPRINT.trim()) && fault.cause.contains(&"AB".repeat(20)), "{fault}");
    assert_eq!(state(&host), before);
    assert_eq!(fs::read_dir(host.path("/run")).unwrap().count(), 0);
    host.write_system_file("/served", "<html>Log in to the hotel</html>").unwrap();
    let fault = apply(&plan(&by_url(), &host).unwrap(), &host).unwrap_err();
    assert!(fault.cause.contains("no OpenPGP file"), "{fault}");
    host.remove_file("/served").unwrap();
    let fault = apply(&plan(&by_url(), &host).unwrap(), &host).unwrap_err();
    assert!(fault.cause.contains("cannot fetch") && fault.help.unwrap().contains("engine.proxy"));
    assert_eq!(state(&host), before);
}

#[test]
fn a_repository_whose_lists_cannot_be_had_is_taken_back() {
    let (_root, host) = host();
    let before = state(&host);
    host.write_system_file("/trouble", "W: GPG error: http://m bookworm InRelease: NO_PUBKEY 7EA0A9C3F273FCD8\n").unwrap();
    let fault = apply(&plan(&by_url(), &host).unwrap(), &host).unwrap_err();
    assert!(fault.cause.contains("NO_PUBKEY") && fault.cause.contains("nothing of it was left behind"), "{fault}");
    assert_eq!(state(&host), before);
}

#[test]
fn a_key_that_only_root_can_read_is_none() {
    let (_root, host) = host();
    apply(&plan(&by_url(), &host).unwrap(), &host).unwrap();
    fs::set_permissions(host.path(KEY_FILE), fs::Permissions::from_mode(0o600)).unwrap();
    apply(&plan(&by_url(), &host).unwrap(), &host).unwrap();
    assert_eq!(plan(&by_url(), &host), None);
}

#[test]
fn binary_keys_are_armored() {
    let (_root, host) = host();
    let binary = armor::decode(KEY.as_bytes()).unwrap().unwrap();
    fs::write(host.path("/served"), &binary).unwrap();
    let wanted = desired(KeySource::Url("file:///served".to_owned()));
    apply(&plan(&wanted, &host).unwrap(), &host).unwrap();
    assert!(host.read_text(KEY_FILE).unwrap().unwrap().starts_with("-----BEGIN PGP"));
    assert_eq!(plan(&wanted, &host), None);
}

#[test]
fn what_a_killed_run_began_is_finished() {
    let (_root, host) = host();
    let change = plan(&by_url(), &host).unwrap();
    // The key is there and the old list gone, but not the new source.
    host.write_system_file(KEY_FILE, KEY).unwrap();
    host.remove_file(LIST).unwrap();
    apply(&change, &host).unwrap();
    assert_eq!(plan(&by_url(), &host), None);
}
