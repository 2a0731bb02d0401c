//! The first part of `skep up`: freshly flashed hosts are taken in, so that the rest of the plan can be made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::run::{Observation, Run};
use super::{ask, exit};
use crate::apply::{Account, Accounts, millis};
use crate::event::Event;
use crate::fleet;
use crate::inventory::model::{Node, NodeName};
use crate::plan::{self, Action, Plan};
use crate::resource::Fault;

/// Shows who is to be taken in, asks, and does it. A host that cannot be taken in is told of, and left out of the rest.
///
/// # Errors
/// The exit code, where the run ends here.
pub(super) async fn take_in(run: &Run<'_>, observation: &mut Observation) -> Result<Accounts, u8> {
    let plan = plan::first_logins(&run.view(observation));
    if plan.is_empty() {
        return Ok(Accounts::new());
    }
    (run.sink)(Event::Planned { plan: plan.clone() });
    if run.stop.is_asked() || !ask::go_ahead(run, "Take them in?") {
        return Err(exit::FAILED);
    }
    carry_out(run, &plan, observation).await.map_err(|fault| {
        (run.sink)(Event::Retrying { node: NodeName::from(fault.what.as_str()), cause: fault.cause.clone() });
        exit::USAGE
    })
}

async fn carry_out(run: &Run<'_>, plan: &Plan, observation: &mut Observation) -> Result<Accounts, Fault> {
    let places: BTreeMap<NodeName, usize> =
        plan.steps().enumerate().map(|(place, (_, step))| (step.node.clone(), place)).collect();
    for phase in &plan.phases {
        (run.sink)(Event::PhaseStarted { phase: phase.name });
        for (place, step) in phase.steps.iter().enumerate() {
            let (node, title) = (step.node.clone(), step.action.describe().title);
            (run.sink)(Event::StepStarted { node: node.clone(), phase: phase.name, step: place, title });
            // One that a key opens has an agent already, which gives way.
            if let Some(session) = observation.sessions.remove(&node) {
                session.finish().await;
            }
            observation.hosts.remove(&node);
            observation.fresh.remove(&node);
        }
    }
    let nodes: Vec<Node> =
        run.inventory.nodes.iter().filter(|node| places.contains_key(&node.name)).cloned().collect();
    let first_logins = plan.steps().filter_map(|(_, step)| match &step.action {
        Action::FirstLogin(first) => Some((step.node.clone(), first.begun)),
        _ => None,
    });
    let options = fleet::Options { first_logins: first_logins.collect(), ..run.fleet_options() };
    let begun = Instant::now();
    let see = |node, session| run.see(node, session, true);
    let seen = fleet::connect_each(&nodes, &options, Arc::clone(&run.sink), see).await;
    let seen = seen.map_err(|error| Fault::new("agents", error))?;
    let mut accounts = Accounts::new();
    for (node, seen, at) in seen {
        let (phase, step) = (plan::PhaseName::FirstLogin, places[&node]);
        let time = at.saturating_duration_since(begun);
        let account = match seen {
            Ok((session, host)) => {
                let owed = session.password_owed().cloned();
                observation.sessions.insert(node.clone(), session);
                observation.hosts.insert(node.clone(), host);
                if let Some(fault) = owed {
                    (run.sink)(Event::StepFailed { node: node.clone(), phase, step, fault: fault.clone() });
                    observation.owed.insert(node, fault);
                    continue;
                }
                let ms = millis(time);
                (run.sink)(Event::StepDone {
                    node: node.clone(),
                    phase,
                    step,
                    ms,
                    receipt: None,
                    swarm: None,
                });
                done(time)
            }
            Err(missed) => {
                let fault = missed.fault(&node);
                (run.sink)(Event::StepFailed { node: node.clone(), phase, step, fault: fault.clone() });
                Account { time, fault: Some(fault), ..Account::default() }
            }
        };
        accounts.insert(node, account);
    }
    (run.sink)(Event::PhaseDone { phase: plan::PhaseName::FirstLogin, ms: millis(begun.elapsed()) });
    Ok(accounts)
}

fn done(time: Duration) -> Account {
    Account { changed: 1, time, ..Account::default() }
}
