//! The known_hosts files: which key belongs to which host, shared with OpenSSH's own client.
//!
//! The format is that of sshd(8); russh's own helper knows neither patterns nor negation, markers or ports
//! with patterns, and takes an unreadable file for an empty one.

mod entry;
mod pattern;

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use russh::keys::{Certificate, PublicKey, PublicKeyBase64};
use thiserror::Error;

pub(crate) use entry::{Records, Verdict};
pub(crate) use pattern::glob_matches;
use pattern::recorded_name;

/// A known_hosts file that could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct KnownHostsError {
    /// The file.
    pub path: PathBuf,
    /// What was tried: `read`, `use` or `write`.
    pub action: &'static str,
    /// Why it failed.
    pub source: io::Error,
}

/// The names under which a host is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    own: String,
    /// Only away from port 22: OpenSSH trusts a key there that it knows under the bare name.
    bare: Option<String>,
}

impl Names {
    /// Those of a host at this port, or the one that `HostKeyAlias` gives it.
    pub(crate) fn of(host: &str, port: u16, alias: Option<&str>) -> Self {
        match alias {
            Some(alias) => Self { own: alias.to_ascii_lowercase(), bare: None },
            None => {
                let (own, bare) = (recorded_name(host, port), recorded_name(host, 22));
                Self { bare: (bare != own).then_some(bare), own }
            }
        }
    }

    /// The name under which new keys are recorded, and which `ssh-keygen -F` finds.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }
}

/// A line of a known_hosts file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) path: PathBuf,
    /// The line.
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// What the files say about one host.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostRecords(Vec<FileRecords>);

/// What one file says about it: under its own name and port, and under its name alone.
#[derive(Debug, Clone)]
struct FileRecords {
    path: PathBuf,
    own: Records,
    bare: Records,
}

impl HostRecords {
    /// Reads what the files at `paths` say about a host. A missing file says nothing.
    pub(crate) fn read<'a>(
        paths: impl IntoIterator<Item = &'a PathBuf>,
        names: &Names,
    ) -> Result<Self, KnownHostsError> {
        let mut files = Vec::new();
        for path in paths {
            match std::fs::read(path) {
                Ok(bytes) => files.push(FileRecords::find(path, &String::from_utf8_lossy(&bytes), names)),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed(path, "read", source)),
            }
        }
        Ok(Self(files))
    }

    /// Adds the keys that the file at `path` revokes for all hosts (`RevokedHostKeys`). It has to be there.
    pub(crate) fn revoke(&mut self, path: &Path) -> Result<(), KnownHostsError> {
        let bytes = std::fs::read(path).map_err(|source| failed(path, "read", source))?;
        if bytes.starts_with(b"SSHKRL\n\0") {
            let why = "it is a revocation list in OpenSSH's binary form; list the revoked keys themselves, one a line";
            return Err(failed(path, "use", io::Error::other(why)));
        }
        let own = Records::revocations(&String::from_utf8_lossy(&bytes));
        self.0.push(FileRecords { path: path.to_owned(), own, bare: Records::default() });
        Ok(())
    }

    /// What `text` says about a host, as if it stood in a file.
    pub(crate) fn find(text: &str, names: &Names) -> Self {
        Self(vec![FileRecords::find(Path::new("known_hosts"), text, names)])
    }

    /// What the records say about `key`. The bare name can confirm or revoke a key, but not contradict it:
    /// another port may well be another machine behind the same address.
    pub(crate) fn judge(&self, key: &PublicKey) -> Verdict<Place> {
        if let Some(place) = self.revoked(key) {
            return Verdict::Revoked(place);
        }
        let own: Vec<_> = self.0.iter().map(|file| (file, file.own.judge(key))).collect();
        if own.iter().any(|(_, verdict)| *verdict == Verdict::Known) {
            return Verdict::Known;
        }
        for (file, verdict) in own {
            if let Verdict::Changed { place, recorded } = verdict {
                return Verdict::Changed { place: file.place(place), recorded };
            }
        }
        match self.0.iter().any(|file| file.bare.judge(key) == Verdict::Known) {
            true => Verdict::Known,
            false => Verdict::Unknown,
        }
    }

    /// Where `key` is revoked, be it a host's or an authority's.
    pub(crate) fn revoked(&self, key: &PublicKey) -> Option<Place> {
        self.first(|records| records.revoked(key))
    }

    /// The algorithms of the recorded keys: those to ask the host for first.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = russh::keys::Algorithm> {
        self.0.iter().flat_map(|file| file.own.algorithms().chain(file.bare.algorithms()))
    }

    /// Where the authority that signed `certificate` is trusted for this host.
    pub(crate) fn authority_of(&self, certificate: &Certificate) -> Option<Place> {
        self.first(|records| records.authority_of(certificate))
    }

    /// Where any certificate authority is trusted for this host.
    pub(crate) fn authority(&self) -> Option<Place> {
        self.first(Records::authority)
    }

    fn first(&self, find: impl Fn(&Records) -> Option<usize>) -> Option<Place> {
        self.0.iter().find_map(|file| Some(file.place(find(&file.own).or_else(|| find(&file.bare))?)))
    }
}

