//! Reaching a host as the user's own `ssh` does: what the inventory says, and for all it leaves out, what
//! ssh_config(5) says.
//!
//! `ssh -G` is asked, since only `ssh` itself understands `Match`, canonical names and whatever comes next; but not
//! where the files say nothing that is not plain. Where there is no `ssh`, a parser reads the files.

mod error;
mod files;
mod hop;
mod plain;
mod program;
mod settings;
mod surroundings;
mod tokens;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::target::{KnownHosts, Route, Target};
pub use error::ConfigError;
use files::Files;
pub use hop::{HopSpec, Jump};
use plain::Plain;
use program::Program;
use settings::{Proxy, Settings};
use surroundings::Here;
use tokens::Tokens;

/// The computer's own configuration.
const SYSTEM: &str = "/etc/ssh/ssh_config";

/// How many jump hosts may stand one behind the other: more are a circle.
const MOST_HOPS: usize = 16;

/// What the inventory says about a host; it counts before ssh's configuration.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The inventory's name for it, for messages.
    pub node: String,
    /// What `ssh` would be given: an address, a name, an alias of ssh's configuration.
    pub address: String,
    /// The login.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key files. They are tried on the jump hosts too for which ssh's configuration names none.
    pub keys: Vec<PathBuf>,
    /// Password of the login; never given to a jump host.
    pub password: Option<SecretString>,
    /// Passphrase of encrypted key files, on the jump hosts too.
    pub key_passphrase: Option<SecretString>,
    /// Fingerprint of the host's key.
    pub host_key: Option<String>,
    /// The user's file of known hosts, for the jump hosts too.
    pub known_hosts: Option<PathBuf>,
    /// The jump hosts.
    pub jump: Option<Jump>,
    /// A command whose standard streams lead to the host; counts before `jump`.
    pub proxy_command: Option<String>,
    /// How long the host may take to answer.
    pub connect_timeout: Option<Duration>,
}

/// What the command line of `ssh` would be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    host: String,
    user: Option<String>,
    port: Option<u16>,
    jump: Option<Jump>,
}

/// The ssh configuration of this user. Each host is looked up once in the life of this value.
pub struct SshConfig {
    /// Asked first.
    plain: Option<Plain>,
    source: Source,
    here: Here,
    answers: Mutex<HashMap<Question, Arc<OnceCell<Answer>>>>,
}

type Answer = Result<Arc<Settings>, ConfigError>;

enum Source {
    Program(Program),
    Files(Files),
}

impl SshConfig {
    /// That of the user who runs this process.
    pub fn of_user() -> Self {
        Self::new(program::find(), std::env::home_dir(), Path::new(SYSTEM))
    }

    /// That in `home` and of the file `system`, as the program `ssh` understands it, if there is one.
    pub fn new(ssh: Option<PathBuf>, home: Option<PathBuf>, system: &Path) -> Self {
        let here = Here::of_process(home.filter(|home| !home.as_os_str().is_empty()));
        // `ssh` does nothing for a user without an account.
        let (plain, source) = match ssh.filter(|_| here.account_home.is_some()) {
            Some(ssh) => (Plain::new(&ssh, &here, system), Source::Program(Program::new(ssh, &here, system))),
            None => (None, Source::Files(Files::new(&here, system))),
        };
        Self { plain, source, here, answers: Mutex::default() }
    }

    /// How to reach the host and log in.
    ///
    /// # Errors
    /// Where ssh's configuration cannot be understood.
    pub async fn target(&self, given: Given) -> Result<Target, ConfigError> {
        let jump = match given.proxy_command {
            Some(_) => Some(Jump::None),
            None => given.jump.clone(),
        };
        let question =
            Question { host: given.address.clone(), user: given.user.clone(), port: given.port, jump };
        let settings = self.settings(&question).await?;
        let route = match &given.proxy_command {
            Some(command) => Route::Command(self.command(&question, &settings, command)?),
            None => self.route(&question, &settings, &given, Vec::new()).await?,
        };
        let mut target = self.log_in(&question, &settings, &given, route);
        target.node = given.node;
        if given.proxy_command.is_some() {
            // Not repeated in messages: it may hold a password of the proxy.
            target.asked_with = None;
        }
        if !given.keys.is_empty() {
            target.keys = given.keys;
        }
        target.password = given.password;
        target.host_key = given.host_key;
        target.connect_timeout = given.connect_timeout.or(target.connect_timeout);
        Ok(target)
    }

