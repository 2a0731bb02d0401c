//! `skep up`: makes the hosts what the inventory says.

use std::time::Duration;

use super::args::{Changing, Common};
use super::context::{End, Failure, Observation, Run, choices, load};
use super::{ask, exit};
use crate::apply::{self, Accounts};
use crate::event::Event;
use crate::inventory::model::Inventory;
use crate::plan::{self, Choices, Finding, Plan};
use crate::swarm::health::Health;

/// How long the swarm may take to notice what was done to it.
const SETTLE: Duration = Duration::from_secs(60);

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
    let run = Run::begin(common, inventory, choices, "up", true)?;
    let mut observation = run.observe(true).await?;
    let plan = plan::make(&run.view(&observation));
    (run.sink)(Event::Planned { plan: plan.clone() });

    if !plan.refusals.is_empty() {
        return Ok(finish(&run, &observation, &Accounts::new(), &[], Some(exit::REFUSED)));
    }
    if !plan.is_empty() && !ask::go_ahead(&run, "Do this?")? {
        return Ok(finish(&run, &observation, &Accounts::new(), &[], Some(exit::OK)));
    }
    let forks = usize::from(common.forks);
    let accounts = apply::execute(&plan, &observation.sessions, forks, &run.sink, &run.stop).await;
    let findings = verify(&run, &plan, &accounts, &mut observation).await;
    Ok(finish(&run, &observation, &accounts, &[plan.problems, findings].concat(), None))
}

fn finish(
    run: &Run<'_>,
    observation: &Observation,
    accounts: &Accounts,
    findings: &[Finding],
    code: Option<u8>,
) -> u8 {
    run.finish(&End { unreachable: &observation.unreachable, accounts, findings, code })
}

/// Looks at everything once more after changes, until the swarm has settled; what is then not as planned.
async fn verify(
    run: &Run<'_>,
    plan: &Plan,
    accounts: &Accounts,
    observation: &mut Observation,
) -> Vec<Finding> {
    if run.stop.is_asked() {
        return Vec::new();
    }
    let deadline = tokio::time::Instant::now() + SETTLE;
    let mut pause = Duration::from_millis(250);
    let findings = loop {
        if !plan.is_empty() {
            run.look_again(observation).await;
        }
        let findings = amiss(run, accounts, observation);
        if findings.is_empty() || plan.is_empty() || tokio::time::Instant::now() + pause > deadline {
            break findings;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(4));
    };
    (run.sink)(Event::Verified { findings: findings.clone() });
    findings
}

/// What is not as planned, of the nodes that were reached and did not fail: those have been told of already.
fn amiss(run: &Run<'_>, accounts: &Accounts, observation: &Observation) -> Vec<Finding> {
    let view = run.view(observation);
    let left = plan::make(&view);
    let undone = left.steps().map(|(phase, step)| Finding {
        nodes: vec![step.node.clone()],
        message: format!("{} still lacks, in {phase}: {}", step.node, step.action.describe().title),
        help: "run `skep plan` to see it whole".to_owned(),
    });
    let health = Health::of(&view).findings(&view);
    let excused = |finding: &Finding| {
        !finding.nodes.is_empty()
            && finding.nodes.iter().all(|node| {
                observation.unreachable.contains_key(node)
                    || !run.choices.includes(node)
                    || accounts.get(node).is_some_and(|account| account.fault.is_some())
            })
    };
    undone.chain(health).filter(|finding| !excused(finding)).collect()
}
