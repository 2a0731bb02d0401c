//! Certificates of the user's keys: where they are read from, and what can be seen in them of why one is refused.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use russh::keys::Certificate;
use russh::keys::ssh_key::certificate::CertType;

/// Where OpenSSH looks for the certificate of a key: `id_ed25519-cert.pub` beside `id_ed25519`.
pub(super) fn certificate_path(key: &Path) -> PathBuf {
    // A public key in the private one's place has its certificate in the same place.
    let stem = if key.extension().is_some_and(|extension| extension == "pub") {
        key.with_extension("")
    } else {
        key.to_owned()
    };
    let mut name = stem.into_os_string();
    name.push("-cert.pub");
    name.into()
}

/// Reads a certificate.
///
/// # Errors
/// Why there is none.
pub(super) fn read_certificate(path: &Path) -> Result<Certificate, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("there is no such file".into());
        }
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    Certificate::from_openssh(line.unwrap_or_default()).map_err(|error| format!("is no certificate: {error}"))
}

/// What speaks against a certificate, as far as it can be told here: the host has its own clock, and may map principals
/// to users.
pub(crate) fn objection(certificate: &Certificate, user: &str, now: Timestamp) -> Option<String> {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    if certificate.cert_type() != CertType::User {
        return Some("it is a certificate of a host, not of a user".into());
    }
    if seconds >= certificate.valid_before() {
        return Some(format!("it expired at {}", time(certificate.valid_before())));
    }
    if seconds < certificate.valid_after() {
        return Some(format!("it is not valid before {}", time(certificate.valid_after())));
    }
    let principals = certificate.valid_principals();
    if principals.is_empty() {
        return Some("it names no principals".into());
    }
    let named = principals.iter().any(|principal| principal == user);
    (!named).then(|| format!("its principals are {}, not {user}", principals.join(", ")))
}

fn time(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| "the end of time".into(), |timestamp| timestamp.to_string())
}
