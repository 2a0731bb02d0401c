//! What a host exports over NFS on skep's behalf: one file of its own below `/etc/exports.d`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

mod grammar;
pub(crate) mod options;
pub(crate) mod served;

pub use grammar::{Flaw, FlawKind, Parsed, parse};

/// Everything that a host should export over NFS on skep's behalf.
#[derive(Debug)]
pub enum Exports {}

/// Where skep's exports stand.
pub const FILE: &str = "/etc/exports.d/skep.exports";

/// The exports as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The file: [`FILE`].
    pub path: PathBuf,
    /// Its whole text; empty where nothing is exported, and the file is then removed.
    pub text: String,
    /// What the text says, entry by entry.
    pub entries: Vec<Entry>,
}

/// A directory exported to a client, with the options in the order they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The directory.
    pub path: PathBuf,
    /// Who may mount it: an address, a network, a host name, a pattern; `*` is everybody.
    pub client: String,
    /// Options as in exports(5).
    pub options: Vec<String>,
}

/// An entry and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// The entry.
    pub entry: Entry,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The text of skep's file; none where there is none.
    pub text: Option<String>,
    /// What is exported now, as `exportfs -s` tells.
    pub served: Vec<Entry>,
    /// What other files say: `/etc/exports` and the rest of `/etc/exports.d`.
    pub other: Vec<Located>,
    /// Whether `exportfs` is installed.
    pub tools: bool,
}

/// The file written, and everything exported anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// The change of it; none where only the exporting is missing.
    pub file: Option<TextChange>,
    /// What shall be exported afterwards on skep's behalf.
    pub entries: Vec<Entry>,
}

impl Kind for Exports {
    type Key = PathBuf;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> PathBuf {
        desired.path.clone()
    }

