//! Changes made on a host below a temporary directory, whose programs are played by scripts: what the kinds make of
//! success, of failure, and of being run again.

use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fs, thread};

use skep::resource::{Change, Fault, Host, Receipt, Resource, daemon, dropin, exports, mount, observe, unit};

struct Machine {
    root: tempfile::TempDir,
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        fs::create_dir_all(host.path("/usr/bin")).unwrap();
        fs::create_dir_all(host.path("/units")).unwrap();
        // systemd runs it.
        fs::create_dir_all(host.path("/run/systemd/system")).unwrap();
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/programs");
        for program in fs::read_dir(programs).unwrap().map(|program| program.unwrap()) {
            symlink(program.path(), host.path("/usr/bin").join(program.file_name())).unwrap();
        }
        Self { root, host }
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        self.host.write_system_file(path, text).unwrap();
        self
    }

    fn unit(&self, name: &str, enabled: &str, active: &str) -> &Self {
        let state = format!(
            "LoadState=loaded\nUnitFileState={enabled}\nActiveState={active}\nNeedDaemonReload=no\nResult=exit-code\nInvocationID=1a2b\n"
        );
        self.write(&format!("/units/{name}"), &state)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.host.read_text(path).unwrap()
    }

    /// What systemctl was asked to do.
    fn log(&self) -> Vec<String> {
        self.text("/log").unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn plan(&self, resource: &Resource) -> Option<Change> {
        let observed = observe(&[resource.key()], &self.host).remove(0).unwrap();
        resource.diff(&observed).unwrap()
    }

    fn apply(&self, change: &Change) -> Result<Receipt, Fault> {
        change.apply(&self.host, &mut |_| ())
    }

    /// Plans, applies, finds nothing more to do, applies again, and undoes.
    fn there_and_back(&self, resource: &Resource) {
        let change = self.plan(resource).unwrap();
        let receipt = self.apply(&change).unwrap();
        assert_eq!(self.plan(resource), None);
        self.apply(&change).unwrap();
        assert_eq!(self.plan(resource), None);
        self.apply(&receipt.undo().unwrap()).unwrap();
        assert_eq!(self.plan(resource), Some(change));
    }
}

#[test]
fn a_dropin_is_written_read_by_systemd_and_taken_back() {
    let machine = Machine::new();
    let text = "[Unit]\nRequiresMountsFor=/mnt/shared\n".to_owned();
    let dropin = dropin::Desired {
        unit: "docker.service".into(),
        name: "10-skep-mounts.conf".into(),
        text,
        restart: false,
    };
    machine.there_and_back(&Resource::Dropin(dropin));
    assert_eq!(machine.log(), ["daemon-reload"; 3]);
}

#[test]
fn a_unit_is_enabled_started_and_put_back() {
    let machine = Machine::new();
    machine.unit("docker.service", "disabled", "inactive");
    let unit = unit::Desired { name: "docker.service".into(), enabled: Some(true), active: Some(true) };
    machine.there_and_back(&Resource::Unit(unit));
    assert!(
        machine
            .text("/units/docker.service")
            .unwrap()
            .contains("UnitFileState=disabled\nActiveState=inactive")
    );
}

#[test]
fn a_unit_that_does_not_start_is_not_left_enabled_and_its_last_words_are_told() {
    let machine = Machine::new();
    machine.unit("docker.service", "disabled", "inactive").write("/fails-to-start", "");
    let unit = unit::Desired { name: "docker.service".into(), enabled: Some(true), active: Some(true) };
    let fault = machine.apply(&machine.plan(&Resource::Unit(unit)).unwrap()).unwrap_err();
    assert_eq!(fault.what, "docker.service");
    for words in ["Job for docker.service failed.", "exit-code", "the last words of the unit"] {
        assert!(fault.cause.contains(words), "{fault}");
    }
    assert!(fault.help.unwrap().contains("journalctl -u docker.service"));
    assert!(
        machine.text("/journal-asked").unwrap().contains("INVOCATION_ID=1a2b + _SYSTEMD_INVOCATION_ID=1a2b")
    );
    assert!(machine.text("/units/docker.service").unwrap().contains("UnitFileState=disabled"));
}

