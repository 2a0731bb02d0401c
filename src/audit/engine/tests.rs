//! Each check in each outcome.

use serde_json::json;

use super::*;
use crate::audit::world::{Audited, cluster, single};
use crate::audit::{Check, Severity};
use crate::facts::Engine;
use crate::facts::SwarmState;
use crate::facts::engine::Settings;
use crate::facts::inspection::engine::{Line, Place};
use crate::inventory::model::EngineSource;
use crate::resource::{Fault, unit};
use crate::swarm::world::{outside, running};

/// An engine as Debian's and Docker's packages set it up.
fn engine(version: &str) -> Engine {
    let Engine::Running(mut engine) = running(outside(SwarmState::Inactive)) else { unreachable!("it runs") };
    engine.version = version.to_owned();
    engine.settings = Settings {
        root: "/var/lib/docker".to_owned(),
        storage: [
            ("Backing Filesystem".to_owned(), "extfs".to_owned()),
            ("Supports d_type".to_owned(), "true".to_owned()),
        ]
        .into(),
        cgroup_driver: "systemd".to_owned(),
        log_driver: "json-file".to_owned(),
        security: vec!["name=apparmor".to_owned(), "name=seccomp,profile=default".to_owned()],
        ..Settings::default()
    };
    Engine::Running(engine)
}

/// A host whose engine runs and is well.
fn healthy() -> Audited {
    single().facts("n1", |facts| facts.engine = engine("28.5.2")).host("n1", |host| {
        let unit = unit::Observed {
            load: "loaded".into(),
            enabled: "enabled".into(),
            active: "active".into(),
            masked_by_package: false,
        };
        host.observed.insert(Key::Unit("docker.service".to_owned()), Ok(Observed::Unit(unit)));
        host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(written(None))));
    })
}

fn written(text: Option<&str>) -> daemon::Observed {
    daemon::Observed { text: text.map(str::to_owned), running: true, stale: false }
}

/// With that file of options.
fn file(text: &str) -> Audited {
    healthy().host("n1", |host| {
        drop(host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(written(Some(text))))))
    })
}

fn runs(change: impl FnOnce(&mut Running)) -> Audited {
    healthy().facts("n1", |facts| {
        let Engine::Running(engine) = &mut facts.engine else { unreachable!("it runs") };
        change(engine);
    })
}

fn is(state: Engine) -> Audited {
    healthy().facts("n1", |facts| facts.engine = state)
}

fn unit_is(active: &str, enabled: &str, state: Engine) -> Audited {
    is(state).host("n1", |host| {
        let unit = unit::Observed {
            load: if enabled == "masked" { "masked" } else { "loaded" }.into(),
            enabled: enabled.into(),
            active: active.into(),
            masked_by_package: false,
        };
        host.observed.insert(Key::Unit("docker.service".to_owned()), Ok(Observed::Unit(unit)));
    })
}

fn flagged(flag: &str) -> Audited {
    healthy().inspection("n1", |inspection| inspection.engine.flags = vec![flag.to_owned()])
}

fn wants(audited: Audited, options: Value) -> Audited {
    audited.inventory(|inventory| inventory.engine.options = options.as_object().expect("an object").clone())
}

/// Checks what is said, and that all but what is well tells what was read, and the worst what helps.
#[track_caller]
fn table(check: &Check, cases: Vec<(Audited, &str)>) {
    for (audited, expected) in cases {
        let verdicts = audited.verdicts(check);
        assert_eq!(audited.all(check).join("\n"), expected, "{}", check.id);
        for verdict in verdicts {
            assert!(!verdict.evidence.is_empty(), "{}: {verdict:?}", check.id);
            let bad = [Severity::Error, Severity::Warning].contains(&verdict.severity);
            assert!(!bad || !verdict.remedy.is_empty(), "{}: {verdict:?}", check.id);
        }
    }
}

