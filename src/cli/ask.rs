//! Questions to the user, on a terminal only.

use std::io::IsTerminal;
use std::sync::{Arc, PoisonError};

use console::Term;
use dialoguer::Confirm;
use secrecy::SecretString;

use super::args::Common;
use super::exit;
use super::failure::Failure;
use super::run::{Run, SharedReporter};
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
    let mut yes = false;
    reporter.lock().unwrap_or_else(PoisonError::into_inner).pause(&mut || {
        yes = prompt(question);
    });
    yes
}

fn can_ask(common: &Common) -> bool {
    // Nobody says yes to a plan that is not shown.
    !common.json && !common.quiet && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks about the keys of hosts that known_hosts does not list; none where nobody can be asked.
///
/// The lock on the reporter makes it one question at a time, however many hosts are connected to at once.
pub(super) fn host_key(common: &Common, reporter: &SharedReporter) -> Option<AskHostKey> {
    let reporter = Arc::clone(reporter);
    let ask: AskHostKey = Arc::new(move |key: UnknownKey| {
        let reporter = Arc::clone(&reporter);
        let asked = tokio::task::spawn_blocking(move || confirm(&reporter, &question(&key)));
        Box::pin(async move { asked.await.unwrap_or(false) })
    });
    can_ask(common).then_some(ask)
}

/// Asks whether a run lock is taken from a run that is silent; no where nobody can be asked.
pub(super) async fn take_over(common: &Common, reporter: &SharedReporter, held: &Fault) -> bool {
    if !can_ask(common) {
        return false;
    }
    let reporter = Arc::clone(reporter);
    let question = format!("{held}\nTake over, once its step in hand is finished?");
    tokio::task::spawn_blocking(move || confirm(&reporter, &question)).await.unwrap_or(false)
}

/// Asks for secrets, whose letters are not shown; none where nobody can be asked. One question at a time, as above.
pub(super) fn secret(common: &Common, reporter: &SharedReporter) -> Option<AskSecret> {
    let reporter = Arc::clone(reporter);
    let ask: AskSecret = Arc::new(move |Question { prompt, .. }| {
        let reporter = Arc::clone(&reporter);
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = None;
            reporter.lock().unwrap_or_else(PoisonError::into_inner).pause(&mut || answer = hidden(&prompt));
            answer
        });
        Box::pin(async move { asked.await.ok().flatten() })
    });
    can_ask(common).then_some(ask)
}

/// An empty answer is none.
fn hidden(prompt: &str) -> Option<SecretString> {
    let term = Term::stderr();
    term.write_str(prompt).ok()?;
    let answer = term.read_secure_line().ok();
    answer.filter(|answer| !answer.is_empty()).map(SecretString::from)
}

fn question(key: &UnknownKey) -> String {
    let UnknownKey { node, host, algorithm, fingerprint, known_hosts, certificate, .. } = key;
    let certificate = certificate.as_ref().map(|why| format!("\n{why}")).unwrap_or_default();
    format!(
        "{node} ({host}) has an {algorithm} key that {} does not list: {fingerprint}{certificate}\nTrust it from now on?",
        known_hosts.display()
    )
}
