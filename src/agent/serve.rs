//! `skep-agent serve`: answers requests in their order until the controller is gone.
//!
//! One thread reads, another works, so that the end of the connection is seen at once: the step in hand is finished,
//! no other is begun, and the run lock is released. What became of each step is kept until the next one, for a
//! controller that comes back.

use std::any::Any;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use super::Streams;
use super::exercise::exercise;
use super::lock::{self, Lock, Taken};
use super::outcome;
use super::reach::ear::Ear;
use super::reach::probe;
use crate::facts::inspection::Wanted;
use crate::facts::{Facts, Inspection, clock};
use crate::resource::{self, Change, Fault, Host, Key};
use crate::wire::{Answer, Body, Claim, LockOwner, Outcome, Reply, Request, frame};

/// Serves the controller at the other end of `streams`, with the run lock at `lock`, until that is gone or
/// `told_to_leave` returns.
///
/// # Errors
/// The streams', and what is no request; the step in hand is finished before.
pub fn serve(
    mut streams: Streams,
    host: &Host,
    lock: &Path,
    told_to_leave: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    streams.hello()?;
    let (mut input, output) = (streams.input, streams.output);
    let desk = Desk::default();
    let (sender, messages) = mpsc::channel();
    {
        let (desk, sender) = (desk.clone(), sender.clone());
        thread::spawn(move || {
            told_to_leave();
            desk.leave();
            let _ = sender.send(Message::End(Ok(())));
        });
    }
    let reader = desk.clone();
    thread::spawn(move || {
        let end = read_all(&mut input, &sender, &reader);
        reader.leave();
        drop(input);
        let _ = sender.send(Message::End(end));
    });
    let mut worker = Worker { host, lock_path: lock.to_owned(), desk: desk.clone(), output, ear: None };
    let end = worker.work(messages);
    // The other threads may outlive this one, and the lock must not.
    *desk.lock() = None;
    end
}

/// What the reading thread hands on.
enum Message {
    Request(Box<Request>),
    /// The controller is gone.
    End(io::Result<()>),
}

