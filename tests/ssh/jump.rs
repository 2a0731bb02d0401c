//! Hosts behind jump hosts and proxies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use skep::ssh::{AskSecret, ConnectFailure, Options, Unreachable, connect};

use crate::config::{Home, given, section, ssh};
use crate::support::sshd::{self, Sshd};
use crate::{refusal, strict, trusting};

#[tokio::test]
async fn two_hops_each_checked_and_logged_in_on_its_own() {
    let (Some(first), Some(second), Some(server)) = (Sshd::start(), Sshd::start(), Sshd::start()) else {
        return;
    };
    let Some(ssh) = ssh() else { return };
    let config = section("first", &first) + &section("second", &second) + &section("pi", &server);
    let home = Home::with(&(config + "  ProxyJump first,second\n"));
    let target = home.target(Some(ssh.clone()), "pi").await;

    // Nothing is known of the first hop: nobody gets further.
    let error = refusal(&target, &strict()).await;
    let ConnectFailure::Jump { hop, source } = &*error.cause else { panic!("{error}") };
    assert_eq!(hop, "second");
    let ConnectFailure::Jump { hop, source } = &*source.cause else { panic!("{error}") };
    assert_eq!(hop, "first");
    assert!(matches!(*source.cause, ConnectFailure::HostKeyUnknown(_)), "{error}");
    assert!(error.to_string().contains("jump host second: cannot log in as"), "{error}");
    assert!(error.to_string().contains(&first.fingerprint("ed25519")), "{error}");

    let session = connect(&target, &trusting()).await.expect("a session");
    let megabytes: Vec<u8> = (0..4 * 1024 * 1024_u32).map(|n| n as u8).collect();
    assert!(session.run("cat", &megabytes).await.unwrap().stdout == megabytes);
    for (server, name) in [(&first, "first"), (&second, "second"), (&server, "pi")] {
        let recorded = std::fs::read_to_string(server.path("known_hosts")).unwrap();
        assert_eq!(
            recorded,
            format!("[127.0.0.1]:{} {}\n", server.port, server.host_key("ed25519")),
            "{name}"
        );
        assert_eq!(server.logins(), 1, "{name}");
    }
    session.close().await;
    connect(&target, &strict()).await.expect("all three are known now");
}

#[tokio::test]
async fn the_hop_that_fails_is_named() {
    let (Some(first), Some(mut second), Some(mut server)) = (Sshd::start(), Sshd::start(), Sshd::start())
    else {
        return;
    };
    let Some(ssh) = ssh() else { return };
    let config = section("first", &first) + &section("second", &second) + &section("pi", &server);
    let home = Home::with(&(config + "  ProxyJump first,second\n"));
    let target = home.target(Some(ssh), "pi").await;

    server.stop();
    let error = refusal(&target, &trusting()).await;
    let ConnectFailure::Unreachable(Unreachable::Beyond { hop, .. }) = &*error.cause else {
        panic!("{error}")
    };
    assert_eq!(hop, "second");
    assert!(error.is_unreachable() && error.is_transient());
    assert!(error.to_string().contains("jump host second gets no connection to it"), "{error}");

    second.stop();
    let error = refusal(&target, &trusting()).await;
    assert!(error.is_unreachable() && error.is_transient());
    let text = error.to_string();
    assert!(text.contains("jump host second: cannot log in as"), "{text}");
    assert!(text.contains("jump host first gets no connection to it; check"), "{text}");
}

#[tokio::test]
async fn a_hop_that_does_not_let_this_login_in_is_named_and_not_tried_again() {
    let (Some(hop), Some(server)) = (Sshd::start_with("LogLevel VERBOSE\n"), Sshd::start()) else { return };
    let Some(ssh) = ssh() else { return };
    let wrong = sshd::generate_key(server.dir.path(), "wrong", "ed25519", "");
    let config =
        section("hop", &hop).replace(&hop.path("client").display().to_string(), &wrong.display().to_string());
    let home = Home::with(&(config + &section("pi", &server) + "  ProxyJump hop\n"));
    let target = home.target(Some(ssh), "pi").await;
    let options = trusting();
    for _ in 0..3 {
        let error = refusal(&target, &options).await;
        let ConnectFailure::Jump { source, .. } = &*error.cause else { panic!("{error}") };
        assert!(matches!(*source.cause, ConnectFailure::AuthFailed { .. }), "{error}");
        assert!(!error.is_transient() && !error.is_unreachable());
        let text = error.to_string();
        assert!(text.contains(&format!("-p {} {}@hop`", hop.port, sshd::this_user())), "{text}");
        assert!(!text.contains("in the inventory"), "{text}");
        let install =
            format!("`ssh-copy-id -i {} -p {} {}@hop`", wrong.display(), hop.port, sshd::this_user());
        assert!(error.to_string().contains(&install), "{error}");
        // Said once, though two methods would take a password.
        assert_eq!(error.to_string().matches("none is known").count(), 1, "{error}");
    }
    let log = std::fs::read_to_string(hop.path("log")).unwrap();
    assert_eq!(log.matches("Failed publickey").count(), 1, "{log}");
}