fn export(text: &str) -> Resource {
    let entries = exports::parse(text).entries.into_iter().map(|(_, entry)| entry).collect();
    Resource::Exports(exports::Desired { path: exports::FILE.into(), text: text.to_owned(), entries })
}

#[test]
fn exports_come_and_go() {
    let machine = Machine::new();
    fs::create_dir_all(machine.host.path("/srv/a b")).unwrap();
    machine.there_and_back(&export("/srv/a\\040b 10.0.0.0/8(rw,sync)\n"));
    assert_eq!(machine.text(exports::FILE), None);
}

#[test]
fn exports_that_are_not_served_are_taken_back_whatever_exportfs_returns() {
    let machine = Machine::new();
    fs::create_dir_all(machine.host.path("/srv/old")).unwrap();
    fs::create_dir_all(machine.host.path("/srv/dropped")).unwrap();
    let old = "/srv/old 10.0.0.0/8(rw)\n";
    machine.apply(&machine.plan(&export(old)).unwrap()).unwrap();
    let wanted = export("/srv/old 10.0.0.0/8(rw)\n/srv/dropped 10.0.0.0/8(rw)\n");
    let fault = machine.apply(&machine.plan(&wanted).unwrap()).unwrap_err();
    assert!(
        fault.cause.contains("/srv/dropped 10.0.0.0/8(rw)") && fault.cause.contains("is not exported"),
        "{fault}"
    );
    assert_eq!(machine.text(exports::FILE).as_deref(), Some(old));
    assert_eq!(machine.text("/etab").as_deref(), Some(old));
}

#[test]
fn a_missing_directory_is_not_exported() {
    let machine = Machine::new();
    let fault = machine.apply(&machine.plan(&export("/srv/a 10.0.0.0/8(rw)\n")).unwrap()).unwrap_err();
    assert_eq!(fault.what, "/srv/a");
    assert_eq!(machine.text(exports::FILE), None);
}

fn options(options: serde_json::Value) -> Resource {
    Resource::Daemon(daemon::Desired { options: options.as_object().unwrap().clone() })
}

/// A running engine that answers each ping.
fn engine(machine: &Machine) {
    machine.unit("docker.service", "enabled", "active");
    machine.write("/run/docker.pid", "812").write("/proc/812/comm", "dockerd\n");
    let listener = UnixListener::bind(machine.host.path("/run/docker.sock")).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 16];
            if stream.read(&mut request).is_ok() {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nOK");
            }
        }
    });
}

#[test]
fn options_are_merged_the_engine_restarted_and_both_undone() {
    let machine = Machine::new();
    engine(&machine);
    machine.write("/etc/docker/daemon.json", "{\"debug\": true}");
    machine.there_and_back(&options(serde_json::json!({"log-driver": "local"})));
    assert_eq!(machine.text("/etc/docker/daemon.json").as_deref(), Some("{\"debug\": true}"));
    assert!(machine.log().contains(&"restart -- docker.service".to_owned()));
}

#[test]
fn an_engine_that_does_not_run_is_not_started() {
    let machine = Machine::new();
    machine.there_and_back(&options(serde_json::json!({"log-driver": "local"})));
    assert_eq!(machine.text("/etc/docker/daemon.json"), None);
    assert!(machine.log().is_empty());
}

#[test]
fn an_engine_that_does_not_come_back_gets_its_options_back() {
    let machine = Machine::new();
    engine(&machine);
    machine.write("/etc/docker/daemon.json", "{\"debug\": true}");
    let change = machine.plan(&options(serde_json::json!({"log-driver": "wrong"}))).unwrap();
    let fault = machine.apply(&change).unwrap_err();
    assert!(fault.cause.contains("the last words of the unit"), "{fault}");
    assert!(fault.cause.ends_with("the previous options are back and docker runs with them"), "{fault}");
    assert_eq!(machine.text("/etc/docker/daemon.json").as_deref(), Some("{\"debug\": true}"));
    assert!(machine.text("/units/docker.service").unwrap().contains("ActiveState=active"));
}

