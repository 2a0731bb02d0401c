//! Sizes of packets between nodes.

use std::collections::BTreeSet;

use super::{culprit, link, list};
use crate::audit::reach::OVERLAY;
use crate::audit::report::ETHERNET;
use crate::audit::{
    Case, Check, Family, Judgement, PathMtu, Protocol, Reach, Severity, Subject, TryResult, Verdict,
};
use crate::facts::inspection::network::Link;
use crate::inventory::model::NodeName;

/// Sizes of packets.
pub(in crate::audit) const MTU: Check = Check {
    id: "mtu",
    family: Family::Network,
    title: "sizes of packets",
    explanation: "Packets that are too large for something on their way, and may not be cut in two, are lost. Small ones \
                  come through, so that nodes join, and then hang: at the first large answer, in TLS, in NFS, in image \
                  layers. Each node sends each other datagrams of known sizes to 4789/udp that may not be cut in two, \
                  from what its interface takes downwards, and the other tells which arrived. Error: packets that the \
                  interface and plain Ethernet (1500 bytes) both take do not arrive. Warning: jumbo frames that arrive \
                  on part of the way only, or an interface that takes less than 1500: overlay networks send 1450 bytes \
                  and 50 of VXLAN (moby/libnetwork). It helps to give all interfaces the size that comes through, or \
                  to give overlay networks a smaller one when they are made.",
    examine,
};

/// What VXLAN adds to a packet.
const VXLAN: u32 = 50;

/// A way on which packets get lost.
struct Lossy<'r> {
    path: &'r PathMtu,
    severity: Severity,
}

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let Some(reach) = case.reach else { return Vec::new() };
    let measured: Vec<&PathMtu> = reach.mtus.iter().filter(|path| is_open(reach, path)).collect();
    let lossy: Vec<Lossy<'_>> = measured.iter().filter_map(|path| lossy(path)).collect();
    let all: BTreeSet<&NodeName> = measured.iter().flat_map(|path| [&path.from, &path.to]).collect();
    let mut verdicts = Vec::new();
    for severity in [Severity::Error, Severity::Warning] {
        let alike: Vec<&Lossy<'_>> = lossy.iter().filter(|lossy| lossy.severity == severity).collect();
        verdicts.extend(lost(case, severity, &alike, &all));
    }
    let told: BTreeSet<NodeName> =
        verdicts.iter().flat_map(|verdict: &Verdict| verdict.nodes.clone()).collect();
    let rest = case.subjects().filter(|subject| !told.contains(&subject.node.name));
    let rest: Vec<Verdict> = rest
        .filter_map(|subject| Some(alone(&subject, reach, &measured)?.about([subject.node.name.clone()])))
        .collect();
    verdicts.extend(rest);
    verdicts
}

/// Where not even a small datagram arrives, that is told as a blocked port.
fn is_open(reach: &Reach, path: &PathMtu) -> bool {
    reach.tries.iter().any(|tried| {
        (&tried.from, &tried.to, tried.port, tried.protocol) == (&path.from, &path.to, OVERLAY, Protocol::Udp)
            && tried.result == TryResult::Open
    })
}

fn lossy<'r>(path: &'r PathMtu) -> Option<Lossy<'r>> {
    path.loss().map(|severity| Lossy { path, severity })
}