#[test]
fn whether_it_answers() {
    table(
        &ENGINE,
        vec![
            (healthy(), "ok n1: Docker 28.5.2 answers"),
            (is(Engine::Absent { swarm: false }), "note n1: there is no engine yet: `skep up` installs it"),
            (
                is(Engine::Absent { swarm: false })
                    .inventory(|inventory| inventory.engine.source = EngineSource::Keep),
                "error n1: no Docker engine, and `engine.source` is `keep`",
            ),
            (is(Engine::Stopped { swarm: false }), "note n1: the engine is stopped: `skep up` starts it"),
            (
                is(Engine::Stopped { swarm: true }),
                "error n1: the engine is stopped, and its data hold the state of a swarm",
            ),
            (
                unit_is("failed", "enabled", Engine::Stopped { swarm: false }),
                "error n1: the engine failed to start",
            ),
            (
                is(Engine::Silent { cause: "GET /info: no answer within 15 s".into() }),
                "unknown n1: the engine runs, but does not answer",
            ),
            (single().off("n1"), ""),
        ],
    );
}

#[test]
fn whether_it_comes_back() {
    let runs = || engine("28.5.2");
    table(
        &BOOT,
        vec![
            (healthy(), "ok n1: the engine starts at boot"),
            (unit_is("active", "disabled", runs()), "warning n1: the engine does not start at boot"),
            (unit_is("active", "enabled-runtime", runs()), "warning n1: the engine does not start at boot"),
            (
                unit_is("inactive", "masked", runs()),
                "error n1: docker.service is masked on the host, so that it cannot start",
            ),
            (single(), ""),
            (
                healthy().host("n1", |host| {
                    drop(host.observed.insert(
                        Key::Unit("docker.service".into()),
                        Err(Fault::new("systemctl show", "no bus")),
                    ));
                }),
                "unknown n1: systemctl show cannot be read",
            ),
        ],
    );
}

#[test]
fn whether_it_waits_for_its_shares() {
    let mounting = || {
        cluster().inventory(|inventory| {
            inventory.shares.push(crate::inventory::model::Share {
                name: "shared".into(),
                place: inventory.nodes[0].place,
                server: "n1".into(),
                path: "/srv".into(),
                clients: vec!["192.168.2.0/24".into()],
                options: Vec::new(),
                owner: crate::inventory::model::Owner { uid: 0, gid: 0 },
                mode: 0o755,
                mount: Some(crate::inventory::model::ShareMount {
                    at: "/mnt/shared".into(),
                    on: vec!["n2".into()],
                    options: Vec::new(),
                    remote: "/srv".into(),
                }),
            });
        })
    };
    let with = |key: &str, value: &str| {
        let line = Line {
            file: "/etc/systemd/system/docker.service.d/a.conf".into(),
            key: key.into(),
            value: value.into(),
        };
        mounting()
            .facts("n2", |facts| facts.engine = engine("28.5.2"))
            .inspection("n2", |inspection| inspection.engine.order.push(line))
    };
    let bad = "warning n2: after a boot, containers may start before /mnt/shared is mounted";
    let good = "ok n2: the engine waits for the shares that it mounts";
    table(
        &MOUNTS,
        vec![
            (cluster(), ""),
            (mounting(), "note n2: after a boot, containers may start before /mnt/shared is mounted"),
            (with("After", "network-online.target"), bad),
            (with("After", "network-online.target remote-fs.target"), good),
            (with("After", "mnt-shared.mount"), good),
            (with("Wants", "mnt-shared.mount"), bad),
            (with("RequiresMountsFor", "/srv /mnt/shared/data"), good),
            (with("RequiresMountsFor", "/mnt"), bad),
        ],
    );
}

