use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use russh::keys::load_public_key;
use secrecy::SecretString;

use super::*;
use crate::ssh::ask::{AskSecret, Patience};

/// Makes a key pair with OpenSSH's own tool; the format is its own, or PEM or PKCS8.
fn generate(path: &Path, kind: &str, bits: &str, passphrase: &str, format: Option<&str>) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-f"]).arg(path);
    if !bits.is_empty() {
        command.args(["-b", bits]);
    }
    if let Some(format) = format {
        command.args(["-m", format]);
    }
    let status = command.stdout(Stdio::null()).status();
    assert!(status.expect("ssh-keygen (package openssh-client) is needed").success());
}

fn openssl(arguments: &[&str]) {
    let status = Command::new("openssl").args(arguments).stderr(Stdio::null()).status();
    assert!(status.expect("openssl runs").success(), "{arguments:?}");
}

fn public(path: &Path) -> russh::keys::PublicKey {
    load_public_key(path.with_extension("pub")).unwrap()
}

/// Answers with each of `answers` in turn, and counts.
fn answering(answers: &[&str]) -> (AskSecret, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, answers): (_, Vec<_>) = (asked.clone(), answers.iter().map(|a| (*a).to_owned()).collect());
    let ask: AskSecret = Arc::new(move |_| {
        let answer = answers.get(count.fetch_add(1, Ordering::SeqCst)).cloned();
        async move { answer.map(SecretString::from) }.boxed()
    });
    (ask, asked)
}

async fn unlock(
    file: &KeyFile,
    named: Option<&str>,
    ask: Option<&AskSecret>,
) -> Result<Arc<SigningKey>, Refused> {
    let KeyFile::Locked(locked) = file else { panic!("{file:?}") };
    let patience = Patience::new(Duration::from_secs(600));
    let named = named.map(SecretString::from);
    locked.unlock(named.as_ref(), Asker { ask, patience: &patience }).await.0
}

/// A signature by the key in `path` that its public half confirms.
fn signs(key: &SigningKey, name: &str) {
    use russh::keys::signature::Verifier;
    use russh::keys::ssh_encoding::Decode;
    let hash = Some(russh::keys::HashAlg::Sha256);
    let signature = key.sign(hash, b"data").unwrap_or_else(|why| panic!("{name}: {why}"));
    let signature = russh::keys::ssh_key::Signature::decode(&mut &signature[..]).unwrap();
    Verifier::verify(key.public(), b"data", &signature).unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[tokio::test]
async fn each_kind_of_key_in_each_format_signs_unlocked_where_need_be() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind, bits, passphrase, format) in [
        ("ed", "ed25519", "", "", None),
        ("ed-locked", "ed25519", "", "secret", None),
        ("ec256", "ecdsa", "256", "", None),
        ("ec384", "ecdsa", "384", "secret", None),
        ("ec521", "ecdsa", "521", "", None),
        ("ec-pem", "ecdsa", "256", "", Some("PEM")),
        ("ec-pem-locked", "ecdsa", "384", "secret", Some("PEM")),
        ("ec-pkcs8", "ecdsa", "521", "", Some("PKCS8")),
        ("ec-pkcs8-locked", "ecdsa", "256", "secret", Some("PKCS8")),
        ("rsa", "rsa", "2048", "", None),
        ("rsa-locked", "rsa", "3072", "secret", None),
        ("rsa-pem", "rsa", "2048", "", Some("PEM")),
        ("rsa-pem-locked", "rsa", "2048", "secret", Some("PEM")),
        ("rsa-pkcs8", "rsa", "4096", "", Some("PKCS8")),
        ("rsa-pkcs8-locked", "rsa", "2048", "secret", Some("PKCS8")),
    ] {
        let path = dir.path().join(name);
        generate(&path, kind, bits, passphrase, format);
        let file = KeyFile::read(&path);
        assert_eq!(file.public().map(|key| key.key_data()), Some(public(&path).key_data()), "{name}");
        let key = match &file {
            KeyFile::Ready(key) if passphrase.is_empty() => Arc::clone(key),
            KeyFile::Locked(_) if !passphrase.is_empty() => {
                let wrong = unlock(&file, Some("wrong"), None).await.unwrap_err();
                assert_eq!(wrong, Refused::NobodyToAsk { named: true }, "{name}");
                unlock(&file, Some(passphrase), None).await.unwrap_or_else(|why| panic!("{name}: {why:?}"))
            }
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(key.public().key_data(), public(&path).key_data(), "{name}");
        signs(&key, name);
        let without_hash = key.sign(None, b"data").err();
        let sha1 = (kind == "rsa")
            .then_some("the server takes RSA signatures with SHA-1 only, which skep makes none of");
        assert_eq!(without_hash.as_deref(), sha1, "{name}");
        assert!(!format!("{file:?}{key:?}").contains("PRIVATE"), "{name}");
    }
}