/// One verdict for the node that all of it is about, else one for each pair.
fn lost(
    case: &Case<'_>,
    severity: Severity,
    lossy: &[&Lossy<'_>],
    all: &BTreeSet<&NodeName>,
) -> Vec<Verdict> {
    let ends: Vec<_> = lossy.iter().map(|lossy| (&lossy.path.from, &lossy.path.to)).collect();
    if let Some(node) = culprit(&ends, all).filter(|_| !lossy.is_empty()) {
        let others = ends.iter().map(|(from, to)| if *from == node { *to } else { *from });
        let what = format!("between it and {}", list(others));
        return vec![verdict(case, severity, lossy, &what, vec![node.clone()])];
    }
    let mut pairs: BTreeSet<(&NodeName, &NodeName)> = BTreeSet::new();
    pairs.extend(ends.iter().map(|(from, to)| if from < to { (*from, *to) } else { (*to, *from) }));
    let told = pairs.into_iter().map(|(a, b)| {
        let own =
            |lossy: &&&Lossy<'_>| [&lossy.path.from, &lossy.path.to].iter().all(|end| [a, b].contains(end));
        let own: Vec<&Lossy<'_>> = lossy.iter().filter(own).copied().collect();
        let what = match own[..] {
            [only] => format!("from {} to {}", only.path.from, only.path.to),
            _ => format!("between {a} and {b}"),
        };
        verdict(case, severity, &own, &what, vec![a.clone(), b.clone()])
    });
    told.collect()
}

fn verdict(
    case: &Case<'_>,
    severity: Severity,
    lossy: &[&Lossy<'_>],
    what: &str,
    nodes: Vec<NodeName>,
) -> Verdict {
    let least = lossy.iter().map(|lossy| lossy.path.bytes.unwrap_or_default()).min().unwrap_or_default();
    let message = match (least, severity) {
        (0, _) => format!("not even packets of 576 bytes arrive {what}"),
        (_, Severity::Error) => format!("packets of more than {least} bytes get lost {what}"),
        _ => format!("jumbo frames of more than {least} bytes get lost {what}"),
    };
    let mut judgement = Judgement::new(severity, message);
    for Lossy { path, .. } in lossy {
        let arrives = path.bytes.map_or("none arrives".to_owned(), |bytes| format!("{bytes} bytes arrive"));
        judgement = judgement.seen(path.way(), format!("{arrives}, the interface takes {}", path.interface));
    }
    remedies(case, lossy, least).fold(judgement, Judgement::remedy).about(nodes)
}

/// The size of all others on the one interface that takes less; else the smaller size on each interface that sends larger
/// ones; and in the inventory's overlay networks.
fn remedies(case: &Case<'_>, lossy: &[&Lossy<'_>], least: u32) -> impl Iterator<Item = String> {
    let raise = receiver(case, lossy).and_then(|(name, takes, sent)| {
        let subject = case.subjects().find(|subject| subject.node.name == *name)?;
        let link = link(&subject)?;
        Some(format!("on {name}, whose {link} takes {takes} bytes only: {}", set(&subject, link, sent)))
    });
    let senders: BTreeSet<&NodeName> = lossy.iter().map(|lossy| &lossy.path.from).collect();
    let links = case.subjects().filter(|subject| senders.contains(&subject.node.name));
    let commands: Vec<String> = links
        .filter_map(|subject| {
            Some(format!("on {}: {}", subject.node.name, set(&subject, link(&subject)?, least)))
        })
        .filter(|_| least > 0)
        .collect();
    let look = "or mend what is in between: a switch without jumbo frames, a tunnel or a provider's network whose MTU \
                is smaller, a router that drops ICMP"
        .to_owned();
    raise
        .into_iter()
        .chain(commands)
        .chain([look])
        .chain((0 < least && least < ETHERNET).then(|| overlay(least)))
}

/// The node that alone gets too much, where its own interface takes less than each of the others sends; with what it
/// takes, and the least of what they send.
fn receiver<'r>(case: &Case<'r>, lossy: &[&Lossy<'r>]) -> Option<(&'r NodeName, u32, u32)> {
    let paths = &case.reach?.mtus;
    let (first, rest) = lossy.split_first()?;
    let (name, sent) = (&first.path.to, lossy.iter().map(|lossy| lossy.path.interface).min()?);
    let takes = paths.iter().filter(|path| path.from == *name).map(|path| path.interface).max()?;
    (takes < sent && rest.iter().all(|lossy| lossy.path.to == *name)).then_some((name, takes, sent))
}

/// How an interface is given a size, and what keeps it where one known service manages the host's networks.
fn set(subject: &Subject<'_>, link: &str, mtu: u32) -> String {
    let is_wireless = |other: &Link| other.name == link && other.wireless;
    let keeps = match &subject.inspection.boot.networks[..] {
        [only] if only == "NetworkManager.service" => {
            let wireless = subject.inspection.network.links.iter().any(is_wireless);
            let kind = if wireless { "802-11-wireless" } else { "802-3-ethernet" };
            format!(
                "; `nmcli connection modify \"$(nmcli -g GENERAL.CONNECTION device show {link})\" {kind}.mtu {mtu}` keeps it"
            )
        }
        [only] if only == "systemd-networkd.service" => format!(
            "; `MTUBytes={mtu}` below [Link] in a drop-in of its .network file (`networkctl status {link}` names that) \
             keeps it"
        ),
        _ => String::new(),
    };
    format!("`ip link set dev {link} mtu {mtu}`, until its next boot{keeps}")
}

fn overlay(mtu: u32) -> String {
    format!(
        "overlay networks: `docker network create --driver overlay --opt com.docker.network.driver.mtu={} …`",
        mtu.saturating_sub(VXLAN)
    )
}

/// What is to be said of a node on whose ways nothing gets lost.
fn alone(subject: &Subject<'_>, reach: &Reach, measured: &[&PathMtu]) -> Option<Judgement> {
    let name = &subject.node.name;
    let own: Vec<&&PathMtu> = measured.iter().filter(|path| path.from == *name).collect();
    let Some(mtu) = own.iter().map(|path| path.interface).min() else {
        let is_tried = reach.tries.iter().any(|tried| tried.from == *name);
        return is_tried
            .then(|| Judgement::unknown("nothing that it sends to 4789/udp arrives, so no size is known"));
    };
    let seen = |judgement: Judgement| {
        own.iter().fold(judgement, |judgement, path| {
            judgement.seen(
                format!("{name} to {}, {OVERLAY}/udp", path.to),
                format!("{} bytes arrive", path.interface),
            )
        })
    };
    Some(match link(subject) {
        Some(link) if mtu < ETHERNET => seen(
            Judgement::warning(format!(
                "{link} takes packets of {mtu} bytes, and overlay networks send 1500"
            ))
            .remedy(overlay(mtu))
            .remedy(format!("on {name}, where the link takes more: {}", set(subject, link, ETHERNET))),
        ),
        _ => seen(Judgement::ok(format!("packets of {mtu} bytes arrive in one piece"))),
    })
}
