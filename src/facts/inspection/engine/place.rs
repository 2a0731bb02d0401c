//! What a directory lies on, by the table of mounts alone: a file server that is gone is never asked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::path;
use crate::resource::Host;
use crate::resource::mount::table::{Row, covering};

/// What a directory lies on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The directory as the options name it.
    pub directory: PathBuf,
    /// Where its file system is mounted.
    pub point: PathBuf,
    /// Its file system: `ext4`; empty where the kernel does not tell.
    pub fstype: String,
    /// The device: `/dev/mmcblk0p1`.
    pub source: String,
}

impl Place {
    /// Looks it up in the table of mounts. A directory that is not there yet lies where it would.
    pub(super) fn of(host: &Host, table: &[Row], directory: PathBuf) -> Self {
        let (real, _) = path::follow(host, table, &directory);
        match covering(table, &real).cloned() {
            Some(Row { at, info, .. }) => {
                Self { directory, point: at, fstype: info.fstype, source: info.source }
            }
            None => Self { directory, ..Self::default() },
        }
    }
}

/// Whether a file system is on another machine, or stands and falls with a process.
pub fn is_remote(fstype: &str) -> bool {
    path::is_remote(fstype) || fstype.starts_with("fuse")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::resource::mount::table::rows;

    const TABLE: &str = "\
22 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n\
30 22 8:1 / /mnt/ssd rw - xfs /dev/sda1 rw\n\
31 22 0:50 / /mnt/nas rw - nfs4 192.168.2.9:/volume rw\n";

    fn on(host: &Host, directory: &str) -> String {
        let place = Place::of(host, &rows(TABLE).collect::<Vec<_>>(), directory.into());
        assert_eq!(place.directory, Path::new(directory));
        format!("{} {} {}", place.point.display(), place.fstype, place.source)
    }

    #[test]
    fn a_directory_lies_where_its_links_lead() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = Host::at(root.path());
        fs::create_dir_all(host.path("/var/lib")).expect("a directory");
        fs::create_dir_all(host.path("/mnt/ssd/docker")).expect("a directory");
        for (link, target) in [
            ("/var/lib/docker", "/mnt/ssd/docker"),
            ("/relative", "var/../mnt/ssd"),
            ("/far", "/mnt/nas/docker"),
            ("/circle", "circle"),
        ] {
            symlink(target, host.path(link)).expect("a link");
        }
        for (directory, expected) in [
            ("/var/lib/containerd", "/ ext4 /dev/mmcblk0p2"),
            ("/var/lib/docker", "/mnt/ssd xfs /dev/sda1"),
            ("/var/lib/docker/swarm", "/mnt/ssd xfs /dev/sda1"),
            ("/relative/x", "/mnt/ssd xfs /dev/sda1"),
            ("/far", "/mnt/nas nfs4 192.168.2.9:/volume"),
            ("/circle", "/ ext4 /dev/mmcblk0p2"),
        ] {
            assert_eq!(on(&host, directory), expected, "{directory}");
        }
        let nothing = Place::of(&host, &[], "/var/lib/docker".into());
        assert_eq!((nothing.fstype.as_str(), nothing.source.as_str()), ("", ""));
    }

    #[test]
    fn what_is_remote() {
        for (fstype, remote) in
            [("ext4", false), ("nfs4", true), ("fuse.sshfs", true), ("fuseblk", true), ("tmpfs", false)]
        {
            assert_eq!(is_remote(fstype), remote, "{fstype}");
        }
    }
}
