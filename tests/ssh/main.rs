//! Sessions against real OpenSSH servers on loopback.

mod agent;
mod authority;
mod config;
mod jump;
mod keys;
mod prompts;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use skep::ssh::{
    ConnectError, ConnectFailure, Exec, ExecError, ExitStatus, Identities, KnownHosts, Options, Session,
    Target, Unreachable, connect,
};
use support::sshd::{self, Sshd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that takes no passwords.
const KEYS_ONLY: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n";

/// A login with the key that the server knows.
fn target(server: &Sshd) -> Target {
    let known_hosts = server.path("known_hosts");
    Target {
        keys: vec![server.path("client")],
        ..Target::new("n1", &sshd::this_user(), "127.0.0.1", server.port, known_hosts)
    }
}

/// Nothing of this user's own keys or agent; unknown hosts refused.
fn strict() -> Options {
    Options::new(Arc::new(Identities::default()))
}

/// The same, but new hosts are trusted.
fn trusting() -> Options {
    Options { accept_new_host_keys: true, ..strict() }
}

async fn session(server: &Sshd) -> Session {
    connect(&target(server), &trusting()).await.expect("a session")
}

async fn refusal(target: &Target, options: &Options) -> ConnectError {
    connect(target, options).await.expect_err("a refusal")
}

/// A listener that takes connections and never says a word.
fn silent_listener() -> (std::net::TcpListener, u16) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

// ---- Reaching a host

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let Some(server) = Sshd::start() else { return };
    let target = Target { port: sshd::free_port(), ..target(&server) };
    let error = refusal(&target, &trusting()).await;
    assert!(error.is_unreachable() && error.is_transient());
    assert!(matches!(*error.cause, ConnectFailure::Unreachable(Unreachable::Connection(_))));
    assert!(error.to_string().contains(&format!("n1: cannot log in as {} on 127.0.0.1", target.user)));
}

#[tokio::test]
async fn a_silent_listener_runs_into_the_connect_timeout() {
    let Some(server) = Sshd::start() else { return };
    let (_listener, port) = silent_listener();
    let target = Target { port, ..target(&server) };
    let options = Options { connect_timeout: Duration::from_millis(200), ..trusting() };
    let error = refusal(&target, &options).await;
    assert!(
        matches!(
            *error.cause,
            ConnectFailure::Unreachable(Unreachable::Timeout { doing: "the key exchange", .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_stalls_after_its_greeting_runs_into_the_connect_timeout() {
    let Some(server) = Sshd::start() else { return };
    let (listener, port) = silent_listener();
    let greeting = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"SSH-2.0-stalled\r\n").unwrap();
        stream
    });
    let options = Options { connect_timeout: Duration::from_millis(500), ..trusting() };
    let error = refusal(&Target { port, ..target(&server) }, &options).await;
    assert!(matches!(*error.cause, ConnectFailure::Unreachable(Unreachable::Timeout { .. })), "{error}");
    drop(greeting.join().unwrap());
}

#[tokio::test]
async fn a_listener_that_hangs_up_is_unreachable() {
    let Some(server) = Sshd::start() else { return };
    let (listener, port) = silent_listener();
    std::thread::spawn(move || listener.accept().map(drop));
    let error = refusal(&Target { port, ..target(&server) }, &trusting()).await;
    assert!(matches!(*error.cause, ConnectFailure::Unreachable(Unreachable::Closed { .. })), "{error}");
}

#[tokio::test]
async fn a_name_without_address_is_unreachable() {
    let Some(server) = Sshd::start() else { return };
    // RFC 6761: never resolves.
    let target = Target { host: "n1.invalid".into(), ..target(&server) };
    let error = refusal(&target, &trusting()).await;
    assert!(matches!(*error.cause, ConnectFailure::Unreachable(Unreachable::Name(_))), "{error}");
    assert!(error.help().contains("n1.invalid"));
}

#[tokio::test]
async fn a_host_that_boots_late_is_waited_for() {
    let Some(mut server) = Sshd::start() else { return };
    let target = target(&server);
    server.stop();
    let starting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        server.restart_with_new_host_keys();
        server
    });
    let options = Options { retry_for: Duration::from_secs(60), ..trusting() };
    connect(&target, &options).await.expect("a session in the end");
    starting.join().unwrap();
}

// ---- Trusting it

#[tokio::test]
async fn an_unknown_key_is_refused_and_shown() {
    let Some(server) = Sshd::start() else { return };
    let error = refusal(&target(&server), &strict()).await;
    let ConnectFailure::HostKeyUnknown(key) = &*error.cause else { panic!("{error}") };
    assert_eq!(key.algorithm, "ssh-ed25519");
    assert_eq!(key.fingerprint, server.fingerprint("ed25519"));
    assert!(error.to_string().contains(&key.fingerprint));
    assert!(!error.is_unreachable() && !error.is_transient());
    assert!(!server.path("known_hosts").exists());
}

