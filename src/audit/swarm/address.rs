//! The address that a member advertises: whether it is still its own, stays so, and is meant for everybody.

use std::net::IpAddr;

use super::super::engine::without_name;
use crate::audit::{Check, Family, Judgement, Severity, Subject};
use crate::swarm::advertise;
use crate::swarm::membership::{Membership, Standing};

pub(in crate::audit) const ADDRESS: Check = Check {
    id: "swarm-address",
    family: Family::Swarm,
    title: "the advertised address stays",
    explanation: "The address that a node advertises is fixed when it joins: if a DHCP server lends it another one, the node \
        is lost to the others until it leaves and joins again. A member whose address its host no longer has, or that shall \
        advertise another one, is a warning. A lent address is a note: reserve it in the router. So is a public address, as \
        gossip and VXLAN of a swarm must not face the internet. For a host that is no member yet, the address that it would \
        advertise is judged; that there is none to choose is told among the checks of the network. Read are the engine's \
        NodeAddr, the interfaces, and the leases of networkd, NetworkManager and dhclient.",
    examine: |case| {
        let membership = Membership::read(case.view);
        case.each(|subject| address(subject, &membership))
    },
};

fn address(subject: &Subject<'_>, membership: &Membership) -> Option<Judgement> {
    let network = &subject.facts().network;
    let member = match membership.standing(&subject.node.name) {
        Standing::Outside => false,
        Standing::Member { .. } => true,
        _ => return None,
    };
    let (ip, place) = match (&subject.facts().engine, member) {
        (crate::facts::Engine::Running(running), true) => {
            (running.swarm.node_addr.parse().ok()?, "GET /info: NodeAddr")
        }
        _ => (advertise::choose(subject.node, network).ok()?.addr(), "its interfaces"),
    };
    if member && let Some(finding) = advertise::moved(subject.node, network, &ip.to_string()) {
        let message = without_name(&finding.message, &subject.node.name).to_owned();
        return Some(
            Judgement::new(Severity::Warning, message).seen(place, ip.to_string()).remedy(finding.help),
        );
    }
    let judgement = if is_public(ip) {
        Judgement::note(format!("advertises the public address {ip}: gossip and VXLAN must not face the internet"))
            .remedy("let only the other nodes in on 2377/tcp, 7946/tcp and udp, and 4789/udp, or set `advertise:` to an address of a private network")
    } else if subject.inspection.engine.leased.contains(&ip) {
        Judgement::note(format!("advertises {ip}, which a DHCP server lent it"))
            .seen("the DHCP client's lease", ip.to_string())
            .remedy(format!("reserve {ip} for {} in the router{}", subject.node.name, hardware(subject, ip)))
    } else {
        Judgement::ok(format!("{} {ip}", if member { "advertises" } else { "will advertise" }))
    };
    Some(judgement.seen(place, ip.to_string()))
}

/// The hardware address that a router knows a host by.
fn hardware(subject: &Subject<'_>, ip: IpAddr) -> String {
    let own = subject.facts().network.iter().find(|interface| interface.has(ip));
    let interface = own.filter(|interface| !interface.mac.is_empty());
    interface.map(|interface| format!(", by its hardware address {}", interface.mac)).unwrap_or_default()
}

/// Whether the whole internet may try it. IPv6 addresses are global by design, and their hosts behind a router's filter
/// as a rule, so only IPv4 counts.
fn is_public(ip: IpAddr) -> bool {
    let IpAddr::V4(v4) = ip else { return false };
    // 100.64.0.0/10 is for carriers and overlays (RFC 6598), such as Tailscale's.
    let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
    !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_documentation() || shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        for (ip, public) in [
            ("192.168.2.1", false),
            ("10.1.2.3", false),
            ("172.31.0.1", false),
            ("172.32.0.1", true),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("8.8.8.8", true),
            ("2a00::1", false),
        ] {
            assert_eq!(is_public(ip.parse().expect("an address")), public, "{ip}");
        }
    }
}
