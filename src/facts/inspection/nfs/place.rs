//! A directory that is exported or mounted at, and the file system below it; looked at only as far as that is this
//! computer's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::path::{End, follow};
use crate::resource::Host;
use crate::resource::mount::table::{Row, covering};

/// A directory, and the file system below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The directory as it was asked about.
    pub path: PathBuf,
    /// Where it really is, behind links.
    pub real: PathBuf,
    /// What is there.
    pub found: Found,
    /// The mount that it lies on; none where the table of mounts cannot be read.
    pub on: Option<Row>,
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Nothing.
    Absent,
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Whether something is in it.
        filled: bool,
    },
    /// Something else than a directory.
    Other,
    /// A file system of another computer, or one that a program serves; not touched.
    Remote,
    /// It could not be looked at, and why.
    Failed(String),
}

/// Looks at a place, unless that may wait for another computer.
pub(super) fn look(host: &Host, path: &Path, table: &[Row]) -> Place {
    let (real, end) = follow(host, table, path);
    let found = match end {
        End::Directory => directory(host, &real),
        End::Other => Found::Other,
        End::Absent => Found::Absent,
        End::Remote => Found::Remote,
        End::Failed(why) => Found::Failed(why),
    };
    let on = covering(table, &real).cloned();
    Place { path: path.to_owned(), real, found, on }
}

fn directory(host: &Host, path: &Path) -> Found {
    let path = host.path(path);
    let looked = fs::symlink_metadata(&path).and_then(|there| {
        let filled = fs::read_dir(&path)?.next().is_some();
        let mode = there.permissions().mode() & 0o7777;
        Ok(Found::Directory { mode, uid: there.uid(), gid: there.gid(), filled })
    });
    looked.unwrap_or_else(|error| Found::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::resource::mount::table::rows;

    fn table() -> Vec<Row> {
        rows(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             30 22 8:2 / /srv/disc rw - ext4 /dev/sdb1 rw\n\
             40 22 0:50 / /mnt/far rw - nfs4 10.0.0.1:/x rw\n\
             41 22 0:51 / /mnt/auto rw - autofs systemd-1 rw\n\
             42 22 0:52 / /mnt/key rw - fuse.sshfs desk: rw\n\
             43 22 8:3 / /mnt/stick rw - fuseblk /dev/sdc1 rw\n",
        )
        .collect()
    }

    #[test]
    fn only_what_is_this_computers_own_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        for directory in ["srv/disc/full", "srv/empty", "mnt/far/deep", "mnt/auto", "mnt/key", "mnt/stick"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("srv/disc/full/file"), "").unwrap();
        fs::write(root.path().join("srv/file"), "").unwrap();
        for (target, link) in [
            ("/mnt/far/deep", "srv/away"),
            ("disc/../disc/full", "srv/here"),
            ("loop", "srv/loop"),
            ("/nowhere", "srv/gone"),
        ] {
            symlink(target, root.path().join(link)).unwrap();
        }
        let kind = |found: &Found| match found {
            Found::Directory { filled: true, .. } => "filled",
            Found::Directory { .. } => "empty",
            Found::Absent => "absent",
            Found::Other => "other",
            Found::Remote => "remote",
            Found::Failed(_) => "failed",
        };
        for (path, real, found, on) in [
            ("/srv/disc/full", "/srv/disc/full", "filled", "/srv/disc"),
            ("/srv/here", "/srv/disc/full", "filled", "/srv/disc"),
            ("/srv/empty", "/srv/empty", "empty", "/"),
            ("/srv/file", "/srv/file", "other", "/"),
            ("/srv/none/deeper", "/srv/none/deeper", "absent", "/"),
            ("/srv/gone", "/nowhere", "absent", "/"),
            ("/srv/loop", "/srv/loop", "failed", "/"),
            ("/srv/away", "/mnt/far/deep", "remote", "/mnt/far"),
            ("/srv/away/more", "/mnt/far/deep/more", "remote", "/mnt/far"),
            ("/mnt/far", "/mnt/far", "remote", "/mnt/far"),
            ("/mnt/auto", "/mnt/auto", "remote", "/mnt/auto"),
            ("/mnt/key", "/mnt/key", "remote", "/mnt/key"),
            ("/mnt/stick", "/mnt/stick", "empty", "/mnt/stick"),
        ] {
            let place = look(&host, Path::new(path), &table());
            let on_point = place.on.as_ref().map(|row| row.at.display().to_string());
            assert_eq!(
                (place.real.display().to_string().as_str(), kind(&place.found), on_point.as_deref()),
                (real, found, Some(on)),
                "{path}"
            );
        }
    }
}
