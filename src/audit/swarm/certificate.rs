//! How old the certificates of the swarm's members are.

use super::super::engine::INFO;
use super::x509::Certificate;
use crate::audit::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::facts::engine::{Running, SwarmState, Trust};
use crate::facts::inspection::engine::Pem;
use crate::facts::{Engine, SwarmNode};
use crate::swarm::membership::Membership;
use crate::swarm::membership::Standing;
use crate::swarm::remedy::remedy;

const DAY_MS: i64 = 24 * 3600 * 1000;

pub(in crate::audit) const CERTIFICATE: Check = Check {
    id: "swarm-certificate",
    family: Family::Swarm,
    title: "the node's certificate holds",
    explanation: "Members know each other by certificates of 90 days, unless `docker swarm update --cert-expiry` says \
        otherwise; an engine renews its own when 50 to 80 % of that are over (swarmkit, ca/certificates.go). One with less \
        than a fifth of its life left has missed that, as nodes that were off do: a warning. An expired one is an error: the \
        node cannot talk to the managers any more, and has to leave and join again. One that begins in the future by the \
        host's own clock is an error too, since TLS fails until the clock is right. The public certificate \
        swarm/certificates/swarm-node.crt below the engine's data is read, never the key beside it. Another node ID or role \
        in it than the engine's own, and another root than the swarm's, are warnings.",
    examine: |case| {
        let membership = Membership::read(case.view);
        case.each(|subject| certificate(subject, &membership))
    },
};

fn certificate(subject: &Subject<'_>, membership: &Membership) -> Option<Judgement> {
    let member = member(subject);
    let Some(pem) = &subject.inspection.engine.certificate else {
        let place = "swarm/certificates/swarm-node.crt";
        return member.map(|_| {
            Judgement::unknown("the member's certificate was not found")
                .seen(place, "is not below the engine's data")
        });
    };
    let parsed = match parse(pem) {
        Ok(parsed) => parsed,
        Err(unknown) => return Some(unknown),
    };
    let seen = |judgement: Judgement| judgement.seen(pem.path.display().to_string(), describe(&parsed));
    if let Some(judgement) = age(subject, &parsed, membership) {
        return Some(seen(judgement));
    }
    let running = member?;
    let record = record(membership, &running.swarm.node_id);
    let told =
        other_node(running, &parsed).or_else(|| other_role(record?, &parsed)).or_else(|| other_root(record?));
    let ok = || {
        Judgement::ok(format!(
            "the certificate holds for {} more days",
            (parsed.until_ms - now_ms(subject)) / DAY_MS
        ))
    };
    Some(seen(told.unwrap_or_else(ok)))
}

/// The engine of a host that is in a swarm.
fn member<'a>(subject: &Subject<'a>) -> Option<&'a Running> {
    match &subject.facts().engine {
        Engine::Running(running) if running.swarm.state != SwarmState::Inactive => Some(running),
        _ => None,
    }
}

fn parse(pem: &Pem) -> Result<Certificate, Judgement> {
    let unknown = |why: &str| {
        Judgement::unknown("the certificate cannot be read").seen(pem.path.display().to_string(), why)
    };
    let text = pem.text.as_ref().map_err(|why| unknown(why))?;
    Certificate::parse(text).map_err(|why| unknown(&why))
}

/// The time by this computer's clock: a host's own may be wrong.
fn now_ms(subject: &Subject<'_>) -> i64 {
    subject.facts().clock.unix_ms - subject.host.clock_offset_ms
}

fn age(subject: &Subject<'_>, certificate: &Certificate, membership: &Membership) -> Option<Judgement> {
    let name = &subject.node.name;
    let left = certificate.until_ms - now_ms(subject);
    let life = certificate.until_ms - certificate.from_ms;
    if subject.facts().clock.unix_ms < certificate.from_ms {
        return Some(
            Judgement::error("by the host's clock its certificate begins in the future: TLS fails until the clock is right")
                .remedy(format!("set the clock: `timedatectl set-ntp true` on {name}, then look at `timedatectl`")),
        );
    }
    if left <= 0 {
        let judgement = Judgement::error(format!(
            "the certificate expired {} days ago: the managers do not know the node any more",
            -left / DAY_MS
        ));
        return Some(match certificate.unit.as_str() {
            // Leaving by force would end the swarm where no other manager is left.
            "swarm-manager" if !others_decide(membership) => judgement.remedy(format!(
                "`docker swarm init --force-new-cluster --advertise-addr IP` on {name} makes a swarm of one out of what it knows; the others \
                 then leave (`docker swarm leave --force`) and `skep up` lets them join"
            )),
            _ => judgement.remedy(remedy(&name.0, &Standing::Error { cause: String::new() })),
        });
    }
    (left < life / 5).then(|| {
        Judgement::warning(format!(
            "the certificate expires in {} days: it should have been renewed, which engines do when 50 to 80 % of its life are over",
            left / DAY_MS
        ))
        .remedy(format!("see that {name} reaches the managers on 2377/tcp, then run `systemctl restart docker` on it"))
    })
}

