//! The address by which the others reach a node.

use std::collections::BTreeMap;

use crate::audit::{Case, Check, Family, Judgement, Subject, Verdict};
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
                  all interfaces, and the one that a running engine advertises. That none can be told is an error; \
                  networks of the nodes that have nothing to do with each other are a warning, since they only work \
                  where routers connect them. Nodes that share an address are told by `unique-address`.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let mut chosen: BTreeMap<NodeName, Address> = BTreeMap::new();
    let mut verdicts = case.each(|subject| [judge(subject)]);
    for subject in case.subjects() {
        chosen.extend(super::address(&subject).map(|address| (subject.node.name.clone(), address)));
    }
    verdicts.extend(advertise::apart(&chosen).map(|Finding { nodes, message, help }| {
        let seen = |judgement: Judgement, (node, address): (&NodeName, &Address)| {
            judgement.seen(format!("interfaces of {node}"), address.to_string())
        };
        chosen.iter().fold(Judgement::warning(message).remedy(help), seen).about(nodes)
    }));
    verdicts
}

fn judge(subject: &Subject<'_>) -> Judgement {
    let facts = subject.facts();
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
