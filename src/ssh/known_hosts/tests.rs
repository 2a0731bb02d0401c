//! The file on disk, and OpenSSH's own opinion of the same lines.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use russh::keys::parse_public_key_base64;

use super::*;

const ED1: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const ED2: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

fn key(encoded: &str) -> PublicKey {
    parse_public_key_base64(encoded).expect("a key of the tests")
}

fn names(host: &str, port: u16) -> Names {
    Names::of(host, port, None)
}

fn changed(path: &Path, line: usize) -> Verdict<Place> {
    Verdict::Changed { place: Place { path: path.to_owned(), line }, recorded: key(ED1).algorithm() }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_missing_file_says_nothing_and_an_unreadable_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = HostRecords::read(&[dir.path().join("none")], &names("pi", 22)).unwrap();
    assert_eq!(missing.judge(&key(ED1)), Verdict::Unknown);

    // A directory cannot be read as a file, whoever asks: root reads any mode.
    let error = HostRecords::read(&[dir.path().to_owned()], &names("pi", 22)).unwrap_err();
    assert_eq!(error.action, "read");
    assert!(error.to_string().contains(&dir.path().display().to_string()));
}

#[test]
fn recording_makes_the_directory_and_the_file_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".ssh/known_hosts");
    assert_eq!(record(&path, &names("Pi", 22), &key(ED1), false).unwrap(), Verdict::Unknown);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("pi ssh-ed25519 {ED1}\n"));
}

#[test]
fn recording_twice_changes_nothing_and_a_conflict_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    record(&path, &names("pi", 2222), &key(ED1), false).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(record(&path, &names("pi", 2222), &key(ED1), false).unwrap(), Verdict::Known);
    let conflict = record(&path, &names("pi", 2222), &key(ED2), false).unwrap();
    assert_eq!(conflict, changed(&path, 1));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_last_line_without_newline_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    std::fs::write(&path, format!("other ssh-ed25519 {ED2}")).unwrap();
    record(&path, &names("pi", 22), &key(ED1), false).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("other ssh-ed25519 {ED2}\npi ssh-ed25519 {ED1}\n")
    );
}

#[test]
fn the_bare_name_confirms_a_key_on_another_port_but_never_contradicts_it() {
    let file = |encoded: &str, marker: &str| format!("{marker}pi ssh-ed25519 {encoded}\n");
    for (text, expected) in [
        (file(ED1, ""), Verdict::Known),
        (file(ED2, ""), Verdict::Unknown),
        (file(ED1, "@revoked "), Verdict::Revoked(Place { path: "known_hosts".into(), line: 1 })),
    ] {
        let records = HostRecords::find(&text, &names("pi", 2222));
        assert_eq!(records.judge(&key(ED1)), expected, "{text}");
    }
}

#[test]
fn an_alias_is_a_name_of_its_own_whatever_the_port() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let alias = Names::of("10.0.0.1", 2222, Some("Board-3"));
    record(&path, &alias, &key(ED1), false).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("board-3 ssh-ed25519 {ED1}\n"));
    let read =
        |names: &Names| HostRecords::read(std::slice::from_ref(&path), names).unwrap().judge(&key(ED1));
    assert_eq!(read(&alias), Verdict::Known);
    assert_eq!(read(&names("10.0.0.1", 2222)), Verdict::Unknown);
}

#[test]
fn several_files_are_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let other = file("other", format!("# note\npi ssh-ed25519 {ED2}\n"));
    let same = file("same", format!("pi ssh-ed25519 {ED1}\n"));
    let revoking = file("revoking", format!("\n@revoked * ssh-ed25519 {ED1}\n"));
    let missing = dir.path().join("missing");
    let revoked = Verdict::Revoked(Place { path: revoking.clone(), line: 2 });
    for (files, expected) in [
        (vec![&missing], Verdict::Unknown),
        (vec![&missing, &same], Verdict::Known),
        (vec![&other, &same], Verdict::Known),
        (vec![&same, &other], Verdict::Known),
        (vec![&missing, &other], changed(&other, 2)),
        (vec![&same, &revoking], revoked.clone()),
        (vec![&revoking, &same], revoked),
    ] {
        let records = HostRecords::read(files.iter().copied(), &names("pi", 22)).unwrap();
        assert_eq!(records.judge(&key(ED1)), expected, "{files:?}");
    }
}

