//! Agents that answer by script, and whose connections break where the script says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream, duplex, split};

use crate::apply::{Account, Means, Sessions, Stop, execute};
use crate::event::{Event, Sink};
use crate::facts::Facts;
use crate::fleet::{
    Agents, Channel, Elevation, Exit, HostSession, Keep, LogIn, Passwords, Privilege, Refusal, Remote, Status,
};
use crate::plan::{Action, Phase, PhaseName, Plan, Step};
use crate::resource::{Change, Fault, Key, Observed, Receipt, Resource, directory};
use crate::ssh::ExecError;
use crate::wire::{Answer, Body, LockOwner, Outcome, Reply, Request, frame, hello};

/// What is asked next, and the answer; none where the connection breaks instead.
type Turn = (&'static str, Option<Answer>);

/// A host whose agents all follow one script.
#[derive(Clone)]
struct Host(Arc<Mutex<VecDeque<Turn>>>);

impl Host {
    async fn serve(self, mut stream: DuplexStream) {
        // The script that starts agents says first that it is it.
        stream.write_all(format!("skep-script\n{}\n", hello()).as_bytes()).await.unwrap();
        let (mut input, mut output) = split(stream);
        while let Ok(Some(Request { id, body })) = frame::receive(&mut input).await {
            let answer = match body {
                // The word that is given now and then.
                Body::Time => Answer::Time { unix_ms: 0 },
                body => {
                    let (expected, answer) = self.0.lock().unwrap().pop_front().expect("the script goes on");
                    assert_eq!(kind(&body), expected);
                    let Some(answer) = answer else { return };
                    answer
                }
            };
            output.write_all(&frame::encode(&Reply { id, body: answer }).unwrap()).await.unwrap();
        }
    }
}

fn kind(body: &Body) -> &'static str {
    match body {
        Body::Apply { .. } => "apply",
        Body::Lock { .. } => "lock",
        Body::Outcome { .. } => "outcome",
        Body::Survey { .. } => "survey",
        Body::Time
        | Body::Unlock
        | Body::Listen { .. }
        | Body::Probe(_)
        | Body::Heard
        | Body::Exercise(_) => "other",
    }
}

impl Remote for Host {
    fn exec<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Channel, ExecError>> {
        let (ours, theirs) = duplex(64 << 10);
        tokio::spawn(self.clone().serve(theirs));
        let (output, input) = split(ours);
        let output = BufReader::new(Box::new(output) as Box<_>);
        async { Ok(Channel { input: Box::new(input), output, exit: Box::new(Ended) }) }.boxed()
    }
}

struct Ended;

impl Exit for Ended {
    fn wait(&mut self) -> BoxFuture<'_, Result<Status, ExecError>> {
        async { Ok(Status::default()) }.boxed()
    }

    fn stderr_beyond(&mut self, _: u64) -> BoxFuture<'_, (u64, String)> {
        std::future::pending().boxed()
    }
}

fn owner(who: &str) -> LockOwner {
    let text = str::to_owned;
    let (reason, since) = (text("skep up"), text("14:02"));
    LockOwner {
        who: text(who),
        host: text("desk"),
        reason,
        since,
        run: text("r"),
        finishing: false,
        holder: None,
    }
}

fn wanted() -> Resource {
    Resource::Directory(directory::Desired { path: "/srv".into(), mode: 0o755, uid: 0, gid: 0 })
}

fn absent() -> Observed {
    Observed::Directory(directory::Observed::Absent)
}

fn present() -> Observed {
    let now = directory::Present { mode: 0o755, uid: 0, gid: 0, filled: false };
    Observed::Directory(directory::Observed::Directory(now))
}

fn change() -> Change {
    wanted().diff(&absent()).unwrap().unwrap()
}

fn receipt() -> Receipt {
    let Change::Directory(change) = change() else { unreachable!() };
    Receipt::Directory(change)
}

fn facts() -> Box<Facts> {
    let sample = include_str!("../../../tests/fixtures/wire/v1/replies/survey.json");
    let Reply { body: Answer::Survey { facts, .. }, .. } = serde_json::from_str(sample).unwrap() else {
        panic!("a survey")
    };
    facts
}

fn survey(observed: Result<Observed, Fault>) -> Option<Answer> {
    Some(Answer::Survey { facts: facts(), observed: vec![(Key::Directory("/srv".into()), observed)] })
}

fn outcome(outcome: Outcome) -> Turn {
    ("outcome", Some(Answer::Outcome(outcome)))
}

const LOST: Turn = ("apply", None);
const LOCKED: Turn = ("lock", Some(Answer::Locked));

/// How a run ended.
struct Ran {
    account: Account,
    events: Vec<Event>,
}

