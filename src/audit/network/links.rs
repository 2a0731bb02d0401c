//! Interfaces that get into each other's way.

use ipnet::IpNet;

use super::{address, link};
use crate::audit::{Check, Family, Judgement, Subject};
use crate::facts::Interface;

/// Wi-Fi, and two interfaces in one network.
pub(in crate::audit) const LINKS: Check = Check {
    id: "links",
    family: Family::Network,
    title: "cables and Wi-Fi",
    explanation: "Boards often have a cable and Wi-Fi, both in one network. The kernel then answers for the address of \
                  one on the other, and packets go out by either: nodes lose sight of each other for moments, and large \
                  transfers crawl. Raft and gossip take a lost second for a lost node. Read are `/sys/class/net` and the \
                  addresses of the interfaces. Two interfaces in one network are a warning, a swarm over Wi-Fi is a note.",
    examine: |case| case.each(|subject| [judge(subject)]),
};

fn judge(subject: &Subject<'_>) -> Judgement {
    let own = link(subject);
    let is_up = |name: &str| subject.inspection.network.links.iter().any(|link| link.name == name && link.up);
    let is_wireless =
        |name: &str| subject.inspection.network.links.iter().any(|link| link.name == name && link.wireless);
    let network = address(subject).map(|address| address.trunc());
    let rivals = subject
        .facts()
        .network
        .iter()
        .filter(|interface| Some(interface.name.as_str()) != own && is_up(&interface.name));
    let rival =
        rivals.into_iter().find(|interface| network.is_some_and(|network| is_in(interface, &network)));
    match (own, rival, network) {
        (Some(own), Some(rival), Some(network)) => {
            let surplus = if is_wireless(own) && !is_wireless(&rival.name) { own } else { &rival.name };
            Judgement::warning(format!("{own} and {} are both in {network}", rival.name))
                .seen(own, super::list(addresses(subject, own)))
                .seen(&rival.name, super::list(addresses(subject, &rival.name)))
                .remedy(format!("on {}: `ip link set dev {surplus} down`, and leave it out of the network's configuration", subject.node.name))
        }
        (Some(own), ..) if is_wireless(own) => Judgement::note("the other nodes reach it over Wi-Fi")
            .seen("/sys/class/net", format!("{own} is wireless")),
        _ => Judgement::ok("one interface leads to the other nodes"),
    }
}

fn is_in(interface: &Interface, network: &IpNet) -> bool {
    interface.addresses.iter().any(|(ip, _)| network.contains(ip))
}

fn addresses(subject: &Subject<'_>, link: &str) -> Vec<String> {
    let interfaces = subject.facts().network.iter().filter(|interface| interface.name == link);
    interfaces
        .flat_map(|interface| interface.addresses.iter().map(|(ip, prefix)| format!("{ip}/{prefix}")))
        .collect()
}
