//! Files with their whole text, mode and owner.

use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::host::kind_of;
use super::text::changed_meanwhile;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

/// A text file that a host should have.
#[derive(Debug)]
pub enum File {}

/// How much of a file is looked at, in bytes: enough for any configuration, small enough for the journal.
const LARGEST: u64 = 256 * 1024;

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Where.
    pub path: PathBuf,
    /// Its whole text; no file shall be there where it is empty.
    pub text: String,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is at the path itself; a link is not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Nothing.
    Absent,
    /// A plain file.
    File(FileState),
    /// Something else.
    Other {
        /// What, in words.
        what: String,
    },
}

/// A plain file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Its text; none where it is longer than 256 KiB or not UTF-8.
    pub text: Option<String>,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A file written or, by undo, removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: PathBuf,
    /// What was there; none where it is new.
    pub before: Option<FileState>,
    /// What shall be there; none where it is removed. Has a text unless content does not change.
    pub after: Option<FileState>,
}

impl Kind for File {
    type Key = PathBuf;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> PathBuf {
        desired.path.clone()
    }

    fn observe(keys: &[PathBuf], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|path| look(path, host)).collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let path = desired.path.display();
        let after = (!desired.text.is_empty()).then(|| FileState {
            text: Some(desired.text.clone()),
            sha256: sha256(desired.text.as_bytes()),
            mode: desired.mode,
            uid: desired.uid,
            gid: desired.gid,
        });
        let before = match observed {
            Observed::Absent => None,
            Observed::File(before) => Some(before.clone()),
            Observed::Other { what } => {
                return Err(Problem {
                    message: format!("{path} should be a plain file and is {what}"),
                    help: format!("look at it with `ls -l {path}`, then move it away"),
                });
            }
        };
        if same(&before, &after) {
            return Ok(None);
        }
        // Without its text it could not be given back.
        let kept = |before: &FileState| after.as_ref().is_some_and(|after| after.sha256 == before.sha256);
        if before.as_ref().is_some_and(|before| before.text.is_none() && !kept(before)) {
            return Err(Problem {
                message: format!("{path} is there, but is no text of at most 256 KiB, so that skep cannot keep a copy"),
                help: format!("look at it with `file {path}`, then move it away"),
            });
        }
        Ok(Some(Change { path: desired.path.clone(), before, after }))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        let now = match look(&change.path, host)? {
            Observed::Absent => None,
            Observed::File(now) => Some(now),
            Observed::Other { .. } => return Err(changed_meanwhile(&change.path)),
        };
        if !same(&now, &change.after) {
            if !same(&now, &change.before) {
                return Err(changed_meanwhile(&change.path));
            }
            write(change, now.is_some(), host)?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        (!same(&receipt.before, &receipt.after)).then(|| Change {
            path: receipt.path.clone(),
            before: receipt.after.clone(),
            after: receipt.before.clone(),
        })
    }

