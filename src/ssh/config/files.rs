//! What a parser makes of the configuration where there is no `ssh`: all but `Match`, which is refused.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ssh2_config::{HostParams, ParseRule};

use super::Question;
use super::error::ConfigError;
use super::settings::Said;
use super::surroundings::Here;

/// The files that `ssh` would read: what the first one says counts.
pub(super) struct Files {
    paths: [PathBuf; 2],
    home: Option<PathBuf>,
    parsed: OnceLock<Result<Vec<ssh2_config::SshConfig>, ConfigError>>,
}

/// Options that the parser knows by name only, and that concern skep.
const BY_NAME: [&str; 8] = [
    "globalknownhostsfile",
    "hashknownhosts",
    "hostkeyalias",
    "identitiesonly",
    "identityagent",
    "revokedhostkeys",
    "stricthostkeychecking",
    "userknownhostsfile",
];

impl Files {
    pub(super) fn new(here: &Here, system: &Path) -> Self {
        let paths = [here.in_ssh("config"), system.to_owned()];
        Self { paths, home: here.home.clone(), parsed: OnceLock::new() }
    }

    /// What they say for this command line.
    pub(super) fn ask(&self, question: &Question) -> Result<Said, ConfigError> {
        let configs = self.parsed.get_or_init(|| self.parse()).as_ref().map_err(Clone::clone)?;
        let mut said = Said::default();
        // One section after the other, as they are written: of ProxyJump and ProxyCommand the first counts.
        for config in configs {
            for host in config.intersecting_hosts(&question.host) {
                add(&mut said, &host.params, &question.host);
            }
        }
        Ok(said)
    }

    fn parse(&self) -> Result<Vec<ssh2_config::SshConfig>, ConfigError> {
        let parsed = self.paths.iter().map(|path| self.parse_one(path));
        parsed.filter_map(Result::transpose).collect()
    }

    fn parse_one(&self, path: &Path) -> Result<Option<ssh2_config::SshConfig>, ConfigError> {
        let fail =
            |why: &dyn std::fmt::Display| ConfigError::File { why: format!("{}: {why}", path.display()) };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(&error)),
        };
        let mut config = ssh2_config::SshConfig::default();
        if let Some(home) = &self.home {
            config = config.home_dir(home);
        }
        let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
        let config = config.parse(&mut BufReader::new(file), rules).map_err(|error| fail(&error))?;
        let conditional = |params: &HostParams| {
            params.ignored_fields.keys().any(|field| field.eq_ignore_ascii_case("match"))
        };
        match config.get_hosts().iter().any(|host| conditional(&host.params)) {
            true => Err(fail(&"it has a `Match`")),
            false => Ok(Some(config)),
        }
    }
}

/// Adds what a section says and none before it has said.
fn add(said: &mut Said, params: &HostParams, host: &str) {
    said.first("user", params.user.clone());
    said.first("port", params.port.map(|port| port.to_string()));
    said.first("hostname", params.host_name.as_ref().map(|name| host_name(name, host)));
    said.first("connecttimeout", params.connect_timeout.map(|timeout| timeout.as_secs().to_string()));
    // A ProxyCommand counts in spite of a `ProxyJump none` before it, not the other way round.
    if !said.has("proxycommand") {
        said.first("proxyjump", params.proxy_jump.as_ref().map(|hops| hops.join(",")));
    }
    if said.one("proxyjump").is_none_or(|jump| jump.eq_ignore_ascii_case("none")) {
        said.first("proxycommand", words(params, "proxycommand").map(|words| words.join(" ")));
    }
    for option in BY_NAME {
        let plain = |words: &Vec<String>| {
            words.iter().map(|word| word.trim_matches('"')).collect::<Vec<_>>().join(" ")
        };
        said.first(option, words(params, option).map(plain));
    }
    for path in params.identity_file.iter().flatten() {
        said.add("identityfile", &path.to_string_lossy());
    }
    if let Some(path) = &params.certificate_file {
        said.add("certificatefile", &path.to_string_lossy());
    }
}

fn words<'a>(params: &'a HostParams, option: &str) -> Option<&'a Vec<String>> {
    params.unsupported_fields.get(option)
}

/// The only tokens that a HostName may hold are `%h` and `%%`.
fn host_name(name: &str, host: &str) -> String {
    name.split("%%").map(|part| part.replace("%h", host)).collect::<Vec<_>>().join("%")
}

#[cfg(test)]
mod tests;
