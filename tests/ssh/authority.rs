//! Hosts that prove their name by a certificate.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use skep::ssh::{ConnectFailure, KnownHosts, Target, connect};

use crate::support::sshd::{self, Sshd};
use crate::{refusal, strict, target, trusting};

/// A certificate authority in a server's directory.
struct Authority(PathBuf);

impl Authority {
    fn new(server: &Sshd, name: &str, kind: &str) -> Self {
        Self(sshd::generate_key(server.dir.path(), name, kind, ""))
    }

    /// Signs the key of a host; `arguments` say what for.
    fn sign(&self, key: &Path, arguments: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-I", "board", "-s"]).arg(&self.0).args(arguments).arg(sshd::public(key));
        assert!(command.stderr(Stdio::null()).status().expect("ssh-keygen runs").success());
    }

    /// A line of known_hosts about it.
    fn line(&self, marker: &str, pattern: &str) -> String {
        let key = std::fs::read_to_string(sshd::public(&self.0)).unwrap();
        format!("{marker} {pattern} {key}")
    }
}

/// A server whose ed25519 key was signed by an authority that known_hosts trusts for it.
fn certified(arguments: &[&str]) -> Option<(Sshd, Authority)> {
    let mut server = Sshd::start()?;
    let authority = Authority::new(&server, "ca", "ed25519");
    certify(&mut server, &authority, arguments);
    std::fs::write(server.path("known_hosts"), authority.line("@cert-authority", "127.0.0.*")).unwrap();
    Some((server, authority))
}

fn certify(server: &mut Sshd, authority: &Authority, arguments: &[&str]) {
    let key = server.path("host_ed25519");
    authority.sign(&key, arguments);
    server.restart_with(&format!("HostCertificate {}-cert.pub\n", key.display()));
}

const GOOD: [&str; 5] = ["-h", "-n", "n1.lan,127.0.0.1", "-V", "-1h:+1h"];

#[tokio::test]
async fn a_certificate_stands_for_a_host_that_was_never_seen() {
    let Some((mut server, authority)) = certified(&GOOD) else { return };
    let before = std::fs::read(server.path("known_hosts")).unwrap();
    connect(&target(&server), &strict()).await.expect("a certified host");
    // Nothing is recorded for it, and new keys need no new line.
    assert_eq!(std::fs::read(server.path("known_hosts")).unwrap(), before);
    server.restart_with_new_host_keys();
    certify(&mut server, &authority, &GOOD);
    connect(&target(&server), &strict()).await.expect("a certified host with another key");

    // A host that has none is known by its own keys.
    let Some(plain) = Sshd::start() else { return };
    let known_hosts = KnownHosts::file(server.path("known_hosts"));
    let other = Target { known_hosts, ..target(&plain) };
    let error = refusal(&other, &strict()).await;
    let line = format!(
        "{}:1 trusts a certificate authority for it, but it offers no certificate",
        server.path("known_hosts").display()
    );
    assert!(error.to_string().contains(&line), "{error}");
    connect(&other, &trusting()).await.expect("a new host");
    connect(&other, &strict()).await.expect("a known host");
}

