//! Questions that an audit asks agents besides what it looks at.

use std::time::Duration;

use tokio::time::timeout;

use crate::fleet::HostSession;
use crate::wire::{Answer, Body};

/// Asks an agent, which is given up after `patience`.
pub(super) async fn ask(agent: &HostSession, body: Body, patience: Duration) -> Result<Answer, String> {
    match timeout(patience, agent.request(body, |_| ())).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{} does not answer any more", agent.node())),
    }
}

/// Why an answer is not the one that was wanted.
pub(super) fn why(answer: Result<Answer, String>) -> String {
    match answer {
        Err(why) => why,
        Ok(Answer::Fault(fault)) => fault.to_string(),
        Ok(_) => "its agent answers something else".to_owned(),
    }
}
