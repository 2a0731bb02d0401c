//! Whether it runs, and comes back.

use super::*;

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