    /// The way to the host of `question`; `before` are the questions about those that lead to this one.
    fn route<'a>(
        &'a self,
        question: &'a Question,
        settings: &'a Settings,
        given: &'a Given,
        mut before: Vec<Question>,
    ) -> BoxFuture<'a, Result<Route, ConfigError>> {
        async move {
            let hops = match &settings.proxy {
                Proxy::None => return Ok(Route::Direct),
                Proxy::Command(command) => {
                    return Ok(Route::Command(self.command(question, settings, command)?));
                }
                Proxy::Jump(hops) => hops,
            };
            let Some((last, first)) = hops.split_last() else { return Ok(Route::Direct) };
            // As `ssh` does: the last one is reached through those before it, the first as its own
            // configuration says.
            let hop = Question {
                host: last.host.clone(),
                user: last.user.clone(),
                port: last.port,
                jump: (!first.is_empty()).then(|| Jump::Via(first.to_vec())),
            };
            before.push(question.clone());
            if before.contains(&hop) || before.len() > MOST_HOPS {
                return Err(ConfigError::circle(&before, &hop.host));
            }
            let settings = self.settings(&hop).await?;
            let route = self.route(&hop, &settings, given, before).await?;
            let mut target = self.log_in(&hop, &settings, given, route);
            if target.keys.is_empty() {
                target.keys = given.keys.clone();
            }
            target.node = format!("jump host {}", hop.host);
            target.jump_host = true;
            Ok(Route::Jump(Arc::new(target)))
        }
        .boxed()
    }

    fn command(
        &self,
        question: &Question,
        settings: &Settings,
        command: &str,
    ) -> Result<String, ConfigError> {
        let tokens = Tokens::of(question, settings, &self.here);
        tokens.percent(command).map_err(|why| ConfigError::value(&question.host, "ProxyCommand", why))
    }

    /// What `settings` say, whoever asks.
    fn log_in(&self, question: &Question, settings: &Settings, given: &Given, route: Route) -> Target {
        let files = match &given.known_hosts {
            Some(file) => vec![file.clone()],
            None => settings.known_hosts.clone(),
        };
        let Settings { host_name, port, user, .. } = settings;
        Target {
            asked: question.host.clone(),
            asked_with: question.jump.as_ref().map(|jump| format!("-o {}", jump.option())),
            configured: self.configured(question, settings),
            route,
            keys: settings.keys.clone().unwrap_or_default(),
            certificates: settings.certificates.clone(),
            identities_only: settings.identities_only,
            agent: settings.agent.clone(),
            key_passphrase: given.key_passphrase.clone(),
            known_hosts: KnownHosts {
                files,
                global: settings.global_known_hosts.clone(),
                revoked: settings.revoked_host_keys.clone(),
                hash: settings.hash_known_hosts,
                alias: settings.host_key_alias.clone(),
            },
            new_host_keys: settings.new_host_keys,
            host_key_algorithms: settings.host_key_algorithms.clone(),
            connect_timeout: settings.connect_timeout,
            ..Target::new(&question.host, user, host_name, *port, PathBuf::new())
        }
    }

    /// What is not as the question has it or as it were without a configuration.
    fn configured(&self, question: &Question, settings: &Settings) -> Vec<&'static str> {
        let proxy = match settings.proxy {
            _ if question.jump.is_some() => None,
            Proxy::None => None,
            Proxy::Jump(_) => Some("ProxyJump"),
            Proxy::Command(_) => Some("ProxyCommand"),
        };
        let named = [
            (settings.host_name != question.host).then_some("HostName"),
            (question.port.is_none() && settings.port != settings::SSH_PORT).then_some("Port"),
            (question.user.is_none() && settings.user != self.here.user).then_some("User"),
            proxy,
        ];
        named.into_iter().flatten().collect()
    }

    async fn settings(&self, question: &Question) -> Answer {
        let cell = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(question.clone()).or_default())
        };
        cell.get_or_init(|| self.look_up(question)).await.clone()
    }

    async fn look_up(&self, question: &Question) -> Answer {
        if let Some(said) = self.plain.as_ref().and_then(|plain| plain.ask(question)) {
            return Settings::of(&said, &Default::default(), question, &self.here).map(Arc::new);
        }
        let settings = match &self.source {
            Source::Program(program) => {
                let (said, defaults) = tokio::join!(program.ask(question), program.defaults());
                Settings::of(&said?, defaults, question, &self.here)
            }
            Source::Files(files) => {
                Settings::of(&files.ask(question)?, &Default::default(), question, &self.here)
            }
        };
        settings.map(Arc::new)
    }
}

#[cfg(test)]
mod tests;
