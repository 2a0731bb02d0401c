//! `skep undo`: puts back what a past run changed.

use super::args::{Common, Undo};
use super::failure::Failure;
use super::inputs::{choices, load};
use super::run::{Observation, Run};
use super::up::{Amiss, execute, finish, verify};
use super::{ask, exit, runs};
use crate::apply::{Accounts, Record, find, holdings, list, state_dir};
use crate::event::Event;
use crate::inventory::model::Inventory;
use crate::plan::undo::{self, Deeds};
use crate::plan::{Finding, Plan};
use crate::swarm::Holdings;
use crate::swarm::membership::Membership;

pub(super) async fn run(common: &Common, arguments: &Undo) -> Result<u8, Failure> {
    let record = sought(&arguments.run)?;
    let inventory = load(common)?;
    check(&record, &inventory)?;
    let deeds = record.deeds();
    let run =
        Run::undoing(common, &inventory, choices(common, &Default::default()), &deeds, !arguments.plan)?;
    let mut observation = run.observe(!arguments.plan).await?;
    let code = carry_out(&run, &deeds, &mut observation, arguments.plan).await;
    run.leave(&observation.sessions).await;
    code
}

/// Plan, ask, put back, verify; with `plan_only` nothing but the first.
async fn carry_out(
    run: &Run<'_>,
    deeds: &Deeds,
    observation: &mut Observation,
    plan_only: bool,
) -> Result<u8, Failure> {
    let mut accounts = Accounts::new();
    if observation.busy {
        return Ok(finish(run, observation, &accounts, &[], Some(exit::REFUSED)));
    }
    let held = held(run, deeds, observation).await?;
    let plan = undo::make(deeds, &run.view(observation), held);
    (run.sink)(Event::Planned { plan: plan.clone() });
    if !plan.refusals.is_empty() {
        return Ok(finish(run, observation, &accounts, &[], Some(exit::REFUSED)));
    }
    if plan_only {
        let code = if observation.unreachable.is_empty() { exit::OK } else { exit::UNREACHABLE };
        return Ok(finish(run, observation, &accounts, &[], Some(code)));
    }
    if run.stop.is_asked() || (!plan.is_empty() && !ask::go_ahead(run, "Put this back?")) {
        return Ok(finish(run, observation, &accounts, &[], Some(exit::FAILED)));
    }
    accounts = execute(run, &plan, observation).await;
    let amiss = |run: &Run<'_>, accounts: &Accounts, observation: &Observation| {
        // What the swarm held was looked at before, and is gone with it.
        left(&undo::make(deeds, &run.view(observation), Holdings::default()), accounts)
    };
    let findings = verify(run, &accounts, observation, amiss).await;
    Ok(finish(run, observation, &accounts, &findings, None))
}

/// The run that is meant. A run that changed nothing is not worth undoing, so `last` passes it over.
fn sought(name: &str) -> Result<Record, Failure> {
    let state = state_dir();
    if name != "last" {
        return runs::read(&find(&state, name)?);
    }
    for id in list(&state)? {
        let record = runs::read(&id)?;
        if record.changes() > 0 {
            return Ok(record);
        }
    }
    Err(Failure::new(exit::USAGE, "there is no past run that changed something")
        .help("`skep runs` lists them"))
}

/// Whether the run is over, and was one of this inventory.
fn check(record: &Record, inventory: &Inventory) -> Result<(), Failure> {
    let id = &record.id;
    if record.alive {
        let message = format!("the run {id} still goes on, so it cannot be undone yet");
        return Err(
            Failure::new(exit::REFUSED, message).help("wait until it has ended, or stop it with Ctrl-C")
        );
    }
    match record.started() {
        Some(Event::Started { cluster, inventory: path, .. })
            if !cluster.is_empty() && *cluster != inventory.name =>
        {
            let message =
                format!("the run {id} was one of the inventory {cluster}, and this is {}", inventory.name);
            Err(Failure::new(exit::USAGE, message)
                .help(format!("run `skep -i {} undo {id}`", path.display())))
        }
        Some(_) => Ok(()),
        None => Err(Failure::new(
            exit::USAGE,
            format!("the journal of {id} has no beginning, so it cannot be undone"),
        )
        .help(format!("`skep runs show {id}` tells what is in it"))),
    }
}

/// What the swarm holds, where the run made it.
async fn held(run: &Run<'_>, deeds: &Deeds, observation: &Observation) -> Result<Holdings, Failure> {
    let membership = Membership::read(&run.view(observation));
    let Some(roster) = membership.ours.filter(|_| deeds.made_a_swarm()) else {
        return Ok(Holdings::default());
    };
    holdings(&observation.sessions, &roster.via).await.map_err(|fault| {
        let failure = Failure::new(exit::FAILED, &fault);
        match &fault.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    })
}

/// What is still to be put back, of the nodes that did not fail: those have been told of already.
fn left(plan: &Plan, accounts: &Accounts) -> Amiss {
    let failed = |finding: &Finding| {
        !finding.nodes.is_empty()
            && finding
                .nodes
                .iter()
                .all(|node| accounts.get(node).is_some_and(|account| account.fault.is_some()))
    };
    let undone = plan.steps().map(|(phase, step)| Finding {
        nodes: vec![step.node.clone()],
        message: format!("{} is not yet as before, in {phase}: {}", step.node, step.action.describe().title),
        help: "run the undo again to carry on".to_owned(),
    });
    let lasting = plan.problems.iter().chain(&plan.refusals).cloned();
    Amiss { lasting: lasting.collect(), passing: undone.filter(|finding| !failed(finding)).collect() }
}