#[test]
fn a_hashed_name_is_found_by_us_and_by_ssh_keygen_and_hides_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let names = names("pi", 2222);
    assert_eq!(record(&path, &names, &key(ED1), true).unwrap(), Verdict::Unknown);
    assert_eq!(record(&path, &names, &key(ED1), true).unwrap(), Verdict::Known);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("|1|") && !text.contains("pi]"), "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(ssh_keygen_finds(&path, names.own()) && !ssh_keygen_finds(&path, "pi"));
}

/// Names the file to a process that this test starts of itself.
const WRITER_OF: &str = "SKEP_TEST_WRITER_OF";

/// Twenty writers of twelve hosts at once, as threads and as other processes.
#[test]
fn parallel_writers_lose_no_line() {
    let write_all = |path: &Path| {
        std::thread::scope(|scope| {
            for host in 0..20 {
                let names = names(&format!("n{}", host % 12), 22);
                scope.spawn(move || record(path, &names, &key(ED1), false).unwrap());
            }
        });
    };
    if let Some(path) = std::env::var_os(WRITER_OF) {
        return write_all(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let writer = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "ssh::known_hosts::tests::parallel_writers_lose_no_line"]);
        command.env(WRITER_OF, &path).stdout(Stdio::null()).spawn().unwrap()
    };
    let mut writers: Vec<_> = (0..4).map(|_| writer()).collect();
    write_all(&path);
    assert!(writers.iter_mut().all(|writer| writer.wait().unwrap().success()));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<_> = (0..12).map(|n| format!("n{n} ssh-ed25519 {ED1}")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

/// Whether OpenSSH finds `name` in the file.
fn ssh_keygen_finds(path: &Path, name: &str) -> bool {
    let status = Command::new("ssh-keygen")
        .arg("-F")
        .arg(name)
        .arg("-f")
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("ssh-keygen (package openssh-client) is needed by this test");
    status.success()
}

/// Replaces the names in the file by their hashes.
fn hash_names(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("ssh-keygen runs").success());
}

#[test]
fn matching_agrees_with_ssh_keygen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let pattern = "!?[a-c*?.]{1,4}|!?\\[[a-c*?.]{1,3}\\]:(22|23|\\*)";
    let field = prop::collection::vec(pattern, 1..4).prop_map(|list| list.join(","));
    let host = "[a-c.]{1,4}";
    let port = prop_oneof![Just(22_u16), Just(23), Just(2222)];
    let case = (field, host, port, any::<bool>());

    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case, |(field, host, port, hashed)| {
            let name = recorded_name(&host, port);
            let field = if hashed { name.clone() } else { field };
            std::fs::write(&path, format!("{field} ssh-ed25519 {ED1}\n")).unwrap();
            if hashed {
                hash_names(&path);
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let ours = Records::find(&text, &name).judge(&key(ED1)) == Verdict::Known;
            prop_assert_eq!(ours, ssh_keygen_finds(&path, &name), "{} for {}", text, name);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_host_is_known_by_its_new_keys_and_no_more_by_its_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let old = format!("ssh-ed25519 {ED1}");
    let hashed = pattern::hashed("pi", &[7; 20]);
    let lines = [
        format!("pi {old}"),
        format!("other,PI,10.0.0.1 {old} note"),
        format!("p* {old}"),
        format!("{hashed} {old}"),
        format!("other {old}"),
        "# mine".to_owned(),
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let read = |encoded: &str| {
        HostRecords::read(std::slice::from_ref(&path), &names("pi", 22)).unwrap().judge(&key(encoded))
    };
    relearn(&path, &names("pi", 22), &[key(ED2)], &[], false).unwrap();
    assert_eq!((read(ED1), read(ED2)), (Verdict::Known, Verdict::Known), "both, in between");
    relearn(&path, &names("pi", 22), &[key(ED2)], &[key(ED1)], false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let left = [&format!("other,10.0.0.1 {old} note"), &lines[2], &lines[4], &lines[5]];
    let left = left.map(|line| format!("{line}\n")).concat();
    assert_eq!(text, format!("{left}pi ssh-ed25519 {ED2}\n"));
    relearn(&path, &names("pi", 22), &[key(ED2)], &[key(ED1)], false).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing changes the second time");
}
