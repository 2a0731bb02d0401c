use std::path::Path;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

use super::*;
use crate::ssh::identity::SigningKey;

/// The key made from this one byte.
fn key(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
}

fn ready(seed: u8) -> KeyFile {
    KeyFile::Ready(Arc::new(SigningKey::new(key(seed)).unwrap()))
}

fn locked(seed: Option<u8>) -> KeyFile {
    KeyFile::locked_for_tests(seed.map(|seed| key(seed).public_key().clone()))
}

fn by_agent(seed: u8) -> KeyFile {
    KeyFile::NeedsAgent { public: Some(key(seed).public_key().clone()), why: "is odd".into() }
}

fn certificate(seed: u8) -> Certificate {
    let mut builder = Builder::new(vec![1; 16], key(seed).public_key(), 0, u64::MAX).unwrap();
    builder.key_id(format!("id{seed}")).unwrap().cert_type(CertType::User).unwrap();
    builder.valid_principal("pi").unwrap();
    builder.sign(&key(99)).unwrap()
}

fn held(seed: u8) -> AgentIdentity {
    AgentIdentity::PublicKey { key: key(seed).public_key().clone(), comment: format!("a{seed}") }
}

fn held_certificate(seed: u8) -> AgentIdentity {
    AgentIdentity::Certificate { certificate: certificate(seed), comment: format!("c{seed}") }
}

/// Key files, by their names.
fn named(files: Vec<(&str, KeyFile)>) -> Holdings {
    let files = files.into_iter().map(|(path, file)| (PathBuf::from(path), Arc::new(file))).collect();
    Holdings { files, named: true, certificates: vec![], agent: vec![], only_named: false }
}

fn holding(holdings: Holdings, agent: Vec<AgentIdentity>) -> Holdings {
    Holdings { agent, ..holdings }
}

/// The order as words, and the notes.
fn order(holdings: Holdings, password: PasswordFrom) -> (String, String) {
    let (credentials, notes) = credentials(holdings, password, "pi", Timestamp::UNIX_EPOCH);
    let word = |credential: &Credential| match credential {
        Credential::Password => "password".into(),
        Credential::Prompts => "prompts".into(),
        Credential::Sealed(path, _) => format!("{}(sealed)", path.display()),
        Credential::Key(offer) => {
            let name = offer.what.split(" (").next().unwrap_or_default();
            let name = name.trim_start_matches("key ").trim_start_matches("agent key ");
            let name =
                name.replace("certificate ", "").replace("agent ", "").replace(" through the agent", "");
            match &offer.holder {
                Holder::Key(_) => name,
                Holder::Locked(_) => format!("{name}(locked)"),
                Holder::Agent(_) => format!("{name}(agent)"),
            }
        }
    };
    let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
    (credentials.iter().map(word).collect::<Vec<_>>().join(" "), notes.join("; "))
}

