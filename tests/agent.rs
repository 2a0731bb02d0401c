//! The agent as the program that it is, over its standard streams.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use skep::resource::{Change, Key, Observed, Receipt, Resource, directory, file};
use skep::wire::{self, Answer, Body, Claim, LockOwner, Outcome, Reply, Request, frame};

/// The agent to test: the one just built, or what `SKEP_TEST_AGENT` says, words apart by spaces, so that these tests
/// hold for one that was built for another architecture (`qemu-aarch64-static target/dist/skep-agent-aarch64`).
fn program() -> Command {
    let built = env!("CARGO_BIN_EXE_skep-agent").to_owned();
    let words = std::env::var("SKEP_TEST_AGENT").unwrap_or(built);
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// What that agent was built for, as the names in `target/dist` end.
fn architecture() -> String {
    let other = std::env::var("SKEP_TEST_AGENT").ok();
    let other = other.and_then(|words| Some(words.rsplit_once("skep-agent-")?.1.to_owned()));
    other.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// A running `skep-agent`.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Agent {
    /// Starts it; it has said hello.
    fn start(arguments: &[&str]) -> Self {
        Self::started_by(program().args(arguments))
    }

    fn started_by(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut agent = Self { child, input, output };
        let mut hello = String::new();
        agent.output.read_line(&mut hello).expect("text");
        assert_eq!(wire::parse_hello(&hello), Some((wire::PROTOCOL, env!("CARGO_PKG_VERSION"))));
        agent
    }

    fn serve(lock: &Path) -> Self {
        Self::start(&["serve", lock.to_str().expect("a plain path")])
    }

    fn ask(&mut self, id: u64, body: Body) -> Answer {
        frame::write(self.input.as_mut().expect("open"), &Request { id, body }).expect("the agent reads");
        loop {
            let reply: Reply = frame::read(&mut self.output).expect("whole frames").expect("an answer");
            assert_eq!(reply.id, id);
            if reply.body.is_final() {
                return reply.body;
            }
        }
    }

    /// Ends its input; gives its exit code and what it said on its standard error.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let output = self.child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
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
        run: text("r1"),
        holder: None,
    };
    Body::Lock { owner, claim: Claim::Free }
}

/// The same where it may be held already.
fn claim(who: &str, claim: Claim) -> Body {
    let Body::Lock { owner, .. } = lock_for(who) else { unreachable!() };
    Body::Lock { owner, claim }
}

fn change(desired: Resource, observed: &Observed) -> Option<Change> {
    desired.diff(observed).expect("nothing is in the way")
}

#[test]
fn a_file_is_surveyed_written_and_found_as_wanted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut agent = Agent::serve(&directory.path().join("lock"));
    let path = directory.path().join("file");
    let key = Key::File(path.clone());
    let survey = Body::Survey { keys: vec![key.clone()], inspect: None };

    let Answer::Survey { facts, observed } = agent.ask(1, survey.clone()) else {
        panic!("a survey was asked")
    };
    assert_eq!(facts.kernel.machine, architecture());
    assert!(!facts.kernel.release.is_empty() && facts.system.memory > 0 && facts.system.processors > 0);
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let desired =
        || Resource::File(file::Desired { path: path.clone(), text: "a\n".into(), mode: 0o640, uid, gid });
    let before = observed[0].1.clone().expect("it can be read");
    let change_it = change(desired(), &before).expect("there is no such file");

    assert_eq!(agent.ask(2, lock_for("me")), Answer::Locked);
    assert!(matches!(agent.ask(3, Body::apply(change_it, 1)), Answer::Applied(Receipt::File(_))));
    assert_eq!(fs::read_to_string(&path).expect("it was written"), "a\n");
    let Answer::Survey { observed, .. } = agent.ask(4, survey) else { panic!("a survey was asked") };
    assert_eq!(observed[0].0, key);
    assert_eq!(change(desired(), observed[0].1.as_ref().expect("it can be read")), None);
    assert_eq!(agent.end(), (Some(0), String::new()));
}

#[test]
fn what_it_makes_on_the_way_is_for_all_to_read_whatever_the_logins_umask() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let above = directory.path().join("srv");
    let (path, mode) = (above.join("share"), 0o775);
    let agent = program();
    let mut agent = Agent::started_by(
        Command::new("sh")
            .args(["-c", "umask 077; exec \"$@\"", "sh"])
            .arg(agent.get_program())
            .args(agent.get_args())
            .arg("serve")
            .arg(directory.path().join("lock")),
    );
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let desired = Resource::Directory(directory::Desired { path: path.clone(), mode, uid, gid });
    let make = change(desired, &Observed::Directory(directory::Observed::Absent)).expect("it is absent");
    assert_eq!(agent.ask(1, lock_for("me")), Answer::Locked);
    assert!(matches!(agent.ask(2, Body::apply(make, 1)), Answer::Applied(_)));
    let mode_of = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!((mode_of(&above), mode_of(&path)), (0o755, mode));
    assert_eq!(mode_of(&directory.path().join("lock")), 0o600);
    assert_eq!(agent.end(), (Some(0), String::new()));
}