#[tokio::test]
async fn an_accepted_key_is_recorded_and_known_from_then_on() {
    let Some(server) = Sshd::start() else { return };
    session(&server).await.close().await;
    let recorded = std::fs::read_to_string(server.path("known_hosts")).unwrap();
    assert_eq!(recorded, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key("ed25519")));
    connect(&target(&server), &strict()).await.expect("a known host");
    connect(&target(&server), &trusting()).await.expect("a known host");
    assert_eq!(std::fs::read_to_string(server.path("known_hosts")).unwrap(), recorded);
}

#[tokio::test]
async fn the_user_is_asked_and_the_answer_counts() {
    let Some(server) = Sshd::start() else { return };
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = |yes: bool| {
        let (asked, fingerprint) = (asked.clone(), server.fingerprint("ed25519"));
        let ask: skep::ssh::AskHostKey = Arc::new(move |key| {
            assert_eq!(key.fingerprint, fingerprint);
            asked.fetch_add(1, Ordering::SeqCst);
            async move { yes }.boxed()
        });
        Options { ask: Some(ask), ..strict() }
    };
    let error = refusal(&target(&server), &answer(false)).await;
    assert!(matches!(*error.cause, ConnectFailure::HostKeyUnknown(_)));
    connect(&target(&server), &answer(true)).await.expect("a session");
    connect(&target(&server), &answer(false)).await.expect("a known host, not asked about");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_pinned_fingerprint_may_be_that_of_any_of_its_keys() {
    let Some(server) = Sshd::start() else { return };
    for kind in ["ed25519", "ecdsa"] {
        let target = Target { host_key: Some(server.fingerprint(kind)), ..target(&server) };
        connect(&target, &strict()).await.expect("a pinned host");
    }
    assert!(!server.path("known_hosts").exists());
}

#[tokio::test]
async fn a_wrong_pinned_fingerprint_is_refused_and_shows_all_its_keys() {
    let Some(server) = Sshd::start() else { return };
    let target = Target { host_key: Some("SHA256:wrong".into()), ..target(&server) };
    let error = refusal(&target, &trusting()).await;
    let ConnectFailure::HostKeyMismatch { offered, .. } = &*error.cause else { panic!("{error}") };
    let expected = [
        format!("ssh-ed25519 {}", server.fingerprint("ed25519")),
        format!("ecdsa-sha2-nistp256 {}", server.fingerprint("ecdsa")),
    ];
    assert_eq!(offered, &expected);
}

#[tokio::test]
async fn a_changed_key_is_refused_with_file_and_line() {
    let Some(mut server) = Sshd::start() else { return };
    std::fs::write(server.path("known_hosts"), "# a note\n\n").unwrap();
    session(&server).await.close().await;
    server.restart_with_new_host_keys();
    let error = refusal(&target(&server), &trusting()).await;
    let ConnectFailure::HostKeyChanged { line: 3, .. } = &*error.cause else { panic!("{error}") };
    let text = error.to_string();
    let known_hosts = server.path("known_hosts");
    assert!(text.contains(&format!("{}:3 ", known_hosts.display())), "{text}");
    assert!(
        text.contains(&format!("ssh-keygen -f {} -R '[127.0.0.1]:{}'", known_hosts.display(), server.port)),
        "{text}"
    );
}

#[tokio::test]
async fn the_recorded_algorithm_is_asked_for_first() {
    let Some(server) = Sshd::start() else { return };
    let line = format!("127.0.0.1 {}\n", server.host_key("ecdsa"));
    std::fs::write(server.path("known_hosts"), line).unwrap();
    connect(&target(&server), &strict()).await.expect("known by its ecdsa key, under its bare name");
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let Some(server) = Sshd::start() else { return };
    let line = format!("@revoked * {}\n", server.host_key("ed25519"));
    std::fs::write(server.path("known_hosts"), line).unwrap();
    let error = refusal(&target(&server), &trusting()).await;
    assert!(matches!(*error.cause, ConnectFailure::HostKeyRevoked { line: 1, .. }), "{error}");
}

#[tokio::test]
async fn an_unreadable_known_hosts_is_an_error() {
    let Some(server) = Sshd::start() else { return };
    std::fs::create_dir(server.path("known_hosts")).unwrap();
    let error = refusal(&target(&server), &trusting()).await;
    assert!(matches!(*error.cause, ConnectFailure::KnownHosts(_)), "{error}");
}

#[tokio::test]
async fn twenty_hosts_at_once_share_one_known_hosts() {
    // Two servers of ten addresses: OpenSSH listens on sixteen at most.
    let hosts: Vec<String> = (1..=10).map(|n| format!("127.0.0.{n}")).collect();
    let listen: String = hosts[1..].iter().map(|host| format!("ListenAddress {host}\n")).collect();
    let Some(first) = Sshd::start_with(&listen) else { return };
    let Some(second) = Sshd::start_with(&listen) else { return };
    let known_hosts = first.path("known_hosts");

    let (mut connections, mut expected) = (Vec::new(), Vec::new());
    for server in [&first, &second] {
        for host in &hosts {
            let (host, known_hosts) = (host.clone(), KnownHosts::file(known_hosts.clone()));
            expected.push(format!("[{host}]:{} {}", server.port, server.host_key("ed25519")));
            let target = Target { host, known_hosts, ..target(server) };
            connections.push(tokio::spawn(async move { connect(&target, &trusting()).await.map(drop) }));
        }
    }
    for connected in futures_util::future::join_all(connections).await {
        connected.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }
    let recorded = std::fs::read_to_string(known_hosts).unwrap();
    let mut recorded: Vec<_> = recorded.lines().map(str::to_owned).collect();
    recorded.sort();
    expected.sort();
    assert_eq!(recorded, expected);
}

// ---- Running commands

#[tokio::test]
async fn a_command_has_input_output_errors_and_a_code() {
    let Some(server) = Sshd::start() else { return };
    let session = session(&server).await;
    let output = session.run("cat; echo warned >&2; exit 7", b"line\n").await.unwrap();
    assert_eq!(output.status, ExitStatus { code: Some(7), signal: None });
    assert_eq!(output.stdout, b"line\n");
    assert_eq!(output.stderr, "warned\n");
    assert!(session.run("true", b"").await.unwrap().status.success());
}

#[tokio::test]
async fn a_signal_is_told() {
    let Some(server) = Sshd::start() else { return };
    let output = session(&server).await.run("kill -TERM $$", b"").await.unwrap();
    assert_eq!(output.status, ExitStatus { code: None, signal: Some("TERM".into()) });
}

#[tokio::test]
async fn only_the_end_of_much_standard_error_is_kept() {
    let Some(server) = Sshd::start() else { return };
    let script = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo the end >&2";
    let output = session(&server).await.run(script, b"").await.unwrap();
    assert_eq!(output.stderr.len(), 8 * 1024);
    assert!(output.stderr.ends_with("xthe end\n"));
}

#[tokio::test]
async fn a_command_that_ignores_its_input_does_not_hang_the_writer() {
    let Some(server) = Sshd::start() else { return };
    let input = vec![b'x'; 8 * 1024 * 1024];
    let output = session(&server).await.run("exit 3", &input).await.unwrap();
    assert_eq!(output.status.code, Some(3));
}

#[tokio::test]
async fn dropping_the_input_ends_it() {
    let Some(server) = Sshd::start() else { return };
    let Exec { stdin, mut stdout, mut exit } = session(&server).await.exec("cat; echo done").await.unwrap();
    drop(stdin);
    let mut text = String::new();
    stdout.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "done\n");
    assert!(exit.wait().await.unwrap().success());
}

