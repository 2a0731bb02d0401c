//! Agents over real SSH: brought to an OpenSSH server on loopback, spoken with, lost, and found again.

#[expect(dead_code, reason = "shared with other test files, which use the rest")]
mod support;

#[path = "fleet/lost.rs"]
mod lost;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use skep::event::{Event, Sink};
use skep::fleet::{
    self, Agents, Bootstrap, Build, Denied, Elevation, HostSession, LogIn, Passwords, Privilege, Refusal,
    Remote, SessionError,
};
use skep::inventory::model::{Login, Node, NodeName, Place, Role};
use skep::resource::{Fault, Key};
use skep::ssh::{self, Identities, Options, Route, Target};
use skep::wire::{Answer, Body, Claim, LockOwner};
use support::sshd::{Sshd, this_user};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server, and the agent that was built with this test.
struct Scene {
    sshd: Sshd,
    agents: Arc<Agents>,
    /// After how much silence a connection is asked for a word.
    keepalive: Duration,
}

/// Read and compressed once for all tests: unoptimised, it is large.
static AGENTS: LazyLock<Arc<Agents>> = LazyLock::new(|| {
    let agent = fs::read(env!("CARGO_BIN_EXE_skep-agent")).expect("it was built");
    Arc::new(Agents::of([(std::env::consts::ARCH.to_owned(), Build::new(agent))]))
});

impl Scene {
    fn new(config: &str) -> Option<Self> {
        let sshd = Sshd::start_with(config)?;
        Some(Self { sshd, agents: Arc::clone(&AGENTS), keepalive: Duration::from_secs(15) })
    }

    fn directory(&self) -> String {
        self.sshd.path("lib").to_str().expect("a plain path").to_owned()
    }

    fn target(&self) -> Target {
        let known_hosts = self.sshd.path("known_hosts");
        Target {
            keys: vec![self.sshd.path("client")],
            ..Target::new("n1", &this_user(), "127.0.0.1", self.sshd.port, known_hosts)
        }
    }

    async fn log_in(&self) -> ssh::Session {
        self.log_in_to(self.target()).await
    }

    async fn log_in_to(&self, target: Target) -> ssh::Session {
        ssh::connect(&target, &self.options()).await.expect("a session")
    }

    fn options(&self) -> Options {
        let options = Options::new(Arc::new(Identities::default()));
        Options { accept_new_host_keys: true, keepalive: self.keepalive, ..options }
    }

    /// How a lost session logs in again.
    fn log_in_again(&self) -> LogIn {
        let (target, options) = (self.target(), self.options());
        Arc::new(move || {
            let (target, options) = (target.clone(), options.clone());
            let connected = async move {
                let session = ssh::connect(&target, &options).await;
                session.map(|session| Box::new(session) as Box<dyn Remote>).map_err(|error| Refusal {
                    fault: Fault::new("n1", &error.cause),
                    passing: error.is_transient(),
                })
            };
            Box::pin(connected)
        })
    }

    /// Opens a session; tells the bytes pushed too.
    async fn open(&self, elevation: Elevation) -> (Result<HostSession, Bootstrap>, u64) {
        self.open_over(self.log_in().await, elevation).await
    }

    async fn open_over(
        &self,
        remote: ssh::Session,
        elevation: Elevation,
    ) -> (Result<HostSession, Bootstrap>, u64) {
        let mut pushed = 0;
        let passwords = Passwords::of("n1", &this_user(), Arc::default());
        let privilege = Privilege { elevation, passwords, places: vec![self.directory()] };
        let mut on_push = |done, _| pushed = done;
        let (agents, remote) = (Arc::clone(&self.agents), Box::new(remote));
        let opened = HostSession::open(NodeName::from("n1"), remote, agents, privilege, &mut on_push).await;
        (opened, pushed)
    }

    async fn session(&self) -> HostSession {
        self.open(Elevation::None).await.0.expect("an agent")
    }

    /// Sends a signal to all connections, but not to what runs over them; the server goes on.
    fn signal_connections(&self, signal: Signal) {
        for process in self.sshd.descendants().into_iter().skip(1) {
            let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
            if name.starts_with("sshd") {
                let _ = kill(process, signal);
            }
        }
    }

    /// A program that the server's commands find first.
    fn program(&self, name: &str, script: &str) {
        let path = self.sshd.path("bin").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its owner may");
    }
}

