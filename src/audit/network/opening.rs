//! The command that lets packets in, for the packet filter that a host has.

use std::net::IpAddr;

use crate::audit::{Protocol, Subject};
use crate::facts::inspection::network::{Filter, FilterKind};

/// The command that lets `from` in at a port of the host, to be typed on it.
pub(super) fn open(subject: &Subject<'_>, from: IpAddr, port: u16, protocol: Protocol) -> String {
    let node = &subject.node.name;
    let (iptables, family, any) = match from {
        IpAddr::V4(_) => ("iptables", "ip", "ipv4"),
        IpAddr::V6(_) => ("ip6tables", "ip6", "ipv6"),
    };
    let iptables = format!("{iptables} -I INPUT -s {from} -p {protocol} --dport {port} -j ACCEPT");
    match kind(subject) {
        Some(FilterKind::Ufw) => {
            format!("on {node}: `ufw allow from {from} to any port {port} proto {protocol}`")
        }
        Some(FilterKind::Firewalld) => format!(
            "on {node}: `firewall-cmd --permanent --add-rich-rule='rule family={any} source address={from} \
             port port={port} protocol={protocol} accept' && firewall-cmd --reload`"
        ),
        Some(FilterKind::Nftables(chain)) => format!(
            "on {node}: `nft insert rule {} {family} saddr {from} {protocol} dport {port} accept`, and the same in \
             /etc/nftables.conf",
            chain.as_deref().unwrap_or("inet filter input")
        ),
        Some(FilterKind::Iptables) => format!("on {node}: `{iptables} && netfilter-persistent save`"),
        None => format!("on {node}: `{iptables}`, until its next boot"),
    }
}

/// Where to look besides, where the host says of no packet filter that it is on.
pub(super) fn elsewhere(subject: &Subject<'_>) -> Option<String> {
    let node = &subject.node.name;
    kind(subject).is_none().then(|| {
        format!(
            "{node} has no packet filter that starts by itself: see what `iptables -S; nft list ruleset` shows there; \
             if that drops nothing, a switch, a router or a provider's security group in between does"
        )
    })
}

/// What says which packet filter is on.
pub(super) fn filters(subject: &Subject<'_>) -> Vec<(String, String)> {
    let filters = subject.inspection.network.filters.iter();
    filters.map(|Filter { kind, place }| (place.clone(), format!("{} is on", name(kind)))).collect()
}

pub(super) fn name(kind: &FilterKind) -> &'static str {
    match kind {
        FilterKind::Ufw => "ufw",
        FilterKind::Firewalld => "firewalld",
        FilterKind::Nftables(_) => "nftables",
        FilterKind::Iptables => "netfilter-persistent",
    }
}

fn kind<'a>(subject: &Subject<'a>) -> Option<&'a FilterKind> {
    subject.inspection.network.filters.first().map(|filter| &filter.kind)
}
