//! The user's wish to stop.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::event::{Event, Sink};

/// The user's wish to stop; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Whether no further step should begin.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it is asked.
    pub async fn asked(&self) {
        // The sender lives as long as this does, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }

    /// Listens for Ctrl-C and SIGTERM. The first asks to stop: steps in hand are finished, none begun. The second
    /// ends the process at once with `code`; the agents still finish the step in hand on their own.
    pub fn on_signals(&self, sink: Sink, code: i32) {
        let stop = self.clone();
        let Ok(mut signals) = Signals::new() else { return };
        tokio::spawn(async move {
            loop {
                signals.next().await;
                if stop.is_asked() {
                    std::process::exit(code);
                }
                stop.ask();
                sink(Event::Stopping);
            }
        });
    }
}

/// The signals that ask to stop. Listened to from the first on, so that a second one soon after it is not lost.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}
