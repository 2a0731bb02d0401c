//! `skep-agent serve`: answers requests in their order until the controller is gone.
//!
//! One thread reads, another works, so that the end of the connection is seen at once: the step in hand is finished,
//! no other is begun, and the run lock is released.

use std::any::Any;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use super::Streams;
use super::lock::{self, Lock, Taken};
use crate::facts::{Facts, clock};
use crate::resource::{self, Change, Fault, Host, Key};
use crate::wire::{Answer, Body, LockOwner, Reply, Request, frame};

/// Serves the controller at the other end of `streams`, with the run lock at `lock`.
///
/// # Errors
/// The streams', and what is no request; the step in hand is finished before.
pub fn serve(mut streams: Streams, host: &Host, lock: &Path) -> io::Result<()> {
    streams.hello()?;
    let (mut input, output) = (streams.input, streams.output);
    let held = Mutex::new(None);
    let mut worker = Worker { host, lock_path: lock.to_owned(), lock: &held, output };
    let gone = AtomicBool::new(false);
    let (sender, requests) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| worker.work(requests, &gone));
        let end = read_all(&mut input, &sender);
        gone.store(true, Ordering::Release);
        if let Some(lock) = own(&held).as_mut() {
            // Whoever comes next waits for the step in hand instead of being turned away.
            let _ = lock.finishing();
        }
        drop((sender, input));
        end
    })
}

fn read_all(input: &mut File, requests: &mpsc::Sender<Request>) -> io::Result<()> {
    while let Some(request) = frame::read(input)? {
        if requests.send(request).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The run lock, where it is held.
type Held = Mutex<Option<Lock>>;

fn own(held: &Held) -> MutexGuard<'_, Option<Lock>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker<'h> {
    host: &'h Host,
    lock_path: PathBuf,
    lock: &'h Held,
    output: File,
}

impl Worker<'_> {
    fn work(&mut self, requests: mpsc::Receiver<Request>, gone: &AtomicBool) {
        for Request { id, body } in requests {
            if gone.load(Ordering::Acquire) {
                return;
            }
            // Where panics abort, as in the profile `agent`, the controller reads the bug from standard error.
            let answer = catch_unwind(AssertUnwindSafe(|| self.answer(id, body)));
            let answer = answer.unwrap_or_else(|panic| Answer::Fault(bug(panic.as_ref())));
            self.send(id, answer);
        }
    }

    fn answer(&mut self, id: u64, body: Body) -> Answer {
        match body {
            Body::Time => Answer::Time { unix_ms: clock::unix_ms() },
            Body::Survey { keys } => survey(&keys, self.host),
            Body::Lock { owner } => self.take_lock(&owner),
            Body::Apply { change } => self.apply(id, &change),
            Body::Unlock => {
                *own(self.lock) = None;
                Answer::Unlocked
            }
        }
    }

    fn take_lock(&mut self, owner: &LockOwner) -> Answer {
        let mut held = own(self.lock);
        let taken = match held.as_mut() {
            Some(lock) => lock.name(owner).map(|()| Answer::Locked),
            None => lock::take(&self.lock_path, owner).map(|taken| match taken {
                Taken::Ours(lock) => {
                    *held = Some(lock);
                    Answer::Locked
                }
                Taken::Theirs(owner) => Answer::LockHeld(owner),
            }),
        };
        taken.unwrap_or_else(|error| {
            let fault = Fault::new(self.lock_path.display(), &error);
            Answer::Fault(match lock::lacks_privilege(&error) {
                true => fault.help("log in as root, or set `sudo: always` for this node in the inventory"),
                false => fault,
            })
        })
    }

    fn apply(&mut self, id: u64, change: &Change) -> Answer {
        if own(self.lock).is_none() {
            return Answer::Fault(Fault::new(
                self.lock_path.display(),
                "no change is made without the run lock",
            ));
        }
        let host = self.host;
        match change.apply(host, &mut |progress| self.send(id, Answer::Progress(progress))) {
            Ok(receipt) => Answer::Applied(receipt),
            Err(fault) => Answer::Fault(fault),
        }
    }

    /// A controller that has gone hears nothing any more; the step in hand goes on without it, and the reading thread
    /// sees the end as well.
    fn send(&mut self, id: u64, body: Answer) {
        if let Err(error) = frame::write(&mut self.output, &Reply { id, body })
            && error.kind() == io::ErrorKind::InvalidData
        {
            let body = Answer::Fault(Fault::new("the answer", error));
            let _ = frame::write(&mut self.output, &Reply { id, body });
        }
    }
}

fn survey(keys: &[Key], host: &Host) -> Answer {
    thread::scope(|scope| {
        let facts = scope.spawn(|| Facts::read(host));
        let observed = resource::observe(keys, host);
        let facts = facts.join().expect("the readers of facts do not panic");
        Answer::Survey { facts: Box::new(facts), observed: keys.iter().cloned().zip(observed).collect() }
    })
}

fn bug(panic: &(dyn Any + Send)) -> Fault {
    let words =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Fault::new("skep-agent", format!("a bug: {}", words.unwrap_or("no words")))
        .help("report it with the command you ran and what it said")
}

#[cfg(test)]
mod tests;
