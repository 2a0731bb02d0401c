//! Whether to trust the key that a host offers: pure decisions.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

use super::error::ConnectFailure;
use super::known_hosts::{HostRecords, Verdict};
use super::target::{Target, UnknownKey};

/// What may be trusted on one connection.
#[derive(Debug, Clone)]
pub(super) struct HostKeyPolicy {
    target: Target,
    records: HostRecords,
    accept: AcceptNew,
}

/// Which keys to trust that nothing is known about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AcceptNew {
    /// None.
    No,
    /// The one with this fingerprint, which the user has said yes to.
    Only(String),
    /// Any.
    Any,
}

/// The decision about a key, where it is not a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The key is recorded, or pinned in the inventory.
    Known,
    /// The key is trusted because new ones are, and has to be recorded.
    New,
}

/// What skep can verify, best first. Not RSA: see `identity`.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

impl HostKeyPolicy {
    pub(super) fn new(target: &Target, records: HostRecords, accept: AcceptNew) -> Self {
        Self { target: target.clone(), records, accept }
    }

    /// Which kinds of key to ask the host for: the recorded ones first, for any other would look like a
    /// changed key; none of `excluded`.
    pub(super) fn algorithms(&self, excluded: &[Algorithm]) -> Cow<'static, [Algorithm]> {
        let recorded = self.records.algorithms().filter(|kind| ALGORITHMS.contains(kind));
        let mut order: Vec<Algorithm> = Vec::new();
        for algorithm in recorded.chain(ALGORITHMS) {
            if !order.contains(&algorithm) && !excluded.contains(&algorithm) {
                order.push(algorithm);
            }
        }
        order.into()
    }

    /// Whether to go on with a host that proved to hold `key`.
    pub(super) fn judge(&self, key: &PublicKey) -> Result<Trust, ConnectFailure> {
        let known_hosts = &self.target.known_hosts;
        let verdict = self.records.judge(key);
        match (&self.target.host_key, verdict) {
            (_, Verdict::Revoked { line }) => Err(ConnectFailure::HostKeyRevoked {
                fingerprint: fingerprint(key),
                known_hosts: known_hosts.clone(),
                line,
            }),
            (Some(pinned), _) if !same_fingerprint(pinned, &fingerprint(key)) => {
                Err(ConnectFailure::HostKeyMismatch {
                    pinned: pinned.clone(),
                    offered: vec![format!("{} {}", key.algorithm(), fingerprint(key))],
                })
            }
            (_, Verdict::Changed { line, recorded }) => Err(ConnectFailure::HostKeyChanged {
                fingerprint: fingerprint(key),
                algorithm: key.algorithm().to_string(),
                recorded: recorded.to_string(),
                known_hosts: known_hosts.clone(),
                line,
            }),
            (_, Verdict::Known) | (Some(_), Verdict::Unknown) => Ok(Trust::Known),
            (None, Verdict::Unknown) if self.accept.admits(key) => Ok(Trust::New),
            (None, Verdict::Unknown) => Err(ConnectFailure::HostKeyUnknown(Box::new(self.unknown(key)))),
        }
    }

    fn unknown(&self, key: &PublicKey) -> UnknownKey {
        UnknownKey {
            node: self.target.node.clone(),
            host: self.target.host.clone(),
            port: self.target.port,
            algorithm: key.algorithm().to_string(),
            fingerprint: fingerprint(key),
            known_hosts: self.target.known_hosts.clone(),
            authority: self.records.authority(),
        }
    }
}

impl AcceptNew {
    fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::No => false,
            Self::Only(accepted) => same_fingerprint(accepted, &fingerprint(key)),
            Self::Any => true,
        }
    }
}

