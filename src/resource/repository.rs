//! An apt repository of packages that the distribution does not have: its source, and the key that signs it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use serde::{Deserialize, Serialize};

use super::packages::Apt;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

mod armor;
mod fetch;
mod openpgp;
pub(crate) mod sources;

/// Where apt reads its sources.
const SOURCES: &str = "/etc/apt/sources.list.d";

/// An apt repository that a host should install from.
#[derive(Debug)]
pub enum Repository {}

/// Which repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// What its files are called: `docker` for `docker.sources` and `docker.asc`.
    pub name: String,
    /// Where it may be on the net. Entries of other files that lead there, or below, are taken over: apt refuses to
    /// work where two entries for one place name different keys.
    pub places: Vec<String>,
    /// Further source files that are asked about, whatever they have entries for.
    #[serde(default)]
    pub also: BTreeSet<String>,
}

/// A repository as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Which one.
    pub key: Key,
    /// The whole text of its source file.
    pub text: String,
    /// Where the key comes from that signs it.
    pub signed_by: KeySource,
    /// The key's OpenPGP fingerprint, in capitals.
    pub fingerprint: String,
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The host fetches it; `file:` is a file of the host.
    Url(String),
    /// The key itself, armored.
    Text(String),
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The text of the source file; none where there is none.
    pub text: Option<String>,
    /// The text of the key file; none where there is none.
    pub key: Option<String>,
    /// The fingerprint of the one key in it, where apt can read it.
    pub fingerprint: Option<String>,
    /// Other source files that have entries for the same places, by path, with their texts.
    pub others: BTreeMap<String, String>,
    /// The further files asked about that are there, by path, with their texts.
    #[serde(default)]
    pub also: BTreeMap<String, String>,
}

/// The source and its key put in place or, by undo, taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What its files are called.
    pub name: String,
    /// Source files written, changed and removed.
    pub files: Vec<TextChange>,
    /// The key file; none where it stays.
    pub key: Option<KeyChange>,
}

/// A key put in place or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// What was there.
    pub before: Option<String>,
    /// What shall be there.
    pub after: KeyAfter,
}

/// What shall be in a key file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAfter {
    /// A key that is trusted only if it has this fingerprint.
    Trusted {
        /// Where it comes from.
        source: KeySource,
        /// The fingerprint it must have.
        fingerprint: String,
    },
    /// What was there once, or nothing.
    Former(Option<String>),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What its files are called.
    pub name: String,
    /// Source files written, changed and removed.
    pub files: Vec<TextChange>,
    /// The key file.
    pub key: Option<TextChange>,
}

impl Kind for Repository {
    type Key = Key;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Receipt;

    fn key(desired: &Desired) -> Key {
        desired.key.clone()
    }

