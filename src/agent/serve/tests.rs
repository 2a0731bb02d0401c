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
        let end = thread::spawn(move || serve(streams, &host, &lock));
        let mut replies = BufReader::new(replies);
        let mut hello = String::new();
        replies.read_line(&mut hello).expect("text");
        assert_eq!(hello.trim_end(), crate::wire::hello());
        Self { root, requests: Some(requests), replies, end: Some(end) }
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
    };
    Body::Lock { owner }
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
    agent.send(1, Body::Survey { keys: keys.clone() });
    let (1, Answer::Survey { facts, observed }) = agent.hear() else { panic!("a survey was asked") };
    assert_eq!(observed.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), keys);
    assert_eq!(facts.engine, crate::facts::Engine::Absent { swarm: false });
}

#[test]
fn changes_are_made_under_the_lock_only() {
    let mut agent = Agent::start();
    let change = write("/etc/motd", "hello\n");
    fs::create_dir(agent.root.path().join("etc")).expect("a directory");
    agent.send(1, Body::Apply { change: change.clone() });
    let (1, Answer::Fault(fault)) = agent.hear() else { panic!("nobody holds the lock") };
    assert_eq!(fault.cause, "no change is made without the run lock");

    agent.lock();
    agent.send(2, Body::Apply { change: change.clone() });
    assert!(matches!(agent.hear(), (2, Answer::Applied(Receipt::File(_)))));
    assert_eq!(fs::read_to_string(agent.root.path().join("etc/motd")).expect("it was written"), "hello\n");

    agent.send(3, Body::Unlock);
    assert_eq!(agent.hear(), (3, Answer::Unlocked));
    agent.send(4, Body::Unlock);
    assert_eq!(agent.hear(), (4, Answer::Unlocked));
    agent.send(5, Body::Apply { change });
    assert!(matches!(agent.hear(), (5, Answer::Fault(_))));
}

#[test]
fn the_holder_is_told_to_others_and_may_ask_again() {
    let mut agent = Agent::start();
    agent.lock();
    agent.lock();
    let Body::Lock { owner } = lock_for("me") else { unreachable!() };
    let path = agent.root.path().join("run/skep/lock");
    assert!(matches!(lock::take(&path, &owner), Ok(Taken::Theirs(holder)) if holder == owner));
    agent.close().expect("a clean end");
    assert!(matches!(lock::take(&path, &owner), Ok(Taken::Ours(_))));
}

#[test]
fn what_fails_is_a_fault_and_the_agent_goes_on() {
    let mut agent = Agent::start();
    agent.program("modprobe", "echo 'modprobe: FATAL: Module x not found.' >&2; exit 1");
    agent.lock();
    agent.send(2, Body::Apply { change: load("x") });
    let (2, Answer::Fault(fault)) = agent.hear() else { panic!("it cannot be loaded") };
    assert!(fault.cause.contains("FATAL"), "{fault}");
    agent.send(3, Body::Time);
    assert!(matches!(agent.hear(), (3, Answer::Time { .. })));
}

/// A controller that is lost in mid-step: the step is finished, no other is begun, the lock is released.
#[test]
fn the_end_of_the_input_finishes_the_step_in_hand_and_no_other() {
    let mut agent = Agent::start();
    let mark = |name: &str| agent.root.path().join(name);
    let (begun, go_on, done, next) = (mark("begun"), mark("go-on"), mark("done"), mark("next"));
    agent.program(
        "modprobe",
        &format!(
            "[ $2 = second ] && touch {next}; touch {begun}; while ! [ -e {go_on} ]; do sleep 0.01; done; touch {done}",
            begun = begun.display(),
            go_on = go_on.display(),
            done = done.display(),
            next = next.display(),
        ),
    );
    agent.lock();
    agent.send(2, Body::Apply { change: load("first") });
    agent.send(3, Body::Apply { change: load("second") });
    while !begun.exists() {
        thread::sleep(std::time::Duration::from_millis(5));
    }
    // The controller is gone, in both directions, and the agent has seen it once it closes its own end.
    let pipe_inode = inode(agent.requests.as_ref().expect("open"));
    agent.requests = None;
    let (unheard, _) = pipe().expect("a pipe");
    agent.replies = BufReader::new(unheard);
    while is_open(pipe_inode) {
        thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::write(&go_on, "").expect("a file");
    agent.close().expect("a clean end");
    assert!(done.exists());
    assert!(!next.exists());
    let Body::Lock { owner } = lock_for("me") else { unreachable!() };
    assert!(matches!(lock::take(&agent.root.path().join("run/skep/lock"), &owner), Ok(Taken::Ours(_))));
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
