//! Hosts as folders of files.

use super::*;

fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().expect("a temporary directory");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    let host = Host::at(root.path());
    (root, host)
}

#[test]
fn an_empty_root_has_nothing_and_does_not_fail() {
    let read = Engine::read(&host(&[]).1);
    let usual = Place { directory: "/var/lib/docker".into(), ..Place::default() };
    assert_eq!(read, Engine { places: vec![usual], ..Engine::default() });
}

#[test]
fn a_running_engine_tells_its_flags_and_a_stopped_one_its_units() {
    let unit = ("lib/systemd/system/docker.service", "ExecStart=/usr/bin/dockerd -H fd:// $OPTIONS\n");
    let (_root, stopped) = host(&[unit]);
    assert_eq!(Engine::read(&stopped).flags, ["--host=fd://"]);
    let (_root, running) = host(&[
        unit,
        ("run/docker.pid", "812"),
        ("proc/812/comm", "dockerd\n"),
        ("proc/812/cmdline", "/usr/bin/dockerd\0-H\0tcp://0.0.0.0:2375\0--http-proxy=http://u:secret@p\0"),
        ("proc/900/comm", "containerd\n"),
    ]);
    let read = Engine::read(&running);
    assert_eq!(read.flags, ["--host=tcp://0.0.0.0:2375"]);
    assert!(read.containerd);
    assert!(!Engine::read(&stopped).containerd);
}

#[test]
fn flags_in_each_spelling() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (line, expected) in [
        ("dockerd", &[][..]),
        (
            "dockerd -H unix:///run/docker.sock -Htcp://:2375",
            &["--host=unix:///run/docker.sock", "--host=tcp://:2375"],
        ),
        ("dockerd --host=tcp://:1 --host tcp://:2", &["--host=tcp://:1", "--host=tcp://:2"]),
        (
            "dockerd --tlsverify --tls=false --live-restore",
            &["--tlsverify=true", "--tls=false", "--live-restore=true"],
        ),
        ("dockerd --bip 10.0.0.1/24 --data-root /mnt -D", &["--bip=10.0.0.1/24"]),
        ("dockerd --host", &[]),
        (
            "dockerd --log-opt splunk-token=s3cret --log-opt max-size=10m --log-opt=max-size=5m --bip=10.0.0.1/24",
            &["--log-opt=max-size=10m", "--log-opt=max-size=5m", "--bip=10.0.0.1/24"],
        ),
        ("dockerd --ip-forward=false --ip-masq=false", &["--ip-forward=false", "--ip-masq=false"]),
    ] {
        assert_eq!(flags(&words(line)), expected, "{line}");
    }
}

#[test]
fn users_of_the_group() {
    for (groups, expected) in [
        ("root:x:0:\n", None),
        ("docker:x:999:\n", Some(&[][..])),
        ("dockers:x:9:a\ndocker:x:999:pi, bob\n", Some(&["pi", "bob"])),
        ("docker:x\n", Some(&[])),
    ] {
        assert_eq!(
            members(groups).as_deref(),
            expected.map(|users| users.iter().map(|user| (*user).to_owned()).collect::<Vec<_>>()).as_deref(),
            "{groups}"
        );
    }
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

#[test]
fn certificates_are_read_where_the_data_are_and_keys_are_not() {
    let key = "-----BEGIN EC PRIVATE KEY-----\nsecret\n-----END EC PRIVATE KEY-----\n";
    let (_root, host) = host(&[
        ("etc/docker/daemon.json", "{\"data-root\": \"/mnt/ssd\"}"),
        ("mnt/ssd/swarm/certificates/swarm-node.crt", &format!("{key}{CERTIFICATE}{key}{CERTIFICATE}")),
        ("mnt/ssd/swarm/certificates/swarm-node.key", key),
    ]);
    let read = Engine::read(&host);
    let pem = read.certificate.expect("a certificate");
    assert_eq!(pem.path, Path::new("/mnt/ssd/swarm/certificates/swarm-node.crt"));
    assert_eq!(pem.text, Ok(CERTIFICATE.repeat(2)));
    assert_eq!(read.root, None);
}

#[test]
fn certificates_are_found_where_options_have_been_changed_since() {
    let (_root, host) = host(&[
        ("etc/docker/daemon.json", "{\"data-root\": \"/mnt/ssd\"}"),
        ("var/lib/docker/swarm/certificates/swarm-node.crt", CERTIFICATE),
    ]);
    assert!(Engine::read(&host).certificate.is_some());
}

#[test]
fn data_on_another_machine_are_not_touched() {
    let (_root, host) = host(&[
        (
            "proc/self/mountinfo",
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:50 / /var/lib/docker rw - nfs4 nas:/d rw\n",
        ),
        ("var/lib/docker/swarm/certificates/swarm-node.crt", CERTIFICATE),
        ("var/lib/containerd/x", ""),
    ]);
    let read = Engine::read(&host);
    let told: Vec<_> =
        read.places.iter().map(|place| format!("{} {}", place.directory.display(), place.fstype)).collect();
    assert_eq!(told, ["/var/lib/docker nfs4", "/var/lib/containerd ext4"]);
    assert_eq!(read.certificate, None);
}

#[test]
fn what_cannot_be_read_is_told() {
    let (_root, host) = host(&[("var/lib/docker/swarm/certificates/swarm-node.crt/x", "")]);
    let pem = Engine::read(&host).certificate.expect("something is there");
    assert!(pem.text.is_err_and(|cause| cause.contains("directory")));
}