    fn key_of(change: &Change) -> Option<PathBuf> {
        Some(change.path.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let path = change.path.display();
        let now = match observed {
            Observed::Absent => None,
            Observed::File(now) => Some(now.clone()),
            Observed::Other { what } => return Rest::foreign(format!("{path} is {what} now")),
        };
        match () {
            () if same(&now, &change.after) => Rest::of(None),
            () if same(&now, &change.before) => Rest::of(Some(change.clone())),
            () if now.is_none() => Rest::foreign(format!("{path} was removed since")),
            () => Rest::foreign(format!("{path} was changed since")),
        }
    }

    fn describe(change: &Change) -> Description {
        let path = change.path.display();
        let text = |state: &Option<FileState>| state.as_ref().and_then(|state| state.text.clone());
        let title = match (&change.before, &change.after) {
            (None, _) => format!("write {path}"),
            (_, None) => format!("remove {path}"),
            (Some(before), Some(after)) if before.sha256 == after.sha256 => format!(
                "set {path} to {:04o}, {}:{} (is {:04o}, {}:{})",
                after.mode, after.uid, after.gid, before.mode, before.uid, before.gid
            ),
            _ => format!("change {path}"),
        };
        let text = TextChange::between(&change.path, text(&change.before).as_deref(), text(&change.after).as_deref());
        Description { text, ..Description::line(title) }
    }
}

impl FileState {
    /// Whether both are the same on disc; the text is told by its hash.
    fn same_as(&self, other: &Self) -> bool {
        (&self.sha256, self.mode, self.uid, self.gid) == (&other.sha256, other.mode, other.uid, other.gid)
    }
}

fn same(one: &Option<FileState>, other: &Option<FileState>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.same_as(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn look(path: &Path, host: &Host) -> Result<Observed, Fault> {
    let Some(there) = host.metadata(path)? else { return Ok(Observed::Absent) };
    if !there.is_file() {
        return Ok(Observed::Other { what: kind_of(&there).to_owned() });
    }
    let Some(bytes) = host.read(path)? else { return Ok(Observed::Absent) };
    Ok(Observed::File(FileState {
        sha256: sha256(&bytes),
        text: (there.len() <= LARGEST).then(|| String::from_utf8(bytes).ok()).flatten(),
        mode: there.permissions().mode() & 0o7777,
        uid: there.uid(),
        gid: there.gid(),
    }))
}

fn write(change: &Change, exists: bool, host: &Host) -> Result<(), Fault> {
    let Some(after) = &change.after else { return host.remove_file(&change.path) };
    let unchanged = || if exists { host.read(&change.path) } else { Ok(None) };
    let bytes = match &after.text {
        Some(text) => text.clone().into_bytes(),
        None => unchanged()?
            .filter(|bytes| sha256(bytes) == after.sha256)
            .ok_or_else(|| Fault::new(change.path.display(), "its former content is not known, so it is left as it is"))?,
    };
    host.write_atomically(&change.path, &bytes, after.mode, after.uid, after.gid)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        (root, host)
    }

    fn desired(host: &Host, text: &str, mode: u32) -> Desired {
        let (uid, gid) = host.owner().unwrap();
        Desired { path: "/etc/x.conf".into(), text: text.to_owned(), mode, uid, gid }
    }

    fn plan(desired: &Desired, host: &Host) -> Option<Change> {
        let observed = File::observe(&[File::key(desired)], host).unwrap().remove(0);
        File::diff(desired, &observed).unwrap()
    }

    fn apply(change: &Change, host: &Host) -> Result<Change, Fault> {
        File::apply(change, host, &mut |_| ())
    }

    #[test]
    fn written_then_converged_then_undone() {
        let (_root, host) = host();
        let wanted = desired(&host, "new\n", 0o640);
        let change = plan(&wanted, &host).unwrap();
        let receipt = apply(&change, &host).unwrap();
        assert_eq!(plan(&wanted, &host), None);
        assert_eq!(apply(&change, &host).unwrap(), receipt, "a change made twice is made once");
        apply(&File::undo(&receipt).unwrap(), &host).unwrap();
        assert_eq!(look(&wanted.path, &host).unwrap(), Observed::Absent);
    }

    #[test]
    fn what_was_there_comes_back_with_its_mode() {
        let (_root, host) = host();
        let (uid, gid) = host.owner().unwrap();
        host.write_atomically("/etc/x.conf", b"theirs\n", 0o600, uid, gid).unwrap();
        let before = look(Path::new("/etc/x.conf"), &host).unwrap();
        let receipt = apply(&plan(&desired(&host, "ours\n", 0o644), &host).unwrap(), &host).unwrap();
        assert_eq!(plan(&desired(&host, "ours\n", 0o644), &host), None);
        apply(&File::undo(&receipt).unwrap(), &host).unwrap();
        assert_eq!(look(Path::new("/etc/x.conf"), &host).unwrap(), before);
    }

    #[test]
    fn a_file_already_right_is_not_written_again() {
        let (_root, host) = host();
        let change = plan(&desired(&host, "new\n", 0o644), &host).unwrap();
        apply(&change, &host).unwrap();
        let first = host.metadata("/etc/x.conf").unwrap().unwrap();
        apply(&change, &host).unwrap();
        let second = host.metadata("/etc/x.conf").unwrap().unwrap();
        assert_eq!((first.ino(), first.mtime_nsec()), (second.ino(), second.mtime_nsec()));
    }

    #[test]
    fn a_file_changed_after_the_plan_is_left_alone() {
        let (_root, host) = host();
        let change = plan(&desired(&host, "ours\n", 0o644), &host).unwrap();
        host.write_system_file("/etc/x.conf", "theirs\n").unwrap();
        let fault = apply(&change, &host).unwrap_err();
        assert!(fault.cause.contains("after the plan was made") && fault.help.unwrap().contains("skep plan"));
        assert_eq!(host.read_text("/etc/x.conf").unwrap().as_deref(), Some("theirs\n"));
    }

    #[test]
    fn only_the_mode_of_a_file_too_large_to_keep_can_change() {
        let (_root, host) = host();
        let large = "x".repeat(usize::try_from(LARGEST).unwrap() + 1);
        host.write_system_file("/etc/x.conf", &large).unwrap();
        let change = plan(&desired(&host, &large, 0o600), &host).unwrap();
        assert_eq!(change.before.as_ref().unwrap().text, None);
        let receipt = apply(&change, &host).unwrap();
        assert_eq!(plan(&desired(&host, &large, 0o600), &host), None);
        apply(&File::undo(&receipt).unwrap(), &host).unwrap();
        assert_eq!(plan(&desired(&host, &large, 0o644), &host), None);
        let observed = look(Path::new("/etc/x.conf"), &host).unwrap();
        assert!(File::diff(&desired(&host, "other", 0o644), &observed).is_err());
    }

    #[test]
    fn links_and_directories_are_something_else() {
        let (_root, host) = host();
        fs::create_dir_all(host.path("/etc/x.conf")).unwrap();
        assert_eq!(look(Path::new("/etc/x.conf"), &host).unwrap(), Observed::Other { what: "a directory".into() });
        std::os::unix::fs::symlink("x.conf", host.path("/etc/link")).unwrap();
        assert_eq!(look(Path::new("/etc/link"), &host).unwrap(), Observed::Other { what: "a symbolic link".into() });
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
