//! Sessions on jump hosts: one on each, however many hosts are behind it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::connect::connect;
use super::error::ConnectError;
use super::session::Session;
use super::target::{Options, Target};

/// How long a failure holds for those who ask next: hosts behind a jump host that is off need not each wait for
/// it, and shorter than the pause before a host is tried again.
const FAILURE_HOLDS: Duration = Duration::from_millis(400);
/// The same for a login that was refused: servers take offence at guesses, and nothing will have changed.
const REFUSAL_HOLDS: Duration = Duration::from_secs(60);

/// What came of a connection to a jump host, and when.
type Outcome = (Result<Arc<Session>, Arc<ConnectError>>, Instant);

/// A connection to a jump host that is being made or has been made.
#[derive(Clone)]
struct Dial(Shared<BoxFuture<'static, Outcome>>);

/// The sessions on jump hosts. Each lives as long as this value or anything behind it.
#[derive(Default)]
pub struct Jumps(Mutex<Vec<(Arc<Target>, Dial)>>);

impl Jumps {
    /// The session on the jump host `hop`, opened unless it is.
    pub(super) async fn session(
        &self,
        hop: &Arc<Target>,
        options: &Options,
    ) -> Result<Arc<Session>, Arc<ConnectError>> {
        let dial = self.dial(hop, options);
        dial.0.await.0
    }

    fn dial(&self, hop: &Arc<Target>, options: &Options) -> Dial {
        let mut dials = self.lock();
        if let Some((_, dial)) = dials.iter().find(|(known, _)| known.same_login(hop))
            && dial.is_good()
        {
            return dial.clone();
        }
        dials.retain(|(known, _)| !known.same_login(hop));
        let dial = Dial(open(Arc::clone(hop), options.clone()).shared());
        dials.push((Arc::clone(hop), dial.clone()));
        dial
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Arc<Target>, Dial)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dial {
    /// Whether its outcome, or the one to come, still holds.
    fn is_good(&self) -> bool {
        match self.0.peek() {
            None => true,
            Some((Ok(session), _)) => !session.is_closed(),
            Some((Err(error), at)) if error.is_transient() => at.elapsed() < FAILURE_HOLDS,
            Some((Err(_), at)) => at.elapsed() < REFUSAL_HOLDS,
        }
    }
}

/// One try: each host behind it has a time of its own to try again.
fn open(hop: Arc<Target>, options: Options) -> BoxFuture<'static, Outcome> {
    let options = Options { retry_for: Duration::ZERO, on_retry: None, ..options };
    async move {
        let opened = connect(&hop, &options).await;
        (opened.map(Arc::new).map_err(Arc::new), Instant::now())
    }
    .boxed()
}