#[tokio::test]
async fn each_kind_of_authority_and_key() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let Some(mut server) = Sshd::start() else { return };
        let authority = Authority::new(&server, "ca", kind);
        let key = sshd::generate_key(server.dir.path(), "host_certified", kind, "");
        authority.sign(&key, &GOOD);
        let key = key.display();
        server.restart_with(&format!("HostKey {key}\nHostCertificate {key}-cert.pub\n"));
        std::fs::write(server.path("known_hosts"), authority.line("@cert-authority", "*")).unwrap();
        connect(&target(&server), &strict()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_told_with_the_reason() {
    for (arguments, why) in [
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20200201"][..], "it expired on 2020-"),
        (&["-h", "-n", "127.0.0.1", "-V", "20990101:20990201"], "it is not valid before 20"),
        (&["-h", "-n", "n7.lan", "-V", "-1h:+1h"], "it names n7.lan, not 127.0.0.1"),
    ] {
        let Some((server, _)) = certified(arguments) else { return };
        let error = refusal(&target(&server), &strict()).await;
        let ConnectFailure::HostKeyUnknown(key) = &*error.cause else { panic!("{error}") };
        assert!(key.certificate.as_ref().is_some_and(|note| note.contains(why)), "{error}");
        assert!(error.to_string().contains("its certificate `board` does not help: "), "{error}");
        // As to OpenSSH, the host is one without a certificate then: a key that is recorded is good.
        let known = format!("[127.0.0.1]:{} {}\n", server.port, server.host_key("ecdsa"));
        let lines = std::fs::read_to_string(server.path("known_hosts")).unwrap() + &known;
        std::fs::write(server.path("known_hosts"), lines).unwrap();
        connect(&target(&server), &strict()).await.unwrap_or_else(|error| panic!("{why}: {error}"));
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_of_a_user_is_none() {
    let Some((mut server, _)) = certified(&GOOD) else { return };
    let other = Authority::new(&server, "other", "ed25519");
    certify(&mut server, &other, &GOOD);
    let error = refusal(&target(&server), &strict()).await.to_string();
    let trusted = format!("{}:1 trusts another", server.path("known_hosts").display());
    assert!(
        error.contains("which no @cert-authority line trusts for this host") && error.contains(&trusted),
        "{error}"
    );

    let Some((server, _)) = certified(&["-n", "127.0.0.1"]) else { return };
    let error = refusal(&target(&server), &strict()).await.to_string();
    assert!(error.contains("it is a certificate of a user, not of a host"), "{error}");

    // An authority for other hosts is none for this one.
    let Some((server, _)) = certified(&GOOD) else { return };
    let foreign = server.path("known_hosts");
    let line = std::fs::read_to_string(&foreign).unwrap().replace("127.0.0.*", "*.lan,!127.0.0.1");
    std::fs::write(&foreign, line).unwrap();
    let error = refusal(&target(&server), &strict()).await;
    let ConnectFailure::HostKeyUnknown(key) = &*error.cause else { panic!("{error}") };
    assert_eq!(key.certificate, None);
}

#[tokio::test]
async fn a_revoked_authority_or_key_is_refused_whatever_else_is_recorded() {
    let Some((server, authority)) = certified(&GOOD) else { return };
    let trusted = std::fs::read_to_string(server.path("known_hosts")).unwrap();
    let known = format!("127.0.0.1 {}\n", server.host_key("ed25519"));
    let revoked_key = format!("@revoked * {}\n", server.host_key("ed25519"));
    for (revoked, what) in
        [(authority.line("@revoked", "*"), "certificate authority"), (revoked_key, "host key")]
    {
        std::fs::write(server.path("known_hosts"), format!("{trusted}{known}{revoked}")).unwrap();
        let error = refusal(&target(&server), &trusting()).await;
        assert!(matches!(*error.cause, ConnectFailure::HostKeyRevoked { line: 3, .. }), "{error}");
        assert!(error.to_string().contains(&format!("its {what} SHA256:")), "{error}");
    }
}

#[tokio::test]
async fn the_name_in_a_certificate_is_the_alias_where_there_is_one() {
    let Some((server, authority)) = certified(&["-h", "-n", "board-3"]) else { return };
    std::fs::write(server.path("known_hosts"), authority.line("@cert-authority", "board-*")).unwrap();
    let mut known_hosts = KnownHosts::file(server.path("known_hosts"));
    known_hosts.alias = Some("Board-3".into());
    connect(&Target { known_hosts, ..target(&server) }, &strict()).await.expect("a certified host");
    assert!(matches!(*refusal(&target(&server), &strict()).await.cause, ConnectFailure::HostKeyUnknown(_)));
}

#[tokio::test]
async fn a_pinned_key_needs_no_certificate() {
    let Some((server, _)) = certified(&["-h", "-n", "n7.lan"]) else { return };
    for kind in ["ed25519", "ecdsa"] {
        let pinned = Target { host_key: Some(server.fingerprint(kind)), ..target(&server) };
        connect(&pinned, &strict()).await.expect("a pinned host");
    }
}