/// Makes `/srv` on a host that follows the script to its end, so many times.
async fn run(script: Vec<Turn>, steps: usize, stop: &Stop) -> Ran {
    let host = Host(Arc::new(Mutex::new(script.into())));
    let again: LogIn = {
        let host = host.clone();
        Arc::new(move || {
            let host = host.clone();
            async move {
                let up = !host.0.lock().unwrap().is_empty();
                let off = || Refusal { fault: Fault::new("n1", "off"), passing: true };
                if up { Ok(Box::new(host) as Box<dyn Remote>) } else { Err(off()) }
            }
            .boxed()
        })
    };
    let agents = Arc::new(Agents::of([]));
    let (elevation, passwords) = (Elevation::None, Passwords::default());
    let privilege = Privilege { elevation, passwords, places: vec!["/x".to_owned()] };
    let on_push = &mut |_, _| ();
    let opened = HostSession::open("n1".into(), Box::new(host.clone()), agents, privilege, on_push).await;
    let session = opened.unwrap().reopened_by(again);
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink: Sink = {
        let events = Arc::clone(&events);
        Arc::new(move |event| events.lock().unwrap().push(event))
    };
    session.keep(Keep { owner: owner("maya"), patience: Duration::from_secs(3600), sink: sink.clone() });
    let step = Step { node: "n1".into(), action: Action::Change(change()) };
    let phase = Phase { name: PhaseName::Exports, steps: vec![step; steps] };
    let plan = Plan::new(vec![phase]);
    let sessions = Sessions::from([("n1".into(), session)]);
    let means = Means { sessions: &sessions, swarm: None, run: "r", forks: 1, sink: &sink, stop };
    let account = execute(&plan, means).await.remove(&"n1".into()).unwrap();
    assert!(host.0.lock().unwrap().is_empty(), "not asked: {:?}", host.0.lock().unwrap());
    drop(sessions);
    let events = events.lock().unwrap().clone();
    Ran { account, events }
}

async fn one(script: Vec<Turn>) -> Ran {
    run(script, 1, &Stop::default()).await
}

impl Ran {
    /// The receipt of the step that was done.
    fn receipt(&self) -> &Option<Receipt> {
        let done = self.events.iter().find_map(|event| match event {
            Event::StepDone { receipt, .. } => Some(receipt),
            _ => None,
        });
        done.unwrap_or_else(|| panic!("it failed: {:?}", self.account.fault))
    }

    fn cause(&self) -> &str {
        &self.account.fault.as_ref().expect("it failed").cause
    }

    fn told(&self, part: &str) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Resumed { how, .. } if how.contains(part)))
    }
}

#[tokio::test]
async fn what_the_agent_finished_is_done() {
    let ran = one(vec![LOST, LOCKED, outcome(Outcome::Done(receipt()))]).await;
    assert_eq!(ran.receipt(), &Some(receipt()));
    assert!(ran.told("finished the step"), "{:?}", ran.events);
    // Lost once more while it is asked.
    let ran = one(vec![LOST, LOCKED, ("outcome", None), LOCKED, outcome(Outcome::Done(receipt()))]).await;
    assert_eq!(ran.receipt(), &Some(receipt()));
}

#[tokio::test]
async fn what_the_agent_could_not_do_failed() {
    let fault = Fault::new("/srv", "no space left");
    let ran = one(vec![LOST, LOCKED, outcome(Outcome::Failed(fault.clone()))]).await;
    assert_eq!(ran.account.fault, Some(fault));
}

#[tokio::test]
async fn what_nobody_knows_is_looked_at() {
    let unknown = || [LOST, LOCKED, outcome(Outcome::Unknown)].to_vec();
    let ran = one([unknown(), vec![("survey", survey(Ok(present())))]].concat()).await;
    assert_eq!(ran.receipt(), &None);
    assert!(ran.told("not on record"), "{:?}", ran.events);

    let applied = ("apply", Some(Answer::Applied(receipt())));
    let ran = one([unknown(), vec![("survey", survey(Ok(absent()))), applied]].concat()).await;
    assert_eq!(ran.receipt(), &Some(receipt()));
    assert!(ran.told("made again"), "{:?}", ran.events);

    let unreadable = Fault::new("/srv", "input/output error");
    let ran = one([unknown(), vec![("survey", survey(Err(unreadable.clone())))]].concat()).await;
    assert_eq!(ran.account.fault, Some(unreadable));

    let meddled = directory::Present { mode: 0o700, uid: 0, gid: 0, filled: false };
    let meddled = Observed::Directory(directory::Observed::Directory(meddled));
    let ran = one([unknown(), vec![("survey", survey(Ok(meddled)))]].concat()).await;
    assert!(ran.cause().contains("somebody else was there: /srv was set to"), "{}", ran.cause());

    let elsewhere = Some(Answer::Survey { facts: facts(), observed: Vec::new() });
    let ran = one([unknown(), vec![("survey", elsewhere)]].concat()).await;
    assert!(ran.cause().contains("nobody knows how far it came"), "{}", ran.cause());
}

#[tokio::test]
async fn a_host_that_falls_each_time_is_given_up() {
    let once = || [LOST, LOCKED, outcome(Outcome::Unknown), ("survey", survey(Ok(absent())))].to_vec();
    let ran = one([once(), once(), once()].concat()).await;
    assert!(ran.cause().contains("lost 3 times"), "{}", ran.cause());
}

#[tokio::test]
async fn where_another_run_took_over_the_last_step_counts_and_no_further_is_made() {
    let passed = ("lock", Some(Answer::LockPassed(owner("kim"))));
    let script = vec![LOST, passed.clone(), outcome(Outcome::Done(receipt()))];
    let ran = run(script, 2, &Stop::default()).await;
    assert_eq!((ran.receipt(), ran.account.changed), (&Some(receipt()), 1));
    assert!(ran.cause().contains("kim@desk took over there"), "{}", ran.cause());

    let ran = one(vec![LOST, passed, outcome(Outcome::Unknown)]).await;
    assert!(ran.cause().contains("kim@desk took over there"), "{}", ran.cause());
}

#[tokio::test]
async fn a_wish_to_stop_ends_the_waiting() {
    let stop = Stop::default();
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        asked.ask();
    });
    let ran = run(vec![LOST], 1, &stop).await;
    assert!(ran.cause().contains("stopped while the connection was lost"), "{}", ran.cause());
}