#[test]
fn where_it_comes_from() {
    let version = |wanted: &str, source| {
        let wanted = wanted.to_owned();
        healthy().inventory(move |inventory| {
            inventory.engine.source = source;
            inventory.engine.source_is_named = true;
            inventory.engine.version = Some(wanted);
        })
    };
    table(
        &PACKAGES,
        vec![
            (healthy(), "ok n1: the engine's packages are as wanted, or can be had"),
            (
                version("28.*", EngineSource::Distro),
                "error n1: there is an engine that no package holds, in the way of the distribution's engine",
            ),
        ],
    );
    table(
        &VERSION,
        vec![
            (healthy(), "ok n1: Docker 28.5.2"),
            (version("28.*", EngineSource::Docker), "ok n1: Docker 28.5.2"),
            (
                version("29.*", EngineSource::Docker),
                "warning n1: Docker is 28.5.2, and the inventory wants 29.*",
            ),
            (
                version("27.*", EngineSource::Docker),
                "warning n1: Docker is 28.5.2, and the inventory wants 27.*",
            ),
            (version("29.*", EngineSource::Keep), "ok n1: Docker 28.5.2"),
            (
                is(engine("20.10.24+dfsg1")),
                "note n1: Docker 20.10.24+dfsg1 is old: its `docker` lacks `--format json` and `docker stack config`",
            ),
            (is(engine("19.03.1")), "warning n1: Docker 19.03.1 is older than skep knows"),
            (
                is(engine("29.1.0")),
                "note n1: Docker 29.1.0 refuses clients below API version 1.44, such as older dashboards and proxies",
            ),
            (is(engine("29.3.0")), "ok n1: Docker 29.3.0"),
            (is(engine("dev")), "unknown n1: Docker calls its version dev, which has no numbers"),
            (single(), ""),
        ],
    );
    let two = |first: &str, second: &str| {
        let (first, second) = (engine(first), engine(second));
        cluster().facts("n1", |facts| facts.engine = first).facts("n2", |facts| facts.engine = second)
    };
    table(
        &VERSIONS,
        vec![
            (healthy(), ""),
            (two("28.5.2", "28.5.2"), "ok n1 n2: all have the same engine"),
            (two("28.5.1", "28.5.2"), "note n1 n2: the engines differ a little: 28.5.1 on n1; 28.5.2 on n2"),
            (
                two("28.5.2", "20.10.24"),
                "warning n2 n1: the engines are of different versions: 20.10.24 on n2; 28.5.2 on n1",
            ),
        ],
    );
}

#[test]
fn its_options() {
    let stale = healthy().host("n1", |host| {
        let observed = daemon::Observed { stale: true, ..written(Some("{\"debug\": true}")) };
        host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(observed)));
    });
    let bare = || file("{}").facts("n1", |facts| facts.engine = Engine::Absent { swarm: false });
    let wanted = || json!({"log-opts": {"max-size": "10m"}, "mtu": 1400});
    table(
        &OPTIONS,
        vec![
            (healthy(), "ok n1: the engine has no options of its own"),
            (single(), ""),
            (file("{\"debug\": true}"), "ok n1: the engine's options are good"),
            (
                file("{\n  \"debug\": true,\n}"),
                "error n1: /etc/docker/daemon.json cannot be read at line 3, column 1: trailing comma",
            ),
            (
                file("{\"live-restore\": true}"),
                "error n1: a swarm does not work with `live-restore: true`, which is set by /etc/docker/daemon.json",
            ),
            (
                file("{\"firewall-backend\": \"nftables\"}"),
                "error n1: a swarm does not work with `firewall-backend: \"nftables\"`, which is set by /etc/docker/daemon.json",
            ),
            (
                runs(|engine| engine.live_restore = true),
                "error n1: the engine runs with live-restore, which a swarm refuses",
            ),
            (
                runs(|engine| engine.live_restore = true).inspection("n1", |inspection| {
                    inspection.engine.flags = vec!["--live-restore=true".into()]
                }),
                "error n1: the engine runs with live-restore, which a swarm refuses",
            ),
            (
                flagged("--firewall-backend=nftables"),
                "error n1: the engine is started with the nftables firewall backend, which a swarm refuses",
            ),
            (
                file("{\"debgu\": true}"),
                "warning n1: `debgu` is no option that skep knows of, and dockerd starts with none it does not know",
            ),
            (
                wants(file("{\"mtu\": 1400}"), wanted()),
                "warning n1: /etc/docker/daemon.json lacks what the inventory wants: log-opts",
            ),
            (
                wants(file("{\"mtu\": 1400, \"log-opts\": {\"a\": \"b\", \"max-size\": \"10m\"}}"), wanted()),
                "ok n1: the engine's options are good",
            ),
            (
                wants(bare(), wanted()),
                "note n1: /etc/docker/daemon.json lacks what the inventory wants: log-opts, mtu",
            ),
            (
                stale,
                "warning n1: the engine runs without what /etc/docker/daemon.json says: it is younger than the engine",
            ),
            (
                healthy().host("n1", |host| {
                    drop(host.observed.insert(Key::Daemon(()), Err(Fault::new(FILE, "permission denied"))))
                }),
                "unknown n1: /etc/docker/daemon.json cannot be read",
            ),
        ],
    );
    let secret =
        file("{\n  \"proxies\": {\"http-proxy\": \"http://u:s3cret@p\"} \"x\"\n}").verdicts(&OPTIONS);
    assert!(secret[0].evidence[0].text.starts_with("line 2:"), "{secret:?}");
    assert!(!format!("{secret:?}").contains("s3cret"), "{secret:?}");
}