#[tokio::test]
async fn dropping_a_command_ends_it() {
    let Some(server) = Sshd::start() else { return };
    let session = session(&server).await;
    let mark = server.path("ended");
    let script =
        format!("trap 'echo > {}; exit' HUP PIPE; while :; do echo tick; sleep 0.05; done", mark.display());
    let Exec { stdin, mut stdout, exit } = session.exec(&script).await.unwrap();
    stdout.read_exact(&mut [0; 5]).await.unwrap();
    drop((stdin, stdout, exit));
    while !mark.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(session.run("true", b"").await.unwrap().status.success());
}

#[tokio::test]
async fn a_channel_that_nobody_reads_does_not_hold_up_another() {
    const UNREAD: usize = 24 * 1024 * 1024;
    let Some(server) = Sshd::start() else { return };
    let session = session(&server).await;
    let mut unread = session.exec(&format!("head -c {UNREAD} /dev/zero")).await.unwrap();

    let megabytes: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|n| n as u8).collect();
    let echoed = session.run("cat", &megabytes).await.unwrap();
    assert!(echoed.stdout == megabytes);
    // Its end comes through too, before a byte of it has been read.
    assert!(unread.exit.wait().await.unwrap().success());

    let mut output = Vec::new();
    unread.stdout.read_to_end(&mut output).await.unwrap();
    assert_eq!(output.len(), UNREAD);
}

