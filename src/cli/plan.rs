//! `skep plan`: what `up` would change.

use super::args::{Common, Plan as Arguments};
use super::end::End;
use super::exit;
use super::failure::Failure;
use super::inputs::{choices, load};
use super::run::Run;
use crate::apply::Accounts;
use crate::event::Event;
use crate::plan;

pub(super) async fn run(common: &Common, arguments: Arguments) -> Result<u8, Failure> {
    let inventory = load(common)?;
    let run = Run::begin(common, &inventory, choices(common, &arguments.changing), "plan", false)?;
    let observation = run.observe(false).await?;
    let plan = plan::make(&run.view(&observation));
    (run.sink)(Event::Planned { plan: plan.clone() });

    let code = match () {
        () if !plan.refusals.is_empty() => Some(exit::REFUSED),
        () if !observation.unreachable.is_empty() => Some(exit::UNREACHABLE),
        () if arguments.exit_code && !plan.is_empty() => Some(exit::PENDING),
        () => Some(exit::OK),
    };
    let end = End { unreachable: &observation.unreachable, accounts: &Accounts::new(), findings: &[], code };
    Ok(run.finish(&end))
}