/// Whether a manager answers for our swarm: then a node may leave and come back.
fn others_decide(membership: &Membership) -> bool {
    membership.ours.is_some()
}

fn record<'a>(membership: &'a Membership, node_id: &str) -> Option<&'a SwarmNode> {
    membership.ours.iter().flat_map(|roster| &roster.nodes).find(|record| record.id == node_id)
}

fn other_node(running: &Running, certificate: &Certificate) -> Option<Judgement> {
    let (own, told) = (&certificate.common_name, &running.swarm.node_id);
    (!told.is_empty() && own != told).then(|| {
        Judgement::warning(format!(
            "the certificate is for the member {own}, and the engine calls itself {told}"
        ))
        .seen(INFO, format!("NodeID {told}"))
        .remedy("copies of cards look like that: see the checks of machine-id and engine ID")
    })
}

fn other_role(record: &SwarmNode, certificate: &Certificate) -> Option<Judgement> {
    let wanted = format!("swarm-{}", record.role);
    (certificate.unit != wanted).then(|| {
        Judgement::warning(format!(
            "the certificate is one of a {}, and the node is a {}",
            certificate.unit, record.role
        ))
        .seen(super::NODES, format!("{}: {}", record.id, record.role))
        .remedy("after a promotion that takes a minute; if it stays, `systemctl restart docker` on it")
    })
}

fn other_root(record: &SwarmNode) -> Option<Judgement> {
    (record.certificate == Trust::Outdated).then(|| {
        Judgement::warning("the certificate is signed by another root than the swarm's: it waits for a new one")
            .seen(super::NODES, "TLSInfo differs from the swarm's")
            .remedy("see that it reaches the managers on 2377/tcp; `docker node ls --format '{{.Hostname}} {{.TLSStatus}}'` shows when it is done")
    })
}

fn describe(certificate: &Certificate) -> String {
    let Certificate { common_name, unit, from_ms, until_ms } = certificate;
    let day = |ms: i64| {
        jiff::Timestamp::from_millisecond(ms)
            .map_or_else(|_| ms.to_string(), |at| at.strftime("%Y-%m-%d").to_string())
    };
    format!("OU={unit}, CN={common_name}, from {} to {}", day(*from_ms), day(*until_ms))
}

pub(in crate::audit) const ROOT: Check = Check {
    id: "swarm-root",
    family: Family::Swarm,
    title: "the swarm's root certificate holds",
    explanation: "The root of a swarm signs the certificates of all members. Docker makes it for 20 years, but one that was \
        brought along (`docker swarm ca --rotate --ca-cert`) may end sooner: within a year is a warning, past its end an \
        error. While it is being replaced, which is a note, no node should be off for long. The public \
        swarm/certificates/swarm-root-ca.crt of a manager is read.",
    examine: root,
};

fn root(case: &Case<'_>) -> Vec<Verdict> {
    let membership = Membership::read(case.view);
    let Some(roster) = &membership.ours else { return Vec::new() };
    let Some(subject) = case.subjects().find(|subject| subject.node.name == roster.via) else {
        return Vec::new();
    };
    let judgement = match subject.inspection.engine.root.as_ref().map(|pem| (pem, parse(pem))) {
        None => Judgement::unknown("the swarm's root certificate was not found")
            .seen("swarm/certificates/swarm-root-ca.crt", "is not below the engine's data"),
        Some((_, Err(unknown))) => unknown,
        Some((pem, Ok(parsed))) => {
            let left = (parsed.until_ms - now_ms(&subject)) / DAY_MS;
            let rotate = format!(
                "`docker swarm ca --rotate` on {} makes a new one, and all members get theirs anew",
                roster.via
            );
            let judgement = match left {
                left if left <= 0 => {
                    Judgement::error("the swarm's root certificate has expired").remedy(rotate)
                }
                left if left < 365 => {
                    Judgement::warning(format!("the swarm's root certificate expires in {left} days"))
                        .remedy(rotate)
                }
                _ if roster.cluster.rotating => Judgement::note(
                    "the swarm's root certificate is being replaced: leave no node off for long",
                ),
                _ => {
                    Judgement::ok(format!("the swarm's root certificate holds for {} more years", left / 365))
                }
            };
            judgement.seen(pem.path.display().to_string(), describe(&parsed))
        }
    };
    vec![judgement.about([])]
}
