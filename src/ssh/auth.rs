//! The login: key files, the agent's keys, the password, in this order; two-step logins too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse, Prompt};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::UnixStream;

use super::error::{ConnectFailure, is_expired};
use super::handler::{Seen, Watcher};
use super::identity::{Identities, KeyFile};
use super::target::Target;

/// How many keys are offered at most where a password is to be tried after them: OpenSSH's server hangs up
/// after six failures (MaxAuthTries), and an agent full of keys must not use them all up.
const KEYS_BEFORE_PASSWORD: usize = 4;

/// How often a server may ask for one more step.
const MOST_STEPS: usize = 4;

/// One way to log in.
enum Credential {
    /// None at all: some servers let in whom they know otherwise, all others say what they accept.
    Nothing,
    File {
        path: PathBuf,
        key: Arc<PrivateKey>,
    },
    Agent {
        label: String,
        key: PublicKey,
    },
    Password(SecretString),
    KeyboardInteractive(SecretString),
}

/// What came of trying one.
enum Outcome {
    Accepted,
    /// One step of several is done.
    Partial(MethodSet),
    /// Not accepted; what the server would still accept, and why, if there is more to say than "refused".
    Rejected(Option<MethodSet>, Option<String>),
    PasswordExpired,
}

/// The state of one login.
pub(super) struct Login<'a> {
    handle: &'a mut Handle<Watcher>,
    user: &'a str,
    agent: Option<AgentClient<UnixStream>>,
    credentials: Vec<Credential>,
    /// What the server accepts next; nothing is known before its first answer.
    allowed: Option<MethodSet>,
    tried: Vec<String>,
}

impl<'a> Login<'a> {
    /// Gathers all ways to log in to `target`.
    pub(super) async fn prepare(
        handle: &'a mut Handle<Watcher>,
        target: &'a Target,
        identities: &Identities,
    ) -> Self {
        let mut login = Self {
            handle,
            user: &target.user,
            agent: None,
            credentials: Vec::new(),
            allowed: None,
            tried: Vec::new(),
        };
        let held = match target.agent.socket(identities.agent_socket()) {
            Some(socket) => login.connect_agent(socket).await,
            None => Vec::new(),
        };
        login.add_keys(identities.key_files(&target.keys), held);
        if let Some(password) = &target.password {
            login.leave_room_for_password();
            login.credentials.push(Credential::Password(password.clone()));
            login.credentials.push(Credential::KeyboardInteractive(password.clone()));
        }
        if login.credentials.is_empty() {
            login.credentials.push(Credential::Nothing);
        }
        login
    }

