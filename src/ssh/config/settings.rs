//! What `ssh -G` prints, and what of it concerns skep: pure functions.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::Question;
use super::error::ConfigError;
use super::hop::{HopSpec, Jump};
use super::surroundings::Here;
use super::tokens::Tokens;
use crate::ssh::target::{NewHostKeys, WhichAgent};

/// The port of an SSH server that nobody says otherwise about.
pub(super) const SSH_PORT: u16 = 22;

/// Options by their names in lower case, each with its values in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said(BTreeMap<String, Vec<String>>);

impl Said {
    /// Reads lines of `option value`.
    pub(super) fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            if let Some((option, value)) = line.split_once(' ') {
                said.add(option, value);
            }
        }
        said
    }

    pub(super) fn add(&mut self, option: &str, value: &str) {
        self.0.entry(option.to_ascii_lowercase()).or_default().push(value.to_owned());
    }

    /// Adds a value unless there is one.
    pub(super) fn first(&mut self, option: &str, value: Option<String>) {
        if let Some(value) = value.filter(|_| !self.has(option)) {
            self.add(option, &value);
        }
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.0.contains_key(option)
    }

    fn all(&self, option: &str) -> &[String] {
        self.0.get(option).map_or(&[], Vec::as_slice)
    }

    pub(super) fn one(&self, option: &str) -> Option<&str> {
        self.all(option).first().map(String::as_str)
    }

    fn is_yes(&self, option: &str) -> bool {
        self.one(option).is_some_and(|value| ["yes", "true"].contains(&value.to_ascii_lowercase().as_str()))
    }

    /// The values of an option where they are not those of `defaults`.
    fn named<'a>(&'a self, option: &str, defaults: &Self) -> Option<&'a [String]> {
        let values = self.all(option);
        (!values.is_empty() && values != defaults.all(option)).then_some(values)
    }
}

/// What of an ssh configuration concerns skep, for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) user: String,
    pub(super) host_name: String,
    pub(super) port: u16,
    pub(super) proxy: Proxy,
    /// None: only those that `ssh` tries by itself.
    pub(super) keys: Option<Vec<PathBuf>>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) identities_only: bool,
    pub(super) agent: WhichAgent,
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) global_known_hosts: Vec<PathBuf>,
    pub(super) revoked_host_keys: Option<PathBuf>,
    pub(super) hash_known_hosts: bool,
    pub(super) host_key_alias: Option<String>,
    pub(super) new_host_keys: NewHostKeys,
    pub(super) host_key_algorithms: Option<Vec<String>>,
    pub(super) connect_timeout: Option<Duration>,
}

/// What stands between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proxy {
    None,
    Jump(Vec<HopSpec>),
    Command(String),
}

impl Settings {
    /// What `said` means for the host of `question`, where `defaults` is what would be said without any
    /// configuration.
    pub(super) fn of(
        said: &Said,
        defaults: &Said,
        question: &Question,
        here: &Here,
    ) -> Result<Self, ConfigError> {
        let reader = Reader { said, defaults, question, here };
        let mut settings = Self {
            user: question.user.as_deref().or(said.one("user")).unwrap_or(&here.user).to_owned(),
            host_name: reader.host_name(),
            port: reader.port()?,
            proxy: reader.proxy()?,
            keys: None,
            certificates: Vec::new(),
            identities_only: said.is_yes("identitiesonly"),
            agent: WhichAgent::Usual,
            known_hosts: Vec::new(),
            global_known_hosts: Vec::new(),
            revoked_host_keys: None,
            hash_known_hosts: said.is_yes("hashknownhosts"),
            host_key_alias: said.one("hostkeyalias").map(str::to_owned),
            new_host_keys: reader.new_host_keys(),
            host_key_algorithms: reader.host_key_algorithms(),
            connect_timeout: reader.connect_timeout()?,
        };
        let tokens = Tokens::of(question, &settings, here);
        let keys = said.named("identityfile", defaults);
        let keys = keys.map(|keys| reader.paths("IdentityFile", keys, &tokens)).transpose()?;
        let certificates = reader.paths("CertificateFile", said.all("certificatefile"), &tokens)?;
        let agent = reader.agent(&tokens)?;
        let revoked = reader.paths("RevokedHostKeys", said.all("revokedhostkeys"), &tokens)?;
        let (user, global) = (["known_hosts", "known_hosts2"], ["ssh_known_hosts", "ssh_known_hosts2"]);
        let known_hosts = reader.known_hosts("UserKnownHostsFile", &tokens)?;
        let global_known_hosts = reader.known_hosts("GlobalKnownHostsFile", &tokens)?;
        settings.keys = keys;
        settings.certificates = certificates;
        settings.agent = agent;
        settings.revoked_host_keys = revoked.into_iter().next();
        settings.known_hosts = known_hosts.unwrap_or_else(|| user.map(|name| here.in_ssh(name)).into());
        settings.global_known_hosts = global_known_hosts
            .unwrap_or_else(|| global.map(|name| PathBuf::from("/etc/ssh").join(name)).into());
        Ok(settings)
    }
}

