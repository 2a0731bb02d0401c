//! Who is asked for names.

use std::net::IpAddr;

use crate::audit::{Check, Family, Judgement, Subject};

/// Name servers.
pub(in crate::audit) const DNS: Check = Check {
    id: "dns",
    family: Family::Network,
    title: "name servers",
    explanation: "Hosts ask name servers for the places of packages and images, and containers get the host's. Read are \
                  `/etc/resolv.conf` and, where that names only a resolver on the host itself, the file in which \
                  systemd-resolved or NetworkManager tells whom it asks in turn. No name server at all is a warning. \
                  Only one on the host itself is a note: containers cannot reach it, so the engine gives them public \
                  ones (moby/libnetwork, 8.8.8.8), which do not know the names of your network.",
    examine: |case| case.each(|subject| [servers(subject)]),
};

fn servers(subject: &Subject<'_>) -> Judgement {
    const FILE: &str = "/etc/resolv.conf";
    let network = &subject.inspection.network;
    let servers = network.resolvers.as_deref().unwrap_or_default();
    let shown = match &network.resolvers {
        None => "no such file".to_owned(),
        Some(servers) if servers.is_empty() => "no nameserver line".to_owned(),
        Some(servers) => servers.join(", "),
    };
    let is_here = |server: &String| server.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let judgement = match () {
        () if servers.is_empty() => Judgement::warning("no name server is set: packages and images cannot be fetched by name")
            .remedy(match super::link(subject) {
                Some(link) => format!("set one in the network's configuration; at once: `resolvectl dns {link} SERVER`, or the line `nameserver SERVER` in {FILE}"),
                None => format!("the line `nameserver SERVER` in {FILE}"),
            }),
        () if servers.iter().all(is_here) && network.upstream_resolvers.iter().all(is_here) => {
            Judgement::note("its only name server is on the host itself, where containers cannot reach it")
                .remedy("where containers need names of your network: `engine: {options: {dns: [SERVER]}}` in the inventory")
        }
        () => Judgement::ok("there are name servers, for containers too"),
    };
    let judgement = judgement.seen(FILE, shown);
    match network.upstream_resolvers.is_empty() {
        true => judgement,
        false => judgement.seen("the resolver behind it", network.upstream_resolvers.join(", ")),
    }
}
