//! The known_hosts file: which key belongs to which host, shared with OpenSSH's own client.
//!
//! The format is that of sshd(8); russh's own helper knows neither patterns nor negation, markers or ports
//! with patterns, and takes an unreadable file for an empty one.

mod entry;
mod pattern;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use russh::keys::{PublicKey, PublicKeyBase64};
use thiserror::Error;

pub(crate) use entry::{Records, Verdict};
pub(crate) use pattern::recorded_name;

/// A known_hosts file that could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct KnownHostsError {
    /// The file.
    pub path: PathBuf,
    /// What was tried: `read` or `write`.
    pub action: &'static str,
    /// Why it failed.
    pub source: io::Error,
}

/// What a file says about one host: under its own name and port, and under its name alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostRecords {
    own: Records,
    /// Only away from port 22: OpenSSH trusts a key there that it knows under the bare name.
    bare: Records,
}

impl HostRecords {
    /// Reads what the file at `path` says about a host. A missing file says nothing.
    pub(crate) fn read(path: &Path, host: &str, port: u16) -> Result<Self, KnownHostsError> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(failed(path, "read", source)),
        };
        Ok(Self::find(&text, host, port))
    }

    /// What `text`, the content of a file, says about a host.
    pub(crate) fn find(text: &str, host: &str, port: u16) -> Self {
        let name = recorded_name(host, port);
        let bare = recorded_name(host, 22);
        Self {
            own: Records::find(text, &name),
            bare: if name == bare { Records::default() } else { Records::find(text, &bare) },
        }
    }

    /// What the records say about `key`. The bare name can confirm or revoke a key, but not contradict it:
    /// another port may well be another machine behind the same address.
    pub(crate) fn judge(&self, key: &PublicKey) -> Verdict {
        match (self.own.judge(key), self.bare.judge(key)) {
            (_, Verdict::Revoked { line }) => Verdict::Revoked { line },
            (Verdict::Unknown, Verdict::Known) => Verdict::Known,
            (own, _) => own,
        }
    }

    /// The algorithms of the recorded keys: those to ask the host for first.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = russh::keys::Algorithm> {
        self.own.algorithms().chain(self.bare.algorithms())
    }

    /// The line of a certificate authority for this host, if there is one.
    pub(crate) fn authority(&self) -> Option<usize> {
        self.own.authority()
    }
}

/// Records `key` for a host at the end of the file at `path`, unless the file already says something about
/// it: the verdict tells what it said. `Unknown` means that the key is recorded now.
///
/// Safe among many hosts at once and several processes: the file itself is locked, read again under the
/// lock, and the line is written by a single append. Makes the file (0600) and its directory (0700).
pub(crate) fn record(
    path: &Path,
    host: &str,
    port: u16,
    key: &PublicKey,
) -> Result<Verdict, KnownHostsError> {
    append(path, host, port, key).map_err(|source| failed(path, "write", source))
}

fn append(path: &Path, host: &str, port: u16, key: &PublicKey) -> io::Result<Verdict> {
    if let Some(parent) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = open_locked(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;

    let verdict = HostRecords::find(&String::from_utf8_lossy(&bytes), host, port).judge(key);
    if verdict == Verdict::Unknown {
        let missing_newline = bytes.last().is_some_and(|&last| last != b'\n');
        file.write_all(line(host, port, key, missing_newline).as_bytes())?;
    }
    Ok(verdict)
}

/// The line that records `key`, after what ends the line before it.
pub(crate) fn line(host: &str, port: u16, key: &PublicKey, missing_newline: bool) -> String {
    let separator = if missing_newline { "\n" } else { "" };
    let name = recorded_name(host, port);
    let algorithm = key.algorithm();
    format!("{separator}{name} {algorithm} {}\n", key.public_key_base64())
}

/// Opens and locks the file that `path` names once the lock is held: `ssh-keygen -R` and OpenSSH replace
/// the file by renaming, and a line appended to the one they replaced would be lost.
fn open_locked(path: &Path) -> io::Result<Flock<File>> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let (held, named) = (file.metadata()?, std::fs::metadata(path)?);
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
            return Ok(file);
        }
    }
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> KnownHostsError {
    KnownHostsError { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests;
