//! The age of certificates, and whose they are.

use super::*;
use crate::facts::engine::Trust;
use crate::facts::inspection::engine::Pem;

const NODE_PEM: &str = include_str!("../../../../tests/fixtures/audit/swarm-node.crt");
const ROOT_PEM: &str = include_str!("../../../../tests/fixtures/audit/swarm-root-ca.crt");
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A swarm of one whose engine has the certificate of the fixture, so many days of whose life are over.
fn aged(days: i64, pem: &str) -> Audited {
    let certificate = x509::Certificate::parse(NODE_PEM).expect("a certificate");
    let mut world =
        World::new("home").manager("n1").swarm("ours", Some("home"), &[("n1", Manager)]).options(|cluster| {
            for node in cluster.nodes.iter_mut().flatten() {
                node.id = x509::Certificate::parse(NODE_PEM).expect("a certificate").common_name;
            }
        });
    world.engine_view("n1").node_id = certificate.common_name;
    let pem =
        Pem { path: "/var/lib/docker/swarm/certificates/swarm-node.crt".into(), text: Ok(pem.to_owned()) };
    let root = Pem {
        path: "/var/lib/docker/swarm/certificates/swarm-root-ca.crt".into(),
        text: Ok(ROOT_PEM.to_owned()),
    };
    Audited::of(world)
        .facts("n1", |facts| facts.clock.unix_ms = certificate.from_ms + days * DAY_MS + 3_600_000)
        .inspection("n1", |inspection| {
            inspection.engine.certificate = Some(pem);
            inspection.engine.root = Some(root);
        })
}

#[test]
fn how_old_certificates_are() {
    let late = "the certificate expires in 15 days: it should have been renewed, which engines do when 50 to 80 % of its life are over";
    for (days, expected) in [
        (0, "ok n1: the certificate holds for 90 more days".to_owned()),
        (71, "ok n1: the certificate holds for 19 more days".to_owned()),
        (75, format!("warning n1: {late}")),
        (100, "error n1: the certificate expired 10 days ago: the managers do not know the node any more".to_owned()),
        (-1, "error n1: by the host's clock its certificate begins in the future: TLS fails until the clock is right".to_owned()),
    ] {
        judged(&CERTIFICATE, &aged(days, NODE_PEM), &expected);
    }
    // By this computer's clock, where the host's is wrong.
    let behind = aged(10, NODE_PEM).host("n1", |host| host.clock_offset_ms = -100 * DAY_MS);
    judged(
        &CERTIFICATE,
        &behind,
        "error n1: the certificate expired 20 days ago: the managers do not know the node any more",
    );
    judged(&CERTIFICATE, &aged(10, "x"), "unknown n1: the certificate cannot be read");
    let unread = |text: Option<Result<String, String>>| {
        aged(10, NODE_PEM).inspection("n1", |inspection| {
            inspection.engine.certificate = text.map(|text| Pem { path: "/x".into(), text });
        })
    };
    judged(
        &CERTIFICATE,
        &unread(Some(Err("permission denied".into()))),
        "unknown n1: the certificate cannot be read",
    );
    judged(&CERTIFICATE, &unread(None), "unknown n1: the member's certificate was not found");
    table(&CERTIFICATE, vec![(bare(), "")]);
}

#[test]
fn what_a_dead_certificate_needs() {
    let remedy = |audited: Audited| audited.verdicts(&CERTIFICATE).remove(0).remedy.join(" ");
    assert!(remedy(aged(100, NODE_PEM)).contains("docker swarm leave --force"));
    // No manager answers: whoever leaves takes the swarm along.
    let alone = aged(100, NODE_PEM).facts("n1", |facts| {
        if let Engine::Running(running) = &mut facts.engine {
            running.swarm.state = SwarmState::Error;
            running.swarm.cluster = None;
        }
    });
    assert!(remedy(alone).contains("--force-new-cluster"));
}

#[test]
fn whose_certificates_are() {
    let seen = |change: &dyn Fn(&mut crate::facts::engine::Running)| {
        aged(10, NODE_PEM).facts("n1", |facts| {
            if let Engine::Running(running) = &mut facts.engine {
                change(running);
            }
        })
    };
    let record = |change: fn(&mut SwarmNode)| {
        seen(&move |running| {
            running.swarm.cluster.iter_mut().flat_map(|cluster| &mut cluster.nodes).flatten().for_each(change)
        })
    };
    let other = seen(&|running| running.swarm.node_id = "other".into());
    assert!(other.all(&CERTIFICATE)[0].ends_with(", and the engine calls itself other"));
    judged(
        &CERTIFICATE,
        &record(|node| node.role = "worker".into()),
        "warning n1: the certificate is one of a swarm-manager, and the node is a worker",
    );
    judged(
        &CERTIFICATE,
        &record(|node| node.certificate = Trust::Outdated),
        "warning n1: the certificate is signed by another root than the swarm's: it waits for a new one",
    );
    judged(
        &CERTIFICATE,
        &record(|node| node.certificate = Trust::Unknown),
        "ok n1: the certificate holds for 80 more days",
    );
}

#[test]
fn how_old_the_root_is() {
    judged(&ROOT, &aged(10, NODE_PEM), "ok: the swarm's root certificate holds for 19 more years");
    judged(&ROOT, &aged(7000, NODE_PEM), "warning: the swarm's root certificate expires in 299 days");
    judged(&ROOT, &aged(8000, NODE_PEM), "error: the swarm's root certificate has expired");
    let rotating = aged(10, NODE_PEM).facts("n1", |facts| {
        if let Engine::Running(running) = &mut facts.engine {
            running.swarm.cluster.as_mut().expect("a manager").rotating = true;
        }
    });
    judged(
        &ROOT,
        &rotating,
        "note: the swarm's root certificate is being replaced: leave no node off for long",
    );
    let lost = aged(10, NODE_PEM).inspection("n1", |inspection| inspection.engine.root = None);
    judged(&ROOT, &lost, "unknown: the swarm's root certificate was not found");
    table(&ROOT, vec![(bare(), "")]);
}
