//! What only the user knows: passphrases, passwords, one-time codes. Asked while the server's patience stands still.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::{Instant, sleep_until};

/// A question that only the user can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What to show before the answer: printable, with the space that parts it from the answer.
    pub prompt: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// How the user is asked for a secret. No answer: the user has none to give, or asked to stop.
///
/// Many hosts may ask at once; who asks on a terminal puts the questions in a row.
pub type AskSecret = Arc<dyn Fn(Question) -> BoxFuture<'static, Option<SecretString>> + Send + Sync>;

/// The one who may be asked, if anybody, during one login.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) ask: Option<&'a AskSecret>,
    pub(crate) patience: &'a Patience,
}

impl Asker<'_> {
    /// The answer; none where nobody is there to ask, or no answer is given.
    pub(crate) async fn ask(self, question: Question) -> Option<SecretString> {
        let ask = self.ask?;
        self.patience.pause(ask(question)).await
    }
}

/// How long a server may take over a login. The time in which the user is asked does not count.
pub(crate) struct Patience(Mutex<Left>);

struct Left {
    deadline: Instant,
    paused: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Mutex::new(Left { deadline: Instant::now() + limit, paused: None }))
    }

    /// Waits for `future`; none where the patience ends first.
    pub(crate) async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                output = &mut future => return Some(output),
                // It may have moved in the meantime.
                () = sleep_until(deadline) => if self.deadline() <= Instant::now() { return None },
            }
        }
    }

    /// Waits for `future` while the time stands still.
    pub(crate) async fn pause<F: Future>(&self, future: F) -> F::Output {
        self.left(|left| left.paused = Some(Instant::now()));
        let output = future.await;
        self.left(|left| {
            left.deadline += left.paused.take().map_or(Duration::ZERO, |since| since.elapsed());
        });
        output
    }

    fn deadline(&self) -> Instant {
        self.left(|left| left.deadline + left.paused.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn left<T>(&self, with: impl FnOnce(&mut Left) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test]
    async fn the_time_in_which_the_user_is_asked_does_not_count() {
        let patience = Patience::new(Duration::from_millis(50));
        let asked = patience.pause(sleep(Duration::from_millis(200)));
        assert_eq!(patience.limit(asked).await, Some(()));
        assert_eq!(patience.limit(std::future::pending::<()>()).await, None);
    }
}