#[test]
fn one_run_at_a_time_and_no_stale_lock() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let lock = directory.path().join("run/lock");
    let mut first = Agent::serve(&lock);
    let mut second = Agent::serve(&lock);
    assert_eq!(first.ask(1, lock_for("first")), Answer::Locked);
    assert_eq!(held(second.ask(1, lock_for("second"))).who, "first");

    kill(Pid::from_raw(first.child.id().cast_signed()), Signal::SIGKILL).expect("it runs");
    assert_eq!(first.end().0, None);
    assert_eq!(second.ask(2, lock_for("second")), Answer::Locked);

    let mut third = Agent::serve(&lock);
    assert_eq!(second.end().0, Some(0));
    assert_eq!(third.ask(1, lock_for("third")), Answer::Locked);
}

fn held(answer: Answer) -> LockOwner {
    match answer {
        Answer::LockHeld(owner) => owner,
        other => panic!("it is held: {other:?}"),
    }
}

/// Makes the lock's file say that the controller was last heard of that long ago.
fn fall_silent(lock: &Path, seconds: u64) {
    let text = fs::read_to_string(lock).expect("a file");
    let mut owner: LockOwner = serde_json::from_str(&text).expect("an owner");
    let holder = owner.holder.as_mut().expect("an agent holds it");
    holder.heard = holder.heard.saturating_sub(seconds);
    fs::write(lock, serde_json::to_string(&owner).expect("text")).expect("a file");
}

/// Asks until it is not held any more by an agent that was told to leave.
fn until_free(agent: &mut Agent, lock: &Body) -> Answer {
    loop {
        match agent.ask(7, lock.clone()) {
            Answer::LockHeld(owner) if owner.finishing => thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
}

#[test]
fn only_a_silent_holder_is_told_to_leave_and_only_where_that_is_wanted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let lock = directory.path().join("lock");
    let (mut first, mut second) = (Agent::serve(&lock), Agent::serve(&lock));
    assert_eq!(first.ask(1, lock_for("first")), Answer::Locked);
    // It was heard of just now.
    let owner = held(second.ask(1, claim("second", Claim::Silent)));
    assert!(!owner.finishing && owner.silent().is_none(), "{owner:?}");
    fall_silent(&lock, 3600);
    let owner = held(second.ask(2, lock_for("second")));
    assert!(!owner.finishing && owner.silent().is_some_and(|silent| silent >= 3600), "{owner:?}");
    assert!(held(second.ask(3, claim("second", Claim::Silent))).finishing);
    assert_eq!(until_free(&mut second, &claim("second", Claim::Silent)), Answer::Locked);
    let (code, words) = first.end();
    assert_eq!((code, words.as_str()), (Some(0), ""), "it left by itself");
}

#[test]
fn a_run_that_lost_its_connection_takes_its_own_lock_again_but_not_anothers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let lock = directory.path().join("lock");
    let (mut old, mut new) = (Agent::serve(&lock), Agent::serve(&lock));
    assert_eq!(old.ask(1, lock_for("first")), Answer::Locked);
    let uids = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let path = directory.path().join("made");
    let desired = Resource::Directory(directory::Desired { path, mode: 0o755, uid: uids.0, gid: uids.1 });
    let make = change(desired, &Observed::Directory(directory::Observed::Absent)).expect("it is absent");
    let Answer::Applied(receipt) = old.ask(2, Body::apply(make, 4)) else { panic!("it is made") };
    // The old agent has not noticed that nobody is there any more.
    assert!(!held(new.ask(1, claim("second", Claim::Again))).finishing);
    assert_eq!(until_free(&mut new, &claim("first", Claim::Again)), Answer::Locked);
    let outcome = Body::Outcome { run: "r1".to_owned(), step: 4 };
    assert_eq!(new.ask(2, outcome), Answer::Outcome(Outcome::Done(receipt)));
    assert_eq!(new.end(), (Some(0), String::new()));

    let (mut other, mut late) = (Agent::serve(&lock), Agent::serve(&lock));
    assert_eq!(other.ask(1, lock_for("second")), Answer::Locked);
    assert_eq!(other.end(), (Some(0), String::new()));
    match late.ask(1, claim("first", Claim::Again)) {
        Answer::LockPassed(owner) => assert_eq!(owner.who, "second"),
        answer => panic!("another run has had it: {answer:?}"),
    }
}

