//! Section `engine`: where it is fetched from, and by which way.

use std::path::PathBuf;

use serde_json::Value;

use super::Checker;
use crate::inventory::model::{EngineSource, Proxy, Repository, RepositoryKey};
use crate::inventory::spot::Spot;
use crate::mask::masked;

/// The option of `daemon.json` that holds the mirrors.
const MIRRORS: &str = "registry-mirrors";

impl Checker<'_> {
    pub(super) fn repository(&mut self, source: EngineSource) -> Option<Repository> {
        let file = self.file;
        let repository = file.engine.repository.as_ref()?;
        if source != EngineSource::Docker {
            let message =
                "this repository is not used: the engine does not come from Docker's packages".to_owned();
            self.error(repository, message, "add `source: docker` under `engine`, or take it out");
        }
        let Some(url) = &repository.url else {
            let message = "the repository has no address".to_owned();
            self.error(
                repository,
                message,
                "add `url: https://…`, or `url: file:/…` for a folder of each node",
            );
            return None;
        };
        self.url(url, &["https://", "http://", "file:/"]);
        if let Some(suite) = &repository.suite {
            self.one_word(suite, "suite");
        }
        let fingerprint = repository.key_fingerprint.as_ref().and_then(|text| self.key_fingerprint(text));
        let url = url.trim_end_matches('/').to_owned();
        let key = match &repository.key {
            None => RepositoryKey::Url(format!("{url}/gpg")),
            Some(key) if key.contains("://") || key.starts_with("file:") => {
                self.url(key, &["https://", "http://", "file:/"]);
                RepositoryKey::Url(key.value.clone())
            }
            Some(key) => {
                let path =
                    Spot { value: PathBuf::from(&key.value), span: key.span.clone(), place: key.place };
                RepositoryKey::File(self.local_path(&path))
            }
        };
        Some(Repository {
            url,
            suite: repository.suite.as_ref().map(|suite| suite.value.clone()),
            key,
            fingerprint,
        })
    }

    pub(super) fn engine_proxy(&mut self) -> Proxy {
        let Some(proxy) = &self.file.engine.proxy else { return Proxy::default() };
        for url in proxy.http.iter().chain(&proxy.https) {
            self.url(url, &["http://", "https://", "socks5h://"]);
        }
        for host in &proxy.no_proxy {
            self.one_word(host, "host, domain or network");
            if host.contains(',') {
                let message = format!("`{}` names several", host.escape_debug());
                self.error(host, message, "write a list: `no_proxy: [localhost, .example.net]`");
            }
        }
        let value = |text: &Option<Spot<String>>| text.as_ref().map(|text| text.value.clone());
        Proxy {
            http: value(&proxy.http),
            https: value(&proxy.https).or_else(|| value(&proxy.http)),
            no_proxy: proxy.no_proxy.iter().map(|host| host.value.clone()).collect(),
        }
    }

    /// The mirrors as the option that they are, if there are any.
    pub(super) fn registry_mirrors(&mut self) -> Option<(String, Value)> {
        let engine = &self.file.engine;
        let first = engine.registry_mirrors.first()?;
        for url in &engine.registry_mirrors {
            self.url(url, &["https://", "http://"]);
        }
        if engine.options.get(MIRRORS).is_some() {
            let message = format!("`options` has `{MIRRORS}` too");
            self.error(first, message, "name all mirrors here, and take the option out");
        }
        let urls =
            engine.registry_mirrors.iter().map(|url| Value::from(url.value.clone())).collect::<Vec<_>>();
        Some((MIRRORS.to_owned(), Value::from(urls)))
    }

    /// URLs end up in files of apt and systemd, in which quotes, blanks and backslashes mean something.
    fn url(&mut self, url: &Spot<String>, schemes: &[&str]) {
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'\\<>`${}".contains(c);
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(odd)) {
            let message = format!("`{}` is not an address of that kind", masked(url).escape_debug());
            self.error(
                url,
                message,
                format!("begin it with {}, without blanks and quotes", schemes.join(" or ")),
            );
        }
        if masked(url) != url.value {
            let message = "this address has a password that every user of a node can read".to_owned();
            self.warn(url, message, "let these hosts use it without one; skep shows it as `***` only");
        }
    }

    fn one_word(&mut self, text: &Spot<String>, what: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_/:*[],~+".contains(c);
        if text.is_empty() || !text.chars().all(fits) {
            let message = format!("`{}` is not a {what}", text.escape_debug());
            self.error(text, message, "write one, without blanks and quotes");
        }
    }

    /// GnuPG prints fingerprints in groups of four; they are taken as they are printed.
    fn key_fingerprint(&mut self, text: &Spot<String>) -> Option<String> {
        let digits: String =
            text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
        let digits = digits.strip_prefix("0X").unwrap_or(&digits).to_owned();
        if digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(digits);
        }
        let message = format!("`{}` is not the fingerprint of an OpenPGP key", text.escape_debug());
        self.error(text, message, "it has 40 hexadecimal digits; `gpg --show-keys FILE` prints it");
        None
    }
}

/// Reads the key of the repository where it is a file of this computer.
///
/// # Errors
/// The file, and what the system says.
pub(in crate::inventory) fn read_key(repository: &mut Repository) -> Result<(), (PathBuf, String)> {
    let RepositoryKey::File(path) = &repository.key else { return Ok(()) };
    let key = std::fs::read(path).map_err(|error| (path.clone(), error.to_string()))?;
    repository.key = RepositoryKey::Text(crate::resource::repository::armored(key));
    Ok(())
}
