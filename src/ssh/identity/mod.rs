//! What this user logs in with: key files and certificates, loaded once for all hosts; where the agent is; what was
//! typed already.

mod certificate;
mod key_file;
mod legacy_pem;
mod short_scalar;
mod signing_key;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::Certificate;
use secrecy::SecretString;

use super::ask::{Asker, Question};
use super::target::Target;
use certificate::{certificate_path, read_certificate};

pub(crate) use certificate::objection;
pub(crate) use key_file::{KeyFile, Locked, Refused};
pub(crate) use signing_key::SigningKey;

/// File names in `~/.ssh` that OpenSSH tries by itself.
const USUAL_NAMES: [&str; 5] = ["id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"];

/// What this user logs in with. Each file is read once in the life of this value, and the user is asked once for each
/// passphrase and password, however many hosts want it.
#[derive(Default)]
pub struct Identities {
    ssh_dir: Option<PathBuf>,
    agent_socket: Option<PathBuf>,
    files: Mutex<HashMap<PathBuf, Arc<KeyFile>>>,
    /// Passwords that were asked for, by [`Target::password_owner`]; none where the user gave none.
    passwords: tokio::sync::Mutex<HashMap<String, Option<SecretString>>>,
}

/// A certificate file, or why it cannot be used.
pub(crate) type CertificateFile = (PathBuf, Result<Certificate, String>);

impl Identities {
    /// Keys in `ssh_dir` (`~/.ssh`), and the agent behind `agent_socket`.
    pub fn new(ssh_dir: Option<PathBuf>, agent_socket: Option<PathBuf>) -> Self {
        Self { ssh_dir, agent_socket, ..Self::default() }
    }

    /// Those of the user who runs this process: `~/.ssh` and the agent of `SSH_AUTH_SOCK`.
    pub fn from_env() -> Self {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
        Self::new(home.map(|home| home.join(".ssh")), socket.map(PathBuf::from))
    }

    /// The agent to ask about `target`, if any.
    pub(crate) fn agent_socket<'a>(&'a self, target: &'a Target) -> Option<&'a Path> {
        target.agent.socket(self.agent_socket.as_deref())
    }

    /// The key files for a host: those named for it, or else the usual ones that exist.
    pub(crate) fn key_files(&self, named: &[PathBuf]) -> Vec<(PathBuf, Arc<KeyFile>)> {
        let paths = if named.is_empty() { self.usual_files() } else { named.to_vec() };
        paths.into_iter().map(|path| (path.clone(), self.load(path))).collect()
    }

    /// The public halves of these key files, or else of the usual ones, as lines of `authorized_keys`; those that can be
    /// told without a passphrase.
    pub fn public_lines(&self, named: &[PathBuf]) -> Vec<String> {
        let files = self.key_files(named);
        files.iter().filter_map(|(_, file)| file.public()?.to_openssh().ok()).collect()
    }

    /// The certificates for a host: those named for it, and those beside its key files.
    pub(crate) fn certificates(&self, target: &Target) -> Vec<CertificateFile> {
        let keys = if target.keys.is_empty() { self.usual_files() } else { target.keys.clone() };
        let beside = keys.iter().map(|key| certificate_path(key)).filter(|path| path.exists());
        let mut paths: Vec<PathBuf> = target.certificates.clone();
        for path in beside {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths.into_iter().map(|path| (path.clone(), read_certificate(&path))).collect()
    }

    /// The password for `target` that was typed before, if one was.
    pub(crate) fn typed_password(&self, target: &Target) -> Option<SecretString> {
        self.passwords.try_lock().ok()?.get(&target.password_owner()).cloned().flatten()
    }

    /// The password for `target`, asked for once for all hosts of the same user. Also tells whether an answer was waited for.
    pub(crate) async fn ask_password(
        &self,
        target: &Target,
        asker: Asker<'_>,
    ) -> (Option<SecretString>, bool) {
        if asker.ask.is_none() {
            return (None, false);
        }
        let (mut passwords, waited) = match self.passwords.try_lock() {
            Ok(passwords) => (passwords, false),
            Err(_) => (asker.patience.pause(self.passwords.lock()).await, true),
        };
        let owner = target.password_owner();
        if let Some(password) = passwords.get(&owner) {
            return (password.clone(), waited);
        }
        let Target { user, node, .. } = target;
        let prompt = match target.jump_host {
            true => format!("Password of {user} on {node}: "),
            false => format!("Password of {user} (for {node} and each host that asks for it): "),
        };
        let password = asker.ask(Question { prompt, echo: false }).await;
        passwords.insert(owner, password.clone());
        (password, true)
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

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities")
            .field("ssh_dir", &self.ssh_dir)
            .field("agent_socket", &self.agent_socket)
            .finish_non_exhaustive()
    }
}
