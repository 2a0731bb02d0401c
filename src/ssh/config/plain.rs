//! Configurations that are so plain that their meaning needs no `ssh`: those that systems come with, and those that
//! only name hosts, users, ports and keys. A process for each host costs more than the login itself.
//!
//! Whatever is not known here for certain makes it a case for `ssh`: another option, a value in quotes, a file that
//! `ssh` would not read.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Question;
use super::settings::Said;
use super::surroundings::Here;
use crate::ssh::known_hosts::glob_matches;

/// Where systems have the `ssh` that reads [`SYSTEM`](super::SYSTEM); others may have been built to read other files.
const PROGRAMS: [&str; 2] = ["/usr/bin/ssh", "/bin/ssh"];

/// How deep files may include others.
const DEEPEST: usize = 4;

/// So many named keys could be the very ones that `ssh` tries by itself, which only `ssh` can tell.
const MANY_KEYS: usize = 3;

/// The files that `ssh` reads, as far as they are plain.
pub(super) struct Plain {
    user: PathBuf,
    system: PathBuf,
    /// Whether `ssh` may read another file where there is no `system`.
    elsewhere: bool,
    home: Option<PathBuf>,
    uid: u32,
    parsed: OnceLock<Option<[Vec<Item>; 2]>>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A section for hosts of these patterns begins.
    Host(Vec<String>),
    /// An option, its name in lower case.
    Option(String, String),
    /// What only `ssh` understands, but only for a host that the section is about.
    Asked,
    /// Nothing that concerns skep.
    Nothing,
    /// The lines of another file.
    Included(Vec<Item>),
}

impl Plain {
    /// The files that the program at `ssh` reads; none where that is not known.
    pub(super) fn new(ssh: &Path, here: &Here, system: &Path) -> Option<Self> {
        let usual = system == Path::new(super::SYSTEM);
        let known = !usual || PROGRAMS.iter().any(|program| ssh == Path::new(program));
        known.then(|| Self {
            user: here.in_ssh("config"),
            system: system.to_owned(),
            elsewhere: usual,
            // What `ssh` takes `~` for, whatever HOME is.
            home: here.account_home.clone(),
            uid: here.uid,
            parsed: OnceLock::new(),
        })
    }

    /// What they say for this command line; none where `ssh` has to be asked.
    pub(super) fn ask(&self, question: &Question) -> Option<Said> {
        let host = question.host.as_str();
        // A jump host may be on a way that `ssh` refuses.
        if !is_plain_host(host) || matches!(question.jump, Some(super::Jump::Via(_))) {
            return None;
        }
        let files = self.parsed.get_or_init(|| self.parse()).as_ref()?;
        let mut said = Said::default();
        let mut keys = 0;
        for items in files {
            say(items, host, true, &mut said, &mut keys)?;
        }
        (keys < MANY_KEYS).then_some(said)
    }

    fn parse(&self) -> Option<[Vec<Item>; 2]> {
        let user = self.file(&self.user, 0)?.unwrap_or_default();
        let system = match self.file(&self.system, 0)? {
            None if self.elsewhere => return None,
            system => system.unwrap_or_default(),
        };
        Some([user, system])
    }

    /// The lines of a file, or that there is none; none where it is not plain.
    fn file(&self, path: &Path, depth: usize) -> Option<Option<Vec<Item>>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Some(None),
            Err(_) => return None,
        };
        let metadata = file.metadata().ok()?;
        // `ssh` refuses what others can write to.
        if metadata.mode() & 0o22 != 0 || ![0, self.uid].contains(&metadata.uid()) || !metadata.is_file() {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        text.lines().map(|line| self.line(line, depth)).collect::<Option<_>>().map(Some)
    }

    fn line(&self, line: &str, depth: usize) -> Option<Item> {
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return Some(Item::Nothing);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || " \t._-/:*?!~,+@%".contains(c);
        let (name, value) = line.split_once([' ', '\t']).filter(|_| line.chars().all(plain))?;
        let (name, words) = (name.to_ascii_lowercase(), value.split_ascii_whitespace());
        let words: Vec<&str> = words.collect();
        match name.as_str() {
            "host" => Some(Item::Host(words.into_iter().map(str::to_owned).collect())),
            "include" => words
                .into_iter()
                .map(|path| self.include(path, depth))
                .collect::<Option<_>>()
                .map(Item::Included),
            "proxycommand" | "proxyjump" | "proxyusefdpass" | "checkhostip" => Some(Item::Asked),
            "sendenv" => Some(Item::Nothing),
            _ => match words[..] {
                [word] if name == "userknownhostsfile" => Some(Item::Option(name, self.known_hosts(word)?)),
                [word] => option(name, word),
                _ => None,
            },
        }
    }

    /// The file of known hosts; `ssh -G` writes out what `~` stands for here, and only here.
    fn known_hosts(&self, word: &str) -> Option<String> {
        let path = match (word.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) => format!("{}{rest}", home.to_str()?),
            _ => word.to_owned(),
        };
        is_plain_path(word).then_some(path)
    }

    fn include(&self, path: &str, depth: usize) -> Option<Item> {
        let path = match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => Some(PathBuf::from(path)).filter(|path| path.is_absolute())?,
        };
        let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
        let literal = |text: &str| !text.contains(['*', '?', '%']);
        if depth >= DEEPEST || !literal(folder.to_str()?) || !literal(name.trim_start_matches('*')) {
            return None;
        }
        let files =
            if literal(name) { vec![path.clone()] } else { matching(folder, name.trim_start_matches('*'))? };
        let items =
            files.iter().map(|path| Some(Item::Included(self.file(path, depth + 1)?.unwrap_or_default())));
        items.collect::<Option<_>>().map(Item::Included)
    }
}

