//! What russh calls back: the host's key, its banner, the end of the connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::client::{self, DisconnectReason};
use russh::keys::{PublicKey, PublicKeyOrCertificate};

use super::error::ConnectFailure;
use super::host_key::{HostKeyPolicy, Trust};
use super::prompt::Acknowledgement;

/// What one connection has shown so far, shared between the connection's task and who waits for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    host_key: Option<(PublicKey, Trust)>,
    banner: Option<String>,
    farewell: Option<String>,
    cut: bool,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host's key, if it is trusted but has to be recorded.
    pub(super) fn new_host_key(&self) -> Option<PublicKey> {
        match &self.lock().host_key {
            Some((key, Trust::New)) => Some(key.clone()),
            _ => None,
        }
    }

    /// What the server had to say before or at the end, on one line.
    pub(super) fn server_said(&self) -> Option<String> {
        let inner = self.lock();
        let parts: Vec<_> = inner.banner.iter().chain(&inner.farewell).cloned().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Why the connection ended, as far as this side knows.
    pub(super) fn farewell(&self) -> Option<String> {
        self.lock().farewell.clone()
    }

    /// Whether the connection broke off, without the server's word that it ends it.
    pub(super) fn cut(&self) -> bool {
        self.lock().cut
    }
}

/// Why a key exchange came to nothing.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// This side does not trust the host.
    Refused(Box<ConnectFailure>),
    /// The protocol failed.
    Ssh(russh::Error),
}

impl From<russh::Error> for HandshakeError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// The receiving end of russh's callbacks for one connection.
pub(super) struct Watcher {
    pub(super) policy: HostKeyPolicy,
    pub(super) seen: Seen,
    pub(super) acknowledgement: Acknowledgement,
}

impl client::Handler for Watcher {
    type Error = HandshakeError;

    /// Also called at each later key exchange, where the key must still be the one that was trusted.
    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = offered.public_key();
        let mut seen = self.seen.lock();
        if let Some((known, _)) = &seen.host_key {
            return Ok(known.key_data() == key.key_data());
        }
        let verdict = match offered.certificate() {
            Some(certificate) => self.policy.judge_certificate(certificate),
            None => self.policy.judge(&key),
        };
        match verdict {
            Ok(trust) => {
                seen.host_key = Some((key, trust));
                Ok(true)
            }
            Err(failure) => Err(HandshakeError::Refused(Box::new(failure))),
        }
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), Self::Error> {
        let line = printable(banner);
        if !line.is_empty() {
            self.seen.lock().banner.get_or_insert(line);
        }
        Ok(())
    }

    /// Nothing is said in return that could carry the acknowledgement.
    async fn openssh_ext_host_keys_announced(
        &mut self,
        _: Vec<PublicKey>,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        self.acknowledgement.hurry();
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let (farewell, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => (printable(&info.message), Ok(())),
            DisconnectReason::Error(HandshakeError::Ssh(error)) => {
                self.seen.lock().cut = true;
                (error.to_string(), Err(HandshakeError::Ssh(error)))
            }
            DisconnectReason::Error(refused) => (String::new(), Err(refused)),
        };
        if !farewell.is_empty() {
            self.seen.lock().farewell = Some(farewell);
        }
        result
    }
}

/// The host's words on one line, bounded, without control characters: they end up on a terminal.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 400;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    line.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_becomes_one_harmless_line() {
        assert_eq!(printable(" You are\r\n required \x1b[31mto\n"), "You are required [31mto");
        assert_eq!(printable("\n\n"), "");
        assert_eq!(printable(&"x".repeat(1000)).len(), 400);
    }
}