#[tokio::test]
async fn brought_once_then_found() {
    let Some(scene) = Scene::new("") else { return };
    for round in 0..2 {
        let (session, pushed) = scene.open(Elevation::None).await;
        let session = session.expect("an agent");
        assert_eq!(pushed > 0, round == 0, "round {round}");
        let keys = vec![Key::Directory("/etc".into()), Key::File("/etc/hostname".into())];
        let survey = session.survey(keys.clone()).await.expect("an answer");
        assert_eq!(survey.facts.kernel.machine, std::env::consts::ARCH);
        assert!(keys.iter().all(|key| survey.observed.contains_key(key)));
        // It is the same clock.
        assert!(survey.clock_offset_ms.abs() <= survey.clock_uncertainty_ms, "{survey:?}");
        session.close().await;
        let gone = session.request(Body::Time, |_| ()).await;
        assert!(matches!(gone, Err(SessionError::Gone { .. })), "{gone:?}");
    }
}

#[tokio::test]
async fn agents_behind_a_jump_host() {
    let (Some(hop), Some(scene)) = (Scene::new(""), Scene::new("")) else { return };
    let target = Target { route: Route::Jump(Arc::new(hop.target())), ..scene.target() };
    let (opened, pushed) = scene.open_over(scene.log_in_to(target).await, Elevation::None).await;
    let survey = opened.expect("an agent").survey(vec![Key::Directory("/etc".into())]).await;
    assert!(survey.expect("an answer").observed.len() == 1 && pushed > 0);
    assert!(!fs::exists(hop.directory()).expect("it can be looked for"), "the jump host needs no agent");
}

#[tokio::test]
async fn many_requests_at_once_get_each_their_own_answer() {
    let Some(scene) = Scene::new("") else { return };
    let session = scene.session().await;
    let asked = (0..50).map(|number| {
        let session = &session;
        async move {
            let key = Key::File(format!("/nowhere/{number}").into());
            let survey = session.survey(vec![key.clone()]).await.expect("an answer");
            assert_eq!(survey.observed.keys().collect::<Vec<_>>(), [&key]);
        }
    });
    join_all(asked).await;
}

#[tokio::test]
async fn many_sessions_at_once_bring_one_agent() {
    let Some(scene) = Scene::new("") else { return };
    let opened = join_all((0..6).map(|_| scene.session())).await;
    for session in &opened {
        let time = session.request(Body::Time, |_| ()).await;
        assert!(matches!(time, Ok(Answer::Time { .. })), "{time:?}");
    }
    assert_eq!(fs::read_dir(scene.directory()).expect("it was made").count(), 1);
}

/// Answers each connection with what it says, reversed at its end.
fn reverser(socket: &std::path::Path) {
    let listener = UnixListener::bind(socket).expect("a socket");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).expect("the end is passed on");
            heard.reverse();
            stream.write_all(&heard).expect("it listens still");
        }
    });
}