#[test]
fn who_reaches_it() {
    let open =
        "error n1: whoever reaches tcp://0.0.0.0:2375 is root on this host: no certificate is asked for";
    table(
        &HOSTS,
        vec![
            (healthy(), "ok n1: only this host's own users reach the engine"),
            (flagged("--host=fd://"), "ok n1: only this host's own users reach the engine"),
            (flagged("--host=tcp://0.0.0.0:2375"), open),
            (file("{\"hosts\": [\"unix:///run/docker.sock\", \"tcp://0.0.0.0:2375\"]}"), open),
            (file("{\"hosts\": [\"tcp://0.0.0.0:2375\"], \"tls\": true}"), open),
            (
                file("{\"hosts\": [\"tcp://0.0.0.0:2376\"], \"tlsverify\": true}"),
                "ok n1: the engine asks for a certificate at tcp://0.0.0.0:2376",
            ),
            (
                flagged("--host=tcp://127.0.0.1:2375"),
                "note n1: every user of the host reaches the engine at tcp://127.0.0.1:2375, and is root by that",
            ),
            (
                flagged("--host=tcp://[::1]:2375"),
                "note n1: every user of the host reaches the engine at tcp://[::1]:2375, and is root by that",
            ),
            (
                flagged("--host=tcp://:2375"),
                "error n1: whoever reaches tcp://:2375 is root on this host: no certificate is asked for",
            ),
            (
                file("{\"hosts\": [\"fd://\"]}")
                    .inspection("n1", |inspection| inspection.engine.flags = vec!["--host=fd://".into()]),
                "error n1: `hosts` keeps the engine from starting: its unit already has `-H`",
            ),
            (single(), ""),
        ],
    );
    let group = |users: &[&str]| {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        healthy().inspection("n1", |inspection| inspection.engine.group = Some(users))
    };
    let named = |audited: Audited| audited.inventory(|inventory| inventory.engine.group = vec!["pi".into()]);
    table(
        &GROUP,
        vec![
            (healthy(), ""),
            (group(&[]), "ok n1: nobody is in the group docker whom the inventory does not name"),
            (named(group(&["pi"])), "ok n1: nobody is in the group docker whom the inventory does not name"),
            (
                named(group(&["pi", "bob"])),
                "note n1: bob is in the group docker, and may do whatever root may",
            ),
            (group(&["pi", "bob"]), "note n1: pi, bob are in the group docker, and may do whatever root may"),
        ],
    );
}

#[test]
fn its_networks_and_rules() {
    table(
        &NETWORKS,
        vec![
            (healthy(), ""),
            (file("{\"bip\": \"10.99.0.1/24\"}"), "ok n1: the engine's networks hold no node's address"),
            (
                file("{\"bip\": \"192.168.2.200/24\"}"),
                "error n1: `bip` is 192.168.2.0/24, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (
                file("{\"default-address-pools\": [{\"base\": \"192.168.0.0/16\", \"size\": 24}]}"),
                "warning n1: `default-address-pools` is 192.168.0.0/16, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (
                wants(healthy(), json!({"fixed-cidr": "192.168.2.0/28"})),
                "error n1: `fixed-cidr` is 192.168.2.0/28, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (
                flagged("--bip=192.168.2.5/24"),
                "error n1: `bip` is 192.168.2.0/24, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (file("{\"bip\": 7, \"default-address-pools\": \"x\"}"), ""),
        ],
    );
    let ok = "ok n1: the engine sets up its packet filter itself";
    let no_filter =
        "warning n1: the engine sets up no packet filter: published ports and the routing mesh do not work";
    table(
        &FIREWALL,
        vec![
            (healthy(), ok),
            (file("{\"iptables\": true, \"userland-proxy\": true}"), ok),
            (file("{\"iptables\": false}"), no_filter),
            (flagged("--iptables=false"), no_filter),
            (
                file("{\"ip-forward\": false}"),
                "warning n1: the engine does not turn forwarding on: containers reach nothing",
            ),
            (
                file("{\"ip-masq\": false}"),
                "warning n1: the engine does not hide containers behind the host: they reach nothing outside",
            ),
            (
                wants(healthy(), json!({"userland-proxy": false})),
                "note n1: without the userland proxy a host reaches its own published ports by hairpin NAT only",
            ),
        ],
    );
}

