//! Forwarding, which containers live by.

use crate::audit::{Check, Family, Judgement, Subject};

/// Forwarding of IPv4.
pub(in crate::audit) const IP_FORWARDING: Check = Check {
    id: "ip-forwarding",
    family: Family::Network,
    title: "forwarding",
    explanation: "Packets from and to containers are forwarded by the host. The engine switches that on when it starts, \
                  and `skep up` writes it to /etc/sysctl.d; but a file that is read later, such as /etc/sysctl.conf or \
                  one of a hardening tool, switches it off again whenever settings are read anew. Read are all sysctl \
                  files in the order of sysctl(8). A last line that switches it off is a warning.",
    examine: |case| case.each(|subject| [judge(subject)]),
};

fn judge(subject: &Subject<'_>) -> Judgement {
    let settings = &subject.inspection.network.forwarding;
    match settings.last().filter(|last| last.value == "0") {
        Some(last) => Judgement::warning(
            "a file switches forwarding off, which containers live by, when settings are read anew",
        )
        .seen(format!("{}:{}", last.file, last.line), "net.ipv4.ip_forward = 0")
        .remedy(format!("on {}: `sed -i '{} s/^/#/' {}`", subject.node.name, last.line, last.file)),
        None => {
            let judgement = Judgement::ok("no file switches forwarding off");
            settings.iter().fold(judgement, |judgement, setting| {
                judgement.seen(format!("{}:{}", setting.file, setting.line), &setting.value)
            })
        }
    }
}

/// Advertisements of IPv6 routers.
pub(in crate::audit) const IPV6_ADVERTISEMENTS: Check = Check {
    id: "ipv6-advertisements",
    family: Family::Network,
    title: "advertisements of IPv6 routers",
    explanation: "A kernel that forwards IPv6 takes itself for a router and no longer heeds the advertisements of \
                  others, unless `accept_ra` of the interface is 2 (Linux, ip-sysctl). Its default route, and addresses \
                  that it made from them, run out after a while. Read are `net.ipv6.conf.all.forwarding` and \
                  `accept_ra` of interfaces that are in use; where NetworkManager or systemd-networkd heeds \
                  advertisements itself, `accept_ra` is 0 and nothing is wrong. It is a warning where an IPv6 address \
                  is the one that the other nodes reach, else a note.",
    examine: |case| case.each(advertisements),
};

fn advertisements(subject: &Subject<'_>) -> Option<Judgement> {
    let network = &subject.inspection.network;
    let has_ipv6 = |name: &str| {
        let mut interfaces = subject.facts().network.iter().filter(|interface| interface.name == name);
        interfaces.any(|interface| interface.addresses.iter().any(|(ip, _)| ip.is_ipv6()))
    };
    let mut heeding = network.links.iter().filter(|link| link.up && has_ipv6(&link.name));
    let deaf = heeding.clone().find(|link| link.accept_ra == Some(1));
    match (network.forwarding6, deaf) {
        (Some(true), Some(link)) => {
            let message = "it forwards IPv6, so it no longer heeds the routers' advertisements";
            let is_advertised = super::address(subject).is_some_and(|own| own.addr().is_ipv6());
            let judgement =
                if is_advertised { Judgement::warning(message) } else { Judgement::note(message) };
            let key = format!("net.ipv6.conf.{}.accept_ra", link.name);
            Some(judgement.seen("net.ipv6.conf.all.forwarding", "1").seen(&key, "1").remedy(format!(
                "on {}: `echo '{key} = 2' > /etc/sysctl.d/61-accept-ra.conf && sysctl --system`",
                subject.node.name
            )))
        }
        _ => {
            heeding.next().map(|_| Judgement::ok("advertisements of IPv6 routers are heeded, or not needed"))
        }
    }
}
