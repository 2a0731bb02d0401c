//! Who signs for a key that the server accepts.

use std::sync::Arc;

use russh::keys::HashAlg;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_encoding::Encode;
use russh::{SendError, Signer};
use secrecy::SecretString;
use tokio::net::UnixStream;

use super::refusal::Remedy;
use crate::ssh::ask::Asker;
use crate::ssh::identity::{KeyFile, Locked, Refused, SigningKey};

/// Who can sign.
#[derive(Debug, Clone)]
pub(super) enum Holder {
    Key(Arc<SigningKey>),
    /// An encrypted file: unlocked only where the server accepts its public half.
    Locked(Arc<KeyFile>),
    /// An agent, by this identity of its own.
    Agent(Box<AgentIdentity>),
}

/// One signature, asked for by russh once the server has accepted the public half.
pub(super) struct Signing<'a> {
    pub(super) holder: &'a Holder,
    pub(super) agent: Option<&'a mut AgentClient<UnixStream>>,
    pub(super) passphrase: Option<&'a SecretString>,
    pub(super) asker: Asker<'a>,
    /// Whether the user's answer had to be waited for.
    pub(super) waited: bool,
    /// Whether there was anything to sign: the server accepts the key.
    pub(super) accepted: bool,
}

/// Why there is no signature.
#[derive(Debug)]
pub(super) struct Unsigned {
    pub(super) why: String,
    pub(super) remedy: Option<Remedy>,
}

impl From<SendError> for Unsigned {
    fn from(_: SendError) -> Self {
        Self::new("the connection was lost")
    }
}

impl Unsigned {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: None }
    }
}

impl Signer for Signing<'_> {
    type Error = Unsigned;

    /// Gives back what was to be signed with the signature behind it, as russh wants it.
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        self.accepted = true;
        let key = match self.holder {
            Holder::Agent(identity) => {
                let agent = self.agent.as_mut().ok_or_else(|| Unsigned::new("the agent is gone"))?;
                return agent.sign_request(identity, hash, data).await.map_err(|error| agent_said(&error));
            }
            Holder::Key(key) => Arc::clone(key),
            Holder::Locked(file) => self.unlock(file).await?,
        };
        let signature = key.sign(hash, &data).map_err(Unsigned::new)?;
        signature.encode(&mut data).map_err(|error| Unsigned::new(error.to_string()))?;
        Ok(data)
    }
}

impl Signing<'_> {
    async fn unlock(&mut self, file: &KeyFile) -> Result<Arc<SigningKey>, Unsigned> {
        let KeyFile::Locked(locked) = file else {
            return Err(Unsigned::new("is not encrypted"));
        };
        let (key, waited) = locked.unlock(self.passphrase, self.asker).await;
        self.waited |= waited;
        key.map_err(|refused| still_locked(locked, refused))
    }
}

/// What is told of an encrypted key that stays locked.
pub(super) fn still_locked(locked: &Locked, refused: Refused) -> Unsigned {
    let path = locked.path().display();
    let (why, remedy) = match refused {
        Refused::NobodyToAsk { named: false } => (
            "is encrypted, and nobody can be asked for its passphrase here".to_owned(),
            format!("`ssh-add {path}`, or give `key_passphrase` a source in the inventory"),
        ),
        Refused::NobodyToAsk { named: true } => (
            "is encrypted, and `key_passphrase` in the inventory does not open it".to_owned(),
            format!("correct its source, or `ssh-add {path}`"),
        ),
        Refused::NoAnswer => {
            ("is encrypted, and no passphrase was given".to_owned(), format!("`ssh-add {path}`"))
        }
        Refused::Wrong => (
            "is encrypted, and none of the passphrases given opens it".to_owned(),
            format!("try them with `ssh-keygen -y -f {path}`"),
        ),
        Refused::Unfit(why) => {
            (format!("is encrypted, and of no use to skep: {why}"), format!("`ssh-add {path}`"))
        }
    };
    Unsigned { why, remedy: Some(Remedy::Do(remedy)) }
}

fn agent_said(error: &russh::keys::Error) -> Unsigned {
    match error {
        russh::keys::Error::AgentFailure => Unsigned {
            why: "the server accepts it, but the agent did not sign".into(),
            remedy: Some(Remedy::say(
                "see whether the agent waits for a touch or a confirmation: `ssh-add -T KEY.pub`",
            )),
        },
        other => Unsigned::new(format!("the agent did not sign: {other}")),
    }
}