    fn observe(keys: &[PathBuf], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter()
            .map(|path| {
                let text = host.read_text(path)?;
                let own = written(text.as_deref().unwrap_or_default());
                let tools = host.has_program("exportfs");
                let served = if tools { served::read(host, &own)? } else { Vec::new() };
                Ok(Observed { text, served, other: others(path, host)?, tools })
            })
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        check_text(desired)?;
        check_others(&desired.entries, &observed.other)?;
        let after = (!desired.text.is_empty()).then_some(desired.text.as_str());
        let file = TextChange::between(&desired.path, observed.text.as_deref(), after);
        let needed = file.is_some() || !served::missing(&desired.entries, &observed.served).is_empty();
        Ok(needed.then(|| Change { path: desired.path.clone(), file, entries: desired.entries.clone() }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        check_entries(&change.entries, host)?;
        if let Some(file) = &change.file {
            file.make(host)?;
        }
        progress(Progress::text("exporting"));
        if let Err(fault) = export(change, host) {
            restore(change, host);
            return Err(fault);
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let file = receipt.file.as_ref()?.reversed();
        let entries = written(file.after.as_deref().unwrap_or_default());
        Some(Change { path: receipt.path.clone(), file: Some(file), entries })
    }

    fn key_of(change: &Change) -> Option<PathBuf> {
        Some(change.path.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let file = change.file.as_ref().and_then(|file| file.rest(observed.text.as_deref(), &mut foreign));
        let unserved = observed.tools && !served::missing(&change.entries, &observed.served).is_empty();
        let needed = file.is_some() || (foreign.is_empty() && unserved);
        Rest { change: needed.then(|| Change { file, ..change.clone() }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let what: Vec<String> =
            change.entries.iter().map(|entry| format!("{} to {}", entry.path.display(), entry.client)).collect();
        let title = match (what.as_slice(), &change.file) {
            ([], _) => "export nothing more over NFS".to_owned(),
            (what, Some(_)) => format!("export {}", what.join(", ")),
            (what, None) => format!("export {} again", what.join(", ")),
        };
        Description { text: change.file.clone(), ..Description::line(title) }
    }
}

/// The entries of a text, flaws aside.
fn written(text: &str) -> Vec<Entry> {
    parse(text).entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The text must say what is wanted, and nothing that `exportfs` stumbles over.
fn check_text(desired: &Desired) -> Result<(), Problem> {
    let problem = |cause: String| Problem {
        message: format!("{} would be wrong: {cause}", desired.path.display()),
        help: "check the paths, clients and options of `shares` in the inventory; `man exports` lists the options".to_owned(),
    };
    let parsed = parse(&desired.text);
    if let Some(flaw) = parsed.flaws.first() {
        return Err(problem(flaw.to_string()));
    }
    if let Some(entry) = desired.entries.iter().find(|entry| !entry.is_writable()) {
        return Err(problem(format!("exports(5) has no way to write `{}`", entry.path.display())));
    }
    let says: Vec<Entry> = parsed.entries.into_iter().map(|(_, entry)| entry).collect();
    match desired.entries.iter().find(|entry| !says.contains(entry)) {
        Some(entry) => Err(problem(format!("it does not say `{entry}`"))),
        None if says.len() != desired.entries.len() => Err(problem("it says more than is wanted".to_owned())),
        None => Ok(()),
    }
}

/// `exportfs` takes the first of two entries for one path and client, and one root of NFSv4 only.
pub(crate) fn check_others(entries: &[Entry], others: &[Located]) -> Result<(), Problem> {
    let at = |other: &Located| format!("{}:{}", other.file.display(), other.line);
    for entry in entries {
        let twin = |other: &&Located| {
            other.entry.path == entry.path && served::same_client(&other.entry.client, &entry.client)
        };
        if let Some(other) = others.iter().find(twin) {
            return Err(Problem {
                message: format!("{} is exported to {} by {} already", entry.path.display(), entry.client, at(other)),
                help: format!("remove that entry from {}, or the share from the inventory", other.file.display()),
            });
        }
    }
    let is_root = |entry: &&Entry| options::effective(&entry.options).get("fsid").is_some_and(|id| id == "0");
    let Some(root) = entries.iter().find(is_root) else { return Ok(()) };
    let own = entries.iter().filter(is_root).find(|other| other.path != root.path);
    let theirs = others.iter().find(|other| is_root(&&other.entry) && other.entry.path != root.path);
    let other = own
        .map(|other| format!("{} is", other.path.display()))
        .or_else(|| theirs.map(|other| format!("{} ({}) is", other.entry.path.display(), at(other))));
    other.map_or(Ok(()), |other| {
        Err(Problem {
            message: format!("{} shall be the root of NFSv4 (`fsid=0`), and so {other}; a server has one", root.path.display()),
            help: "leave `fsid=0` away from all but one; clients then ask for the whole path".to_owned(),
        })
    })
}

/// The files that `exportfs` reads, in its order.
pub(crate) fn files(host: &Host) -> Vec<PathBuf> {
    let directory = "/etc/exports.d";
    let mut files = vec![PathBuf::from("/etc/exports")];
    if let Ok(entries) = std::fs::read_dir(host.path(directory)) {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".exports") && !name.starts_with('.')).collect();
        names.sort();
        files.extend(names.into_iter().map(|name| PathBuf::from(directory).join(name)));
    }
    files
}

/// What other files than `own` say; flaws in them are not skep's.
fn others(own: &std::path::Path, host: &Host) -> Result<Vec<Located>, Fault> {
    let mut files = files(host);
    files.retain(|file| file != own);
    let mut others = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&host.read(&file)?.unwrap_or_default()).into_owned();
        let located = |(line, entry)| Located { file: file.clone(), line, entry };
        others.extend(parse(&text).entries.into_iter().map(located));
    }
    Ok(others)
}

/// `exportfs` exports missing directories and drops unknown hosts without a word, so both are looked at before.
fn check_entries(entries: &[Entry], host: &Host) -> Result<(), Fault> {
    for entry in entries {
        if !host.path(&entry.path).is_dir() {
            return Err(Fault::new(entry.path.display(), "is to be exported, but is no directory")
                .help(format!("make it with `mkdir -p {}`, or mount the disc that it is on", entry.path.display())));
        }
        if served::is_host_name(&entry.client) && served::addresses(host, &entry.client).is_empty() {
            return Err(Fault::new(entry.path.display(), format!("its client {} has no address", entry.client))
                .help(format!("see `getent ahosts {}` on the host, or name the client by its address", entry.client)));
        }
    }
    Ok(())
}

/// Exports everything anew and believes only what is then told to be exported.
fn export(change: &Change, host: &Host) -> Result<(), Fault> {
    if change.entries.is_empty() && !host.has_program("exportfs") {
        // The server was removed, and its exports went with it.
        return Ok(());
    }
    let output = host.run("exportfs", &["-ra"])?;
    let served = served::read(host, &change.entries)?;
    let missing = served::missing(&change.entries, &served);
    let Some(entry) = missing.first() else { return Ok(()) };
    let instead = served.iter().find(|other| other.path == entry.path && other.client == entry.client);
    let instead = instead.map_or("is not exported".to_owned(), |other| format!("is exported as `{other}`"));
    let said = output.stderr.trim();
    let said = if said.is_empty() { String::new() } else { format!("; exportfs said: {said}") };
    Err(Fault::new(change.path.display(), format!("`{entry}` {instead}{said}"))
        .help("what was exported before is exported again; see `exportfs -ra` and `exportfs -s` on the host"))
}

/// Puts back what was there; the fault that led here is told, not one on the way back.
fn restore(change: &Change, host: &Host) {
    if let Some(file) = &change.file {
        let _ = file.reversed().make(host);
    }
    let _ = host.run("exportfs", &["-ra"]);
}
