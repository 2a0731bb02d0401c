//! Questions to the user, on a terminal only.

use std::io::IsTerminal;
use std::sync::Arc;

use dialoguer::Confirm;

use super::args::Common;
use super::context::Failure;
use super::exit;
use crate::ssh::{AskHostKey, UnknownKey};

/// Asks before something is done; with `--yes` it is not asked.
///
/// # Errors
/// Where nobody can be asked.
pub(super) fn go_ahead(common: &Common, question: &str) -> Result<bool, Failure> {
    if common.yes {
        return Ok(true);
    }
    if !can_ask(common) {
        return Err(Failure::new(exit::USAGE, "nobody to ask here: say `--yes` to go ahead"));
    }
    Ok(Confirm::new().with_prompt(question).default(false).interact().unwrap_or(false))
}

fn can_ask(common: &Common) -> bool {
    !common.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks about the keys of hosts that known_hosts does not list; none where nobody can be asked.
pub(super) fn host_key(common: &Common) -> Option<AskHostKey> {
    // One question at a time, however many hosts are connected to at once.
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    let ask = move |key: UnknownKey| {
        let turn = Arc::clone(&turn);
        Box::pin(async move {
            let _turn = turn.lock().await;
            tokio::task::spawn_blocking(move || trust(&key)).await.unwrap_or(false)
        }) as _
    };
    can_ask(common).then(|| Arc::new(ask) as AskHostKey)
}

fn trust(key: &UnknownKey) -> bool {
    let UnknownKey { node, host, algorithm, fingerprint, known_hosts, .. } = key;
    let question = format!(
        "{node} ({host}) has an {algorithm} key that {} does not list: {fingerprint}\nTrust it from now on?",
        known_hosts.display()
    );
    Confirm::new().with_prompt(question).default(false).interact().unwrap_or(false)
}