#[tokio::test]
async fn a_reader_that_falls_too_far_behind_ends_its_own_command_only() {
    let Some(server) = Sshd::start() else { return };
    let session = session(&server).await;
    let mut unread = session.exec("cat /dev/zero").await.unwrap();
    let error = unread.exit.wait().await.unwrap_err();
    assert!(matches!(error, ExecError::Output { .. }), "{error}");
    let error = unread.stdout.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("behind"), "{error}");
    assert!(session.run("true", b"").await.unwrap().status.success());
}

#[tokio::test]
async fn a_connection_that_is_cut_is_an_error_and_no_end_of_file() {
    let Some(mut server) = Sshd::start() else { return };
    let session = session(&server).await;
    let Exec { mut stdin, mut stdout, mut exit } = session.exec("echo started; cat").await.unwrap();
    stdout.read_exact(&mut [0; 8]).await.unwrap();
    server.stop();
    assert!(stdout.read(&mut [0; 8]).await.is_err());
    let error = exit.wait().await.unwrap_err();
    assert!(matches!(error, ExecError::Lost { .. }), "{error}");
    assert!(stdin.write_all(&[0; 64]).await.is_err() || stdin.shutdown().await.is_err());
    assert!(session.is_closed());
    assert!(matches!(session.exec("true").await, Err(ExecError::Lost { .. })));
}

#[tokio::test]
async fn a_host_that_hangs_is_noticed_by_keepalives() {
    let Some(server) = Sshd::start() else { return };
    let options = Options { keepalive: Duration::from_millis(200), ..trusting() };
    let session = connect(&target(&server), &options).await.expect("a session");
    let mut running = session.exec("cat").await.unwrap();
    server.freeze();
    let error = running.exit.wait().await.unwrap_err();
    let ExecError::Lost { why: Some(why), .. } = &error else { panic!("{error}") };
    assert!(why.contains("Keepalive"), "{why}");
}

#[tokio::test]
async fn a_server_that_opens_no_channels_is_told_from_a_lost_connection() {
    let Some(server) = Sshd::start_with("MaxSessions 0\n") else { return };
    let error = session(&server).await.run("true", b"").await.unwrap_err();
    assert!(matches!(error, ExecError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn close_ends_what_still_runs() {
    let Some(server) = Sshd::start() else { return };
    let session = session(&server).await;
    let mut running = session.exec("cat").await.unwrap();
    assert!(!session.is_closed());
    session.close().await;
    assert!(matches!(running.exit.wait().await, Err(ExecError::Lost { .. })));
}

#[tokio::test]
async fn a_command_that_has_ended_may_be_forgotten_before_its_channel_is_closed() {
    let Some(server) = Sshd::start() else { return };
    let panics = Arc::new(AtomicUsize::new(0));
    let (counter, before) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        // Other tests have a right to their own.
        if panic.to_string().contains("after complete") {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        before(panic);
    }));
    let session = session(&server).await;
    // Its status is sent at once; the channel stays open for whoever still holds the output.
    let exec = session.exec("sleep 1 & exit 0").await.expect("it starts");
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(exec);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(panics.load(Ordering::SeqCst), 0, "the channel's task asked an answered question again");
    assert_eq!(session.run("echo on", b"").await.expect("it runs").stdout, b"on\n");
}

#[tokio::test]
async fn a_connection_that_breaks_off_in_mid_login_is_worth_another_try() {
    let Some(server) = Sshd::start() else { return };
    let mut logins = 0;
    // Bytes from this side until the host is gone: from the greeting to the last word of the login.
    for bytes in (0..4000).step_by(100) {
        let port = breaks_off_after(bytes, server.port);
        match connect(&Target { port, ..target(&server) }, &trusting()).await {
            Err(error) => assert!(error.is_transient(), "after {bytes} bytes: {error}"),
            Ok(_) => logins += 1,
        }
    }
    assert!((1..30).contains(&logins), "{logins} of 40 got through, and none or all is no test");
}

/// A relay to `server` for one connection, which goes once it has passed on so many bytes. The port to reach it.
fn breaks_off_after(bytes: u64, server: u16) -> u16 {
    use std::io::{Read, copy};
    use std::net::{Shutdown, TcpStream};
    let (listener, port) = silent_listener();
    std::thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        let far = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let (mut answers, mut back) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        std::thread::spawn(move || copy(&mut answers, &mut back));
        let _ = copy(&mut near.try_clone().unwrap().take(bytes), &mut &far);
        for end in [near, far] {
            let _ = end.shutdown(Shutdown::Both);
        }
    });
    port
}