#[tokio::test]
async fn a_key_whose_private_number_is_short_is_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, include_str!("../../../tests/fixtures/ssh/id_ecdsa_short")).unwrap();
    let KeyFile::Ready(key) = KeyFile::read(&path) else { panic!("{:?}", KeyFile::read(&path)) };
    signs(&key, "plain");
    std::fs::write(&path, include_str!("../../../tests/fixtures/ssh/id_ecdsa_short_locked")).unwrap();
    let file = KeyFile::read(&path);
    assert_eq!(unlock(&file, Some("wrong"), None).await.unwrap_err(), Refused::NobodyToAsk { named: true });
    let unlocked = unlock(&file, Some("secret"), None).await.unwrap();
    assert_eq!(unlocked.public().key_data(), key.public().key_data());
    signs(&unlocked, "locked");
}

#[tokio::test]
async fn keys_that_openssl_encrypted_are_unlocked_or_named_as_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    generate(&plain, "rsa", "2048", "", Some("PEM"));
    let plain = plain.to_str().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let traditional = |cipher: &str| {
        let out = at(cipher);
        openssl(&["rsa", "-in", plain, "-traditional", cipher, "-passout", "pass:secret", "-out", &out]);
        out
    };
    let pkcs8 = |name: &str, options: &[&str]| {
        let out = at(name);
        let fixed = ["pkcs8", "-topk8", "-in", plain, "-passout", "pass:secret", "-out", &out];
        openssl(&[&fixed, options].concat());
        out
    };
    for path in [
        traditional("-aes128"),
        traditional("-aes192"),
        traditional("-aes256"),
        pkcs8("aes256", &["-v2", "aes256"]),
        pkcs8("scrypt", &["-scrypt"]),
    ] {
        let file = KeyFile::read(Path::new(&path));
        assert!(file.public().is_none(), "{path}");
        let wrong = unlock(&file, Some("wrong"), None).await.unwrap_err();
        assert_eq!(wrong, Refused::NobodyToAsk { named: true }, "{path}");
        let key = unlock(&file, Some("secret"), None).await.unwrap_or_else(|why| panic!("{path}: {why:?}"));
        signs(&key, &path);
    }

    for (path, expected) in [
        (traditional("-des3"), "(it is encrypted with DES-EDE3-CBC; `ssh-keygen -p -f "),
        (pkcs8("pbe", &["-v1", "PBE-SHA1-3DES"]), "(it is encrypted in an old way; `ssh-keygen -p -f "),
    ] {
        match KeyFile::read(Path::new(&path)) {
            KeyFile::NeedsAgent { why, .. } => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let refused =
        unlock(&KeyFile::read(Path::new(&pkcs8("des3", &["-v2", "des3"]))), Some("secret"), None).await;
    assert!(matches!(refused, Err(Refused::Unfit(_))), "{refused:?}");
}

#[test]
fn what_only_an_agent_can_sign_with_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    generate(&path("short"), "rsa", "1024", "", None);
    generate(&path("gone"), "ed25519", "", "", None);
    std::fs::rename(path("gone"), path("elsewhere")).unwrap();
    std::fs::copy(path("gone.pub"), path("public")).unwrap();
    std::fs::write(path("sk"), include_str!("../../../tests/fixtures/ssh/id_ed25519_sk")).unwrap();
    for (name, expected) in [
        ("short", "is an RSA key of 1024 bits"),
        ("gone", "has its public half only here"),
        ("public", "is a public key only"),
        ("sk", "belongs to a security key"),
    ] {
        match KeyFile::read(&path(name)) {
            KeyFile::NeedsAgent { public: Some(_), why } => {
                assert!(why.starts_with(expected), "{name}: {why}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let unusable = |path: &Path| match KeyFile::read(path) {
        KeyFile::Unusable(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(unusable(&path), "there is no such file");
    std::fs::write(&path, "ssh-ed25519 AAAA comment\n").unwrap();
    assert!(unusable(&path).starts_with("is no private key"), "{}", unusable(&path));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(unusable(&path).starts_with("cannot be read"));
}

#[tokio::test]
async fn a_passphrase_is_asked_for_once_and_may_be_mistyped_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    generate(&path, "ed25519", "", "secret", None);
    for (answers, expected, count) in [
        (vec!["secret"], None, 1),
        (vec!["a", "b", "secret"], None, 3),
        (vec!["a", "b", "c", "secret"], Some(Refused::Wrong), 3),
        (vec!["a"], Some(Refused::NoAnswer), 2),
    ] {
        let (ask, asked) = answering(&answers);
        let file = KeyFile::read(&path);
        assert_eq!(
            unlock(&file, None, None).await.unwrap_err(),
            Refused::NobodyToAsk { named: false },
            "without anybody to ask"
        );
        let (one, two) =
            futures_util::join!(unlock(&file, None, Some(&ask)), unlock(&file, None, Some(&ask)));
        for unlocked in [one, two, unlock(&file, None, Some(&ask)).await] {
            assert_eq!(unlocked.err(), expected, "{answers:?}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), count, "{answers:?}");
    }
}

#[tokio::test]
async fn a_passphrase_in_the_inventory_goes_before_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    generate(&path, "ed25519", "", "secret", None);
    let (ask, asked) = answering(&["secret"]);
    unlock(&KeyFile::read(&path), Some("secret"), Some(&ask)).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // It may be that of another key file.
    unlock(&KeyFile::read(&path), Some("other"), Some(&ask)).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_public_half_that_is_another_keys_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    generate(&path, "ecdsa", "", "secret", Some("PEM"));
    generate(&dir.path().join("other"), "ecdsa", "", "", None);
    std::fs::copy(dir.path().join("other.pub"), dir.path().join("key.pub")).unwrap();
    let refused = unlock(&KeyFile::read(&path), Some("secret"), None).await.unwrap_err();
    let Refused::Unfit(why) = refused else { panic!("{refused:?}") };
    assert!(why.contains("its public half is not the one in"), "{why}");
}

#[test]
fn usual_files_are_tried_only_where_none_is_named_and_each_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let usual = dir.path().join("id_ecdsa");
    let named = dir.path().join("board");
    generate(&usual, "ecdsa", "", "", None);
    generate(&named, "ed25519", "", "", None);
    let identities = Identities::new(Some(dir.path().to_owned()), None);

    let paths = |named: &[PathBuf]| -> Vec<PathBuf> {
        identities.key_files(named).into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(paths(&[]), std::slice::from_ref(&usual));
    assert_eq!(paths(std::slice::from_ref(&named)), std::slice::from_ref(&named));

    let (_, first) = identities.key_files(&[]).remove(0);
    std::fs::remove_file(&usual).unwrap();
    let (_, again) = identities.key_files(std::slice::from_ref(&usual)).remove(0);
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(Identities::default().key_files(&[]).len(), 0);
}

#[test]
fn what_speaks_against_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    generate(&path("ca"), "ed25519", "", "", None);
    let now: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    for (name, options, expected) in [
        ("good", vec!["-n", "pi,root"], None),
        ("none", vec![], Some("it names no principals")),
        ("other", vec!["-n", "pi,ops"], Some("its principals are pi, ops, not root")),
        ("old", vec!["-n", "root", "-V", "20250101Z:20260101Z"], Some("it expired at 2026-01-01T00:00:00Z")),
        (
            "early",
            vec!["-n", "root", "-V", "20270101Z:20280101Z"],
            Some("it is not valid before 2027-01-01T00:00:00Z"),
        ),
        ("host", vec!["-h", "-n", "root"], Some("it is a certificate of a host, not of a user")),
    ] {
        let key = path(name);
        generate(&key, "ed25519", "", "", None);
        let mut sign = Command::new("ssh-keygen");
        sign.arg("-q")
            .arg("-s")
            .arg(path("ca"))
            .args(["-I", name])
            .args(&options)
            .arg(key.with_extension("pub"));
        assert!(sign.status().unwrap().success());
        let certificate = read_certificate(&certificate_path(&key)).unwrap();
        assert_eq!(objection(&certificate, "root", now).as_deref(), expected, "{name}");
    }
    assert_eq!(read_certificate(&path("missing")).unwrap_err(), "there is no such file");
    assert!(read_certificate(&path("good.pub")).unwrap_err().starts_with("is no certificate"));
    assert_eq!(certificate_path(Path::new("/k/id.pub")), Path::new("/k/id-cert.pub"));
}