#[tokio::test]
async fn a_hop_that_forwards_nothing_is_told_with_what_to_change() {
    let (Some(hop), Some(server)) = (Sshd::start_with("AllowTcpForwarding no\n"), Sshd::start()) else {
        return;
    };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&(section("hop", &hop) + &section("pi", &server) + "  ProxyJump hop\n"));
    let error = refusal(&home.target(Some(ssh), "pi").await, &trusting()).await;
    assert!(matches!(*error.cause, ConnectFailure::Forwarding { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("jump host hop does not forward the connection (administratively prohibited)"),
        "{text}"
    );
    assert!(text.contains("AllowTcpForwarding"), "{text}");
}

#[tokio::test]
async fn twenty_hosts_behind_one_jump_host_share_one_connection_to_it() {
    let hosts: Vec<String> = (1..=10).map(|n| format!("127.0.0.{n}")).collect();
    let listen: String = hosts[1..].iter().map(|host| format!("ListenAddress {host}\n")).collect();
    let Some(hop) = Sshd::start() else { return };
    let (Some(one), Some(two)) = (Sshd::start_with(&listen), Sshd::start_with(&listen)) else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&section("hop", &hop));
    let config = home.config(Some(ssh));
    let options = trusting();
    let mut connections = Vec::new();
    for server in [&one, &two] {
        for host in &hosts {
            let mut given = given(host);
            (given.port, given.keys) = (Some(server.port), vec![server.path("client")]);
            (given.jump, given.known_hosts) = (Some("hop".parse().unwrap()), Some(one.path("known_hosts")));
            let target = config.target(given).await.unwrap();
            let options = options.clone();
            connections.push(tokio::spawn(async move { connect(&target, &options).await }));
        }
    }
    let mut sessions = Vec::new();
    for connected in futures_util::future::join_all(connections).await {
        sessions.push(connected.unwrap().unwrap_or_else(|error| panic!("{error}")));
    }
    let runs = sessions.iter().map(|session| session.run("echo here", b""));
    for output in futures_util::future::join_all(runs).await {
        assert_eq!(output.unwrap().stdout, b"here\n");
    }
    assert_eq!((hop.logins(), one.logins() + two.logins()), (1, 20));

    // It stays open for what is behind it, and no longer.
    drop((options, config));
    let last = sessions.pop().unwrap();
    for session in sessions {
        session.close().await;
    }
    assert_eq!(last.run("echo still", b"").await.unwrap().stdout, b"still\n");
    last.close().await;
    let log = || std::fs::read_to_string(hop.path("log")).unwrap();
    while !log().contains("Connection closed by") && !log().contains("Disconnected from") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_typed_password_stays_with_the_jump_host_or_with_the_hosts_behind_it() {
    if !sshd::is_root() {
        return crate::support::left_out("root, without whom sshd knows no throwaway logins");
    }
    let by_password = "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n";
    let (Some(hop), Some(server)) = (Sshd::start_with(by_password), Sshd::start_with(by_password)) else {
        return;
    };
    let Some(ssh) = ssh() else { return };
    let user = format!("  User {}\n  IdentityFile /nowhere/key\n", sshd::USER);
    let lead = |name: &str, server: &Sshd| section(name, server).replacen('\n', &format!("\n{user}"), 1);
    let unkeyed = |text: String, server: &Sshd| {
        text.replace(&format!("  IdentityFile {}\n", server.path("client").display()), "")
    };
    let config = unkeyed(lead("hop", &hop), &hop) + &unkeyed(lead("pi", &server), &server);
    let home = Home::with(&(config + "  ProxyJump hop\n"));
    let config = home.config(Some(ssh));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let ask: AskSecret = {
        let asked = Arc::clone(&asked);
        Arc::new(move |question| {
            asked.lock().unwrap().push(question.prompt);
            Box::pin(async { Some(sshd::PASSWORD.into()) })
        })
    };
    let options = Options { ask_secret: Some(ask), ..trusting() };
    let targets = [config.target(given("pi")).await.unwrap(), config.target(given("pi")).await.unwrap()];
    let sessions = targets.iter().map(|target| connect(target, &options));
    for session in futures_util::future::join_all(sessions).await {
        session.unwrap_or_else(|error| panic!("{error}"));
    }
    let user = sshd::USER;
    assert_eq!(
        *asked.lock().unwrap(),
        [
            format!("Password of {user} on jump host hop: "),
            format!("Password of {user} (for n1 and each host that asks for it): "),
        ]
    );
}

#[tokio::test]
async fn a_jump_host_that_boots_late_is_waited_for() {
    let (Some(mut hop), Some(server)) = (Sshd::start(), Sshd::start()) else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&(section("hop", &hop) + &section("pi", &server) + "  ProxyJump hop\n"));
    let target = home.target(Some(ssh), "pi").await;
    hop.stop();
    let starting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        hop.restart_with_new_host_keys();
        hop
    });
    let options = Options { retry_for: Duration::from_secs(60), ..trusting() };
    connect(&target, &options).await.expect("a session in the end");
    let mut hop = starting.join().unwrap();

    // A session on a jump host that went away is not used again.
    hop.restart_with("");
    connect(&target, &options).await.expect("a session over a new connection");
}

