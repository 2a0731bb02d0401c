//! Directories with their mode and owner.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::host::kind_of;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

/// A directory that a host should have. What is in it is not looked at.
#[derive(Debug)]
pub enum Directory {}

/// A directory as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Where.
    pub path: PathBuf,
    /// Permission bits, such as `0o755`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is at the path; a link to a directory counts as that directory, since shares are often moved to another disc
/// that way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Nothing.
    Absent,
    /// A directory.
    Directory(Present),
    /// Something else.
    Other {
        /// What, in words.
        what: String,
    },
}

/// A directory that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Whether something is in it, so that it cannot be removed.
    #[serde(default)]
    pub filled: bool,
}

/// Mode and owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A directory made, changed or, by undo, removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: PathBuf,
    /// What was there; none where it is made.
    pub before: Option<Attributes>,
    /// What shall be there; none where it is removed, which happens only if it is empty.
    pub after: Option<Attributes>,
}

impl Kind for Directory {
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
        let after = Attributes { mode: desired.mode, uid: desired.uid, gid: desired.gid };
        let before = match observed {
            Observed::Absent => None,
            Observed::Directory(before) => Some(before.attributes()),
            Observed::Other { what } => {
                return Err(Problem {
                    message: format!("{} should be a directory and is {what}", desired.path.display()),
                    help: format!("look at it with `ls -l {}`, then move it away", desired.path.display()),
                });
            }
        };
        Ok((before != Some(after)).then(|| Change { path: desired.path.clone(), before, after: Some(after) }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        match change.after {
            Some(after) => establish(change, after, host)?,
            None => remove_if_empty(change, host, progress)?,
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        (receipt.before != receipt.after).then(|| Change {
            path: receipt.path.clone(),
            before: receipt.after,
            after: receipt.before,
        })
    }

    fn key_of(change: &Change) -> Option<PathBuf> {
        Some(change.path.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let path = change.path.display();
        let now = match observed {
            Observed::Absent => None,
            Observed::Directory(now) => Some(now.attributes()),
            Observed::Other { what } => return Rest::foreign(format!("{path} is {what} now")),
        };
        let filled = matches!(observed, Observed::Directory(Present { filled: true, .. }));
        match () {
            () if now == change.after => Rest::of(None),
            () if now != change.before => Rest::foreign(match now {
                Some(now) => format!("{path} was set to {now} since"),
                None => format!("{path} was removed since"),
            }),
            () if change.after.is_none() && filled => Rest::foreign(format!("something is in {path}")),
            () => Rest::of(Some(change.clone())),
        }
    }

    fn describe(change: &Change) -> Description {
        let path = change.path.display();
        let title = match (change.before, change.after) {
            (None, Some(after)) => format!("make directory {path} ({after})"),
            (Some(before), Some(after)) => format!("set directory {path} to {after} (is {before})"),
            (_, None) => format!("remove directory {path} if it is empty"),
        };
        Description::line(title)
    }
}

impl Present {
    /// Its mode and owner.
    fn attributes(&self) -> Attributes {
        Attributes { mode: self.mode, uid: self.uid, gid: self.gid }
    }
}

impl std::fmt::Display for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}, {}:{}", self.mode, self.uid, self.gid)
    }
}

fn look(path: &PathBuf, host: &Host) -> Result<Observed, Fault> {
    let Some(itself) = host.metadata(path)? else { return Ok(Observed::Absent) };
    // A link that leads nowhere is something else, and must not be taken for absence.
    let there = fs::metadata(host.path(path)).ok().filter(fs::Metadata::is_dir);
    Ok(match there {
        Some(there) => Observed::Directory(Present {
            mode: there.permissions().mode() & 0o7777,
            uid: there.uid(),
            gid: there.gid(),
            // What cannot be looked into may well hold something.
            filled: fs::read_dir(host.path(path)).map_or(true, |mut entries| entries.next().is_some()),
        }),
        None => Observed::Other { what: kind_of(&itself).to_owned() },
    })
}

