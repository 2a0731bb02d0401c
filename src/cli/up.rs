//! `skep up`: makes the hosts what the inventory says.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::args::{Changing, Common};
use super::end::End;
use super::failure::Failure;
use super::inputs::{choices, load};
use super::run::{Observation, Run};
use super::{ask, exit, first_login};
use crate::apply::{self, Accounts, Means};
use crate::event::Event;
use crate::inventory::model::{Inventory, NodeName, WhenDue};
use crate::plan::{self, Choices, Finding, Plan};
use crate::swarm::health::Health;
use crate::swarm::membership::{self, Membership};

/// How long the swarm may take to notice what was done to it.
const SETTLE: Duration = Duration::from_secs(60);

/// How long a plan waits for a swarm that something just happened to: managers elect a leader within seconds, and a
/// new leader hears of each node at its next heartbeat, five seconds later at most.
const COME_TO_REST: Duration = Duration::from_secs(20);

pub(super) async fn run(common: &Common, arguments: Changing) -> Result<u8, Failure> {
    let inventory = load(common)?;
    bring_up(common, &inventory, choices(common, &arguments)).await
}

/// The whole way: connect and observe, plan, ask, apply, verify.
pub(super) async fn bring_up(
    common: &Common,
    inventory: &Inventory,
    choices: Choices,
) -> Result<u8, Failure> {
    let mut run = Run::begin(common, inventory, choices, "up", true)?;
    let mut observation = run.observe(true).await?;
    let code = carry_out(&mut run, &mut observation).await;
    run.leave(&observation.sessions).await;
    Ok(code)
}

/// Asks about reboots that are due, where the inventory says so; before the plan, which is made accordingly.
fn may_reboot(run: &Run<'_>, observation: &Observation) -> bool {
    if observation.busy || run.choices.reboot || run.inventory.boot.reboot != WhenDue::Ask {
        return false;
    }
    let due: Vec<_> = plan::reboots_due(&run.view(observation)).into_keys().map(|node| node.0).collect();
    !due.is_empty() && ask::reboots(run, &due)
}

/// Plan, ask, apply, verify, with the run locks held.
async fn carry_out(run: &mut Run<'_>, observation: &mut Observation) -> u8 {
    let mut accounts = Accounts::new();
    if observation.busy {
        return finish(run, observation, &accounts, &[], Some(exit::REFUSED));
    }
    match first_login::take_in(run, observation).await {
        Ok(taken_in) => {
            // That takes minutes, in which the others go on.
            if !taken_in.is_empty() {
                run.look_again(observation).await;
            }
            apply::add(&mut accounts, taken_in);
        }
        Err(code) => return finish(run, observation, &accounts, &[], Some(code)),
    }
    if let ControlFlow::Break(code) = repair_clones(run, observation, &mut accounts).await {
        return finish(run, observation, &accounts, &[], code);
    }
    run.choices.reboot |= may_reboot(run, observation);
    let run = &*run;
    let mut next = Some(plan_at_rest(run, observation).await);
    while let Some(plan) = next {
        (run.sink)(Event::Planned { plan: plan.clone() });
        if !plan.refusals.is_empty() {
            return finish(run, observation, &accounts, &[], Some(exit::REFUSED));
        }
        if run.stop.is_asked() || (!plan.is_empty() && !ask::go_ahead(run, "Do this?")) {
            return finish(run, observation, &accounts, &[], Some(exit::FAILED));
        }
        apply::add(&mut accounts, execute(run, &plan, observation).await);
        next = follow_up(run, &plan, &accounts, observation).await;
    }
    let findings = verify(run, &accounts, observation, amiss).await;
    finish(run, observation, &accounts, &findings, None)
}

/// Gives hosts that were copied from one card what each must have for itself, where the user asked for it: the rest can
/// only be planned for hosts that can be told apart. The exit code, if there is one yet, where the run ends here.
async fn repair_clones(
    run: &Run<'_>,
    observation: &mut Observation,
    accounts: &mut Accounts,
) -> ControlFlow<Option<u8>> {
    let plan = plan::repairs(&run.view(observation));
    if plan.is_empty() {
        return ControlFlow::Continue(());
    }
    (run.sink)(Event::Planned { plan: plan.clone() });
    if !plan.refusals.is_empty() {
        return ControlFlow::Break(Some(exit::REFUSED));
    }
    if run.stop.is_asked() || !ask::go_ahead(run, "Do this first?") {
        return ControlFlow::Break(Some(exit::FAILED));
    }
    let repaired = execute(run, &plan, observation).await;
    // First logins that failed are no reason to leave the others as they are.
    let over = apply::any_failed(&repaired) || run.stop.is_asked();
    apply::add(accounts, repaired);
    if over {
        return ControlFlow::Break(None);
    }
    run.look_again(observation).await;
    ControlFlow::Continue(())
}

