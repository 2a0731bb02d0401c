//! The private keys of this user: files, loaded once for all hosts, and where the agent is.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key, load_public_key};
use secrecy::{ExposeSecret, SecretString};

/// File names in `~/.ssh` that OpenSSH tries by itself.
const USUAL_NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Where this user's private keys are. Each file is read once in the life of this value, however many hosts
/// it is tried on.
#[derive(Debug, Default)]
pub struct Identities {
    ssh_dir: Option<PathBuf>,
    agent_socket: Option<PathBuf>,
    files: Mutex<HashMap<PathBuf, Arc<KeyFile>>>,
}

/// What a private key file turned out to be.
#[derive(Debug)]
pub(crate) enum KeyFile {
    /// A key to sign with.
    Ready(Arc<PrivateKey>),
    /// A key that only an agent can sign with, its public half if that could be had, and why.
    NeedsAgent { public: Option<PublicKey>, why: &'static str },
    /// No key at all, and why.
    Unusable(String),
}

impl Identities {
    /// Keys in `ssh_dir` (`~/.ssh`), and the agent behind `agent_socket`.
    pub fn new(ssh_dir: Option<PathBuf>, agent_socket: Option<PathBuf>) -> Self {
        Self { ssh_dir, agent_socket, files: Mutex::default() }
    }

    /// Those of the user who runs this process: `~/.ssh` and the agent of `SSH_AUTH_SOCK`.
    pub fn from_env() -> Self {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
        Self::new(home.map(|home| home.join(".ssh")), socket.map(PathBuf::from))
    }

    pub(crate) fn agent_socket(&self) -> Option<&Path> {
        self.agent_socket.as_deref()
    }

    /// The key files for a host: those named for it, or else the usual ones that exist.
    pub(crate) fn key_files(&self, named: &[PathBuf]) -> Vec<(PathBuf, Arc<KeyFile>)> {
        let paths = if named.is_empty() { self.usual_files() } else { named.to_vec() };
        paths.into_iter().map(|path| (path.clone(), self.load(path))).collect()
    }

    fn usual_files(&self) -> Vec<PathBuf> {
        let Some(dir) = &self.ssh_dir else {
            return Vec::new();
        };
        let paths = USUAL_NAMES.iter().map(|name| dir.join(name));
        paths.filter(|path| path.exists()).collect()
    }

    fn load(&self, path: PathBuf) -> Arc<KeyFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(path).or_insert_with_key(|path| Arc::new(KeyFile::read(path)));
        Arc::clone(file)
    }
}

impl KeyFile {
    fn read(path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&SecretString::from(text), path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::Unusable("there is no such file".into())
            }
            Err(error) => Self::Unusable(format!("cannot be read: {error}")),
        }
    }

    fn parse(text: &SecretString, path: &Path) -> Self {
        // OpenSSH's own format first: it tells the public half even of an encrypted key.
        let key = PrivateKey::from_openssh(text.expose_secret())
            .or_else(|_| decode_secret_key(text.expose_secret(), None));
        let why = match key {
            Ok(key) => match only_by_agent(&key) {
                None => return Self::Ready(Arc::new(key)),
                Some(why) => {
                    let public = Some(key.public_key().clone());
                    return Self::NeedsAgent { public, why };
                }
            },
            Err(_) if is_encrypted_pem(text) => ENCRYPTED,
            Err(error) if is_rsa(&error) => RSA,
            Err(error) => return Self::Unusable(format!("is no private key: {error}")),
        };
        Self::NeedsAgent { public: load_public_key(public_half(path)).ok(), why }
    }
}

/// The file beside a private key that holds its public half.
fn public_half(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

const ENCRYPTED: &str = "is encrypted";
// The only maintained RSA implementation in Rust leaks timing (RUSTSEC-2023-0071); the agent's does not.
const RSA: &str = "is an RSA key, which skep leaves to the agent";
const HARDWARE: &str = "belongs to a security key";

/// The two ways to mark an encrypted key in formats older than OpenSSH's own.
fn is_encrypted_pem(text: &SecretString) -> bool {
    ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.expose_secret().contains(mark))
}

