//! The agent in this process, over pipes, on a host that is a directory with programs of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;

use super::*;
use crate::resource::{Observed, Receipt, Resource, file, module};

/// A running agent and its host.
struct Agent {
    root: tempfile::TempDir,
    requests: Option<PipeWriter>,
    replies: BufReader<PipeReader>,
    /// Dropped to tell it to leave.
    leave: Option<mpsc::Sender<()>>,
    end: Option<JoinHandle<io::Result<()>>>,
}

impl Agent {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (input, requests) = pipe().expect("a pipe");
        let (replies, output) = pipe().expect("a pipe");
        let streams =
            Streams { input: File::from(OwnedFd::from(input)), output: File::from(OwnedFd::from(output)) };
        let host = Host::at(root.path());
        let lock = root.path().join("run/skep/lock");
        let (leave, told) = mpsc::channel();
        let told_to_leave = move || {
            let _ = told.recv();
        };
        let end = thread::spawn(move || serve(streams, &host, &lock, told_to_leave));
        let mut replies = BufReader::new(replies);
        let mut hello = String::new();
        replies.read_line(&mut hello).expect("text");
        assert_eq!(hello.trim_end(), crate::wire::hello());
        Self { root, requests: Some(requests), replies, leave: Some(leave), end: Some(end) }
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.root.path().join("usr/bin").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its owner may");
    }

    fn send(&mut self, id: u64, body: Body) {
        let requests = self.requests.as_mut().expect("not closed");
        frame::write(requests, &Request { id, body }).expect("the agent reads");
    }

    fn hear(&mut self) -> (u64, Answer) {
        let reply: Reply = frame::read(&mut self.replies).expect("whole frames").expect("an answer");
        (reply.id, reply.body)
    }

    fn lock(&mut self) {
        self.send(1, lock_for("me"));
        assert_eq!(self.hear(), (1, Answer::Locked));
    }

    /// Ends the requests and waits for the agent's end.
    fn close(&mut self) -> io::Result<()> {
        self.requests = None;
        self.end.take().expect("ended once").join().expect("no panic")
    }
}

fn lock_for(who: &str) -> Body {
    let text = str::to_owned;
    let owner = LockOwner {
        finishing: false,
        who: text(who),
        host: text("laptop"),
        reason: text("skep up"),
        since: text("2026-11-23T01:00:00Z"),
        run: text("r"),
        holder: None,
    };
    Body::Lock { owner, claim: Claim::Free }
}

/// Writes `text` to `path` where there is no such file.
fn write(path: &str, text: &str) -> Change {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let desired =
        Resource::File(file::Desired { path: path.into(), text: text.to_owned(), mode: 0o644, uid, gid });
    let change = desired.diff(&Observed::File(file::Observed::Absent));
    change.expect("nothing is in the way").expect("there is no such file")
}

/// Loads a module by the host's `modprobe`.
fn load(name: &str) -> Change {
    Change::Module(module::Change { name: name.to_owned(), load: true, at_boot: None })
}

fn inode(pipe: &PipeWriter) -> u64 {
    nix::sys::stat::fstat(pipe).expect("an open pipe").st_ino
}

/// Whether this process has either end of that pipe.
fn is_open(inode: u64) -> bool {
    let link = format!("pipe:[{inode}]");
    let descriptors = fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    descriptors
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .any(|target| target.as_os_str() == link.as_str())
}

#[test]
fn the_clock_is_told() {
    let mut agent = Agent::start();
    let before = clock::unix_ms();
    agent.send(7, Body::Time);
    let (7, Answer::Time { unix_ms }) = agent.hear() else { panic!("the time was asked") };
    assert!((before..=clock::unix_ms()).contains(&unix_ms));
    agent.close().expect("a clean end");
}

#[test]
fn a_survey_answers_each_key_in_order() {
    let mut agent = Agent::start();
    let keys = vec![Key::File("/etc/a".into()), Key::Directory("/etc".into()), Key::File("/etc/b".into())];
    agent.send(1, Body::Survey { keys: keys.clone(), inspect: None });
    let (1, Answer::Survey { facts, observed }) = agent.hear() else { panic!("a survey was asked") };
    assert_eq!(observed.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), keys);
    assert_eq!(facts.engine, crate::facts::Engine::Absent { swarm: false });
}