    fn observe(keys: &[Key], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|key| look(key, host)).collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let own = source_file(&desired.key.name);
        let taken = observed.others.iter().filter_map(|(path, text)| {
            let after = sources::without(text, is_deb822(path), &desired.key.places)?;
            let after = (!sources::is_bare(&after) || path == "/etc/apt/sources.list").then_some(after);
            TextChange::between(path, Some(text), after.as_deref())
        });
        let written = TextChange::between(own, observed.text.as_deref(), Some(&desired.text));
        let files: Vec<_> = taken.chain(written).collect();
        let key = (observed.fingerprint.as_deref() != Some(&desired.fingerprint)).then(|| KeyChange {
            before: observed.key.clone(),
            after: KeyAfter::Trusted {
                source: desired.signed_by.clone(),
                fingerprint: desired.fingerprint.clone(),
            },
        });
        let needed = !files.is_empty() || key.is_some();
        Ok(needed.then(|| Change { name: desired.key.name.clone(), files, key }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
        // The key comes first, and is looked at before anything is written.
        let key = change.key.as_ref().map(|key| key.text(&change.name, host, progress)).transpose()?;
        let receipt = Receipt { name: change.name.clone(), files: change.files.clone(), key };
        let done = put(&receipt, host).and_then(|()| fetch_lists(&receipt, host, progress));
        done.map_err(|fault| take_back(&receipt, host, fault))?;
        Ok(receipt)
    }

    fn undo(receipt: &Receipt) -> Option<Change> {
        let key = receipt.key.as_ref().map(|key| KeyChange {
            before: key.after.clone(),
            after: KeyAfter::Former(key.before.clone()),
        });
        let files: Vec<_> = receipt.files.iter().rev().map(TextChange::reversed).collect();
        (key.is_some() || !files.is_empty()).then(|| Change { name: receipt.name.clone(), files, key })
    }

    fn key_of(change: &Change) -> Option<Key> {
        let paths = change.files.iter().map(|file| file.path.to_string_lossy().into_owned());
        Some(Key { name: change.name.clone(), places: Vec::new(), also: paths.collect() })
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let now = |file: &TextChange| observed.also.get(&*file.path.to_string_lossy()).map(String::as_str);
        let files: Vec<_> =
            change.files.iter().filter_map(|file| file.rest(now(file), &mut foreign)).collect();
        let key = change.key.clone().filter(|key| match &key.after {
            KeyAfter::Trusted { fingerprint, .. } => observed.fingerprint.as_ref() != Some(fingerprint),
            KeyAfter::Former(text) if observed.key == *text => false,
            KeyAfter::Former(_) if observed.key == key.before => true,
            KeyAfter::Former(_) => {
                foreign.push(format!("{} was changed since", key_file(&change.name)));
                false
            }
        });
        let needed = !files.is_empty() || key.is_some();
        Rest { change: needed.then(|| Change { name: change.name.clone(), files, key }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let own = source_file(&change.name);
        let named = |file: &&TextChange| file.path.to_string_lossy() != own;
        let key = change.key.as_ref().map(|key| match &key.after {
            KeyAfter::Trusted { fingerprint, .. } => format!("trust the key {fingerprint}"),
            KeyAfter::Former(_) => format!("put {} back as it was", key_file(&change.name)),
        });
        let written = change.files.iter().find(|file| !named(file));
        let written = written.map(|file| format!("{} {own}", file.verb()));
        let taken = change.files.iter().filter(named).map(|file| match &file.after {
            Some(_) => format!("take its entry out of {}", file.path.display()),
            None => format!("remove {}, whose entry it takes over", file.path.display()),
        });
        let parts: Vec<_> = key.into_iter().chain(taken).chain(written).collect();
        let text = change.files.iter().find(|file| !named(file)).cloned();
        Description { text, ..Description::line(format!("{} packages: {}", change.name, parts.join(", "))) }
    }
}

impl KeyChange {
    /// The change of the key file, once it is known what the key is.
    fn text(&self, name: &str, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<TextChange, Fault> {
        let after = match &self.after {
            KeyAfter::Trusted { source, fingerprint } => Some(fetch::key(source, fingerprint, host, progress)?),
            KeyAfter::Former(text) => text.clone(),
        };
        Ok(TextChange { path: key_file(name).into(), before: self.before.clone(), after })
    }
}

/// A key as apt reads it from a file named `.asc`.
pub(crate) fn armored(key: Vec<u8>) -> String {
    String::from_utf8(key).unwrap_or_else(|error| armor::encode(error.as_bytes()))
}

/// The file of the repository's source.
fn source_file(name: &str) -> String {
    format!("{SOURCES}/{name}.sources")
}

/// The file of the repository's key.
pub(crate) fn key_file(name: &str) -> String {
    format!("/etc/apt/keyrings/{name}.asc")
}

fn is_deb822(path: &str) -> bool {
    path.ends_with(".sources")
}

fn look(asked: &Key, host: &Host) -> Result<Observed, Fault> {
    let own = source_file(&asked.name);
    let path = key_file(&asked.name);
    let bytes = host.read(&path)?;
    // apt fetches as a user of its own, who has to be able to read it.
    let readable = host.metadata(&path)?.is_some_and(|file| file.permissions().mode() & 0o004 != 0);
    let fingerprint = bytes.as_deref().filter(|_| readable).and_then(|bytes| openpgp::fingerprint(bytes).ok());
    let mut others = BTreeMap::new();
    for path in source_files(host)?.into_iter().filter(|path| *path != own) {
        // What is no text is no entry of ours.
        let text = host.read(&path)?.and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(text) = text.filter(|text| sources::without(text, is_deb822(&path), &asked.places).is_some()) {
            others.insert(path, text);
        }
    }
    let key = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let mut also = BTreeMap::new();
    for path in &asked.also {
        also.extend(host.read_text(path)?.map(|text| (path.clone(), text)));
    }
    Ok(Observed { text: host.read_text(&own)?, key, fingerprint, others, also })
}

/// Every file that apt reads sources from.
fn source_files(host: &Host) -> Result<Vec<String>, Fault> {
    let mut files = vec!["/etc/apt/sources.list".to_owned()];
    if host.metadata(SOURCES)?.is_none() {
        return Ok(files);
    }
    let entries = std::fs::read_dir(host.path(SOURCES)).map_err(|error| Fault::new(SOURCES, error))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_read = |name: &String| (name.ends_with(".list") || name.ends_with(".sources")) && !name.starts_with('.');
    files.extend(names.filter(is_read).map(|name| format!("{SOURCES}/{name}")));
    files.sort();
    Ok(files)
}

fn put(receipt: &Receipt, host: &Host) -> Result<(), Fault> {
    if let Some(key) = &receipt.key {
        key.make(host)?;
        // A key that is there may be there for root alone.
        if let Some(text) = &key.after {
            host.write_system_file(&key.path, text)?;
        }
    }
    receipt.files.iter().try_for_each(|file| file.make(host))
}

/// A source whose lists cannot be had, or are signed by another key, is told at once; not as a package that is missing.
fn fetch_lists(receipt: &Receipt, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let own = source_file(&receipt.name);
    let there = host.metadata(&own)?.is_some();
    let ours = receipt.files.iter().any(|file| file.path.to_string_lossy() == own && file.after.is_some()) || receipt.files.is_empty();
    if !there || !ours {
        return Ok(());
    }
    Apt { host, progress }.update_from(&own).map_err(|fault| {
        fault.help("see whether the host reaches that address, and whether it has packages for this release and architecture")
    })
}

/// Puts everything back as it was; tells why.
fn take_back(receipt: &Receipt, host: &Host, fault: Fault) -> Fault {
    let files = receipt.files.iter().rev().chain(&receipt.key);
    let failed: Vec<String> = files.filter_map(|file| file.reversed().make(host).err()).map(|fault| fault.to_string()).collect();
    let outcome = match failed.as_slice() {
        [] => "nothing of it was left behind".to_owned(),
        some => format!("and this could not be put back: {}", some.join("; ")),
    };
    Fault { cause: format!("{}\n{outcome}", fault.cause), ..fault }
}

#[cfg(test)]
mod tests;
