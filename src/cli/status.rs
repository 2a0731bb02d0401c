//! `skep status`: the cluster as it is.

use super::args::Common;
use super::end::End;
use super::exit;
use super::failure::Failure;
use super::inputs::{choices, load};
use super::run::Run;
use crate::apply::Accounts;
use crate::report::Status;
use crate::swarm::health::Health;

pub(super) async fn run(common: &Common) -> Result<u8, Failure> {
    let inventory = load(common)?;
    let run = Run::begin(common, &inventory, choices(common, &Default::default()), "status", false)?;
    let observation = run.observe(false).await?;
    let view = run.view(&observation);
    let health = Health::of(&view);
    let findings = health.findings(&view);
    let status = Status::new(health, observation.unreachable.clone(), findings);
    run.reporter.status(&status);
    let code = match () {
        () if !observation.unreachable.is_empty() => exit::UNREACHABLE,
        () if !status.findings.is_empty() => exit::FAILED,
        () => exit::OK,
    };
    let (unreachable, accounts) = (&observation.unreachable, &Accounts::new());
    let end = End { unreachable, accounts, findings: &[], code: Some(code) };
    Ok(run.finish(&end))
}