fn read_all(input: &mut File, sender: &mpsc::Sender<Message>, desk: &Desk) -> io::Result<()> {
    while let Some(request) = frame::read(input)? {
        if let Some(lock) = desk.lock().as_mut() {
            let _ = lock.heard();
        }
        if sender.send(Message::Request(Box::new(request))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What the threads share.
#[derive(Clone, Default)]
struct Desk {
    /// The run lock, where it is held.
    held: Arc<Mutex<Option<Lock>>>,
    /// Whether no other request is to be begun.
    gone: Arc<AtomicBool>,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Option<Lock>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        if let Some(lock) = self.lock().as_mut() {
            // Whoever comes next waits for the step in hand instead of being turned away.
            let _ = lock.finishing();
        }
    }
}

struct Worker<'h> {
    host: &'h Host,
    lock_path: PathBuf,
    desk: Desk,
    output: File,
    /// What listens for other hosts, while it does.
    ear: Option<Ear>,
}

impl Worker<'_> {
    fn work(&mut self, messages: mpsc::Receiver<Message>) -> io::Result<()> {
        for message in messages {
            let Request { id, body } = match message {
                Message::End(end) => return end,
                Message::Request(request) => *request,
            };
            if self.desk.gone.load(Ordering::Acquire) {
                continue;
            }
            let step = match &body {
                Body::Apply { step, .. } => Some(*step),
                _ => None,
            };
            // Where panics abort, as in the profile `agent`, the controller reads the bug from standard error.
            let answer = catch_unwind(AssertUnwindSafe(|| self.answer(id, body)));
            let answer = answer.unwrap_or_else(|panic| Answer::Fault(bug(panic.as_ref())));
            if let Some(step) = step {
                self.keep(step, &answer);
            }
            self.send(id, answer);
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, body: Body) -> Answer {
        match body {
            Body::Time => Answer::Time { unix_ms: clock::unix_ms() },
            Body::Survey { keys, inspect } => survey(&keys, inspect.as_ref(), self.host),
            Body::Lock { owner, claim } => self.take_lock(&owner, claim),
            Body::Apply { change, title, step: _ } => self.apply(id, &change, title),
            Body::Outcome { run, step } => match outcome::read(&self.lock_path, &run, step) {
                Ok(outcome) => Answer::Outcome(outcome),
                Err(error) => Answer::Fault(Fault::new("the outcome of the last step", error)),
            },
            Body::Unlock => {
                if let Some(lock) = self.desk.lock().take() {
                    outcome::forget(&self.lock_path, lock.run());
                }
                Answer::Unlocked
            }
            Body::Listen { token, tcp } => self.listen(token, tcp),
            Body::Probe(probe) => Answer::Probed(probe::send(&probe, self.host)),
            Body::Heard => Answer::Heard(self.ear.as_ref().map(Ear::heard).unwrap_or_default()),
            Body::Exercise(wanted) => match exercise(self.host, &wanted) {
                Ok(exercised) => Answer::Exercised(exercised),
                Err(fault) => Answer::Fault(fault),
            },
        }
    }

    fn listen(&mut self, token: u64, tcp: Vec<u16>) -> Answer {
        match Ear::open(token, tcp) {
            Ok(ear) => {
                self.ear = Some(ear);
                Answer::Listening
            }
            Err(error) => {
                let fault = Fault::new("listening for other hosts", &error);
                Answer::Fault(match lock::lacks_privilege(&error) {
                    true => {
                        fault.help("log in as root, or set `sudo: always` for this node in the inventory")
                    }
                    false => fault,
                })
            }
        }
    }

    fn take_lock(&mut self, owner: &LockOwner, claim: Claim) -> Answer {
        let mut held = self.desk.lock();
        let taken = match held.as_mut() {
            Some(lock) => lock.name(owner).map(|()| Answer::Locked),
            None => lock::take(&self.lock_path, owner, claim).map(|taken| match taken {
                Taken::Ours(lock) => {
                    // A run that is told to leave may still come back for the outcome of its last step.
                    if claim != Claim::Silent {
                        outcome::forget_others(&self.lock_path, &owner.run);
                    }
                    *held = Some(lock);
                    Answer::Locked
                }
                Taken::Theirs(owner) => Answer::LockHeld(owner),
                Taken::Passed(owner) => Answer::LockPassed(owner),
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

    fn apply(&mut self, id: u64, change: &Change, title: String) -> Answer {
        match self.desk.lock().as_mut() {
            // Only for the eyes of others, so that it must not keep the step from being done.
            Some(lock) => drop(lock.step(Some(title))),
            None => {
                return Answer::Fault(Fault::new(
                    self.lock_path.display(),
                    "no change is made without the run lock",
                ));
            }
        }
        let host = self.host;
        match change.apply(host, &mut |progress| self.send(id, Answer::Progress(progress))) {
            Ok(receipt) => Answer::Applied(receipt),
            Err(fault) => Answer::Fault(fault),
        }
    }

    /// Keeps what became of a step before it is told: nobody knows whether the answer arrives. Where it cannot be
    /// kept, a controller that comes back looks at the thing itself.
    fn keep(&self, step: u64, answer: &Answer) {
        let outcome = match answer {
            Answer::Applied(receipt) => Outcome::Done(receipt.clone()),
            Answer::Fault(fault) => Outcome::Failed(fault.clone()),
            _ => return,
        };
        if let Some(lock) = self.desk.lock().as_mut() {
            let _ = outcome::keep(&self.lock_path, lock.run(), step, outcome);
            let _ = lock.step(None);
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

fn survey(keys: &[Key], inspect: Option<&Wanted>, host: &Host) -> Answer {
    let host = &host.look();
    thread::scope(|scope| {
        let facts = scope.spawn(|| Facts::read(host, inspect));
        let inspection = inspect.map(|wanted| scope.spawn(|| Box::new(Inspection::read(host, wanted))));
        let observed = resource::observe(keys, host);
        let inspection =
            inspection.map(|read| read.join().expect("the readers of an inspection do not panic"));
        let facts = facts.join().expect("the readers of facts do not panic");
        let facts = Facts { inspection, ..facts };
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