#[test]
fn its_logs() {
    let small = |audited: Audited| audited.facts("n1", |facts| facts.system.free_disk = 3 << 30);
    let endless = "note n1: logs of containers grow for ever: json-file has no max-size";
    table(
        &LOGS,
        vec![
            (healthy(), endless),
            (single(), endless),
            (
                small(healthy()),
                "warning n1: logs of containers grow for ever: json-file has no max-size, and 3 GiB are free",
            ),
            (
                small(file("{\"log-opts\": {\"max-size\": \"10m\"}}")),
                "ok n1: logs go to json-file, which ends somewhere",
            ),
            (
                wants(small(healthy()), json!({"log-driver": "local"})),
                "ok n1: logs go to local, which ends somewhere",
            ),
            (
                small(runs(|engine| engine.settings.log_driver = "journald".into())),
                "ok n1: logs go to journald, which ends somewhere",
            ),
        ],
    );
}

#[test]
fn what_it_tells() {
    table(
        &CGROUPS,
        vec![
            (healthy(), "ok n1: limits are set through systemd"),
            (
                runs(|engine| engine.settings.cgroup_driver = "cgroupfs".into()),
                "warning n1: the engine writes to systemd's cgroups behind its back",
            ),
            (
                runs(|engine| engine.settings.cgroup_driver = "cgroupfs".into())
                    .facts("n1", |facts| facts.kernel.cgroup = 1),
                "ok n1: limits are set through cgroupfs",
            ),
            (
                runs(|engine| engine.settings.cgroup_driver = "none".into()),
                "error n1: the engine cannot limit containers at all",
            ),
            (single(), ""),
            (runs(|engine| engine.settings = Settings::default()), ""),
        ],
    );
    let security = |options: &[&str]| {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        runs(|engine| engine.settings.security = options)
    };
    table(
        &SECURITY,
        vec![
            (healthy(), "ok n1: containers are held back by seccomp"),
            (
                security(&["name=seccomp,profile=builtin", "name=rootless"]),
                "error n1: the engine runs without root: overlay networks do not work with that",
            ),
            (security(&["name=apparmor"]), "warning n1: no container is held back by seccomp"),
            (
                security(&["name=seccomp,profile=unconfined"]),
                "warning n1: seccomp holds no container back: its profile is unconfined",
            ),
            (security(&[]), ""),
            (single(), ""),
        ],
    );
    let registries = |list: &[&str]| {
        let list = list.iter().map(|entry| (*entry).to_owned()).collect();
        runs(|engine| engine.settings.insecure_registries = list)
    };
    table(
        &REGISTRIES,
        vec![
            (healthy(), "ok n1: images come over verified TLS only"),
            (
                registries(&["nas.lan:5000"]),
                "note n1: images from nas.lan:5000 may be anybody's who answers there: no TLS is asked for",
            ),
            (
                registries(&["nas.lan:5000", "0.0.0.0/0"]),
                "warning n1: images from anywhere (0.0.0.0/0) may be anybody's: no TLS is asked for",
            ),
            (single(), ""),
        ],
    );
    let warned = |list: &[&str]| {
        let list = list.iter().map(|entry| (*entry).to_owned()).collect();
        runs(|engine| engine.settings.warnings = list)
    };
    table(
        &WARNINGS,
        vec![
            (healthy(), "ok n1: the engine has nothing to complain of"),
            (
                warned(&["WARNING: No swap limit support", "WARNING: No cpu shares support"]),
                "note n1: the engine says: No swap limit support; No cpu shares support",
            ),
            (
                warned(&["WARNING: bridge-nf-call-iptables is disabled", "WARNING: No swap limit support"]),
                "warning n1: the engine says: bridge-nf-call-iptables is disabled\nnote n1: the engine says: No swap limit support",
            ),
            (
                warned(&["WARNING: IPv4 forwarding is disabled"]),
                "warning n1: the engine says: IPv4 forwarding is disabled",
            ),
            (
                warned(&["WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n  Access…"]),
                "ok n1: the engine has nothing to complain of",
            ),
            (single(), ""),
        ],
    );
}