struct Reader<'a> {
    said: &'a Said,
    defaults: &'a Said,
    question: &'a Question,
    here: &'a Here,
}

impl Reader<'_> {
    fn fail(&self, option: &'static str, why: String) -> ConfigError {
        ConfigError::value(&self.question.host, option, why)
    }

    /// `ssh` writes names in lower case; the inventory's way to write it is kept.
    fn host_name(&self) -> String {
        let asked = &self.question.host;
        let name = self.said.one("hostname").unwrap_or(asked);
        if name.eq_ignore_ascii_case(asked) { asked.clone() } else { name.to_owned() }
    }

    fn port(&self) -> Result<u16, ConfigError> {
        let said = self.said.one("port").filter(|_| self.question.port.is_none());
        let read = said.map(|text| text.parse().ok().filter(|port| *port > 0).ok_or(text));
        let read = read.transpose().map_err(|text| self.fail("Port", format!("`{text}` is no port")))?;
        Ok(self.question.port.or(read).unwrap_or(SSH_PORT))
    }

    fn proxy(&self) -> Result<Proxy, ConfigError> {
        match &self.question.jump {
            Some(Jump::None) => return Ok(Proxy::None),
            Some(Jump::Via(hops)) => return Ok(Proxy::Jump(hops.clone())),
            None => {}
        }
        let jump = self.said.one("proxyjump").map(str::parse).transpose();
        Ok(match (jump.map_err(|why| self.fail("ProxyJump", why))?, self.said.one("proxycommand")) {
            (Some(Jump::Via(hops)), _) => Proxy::Jump(hops),
            (_, Some(command)) if !command.eq_ignore_ascii_case("none") => Proxy::Command(command.to_owned()),
            _ => Proxy::None,
        })
    }

    fn paths(
        &self,
        option: &'static str,
        values: &[String],
        tokens: &Tokens<'_>,
    ) -> Result<Vec<PathBuf>, ConfigError> {
        // As `ssh` does, each file counts once.
        let mut seen = HashSet::new();
        let named = values.iter().filter(|value| !value.eq_ignore_ascii_case("none") && seen.insert(*value));
        named.map(|value| tokens.path(value).map_err(|why| self.fail(option, why))).collect()
    }

    fn agent(&self, tokens: &Tokens<'_>) -> Result<WhichAgent, ConfigError> {
        let said = self.said.one("identityagent").unwrap_or("SSH_AUTH_SOCK");
        Ok(match said.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(name) => {
                (self.here.variable)(name).map_or(WhichAgent::None, |path| WhichAgent::At(path.into()))
            }
            None if said.eq_ignore_ascii_case("none") => WhichAgent::None,
            None if said == "SSH_AUTH_SOCK" => WhichAgent::Usual,
            None => WhichAgent::At(tokens.path(said).map_err(|why| self.fail("IdentityAgent", why))?),
        })
    }

    /// None: nothing is said about them. What is said to be none is a file that is always empty.
    fn known_hosts(
        &self,
        option: &'static str,
        tokens: &Tokens<'_>,
    ) -> Result<Option<Vec<PathBuf>>, ConfigError> {
        let Some(values) = self.said.named(&option.to_ascii_lowercase(), self.defaults) else {
            return Ok(None);
        };
        let names: Vec<String> = values.iter().flat_map(|value| split_paths(value)).collect();
        let files = self.paths(option, &names, tokens)?;
        Ok(Some(if files.is_empty() { vec!["/dev/null".into()] } else { files }))
    }

    fn new_host_keys(&self) -> NewHostKeys {
        match self.said.one("stricthostkeychecking").map(str::to_ascii_lowercase).as_deref() {
            Some("yes" | "true") => NewHostKeys::Refuse,
            // `no` would also accept keys that have changed, which skep never does.
            Some("no" | "false" | "off" | "accept-new") => NewHostKeys::Accept,
            _ => NewHostKeys::Ask,
        }
    }

    fn host_key_algorithms(&self) -> Option<Vec<String>> {
        let named = self.said.named("hostkeyalgorithms", self.defaults)?;
        Some(named.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect())
    }

    fn connect_timeout(&self) -> Result<Option<Duration>, ConfigError> {
        match self.said.one("connecttimeout") {
            None | Some("none" | "0") => Ok(None),
            Some(text) => match text.parse() {
                Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
                Err(_) => Err(self.fail("ConnectTimeout", format!("`{text}` is no number of seconds"))),
            },
        }
    }
}

/// `ssh -G` joins paths by blanks and quotes none. What does not begin like a path after one that does belongs to it.
fn split_paths(text: &str) -> Vec<String> {
    let begins = |word: &str| word.starts_with(['/', '~']);
    let mut paths: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match paths.last_mut() {
            Some(last) if begins(last) && !begins(word) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => paths.push(word.to_owned()),
        }
    }
    paths
}

#[cfg(test)]
mod tests;