impl FileRecords {
    fn find(path: &Path, text: &str, names: &Names) -> Self {
        let bare = names.bare.as_ref().map(|name| Records::find(text, name));
        Self { path: path.to_owned(), own: Records::find(text, &names.own), bare: bare.unwrap_or_default() }
    }

    fn place(&self, line: usize) -> Place {
        Place { path: self.path.clone(), line }
    }
}

/// Records `key` for a host at the end of the file at `path`, with its name hashed if so wanted, unless the
/// file already says something about it: the verdict tells what it said. `Unknown` means that the key is
/// recorded now.
///
/// Safe among many hosts at once and several processes: the file itself is locked, read again under the
/// lock, and the line is written by a single append. Makes the file (0600) and its directory (0700).
pub(crate) fn record(
    path: &Path,
    names: &Names,
    key: &PublicKey,
    hash: bool,
) -> Result<Verdict<Place>, KnownHostsError> {
    append(path, names, key, hash).map_err(|source| failed(path, "write", source))
}

fn append(path: &Path, names: &Names, key: &PublicKey, hash: bool) -> io::Result<Verdict<Place>> {
    if let Some(parent) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = open_locked(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;

    let said = FileRecords::find(path, &String::from_utf8_lossy(&bytes), names);
    let verdict = HostRecords(vec![said]).judge(key);
    if verdict == Verdict::Unknown {
        let name = if hash { pattern::hashed(&names.own, &salt()?) } else { names.own.clone() };
        let missing_newline = bytes.last().is_some_and(|&last| last != b'\n');
        file.write_all(line(&name, key, missing_newline).as_bytes())?;
    }
    Ok(verdict)
}

/// Records `add` for a host in the file at `path`, and forgets `forget` there, in one step. What stands there in patterns,
/// or about other hosts, stays.
pub(crate) fn relearn(
    path: &Path,
    names: &Names,
    add: &[PublicKey],
    forget: &[PublicKey],
    hash: bool,
) -> Result<(), KnownHostsError> {
    replace(path, names, add, forget, hash).map_err(|source| failed(path, "write", source))
}

fn replace(
    path: &Path,
    names: &Names,
    add: &[PublicKey],
    forget: &[PublicKey],
    hash: bool,
) -> io::Result<()> {
    let mut file = open_locked(path)?;
    let mut before = String::new();
    file.read_to_string(&mut before)?;
    let mut text = entry::without(&before, &names.own, forget);
    for key in add {
        if Records::find(&text, &names.own).judge(key) != Verdict::Known {
            let name = if hash { pattern::hashed(&names.own, &salt()?) } else { names.own.clone() };
            let missing_newline = !text.is_empty() && !text.ends_with('\n');
            text += &line(&name, key, missing_newline);
        }
    }
    if text == before { Ok(()) } else { crate::atomic::replace(path, &text) }
}

/// The line that records `key`, after what ends the line before it.
pub(crate) fn line(name: &str, key: &PublicKey, missing_newline: bool) -> String {
    let separator = if missing_newline { "\n" } else { "" };
    let algorithm = key.algorithm();
    format!("{separator}{name} {algorithm} {}\n", key.public_key_base64())
}

/// As long as the hash, as OpenSSH's own salts are.
fn salt() -> io::Result<[u8; 20]> {
    let mut salt = [0; 20];
    File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
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
