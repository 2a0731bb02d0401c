//! The reader of a run's events, shared by all who send some and by whoever has a question for the user.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::audit;
use crate::event::Event;
use crate::report::{Reporter, Status};

/// The reader of a run's events. It keeps still while the user is asked something: the events wait then, but who sends
/// them does not, lest the other hosts' connections run into their timeouts.
#[derive(Clone)]
pub(super) struct SharedReporter(Arc<Inner>);

struct Inner {
    reporter: Mutex<Box<dyn Reporter + Send>>,
    waiting: Mutex<VecDeque<Event>>,
}

impl SharedReporter {
    pub(super) fn new(reporter: Box<dyn Reporter + Send>) -> Self {
        Self(Arc::new(Inner { reporter: Mutex::new(reporter), waiting: Mutex::default() }))
    }

    /// Hands an event to the reader, at once or after the question that the user is asked.
    pub(super) fn event(&self, event: Event) {
        self.waiting().push_back(event);
        self.catch_up();
    }

    /// Shows `status` in the end.
    pub(super) fn status(&self, status: &Status) {
        self.lock().status(status);
    }

    /// Shows what an audit found, in the end.
    pub(super) fn audit(&self, report: &audit::Report, since: Option<&audit::Changes>) {
        self.lock().audit(report, since);
    }

    /// Calls `ask`, which may write to the terminal and read from it, while nothing is shown: one question at a time.
    pub(super) fn pause<T>(&self, ask: impl FnOnce() -> T) -> Option<T> {
        let (mut ask, mut answer) = (Some(ask), None);
        self.lock().pause(&mut || answer = ask.take().map(|ask| ask()));
        self.catch_up();
        answer
    }

    /// Shows what waits, unless somebody else is about to.
    fn catch_up(&self) {
        // Looked at again after the lock is given back: who sent in between found it taken.
        while !self.waiting().is_empty() {
            let mut reporter = match self.0.reporter.try_lock() {
                Ok(reporter) => reporter,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            while let Some(event) = self.next() {
                reporter.event(&event);
            }
        }
    }

    fn next(&self) -> Option<Event> {
        self.waiting().pop_front()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Reporter + Send>> {
        self.0.reporter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::model::NodeName;

    /// Notes the nodes of the events that it is shown.
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Reporter for Notes {
        fn event(&mut self, event: &Event) {
            if let Event::Connecting { node } = event {
                self.0.lock().unwrap().push(node.0.clone());
            }
        }

        fn status(&mut self, _: &Status) {}

        fn audit(&mut self, _: &audit::Report, _: Option<&audit::Changes>) {}
    }

    #[test]
    fn who_sends_an_event_during_a_question_does_not_wait_and_the_event_is_shown_after_it() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = SharedReporter::new(Box::new(Notes(Arc::clone(&seen))));
        let send = |name: &str| shared.event(Event::Connecting { node: NodeName::from(name) });
        send("before");
        let during = shared.pause(|| {
            send("meanwhile");
            send("too");
            seen.lock().unwrap().clone()
        });
        assert_eq!(during.unwrap(), ["before"]);
        send("after");
        assert_eq!(*seen.lock().unwrap(), ["before", "meanwhile", "too", "after"]);
    }
}
