//! What a host shows to anybody who asks: who its server is, and its key. Nobody logs in.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client;
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::handler::printable;
use super::known_hosts::{HostRecords, KnownHostsError, Names, Verdict};

/// An identification line is no longer, RFC 4253 section 4.2; other lines may come before it.
const LONGEST: usize = 4096;

/// What a host shows to anybody who asks.
#[derive(Debug, Clone)]
pub struct Glimpse {
    /// Its identification line, such as `SSH-2.0-OpenSSH_9.2p1 Debian-2`.
    pub identification: String,
    /// Its key; none where no key exchange is to be had.
    pub key: Option<HostKey>,
}

/// A host's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey(PublicKey);

impl HostKey {
    /// As `ssh-keygen -l` shows it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether one of these files records it for a host.
    ///
    /// # Errors
    /// Where a file is there, but cannot be read.
    pub fn is_recorded(&self, files: &[PathBuf], host: &str, port: u16) -> Result<bool, KnownHostsError> {
        let records = HostRecords::read(files, &Names::of(host, port, None))?;
        Ok(records.judge(&self.0) == Verdict::Known)
    }
}

/// Asks for what a host shows, within `patience` for the connection and as long again for its key. None where
/// somebody else than an SSH server listens there.
///
/// # Errors
/// Where nobody listens there, or is too slow.
pub async fn glimpse(address: SocketAddr, patience: Duration) -> io::Result<Option<Glimpse>> {
    let stream = timeout(patience, TcpStream::connect(address)).await??;
    let Some(identification) = timeout(patience, identification(&stream)).await?? else { return Ok(None) };
    let seen = Seen::default();
    let exchange = client::connect_stream(Arc::default(), stream, seen.clone());
    // The exchange always ends in a refusal, of ours if of nobody else's.
    let _ = timeout(patience, exchange).await;
    let key = seen.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(Some(Glimpse { identification, key: key.map(HostKey) }))
}

/// The server's identification line, which stays to be read.
async fn identification(stream: &TcpStream) -> io::Result<Option<String>> {
    let mut bytes = [0; LONGEST];
    let mut before = 0;
    loop {
        let length = stream.peek(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes[..length]);
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        if let Some(line) = whole.lines().find(|line| line.starts_with("SSH-")) {
            return Ok(Some(printable(line)));
        }
        if length == 0 || length == LONGEST {
            return Ok(None);
        }
        // What has come already would be shown again at once.
        if length == before {
            sleep(Duration::from_millis(10)).await;
        }
        before = length;
    }
}

/// The key that a server showed.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Seen {
    type Error = russh::Error;

    /// No further: nobody wants to log in.
    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(offered.public_key());
        Ok(false)
    }
}
