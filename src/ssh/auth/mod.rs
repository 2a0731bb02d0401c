//! The login: keys and certificates from files and the agent, the password, whatever else the server asks; in several
//! steps where the server wants them.
//!
//! The user is asked as late as possible: for a passphrase once the server has accepted the key, for a password once
//! all keys are refused.

mod attempt;
mod offer;
mod prompts;
mod refusal;
mod signing;

use std::path::Path;

use jiff::Timestamp;
use russh::client::Handle;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::{MethodKind, MethodSet};
use secrecy::SecretString;
use tokio::net::UnixStream;

use super::ask::Asker;
use super::error::{ConnectFailure, is_expired};
use super::handler::{Seen, Watcher};
use super::identity::Identities;
use super::target::Target;
use attempt::{Outcome, outcome};
use offer::{Credential, Holdings, Offer, PasswordFrom, credentials, plural};
use refusal::Remedy;
use signing::Unsigned;

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

/// How the password of a login stands that worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordStanding {
    /// It may be used; or nobody asked for it.
    Good,
    /// It was changed to [`Target::renew`], since the server asked for that.
    Renewed,
    /// It has to be changed before the server runs any command.
    Expired,
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
    /// Whether the password was changed on the way.
    renewed: bool,
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
            renewed: false,
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
        let keyless = notes.is_empty()
            && !credentials.iter().any(Credential::is_key)
            && login.known_password().is_none();
        login.credentials = credentials;
        login.tried.extend(notes.into_iter().chain(keyless.then(no_key)));
        login
    }

    fn password_from(&self) -> PasswordFrom {
        match self.known_password() {
            Some(_) => PasswordFrom::Known,
            None if self.asker.ask.is_some() && !self.target.keys_only => PasswordFrom::Asking,
            None => PasswordFrom::Nowhere,
        }
    }

    fn known_password(&self) -> Option<SecretString> {
        let typed = || self.identities.typed_password(self.target).filter(|_| !self.target.keys_only);
        self.target.password.clone().or_else(typed)
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
    pub(super) async fn run(mut self, seen: &Seen) -> Result<PasswordStanding, LoginEnd> {
        let mut credentials = std::mem::take(&mut self.credentials);
        for number in 0..MOST_STEPS {
            match self.step(&credentials, number == 0, seen).await? {
                Step::Done => return self.standing(seen),
                Step::NeedsMore(used) => {
                    credentials.remove(used);
                }
                Step::Refused => break,
            }
        }
        Err(LoginEnd::Refused(Box::new(ConnectFailure::AuthFailed {
            tried: self.tried,
            offered: self.allowed.iter().flat_map(|set| set.iter()).map(String::from).collect(),
            server_said: seen.server_said(),
            cut: seen.cut(),
        })))
    }

    /// Tries one credential after the other until one brings the login forward.
    async fn step(&mut self, credentials: &[Credential], first: bool, seen: &Seen) -> Result<Step, LoginEnd> {
        let mut unwanted = 0;
        for (index, credential) in credentials.iter().enumerate() {
            if !self.is_allowed(credential.method()) {
                unwanted += usize::from(credential.is_key());
                continue;
            }
            self.waited = false;
            let what = credential.what();
            let outcome = match self.learn(credential).await {
                Some(outcome) => outcome,
                None if self.is_allowed(credential.method()) => self.attempt(credential).await,
                None => continue,
            };
            match outcome {
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

    /// Asks the server what it accepts, if that is not known yet, before a password is sent or asked for. Gives back
    /// what settles the matter.
    async fn learn(&mut self, credential: &Credential) -> Option<Outcome> {
        if self.allowed.is_some() || !matches!(credential, Credential::Password | Credential::Prompts) {
            return None;
        }
        match outcome(self.handle.authenticate_none(&self.target.user).await) {
            Outcome::Rejected(methods, _) => {
                self.allowed = methods;
                None
            }
            outcome => Some(outcome),
        }
    }

    /// Notes that `credential` led nowhere.
    fn note(&mut self, credential: &Credential, what: String, why: Option<Unsigned>) {
        let attempt = match (why, credential) {
            (Some(Unsigned { why, remedy }), _) => Attempt::new(what, why).remedy(remedy),
            (None, Credential::Key(offer)) => refused(what, offer),
            (None, Credential::Sealed(path, _)) => {
                Attempt::new(what, "refused").remedy(Remedy::Install(path.clone()))
            }
            (None, _) if self.target.password.is_some() => Attempt::new(what, "refused")
                .remedy(Remedy::say("check where `password` in the inventory comes from")),
            (None, _) => {
                Attempt::new(what, "refused").remedy(Remedy::say("run skep again and type the password anew"))
            }
        };
        // That no password is known need not be said of each method that takes one.
        let said = |before: &Attempt| before.what == "password" && before.result == attempt.result;
        if attempt.result == "refused" || !self.tried.iter().any(said) {
            self.tried.push(attempt);
        }
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
            let keys = left.iter().filter(|credential| credential.is_key()).count();
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
        untried && taken && self.password_from() == PasswordFrom::Asking
    }
}

impl Login<'_> {
    /// A login with an expired password succeeds, but no command will run.
    fn standing(&self, seen: &Seen) -> Result<PasswordStanding, LoginEnd> {
        if self.renewed {
            return Ok(PasswordStanding::Renewed);
        }
        match seen.server_said() {
            Some(said) if is_expired(&said) && self.target.renew.is_some() => Ok(PasswordStanding::Expired),
            Some(said) if is_expired(&said) => {
                let failure = ConnectFailure::PasswordExpired { server_said: Some(said) };
                Err(LoginEnd::Refused(Box::new(failure)))
            }
            _ => Ok(PasswordStanding::Good),
        }
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
    fn is_key(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Sealed(..))
    }

    fn method(&self) -> MethodKind {
        match self {
            Self::Key(_) | Self::Sealed(..) => MethodKind::PublicKey,
            Self::Password => MethodKind::Password,
            Self::Prompts => MethodKind::KeyboardInteractive,
        }
    }

    fn what(&self) -> String {
        match self {
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

fn no_key() -> Attempt {
    let make = "make one (`ssh-keygen -t ed25519`), or name yours as `key` in the inventory";
    Attempt::new("keys", "there is none to offer").remedy(Remedy::say(make))
}