fn establish(change: &Change, after: Attributes, host: &Host) -> Result<(), Fault> {
    let real = host.path(&change.path);
    let fault = |error| Fault::new(change.path.display(), error);
    fs::create_dir_all(&real).map_err(fault)?;
    if matches!(look(&change.path, host)?, Observed::Directory(now) if now.attributes() == after) {
        return Ok(());
    }
    chown(&real, Some(after.uid), Some(after.gid)).map_err(fault)?;
    // After the owner, since a change of owner clears the set-id bits.
    fs::set_permissions(&real, fs::Permissions::from_mode(after.mode)).map_err(fault)
}

fn remove_if_empty(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    use std::io::ErrorKind;
    match fs::remove_dir(host.path(&change.path)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
            progress(Progress::text(format!("{} is kept: something is in it", change.path.display())));
            Ok(())
        }
        Err(error) => Err(Fault::new(change.path.display(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desired(host: &Host, path: &str, mode: u32) -> Desired {
        let (uid, gid) = host.owner().unwrap();
        Desired { path: path.into(), mode, uid, gid }
    }

    fn plan(desired: &Desired, host: &Host) -> Result<Option<Change>, Problem> {
        let observed = Directory::observe(&[Directory::key(desired)], host).unwrap().remove(0);
        Directory::diff(desired, &observed)
    }

    #[test]
    fn made_then_converged_then_undone() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let desired = desired(&host, "/var/shared/folder", 0o2775);
        let change = plan(&desired, &host).unwrap().unwrap();
        let receipt = Directory::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!(plan(&desired, &host), Ok(None));
        Directory::apply(&change, &host, &mut |_| ()).unwrap();
        Directory::apply(&Directory::undo(&receipt).unwrap(), &host, &mut |_| ()).unwrap();
        assert_eq!(look(&desired.path, &host), Ok(Observed::Absent));
        assert!(host.path("/var/shared").is_dir());
    }

    #[test]
    fn a_directory_that_was_there_gets_its_mode_back() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        fs::create_dir(host.path("/srv")).unwrap();
        fs::set_permissions(host.path("/srv"), fs::Permissions::from_mode(0o700)).unwrap();
        let change = plan(&desired(&host, "/srv", 0o755), &host).unwrap().unwrap();
        let receipt = Directory::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!(plan(&desired(&host, "/srv", 0o755), &host), Ok(None));
        Directory::apply(&Directory::undo(&receipt).unwrap(), &host, &mut |_| ()).unwrap();
        assert_eq!(plan(&desired(&host, "/srv", 0o700), &host), Ok(None));
    }

    #[test]
    fn undo_keeps_a_directory_that_is_in_use_and_says_so() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let change = plan(&desired(&host, "/srv", 0o755), &host).unwrap().unwrap();
        let receipt = Directory::apply(&change, &host, &mut |_| ()).unwrap();
        fs::write(host.path("/srv/data"), "theirs").unwrap();
        let mut said = Vec::new();
        Directory::apply(&Directory::undo(&receipt).unwrap(), &host, &mut |progress| said.push(progress.text)).unwrap();
        assert!(host.path("/srv/data").is_file());
        assert!(said[0].contains("is kept"), "{said:?}");
    }

    #[test]
    fn links_to_directories_count_dangling_ones_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        fs::create_dir(host.path("/disc")).unwrap();
        fs::set_permissions(host.path("/disc"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("disc", host.path("/srv")).unwrap();
        std::os::unix::fs::symlink("nowhere", host.path("/dangling")).unwrap();
        fs::write(host.path("/file"), "").unwrap();
        assert_eq!(plan(&desired(&host, "/srv", 0o755), &host), Ok(None));
        assert!(plan(&desired(&host, "/dangling", 0o755), &host).unwrap_err().message.contains("symbolic link"));
        assert!(plan(&desired(&host, "/file", 0o755), &host).unwrap_err().message.contains("is a file"));
    }
}
