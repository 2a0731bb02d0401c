//! Trying one credential: what is sent, who signs, who answers the server's questions.

use std::path::Path;

use russh::MethodSet;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply, Prompt};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use secrecy::{ExposeSecret, SecretString};

use super::Login;
use super::offer::{Credential, Offer, PasswordFrom};
use super::prompts::{Wanted, wanted};
use super::refusal::Remedy;
use super::signing::{Holder, Signing, Unsigned, still_locked};
use crate::ssh::ask::Question;
use crate::ssh::handler::{Watcher, printable};
use crate::ssh::identity::KeyFile;
use crate::ssh::target::Target;

/// What came of trying one credential.
pub(super) enum Outcome {
    Accepted,
    /// One step of several is done.
    Partial(MethodSet),
    /// Not accepted; what the server would still accept, and why, if there is more to say than "refused".
    Rejected(Option<MethodSet>, Option<Unsigned>),
    /// The server's questions stay without an answer, so that nothing more can be tried on this connection.
    Abandoned(Unsigned),
    /// The server hung up, or had done so.
    HungUp,
    PasswordExpired,
}

impl Login<'_> {
    pub(super) async fn attempt(&mut self, credential: &Credential) -> Outcome {
        match credential {
            Credential::Key(offer) => self.attempt_key(offer).await,
            Credential::Sealed(path, file) => self.attempt_sealed(path, file).await,
            Credential::Password => match self.password().await {
                Err(why) => Outcome::Rejected(None, Some(why)),
                Ok(password) => {
                    let (user, password) = (&self.target.user, password.expose_secret());
                    outcome(self.handle.authenticate_password(user, password).await)
                }
            },
            Credential::Prompts if self.password_from() == PasswordFrom::Nowhere => {
                Outcome::Rejected(None, Some(no_password(self.target)))
            }
            Credential::Prompts => self.attempt_prompts().await,
        }
    }

    async fn attempt_key(&mut self, offer: &Offer) -> Outcome {
        let hash = rsa_hash(self.handle, &offer.public).await;
        let mut signing = Signing {
            holder: &offer.holder,
            agent: self.agent.as_mut(),
            passphrase: self.target.key_passphrase.as_ref(),
            asker: self.asker,
            waited: false,
            accepted: false,
        };
        let user = &self.target.user;
        let result = match &offer.certificate {
            Some(certificate) => {
                let certificate = certificate.clone();
                self.handle.authenticate_certificate_with(user, certificate, hash, &mut signing).await
            }
            None => {
                let public = offer.public.clone();
                self.handle.authenticate_publickey_with(user, public, hash, &mut signing).await
            }
        };
        let (waited, accepted) = (signing.waited, signing.accepted);
        self.waited |= waited;
        match result {
            Ok(result) => match outcome::<russh::Error>(Ok(result)) {
                Outcome::Rejected(methods, None) if accepted => {
                    Outcome::Rejected(methods, Some(Unsigned::new("accepted, but its signature refused")))
                }
                outcome => outcome,
            },
            Err(unsigned) => Outcome::Rejected(None, Some(unsigned)),
        }
    }

    /// Unlocks a key whose public half is unknown, to offer it then.
    async fn attempt_sealed(&mut self, path: &Path, file: &KeyFile) -> Outcome {
        let KeyFile::Locked(locked) = file else {
            return Outcome::Rejected(None, None);
        };
        let (key, waited) = locked.unlock(self.target.key_passphrase.as_ref(), self.asker).await;
        self.waited |= waited;
        match key {
            Err(refused) => Outcome::Rejected(None, Some(still_locked(locked, refused))),
            Ok(key) => {
                let offer = Offer {
                    what: String::new(),
                    public: key.public().clone(),
                    certificate: None,
                    holder: Holder::Key(key),
                    file: Some(path.to_owned()),
                    objection: None,
                };
                self.attempt_key(&offer).await
            }
        }
    }

    /// The password: that of the inventory, or the one that the user types once for all hosts.
    async fn password(&mut self) -> Result<SecretString, Unsigned> {
        if let Some(password) = self.known_password() {
            return Ok(password);
        }
        if self.target.keys_only {
            return Err(no_password(self.target));
        }
        let (password, waited) = self.identities.ask_password(self.target, self.asker).await;
        self.waited |= waited;
        password.ok_or_else(|| match self.asker.ask {
            Some(_) => Unsigned::new("none was given"),
            None => no_password(self.target),
        })
    }

    /// Answers the prompt for the password; all others are for the user, for skep does not guess what they are about.
    async fn attempt_prompts(&mut self) -> Outcome {
        let (mut rounds, mut renewals) = (0, 0);
        let mut asked = None;
        let mut reply = self.handle.authenticate_keyboard_interactive_start(&self.target.user, None).await;
        loop {
            let prompts = match reply {
                Ok(Reply::Success) => return Outcome::Accepted,
                Ok(Reply::Failure { remaining_methods, partial_success }) => {
                    return failure(remaining_methods, partial_success);
                }
                Ok(Reply::InfoRequest { prompts, .. }) => prompts,
                Err(_) => {
                    return asked
                        .map_or(Outcome::HungUp, |question| Outcome::Abandoned(answered_late(question)));
                }
            };
            let alone = prompts.len() == 1 && rounds == 0;
            rounds += usize::from(!prompts.is_empty());
            let mut answers = Vec::new();
            for prompt in &prompts {
                let answer = match wanted(prompt, alone) {
                    Wanted::Current | Wanted::New if self.target.renew.is_none() => {
                        return Outcome::PasswordExpired;
                    }
                    // Once each: asked again, the server did not take what it was given.
                    Wanted::New if renewals > 1 => return Outcome::Abandoned(not_taken(prompt)),
                    Wanted::Current if renewals > 0 => return Outcome::Abandoned(not_taken(prompt)),
                    Wanted::Current => self.password().await,
                    Wanted::New => {
                        renewals += 1;
                        self.renewed = true;
                        Ok(self.target.renew.clone().unwrap_or_default())
                    }
                    // Asked once more, it is not the same again that is wanted.
                    Wanted::Password if rounds <= 1 => self.password().await,
                    Wanted::Password | Wanted::Other => {
                        let question = printable(&prompt.prompt);
                        let answer = self.ask(prompt, &question).await;
                        asked = Some(question);
                        answer
                    }
                };
                match answer {
                    Ok(answer) => answers.push(answer.expose_secret().to_owned()),
                    Err(why) => return Outcome::Abandoned(why),
                }
            }
            reply = self.handle.authenticate_keyboard_interactive_respond(answers).await;
        }
    }

    /// Hands a question of the server's to the user.
    async fn ask(&self, prompt: &Prompt, question: &str) -> Result<SecretString, Unsigned> {
        if self.asker.ask.is_none() {
            return Err(Unsigned {
                why: format!("it asks `{question}`, and nobody can be asked here"),
                remedy: Some(Remedy::say(
                    "run skep on a terminal, without --json and --quiet, and answer there",
                )),
            });
        }
        let prompt =
            Question { prompt: format!("{} asks: {question} ", self.target.node), echo: prompt.echo };
        let answer = self.asker.ask(prompt).await;
        answer.ok_or_else(|| Unsigned::new(format!("it asks `{question}`, and no answer was given")))
    }
}

