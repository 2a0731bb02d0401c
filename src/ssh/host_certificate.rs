//! Whether a host's certificate proves its name: pure decisions, after sshd(8) and OpenSSH's PROTOCOL.certkeys.

use jiff::Timestamp;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg};
use thiserror::Error;

use super::known_hosts::{HostRecords, Place, glob_matches};

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum CertificateTrouble {
    /// No line of known_hosts trusts who signed it for this host.
    #[error(
        "it is signed by {authority}, which no @cert-authority line trusts for this host ({trusted} trusts another)"
    )]
    OtherAuthority { authority: String, trusted: Place },
    #[error("it is a certificate of a user, not of a host")]
    NotOfAHost,
    #[error("it has the critical option `{0}`, which no host certificate may have")]
    CriticalOption(String),
    #[error("it is not valid before {}", date(*.0))]
    NotYet(u64),
    #[error("it expired on {}", date(*.0))]
    Expired(u64),
    #[error("it names {}, not {name}", principals.join(", "))]
    OtherName { principals: Vec<String>, name: String },
    #[error("it is signed by an algorithm that is no longer trusted ({0})")]
    WeakSignature(Algorithm),
    #[error("its signature is wrong")]
    Signature,
}

/// Checks that `certificate` was given to the host called `name` by an authority that `records` trust for it, and
/// is valid at `now` (seconds since 1970). Gives the place that trusts the authority. That the authority or the key
/// may be revoked is not looked at.
pub(super) fn check(
    certificate: &Certificate,
    name: &str,
    records: &HostRecords,
    trusted: &Place,
    now: u64,
) -> Result<Place, CertificateTrouble> {
    let Some(place) = records.authority_of(certificate) else {
        let authority = authority(certificate);
        return Err(CertificateTrouble::OtherAuthority { authority, trusted: trusted.clone() });
    };
    if certificate.cert_type() != CertType::Host {
        return Err(CertificateTrouble::NotOfAHost);
    }
    if let Some((option, _)) = certificate.critical_options().iter().next() {
        return Err(CertificateTrouble::CriticalOption(option.clone()));
    }
    if now < certificate.valid_after() {
        return Err(CertificateTrouble::NotYet(certificate.valid_after()));
    }
    if now >= certificate.valid_before() {
        return Err(CertificateTrouble::Expired(certificate.valid_before()));
    }
    let principals = certificate.valid_principals();
    if !is_named(name, principals) {
        let (principals, name) = (principals.to_vec(), name.to_owned());
        return Err(CertificateTrouble::OtherName { principals, name });
    }
    // SHA-1, and what nobody signs with any more.
    let algorithm = certificate.signature().algorithm();
    if matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err(CertificateTrouble::WeakSignature(algorithm));
    }
    let fingerprint = certificate.signature_key().fingerprint(HashAlg::Sha256);
    match certificate.validate_at(now, [&fingerprint]) {
        Ok(()) => Ok(place),
        Err(_) => Err(CertificateTrouble::Signature),
    }
}

/// A certificate without names is good for any. Names may be patterns, as in known_hosts.
fn is_named(name: &str, principals: &[String]) -> bool {
    let name = name.to_ascii_lowercase();
    principals.is_empty()
        || principals.iter().any(|pattern| glob_matches(&pattern.to_ascii_lowercase(), &name))
}

/// Who signed a certificate, for messages.
pub(super) fn authority(certificate: &Certificate) -> String {
    let key = certificate.signature_key();
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}

#[cfg(test)]
mod tests;
