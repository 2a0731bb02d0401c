//! The login: keys and certificates from files and the agent, the password, whatever else the server asks; in several
//! steps where the server wants them.
//!
//! The user is asked as late as possible: for a passphrase once the server has accepted the key, for a password once
//! all keys are refused.

mod offer;
mod prompts;
mod refusal;
mod signing;

use std::path::Path;

use jiff::Timestamp;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply, Prompt};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::UnixStream;

use super::ask::{Asker, Question};
use super::error::{ConnectFailure, is_expired};
use super::handler::{Seen, Watcher, printable};
use super::identity::{Identities, KeyFile};
use super::target::Target;
use offer::{Credential, Holdings, Offer, PasswordFrom, credentials, plural};
use prompts::{Wanted, wanted};
use refusal::Remedy;
use signing::{Holder, Signing, Unsigned, still_locked};

pub use refusal::Attempt;
pub(super) use refusal::help;

/// How often a server may ask for one more step.
const MOST_STEPS: usize = 4;

/// What a login came to, if not to a session.
pub(super) enum LoginEnd {
    Refused(Box<ConnectFailure>),
    /// The server had hung up before the user gave an answer; the answer holds for the next connection.
    TooLate,
}

/// What came of trying one credential.
enum Outcome {
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

/// The state of one login.
pub(super) struct Login<'a> {
    handle: &'a mut Handle<Watcher>,
    target: &'a Target,
    identities: &'a Identities,
    asker: Asker<'a>,
    agent: Option<AgentClient<UnixStream>>,
    credentials: Vec<Credential>,
    /// What the server accepts next; nothing is known before its first answer.
    allowed: Option<MethodSet>,
    tried: Vec<Attempt>,
    /// Whether the user's answer was waited for, since the last word from the server.
    waited: bool,
}

impl<'a> Login<'a> {
    /// Gathers all ways to log in to `target`.
    pub(super) async fn prepare(
        handle: &'a mut Handle<Watcher>,
        target: &'a Target,
        identities: &'a Identities,
        asker: Asker<'a>,
    ) -> Self {
        let mut login = Self {
            handle,
            target,
            identities,
            asker,
            agent: None,
            credentials: Vec::new(),
            allowed: None,
            tried: Vec::new(),
            waited: false,
        };
        let agent = match identities.agent_socket(target) {
            Some(socket) => login.connect_agent(socket).await,
            None => Vec::new(),
        };
        let holdings = Holdings {
            files: identities.key_files(&target.keys),
            named: !target.keys.is_empty(),
            certificates: identities.certificates(target),
            agent,
            only_named: target.identities_only,
        };
        let (credentials, notes) =
            credentials(holdings, login.password_from(), &target.user, Timestamp::now());
        login.credentials = credentials;
        login.tried.extend(notes);
        login
    }

    fn password_from(&self) -> PasswordFrom {
        match self.known_password() {
            Some(_) => PasswordFrom::Known,
            None if self.asker.ask.is_some() => PasswordFrom::Asking,
            None => PasswordFrom::Nowhere,
        }
    }

    fn known_password(&self) -> Option<SecretString> {
        self.target.password.clone().or_else(|| self.identities.typed_password(&self.target.user))
    }

