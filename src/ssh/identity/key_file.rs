//! One private key file: what it is, and how it is unlocked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::ssh_encoding::base64::{Base64, Encoding};
use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key, load_public_key, ssh_key};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::legacy_pem::LegacyPem;
use super::short_scalar;
use super::signing_key::SigningKey;
use crate::ssh::ask::{Asker, Question};

/// How often the user may mistype a passphrase.
const MOST_TRIES: usize = 3;

/// What a private key file turned out to be.
#[derive(Debug)]
pub(crate) enum KeyFile {
    /// A key to sign with.
    Ready(Arc<SigningKey>),
    /// An encrypted key.
    Locked(Box<Locked>),
    /// A key that only an agent can sign with, and why.
    NeedsAgent { public: Option<PublicKey>, why: String },
    /// No key at all, and why.
    Unusable(String),
}

/// An encrypted key. Unlocked once for all hosts.
pub(crate) struct Locked {
    path: PathBuf,
    public: Option<PublicKey>,
    text: SecretString,
    format: Format,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    OpenSsh,
    Pkcs8,
    LegacyPem,
}

/// What has been done about the lock.
#[derive(Default)]
enum State {
    /// Nothing yet, or nothing that could not go better for the next who tries.
    #[default]
    Untouched,
    Open(Arc<SigningKey>),
    /// The user was asked in vain, or the key is of no use: not asked again.
    Given(Refused),
}

/// Why an encrypted key stays locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nobody can be asked for its passphrase; whether the one that the inventory names is wrong.
    NobodyToAsk { named: bool },
    /// No passphrase was typed.
    NoAnswer,
    /// None of those typed opens it.
    Wrong,
    /// It cannot be used, whatever the passphrase.
    Unfit(String),
}

/// Why a passphrase does not open a key.
enum Unopened {
    Wrong,
    Unfit(String),
}

impl KeyFile {
    pub(super) fn read(path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(SecretString::from(text), path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match public_beside(path) {
                Some(public) => Self::needs_agent(Some(public), "has its public half only here"),
                None => Self::Unusable("there is no such file".into()),
            },
            Err(error) => Self::Unusable(format!("cannot be read: {error}")),
        }
    }

    fn parse(text: SecretString, path: &Path) -> Self {
        let pem = text.expose_secret();
        if let Some(public) = public_line(pem) {
            return Self::needs_agent(Some(public), "is a public key only");
        }
        // OpenSSH's own format first: it tells the public half even of an encrypted key.
        match PrivateKey::from_openssh(pem) {
            Ok(key) if !key.is_encrypted() => return Self::unlocked(key),
            Ok(key) => {
                let public = key.public_key().clone();
                return match public.algorithm() {
                    Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
                        Self::needs_agent(Some(public), "belongs to a security key")
                    }
                    _ => Self::locked(path, Some(public), text, Format::OpenSsh),
                };
            }
            Err(_) => {}
        }
        let format = if LegacyPem::is(pem) {
            LegacyPem::parse(pem).map(|_| Format::LegacyPem)
        } else if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            pkcs8_scheme(pem).map(|()| Format::Pkcs8)
        } else {
            return match decode_secret_key(pem, None) {
                Ok(key) => Self::unlocked(key),
                Err(error) => match pem_body(pem).and_then(|body| short_scalar::read(&body)) {
                    Some(key) => Self::unlocked(key),
                    None => Self::Unusable(format!("is no private key that skep can read: {error}")),
                },
            };
        };
        match format {
            Ok(format) => Self::locked(path, public_beside(path), text, format),
            Err(why) => {
                let path_shown = path.display();
                let why = format!("cannot be read ({why}; `ssh-keygen -p -f {path_shown}` writes it anew)");
                Self::needs_agent(public_beside(path), &why)
            }
        }
    }

    fn unlocked(key: PrivateKey) -> Self {
        match SigningKey::new(key) {
            Ok(key) => Self::Ready(Arc::new(key)),
            Err(unfit) => Self::NeedsAgent { public: Some(unfit.public), why: unfit.why },
        }
    }

    fn locked(path: &Path, public: Option<PublicKey>, text: SecretString, format: Format) -> Self {
        let state = Mutex::default();
        Self::Locked(Box::new(Locked { path: path.to_owned(), public, text, format, state }))
    }

    fn needs_agent(public: Option<PublicKey>, why: &str) -> Self {
        Self::NeedsAgent { public, why: why.to_owned() }
    }

    /// An encrypted key of which only the outside is there.
    #[cfg(test)]
    pub(crate) fn locked_for_tests(public: Option<PublicKey>) -> Self {
        Self::locked(Path::new("locked"), public, SecretString::from(""), Format::OpenSsh)
    }

    /// Its public half, if that can be told without a passphrase.
    pub(crate) fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Ready(key) => Some(key.public()),
            Self::Locked(locked) => locked.public.as_ref(),
            Self::NeedsAgent { public, .. } => public.as_ref(),
            Self::Unusable(_) => None,
        }
    }
}

