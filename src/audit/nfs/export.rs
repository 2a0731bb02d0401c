//! What is exported from one host, from wherever that is told.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::{Judgement, Subject};
use crate::facts::inspection::nfs::ETAB;
use crate::plan::desire;
use crate::resource::exports::options::{self, Effective};
use crate::resource::exports::{self, Entry, served::same_client};

/// One export, and where it is told.
#[derive(Debug, Clone)]
pub(super) struct Export {
    /// What is exported to whom.
    pub(super) entry: Entry,
    /// What its options amount to.
    pub(super) options: Effective,
    /// Where it is told: `cluster.yml:12, share shared`, `/etc/exports:3`, `/var/lib/nfs/etab:1`.
    pub(super) told: Vec<String>,
    /// Whether the inventory wants it.
    pub(super) wanted: bool,
}

impl Export {
    fn new(entry: Entry, told: String, wanted: bool) -> Self {
        let options = options::effective(&entry.options);
        Self { entry, options, told: vec![told], wanted }
    }

    /// Whether a switch is on.
    pub(super) fn is(&self, switch: &str) -> bool {
        options::is_on(&self.options, switch)
    }

    /// Whether it is the root of NFSv4.
    pub(super) fn is_root(&self) -> bool {
        self.options.get("fsid").is_some_and(|id| id == "0")
    }

    /// Adds where it is told to a judgement.
    pub(super) fn seen(&self, judgement: Judgement) -> Judgement {
        self.told
            .iter()
            .fold(judgement, |judgement, place| judgement.seen(place.as_str(), self.entry.to_string()))
    }

    /// Where it has to be changed.
    pub(super) fn place(&self) -> &str {
        &self.told[0]
    }

    /// The command that makes a change of its line known; `skep up` where the inventory has it.
    pub(super) fn then(&self) -> &'static str {
        if self.wanted { super::SKEP_UP } else { "exportfs -ra" }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.entry.path == other.entry.path
            && same_client(&self.entry.client, &other.entry.client)
            && self.options == other.options
    }
}

/// All that the inventory, the files and `exportfs` tell to be exported, what they agree on once.
pub(super) fn all(subject: &Subject<'_>) -> Vec<Export> {
    let wanted = subject
        .serves()
        .flat_map(|share| desire::entries(share).map(|entry| Export::new(entry, subject.at(share), true)));
    let mut all: Vec<Export> = Vec::new();
    for export in wanted.chain(written(subject)).chain(told(subject)) {
        match all.iter_mut().find(|other| other.is_same(&export)) {
            Some(same) => same.told.extend(export.told),
            None => all.push(export),
        }
    }
    all
}

/// What the files say.
pub(super) fn written(subject: &Subject<'_>) -> Vec<Export> {
    let files = subject.nfs().files.iter();
    files.flat_map(|file| entries(&file.path, &file.text)).collect()
}

/// What `exportfs` told the kernel.
pub(super) fn told(subject: &Subject<'_>) -> Vec<Export> {
    entries(Path::new(ETAB), subject.nfs().etab.as_deref().unwrap_or_default())
}

fn entries(path: &Path, text: &str) -> Vec<Export> {
    let export = |(line, entry)| Export::new(entry, format!("{}:{line}", path.display()), false);
    exports::parse(text).entries.into_iter().map(export).collect()
}

/// Keeps the first export of each directory.
pub(super) fn keep_one_a_directory(exports: &mut Vec<&Export>) {
    let mut seen = BTreeSet::new();
    exports.retain(|export| seen.insert(&export.entry.path));
}
