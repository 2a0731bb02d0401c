//! Whether to trust the key or the certificate that a host offers.

use std::time::SystemTime;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey};

use super::error::ConnectFailure;
use super::handler::printable;
use super::host_certificate;
use super::known_hosts::{HostRecords, KnownHostsError, Place, Verdict, glob_matches};
use super::target::{NewHostKeys, Options, Target, UnknownKey};

/// What may be trusted on one connection.
#[derive(Debug, Clone)]
pub(super) struct HostKeyPolicy {
    target: Target,
    records: HostRecords,
    accept: AcceptNew,
    certificates: Certificates,
}

/// Which keys to trust that nothing is known about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AcceptNew {
    /// None, and nobody is asked.
    Never,
    /// None, unless the user says yes to one.
    No,
    /// The one with this fingerprint, which the user has said yes to.
    Only(String),
    /// Any.
    Any,
}

/// Whether the host may prove itself by a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Certificates {
    /// Where an authority is trusted for it.
    Wanted,
    /// No longer: what it showed is not to be trusted, and why.
    Useless(String),
}

/// The decision about a key, where it is not a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The key is recorded, or pinned in the inventory.
    Known,
    /// The key is trusted because new ones are, and has to be recorded.
    New,
}

/// What skep can verify, best first.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

impl HostKeyPolicy {
    /// What the files of known hosts and `accept` allow at this moment.
    pub(super) fn read(
        target: &Target,
        accept: AcceptNew,
        certificates: Certificates,
    ) -> Result<Self, KnownHostsError> {
        let mut records = HostRecords::read(target.known_hosts.all(), &target.recorded())?;
        if let Some(path) = &target.known_hosts.revoked {
            records.revoke(path)?;
        }
        Ok(Self { target: target.clone(), records, accept, certificates })
    }

    /// Which kinds of key to ask the host for: the recorded ones first, for any other would look like a
    /// changed key; none of `excluded`.
    pub(super) fn algorithms(&self, excluded: &[Algorithm]) -> Vec<Algorithm> {
        let recorded: Vec<Algorithm> = self.records.algorithms().collect();
        let is_recorded = |kind: &&Algorithm| recorded.iter().any(|known| same_kind(known, kind));
        let by_record =
            recorded.iter().flat_map(|known| ALGORITHMS.iter().filter(|kind| same_kind(known, kind)));
        let rest = ALGORITHMS.iter().filter(|kind| !is_recorded(kind));
        let mut order: Vec<Algorithm> = Vec::new();
        for kind in by_record.chain(rest) {
            let refused = excluded.iter().any(|excluded| same_kind(excluded, kind));
            if !order.contains(kind) && !refused && self.is_allowed(kind.as_str()) {
                order.push(kind.clone());
            }
        }
        order
    }

    /// Which kinds of certificate to ask the host for, before any plain key.
    pub(super) fn certificates(&self) -> Vec<Algorithm> {
        // A pinned key needs nobody to vouch for it.
        let wanted = self.certificates == Certificates::Wanted
            && self.target.host_key.is_none()
            && self.records.authority().is_some();
        let kinds = ALGORITHMS.into_iter().filter(|kind| self.is_allowed(&kind.to_certificate_type()));
        if wanted { kinds.collect() } else { Vec::new() }
    }

    /// Whether `HostKeyAlgorithms` of ssh's configuration allows an algorithm.
    fn is_allowed(&self, name: &str) -> bool {
        let only = self.target.host_key_algorithms.as_ref();
        only.is_none_or(|only| only.iter().any(|allowed| glob_matches(allowed, name)))
    }

    /// Whether to go on with a host that proved to hold the key which `certificate` speaks for.
    pub(super) fn judge_certificate(&self, certificate: &Certificate) -> Result<Trust, ConnectFailure> {
        let key = PublicKey::new(certificate.public_key().clone(), "");
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        for (what, key) in [("host key", &key), ("certificate authority", &authority)] {
            if let Some(place) = self.records.revoked(key) {
                return Err(revoked(what, key, place));
            }
        }
        // Certificates are asked for only where there is one.
        let Some(trusted) = self.records.authority() else { return self.judge(&key) };
        let name = self.target.certified_name();
        match host_certificate::check(certificate, name, &self.records, &trusted, now()) {
            Ok(_) => Ok(Trust::Known),
            Err(trouble) => Err(ConnectFailure::HostCertificate(format!(
                "its certificate `{}` does not help: {trouble}",
                printable(certificate.key_id())
            ))),
        }
    }

