//! How long engines are waited for.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Error;

/// How long engines are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the answer to one request. The engine itself gives up on a join after 20 s.
    pub request: Duration,
    /// For a join that goes on in the background.
    pub join: Duration,
    /// For an engine to begin with what was asked of it over a connection that was lost.
    pub begin: Duration,
    /// For the managers to agree on a change: a new leader, a role taken up.
    pub settle: Duration,
    /// For the tasks of a node to end; Docker gives each 10 s unless its service says otherwise.
    pub drain: Duration,
    /// Between two looks in a long wait. Most are short, so that the first pause is a tenth of it, and each one after that is
    /// twice as long as the one before.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(60),
            join: Duration::from_secs(120),
            begin: Duration::from_secs(3),
            settle: Duration::from_secs(60),
            drain: Duration::from_secs(300),
            pause: Duration::from_millis(250),
        }
    }
}

impl Patience {
    /// Waits for the answer to one request, its body included.
    pub(super) async fn request<T>(
        &self,
        doing: &'static str,
        request: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        match timeout(self.request, request).await {
            Ok(answer) => answer.map_err(|error| Error::from_api(doing, error)),
            Err(_) => Err(Error::Timeout { doing, after: self.request }),
        }
    }

    /// Looks until there is something to see. A broken relay may come back, so it is looked again.
    pub(super) async fn poll<T>(
        &self,
        doing: &'static str,
        limit: Duration,
        look: impl AsyncFn() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        self.look(doing, limit, look, Error::is_relay).await
    }

    /// The same, also while the managers have yet to agree.
    pub(super) async fn poll_through<T>(
        &self,
        doing: &'static str,
        limit: Duration,
        look: impl AsyncFn() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        self.look(doing, limit, look, |error| error.is_relay() || error.is_unsettled()).await
    }

    async fn look<T>(
        &self,
        doing: &'static str,
        limit: Duration,
        look: impl AsyncFn() -> Result<Option<T>, Error>,
        passes: impl Fn(&Error) -> bool,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + limit;
        let mut pause = self.pause / 10;
        loop {
            let last = match look().await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) => Error::Timeout { doing, after: limit },
                Err(error) if passes(&error) => error,
                Err(error) => return Err(error),
            };
            if Instant::now() + pause > deadline {
                return Err(last);
            }
            sleep(pause).await;
            pause = self.pause.min(pause * 2);
        }
    }
}