fn share() -> Resource {
    let at = PathBuf::from("/mnt/shared");
    let unit = mount::unit_name(&at);
    let text = "[Mount]\nWhat=10.0.0.1:/srv\nWhere=/mnt/shared\n".to_owned();
    Resource::Mount(mount::Desired {
        at,
        unit,
        text,
        source: "10.0.0.1:/srv".into(),
        required: vec!["vers=4.2".into()],
    })
}

const MOUNTED: &str = "40 22 0:50 / /mnt/shared rw - nfs4 10.0.0.1:/srv rw,vers=4.2\n";

#[test]
fn a_share_that_is_mounted_already_gets_its_unit() {
    let machine = Machine::new();
    machine.unit("mnt-shared.mount", "disabled", "active").write("/proc/self/mountinfo", MOUNTED);
    machine.there_and_back(&share());
    assert_eq!(machine.text("/etc/systemd/system/mnt-shared.mount"), None);
}

#[test]
fn a_share_that_its_server_no_longer_knows_is_mounted_anew() {
    let machine = Machine::new();
    machine.unit("mnt-shared.mount", "enabled", "active").write("/proc/self/mountinfo", MOUNTED);
    machine.apply(&machine.plan(&share()).unwrap()).unwrap();
    assert_eq!(machine.plan(&share()), None);
    machine.write("/stale", "");
    let change = machine.plan(&share()).unwrap();
    assert!(change.describe().disrupts.unwrap().contains("/mnt/shared"));
    fs::remove_file(machine.host.path("/stale")).unwrap();
    machine.apply(&change).unwrap();
    assert!(machine.log().contains(&"restart -- mnt-shared.mount".to_owned()), "{:?}", machine.log());
    assert_eq!(machine.plan(&share()), None);
}

#[test]
fn a_share_that_does_not_get_mounted_leaves_nothing_behind() {
    let machine = Machine::new();
    machine.unit("mnt-shared.mount", "disabled", "inactive").write("/proc/self/mountinfo", "");
    machine.write("/fails-to-start", "");
    machine.write("/journal", "mount.nfs4: access denied by server while mounting 10.0.0.1:/srv\n");
    let fault = machine.apply(&machine.plan(&share()).unwrap()).unwrap_err();
    assert_eq!(fault.what, "mnt-shared.mount");
    assert!(fault.help.unwrap().contains("10.0.0.1 does not let this host in"));
    assert_eq!(machine.text("/etc/systemd/system/mnt-shared.mount"), None);
    assert!(machine.text("/units/mnt-shared.mount").unwrap().contains("UnitFileState=disabled"));
    assert!(!machine.root.path().join("mnt/shared").exists());
}

#[test]
fn systemds_word_for_a_mount_is_not_taken_for_the_deed() {
    let machine = Machine::new();
    machine.unit("mnt-shared.mount", "disabled", "inactive").write("/proc/self/mountinfo", "");
    let fault = machine.apply(&machine.plan(&share()).unwrap()).unwrap_err();
    assert!(fault.cause.contains("not mounted, though systemd says so"), "{fault}");
    machine.write("/proc/self/mountinfo", &MOUNTED.replace("vers=4.2", "vers=4.1"));
    let fault = machine.apply(&machine.plan(&share()).unwrap()).unwrap_err();
    assert!(fault.cause.contains("is mounted without `vers=4.2`"), "{fault}");
}

#[test]
fn a_mount_point_with_something_in_it_is_refused() {
    let machine = Machine::new();
    machine.unit("mnt-shared.mount", "disabled", "inactive").write("/proc/self/mountinfo", "");
    machine.write("/mnt/shared/data", "theirs");
    let fault = machine.apply(&machine.plan(&share()).unwrap()).unwrap_err();
    assert!(fault.cause.contains("would be hidden"), "{fault}");
    assert!(machine.log().is_empty());
}
