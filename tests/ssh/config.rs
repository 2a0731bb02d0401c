//! Hosts reached by the user's own ssh configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use skep::ssh::{ConnectFailure, Given, Options, Session, SshConfig, Target, connect};

use crate::support::sshd::{self, Sshd};
use crate::{refusal, strict, trusting};

/// The program that understands ssh's configuration best.
pub(crate) fn ssh() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").expect("a PATH");
    let found = std::env::split_paths(&path).map(|dir| dir.join("ssh")).find(|path| path.is_file());
    if found.is_none() {
        crate::support::left_out("OpenSSH's client (Debian package openssh-client)");
    }
    found
}

/// A home with a `.ssh/config`.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn with(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path(".ssh")).unwrap();
        std::fs::write(home.path(".ssh/config"), config).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn config(&self, ssh: Option<PathBuf>) -> SshConfig {
        SshConfig::new(ssh, Some(self.0.path().to_owned()), Path::new("/nowhere/ssh_config"))
    }

    /// What a run would connect to for a node with this address, and nothing else in the inventory.
    pub(crate) async fn target(&self, ssh: Option<PathBuf>, address: &str) -> Target {
        self.config(ssh).target(given(address)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) async fn session(&self, ssh: PathBuf, address: &str) -> Session {
        let target = self.target(Some(ssh), address).await;
        connect(&target, &trusting()).await.unwrap_or_else(|error| panic!("{error}"))
    }
}

pub(crate) fn given(address: &str) -> Given {
    Given { node: "n1".into(), address: address.into(), ..Given::default() }
}

/// A section that leads to `server`.
pub(crate) fn section(name: &str, server: &Sshd) -> String {
    format!(
        "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        server.port,
        sshd::this_user(),
        server.path("client").display(),
        server.path("known_hosts").display(),
    )
}

#[tokio::test]
async fn a_host_by_its_alias_through_include_and_match() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with("Include ~other/.ssh/none\nMatch host board* exec \"test -d /\"\n  Port 1\n");
    let more = home.path(".ssh/more");
    std::fs::write(&more, section("pi", &server)).unwrap();
    let text = format!(
        "Include {}\nMatch originalhost pi\n  ConnectTimeout 5\nMatch host 10.0.0.1\n  Port 1\n",
        more.display()
    );
    std::fs::write(home.path(".ssh/config"), text).unwrap();

    let target = home.target(Some(ssh), "pi").await;
    assert_eq!((target.host.as_str(), target.port), ("127.0.0.1", server.port));
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(5)));
    connect(&target, &trusting()).await.expect("a session");
    let recorded = std::fs::read_to_string(server.path("known_hosts")).unwrap();
    assert!(recorded.starts_with(&format!("[127.0.0.1]:{} ", server.port)), "{recorded}");
}

#[tokio::test]
async fn without_the_program_a_parser_leads_to_the_same_host() {
    let Some(server) = Sshd::start() else { return };
    let home = Home::with(&section("pi", &server));
    let target = home.target(None, "pi").await;
    connect(&target, &trusting()).await.expect("a session");
}

#[tokio::test]
async fn a_refusal_names_what_was_connected_to_and_why() {
    let Some(mut server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&section("pi", &server));
    let target = home.target(Some(ssh), "pi").await;
    server.stop();
    let text = refusal(&target, &trusting()).await.to_string();
    let user = sshd::this_user();
    let what = format!(
        "n1: cannot log in as {user} on 127.0.0.1 port {} (HostName and Port by ssh's configuration of pi): no connection",
        server.port
    );
    assert!(text.starts_with(&what), "{text}");
    assert!(text.contains(&format!("`ssh -p {} {user}@pi true`", server.port)), "{text}");
}

#[tokio::test]
async fn an_alias_names_the_host_in_known_hosts() {
    let Some(mut server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&(section("pi", &server) + "  HostKeyAlias Board-3\n"));
    home.session(ssh.clone(), "pi").await.close().await;
    let recorded = std::fs::read_to_string(server.path("known_hosts")).unwrap();
    assert_eq!(recorded, format!("board-3 {}\n", server.host_key("ed25519")));

    server.restart_with_new_host_keys();
    let text = refusal(&home.target(Some(ssh), "pi").await, &trusting()).await.to_string();
    assert!(text.contains("-R 'board-3'"), "{text}");
}

