//! `skep status`: the cluster as it is.

use super::args::Common;
use super::context::{End, Failure, Run, choices, load};
use crate::apply::Accounts;
use crate::report;
use crate::swarm::health::Health;

pub(super) async fn run(common: &Common) -> Result<u8, Failure> {
    let inventory = load(common)?;
    let run = Run::begin(common, &inventory, choices(common, &Default::default()), "status", false)?;
    let observation = run.observe(false).await?;
    let health = Health::read(&inventory, &run.view(&observation).facts());
    let end =
        End { unreachable: &observation.unreachable, accounts: &Accounts::new(), findings: &[], code: None };
    Ok(run.finish(&end))
}