#[test]
fn a_holder_that_is_no_agent_is_never_ended() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let lock = directory.path().join("lock");
    let mut sleeper =
        Command::new("flock").arg("--no-fork").arg(&lock).args(["sleep", "60"]).spawn().expect("flock runs");
    let mut agent = Agent::serve(&lock);
    for (pid, words) in [(None, "does not say"), (Some(sleeper.id()), "no skep-agent")] {
        let Body::Lock { mut owner, .. } = lock_for("first") else { unreachable!() };
        owner.holder = pid.map(|pid| wire::Holder { pid, heard: 0, silent: 0, step: None });
        // The lock may have to be waited for: flock opens the file first.
        let answer = loop {
            fs::write(&lock, serde_json::to_string(&owner).expect("text")).expect("a file");
            match agent.ask(1, claim("first", Claim::Again)) {
                Answer::Locked => assert_eq!(agent.ask(2, Body::Unlock), Answer::Unlocked),
                other => break other,
            }
        };
        let Answer::Fault(fault) = answer else { panic!("it cannot be told to leave: {answer:?}") };
        assert!(fault.cause.contains(words), "{fault}");
    }
    assert!(sleeper.try_wait().expect("its own child").is_none(), "it runs on");
    sleeper.kill().expect("it runs");
    sleeper.wait().expect("its own child");
}

#[test]
fn hangups_and_interrupts_do_not_end_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut agent = Agent::serve(&directory.path().join("lock"));
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        kill(Pid::from_raw(agent.child.id().cast_signed()), signal).expect("it runs");
    }
    assert!(matches!(agent.ask(1, Body::Time), Answer::Time { .. }));
    assert_eq!(agent.end().0, Some(0));
}

#[test]
fn garbage_ends_it_with_a_word() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut agent = Agent::serve(&directory.path().join("lock"));
    agent.input.as_mut().expect("open").write_all(b"\0\0\0\x02[]").expect("it reads");
    let (code, words) = agent.end();
    assert_eq!(code, Some(1));
    assert!(words.contains("invalid"), "{words}");
    assert!(!words.contains("panicked"), "{words}");
}

#[test]
fn what_it_does_not_own_is_a_fault() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("file"), "").expect("a file");
    let mut agent = Agent::serve(&directory.path().join("file/lock"));
    let Answer::Fault(fault) = agent.ask(1, lock_for("me")) else { panic!("a file is in the way") };
    assert!(fault.what.ends_with("file/lock"), "{fault}");
    let inside = Key::Directory(directory.path().join("file/inside"));
    let Answer::Survey { observed, .. } = agent.ask(2, Body::Survey { keys: vec![inside], inspect: None })
    else {
        panic!("asked")
    };
    assert_eq!(observed.len(), 1);
    assert!(!matches!(observed[0].1, Ok(Observed::Directory(directory::Observed::Directory { .. }))));
}

/// A server that repeats what it hears and then says goodbye.
fn echo_server(socket: &Path) -> thread::JoinHandle<()> {
    let listener = UnixListener::bind(socket).expect("a socket");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("the client's end is passed on");
        stream.write_all(&heard).expect("the client listens still");
        stream.write_all(b"goodbye").expect("the client listens still");
    })
}

#[test]
fn dial_passes_bytes_both_ways_and_each_end_by_itself() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let server = echo_server(&socket);
    let mut dial = Agent::start(&["dial", socket.to_str().expect("a plain path")]);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut input = dial.input.take().expect("open");
    let sent = bytes.clone();
    let writer = thread::spawn(move || input.write_all(&sent).expect("the relay reads"));
    let mut heard = Vec::new();
    dial.output.read_to_end(&mut heard).expect("the relay writes");
    writer.join().expect("no panic");
    server.join().expect("no panic");
    assert_eq!(heard.len(), bytes.len() + 7);
    assert!(heard.starts_with(&bytes) && heard.ends_with(b"goodbye"));
    assert_eq!(dial.end(), (Some(0), String::new()));
}

#[test]
fn dial_ends_with_the_socket_although_its_input_stays_open() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut dial = Agent::start(&["dial", socket.to_str().expect("a plain path")]);
    drop(listener.accept().expect("a client"));
    let mut rest = Vec::new();
    dial.output.read_to_end(&mut rest).expect("it ends");
    assert!(rest.is_empty());
    assert_eq!(dial.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn dial_to_nothing_says_why_and_not_hello() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("none");
    let output = program().arg("dial").arg(&socket).output().expect("it runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("No such file") && words.contains(&*socket.to_string_lossy()), "{words}");
}

#[test]
fn by_hand_it_says_what_it_is() {
    let run = |arguments: &[&str]| program().args(arguments).output().expect("it runs");
    let version = run(&["version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("{}\n", wire::hello()));
    for wrong in [&[][..], &["--help"], &["dial"]] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("run by skep"), "{wrong:?}");
    }
}