/// As `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Base64 padding is left out by OpenSSH, but not by everybody.
fn same_fingerprint(a: &str, b: &str) -> bool {
    a.trim().trim_end_matches('=') == b.trim().trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const ED1: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const ED2: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

    fn key(line: &str) -> PublicKey {
        PublicKey::from_openssh(line).unwrap()
    }

    fn policy(known_hosts: &str, pinned: Option<&str>, accept: AcceptNew) -> HostKeyPolicy {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), known_hosts).unwrap();
        let target = Target {
            node: "n1".into(),
            host: "pi".into(),
            port: 22,
            user: "root".into(),
            keys: Vec::new(),
            certificates: Vec::new(),
            identities_only: false,
            agent: None,
            password: None,
            key_passphrase: None,
            host_key: pinned.map(Into::into),
            known_hosts: PathBuf::from("/known_hosts"),
        };
        let records = HostRecords::read(file.path(), "pi", 22).unwrap();
        HostKeyPolicy::new(&target, records, accept)
    }

    /// One word for a decision.
    fn decide(known_hosts: &str, pinned: Option<&str>, accept: AcceptNew) -> &'static str {
        match policy(known_hosts, pinned, accept).judge(&key(ED1)) {
            Ok(Trust::Known) => "known",
            Ok(Trust::New) => "new",
            Err(ConnectFailure::HostKeyUnknown(_)) => "unknown",
            Err(ConnectFailure::HostKeyChanged { line: 1, .. }) => "changed",
            Err(ConnectFailure::HostKeyRevoked { line: 1, .. }) => "revoked",
            Err(ConnectFailure::HostKeyMismatch { .. }) => "mismatch",
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn decisions() {
        let right = fingerprint(&key(ED1));
        let padded = format!(" {right}= ");
        let wrong = fingerprint(&key(ED2));
        let (known, changed) = (format!("pi {ED1}"), format!("pi {ED2}"));
        let revoked = format!("@revoked pi {ED1}");
        let only = |fingerprint: &String| AcceptNew::Only(fingerprint.clone());
        let (no, any) = (AcceptNew::No, AcceptNew::Any);
        for (known_hosts, pinned, accept, expected) in [
            ("", None, no.clone(), "unknown"),
            ("", None, any.clone(), "new"),
            ("", None, only(&right), "new"),
            ("", None, only(&wrong), "unknown"),
            ("", Some(&right), no.clone(), "known"),
            ("", Some(&padded), no.clone(), "known"),
            ("", Some(&wrong), any.clone(), "mismatch"),
            (&known, None, no.clone(), "known"),
            (&known, None, any.clone(), "known"),
            (&known, None, only(&wrong), "known"),
            (&known, Some(&wrong), any.clone(), "mismatch"),
            (&changed, None, any.clone(), "changed"),
            (&changed, None, only(&right), "changed"),
            (&changed, Some(&right), any.clone(), "changed"),
            (&revoked, None, any.clone(), "revoked"),
            (&revoked, Some(&right), any, "revoked"),
        ] {
            let decision = decide(known_hosts, pinned.map(String::as_str), accept.clone());
            assert_eq!(decision, expected, "{known_hosts:?} {pinned:?} {accept:?}");
        }
    }

    #[test]
    fn recorded_algorithms_are_asked_for_first_and_excluded_ones_never() {
        let ecdsa = key(EC).algorithm();
        let order = |known_hosts: &str, excluded: &[Algorithm]| {
            policy(known_hosts, None, AcceptNew::No).algorithms(excluded).into_owned()
        };
        assert_eq!(order("", &[]), ALGORITHMS);
        assert_eq!(order(&format!("pi {ED1}"), &[]), ALGORITHMS);
        let ecdsa_first = order(&format!("pi {EC}\npi {ED1}"), &[]);
        assert_eq!(ecdsa_first[..2], [ecdsa.clone(), Algorithm::Ed25519]);
        assert_eq!(ecdsa_first.len(), ALGORITHMS.len());
        assert_eq!(order("", &[Algorithm::Ed25519])[0], ecdsa);
        assert!(order("", &ALGORITHMS).is_empty());
    }
}
