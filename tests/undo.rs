//! What an undo makes of each kind's receipt, held against what is on the host by then.
//!
//! The receipts stand here as journals hold them, so that those of older versions stay readable.

use serde_json::{Value, json};
use skep::resource::{Observed, Receipt};

/// A receipt, what is observed, the title of what is left to be done, and what somebody else changed.
type Case = (Value, Value, Option<&'static str>, &'static [&'static str]);

#[track_caller]
fn each(cases: &[Case]) {
    assert!(
        cases.iter().any(|(.., title, foreign)| title.is_none() && foreign.is_empty()),
        "a case with nothing to do"
    );
    for (receipt, observed, title, foreign) in cases {
        let receipt: Receipt = serde_json::from_value(receipt.clone()).unwrap();
        let observed: Observed = serde_json::from_value(observed.clone()).unwrap();
        let back = receipt.undo().expect("it changed something");
        assert!(back.key().is_some(), "{back:?}");
        let rest = back.rest(&observed);
        let told = rest.change.as_ref().map(|change| change.describe().title);
        assert_eq!(
            (told.as_deref(), rest.foreign.iter().map(String::as_str).collect::<Vec<_>>()),
            (*title, foreign.to_vec()),
            "{observed:?}"
        );
    }
}

fn file(text: &str, mode: u32) -> Value {
    json!({ "text": text, "sha256": format!("of {text}"), "mode": mode, "uid": 0, "gid": 0 })
}

#[test]
fn a_file() {
    let new = json!({ "file": { "path": "/etc/x", "before": null, "after": file("ours", 0o644) } });
    let changed = json!({ "file": { "path": "/etc/x", "before": file("theirs", 0o600), "after": file("ours", 0o644) } });
    let observed = |state: Value| json!({ "file": { "file": state } });
    each(&[
        (new.clone(), observed(file("ours", 0o644)), Some("remove /etc/x"), &[]),
        (new.clone(), json!({ "file": "absent" }), None, &[]),
        (new.clone(), observed(file("another", 0o644)), None, &["/etc/x was changed since"]),
        (
            new,
            json!({ "file": { "other": { "what": "a directory" } } }),
            None,
            &["/etc/x is a directory now"],
        ),
        (changed.clone(), observed(file("ours", 0o644)), Some("change /etc/x"), &[]),
        (changed.clone(), observed(file("theirs", 0o600)), None, &[]),
        (changed.clone(), observed(file("ours", 0o600)), None, &["/etc/x was changed since"]),
        (changed, json!({ "file": "absent" }), None, &["/etc/x was removed since"]),
    ]);
}

#[test]
fn a_directory() {
    let attributes = |mode: u32| json!({ "mode": mode, "uid": 0, "gid": 0 });
    let receipt = |before: Value| json!({ "directory": { "path": "/srv", "before": before, "after": attributes(0o755) } });
    let observed = |mode: u32, filled: bool| json!({ "directory": { "directory": { "mode": mode, "uid": 0, "gid": 0, "filled": filled } } });
    let (made, set) = (receipt(Value::Null), receipt(attributes(0o700)));
    each(&[
        (made.clone(), observed(0o755, false), Some("remove directory /srv if it is empty"), &[]),
        (made.clone(), observed(0o755, true), None, &["something is in /srv"]),
        (made.clone(), json!({ "directory": "absent" }), None, &[]),
        (made.clone(), observed(0o777, false), None, &["/srv was set to 0777, 0:0 since"]),
        (made, json!({ "directory": { "other": { "what": "a file" } } }), None, &["/srv is a file now"]),
        (set.clone(), observed(0o755, true), Some("set directory /srv to 0700, 0:0 (is 0755, 0:0)"), &[]),
        (set.clone(), observed(0o700, true), None, &[]),
        (set, json!({ "directory": "absent" }), None, &["/srv was removed since"]),
    ]);
}

#[test]
fn a_dropin() {
    let path = "/etc/systemd/system/docker.service.d/10-skep-mounts.conf";
    let receipt = json!({ "dropin": { "unit": "docker.service", "file": { "path": path, "before": null, "after": "ours" } } });
    let observed =
        |text: Value, pending: bool| json!({ "dropin": { "text": text, "reload_pending": pending } });
    each(&[
        (
            receipt.clone(),
            observed(json!("ours"), false),
            Some("remove /etc/systemd/system/docker.service.d/10-skep-mounts.conf, for docker.service"),
            &[],
        ),
        (receipt.clone(), observed(Value::Null, false), None, &[]),
        (
            receipt.clone(),
            observed(Value::Null, true),
            Some("make systemd read the drop-ins of docker.service again"),
            &[],
        ),
        (
            receipt,
            observed(json!("theirs"), true),
            None,
            &["/etc/systemd/system/docker.service.d/10-skep-mounts.conf was changed since"],
        ),
    ]);
}

#[test]
fn a_unit() {
    let before = json!({ "load": "loaded", "enabled": "disabled", "active": "inactive" });
    let receipt =
        json!({ "unit": { "name": "docker.service", "enable": true, "start": true, "before": before } });
    let observed = |load: &str, enabled: &str, active: &str| json!({ "unit": { "load": load, "enabled": enabled, "active": active } });
    each(&[
        (
            receipt.clone(),
            observed("loaded", "enabled", "active"),
            Some("disable and stop docker.service"),
            &[],
        ),
        (receipt.clone(), observed("loaded", "disabled", "active"), Some("stop docker.service"), &[]),
        (receipt.clone(), observed("loaded", "enabled", "failed"), Some("disable docker.service"), &[]),
        (receipt.clone(), observed("loaded", "disabled", "inactive"), None, &[]),
        (receipt.clone(), observed("not-found", "", "inactive"), None, &[]),
        (receipt, observed("masked", "masked", "active"), None, &["docker.service was masked since"]),
    ]);
}

#[test]
fn a_module() {
    let path = "/etc/modules-load.d/skep-vxlan.conf";
    let receipt = json!({ "module": { "name": "vxlan", "load": true, "at_boot": { "path": path, "before": null, "after": "vxlan" } } });
    let observed =
        |text: Value| json!({ "module": { "kernel": "6.1", "state": "loaded", "configured": text } });
    each(&[
        (receipt.clone(), observed(json!("vxlan")), Some("load kernel module vxlan no more at boot"), &[]),
        (receipt.clone(), observed(Value::Null), None, &[]),
        (
            receipt,
            observed(json!("theirs")),
            None,
            &["/etc/modules-load.d/skep-vxlan.conf was changed since"],
        ),
    ]);
}

#[test]
fn a_kernel_parameter() {
    let path = "/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf";
    let configured = json!({ "path": path, "before": null, "after": "ours" });
    let receipt = |before: Value| json!({ "sysctl": { "key": "net.ipv4.ip_forward", "running": { "before": before, "after": "1" }, "configured": configured } });
    let observed =
        |running: Value, text: Value| json!({ "sysctl": { "running": running, "configured": text } });
    let (set, brought) = (receipt(json!("0")), receipt(Value::Null));
    each(&[
        (set.clone(), observed(json!("1"), json!("ours")), Some("set net.ipv4.ip_forward to 0 (is 1)"), &[]),
        (
            set.clone(),
            observed(json!("0"), json!("ours")),
            Some("leave net.ipv4.ip_forward as it is at boot"),
            &[],
        ),
        (set.clone(), observed(json!("0"), Value::Null), None, &[]),
        (
            set.clone(),
            observed(json!("2"), json!("ours")),
            Some("leave net.ipv4.ip_forward as it is at boot"),
            &["net.ipv4.ip_forward was set to 2 since"],
        ),
        (
            set.clone(),
            observed(json!("1"), json!("theirs")),
            Some("set net.ipv4.ip_forward to 0 (is 1)"),
            &["/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf was changed since"],
        ),
        (set, observed(Value::Null, Value::Null), None, &[]),
        (
            brought.clone(),
            observed(json!("1"), json!("ours")),
            Some("leave net.ipv4.ip_forward as it is at boot"),
            &[],
        ),
        (brought, observed(json!("1"), Value::Null), None, &[]),
    ]);
}

#[test]
fn the_engines_options() {
    let receipt = json!({ "daemon": { "before": null, "after": "{}", "restart": false } });
    let observed = |text: Value, running: bool| json!({ "daemon": { "text": text, "running": running, "stale": false } });
    each(&[
        (receipt.clone(), observed(json!("{}"), true), Some("remove /etc/docker/daemon.json"), &[]),
        (receipt.clone(), observed(Value::Null, true), None, &[]),
        (
            receipt.clone(),
            observed(json!("{\"debug\": true}"), true),
            None,
            &["/etc/docker/daemon.json was changed since"],
        ),
    ]);
    // The power went between the file and the restart.
    let changed = json!({ "daemon": { "before": "{ }", "after": "{}", "restart": true } });
    let unknown = json!({ "daemon": { "text": "{ }", "running": true, "stale": true } });
    let restart = "restart docker, which runs without the options of /etc/docker/daemon.json";
    each(&[
        (changed.clone(), unknown, Some(restart), &[]),
        (changed, observed(json!("{ }"), true), None, &[]),
    ]);
    let back = serde_json::from_value::<Receipt>(receipt).unwrap().undo().unwrap();
    for running in [true, false] {
        let observed = serde_json::from_value(observed(json!("{}"), running)).unwrap();
        let disrupts = back.rest(&observed).change.unwrap().describe().disrupts;
        assert_eq!(disrupts.is_some(), running, "an engine that runs is restarted");
    }
}

#[test]
fn exports() {
    let path = "/etc/exports.d/skep.exports";
    let entry = json!({ "path": "/srv", "client": "n2", "options": ["rw", "no_subtree_check"] });
    let line = "/srv n2(rw)\n";
    let receipt = |before: Value| json!({ "exports": { "path": path, "file": { "path": path, "before": before, "after": "/data n3(ro)\n" }, "entries": [] } });
    let observed = |text: Value, served: Value, tools: bool| json!({ "exports": { "text": text, "served": served, "other": [], "tools": tools } });
    let (new, changed) = (receipt(Value::Null), receipt(json!(line)));
    each(&[
        (
            new.clone(),
            observed(json!("/data n3(ro)\n"), json!([]), true),
            Some("export nothing more over NFS"),
            &[],
        ),
        (new.clone(), observed(Value::Null, json!([]), true), None, &[]),
        (new.clone(), observed(Value::Null, json!([]), false), None, &[]),
        (
            new,
            observed(json!("theirs"), json!([]), true),
            None,
            &["/etc/exports.d/skep.exports was changed since"],
        ),
        (changed.clone(), observed(json!("/data n3(ro)\n"), json!([]), true), Some("export /srv to n2"), &[]),
        (changed.clone(), observed(json!(line), json!([]), true), Some("export /srv to n2 again"), &[]),
        (changed, observed(json!(line), json!([entry]), true), None, &[]),
    ]);
}

#[test]
fn a_mount() {
    let path = "/etc/systemd/system/mnt-shared.mount";
    let change = json!({
        "at": "/mnt/shared", "unit": "mnt-shared.mount", "source": "10.0.0.1:/srv", "required": ["vers=4.2"],
        "file": { "path": path, "before": null, "after": "What=10.0.0.1:/srv\n" },
        "enable": true, "action": "mount", "remove_point": false,
    });
    let receipt = json!({ "mount": { "change": change, "made_point": true } });
    let observed = |text: Value, enabled: bool, source: Option<&str>| {
        let mounted = source.map(|source| json!({ "source": source, "fstype": "nfs4", "options": [] }));
        json!({ "mount": { "text": text, "enabled": enabled, "mounted": mounted, "reload_pending": false } })
    };
    let ours = json!("What=10.0.0.1:/srv\n");
    each(&[
        (
            receipt.clone(),
            observed(ours.clone(), true, Some("10.0.0.1:/srv")),
            Some("unmount /mnt/shared"),
            &[],
        ),
        (
            receipt.clone(),
            observed(ours.clone(), true, None),
            Some("remove /etc/systemd/system/mnt-shared.mount"),
            &[],
        ),
        (receipt.clone(), observed(Value::Null, true, None), Some("mount /mnt/shared no more at boot"), &[]),
        (receipt.clone(), observed(Value::Null, false, None), None, &[]),
        (
            receipt.clone(),
            observed(ours, true, Some("/dev/sda1")),
            None,
            &["/dev/sda1 is mounted at /mnt/shared by now"],
        ),
        (
            receipt,
            observed(json!("theirs"), true, Some("10.0.0.1:/srv")),
            None,
            &["/etc/systemd/system/mnt-shared.mount was changed since"],
        ),
    ]);
    // The undo of that undo mounts it again.
    let undone = json!({
        "at": "/mnt/shared", "unit": "mnt-shared.mount", "source": "10.0.0.1:/srv", "required": [],
        "file": { "path": path, "before": "What=10.0.0.1:/srv\n", "after": null },
        "enable": false, "action": "unmount", "remove_point": true,
    });
    let undone = json!({ "mount": { "change": undone, "made_point": false } });
    let ours = json!("What=10.0.0.1:/srv\n");
    each(&[
        (undone.clone(), observed(Value::Null, false, None), Some("mount 10.0.0.1:/srv at /mnt/shared"), &[]),
        (
            undone.clone(),
            observed(ours.clone(), false, Some("10.0.0.1:/srv")),
            Some("mount /mnt/shared at each boot"),
            &[],
        ),
        (undone, observed(ours, true, Some("10.0.0.1:/srv")), None, &[]),
    ]);
}

#[test]
fn packages() {
    let receipt = json!({ "packages": {
        "installed": { "docker.io": "20.10", "runc": "1.1" }, "replaced": { "libc6": "2.36" }, "removed": {},
    } });
    let back = json!({ "packages": { "installed": {}, "replaced": {}, "removed": { "docker.io": "20.10", "runc": "1.1" } } });
    let observed = |installed: Value, needs: Value| json!({ "packages": { "installed": installed, "unfinished": [], "interrupted": false, "needs": needs } });
    let both = json!({ "docker.io": "20.10", "runc": "1.1" });
    let docker = json!({ "by": "docker.io", "any": ["runc"] });
    let podman = json!({ "by": "podman", "any": ["runc"] });
    let either = json!({ "by": "podman", "any": ["crun", "runc"] });
    each(&[
        (receipt.clone(), observed(both.clone(), json!([docker])), Some("remove docker.io, runc"), &[]),
        (receipt.clone(), observed(json!({}), json!([])), None, &[]),
        // Upgraded since, but still what the run brought.
        (receipt.clone(), observed(json!({ "runc": "1.2" }), json!([])), Some("remove runc"), &[]),
        (
            receipt.clone(),
            observed(both.clone(), json!([docker, podman])),
            Some("remove docker.io"),
            &["runc is needed by podman"],
        ),
        (
            receipt.clone(),
            observed(json!({ "runc": "1.1" }), json!([podman])),
            None,
            &["runc is needed by podman"],
        ),
        (receipt, observed(both.clone(), json!([docker, either])), Some("remove docker.io, runc"), &[]),
        (back.clone(), observed(json!({ "runc": "1.1" }), json!([])), Some("install docker.io (20.10)"), &[]),
        (back, observed(both, json!([])), None, &[]),
    ]);
}