#[tokio::test]
async fn a_session_through_a_jump_host_that_goes_away_is_lost() {
    let (Some(mut hop), Some(server)) = (Sshd::start(), Sshd::start()) else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&(section("hop", &hop) + &section("pi", &server) + "  ProxyJump hop\n"));
    let session = home.session(ssh, "pi").await;
    let mut running = session.exec("cat").await.unwrap();
    hop.stop();
    let error = running.exit.wait().await.unwrap_err();
    assert!(matches!(error, skep::ssh::ExecError::Lost { .. }), "{error}");
}

// ---- ProxyCommand

/// A section that leads to `server` by a command.
fn by_command(server: &Sshd, command: &str) -> Home {
    Home::with(&(section("pi", server) + &format!("  ProxyCommand {command}\n")))
}

#[tokio::test]
async fn a_command_leads_to_the_host_and_ends_with_the_session() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let pid = server.path("pid");
    let script = "echo $$ >$0; echo chatter >&2; exec 3<>/dev/tcp/$1/$2; cat <&3 & exec cat >&3";
    let command = format!("bash -c '{script}' {} %h %p # 100%%", pid.display());
    let session = by_command(&server, &command).session(ssh, "pi").await;
    assert_eq!(session.run("cat", b"through").await.unwrap().stdout, b"through");
    let pid = std::fs::read_to_string(pid).unwrap().trim().to_owned();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(!state().is_empty());
    session.close().await;
    while !state().is_empty() && !state().contains(") Z ") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn ssh_itself_may_be_the_command() {
    let (Some(hop), Some(server)) = (Sshd::start(), Sshd::start()) else { return };
    let Some(ssh) = ssh() else { return };
    let config = hop.path("config");
    std::fs::write(&config, section("hop", &hop) + "  StrictHostKeyChecking accept-new\n").unwrap();
    let command = format!("{} -F {} -W %h:%p hop", ssh.display(), config.display());
    let session = by_command(&server, &command).session(ssh, "pi").await;
    assert!(session.run("true", b"").await.unwrap().status.success());
    assert_eq!(hop.logins(), 1);
}

#[tokio::test]
async fn a_command_that_fails_is_told_with_its_last_words() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    for (command, words) in [
        ("sh -c 'echo first >&2; echo no way to %h >&2; exit 3'", "(it said: no way to 127.0.0.1)"),
        ("/nowhere/proxy %h", "/nowhere/proxy"),
        ("true", "lead to an SSH server; try"),
    ] {
        let target = by_command(&server, command).target(Some(ssh.clone()), "pi").await;
        let error = refusal(&target, &trusting()).await;
        assert!(error.is_unreachable() && error.is_transient());
        assert!(matches!(*error.cause, ConnectFailure::ProxyCommand { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("the ProxyCommand did not lead to an SSH server") && text.contains(words),
            "{text}"
        );
        assert!(text.contains("(HostName, Port and ProxyCommand by ssh's configuration of pi)"), "{text}");
    }
    // What it was told stays with it: it may hold a password of the proxy.
    let target = by_command(&server, "sh -c 'exit 1' user:secret").target(Some(ssh), "pi").await;
    let error = refusal(&target, &trusting()).await;
    assert!(!format!("{error}{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_command_that_says_nothing_runs_into_the_connect_timeout() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let target = by_command(&server, "sleep 600").target(Some(ssh), "pi").await;
    let options = Options { connect_timeout: Duration::from_millis(300), ..trusting() };
    let error = refusal(&target, &options).await;
    assert!(error.is_unreachable(), "{error}");
}
