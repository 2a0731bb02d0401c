//! Commands of a first login, none of which may take for ever: a card that is worn out keeps one waiting, and skep with it.

use std::time::Duration;

use tokio::time::timeout;

use crate::ssh::{ExecError, Output, Session};

/// How long a command may take.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// Runs a command to its end; `what` names it.
pub(super) async fn run(
    session: &Session,
    what: &str,
    command: &str,
    input: &[u8],
) -> Result<Output, ExecError> {
    within(LIMIT, session.node(), what, session.run(command, input)).await
}

/// What comes of `work`, which is given up once it has taken that long.
pub(super) async fn within<T, E: From<ExecError>>(
    limit: Duration,
    node: &str,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let unended = || ExecError::Unended { node: node.to_owned(), what: what.to_owned(), limit };
    timeout(limit, work).await.unwrap_or_else(|_| Err(unended().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_hangs_is_named() {
        let limit = Duration::from_millis(1);
        let hung = within::<(), ExecError>(limit, "n1", "`passwd`", std::future::pending()).await;
        let words = hung.unwrap_err().to_string();
        assert!(words.starts_with("n1: `passwd` has not ended within 0 s; "), "{words}");
        let done = within::<_, ExecError>(LIMIT, "n1", "`passwd`", async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
    }
}