/// The files of a folder whose names end so, in their order.
fn matching(folder: &Path, end: &str) -> Option<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(Vec::new()),
        Err(_) => return None,
    };
    let names =
        entries.map(|entry| entry.ok()?.file_name().into_string().ok()).collect::<Option<Vec<_>>>()?;
    let mut names: Vec<_> =
        names.into_iter().filter(|name| name.ends_with(end) && !name.starts_with('.')).collect();
    names.sort_unstable();
    Some(names.into_iter().map(|name| folder.join(name)).collect())
}

/// An option of one word whose meaning is known.
fn option(name: String, word: &str) -> Option<Item> {
    let is_number = |most: u32| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            && word.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number))
    };
    let is_flag = ["yes", "no"].contains(&word);
    let (known, said) = match name.as_str() {
        "user" => (word.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), word.to_owned()),
        // As `ssh` does, names of hosts are written in lower case.
        "hostname" => (is_plain_host(&word.to_ascii_lowercase()), word.to_ascii_lowercase()),
        "port" => (is_number(65535), word.to_owned()),
        "connecttimeout" => (is_number(3600), word.to_owned()),
        "identityfile" => (is_plain_path(word), word.to_owned()),
        "identitiesonly" | "hashknownhosts" => (is_flag, word.to_owned()),
        "stricthostkeychecking" => (is_flag || ["ask", "accept-new"].contains(&word), word.to_owned()),
        "gssapiauthentication"
        | "gssapidelegatecredentials"
        | "compression"
        | "tcpkeepalive"
        | "forwardx11"
        | "forwardx11trusted"
        | "forwardagent"
        | "visualhostkey" => return is_flag.then_some(Item::Nothing),
        "serveraliveinterval" | "serveralivecountmax" => return is_number(86400).then_some(Item::Nothing),
        _ => return None,
    };
    known.then_some(Item::Option(name, said))
}

/// The path of a file, from the root or the user's home.
fn is_plain_path(word: &str) -> bool {
    let path = word.strip_prefix('~').unwrap_or(word);
    path.starts_with('/') && !path.contains(['~', '%', '*', '?'])
}

/// A name or address that means the same wherever it stands.
fn is_plain_host(host: &str) -> bool {
    host.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && host.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._:-".contains(c))
}

/// Adds what the lines say of a host and none before them has said; none where only `ssh` understands them.
fn say(items: &[Item], host: &str, active: bool, said: &mut Said, keys: &mut usize) -> Option<()> {
    let mut here = active;
    for item in items {
        match item {
            Item::Host(patterns) => here = active && matches(patterns, host),
            Item::Included(items) => say(items, host, here, said, keys)?,
            Item::Asked if here => return None,
            Item::Option(name, value) if here => match name.as_str() {
                "identityfile" => {
                    *keys += 1;
                    said.add(name, value);
                }
                _ => said.first(name, Some(value.clone())),
            },
            Item::Nothing | Item::Asked | Item::Option(..) => {}
        }
    }
    Some(())
}

/// Whether a host is one that a section is about: some pattern matches, and no pattern after a `!`.
fn matches(patterns: &[String], host: &str) -> bool {
    let of = |pattern: &str| glob_matches(pattern, host);
    let not = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'));
    patterns.iter().any(|pattern| of(pattern)) && !not.into_iter().any(of)
}

#[cfg(test)]
mod tests;