    /// Opens the agent and lists its keys; an agent that does not answer is noted and left out.
    async fn connect_agent(&mut self, socket: &Path) -> Vec<(PublicKey, String)> {
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
                held.into_iter().filter_map(plain_key).collect()
            }
            Err(error) => {
                self.tried.push(format!("the agent at {}: {error}", socket.display()));
                Vec::new()
            }
        }
    }

    /// Key files first, each once; a file that only the agent can sign for takes the agent's key in its place.
    fn add_keys(&mut self, files: Vec<(PathBuf, Arc<KeyFile>)>, mut held: Vec<(PublicKey, String)>) {
        for (path, file) in files {
            match &*file {
                KeyFile::Ready(key) => {
                    held.retain(|(public, _)| public.key_data() != key.public_key().key_data());
                    let key = Arc::clone(key);
                    self.credentials.push(Credential::File { path, key });
                }
                KeyFile::NeedsAgent { public, why } => {
                    let in_agent = public.as_ref().and_then(|public| {
                        held.iter().position(|(key, _)| key.key_data() == public.key_data())
                    });
                    match in_agent {
                        Some(index) => {
                            let (key, _) = held.remove(index);
                            let label = format!("key {} through the agent", path.display());
                            self.credentials.push(Credential::Agent { label, key });
                        }
                        None => {
                            let path = path.display();
                            self.tried
                                .push(format!("key {path} {why} and not in the agent (`ssh-add {path}`)"));
                        }
                    }
                }
                KeyFile::Unusable(why) => {
                    self.tried.push(format!("key {}: {why}", path.display()));
                }
            }
        }
        self.credentials.extend(held.into_iter().map(|(key, comment)| Credential::Agent {
            label: format!("the agent's key {comment} ({})", key.algorithm()),
            key,
        }));
    }

    fn leave_room_for_password(&mut self) {
        if self.credentials.len() > KEYS_BEFORE_PASSWORD {
            let left_out = self.credentials.len() - KEYS_BEFORE_PASSWORD;
            self.credentials.truncate(KEYS_BEFORE_PASSWORD);
            self.tried.push(format!(
                "{left_out} more keys were left out, so that the server would listen to the password"
            ));
        }
    }

    /// Logs in, or says why not.
    pub(super) async fn run(mut self, seen: &Seen) -> Result<(), ConnectFailure> {
        let mut credentials = std::mem::take(&mut self.credentials);
        for _ in 0..MOST_STEPS {
            match self.step(&credentials).await? {
                Step::Done => return self.check_banner(seen),
                Step::NeedsMore(used) => {
                    credentials.remove(used);
                }
                Step::Refused => break,
            }
        }
        // The connection's task may be about to note why the server hung up.
        if self.handle.is_closed() {
            let _ = (&mut *self.handle).await;
        }
        Err(ConnectFailure::AuthFailed {
            tried: self.tried,
            offered: self.allowed.iter().flat_map(|set| set.iter()).map(String::from).collect(),
            server_said: seen.server_said(),
        })
    }

    /// Tries one credential after the other until one brings the login forward.
    async fn step(&mut self, credentials: &[Credential]) -> Result<Step, ConnectFailure> {
        for (index, credential) in credentials.iter().enumerate() {
            if self.handle.is_closed() {
                break;
            }
            if !self.is_allowed(credential.method()) {
                continue;
            }
            let label = credential.label();
            match self.attempt(credential).await {
                Outcome::Accepted => return Ok(Step::Done),
                Outcome::Partial(methods) => {
                    self.tried.push(format!("{label} (accepted as one step)"));
                    self.allowed = Some(methods);
                    return Ok(Step::NeedsMore(index));
                }
                Outcome::Rejected(methods, why) => {
                    let why = why.unwrap_or_else(|| "refused".into());
                    self.tried.push(format!("{label} ({why})"));
                    self.allowed = methods.or(self.allowed.take());
                }
                Outcome::PasswordExpired => {
                    return Err(ConnectFailure::PasswordExpired { server_said: None });
                }
            }
        }
        Ok(Step::Refused)
    }

    fn is_allowed(&self, method: MethodKind) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&method))
    }

    async fn attempt(&mut self, credential: &Credential) -> Outcome {
        match credential {
            Credential::Nothing => outcome(self.handle.authenticate_none(self.user).await),
            Credential::File { key, .. } => {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
                outcome(self.handle.authenticate_publickey(self.user, key).await)
            }
            Credential::Agent { key, .. } => self.attempt_agent(key).await,
            Credential::Password(password) => {
                let password = password.expose_secret();
                outcome(self.handle.authenticate_password(self.user, password).await)
            }
            Credential::KeyboardInteractive(password) => self.attempt_prompts(password).await,
        }
    }

    async fn attempt_agent(&mut self, key: &PublicKey) -> Outcome {
        let hash = rsa_hash(self.handle, key).await;
        let Some(agent) = &mut self.agent else {
            return Outcome::Rejected(None, Some("the agent is gone".into()));
        };
        let key = key.clone();
        outcome(self.handle.authenticate_publickey_with(self.user, key, hash, agent).await)
    }

    /// Answers a single hidden prompt with the password, and nothing else: skep does not guess what other
    /// questions are about.
    async fn attempt_prompts(&mut self, password: &SecretString) -> Outcome {
        let mut answered = false;
        let start = self.handle.authenticate_keyboard_interactive_start(self.user, None);
        let mut reply = start.await;
        loop {
            let prompts = match reply {
                Ok(KeyboardInteractiveAuthResponse::Success) => return Outcome::Accepted,
                Ok(KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success }) => {
                    return failure(remaining_methods, partial_success);
                }
                Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) => prompts,
                Err(error) => return Outcome::Rejected(None, Some(error.to_string())),
            };
            let answers = match (prompts.as_slice(), answered) {
                ([], _) => Vec::new(),
                (prompts, _) if asks_for_change(prompts) => return Outcome::PasswordExpired,
                ([Prompt { echo: false, .. }], false) => {
                    answered = true;
                    vec![password.expose_secret().to_owned()]
                }
                (prompts, _) => {
                    let asked = prompts.iter().map(|p| p.prompt.trim()).collect::<Vec<_>>().join(" ");
                    return Outcome::Rejected(None, Some(format!("it asks `{asked}`")));
                }
            };
            reply = self.handle.authenticate_keyboard_interactive_respond(answers).await;
        }
    }

    /// A login with an expired password succeeds, but no command will run.
    fn check_banner(&self, seen: &Seen) -> Result<(), ConnectFailure> {
        match seen.server_said() {
            Some(said) if is_expired(&said) => {
                Err(ConnectFailure::PasswordExpired { server_said: Some(said) })
            }
            _ => Ok(()),
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
    fn method(&self) -> MethodKind {
        match self {
            Self::Nothing => MethodKind::None,
            Self::File { .. } | Self::Agent { .. } => MethodKind::PublicKey,
            Self::Password(_) => MethodKind::Password,
            Self::KeyboardInteractive(_) => MethodKind::KeyboardInteractive,
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Nothing => "neither key nor password, for there is none to use".into(),
            Self::File { path, key } => format!("key {} ({})", path.display(), key.algorithm()),
            Self::Agent { label, .. } => label.clone(),
            Self::Password(_) => "password".into(),
            Self::KeyboardInteractive(_) => "password by keyboard-interactive".into(),
        }
    }
}

/// Certificates are left to a later version.
fn plain_key(identity: AgentIdentity) -> Option<(PublicKey, String)> {
    match identity {
        AgentIdentity::PublicKey { key, comment } => Some((key, comment)),
        AgentIdentity::Certificate { .. } => None,
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

fn outcome<E: std::fmt::Display>(result: Result<AuthResult, E>) -> Outcome {
    match result {
        Ok(AuthResult::Success) => Outcome::Accepted,
        Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
            failure(remaining_methods, partial_success)
        }
        Err(error) => Outcome::Rejected(None, Some(error.to_string())),
    }
}

fn failure(remaining: MethodSet, partial: bool) -> Outcome {
    if partial {
        Outcome::Partial(remaining)
    } else {
        // russh says "no methods" where the connection broke; what was known before is worth more.
        Outcome::Rejected((!remaining.is_empty()).then_some(remaining), None)
    }
}

/// Whether the server wants a new password. Its prompts carry the notice and other text before them.
fn asks_for_change(prompts: &[Prompt]) -> bool {
    prompts.iter().any(|prompt| {
        let text = prompt.prompt.trim_end();
        ["Current password:", "New password:", "(current) UNIX password:"]
            .iter()
            .any(|asked| text.ends_with(asked))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_for_a_change_are_told_from_prompts_for_the_password() {
        for (prompt, expected) in [
            ("Password: ", false),
            ("(root@pi) Password: ", false),
            ("Verification code: ", false),
            (
                "You are required to change your password immediately.\nChanging password for root.\nCurrent password: ",
                true,
            ),
            ("(root@pi) New password: ", true),
        ] {
            let prompts = [Prompt { prompt: prompt.into(), echo: false }];
            assert_eq!(asks_for_change(&prompts), expected, "{prompt}");
        }
        assert!(!asks_for_change(&[]));
    }
}
