//! Ports between nodes, each tried.

use std::collections::{BTreeMap, BTreeSet};

use super::{list, opening};
use crate::audit::{Case, Check, Family, Judgement, Protocol, Reach, Subject, Try, TryResult, Verdict};
use crate::inventory::model::NodeName;

/// Ports between nodes.
pub(in crate::audit) const PORTS: Check = Check {
    id: "ports",
    family: Family::Network,
    title: "ports between the nodes",
    explanation: "Managers are asked for control on 2377/tcp, all nodes gossip on 7946/tcp and 7946/udp and send the \
                  packets of overlay networks to 4789/udp (docs.docker.com, \"Open protocols and ports between the \
                  hosts\"), and clients of a share ask its server on 2049/tcp, or the port of its `mount.options`. Each \
                  of these is tried from each node that needs it to each node that has it, at the address that the \
                  nodes use among themselves: a connection, or a datagram that the other node has to notice behind its own packet filter. Nothing \
                  has to listen there: the agents see what arrives whether or not an engine runs. What does not come \
                  through is an error, since the swarm or the share cannot work without. Where the target resets a \
                  connection that never arrived, or another computer says so, a filter refuses it; silence is a filter \
                  that drops. What a node could not try is unknown. A running engine logs one line for each connection \
                  and each datagram that turned out to be none of its own. ESP (protocol 50), which encrypted overlay \
                  networks need, is not tried.",
    examine,
};

/// A port by its number and protocol.
type Port = (u16, Protocol);

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let Some(reach) = case.reach else { return Vec::new() };
    let subjects: BTreeMap<&NodeName, Subject<'_>> =
        case.subjects().map(|subject| (&subject.node.name, subject)).collect();
    let held_in = held_in(reach);
    let mut verdicts: Vec<Verdict> = held_in.iter().map(|(from, tries)| outgoing(from, tries)).collect();
    for subject in subjects.values() {
        let name = &subject.node.name;
        let tries: Vec<&Try> = reach.tries.iter().filter(|tried| tried.to == *name).collect();
        let explained = |tried: &Try| held_in.get(&tried.from).is_some_and(|own| own.contains(&tried));
        let mut amiss: BTreeMap<(Port, bool), Vec<&Try>> = BTreeMap::new();
        let mut open: BTreeSet<Port> = BTreeSet::new();
        for tried in &tries {
            let port = (tried.port, tried.protocol);
            match tried.result {
                TryResult::Open => drop(open.insert(port)),
                TryResult::Blocked(_) if explained(tried) => {}
                TryResult::Blocked(_) => amiss.entry((port, true)).or_default().push(tried),
                TryResult::Untried(_) => amiss.entry((port, false)).or_default().push(tried),
            }
        }
        let judged = amiss.iter().map(|((port, blocked), tries)| match blocked {
            true => blocked_at(subject, *port, tries, &subjects),
            false => untried(*port, tries),
        });
        let mut judged: Vec<Judgement> = judged.collect();
        if judged.is_empty() && !tries.is_empty() {
            let ports = crate::words::list(&open.iter().map(shown).collect::<Vec<_>>());
            judged.push(Judgement::ok(format!("{ports} can be reached by the other nodes")));
        }
        verdicts.extend(judged.into_iter().map(|judgement| judgement.about([name.clone()])));
    }
    verdicts
}

/// What does not leave a node: it comes through to none of the nodes that others reach there.
fn held_in(reach: &Reach) -> BTreeMap<&NodeName, Vec<&Try>> {
    let is_blocked = |tried: &&Try| matches!(tried.result, TryResult::Blocked(_));
    let mut held_in: BTreeMap<&NodeName, Vec<&Try>> = BTreeMap::new();
    for tried in reach.tries.iter().filter(is_blocked) {
        let alike = |other: &&Try| (other.port, other.protocol) == (tried.port, tried.protocol);
        let own: Vec<&Try> =
            reach.tries.iter().filter(|other| other.from == tried.from).filter(alike).collect();
        let others_reach = |target: &Try| {
            let mut others = reach.tries.iter().filter(alike).filter(|other| other.to == target.to);
            others.any(|other| other.from != tried.from && other.result == TryResult::Open)
        };
        if own.len() > 1 && own.iter().all(is_blocked) && own.iter().all(|target| others_reach(target)) {
            held_in.entry(&tried.from).or_default().push(tried);
        }
    }
    held_in
}

fn outgoing(from: &NodeName, tries: &[&Try]) -> Verdict {
    let ports = list(tries.iter().map(|tried| shown(&(tried.port, tried.protocol))));
    let judgement =
        Judgement::error(format!("{ports} of no other node can be reached from it, though others do"));
    let judgement = tries.iter().fold(judgement, |judgement, tried| evidence(judgement, tried));
    judgement
        .remedy(format!("on {from}: `iptables -S OUTPUT; nft list ruleset` shows what keeps it from leaving; `ufw default allow outgoing` where that is ufw"))
        .about([from.clone()])
}

fn blocked_at(
    subject: &Subject<'_>,
    port: Port,
    tries: &[&Try],
    subjects: &BTreeMap<&NodeName, Subject<'_>>,
) -> Judgement {
    let froms = list(tries.iter().map(|tried| &tried.from));
    let judgement =
        Judgement::error(format!("{} cannot be reached by {froms}: {}", shown(&port), words(tries)));
    let judgement = tries.iter().fold(judgement, |judgement, tried| evidence(judgement, tried));
    let filters = opening::filters(subject);
    let judgement =
        filters.into_iter().fold(judgement, |judgement, (place, text)| judgement.seen(place, text));
    let addresses = tries.iter().filter_map(|tried| super::address(subjects.get(&tried.from)?));
    let commands = addresses.map(|from| opening::open(subject, from.addr(), port.0, port.1));
    let judgement = commands.fold(judgement, Judgement::remedy);
    opening::elsewhere(subject).into_iter().fold(judgement, Judgement::remedy)
}

fn untried(port: Port, tries: &[&Try]) -> Judgement {
    let froms = list(tries.iter().map(|tried| &tried.from));
    let judgement = Judgement::unknown(format!("{} could not be tried from {froms}", shown(&port)));
    tries.iter().fold(judgement, |judgement, tried| evidence(judgement, tried))
}

fn evidence(judgement: Judgement, tried: &Try) -> Judgement {
    let words = match &tried.result {
        TryResult::Open => "it arrives",
        TryResult::Blocked(words) | TryResult::Untried(words) => words,
    };
    judgement.seen(tried.way(), words)
}

/// What all of the tries came to, in few words.
fn words(tries: &[&Try]) -> String {
    let words = tries.iter().filter_map(|tried| match &tried.result {
        TryResult::Blocked(words) => Some(words.as_str()),
        _ => None,
    });
    words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}

fn shown((port, protocol): &Port) -> String {
    format!("{port}/{protocol}")
}
