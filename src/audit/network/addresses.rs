//! The address by which the others reach a node.

use std::collections::BTreeMap;

use crate::audit::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::facts::Engine;
use crate::inventory::model::NodeName;
use crate::plan::Finding;
use crate::swarm::advertise::{self, Address};

/// Addresses.
pub(in crate::audit) const ADDRESSES: Check = Check {
    id: "addresses",
    family: Family::Network,
    title: "addresses",
    explanation: "Each node advertises one IP address to the others, which is fixed when it joins: the inventory's \
                  `advertise:`, else the one that SSH connects to, else the only one there is. An engine that is left \
                  to choose refuses hosts with several addresses, so skep always names one. Read are the addresses of \
                  all interfaces, and the one that a running engine advertises. Error: none can be told, or several \
                  nodes would advertise the same. Warning: a member advertises an address that its host no longer \
                  has, or that the inventory does not want, or the nodes' networks have nothing to do with each other.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let mut chosen: BTreeMap<NodeName, Address> = BTreeMap::new();
    let mut verdicts = case.each(|subject| [judge(subject)]);
    for subject in case.subjects() {
        chosen.extend(super::address(&subject).map(|address| (subject.node.name.clone(), address)));
    }
    let about = |finding: Finding, make: fn(String) -> Judgement| {
        let Finding { nodes, message, help } = finding;
        make(message).remedy(help).about(nodes)
    };
    verdicts
        .extend(advertise::duplicates(&chosen).into_iter().map(|finding| about(finding, Judgement::error)));
    verdicts.extend(advertise::apart(&chosen).map(|finding| about(finding, Judgement::warning)));
    verdicts
}

fn judge(subject: &Subject<'_>) -> Judgement {
    let facts = subject.facts();
    let advertised = match &facts.engine {
        Engine::Running(running) => running.swarm.node_addr.as_str(),
        _ => "",
    };
    if let Some(Finding { message, help, .. }) = advertise::moved(subject.node, &facts.network, advertised) {
        return Judgement::warning(message).remedy(help);
    }
    let judgement = match advertise::current(subject.node, facts) {
        Ok(address) => Judgement::ok(format!("the others reach it at {}", address.addr())),
        Err(Finding { message, help, .. }) => Judgement::error(message).remedy(help),
    };
    let links = facts.network.iter().map(|interface| {
        let addresses = interface.addresses.iter().map(|(ip, prefix)| format!("{ip}/{prefix}"));
        (interface.name.clone(), addresses.collect::<Vec<_>>().join(", "))
    });
    links.fold(judgement, |judgement, (name, addresses)| judgement.seen(name, addresses))
}
