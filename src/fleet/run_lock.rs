//! The run lock of a host, from the controller's side: asked for, waited for, refused.

use std::time::{Duration, Instant};

use super::failure::SessionError;
use super::session::{HostSession, Shared};
use crate::inventory::model::NodeName;
use crate::resource::Fault;
use crate::wire::{Answer, Body, Claim, LockOwner};

/// How long the step that a run left behind may take: an installation on a board with a slow card.
const FINISHING: Duration = Duration::from_secs(45 * 60);

/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(500);

/// How a run lock was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// At once.
    AtOnce,
    /// Somebody else changed the host in between.
    AfterWaiting,
}

impl HostSession {
    /// Takes the host's run lock. Where a run is gone and its agent only finishes the step in hand, that is waited for,
    /// and `on_wait` told of it once.
    ///
    /// # Errors
    /// [`SessionError::Held`] where another run is at work, and where a step does not end.
    pub async fn take_lock(
        &self,
        owner: &LockOwner,
        claim: Claim,
        on_wait: &(dyn Fn(String) + Sync),
    ) -> Result<Locked, SessionError> {
        self.shared.take_lock(owner, claim, on_wait).await
    }
}

impl Shared {
    pub(super) async fn take_lock(
        &self,
        owner: &LockOwner,
        claim: Claim,
        on_wait: &(dyn Fn(String) + Sync),
    ) -> Result<Locked, SessionError> {
        let deadline = Instant::now() + FINISHING;
        let mut locked = Locked::AtOnce;
        loop {
            let ask = Body::Lock { owner: owner.clone(), claim };
            match self.request(ask, |_| ()).await? {
                Answer::Locked => return Ok(locked),
                Answer::LockHeld(holder) if holder.finishing && Instant::now() < deadline => {
                    if locked == Locked::AtOnce {
                        on_wait(waiting(&holder, claim));
                    }
                    locked = Locked::AfterWaiting;
                    tokio::time::sleep(PAUSE).await;
                }
                other => return Err(self.not(other)),
            }
        }
    }
}

/// What is waited for.
fn waiting(holder: &LockOwner, claim: Claim) -> String {
    let left = match claim {
        Claim::Again => "waiting for the agent there to finish its step".to_owned(),
        Claim::Free | Claim::Silent => format!("waiting for the step that `{}` left behind", holder.reason),
    };
    match step(holder) {
        Some(step) => format!("{left}: {step}"),
        None => left,
    }
}

fn step(holder: &LockOwner) -> Option<&str> {
    holder.holder.as_ref()?.step.as_deref()
}

/// Another run is at work on a node, and what helps.
pub fn busy(node: &NodeName, holder: &LockOwner) -> Fault {
    let LockOwner { who, host, reason, since, .. } = holder;
    let at_work = format!("`{reason}` of {who}@{host} has been at work there since {since}");
    if holder.finishing {
        let step = step(holder).unwrap_or("its step in hand");
        let pid = holder.holder.as_ref().map_or(0, |holder| holder.pid);
        return Fault::new(node, format!("{at_work}; it is gone, but its last step does not end: {step}")).help(
            format!("look there what it waits for (`pstree -ap {pid}`) and end that; skep never cuts a step in two"),
        );
    }
    match holder.silent() {
        Some(silent) => Fault::new(node, format!("{at_work}, last heard of {} ago", ago(silent))).help(
            "if it hangs or its computer sleeps, add `--take-over`: its step in hand is finished first",
        ),
        None => Fault::new(node, at_work)
            .help("wait until it has ended: its lock ends with it, even where it was killed"),
    }
}

/// Another run came in while this one had lost its connection to a node.
pub(super) fn superseded(node: &NodeName, other: &LockOwner) -> Fault {
    let LockOwner { who, host, reason, since, .. } = other;
    Fault::new(
        node,
        format!("`{reason}` of {who}@{host} took over there at {since}, so this run does nothing more to it"),
    )
    .help("once that has ended, `skep plan` shows what is left to do")
}

/// Seconds in the largest unit that says enough.
fn ago(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Holder;

    fn holder(silent: u64, finishing: bool) -> LockOwner {
        LockOwner {
            who: "maya".to_owned(),
            host: "desk".to_owned(),
            reason: "skep up".to_owned(),
            since: "14:02".to_owned(),
            run: "r".to_owned(),
            finishing,
            holder: Some(Holder { pid: 812, heard: 0, silent, step: Some("install docker.io".to_owned()) }),
        }
    }

    #[test]
    fn refusals_tell_whether_the_holder_lives() {
        for (owner, cause, help) in [
            (
                holder(119, false),
                "n1: `skep up` of maya@desk has been at work there since 14:02",
                "wait until it has ended",
            ),
            (
                holder(120, false),
                "n1: `skep up` of maya@desk has been at work there since 14:02, last heard of 2 min ago",
                "--take-over",
            ),
            (
                holder(0, true),
                "n1: `skep up` of maya@desk has been at work there since 14:02; it is gone, but its last step does not \
                 end: install docker.io",
                "pstree -ap 812",
            ),
        ] {
            let fault = busy(&"n1".into(), &owner);
            assert_eq!(fault.to_string(), cause);
            assert!(fault.help.as_deref().is_some_and(|told| told.contains(help)), "{fault:?}");
        }
    }

    #[test]
    fn times_are_told_in_the_largest_unit() {
        let told = [0, 119, 120, 7199, 7200, 172_799, 172_800, 864_000].map(ago);
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days", "10 days"]);
    }
}
