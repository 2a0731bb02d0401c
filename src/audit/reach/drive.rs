//! Has the agents try it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::trial::{Party, ROUNDS, Trial};
use crate::audit::Reach;
use crate::audit::ask::{ask, why};
use crate::fleet::HostSession;
use crate::inventory::model::{Node, NodeName};
use crate::plan::{View, desire};
use crate::swarm::advertise;
use crate::wire::{Answer, Body};

/// An agent that takes longer has lost its connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long datagrams are on their way at most. In the first round connections are waited for meanwhile.
const FLIGHT: Duration = Duration::from_millis(300);

/// Tries all ports between the nodes of `view` that have a session, and how large packets may be. Nodes of which nobody
/// knows the address that the others reach are left out.
pub(crate) async fn drive(view: &View<'_>, sessions: &BTreeMap<NodeName, HostSession>) -> Reach {
    let nodes: Vec<(&Node, &HostSession)> =
        view.inventory.nodes.iter().filter_map(|node| Some((node, sessions.get(&node.name)?))).collect();
    let parties: Vec<(Party, &HostSession)> =
        nodes.into_iter().filter_map(|(node, session)| Some((party(node, view)?, session))).collect();
    let (parties, agents): (Vec<Party>, Vec<&HostSession>) = parties.into_iter().unzip();
    let mut trial = Trial::of(view.inventory, parties, token());
    listen(&mut trial, &agents).await;
    for round in 0..ROUNDS {
        if !send(&mut trial, &agents, round).await {
            break;
        }
        if round > 0 {
            sleep(FLIGHT).await;
        }
        hear(&mut trial, &agents).await;
    }
    trial.reach()
}

fn party(node: &Node, view: &View<'_>) -> Option<Party> {
    let facts = &view.hosts.get(&node.name)?.facts;
    let address = advertise::current(node, facts).ok()?.addr();
    Some(Party { node: node.name.clone(), address, serves_at: serves_at(node).unwrap_or(address) })
}

/// The address that shares of a node are mounted from, where that is not a name.
fn serves_at(node: &Node) -> Option<IpAddr> {
    desire::reached_at(node).trim_matches(['[', ']']).parse().ok()
}

/// Tells this audit from any other that goes on at the same time.
fn token() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The seconds of centuries do not matter, the nanoseconds do.
    (now.as_secs() << 32) ^ u64::from(now.subsec_nanos()) ^ (u64::from(std::process::id()) << 40)
}

async fn listen(trial: &mut Trial, agents: &[&HostSession]) {
    let body = trial.listen();
    let answers = join_all(agents.iter().map(|agent| ask(agent, body.clone(), PATIENCE))).await;
    for (party, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(Answer::Listening) => {}
            other => trial.deaf(party, why(other)),
        }
    }
}

/// Whether anything was sent.
async fn send(trial: &mut Trial, agents: &[&HostSession], round: usize) -> bool {
    let probes: Vec<_> =
        (0..agents.len()).filter_map(|party| Some((party, trial.probe(round, party)?))).collect();
    let answers = probes
        .into_iter()
        .map(|(party, probe)| async move { (party, ask(agents[party], Body::Probe(probe), PATIENCE).await) });
    let answers = join_all(answers).await;
    let any = !answers.is_empty();
    for (party, answer) in answers {
        match answer {
            Ok(Answer::Probed(sent)) => trial.sent(party, sent),
            other => trial.mute(party, why(other)),
        }
    }
    any
}

async fn hear(trial: &mut Trial, agents: &[&HostSession]) {
    let answers = join_all(agents.iter().map(|agent| ask(agent, Body::Heard, PATIENCE))).await;
    for (party, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(Answer::Heard(heard)) => trial.heard(party, &heard),
            other => trial.deaf(party, why(other)),
        }
    }
}