impl Locked {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key itself: with the passphrase `named` in the inventory, or with one that the user types. However many
    /// hosts want it, the user is asked once. Also tells whether an answer was waited for.
    pub(crate) async fn unlock(
        &self,
        named: Option<&SecretString>,
        asker: Asker<'_>,
    ) -> (Result<Arc<SigningKey>, Refused>, bool) {
        let (mut state, waited) = match self.state.try_lock() {
            Ok(state) => (state, false),
            // Somebody types, as likely as not.
            Err(_) => (asker.patience.pause(self.state.lock()).await, true),
        };
        match &*state {
            State::Open(key) => return (Ok(Arc::clone(key)), waited),
            State::Given(Refused::Unfit(why)) => return (Err(Refused::Unfit(why.clone())), waited),
            State::Untouched | State::Given(_) => {}
        }
        let mut wrong = false;
        if let Some(passphrase) = named {
            match self.open(passphrase).await {
                Ok(key) => return (settle(&mut state, Ok(key)), waited),
                Err(Unopened::Unfit(why)) => return (settle(&mut state, Err(Refused::Unfit(why))), waited),
                Err(Unopened::Wrong) => wrong = true,
            }
        }
        if let State::Given(refused) = &*state {
            return (Err(refused.clone()), waited);
        }
        if asker.ask.is_none() {
            return (Err(Refused::NobodyToAsk { named: wrong }), waited);
        }
        let typed = self.ask(asker).await;
        (settle(&mut state, typed), true)
    }

    async fn ask(&self, asker: Asker<'_>) -> Result<SigningKey, Refused> {
        let path = self.path.display();
        let mut prompt = format!("Passphrase of {path}: ");
        for _ in 0..MOST_TRIES {
            let Some(passphrase) = asker.ask(Question { prompt, echo: false }).await else {
                return Err(Refused::NoAnswer);
            };
            match self.open(&passphrase).await {
                Ok(key) => return Ok(key),
                Err(Unopened::Unfit(why)) => return Err(Refused::Unfit(why)),
                Err(Unopened::Wrong) => prompt = format!("That does not open it. Passphrase of {path}: "),
            }
        }
        Err(Refused::Wrong)
    }

    /// Tries a passphrase. Deriving a key from it is slow on purpose, and done aside.
    async fn open(&self, passphrase: &SecretString) -> Result<SigningKey, Unopened> {
        let (format, text, passphrase) = (self.format, self.text.clone(), passphrase.clone());
        let opened = tokio::task::spawn_blocking(move || decrypt(format, &text, &passphrase)).await;
        let key = opened.map_err(|error| Unopened::Unfit(error.to_string()))??;
        let beside = self.public.as_ref().map(PublicKey::key_data);
        if beside.is_some_and(|public| public != key.public_key().key_data()) {
            let public = public_path(&self.path);
            return Err(Unopened::Unfit(format!("its public half is not the one in {}", public.display())));
        }
        SigningKey::new(key).map_err(|unfit| Unopened::Unfit(unfit.why))
    }
}

impl std::fmt::Debug for Locked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locked")
            .field("path", &self.path)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Remembers what came of a passphrase.
fn settle(state: &mut State, opened: Result<SigningKey, Refused>) -> Result<Arc<SigningKey>, Refused> {
    match opened {
        Ok(key) => {
            let key = Arc::new(key);
            *state = State::Open(Arc::clone(&key));
            Ok(key)
        }
        Err(refused) => {
            *state = State::Given(refused.clone());
            Err(refused)
        }
    }
}

fn decrypt(format: Format, text: &SecretString, passphrase: &SecretString) -> Result<PrivateKey, Unopened> {
    let (text, unfit) = (text.expose_secret(), |error: String| Unopened::Unfit(error));
    match format {
        Format::OpenSsh => {
            let locked = PrivateKey::from_openssh(text).map_err(|error| unfit(error.to_string()))?;
            let passphrase = passphrase.expose_secret();
            locked.decrypt(passphrase).or_else(|error| match error {
                ssh_key::Error::Crypto => Err(Unopened::Wrong),
                other => short_scalar::unlock(&locked, passphrase).ok_or_else(|| unfit(other.to_string())),
            })
        }
        Format::LegacyPem => LegacyPem::parse(text).map_err(unfit)?.open(passphrase).ok_or(Unopened::Wrong),
        Format::Pkcs8 => decode_secret_key(text, Some(passphrase.expose_secret())).map_err(|error| {
            let error = error.to_string();
            if error.contains("unsupported OID") { unfit(error) } else { Unopened::Wrong }
        }),
    }
}

/// Whether an encrypted key of PKCS#8 says that it is encrypted after PBES2 (RFC 8018); the schemes before it are of no
/// use, and a wrong passphrase would be all that is seen of them.
fn pkcs8_scheme(pem: &str) -> Result<(), String> {
    const PBES2: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
    let der = pem_body(pem).ok_or("its body is not base64")?;
    let known = der.windows(PBES2.len()).any(|window| window == PBES2);
    known.then_some(()).ok_or_else(|| "it is encrypted in an old way".into())
}

/// What is inside the armour.
fn pem_body(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    Base64::decode_vec(&body).ok()
}

/// The file beside a private key that holds its public half.
fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn public_beside(path: &Path) -> Option<PublicKey> {
    load_public_key(public_path(path)).ok()
}

/// The key of a file that holds a public one in the private one's place, for the agent to be found by.
fn public_line(text: &str) -> Option<PublicKey> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    PublicKey::from_openssh(line).ok()
}