#[tokio::test]
async fn several_files_of_known_hosts_are_read_and_the_first_is_written() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let (user, second, global) = (server.path("known_hosts"), server.path("second"), server.path("global"));
    let config = section("pi", &server).replace(
        &format!("UserKnownHostsFile {}", user.display()),
        &format!(
            "UserKnownHostsFile {} {}\n  GlobalKnownHostsFile {}",
            user.display(),
            second.display(),
            global.display()
        ),
    );
    let home = Home::with(&(config + "  HashKnownHosts yes\n"));
    let target = home.target(Some(ssh), "pi").await;
    // The second of the user's, then the computer's, tells the key: nothing is written.
    for file in [&second, &global] {
        let line = format!("[127.0.0.1]:{} {}\n", server.port, server.host_key("ecdsa"));
        std::fs::write(file, line).unwrap();
        connect(&target, &strict()).await.expect("a known host");
        assert!(!user.exists());
        std::fs::remove_file(file).unwrap();
    }
    // What the computer's file revokes is revoked, whatever the user's say.
    let known = format!("[127.0.0.1]:{} {}\n", server.port, server.host_key("ed25519"));
    std::fs::write(&second, known).unwrap();
    std::fs::write(&global, format!("\n@revoked * {}\n", server.host_key("ed25519"))).unwrap();
    let text = refusal(&target, &trusting()).await.to_string();
    assert!(text.contains(&format!("is revoked by {}:2", global.display())), "{text}");

    std::fs::remove_file(&second).unwrap();
    std::fs::remove_file(&global).unwrap();
    connect(&target, &trusting()).await.expect("a new host");
    let recorded = std::fs::read_to_string(&user).unwrap();
    assert!(recorded.starts_with("|1|") && recorded.lines().count() == 1, "{recorded}");
    connect(&target, &strict()).await.expect("known by its hashed name");
}

#[tokio::test]
async fn a_list_of_revoked_keys_counts_and_one_that_cannot_be_read_stops_all() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let list = server.path("revoked");
    let home = Home::with(&(section("pi", &server) + &format!("  RevokedHostKeys {}\n", list.display())));
    let target = home.target(Some(ssh), "pi").await;
    for (content, expected) in [
        (
            format!("# gone\n{} old board\n", server.host_key("ed25519")),
            format!("is revoked by {}:2", list.display()),
        ),
        ("SSHKRL\n\0\u{1}".to_owned(), format!("cannot use {}: it is a revocation list", list.display())),
    ] {
        std::fs::write(&list, content).unwrap();
        let text = refusal(&target, &trusting()).await.to_string();
        assert!(text.contains(&expected), "{text}");
    }
    std::fs::write(&list, "\n# none\n").unwrap();
    connect(&target, &trusting()).await.expect("a session");
    std::fs::remove_file(&list).unwrap();
    let text = refusal(&target, &trusting()).await.to_string();
    assert!(text.contains(&format!("cannot read {}", list.display())), "{text}");
}

#[tokio::test]
async fn strict_checking_is_as_configured_unless_the_command_line_says_otherwise() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let ask: skep::ssh::AskHostKey = std::sync::Arc::new(|_| panic!("nobody may be asked"));
    let asking = || Options { ask: Some(ask.clone()), ..strict() };

    let home = Home::with(&(section("pi", &server) + "  StrictHostKeyChecking yes\n"));
    let target = home.target(Some(ssh.clone()), "pi").await;
    let error = refusal(&target, &asking()).await;
    assert!(matches!(*error.cause, ConnectFailure::HostKeyUnknown(_)), "{error}");
    connect(&target, &trusting()).await.expect("the command line counts first");

    std::fs::remove_file(server.path("known_hosts")).unwrap();
    let home = Home::with(&(section("pi", &server) + "  StrictHostKeyChecking no\n"));
    let target = home.target(Some(ssh), "pi").await;
    connect(&target, &asking()).await.expect("a new key is taken");
    assert!(server.path("known_hosts").exists());
    // But never a changed one, which `ssh` itself would go on with.
    let line = format!("[127.0.0.1]:{} {}\n", server.port, Sshd::start().unwrap().host_key("ed25519"));
    std::fs::write(server.path("known_hosts"), line).unwrap();
    let error = refusal(&target, &asking()).await;
    assert!(matches!(*error.cause, ConnectFailure::HostKeyChanged { .. }), "{error}");
}

#[tokio::test]
async fn only_the_configured_host_key_algorithms_are_taken() {
    let Some(server) = Sshd::start() else { return };
    let Some(ssh) = ssh() else { return };
    let home = Home::with(&(section("pi", &server) + "  HostKeyAlgorithms ecdsa-sha2-nistp256\n"));
    home.session(ssh.clone(), "pi").await.close().await;
    let recorded = std::fs::read_to_string(server.path("known_hosts")).unwrap();
    assert!(recorded.contains("ecdsa-sha2-nistp256"), "{recorded}");

    let home = Home::with(&(section("pi", &server) + "  HostKeyAlgorithms rsa-sha2-512\n"));
    let error = refusal(&home.target(Some(ssh), "pi").await, &trusting()).await;
    assert!(matches!(*error.cause, ConnectFailure::NoCommonAlgorithm { .. }), "{error}");
}

#[tokio::test]
async fn rsa_host_keys_are_recorded_and_known() {
    let Some(mut server) = Sshd::start() else { return };
    let key = sshd::generate_key(server.dir.path(), "host_rsa", "rsa", "");
    server.restart_with(&format!("HostKey {}\nHostKeyAlgorithms rsa-sha2-512,rsa-sha2-256\n", key.display()));
    let target = crate::target(&server);
    connect(&target, &trusting()).await.expect("a session");
    let recorded = std::fs::read_to_string(server.path("known_hosts")).unwrap();
    assert_eq!(recorded, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key("rsa")));
    connect(&target, &strict()).await.expect("a known host");
}