#[test]
fn what_is_likeliest_wanted_is_offered_first() {
    use PasswordFrom::{Asking, Known, Nowhere};
    let many = || (10..17).map(held).collect::<Vec<_>>();
    let usual = |files| Holdings { named: false, ..named(files) };
    let only = |holdings| Holdings { only_named: true, ..holdings };
    let with = |path: &str, seed, holdings| Holdings {
        certificates: vec![(PathBuf::from(path), Ok(certificate(seed)))],
        ..holdings
    };
    for (holdings, password, expected) in [
        (named(vec![]), Nowhere, "password prompts"),
        (named(vec![]), Asking, "password prompts"),
        (named(vec![]), Known, "password prompts"),
        (named(vec![("k", ready(1))]), Nowhere, "k password prompts"),
        // Files before the agent's other keys; the agent's copy of a file is not offered twice.
        (
            holding(named(vec![("k", ready(1))]), vec![held(2), held(1)]),
            Asking,
            "k a2(agent) password prompts",
        ),
        (holding(named(vec![("k", locked(Some(1)))]), vec![held(1)]), Asking, "k(agent) password prompts"),
        (
            holding(named(vec![("k", by_agent(1))]), vec![held(2), held(1)]),
            Nowhere,
            "k(agent) a2(agent) password prompts",
        ),
        // A named file that may need a passphrase is still the one that was named; a usual one waits.
        (
            holding(named(vec![("k", locked(Some(1)))]), vec![held(2)]),
            Asking,
            "k(locked) a2(agent) password prompts",
        ),
        (
            holding(usual(vec![("k", locked(Some(1)))]), vec![held(2)]),
            Asking,
            "a2(agent) k(locked) password prompts",
        ),
        (usual(vec![("k", locked(Some(1))), ("l", ready(2))]), Known, "l password prompts k(locked)"),
        (
            holding(named(vec![("k", locked(None))]), vec![held(2)]),
            Asking,
            "a2(agent) k(sealed) password prompts",
        ),
        (named(vec![("k", locked(None))]), Known, "password prompts k(sealed)"),
        // The password before the server hangs up.
        (
            holding(named(vec![]), many()),
            Known,
            "a10(agent) a11(agent) a12(agent) a13(agent) password prompts a14(agent) a15(agent) a16(agent)",
        ),
        // Certificates before their keys, whoever holds either.
        (with("c", 1, named(vec![("k", ready(1))])), Nowhere, "c k password prompts"),
        (with("c", 1, named(vec![("k", locked(Some(1)))])), Nowhere, "c(locked) k(locked) password prompts"),
        (with("c", 1, holding(named(vec![]), vec![held(1)])), Nowhere, "c(agent) a1(agent) password prompts"),
        (
            holding(
                named(vec![("k", ready(1))]),
                vec![held(1), held_certificate(1), held(2), held_certificate(2)],
            ),
            Nowhere,
            "c1(agent) k c2(agent) a2(agent) password prompts",
        ),
        (
            with("c", 1, holding(named(vec![("k", ready(1))]), vec![held_certificate(1)])),
            Nowhere,
            "c k password prompts",
        ),
        // IdentitiesOnly: the agent for what is named, and for nothing else.
        (
            only(holding(named(vec![("k", locked(Some(1)))]), vec![held(2), held(1), held_certificate(1)])),
            Nowhere,
            "c1(agent) k(agent) password prompts",
        ),
        (
            only(with("c", 2, holding(named(vec![]), vec![held(2), held(3)]))),
            Nowhere,
            "c(agent) password prompts",
        ),
    ] {
        assert_eq!(order(holdings, password).0, expected);
    }
}

#[test]
fn what_cannot_be_offered_is_told() {
    let missing = || KeyFile::Unusable("there is no such file".into());
    let with = |read, holdings| Holdings { certificates: vec![(PathBuf::from("c"), read)], ..holdings };
    for (holdings, expected) in [
        (named(vec![("k", missing())]), "key k: there is no such file"),
        (named(vec![("k", by_agent(1))]), "key k: is odd, and the agent does not hold it"),
        (with(Err("is no certificate".into()), named(vec![])), "certificate c: is no certificate"),
        (
            with(Ok(certificate(1)), named(vec![("k", ready(2))])),
            "certificate c: its private key is neither in a file that was looked at nor in the agent",
        ),
        (
            Holdings { only_named: true, ..holding(named(vec![("k", ready(1))]), vec![held(2), held(3)]) },
            "2 other keys of the agent: not offered, since IdentitiesOnly is set",
        ),
    ] {
        assert_eq!(order(holdings, PasswordFrom::Nowhere).1, expected);
    }
}

#[test]
fn keys_are_told_by_kind_and_fingerprint_and_nothing_unprintable_is_shown() {
    let identity = AgentIdentity::PublicKey { key: key(1).public_key().clone(), comment: "a\x1b[2J".into() };
    let (credentials, _) = credentials(
        holding(named(vec![]), vec![identity]),
        PasswordFrom::Nowhere,
        "pi",
        Timestamp::UNIX_EPOCH,
    );
    let Credential::Key(offer) = &credentials[0] else { panic!("{credentials:?}") };
    let print = key(1).fingerprint(HashAlg::Sha256);
    assert_eq!(offer.what, format!("agent key a[2J (ssh-ed25519 {print})"));
    let described = describe_certificate(&certificate(1));
    assert_eq!(described, format!("ssh-ed25519 {print}, ID \"id1\""));
    assert_eq!(
        Keys::new("pi", Timestamp::UNIX_EPOCH)
            .certificate(Path::new("c"), certificate(1), Holder::Locked(Arc::new(locked(None))))
            .objection,
        None
    );
}