#[test]
fn changes_are_made_under_the_lock_only() {
    let mut agent = Agent::start();
    let change = write("/etc/motd", "hello\n");
    fs::create_dir(agent.root.path().join("etc")).expect("a directory");
    agent.send(1, Body::apply(change.clone(), 1));
    let (1, Answer::Fault(fault)) = agent.hear() else { panic!("nobody holds the lock") };
    assert_eq!(fault.cause, "no change is made without the run lock");

    agent.lock();
    agent.send(2, Body::apply(change.clone(), 1));
    assert!(matches!(agent.hear(), (2, Answer::Applied(Receipt::File(_)))));
    assert_eq!(fs::read_to_string(agent.root.path().join("etc/motd")).expect("it was written"), "hello\n");

    agent.send(3, Body::Unlock);
    assert_eq!(agent.hear(), (3, Answer::Unlocked));
    agent.send(4, Body::Unlock);
    assert_eq!(agent.hear(), (4, Answer::Unlocked));
    agent.send(5, Body::apply(change, 2));
    assert!(matches!(agent.hear(), (5, Answer::Fault(_))));
}

#[test]
fn the_holder_is_told_to_others_and_may_ask_again() {
    let mut agent = Agent::start();
    agent.lock();
    agent.lock();
    let Body::Lock { owner, .. } = lock_for("me") else { unreachable!() };
    let path = agent.root.path().join("run/skep/lock");
    assert!(
        matches!(lock::take(&path, &owner, Claim::Free), Ok(Taken::Theirs(holder)) if holder.same_run(&owner))
    );
    agent.close().expect("a clean end");
    assert!(matches!(lock::take(&path, &owner, Claim::Free), Ok(Taken::Ours(_))));
}

#[test]
fn what_fails_is_a_fault_and_the_agent_goes_on() {
    let mut agent = Agent::start();
    agent.program("modprobe", "echo 'modprobe: FATAL: Module x not found.' >&2; exit 1");
    agent.lock();
    agent.send(2, Body::apply(load("x"), 1));
    let (2, Answer::Fault(fault)) = agent.hear() else { panic!("it cannot be loaded") };
    assert!(fault.cause.contains("FATAL"), "{fault}");
    agent.send(3, Body::Time);
    assert!(matches!(agent.hear(), (3, Answer::Time { .. })));
}

/// A step that waits: `modprobe first` until it may go on. A second one would leave a mark.
struct Waiting {
    begun: PathBuf,
    go_on: PathBuf,
    done: PathBuf,
    next: PathBuf,
}

impl Waiting {
    fn begin(agent: &mut Agent) -> Self {
        let mark = |name: &str| agent.root.path().join(name);
        let marks =
            Self { begun: mark("begun"), go_on: mark("go-on"), done: mark("done"), next: mark("next") };
        agent.program(
            "modprobe",
            &format!(
                "[ $2 = second ] && touch {next}; touch {begun}; while ! [ -e {go_on} ]; do sleep 0.01; done; \
                 touch {done}",
                begun = marks.begun.display(),
                go_on = marks.go_on.display(),
                done = marks.done.display(),
                next = marks.next.display(),
            ),
        );
        agent.lock();
        agent.send(2, Body::apply(load("first"), 1));
        agent.send(3, Body::apply(load("second"), 2));
        while !marks.begun.exists() {
            thread::sleep(std::time::Duration::from_millis(5));
        }
        marks
    }

    fn go_on(&self) {
        fs::write(&self.go_on, "").expect("a file");
    }

