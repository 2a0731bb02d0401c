//! The user's wish to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::event::{Event, Sink};

/// The user's wish to stop; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether no further step should begin.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Listens for Ctrl-C and SIGTERM. The first asks to stop: steps in hand are finished, none begun. The second
    /// ends the process at once; the agents still finish the step in hand on their own.
    pub fn on_signals(&self, sink: Sink) {
        let stop = self.clone();
        tokio::spawn(async move {
            while signalled().await {
                if stop.is_asked() {
                    std::process::exit(130);
                }
                stop.ask();
                sink(Event::Stopping);
            }
        });
    }
}

/// Waits for a signal that asks to stop; false where none can be heard.
async fn signalled() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return false;
    };
    tokio::select! {
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    }
}