    /// Whether to go on with a host that proved to hold `key`.
    pub(super) fn judge(&self, key: &PublicKey) -> Result<Trust, ConnectFailure> {
        let verdict = self.records.judge(key);
        match (&self.target.host_key, verdict) {
            (_, Verdict::Revoked(place)) => Err(revoked("host key", key, place)),
            (Some(pinned), _) if !same_fingerprint(pinned, &fingerprint(key)) => {
                Err(ConnectFailure::HostKeyMismatch {
                    pinned: pinned.clone(),
                    offered: vec![format!("{} {}", key.algorithm(), fingerprint(key))],
                })
            }
            (_, Verdict::Changed { place, recorded }) => Err(ConnectFailure::HostKeyChanged {
                fingerprint: fingerprint(key),
                algorithm: key.algorithm().to_string(),
                recorded: recorded.to_string(),
                recorded_as: self.target.recorded().own().into(),
                known_hosts: place.path,
                line: place.line,
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
            found: self.target.found_for.is_some(),
            algorithm: key.algorithm().to_string(),
            fingerprint: fingerprint(key),
            known_hosts: self.target.known_hosts.written().to_owned(),
            certificate: self.no_certificate(),
        }
    }

    /// Why no certificate spoke for the host, where an authority is trusted for it.
    fn no_certificate(&self) -> Option<String> {
        if let Certificates::Useless(trouble) = &self.certificates {
            return Some(trouble.clone());
        }
        let place = self.records.authority()?;
        Some(format!("{place} trusts a certificate authority for it, but it offers no certificate"))
    }
}

fn revoked(what: &'static str, key: &PublicKey, place: Place) -> ConnectFailure {
    let (fingerprint, Place { path: known_hosts, line }) = (fingerprint(key), place);
    ConnectFailure::HostKeyRevoked { what, fingerprint, known_hosts, line }
}

/// Whether keys of both are the same: one RSA key signs with several hashes.
fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl AcceptNew {
    /// What is said on the command line counts before ssh's configuration. A host that was found by its hardware address
    /// is not the one that either speaks of.
    pub(super) fn of(target: &Target, options: &Options) -> Self {
        match target.new_host_keys {
            NewHostKeys::Refuse if target.found_for.is_some() => Self::Never,
            _ if target.found_for.is_some() => Self::No,
            _ if options.accept_new_host_keys => Self::Any,
            NewHostKeys::Accept => Self::Any,
            NewHostKeys::Ask => Self::No,
            NewHostKeys::Refuse => Self::Never,
        }
    }

    /// Whether the user may be asked about a key.
    pub(super) fn may_ask(&self) -> bool {
        *self != Self::Never
    }

    fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::Never | Self::No => false,
            Self::Only(accepted) => same_fingerprint(accepted, &fingerprint(key)),
            Self::Any => true,
        }
    }
}

/// As `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The fingerprint of a key that is written as in its `.pub` file; none where it is no key.
pub(crate) fn fingerprint_of(line: &str) -> Option<String> {
    PublicKey::from_openssh(line.trim()).ok().map(|key| fingerprint(&key))
}

/// Base64 padding is left out by OpenSSH, but not by everybody.
fn same_fingerprint(a: &str, b: &str) -> bool {
    a.trim().trim_end_matches('=') == b.trim().trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED1: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const ED2: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

    fn key(line: &str) -> PublicKey {
        PublicKey::from_openssh(line).unwrap()
    }

    fn policy(known_hosts: &str, pinned: Option<&str>, accept: AcceptNew) -> HostKeyPolicy {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), known_hosts).unwrap();
        let mut target = Target::new("n1", "root", "pi", 22, file.path().to_owned());
        target.host_key = pinned.map(Into::into);
        HostKeyPolicy::read(&target, accept, Certificates::Wanted).unwrap()
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
    fn whoever_was_found_by_a_hardware_address_is_asked_about_whatever_is_accepted_elsewhere() {
        let mut options = Options::new(std::sync::Arc::new(crate::ssh::Identities::new(None, None)));
        let mut target = Target::new("n1", "root", "pi", 22, "/dev/null".into());
        for (found, said, configured, expected) in [
            (false, true, NewHostKeys::Ask, AcceptNew::Any),
            (false, false, NewHostKeys::Accept, AcceptNew::Any),
            (false, false, NewHostKeys::Ask, AcceptNew::No),
            (true, true, NewHostKeys::Ask, AcceptNew::No),
            (true, false, NewHostKeys::Accept, AcceptNew::No),
            (true, true, NewHostKeys::Refuse, AcceptNew::Never),
        ] {
            options.accept_new_host_keys = said;
            target.new_host_keys = configured;
            target.found_for = found.then(|| "pi".to_owned());
            assert_eq!(AcceptNew::of(&target, &options), expected, "{found} {said} {configured:?}");
        }
    }

    #[test]
    fn recorded_algorithms_are_asked_for_first_and_excluded_ones_never() {
        let ecdsa = key(EC).algorithm();
        let order = |known_hosts: &str, excluded: &[Algorithm]| {
            policy(known_hosts, None, AcceptNew::No).algorithms(excluded)
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
