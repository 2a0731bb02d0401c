//! Questions to the user, on a terminal only.

use std::io::IsTerminal;
use std::sync::Arc;

use dialoguer::Confirm;

use super::args::Common;
use super::exit;
use super::failure::Failure;
use super::hidden::read_line;
use super::run::Run;
use super::shared::SharedReporter;
use crate::resource::Fault;
use crate::ssh::{AskHostKey, AskSecret, Question, UnknownKey};

/// Asks before something is done; with `--yes` it is not asked. Says so where the answer is no, or where nobody can be
/// asked.
pub(super) fn go_ahead(run: &Run<'_>, question: &str) -> bool {
    if run.common.yes {
        return true;
    }
    let printer = run.common.printer();
    if !can_ask(run.common) {
        nobody().print(&printer);
        return false;
    }
    let yes = confirm(&run.reporter, question);
    if !yes {
        printer.note("nothing was changed");
    }
    yes
}

/// Asks whether nodes are rebooted; no where nobody can be asked, and where `--yes` means what is planned without.
pub(super) fn reboots(run: &Run<'_>, nodes: &[String]) -> bool {
    let question = format!(
        "{} must be rebooted before memory limits hold there. Plan that too, one node after another?",
        nodes.join(", ")
    );
    !run.common.yes && can_ask(run.common) && confirm(&run.reporter, &question)
}

/// Asks where no live lines are shown.
///
/// # Errors
/// Where nobody can be asked.
pub(super) fn plainly(common: &Common, question: &str) -> Result<bool, Failure> {
    if common.yes {
        return Ok(true);
    }
    if !can_ask(common) {
        return Err(nobody());
    }
    Ok(prompt(question))
}

/// No answer is a no.
fn prompt(question: &str) -> bool {
    Confirm::new().with_prompt(question).default(false).interact().unwrap_or(false)
}

fn nobody() -> Failure {
    Failure::new(exit::FAILED, "nobody to ask here, so nothing was changed")
        .help("say `--yes` to go ahead without")
}

/// Asks while the live lines keep still.
fn confirm(reporter: &SharedReporter, question: &str) -> bool {
    reporter.pause(|| prompt(question)).unwrap_or(false)
}

fn can_ask(common: &Common) -> bool {
    // Nobody says yes to a plan that is not shown.
    !common.json && !common.quiet && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks about the keys of hosts that known_hosts does not list; none where nobody can be asked.
///
/// The reporter sees to it that it is one question at a time, however many hosts are connected to at once.
pub(super) fn host_key(common: &Common, reporter: &SharedReporter) -> Option<AskHostKey> {
    let reporter = reporter.clone();
    let ask: AskHostKey = Arc::new(move |key: UnknownKey| {
        let reporter = reporter.clone();
        let asked = tokio::task::spawn_blocking(move || confirm(&reporter, &question(&key)));
        Box::pin(async move { asked.await.unwrap_or(false) })
    });
    can_ask(common).then_some(ask)
}

/// Asks for passphrases, passwords and codes; none where nobody can be asked.
///
/// One at a time, as [`host_key`], whose questions these take turns with.
pub(super) fn secret(common: &Common, reporter: &SharedReporter) -> Option<AskSecret> {
    let reporter = reporter.clone();
    let ask: AskSecret = Arc::new(move |Question { prompt, echo }| {
        let reporter = reporter.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let read = || read_line(&std::io::stdin(), &mut std::io::stderr(), &prompt, echo);
            // A terminal that cannot be read has no answer to give.
            reporter.pause(read)?.ok()?
        });
        Box::pin(async move { asked.await.ok().flatten() })
    });
    can_ask(common).then_some(ask)
}

/// Asks whether a run lock is taken from a run that is silent; no where nobody can be asked.
pub(super) async fn take_over(common: &Common, reporter: &SharedReporter, held: &Fault) -> bool {
    if !can_ask(common) {
        return false;
    }
    let reporter = reporter.clone();
    let question = format!("{held}\nTake over, once its step in hand is finished?");
    tokio::task::spawn_blocking(move || confirm(&reporter, &question)).await.unwrap_or(false)
}

fn question(key: &UnknownKey) -> String {
    let UnknownKey { node, host, algorithm, fingerprint, known_hosts, certificate, .. } = key;
    let certificate = certificate.as_ref().map(|why| format!("\n{why}")).unwrap_or_default();
    format!(
        "{node} ({host}) has an {algorithm} key that {} does not list: {fingerprint}{certificate}\nTrust it from now on?",
        known_hosts.display()
    )
}