#[tokio::test]
async fn sockets_are_reached_while_the_agent_works() {
    let Some(scene) = Scene::new("") else { return };
    let session = scene.session().await;
    let socket = scene.sshd.path("socket");
    reverser(&socket);
    let dialer = session.dialer(socket.to_str().expect("a plain path"));
    for length in [3_usize, 2_000_000] {
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let mut relay = dialer().await.expect("it listens");
        let mut heard = Vec::new();
        let said = async {
            relay.write_all(&bytes).await.expect("it reads");
            relay.shutdown().await.expect("its end can be told");
            relay.read_to_end(&mut heard).await.expect("it answers");
        };
        let (_, time) = tokio::join!(said, session.request(Body::Time, |_| ()));
        assert!(matches!(time, Ok(Answer::Time { .. })), "{time:?}");
        heard.reverse();
        assert!(heard == bytes, "{length} bytes came back as {}", heard.len());
    }
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let Some(scene) = Scene::new("") else { return };
    let session = scene.session().await;
    let Err(error) = session.dialer("/nowhere/docker.sock")().await else { panic!("nothing listens") };
    let text = error.to_string();
    for words in ["did not start", "/nowhere/docker.sock", "No such file"] {
        assert!(text.contains(words), "{text}");
    }
    let Err(error) = session.dialer("/x; reboot")().await else { panic!("no path") };
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_lost_host_is_noticed_by_all_that_wait() {
    let Some(mut scene) = Scene::new("") else { return };
    let session = scene.session().await;
    let socket = scene.sshd.path("socket");
    // Accepts and never answers.
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let mut relay = session.dialer(socket.to_str().expect("a plain path"))().await.expect("it listens");
    scene.sshd.stop();
    let mut rest = Vec::new();
    let (gone, relayed) = tokio::join!(session.request(Body::Time, |_| ()), relay.read_to_end(&mut rest));
    let Err(SessionError::Gone { node, cause }) = gone else { panic!("it is gone: {gone:?}") };
    assert_eq!(node, "n1");
    assert!(cause.contains("connection was lost"), "{cause}");
    assert!(relayed.is_err());
}

#[tokio::test]
async fn the_lock_is_freed_when_the_connection_is_lost() {
    let Some(scene) = Scene::new("") else { return };
    let ask = |owner| Body::Lock { owner, claim: Claim::Free };
    let (first, second) = (scene.session().await, scene.session().await);
    assert_eq!(first.request(ask(owner("first")), |_| ()).await.expect("an answer"), Answer::Locked);
    let held = second.request(ask(owner("second")), |_| ()).await.expect("an answer");
    assert!(matches!(held, Answer::LockHeld(holder) if holder.same_run(&owner("first"))));
    drop(first);
    loop {
        match second.request(ask(owner("second")), |_| ()).await.expect("an answer") {
            Answer::Locked => break,
            Answer::LockHeld(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
    }
}

fn owner(who: &str) -> LockOwner {
    LockOwner {
        finishing: false,
        who: who.to_owned(),
        host: "laptop".to_owned(),
        reason: "skep up".to_owned(),
        since: "2026-11-23T01:00:00Z".to_owned(),
        run: "r".to_owned(),
        holder: None,
    }
}

#[tokio::test]
async fn sudo_is_used_or_its_refusal_explained() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let Some(scene) = Scene::new(&format!("SetEnv PATH={}:/usr/bin:/bin\n", bin.display())) else { return };
    let sudo = |script: &str| {
        scene.program("sudo", script);
        fs::rename(scene.sshd.path("bin/sudo"), bin.join("sudo")).expect("the same file system");
    };
    sudo("echo 'sudo: a password is required' >&2; exit 1");
    let failure = scene.open(Elevation::Sudo).await.0.expect_err("it wants a password");
    assert!(matches!(failure, Bootstrap::Denied(Denied::Password { .. })), "{failure:?}");
    sudo("echo \"$USER is not in the sudoers file.\" >&2; exit 1");
    let failure = scene.open(Elevation::Sudo).await.0.expect_err("it is not allowed");
    assert!(matches!(failure, Bootstrap::Denied(Denied::Forbidden { .. })), "{failure:?}");
    sudo(&format!(
        "[ \"$LC_ALL $1\" = \"C -n\" ] || exit 9; touch {}/used; shift; exec \"$@\"",
        bin.display()
    ));
    let session = scene.open(Elevation::Sudo).await.0.expect("sudo lets it");
    assert!(matches!(session.request(Body::Time, |_| ()).await, Ok(Answer::Time { .. })));
    assert!(bin.join("used").exists());
}

#[tokio::test]
async fn a_host_that_is_off_is_tried_again_and_does_not_hold_up_the_others() {
    let off = support::sshd::free_port();
    let node = |name: &str| Node {
        name: name.into(),
        place: Place { line: 1, column: 1 },
        address: "127.0.0.1".into(),
        role: Role::Worker,
        login: Login {
            user: Some(this_user()),
            port: Some(off),
            keys: vec!["/nowhere/key".into()],
            known_hosts: Some("/nowhere/known_hosts".into()),
            ..Login::default()
        },
        first_login: None,
        mac: None,
        advertise: None,
        labels: BTreeMap::new(),
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink: Sink = {
        let events = Arc::clone(&events);
        Arc::new(move |event| events.lock().expect("no panic").push(event))
    };
    let options = fleet::Options {
        first_logins: BTreeMap::new(),
        forks: 1,
        connect_timeout: Some(Duration::from_secs(5)),
        retry_for: Duration::from_secs(1),
        accept_new_host_keys: false,
        ask: None,
        ask_secret: None,
        identities: Arc::new(Identities::default()),
        agent_dir: None,
    };
    let nodes = [node("n1"), node("n2")];
    let named = |node: &Node, session| std::future::ready((node.name.clone(), session));
    let opened = fleet::connect_each(&nodes, &options, sink, named).await.expect("it can be tried");
    assert_eq!(opened.iter().map(|(name, _)| name.0.as_str()).collect::<Vec<_>>(), ["n1", "n2"]);
    for (name, session) in opened {
        let name = &name;
        let fault = Fault::from(session.expect_err("it is off"));
        assert_eq!(fault.what, name.0);
        assert!(fault.cause.starts_with("cannot log in as") && fault.cause.contains("refused"), "{fault}");
        assert!(fault.help.as_ref().is_some_and(|help| help.contains("ssh -p")), "{fault:?}");
        let told = events.lock().expect("no panic");
        let about = |event: &&Event| match event {
            Event::Connecting { node } | Event::Retrying { node, .. } => node == name,
            other => panic!("{other:?}"),
        };
        let told: Vec<_> = told.iter().filter(about).collect();
        assert!(matches!(told[..], [Event::Connecting { .. }, Event::Retrying { .. }, ..]), "{told:?}");
    }
}
