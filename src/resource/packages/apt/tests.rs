//! What apt is asked to do, by a host whose apt notes it.

use super::*;

/// A host whose apt-get notes how it was called and would have to remove docker-ce and containerd.io.
fn host_with_a_conflict() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let apt_get = format!(
        r#"#!/bin/sh
echo "$*" >>{log}
case " $* " in
*' --no-remove '*)
echo 'W: some list is old' >&2
echo 'E: Packages need to be removed but remove is disabled.' >&2
exit 100 ;;
*' --simulate '*)
printf 'Remv docker-ce [5:28.2.1]\nRemv containerd.io [1.7]\nInst docker.io (20.10.24 Debian:12 [amd64])\n' ;;
esac
"#,
        log = host.path("/log").display()
    );
    install(&host, "apt-get", &apt_get);
    install(&host, "apt-cache", "#!/bin/sh\nprintf 'docker.io:\n  Candidate: 20.10.24\n'\n");
    install(&host, "dpkg", "#!/bin/sh\n");
    // apt-get is started by a shell that looks for it in the real system's directories.
    let shell = format!("#!/bin/sh\nPATH={}:$PATH exec /bin/sh \"$@\"\n", host.path("/usr/bin").display());
    install(&host, "sh", &shell);
    host.write_system_file("/var/lib/apt/lists/mirror_dists_x", "").unwrap();
    host.write_system_file("/var/lib/dpkg/status", "Package: a\nStatus: install ok unpacked\n").unwrap();
    (root, host)
}

fn install(host: &Host, program: &str, text: &str) {
    let path = format!("/usr/bin/{program}");
    host.write_system_file(&path, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(host.path(&path), mode).unwrap();
}

#[test]
fn nothing_is_removed_to_install_and_what_conflicts_is_named() {
    let (_root, host) = host_with_a_conflict();
    let mut progress = |_| ();
    let mut apt = Apt { host: &host, progress: &mut progress };
    let (install, none) = (names(&["docker.io"]), BTreeSet::new());
    let careful = Transaction { install: &install, versions: &BTreeMap::new(), remove: &none, downgrade: false, change_held: false };
    let installed = apt.commit(&careful).unwrap_err();
    let repaired = apt.repair().unwrap_err();
    for (fault, what) in [(installed, "docker.io"), (repaired, "dpkg")] {
        assert_eq!(fault.what, what);
        assert_eq!(
            fault.cause,
            "E: Packages need to be removed but remove is disabled.\nconflicting: containerd.io, docker-ce"
        );
        assert!(fault.help.unwrap().contains("`apt-get remove containerd.io docker-ce`"));
    }
    let log = std::fs::read_to_string(host.path("/log")).unwrap();
    let installing = log.lines().filter(|line| line.contains(" install "));
    let careless: Vec<_> =
        installing.filter(|line| !line.contains("--no-remove") && !line.contains("--simulate")).collect();
    assert!(careless.is_empty(), "{careless:?}");
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn only_what_is_to_go_may_go() {
    let (_root, host) = host_with_a_conflict();
    let mut progress = |_| ();
    let install = names(&["docker.io"]);
    let mut commit = |remove: &[&str]| {
        let remove = names(remove);
        let change = Transaction { install: &install, versions: &BTreeMap::new(), remove: &remove, downgrade: false, change_held: true };
        Apt { host: &host, progress: &mut progress }.commit(&change)
    };
    let fault = commit(&["docker-ce"]).unwrap_err();
    assert!(fault.cause.starts_with("containerd.io would have to be removed too"), "{fault}");
    commit(&["docker-ce", "containerd.io", "runc"]).unwrap();
    let log = std::fs::read_to_string(host.path("/log")).unwrap();
    let done: Vec<_> = log.lines().filter(|line| !line.contains("--simulate")).collect();
    assert_eq!(done.len(), 1, "{log}");
    assert!(done[0].ends_with("--allow-change-held-packages -- docker.io containerd.io- docker-ce- runc-"), "{log}");
}

#[test]
fn what_is_held_by_others_stays() {
    let (_root, host) = host_with_a_conflict();
    let held = "Package: docker.io\nStatus: hold ok installed\nVersion: 1\n\nPackage: b\nStatus: hold ok installed\nVersion: 1\n";
    host.write_system_file("/var/lib/dpkg/status", held).unwrap();
    let commit = |installs: &str| {
        let script = format!("#!/bin/sh\ncase \" $* \" in *' --simulate '*) printf '{installs}' ;; esac\n");
        install(&host, "apt-get", &script);
        let (ours, none) = (names(&["docker.io"]), BTreeSet::new());
        let change = Transaction { install: &ours, versions: &BTreeMap::new(), remove: &none, downgrade: false, change_held: true };
        Apt { host: &host, progress: &mut |_| () }.commit(&change)
    };
    commit("Inst docker.io [1] (2 x)\\nInst new (1 x)\\n").unwrap();
    let fault = commit("Inst docker.io [1] (2 x)\\nInst b [1] (2 x)\\n").unwrap_err();
    assert!(fault.cause.starts_with("b would change as well, and is held"), "{fault}");
}

#[test]
fn apt_is_told_no_more_than_needed() {
    let (install, versions) = (BTreeSet::new(), BTreeMap::new());
    let remove = BTreeSet::new();
    let plain = Transaction { install: &install, versions: &versions, remove: &remove, downgrade: false, change_held: false };
    let wanted = Wanted::from([("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)]);
    assert_eq!(plain.args(&wanted).join(" "), "install --no-install-recommends --no-remove -- a=1 b");
    let back = Transaction { downgrade: true, ..plain };
    assert_eq!(back.args(&wanted).join(" "), "install --no-install-recommends --no-remove --allow-downgrades -- a=1 b");
}