    /// The step was finished, no other begun, the lock released, and what became of both can be asked.
    fn ended_well(&self, agent: &Agent) {
        assert!(self.done.exists() && !self.next.exists());
        let path = agent.root.path().join("run/skep/lock");
        let told = |step| outcome::read(&path, "r", step).expect("readable");
        assert!(matches!(told(1), Outcome::Done(Receipt::Module(_))), "{:?}", told(1));
        assert_eq!(told(2), Outcome::Unknown);
        let Body::Lock { owner, .. } = lock_for("me") else { unreachable!() };
        assert!(matches!(lock::take(&path, &owner, Claim::Again), Ok(Taken::Ours(_))));
    }
}

/// A controller that is lost in mid-step: the step is finished, no other is begun, the lock is released.
#[test]
fn the_end_of_the_input_finishes_the_step_in_hand_and_no_other() {
    let mut agent = Agent::start();
    let step = Waiting::begin(&mut agent);
    // The controller is gone, in both directions, and the agent has seen it once it closes its own end.
    let pipe_inode = inode(agent.requests.as_ref().expect("open"));
    agent.requests = None;
    let (unheard, _) = pipe().expect("a pipe");
    agent.replies = BufReader::new(unheard);
    while is_open(pipe_inode) {
        thread::sleep(std::time::Duration::from_millis(5));
    }
    step.go_on();
    agent.close().expect("a clean end");
    step.ended_well(&agent);
}

#[test]
fn told_to_leave_it_finishes_the_step_in_hand_and_no_other() {
    let mut agent = Agent::start();
    let step = Waiting::begin(&mut agent);
    agent.leave = None;
    let lock = agent.root.path().join("run/skep/lock");
    while !fs::read_to_string(&lock).expect("a file").contains(r#""finishing":true"#) {
        thread::sleep(std::time::Duration::from_millis(5));
    }
    step.go_on();
    agent.end.take().expect("not ended").join().expect("no panic").expect("a clean end");
    // Its controller still hears of the step, whenever it listens again.
    assert!(matches!(agent.hear(), (2, Answer::Applied(Receipt::Module(_)))));
    step.ended_well(&agent);
}

#[test]
fn outcomes_are_told_and_forgotten_with_the_lock() {
    let mut agent = Agent::start();
    agent
        .program("modprobe", "[ $2 = x ] || exit 0; echo 'modprobe: FATAL: Module x not found.' >&2; exit 1");
    agent.lock();
    let ask = |agent: &mut Agent, run: &str, step| {
        agent.send(9, Body::Outcome { run: run.to_owned(), step });
        match agent.hear() {
            (9, Answer::Outcome(outcome)) => outcome,
            other => panic!("an outcome was asked: {other:?}"),
        }
    };
    assert_eq!(ask(&mut agent, "r", 1), Outcome::Unknown);
    agent.send(2, Body::apply(load("x"), 1));
    let (2, Answer::Fault(fault)) = agent.hear() else { panic!("it cannot be loaded") };
    assert_eq!(ask(&mut agent, "r", 1), Outcome::Failed(fault));
    agent.send(3, Body::apply(load("y"), 2));
    let (3, Answer::Applied(receipt)) = agent.hear() else { panic!("it is loaded") };
    assert_eq!(ask(&mut agent, "r", 2), Outcome::Done(receipt));
    assert_eq!((ask(&mut agent, "r", 1), ask(&mut agent, "other", 2)), (Outcome::Unknown, Outcome::Unknown));
    agent.send(4, Body::Unlock);
    assert_eq!(agent.hear(), (4, Answer::Unlocked));
    assert_eq!(ask(&mut agent, "r", 2), Outcome::Unknown);
}

#[test]
fn what_is_no_request_ends_it() {
    for (garbage, kind) in [
        (&b"\0\0\0\x02{}"[..], io::ErrorKind::InvalidData),
        (b"GET / HTTP/1.1\r\n\r\n", io::ErrorKind::InvalidData),
        (b"\0\0", io::ErrorKind::UnexpectedEof),
    ] {
        let mut agent = Agent::start();
        agent.requests.as_mut().expect("open").write_all(garbage).expect("it reads");
        assert_eq!(agent.close().expect_err("no request").kind(), kind, "{garbage:?}");
    }
}
