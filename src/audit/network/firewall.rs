//! Who else can send into overlay networks.

use std::net::{IpAddr, Ipv4Addr};

use super::{address, opening};
use crate::audit::{Check, Family, Judgement, Subject};

/// Packet filters of hosts that the world reaches.
pub(in crate::audit) const FIREWALL: Check = Check {
    id: "firewall",
    family: Family::Network,
    title: "packet filters",
    explanation: "VXLAN knows neither passwords nor signatures: whoever can send to 4789/udp of a node can send into \
                  its overlay networks. So that port must never face the internet (docs.docker.com, \"Use overlay \
                  networks\"). Read are the addresses of the host, and the settings of ufw, firewalld, nftables and \
                  netfilter-persistent. A public IPv4 address without any of them is a warning; with one it is a note to \
                  look at its rules, which are not judged here. Ports that containers publish pass by ufw's rules.",
    examine: |case| case.each(|subject| [judge(subject)]),
};

fn judge(subject: &Subject<'_>) -> Judgement {
    let interfaces = subject.facts().network.iter();
    let public = interfaces
        .flat_map(|interface| interface.addresses.iter().map(move |(ip, _)| (&interface.name, *ip)));
    let public = public.filter_map(|(link, ip)| match ip {
        IpAddr::V4(v4) if is_public(v4) => Some((link, v4)),
        _ => None,
    });
    let public: Vec<_> = public.collect();
    let filters = opening::filters(subject);
    let Some((link, ip)) = public.first() else {
        let judgement = Judgement::ok("no address of it is public");
        return filters.into_iter().fold(judgement, |judgement, (place, text)| judgement.seen(place, text));
    };
    if let Some(filter) = subject.inspection.network.filters.first() {
        let filter = opening::name(&filter.kind);
        let judgement = Judgement::note(format!(
            "its address {ip} is public, and {filter} guards it: see that 4789/udp is open to the nodes only"
        ));
        return filters.into_iter().fold(judgement, |judgement, (place, text)| judgement.seen(place, text));
    }
    let among = address(subject).map(|own| own.trunc().to_string());
    let judgement = Judgement::warning(format!(
        "its address {ip} is public and nothing guards it: anybody may send into overlay networks by 4789/udp"
    ))
    .seen(link.as_str(), ip.to_string())
    .seen("packet filters", "none of ufw, firewalld, nftables and netfilter-persistent is on");
    let command = match among {
        Some(net) if !net.starts_with(&ip.to_string()) => {
            format!("`iptables -I INPUT -p udp --dport 4789 ! -s {net} -j DROP`, for each port of the swarm, until its next boot; ufw or nftables would keep it")
        }
        _ => "let only the other nodes in: `ufw allow OpenSSH; ufw allow from NODE; ufw enable`, NODE each of them".to_owned(),
    };
    judgement.remedy(format!("on {}: {command}", subject.node.name))
}

/// Whether the internet has routes to it (IANA's registry of special-purpose addresses).
fn is_public(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarking = a == 198 && (b == 18 || b == 19);
    let own = ip.is_private() || ip.is_loopback() || ip.is_link_local();
    let reserved = a == 0 || a >= 224 || ip.is_documentation();
    !(own || shared || benchmarking || reserved)
}