#[test]
fn how_it_stores() {
    let driver = |name: &str, d_type: &str| {
        let (name, d_type) = (name.to_owned(), d_type.to_owned());
        runs(|engine| {
            engine.storage_driver = name;
            engine.settings.storage.insert("Supports d_type".into(), d_type);
        })
    };
    table(
        &DRIVER,
        vec![
            (healthy(), "ok n1: overlay2 stores images"),
            (driver("overlayfs", "true"), "ok n1: overlayfs stores images"),
            (
                driver("overlay2", "false"),
                "error n1: overlay2 lies on extfs without d_type: removed files come back",
            ),
            (driver("vfs", "true"), "warning n1: vfs copies each layer whole: it is slow and fills the disc"),
            (
                driver("fuse-overlayfs", "true"),
                "warning n1: fuse-overlayfs is slow: each access goes through a process",
            ),
            (
                driver("devicemapper", "true"),
                "warning n1: devicemapper is gone from newer engines: after an upgrade all images are out of sight",
            ),
            (driver("stargz", "true"), "note n1: stargz stores images, which skep knows nothing about"),
            (driver("", "true"), "unknown n1: the engine does not tell its storage driver"),
            (single(), ""),
        ],
    );
}

#[test]
fn where_its_data_lie() {
    let on = |directory: &str, fstype: &str, source: &str| Place {
        directory: directory.into(),
        point: "/".into(),
        fstype: fstype.into(),
        source: source.into(),
    };
    let places = |audited: Audited, places: Vec<Place>| {
        audited.inspection("n1", |inspection| inspection.engine.places = places)
    };
    let docker = |fstype: &str, source: &str| places(healthy(), vec![on("/var/lib/docker", fstype, source)]);
    table(
        &PLACE,
        vec![
            (healthy(), ""),
            (docker("ext4", "/dev/sda1"), "ok n1: /var/lib/docker lies on ext4"),
            (
                docker("nfs4", "nas:/d"),
                "error n1: /var/lib/docker lies on nfs4: images and the swarm's state need a disc of the host itself",
            ),
            (
                docker("tmpfs", "tmpfs"),
                "error n1: /var/lib/docker lies on tmpfs: everything is gone after a reboot, the node's place in the swarm included",
            ),
            (
                docker("ext4", "/dev/zram1"),
                "error n1: /var/lib/docker lies on ext4 in compressed RAM: everything is gone after a reboot, the node's place in the swarm included",
            ),
            (
                docker("overlay", "overlay"),
                "error n1: /var/lib/docker lies on overlay: overlay2 does not work on an overlay, and what is written may be gone after a reboot",
            ),
            (
                docker("vfat", "/dev/sda1"),
                "error n1: /var/lib/docker lies on vfat: it knows neither owners nor links as Linux does",
            ),
            (
                docker("bcachefs", "/dev/sda1"),
                "note n1: /var/lib/docker lies on bcachefs, which skep knows nothing about",
            ),
            (docker("", ""), "unknown n1: what /var/lib/docker lies on cannot be seen"),
            (
                places(single(), vec![on("/mnt/ssd", "tmpfs", "tmpfs")]),
                "error n1: /mnt/ssd lies on tmpfs: everything is gone after a reboot, the node's place in the swarm included",
            ),
            (
                places(
                    healthy(),
                    vec![
                        on("/var/lib/docker", "ext4", "/dev/sda1"),
                        on("/var/lib/containerd", "tmpfs", "tmpfs"),
                    ],
                ),
                "ok n1: /var/lib/docker lies on ext4",
            ),
            (
                places(
                    runs(|engine| {
                        drop(
                            engine
                                .settings
                                .storage
                                .insert("driver-type".into(), "io.containerd.snapshotter.v1".into()),
                        )
                    }),
                    vec![
                        on("/var/lib/docker", "ext4", "/dev/sda1"),
                        on("/var/lib/containerd", "tmpfs", "tmpfs"),
                    ],
                ),
                "error n1: /var/lib/containerd lies on tmpfs: everything is gone after a reboot, the node's place in the swarm included",
            ),
        ],
    );
}

#[test]
fn names_are_said_once() {
    let name = NodeName::from("n1");
    for (message, expected) in
        [("n1 is down", "is down"), ("n1: full", "full"), ("n10 is down", "n10 is down"), ("is n1", "is n1")]
    {
        assert_eq!(without_name(message, &name), expected);
    }
}
