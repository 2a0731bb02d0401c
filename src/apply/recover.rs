//! A connection that is lost in the middle of a step: what became of the step is asked, or looked at, never assumed.

use crate::event::Event;
use crate::fleet::{HostSession, SessionError};
use crate::inventory::model::NodeName;
use crate::resource::{Change, Fault, Receipt};
use crate::wire::{Answer, Body, Outcome};

use super::Executor;

/// How often one step is gone on with. A host that falls at the same step each time has more wrong with it than its
/// connection.
pub(super) const TRIES: usize = 3;

/// How a step goes on.
enum Onward {
    /// It is over; the receipt may be lost.
    Done(Option<Box<Receipt>>),
    /// It is made again.
    Again,
}

impl Executor<'_> {
    /// Has the agent make a change. A lost connection is waited for, and the step carried on with.
    pub(super) async fn change(&self, node: &NodeName, change: &Change) -> Result<Option<Receipt>, Fault> {
        let session = self.session(node)?;
        session.back().await?;
        for _ in 0..TRIES {
            let step = session.next_step();
            let body = Body::apply(change.clone(), step);
            let report = |progress| (self.sink)(Event::StepProgress { node: node.clone(), progress });
            match session.request(body, report).await {
                Ok(Answer::Applied(receipt)) => return Ok(Some(receipt)),
                Ok(other) => return Err(session.not(other).into()),
                Err(SessionError::Gone { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if let Onward::Done(receipt) = self.recover(session, change, step).await? {
                return Ok(receipt.map(|receipt| *receipt));
            }
        }
        Err(lost_each_time(node))
    }

    /// What became of the step in hand of a connection that was lost.
    async fn recover(&self, session: &HostSession, change: &Change, step: u64) -> Result<Onward, Fault> {
        for _ in 0..TRIES {
            let back = self.back(session).await;
            match self.onward(session, change, step, &back).await {
                Ok(onward) => return Ok(onward),
                Err(SessionError::Gone { .. }) if back.is_ok() => {}
                Err(error) => return Err(back.err().unwrap_or_else(|| error.into())),
            }
        }
        Err(lost_each_time(session.node()))
    }

    async fn onward(
        &self,
        session: &HostSession,
        change: &Change,
        step: u64,
        back: &Result<(), Fault>,
    ) -> Result<Onward, SessionError> {
        // Asked even where another run has taken over: the agent may have finished the step before.
        match session.outcome(&self.run, step).await? {
            Outcome::Done(receipt) => {
                self.resumed(session, "connected again; the agent has finished the step meanwhile");
                return Ok(Onward::Done(Some(Box::new(receipt))));
            }
            Outcome::Failed(fault) => return Err(SessionError::Fault(Box::new(fault))),
            Outcome::Unknown => {}
        }
        if let Err(fault) = back {
            return Err(SessionError::Fault(Box::new(fault.clone())));
        }
        self.look(session, change).await
    }

    /// Where nobody knows, the thing itself is looked at.
    async fn look(&self, session: &HostSession, change: &Change) -> Result<Onward, SessionError> {
        let node = session.node();
        let stuck = |fault: Fault| SessionError::Fault(Box::new(fault));
        // The host itself keeps a run from beginning a hook twice.
        if matches!(change, Change::Hook(_)) {
            self.resumed(session, "connected again; the host says what became of the hook");
            return Ok(Onward::Again);
        }
        let left = match change.key() {
            // It leaves nothing that could be looked at, and may be made twice.
            None => true,
            Some(key) => {
                let survey = session.survey(vec![key.clone()]).await?;
                let observed = match survey.observed.get(&key) {
                    Some(Ok(observed)) => observed,
                    Some(Err(fault)) => return Err(stuck(fault.clone())),
                    None => return Err(stuck(unknown(node, change))),
                };
                let rest = change.rest(observed);
                if !rest.foreign.is_empty() {
                    return Err(stuck(meddled(node, change, &rest.foreign)));
                }
                rest.change.is_some()
            }
        };
        if !left {
            let how = "connected again; the step was done before, but what it replaced is not on record";
            self.resumed(session, how);
            return Ok(Onward::Done(None));
        }
        // The planned change itself is made again, not what is left of it: its receipt tells what was there before.
        self.resumed(session, "connected again; the step was cut short, and is made again");
        Ok(Onward::Again)
    }

    /// Waits for a lost connection, unless the user asks to stop.
    pub(super) async fn back(&self, session: &HostSession) -> Result<(), Fault> {
        tokio::select! {
            back = session.back() => back,
            () = self.stop.asked() => Err(Fault::new(session.node(), "stopped while the connection was lost")
                .help("the agent there finishes the step in hand; run `skep up` again, it carries on")),
        }
    }

    pub(super) fn resumed(&self, session: &HostSession, how: &str) {
        (self.sink)(Event::Resumed { node: session.node().clone(), how: how.to_owned() });
    }

    pub(super) fn session(&self, node: &NodeName) -> Result<&HostSession, Fault> {
        self.sessions.get(node).ok_or_else(|| Fault::new(node, "no connection"))
    }
}

fn unknown(node: &NodeName, change: &Change) -> Fault {
    let title = change.describe().title;
    Fault::new(
        node,
        format!("the connection was lost in the middle of `{title}`, and nobody knows how far it came"),
    )
    .help("look at it on the host, then run the same command again")
}

fn meddled(node: &NodeName, change: &Change, foreign: &[String]) -> Fault {
    let title = change.describe().title;
    let what = foreign.join("; ");
    Fault::new(
        node,
        format!("the connection was lost in the middle of `{title}`, and somebody else was there: {what}"),
    )
    .help("look at it on the host, then run the same command again")
}

fn lost_each_time(node: &NodeName) -> Fault {
    Fault::new(node, format!("the connection was lost {TRIES} times in the middle of this step")).help(
        "see why on the host (`journalctl -b -1 -e`: power, memory, its card), then run `skep up` again",
    )
}

#[cfg(test)]
mod tests;
