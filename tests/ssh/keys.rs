//! Key files of each kind and format, their passphrases, and certificates.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use skep::ssh::{ConnectFailure, Identities, Options, Target, connect};

use crate::prompts::Answers;
use crate::support::sshd::{self, Sshd};
use crate::{KEYS_ONLY, refusal, target, trusting};

/// A login with this key file.
fn by_key(server: &Sshd, key: &Path) -> Target {
    Target { keys: vec![key.to_owned()], ..target(server) }
}

/// Signs the public half of `key`.
pub(crate) fn certify(ca: &Path, key: &Path, options: &[&str]) {
    let mut sign = Command::new("ssh-keygen");
    sign.arg("-q").arg("-s").arg(ca).args(["-I", "anna"]).args(options).arg(sshd::public(key));
    assert!(sign.status().expect("ssh-keygen runs").success());
}

/// A key pair in the format `PEM` or `PKCS8`; OpenSSH's own where that is empty.
fn generate(server: &Sshd, name: &str, kind: &str, bits: &str, passphrase: &str, format: &str) -> PathBuf {
    let path = server.path(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"]).arg(&path);
    if !bits.is_empty() {
        command.args(["-b", bits]);
    }
    if !format.is_empty() {
        command.args(["-m", format]);
    }
    assert!(command.stdout(Stdio::null()).status().expect("ssh-keygen runs").success());
    path
}

#[tokio::test]
async fn each_kind_of_key_file_logs_in_and_its_passphrase_is_asked_for_once() {
    let Some(server) = Sshd::start() else { return };
    for (kind, bits, format, passphrase) in [
        ("ed25519", "", "", ""),
        ("ed25519", "", "", "secret"),
        ("ecdsa", "256", "", ""),
        ("ecdsa", "384", "PEM", "secret"),
        ("ecdsa", "521", "PKCS8", "secret"),
        ("rsa", "2048", "", "secret"),
        ("rsa", "3072", "PEM", ""),
        ("rsa", "2048", "PEM", "secret"),
        ("rsa", "4096", "PKCS8", ""),
        ("rsa", "2048", "PKCS8", "secret"),
    ] {
        let name = format!("{kind}{bits}{format}{passphrase}");
        let key = generate(&server, &name, kind, bits, passphrase, format);
        server.authorize(&key);
        let answers = Answers::new(&["secret"]);
        let options = answers.options();
        for _ in 0..2 {
            connect(&by_key(&server, &key), &options).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let prompts =
            if passphrase.is_empty() { vec![] } else { vec![format!("Passphrase of {}: ", key.display())] };
        assert_eq!(answers.prompts(), prompts, "{name}");
        // Where the public half is not known, it is asked for before the server has accepted anything.
        std::fs::remove_file(sshd::public(&key)).unwrap();
        connect(&by_key(&server, &key), &Answers::new(&["secret"]).options()).await.expect(&name);
    }
}

#[tokio::test]
async fn twenty_hosts_at_once_ask_for_a_passphrase_once() {
    // OpenSSH listens on sixteen addresses at most.
    let Some(first) = Sshd::start() else { return };
    let Some(second) = Sshd::start() else { return };
    let key = sshd::generate_key(first.dir.path(), "locked", "ed25519", "secret");
    let answers = Answers::new(&["wrong", "secret"]);
    let options = answers.options();
    let mut connections = Vec::new();
    for server in [&first, &second] {
        std::fs::copy(sshd::public(&key), server.path("authorized_keys")).unwrap();
        for _ in 0..10 {
            let (target, options) = (by_key(server, &key), options.clone());
            connections.push(tokio::spawn(async move { connect(&target, &options).await.map(drop) }));
        }
    }
    for connected in futures_util::future::join_all(connections).await {
        connected.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }
    let path = key.display();
    let expected =
        [format!("Passphrase of {path}: "), format!("That does not open it. Passphrase of {path}: ")];
    assert_eq!(answers.prompts(), expected);
}

#[tokio::test]
async fn nobody_is_asked_for_a_passphrase_that_is_not_needed() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let unknown = sshd::generate_key(server.dir.path(), "unknown", "ed25519", "secret");
    let answers = Answers::new(&[]);
    let error = refusal(&by_key(&server, &unknown), &answers.options()).await;
    let print = sshd::fingerprint(&unknown);
    let expected = format!("key {} (ssh-ed25519 {print}): refused", unknown.display());
    assert!(error.to_string().contains(&expected), "{error}");
    // One that the server knows, but another is at hand.
    let usual = tempfile::tempdir().unwrap();
    let locked = sshd::generate_key(usual.path(), "id_ed25519", "ed25519", "secret");
    std::fs::copy(server.path("client"), usual.path().join("id_ecdsa")).unwrap();
    server.authorize(&locked);
    let identities = Arc::new(Identities::new(Some(usual.path().to_owned()), None));
    let options = Options { identities, ..answers.options() };
    connect(&Target { keys: Vec::new(), ..target(&server) }, &options).await.expect("a session");
    // The passphrase is known.
    let named = Target { key_passphrase: Some(SecretString::from("secret")), ..by_key(&server, &locked) };
    connect(&named, &answers.options()).await.expect("a session");
    assert_eq!(answers.prompts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_stays_locked_is_told_with_each_way_out() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let key = sshd::generate_key(server.dir.path(), "locked", "ed25519", "secret");
    server.authorize(&key);
    let path = key.display().to_string();
    let told = |why: &str, help: &str| {
        format!(
            "n1: cannot log in as {} on 127.0.0.1 port {}: it refuses the login (it accepts publickey); \
             tried: key {path} (ssh-ed25519 {}): is encrypted, and {why}; {help}",
            sshd::this_user(),
            server.port,
            sshd::fingerprint(&key)
        )
    };
    let add = format!("`ssh-add {path}`");
    let plain = by_key(&server, &key);
    let named = Target { key_passphrase: Some(SecretString::from("wrong-secret")), ..plain.clone() };
    let three = Answers::new(&["wrong-secret", "wrong-secret", "wrong-secret", "secret"]);
    for (target, options, why, help) in [
        (
            &plain,
            trusting(),
            "nobody can be asked for its passphrase here",
            format!("{add}, or give `key_passphrase` a source in the inventory"),
        ),
        (
            &named,
            trusting(),
            "`key_passphrase` in the inventory does not open it",
            format!("correct its source, or {add}"),
        ),
        (&plain, Answers::new(&[]).options(), "no passphrase was given", add.clone()),
        (
            &plain,
            three.options(),
            "none of the passphrases given opens it",
            format!("try them with `ssh-keygen -y -f {path}`"),
        ),
    ] {
        let error = refusal(target, &options).await;
        assert_eq!(error.to_string(), told(why, &help));
        for text in [format!("{error:?}"), format!("{target:?}"), format!("{options:?}")] {
            assert!(!text.contains("wrong-secret"), "{text}");
        }
    }
    assert_eq!(three.prompts().len(), 3);
}

#[tokio::test]
async fn the_users_time_to_answer_is_not_the_servers() {
    // The login itself may take less than the answer does.
    let Some(server) = Sshd::start() else { return };
    let key = sshd::generate_key(server.dir.path(), "locked", "ed25519", "secret");
    server.authorize(&key);
    let slow = Answers::new(&["secret"]).after(Duration::from_millis(2500));
    let options = Options { login_timeout: Duration::from_secs(2), ..slow.options() };
    connect(&by_key(&server, &key), &options).await.expect("a session");

    // The server hangs up meanwhile; the answer holds for the next connection.
    let Some(hasty) = Sshd::start_with("LoginGraceTime 1\n") else { return };
    hasty.authorize(&key);
    let slow = Answers::new(&["secret"]).after(Duration::from_millis(2500));
    connect(&by_key(&hasty, &key), &slow.options()).await.expect("a session");
    assert_eq!(slow.prompts().len(), 1);
}

#[tokio::test]
async fn a_certificate_logs_in_and_a_bad_one_is_told_why() {
    let Some(server) = Sshd::start_with(&format!("{KEYS_ONLY}TrustedUserCAKeys {{dir}}/ca.pub\n")) else {
        return;
    };
    let ca = sshd::generate_key(server.dir.path(), "ca", "ed25519", "");
    let user = sshd::this_user();
    for (name, kind, options, expected) in [
        ("good", "ed25519", vec!["-n", user.as_str()], None),
        ("rsa", "rsa", vec!["-n", user.as_str()], None),
        (
            "expired",
            "ed25519",
            vec!["-n", &user, "-V", "20200101Z:20210101Z"],
            Some("it expired at 2021-01-01T00:00:00Z"),
        ),
        ("other", "ecdsa", vec!["-n", "ops,dev"], Some("its principals are ops, dev, not USER")),
        ("nobody", "ed25519", vec![], Some("it names no principals")),
        ("host", "ed25519", vec!["-h", "-n", &user], Some("it is a certificate of a host, not of a user")),
    ] {
        // Only the last may need a passphrase: the certificate works without asking for more than it.
        let key = sshd::generate_key(server.dir.path(), name, kind, "");
        certify(&ca, &key, &options);
        let target = by_key(&server, &key);
        let certificate = server.path(&format!("{name}-cert.pub"));
        match (connect(&target, &trusting()).await, expected) {
            (Ok(_), None) => {
                // Not beside the key, but named.
                let elsewhere = server.path("elsewhere.pub");
                std::fs::rename(&certificate, &elsewhere).unwrap();
                refusal(&target, &trusting()).await;
                let named = Target { certificates: vec![elsewhere], ..target };
                connect(&named, &trusting()).await.expect("a session");
            }
            (Err(error), Some(expected)) => {
                let print = sshd::fingerprint(&key);
                let kind = if kind == "ecdsa" { "ecdsa-sha2-nistp256" } else { "ssh-ed25519" };
                let expected = format!(
                    "tried: certificate {} ({kind} {print}, ID \"anna\"): refused ({}); key {} ({kind} {print}): refused",
                    certificate.display(),
                    expected.replace("USER", &user),
                    key.display()
                );
                assert!(error.to_string().contains(&expected), "{error}");
            }
            (Ok(_), Some(_)) => panic!("{name} let in"),
            (Err(error), None) => panic!("{name}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_refused_login_tells_each_key_and_what_became_of_it() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let wrong = sshd::generate_key(server.dir.path(), "wrong", "ed25519", "");
    let missing = server.path("missing");
    let text = server.path("sshd_config");
    let short = generate(&server, "short", "rsa", "1024", "", "");
    let target =
        Target { keys: vec![wrong.clone(), missing.clone(), text.clone(), short.clone()], ..target(&server) };
    let error = refusal(&target, &trusting()).await;
    let ConnectFailure::AuthFailed { tried, offered, .. } = &*error.cause else { panic!("{error}") };
    assert_eq!((tried.len(), offered.join(" ").as_str()), (4, "publickey"));
    assert!(!error.is_transient());
    let (wrong_path, short_path) = (wrong.display(), short.display());
    let expected = format!(
        "n1: cannot log in as {user} on 127.0.0.1 port {port}: it refuses the login (it accepts publickey); tried: \
         key {}: there is no such file; \
         key {}: is no private key that skep can read: Could not read key; \
         key {short_path}: is an RSA key of 1024 bits, and skep itself signs with 2048 to 4096 bits and a public \
         exponent of 65537 or more, and the agent does not hold it; \
         key {wrong_path} (ssh-ed25519 {}): refused; \
         `ssh-add {short_path}`; or install the key there: `ssh-copy-id -i {wrong_path} -p {port} {user}@127.0.0.1`",
        missing.display(),
        text.display(),
        sshd::fingerprint(&wrong),
        user = target.user,
        port = server.port,
    );
    assert_eq!(error.to_string(), expected);
}