    /// Opens the agent and lists its keys; an agent that does not answer is noted and left out.
    async fn connect_agent(&mut self, socket: &Path) -> Vec<AgentIdentity> {
        let listed = async {
            let mut agent = AgentClient::connect_uds(socket).await?;
            if let Some(binding) = self.handle.agent_session_binding() {
                // Agents before OpenSSH 8.9 know no bindings, and need none.
                let _ = agent.bind_session(binding, false).await;
            }
            let held = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, held))
        };
        match listed.await {
            Ok((agent, held)) => {
                self.agent = Some(agent);
                held
            }
            Err(error) => {
                let attempt = Attempt::new(format!("agent at {}", socket.display()), error.to_string());
                self.tried
                    .push(attempt.remedy(Remedy::say("start it (`ssh-agent`), or unset SSH_AUTH_SOCK")));
                Vec::new()
            }
        }
    }

    /// Logs in, or says why not.
    pub(super) async fn run(mut self, seen: &Seen) -> Result<(), LoginEnd> {
        let mut credentials = std::mem::take(&mut self.credentials);
        for number in 0..MOST_STEPS {
            match self.step(&credentials, number == 0, seen).await? {
                Step::Done => return check_banner(seen),
                Step::NeedsMore(used) => {
                    credentials.remove(used);
                }
                Step::Refused => break,
            }
        }
        if self.tried.is_empty() {
            self.tried.push(Attempt::new("nothing", "there is no key, no agent and no password"));
        }
        Err(LoginEnd::Refused(Box::new(ConnectFailure::AuthFailed {
            tried: self.tried,
            offered: self.allowed.iter().flat_map(|set| set.iter()).map(String::from).collect(),
            server_said: seen.server_said(),
        })))
    }

    /// Tries one credential after the other until one brings the login forward.
    async fn step(&mut self, credentials: &[Credential], first: bool, seen: &Seen) -> Result<Step, LoginEnd> {
        let mut unwanted = 0;
        for (index, credential) in credentials.iter().enumerate() {
            if !self.is_allowed(credential.method()) {
                unwanted += usize::from(matches!(credential, Credential::Key(_) | Credential::Sealed(..)));
                continue;
            }
            self.waited = false;
            let what = credential.what();
            match self.attempt(credential).await {
                Outcome::Accepted => return Ok(Step::Done),
                Outcome::Partial(methods) => {
                    self.tried.push(Attempt::new(what, "accepted as one step of several"));
                    self.allowed = Some(methods);
                    return Ok(Step::NeedsMore(index));
                }
                Outcome::Rejected(methods, why) => {
                    self.allowed = methods.or(self.allowed.take());
                    self.note(credential, what, why);
                }
                Outcome::Abandoned(why) => {
                    self.note(credential, what, Some(why));
                    return Ok(Step::Refused);
                }
                Outcome::HungUp => return self.hung_up(&credentials[index..], seen).await,
                Outcome::PasswordExpired => {
                    let failure = ConnectFailure::PasswordExpired { server_said: None };
                    return Err(LoginEnd::Refused(Box::new(failure)));
                }
            }
        }
        if first && unwanted > 0 {
            self.tried.push(Attempt::new(
                plural(unwanted, "key", "keys"),
                "not offered, since the server takes none",
            ));
        }
        Ok(Step::Refused)
    }

    fn is_allowed(&self, method: MethodKind) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&method))
    }

    /// Notes that `credential` led nowhere.
    fn note(&mut self, credential: &Credential, what: String, why: Option<Unsigned>) {
        let attempt = match (why, credential) {
            (Some(Unsigned { why, remedy }), _) => Attempt::new(what, why).remedy(remedy),
            // It only served to learn what the server accepts.
            (None, Credential::Nothing) => return,
            (None, Credential::Key(offer)) => refused(what, offer),
            (None, _) => Attempt::new(what, "refused"),
        };
        self.tried.push(attempt);
    }

    /// The server hung up on the first of `left`.
    async fn hung_up(&mut self, left: &[Credential], seen: &Seen) -> Result<Step, LoginEnd> {
        // The connection's task may be about to note why.
        let _ = (&mut *self.handle).await;
        let too_many = seen.farewell().is_some_and(|farewell| farewell.contains("oo many"));
        if self.waited && !too_many {
            return Err(LoginEnd::TooLate);
        }
        if let [credential, left @ ..] = left {
            self.tried.push(Attempt::new(credential.what(), "the server hung up"));
            let keys = left.iter().filter(|credential| matches!(credential, Credential::Key(_))).count();
            if keys > 0 {
                let attempt = Attempt::new(plural(keys, "more key", "more keys"), "not offered any more");
                let remedy =
                    Remedy::say("name the right one as `key` in the inventory, so that it goes first");
                self.tried.push(attempt.remedy(remedy));
            }
        }
        if self.password_could_do(left) {
            let (password, _) = self.identities.ask_password(self.target, self.asker).await;
            if password.is_some() {
                return Err(LoginEnd::TooLate);
            }
        }
        Ok(Step::Refused)
    }

    /// Whether the server hung up before it came to a password that it takes, and that the user might know.
    fn password_could_do(&self, left: &[Credential]) -> bool {
        let untried = left.iter().skip(1).any(|credential| matches!(credential, Credential::Password));
        let taken = self.allowed.as_ref().is_some_and(|allowed| {
            allowed.contains(&MethodKind::Password) || allowed.contains(&MethodKind::KeyboardInteractive)
        });
        untried && taken && self.known_password().is_none()
    }

    async fn attempt(&mut self, credential: &Credential) -> Outcome {
        match credential {
            Credential::Nothing => outcome(self.handle.authenticate_none(&self.target.user).await),
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
                Outcome::Rejected(None, Some(no_password()))
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
        let (password, waited) = self.identities.ask_password(self.target, self.asker).await;
        self.waited |= waited;
        password.ok_or_else(|| match self.asker.ask {
            Some(_) => Unsigned::new("none was given"),
            None => no_password(),
        })
    }

    /// Answers the prompt for the password; all others are for the user, for skep does not guess what they are about.
    async fn attempt_prompts(&mut self) -> Outcome {
        let mut rounds = 0;
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
                    Wanted::Change => return Outcome::PasswordExpired,
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

/// What one round through the credentials came to.
enum Step {
    Done,
    /// The credential of this index was accepted, and another is wanted.
    NeedsMore(usize),
    Refused,
}

impl Credential {
    fn method(&self) -> MethodKind {
        match self {
            Self::Nothing => MethodKind::None,
            Self::Key(_) | Self::Sealed(..) => MethodKind::PublicKey,
            Self::Password => MethodKind::Password,
            Self::Prompts => MethodKind::KeyboardInteractive,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Nothing => "neither key nor password".into(),
            Self::Key(offer) => offer.what.clone(),
            Self::Sealed(path, _) => format!("key {}", path.display()),
            Self::Password => "password".into(),
            Self::Prompts => "keyboard-interactive".into(),
        }
    }
}

/// What is told of a key that the server does not know.
fn refused(what: String, offer: &Offer) -> Attempt {
    if let Some(objection) = &offer.objection {
        return Attempt::new(what, format!("refused ({objection})"));
    }
    let install = match (&offer.certificate, &offer.file) {
        (None, Some(file)) => Some(Remedy::Install(file.clone())),
        _ => None,
    };
    Attempt::new(what, "refused").remedy(install)
}

fn no_password() -> Unsigned {
    Unsigned {
        why: "none is known, and nobody can be asked for it here".into(),
        remedy: Some(Remedy::say("give `password` a source in the inventory, or run skep on a terminal")),
    }
}

fn answered_late(question: String) -> Unsigned {
    Unsigned {
        why: format!("the server hung up after it had asked `{question}`"),
        remedy: Some(Remedy::say("answer sooner; `--forks 1` asks for one host after the other")),
    }
}

/// A login with an expired password succeeds, but no command will run.
fn check_banner(seen: &Seen) -> Result<(), LoginEnd> {
    match seen.server_said() {
        Some(said) if is_expired(&said) => {
            Err(LoginEnd::Refused(Box::new(ConnectFailure::PasswordExpired { server_said: Some(said) })))
        }
        _ => Ok(()),
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

fn outcome<E>(result: Result<AuthResult, E>) -> Outcome {
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