/// Whether a key was not understood because it is an RSA key, in PKCS#1 or in PKCS#8.
fn is_rsa(error: &russh::keys::Error) -> bool {
    match error {
        russh::keys::Error::UnsupportedKeyType { key_type_string, .. } => key_type_string == "RSA",
        russh::keys::Error::UnknownAlgorithm(oid) => oid.to_string() == "1.2.840.113549.1.1.1",
        _ => false,
    }
}

/// Why a key can only be used through an agent, if so.
fn only_by_agent(key: &PrivateKey) -> Option<&'static str> {
    if key.is_encrypted() {
        return Some(ENCRYPTED);
    }
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => None,
        Algorithm::Rsa { .. } => Some(RSA),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => Some(HARDWARE),
        _ => Some("is of a kind that skep does not know"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Makes a key pair with OpenSSH's own tool; the format is its own, or PEM or PKCS8.
    fn generate(path: &Path, kind: &str, passphrase: &str, format: Option<&str>) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-N", passphrase, "-f"]).arg(path);
        if let Some(format) = format {
            command.args(["-m", format]);
        }
        let status = command.stdout(Stdio::null()).status();
        assert!(status.expect("ssh-keygen (package openssh-client) is needed").success());
    }

    #[test]
    fn what_key_files_turn_out_to_be() {
        let dir = tempfile::tempdir().unwrap();
        for (name, kind, passphrase, format, expected) in [
            ("ed", "ed25519", "", None, None),
            ("ec", "ecdsa", "", None, None),
            ("ec-pkcs8", "ecdsa", "", Some("PKCS8"), None),
            ("ed-encrypted", "ed25519", "secret", None, Some(ENCRYPTED)),
            ("ec-encrypted", "ecdsa", "secret", Some("PKCS8"), Some(ENCRYPTED)),
            ("ec-pem-encrypted", "ecdsa", "secret", Some("PEM"), Some(ENCRYPTED)),
            ("rsa-pkcs8", "rsa", "", Some("PKCS8"), Some(RSA)),
            ("rsa-pem-encrypted", "rsa", "secret", Some("PEM"), Some(ENCRYPTED)),
            ("rsa", "rsa", "", None, Some(RSA)),
            ("rsa-pem", "rsa", "", Some("PEM"), Some(RSA)),
            ("rsa-encrypted", "rsa", "secret", None, Some(ENCRYPTED)),
        ] {
            let path = dir.path().join(name);
            generate(&path, kind, passphrase, format);
            let public = load_public_key(public_half(&path)).unwrap();
            match (KeyFile::read(&path), expected) {
                (KeyFile::Ready(key), None) => {
                    assert_eq!(key.public_key().key_data(), public.key_data(), "{name}");
                }
                (KeyFile::NeedsAgent { public: found, why }, Some(expected)) => {
                    assert_eq!(why, expected, "{name}");
                    assert_eq!(found.unwrap().key_data(), public.key_data(), "{name}");
                }
                (other, _) => panic!("{name}: {other:?}"),
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

    #[test]
    fn usual_files_are_tried_only_where_none_is_named_and_each_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join("id_ecdsa");
        let named = dir.path().join("board");
        generate(&usual, "ecdsa", "", None);
        generate(&named, "ed25519", "", None);
        let identities = Identities::new(Some(dir.path().to_owned()), None);

        let paths = |named: &[PathBuf]| -> Vec<PathBuf> {
            identities.key_files(named).into_iter().map(|(path, _)| path).collect()
        };
        assert_eq!(paths(&[]), [usual.clone()]);
        assert_eq!(paths(std::slice::from_ref(&named)), [named.clone()]);

        let (_, first) = identities.key_files(&[]).remove(0);
        std::fs::remove_file(&usual).unwrap();
        let (_, again) = identities.key_files(std::slice::from_ref(&usual)).remove(0);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(Identities::default().key_files(&[]).len(), 0);
    }
}