/// Executes a plan.
pub(super) async fn execute(run: &Run<'_>, plan: &Plan, observation: &Observation) -> Accounts {
    let view = run.view(observation);
    let means = Means {
        sessions: &observation.sessions,
        swarm: membership::ours(&view),
        run: run.id(),
        forks: usize::from(run.common.forks),
        sink: &run.sink,
        stop: &run.stop,
    };
    apply::execute(plan, means).await
}

/// What could not be planned before: what a stopped engine holds shows only once it runs.
async fn follow_up(
    run: &Run<'_>,
    done: &Plan,
    accounts: &Accounts,
    observation: &mut Observation,
) -> Option<Plan> {
    let over = apply::any_failed(accounts) || run.stop.is_asked();
    if over || done.is_empty() || done.problems.is_empty() {
        return None;
    }
    run.look_again(observation).await;
    let plan = plan_at_rest(run, observation).await;
    (!plan.is_empty() && plan.problems != done.problems).then_some(plan)
}

/// A plan for what was seen. Where something stands in its way while the swarm is not at rest, such as after a run
/// that was killed, everything is looked at again for a while.
async fn plan_at_rest(run: &Run<'_>, observation: &mut Observation) -> Plan {
    let deadline = Instant::now() + COME_TO_REST;
    let mut told = false;
    loop {
        let view = run.view(observation);
        let plan = plan::make(&view);
        if plan.problems.is_empty() && plan.refusals.is_empty() {
            return plan;
        }
        let restless = Membership::read(&view).restless();
        if restless.is_empty() || run.stop.is_asked() || Instant::now() > deadline {
            return plan;
        }
        for node in restless.into_iter().filter(|_| !told) {
            (run.sink)(Event::Retrying { node, cause: "its swarm is not at rest yet".to_owned() });
        }
        told = true;
        tokio::time::sleep(Duration::from_secs(1)).await;
        run.look_again(observation).await;
    }
}

pub(super) fn finish(
    run: &Run<'_>,
    observation: &Observation,
    accounts: &Accounts,
    findings: &[Finding],
    code: Option<u8>,
) -> u8 {
    run.finish(&End { unreachable: &observation.unreachable, accounts, findings, code })
}

/// Looks at everything once more after changes, until the swarm has settled; what is then not as planned.
pub(super) async fn verify(
    run: &Run<'_>,
    accounts: &Accounts,
    observation: &mut Observation,
    amiss: impl Fn(&Run<'_>, &Accounts, &Observation) -> Amiss,
) -> Vec<Finding> {
    if run.stop.is_asked() {
        return Vec::new();
    }
    let changed = !accounts.is_empty();
    let deadline = Instant::now() + SETTLE;
    let mut pause = Duration::from_millis(250);
    let findings = loop {
        if changed {
            run.look_again(observation).await;
        }
        let amiss = amiss(run, accounts, observation);
        if amiss.passing.is_empty() || !changed || Instant::now() + pause > deadline {
            break amiss;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(4));
    };
    // What cannot be done was told with the plan, and a node that failed is told of in the end.
    let untold = !apply::any_failed(accounts) && findings.lasting.is_empty();
    if untold || !findings.passing.is_empty() {
        (run.sink)(Event::Verified { findings: findings.passing.clone() });
    }
    [findings.lasting, findings.passing].concat()
}

/// What is not as planned.
pub(super) struct Amiss {
    /// What no waiting mends.
    pub(super) lasting: Vec<Finding>,
    /// What the swarm may still be about to settle.
    pub(super) passing: Vec<Finding>,
}

/// What is not as planned, of the nodes that were reached and did not fail: those have been told of already.
fn amiss(run: &Run<'_>, accounts: &Accounts, observation: &Observation) -> Amiss {
    let view = run.view(observation);
    let left = plan::make(&view);
    // Hooks go with what is left to do, and are nothing that a node lacks.
    let undone = left.steps().filter(|(_, step)| !step.action.is_hook()).map(|(phase, step)| Finding {
        nodes: vec![step.node.clone()],
        message: format!("{} still lacks, in {phase}: {}", step.node, step.action.describe().title),
        help: "run `skep plan` to see it whole".to_owned(),
    });
    let told_of = |node: &NodeName| {
        observation.unreachable.contains_key(node)
            || !run.choices.includes(node)
            || accounts.get(node).is_some_and(|account| account.fault.is_some())
    };
    // What the swarm as a whole falls short of is no wonder while nodes are left out.
    let all_there = observation.unreachable.is_empty() && run.choices.limit.is_none();
    let told = |finding: &Finding| match finding.nodes.as_slice() {
        [] => !all_there,
        nodes => nodes.iter().all(told_of),
    };
    // Where a node failed, the swarm cannot be whole, and everybody knows why.
    let health = if apply::any_failed(accounts) { Vec::new() } else { Health::of(&view).findings(&view) };
    let lasting = left.problems.iter().chain(&left.refusals).cloned();
    let passing = undone.chain(health).filter(|finding| !told(finding));
    let lasting = lasting.chain(plan::passwords_owed(&view));
    Amiss { lasting: lasting.collect(), passing: passing.collect() }
}
