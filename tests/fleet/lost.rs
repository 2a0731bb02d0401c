//! Sessions that lose their connection and come back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use skep::event::{Event, Sink};
use skep::fleet::{HostSession, Keep, Locked, Mark};
use skep::resource::{Observed, Resource, directory};
use skep::wire::{Answer, Body, Claim, Outcome};

use super::{Scene, owner};

/// A session that holds the run lock, and how it is kept; what is told of it.
async fn locked(scene: &Scene, patience: Duration) -> (HostSession, Keep, Arc<Mutex<Vec<Event>>>) {
    let session = scene.session().await.reopened_by(scene.log_in_again());
    let taken = session.take_lock(&owner("first"), Claim::Free, &|_| ()).await;
    assert_eq!(taken.expect("nobody holds it"), Locked::AtOnce);
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let sink: Sink = Arc::new(move |event| told.lock().expect("no panic").push(event));
    (session, Keep { owner: owner("first"), patience, sink }, events)
}

/// Waits until the loss of a connection is noticed.
async fn lost(session: &HostSession, mark: &Mark) {
    while !session.lost_since(mark) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_kept_session_comes_back_with_its_lock_and_what_became_of_its_step() {
    let Some(mut scene) = Scene::new("") else { return };
    scene.keepalive = Duration::from_secs(1);
    let (session, keep, events) = locked(&scene, Duration::from_secs(60)).await;
    session.keep(keep);
    let make = |name: &str| {
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        let path = scene.sshd.path(name);
        let desired = Resource::Directory(directory::Desired { path, mode: 0o755, uid, gid });
        let absent = Observed::Directory(directory::Observed::Absent);
        desired.diff(&absent).expect("nothing is in the way").expect("it is absent")
    };
    // Cut: the agent sees it. Frozen: neither side hears of it.
    for (name, signal) in [("cut", Signal::SIGKILL), ("frozen", Signal::SIGSTOP)] {
        let step = session.next_step();
        let made = session.request(Body::apply(make(name), step), |_| ()).await;
        let Ok(Answer::Applied(receipt)) = made else { panic!("it is made: {made:?}") };
        let mark = session.mark();
        scene.signal_connections(signal);
        lost(&session, &mark).await;
        session.back().await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(session.outcome("r", step).await.expect("an answer"), Outcome::Done(receipt));
        // Without the lock this would be refused.
        let body = Body::apply(make(&format!("{name}-again")), session.next_step());
        let made = session.request(body, |_| ()).await;
        assert!(matches!(made, Ok(Answer::Applied(_))), "{made:?}");
    }
    let events = events.lock().expect("no panic");
    let connected = events.iter().filter(|event| matches!(event, Event::Connected { .. })).count();
    // A busy computer may lose one more by itself.
    assert!(connected >= 2, "{events:?}");
    assert!(matches!(&events[0], Event::Retrying { cause, .. } if cause.contains("connection was lost")));
}

#[tokio::test]
async fn what_does_not_come_back_is_told_with_the_last_cause() {
    let Some(mut scene) = Scene::new("") else { return };
    let (session, keep, _) = locked(&scene, Duration::from_secs(1)).await;
    session.keep(keep);
    let mark = session.mark();
    scene.sshd.stop();
    lost(&session, &mark).await;
    let fault = session.back().await.expect_err("it is off");
    assert!(
        fault.cause.contains("did not come back within 1 s") && fault.cause.contains("refused"),
        "{fault}"
    );
    assert!(fault.help.as_ref().is_some_and(|help| help.contains("skep up")), "{fault:?}");
    assert_eq!(session.back().await.expect_err("it stays so").cause, fault.cause);
}

#[tokio::test]
async fn a_host_that_comes_back_with_another_key_is_not_tried_again() {
    let Some(mut scene) = Scene::new("") else { return };
    let (session, keep, _) = locked(&scene, Duration::from_secs(3600)).await;
    let mark = session.mark();
    scene.sshd.restart_with_new_host_keys();
    lost(&session, &mark).await;
    session.keep(keep);
    let fault = session.back().await.expect_err("it is another machine, for all that is known");
    assert!(fault.cause.contains("host key"), "{fault}");
}

#[tokio::test]
async fn another_run_that_came_in_between_is_named_and_left_alone() {
    let Some(scene) = Scene::new("") else { return };
    for still_there in [true, false] {
        let (first, keep, _) = locked(&scene, Duration::from_secs(60)).await;
        let mark = first.mark();
        scene.signal_connections(Signal::SIGKILL);
        lost(&first, &mark).await;
        let second = scene.session().await;
        second.take_lock(&owner("second"), Claim::Free, &|_| ()).await.expect("the first is gone");
        if !still_there {
            second.finish().await;
        }
        first.keep(keep);
        let fault = first.back().await.expect_err("the second has it, or had it");
        assert!(fault.cause.contains("second@laptop took over there"), "{fault}");
        if still_there {
            assert!(matches!(second.request(Body::Unlock, |_| ()).await, Ok(Answer::Unlocked)));
        }
    }
}

#[tokio::test]
async fn a_connection_can_be_made_once_more_at_once() {
    let Some(scene) = Scene::new("") else { return };
    let session = scene.session().await.reopened_by(scene.log_in_again());
    let mark = session.mark();
    scene.signal_connections(Signal::SIGKILL);
    lost(&session, &mark).await;
    // It is not kept, so that nobody waits for it.
    assert!(session.is_gone() && session.back().await.is_err());
    session.reopen().await.expect("the server listens");
    assert!(!session.is_gone());
    session.survey(Vec::new()).await.expect("an answer");
}