fn no_password(target: &Target) -> Unsigned {
    let remedy = match target.jump_host {
        // The inventory's passwords are not for it.
        true => "run skep on a terminal",
        false => "give `password` a source in the inventory, or run skep on a terminal",
    };
    Unsigned {
        why: "none is known, and nobody can be asked for it here".into(),
        remedy: Some(Remedy::say(remedy)),
    }
}

/// A new password, or the old one, that the server asks for once more.
fn not_taken(prompt: &Prompt) -> Unsigned {
    Unsigned::new(format!(
        "its password is to be changed, and it does not take the answers: {}",
        printable(&prompt.prompt)
    ))
}

fn answered_late(question: String) -> Unsigned {
    Unsigned {
        why: format!("the server hung up after it had asked `{question}`"),
        remedy: Some(Remedy::say("answer sooner; `--forks 1` asks for one host after the other")),
    }
}

/// The hash of an RSA signature; asking the server for its best one may take a second, so only then.
async fn rsa_hash(handle: &Handle<Watcher>, key: &PublicKey) -> Option<HashAlg> {
    if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
        return None;
    }
    match handle.best_supported_rsa_hash().await {
        Ok(Some(hash)) => hash,
        Ok(None) | Err(_) => Some(HashAlg::Sha512),
    }
}

pub(super) fn outcome<E>(result: Result<AuthResult, E>) -> Outcome {
    match result {
        Ok(AuthResult::Success) => Outcome::Accepted,
        Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
            failure(remaining_methods, partial_success)
        }
        Err(_) => Outcome::HungUp,
    }
}

fn failure(remaining: MethodSet, partial: bool) -> Outcome {
    match (partial, remaining.is_empty()) {
        (true, _) => Outcome::Partial(remaining),
        // russh says "no methods" where the connection broke, and hangs up itself where the server has none.
        (false, true) => Outcome::HungUp,
        (false, false) => Outcome::Rejected(Some(remaining), None),
    }
}
