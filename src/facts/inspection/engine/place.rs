//! What a directory lies on, by the table of mounts alone: a file server that is gone is never asked.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::resource::Host;
use crate::resource::mount::holding;

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
    /// Looks it up in the text of `/proc/self/mountinfo`. A directory that is not there yet lies where it would.
    pub(super) fn of(host: &Host, table: &str, directory: PathBuf) -> Self {
        match holding(table, &resolved(host, table, &directory)) {
            Some((point, mount)) => Self { directory, point, fstype: mount.fstype, source: mount.source },
            None => Self { directory, ..Self::default() },
        }
    }
}

/// Whether a file system is on another machine, or stands and falls with a process: looking into it may never end.
pub fn is_remote(fstype: &str) -> bool {
    ["nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs", "lustre"].contains(&fstype)
        || fstype.starts_with("fuse")
}

/// How many links a path may lead through, as in path_resolution(7).
const MOST_LINKS: usize = 40;

/// The path with all links followed that are on this machine.
fn resolved(host: &Host, table: &str, path: &Path) -> PathBuf {
    let mut left: Vec<PathBuf> = steps(path);
    let (mut real, mut links) = (PathBuf::from("/"), 0);
    while let Some(step) = left.pop() {
        if step == Path::new("..") {
            real.pop();
            continue;
        }
        let next = real.join(step);
        if holding(table, &next).is_some_and(|(_, mount)| is_remote(&mount.fstype)) {
            return left.iter().rev().fold(next, |path, step| path.join(step));
        }
        match fs::read_link(host.path(&next)) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                left.extend(steps(&target));
            }
            _ => real = next,
        }
    }
    real
}

/// The names that a path leads through, the last one first.
fn steps(path: &Path) -> Vec<PathBuf> {
    let named = path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
    named.rev().map(|step| PathBuf::from(step.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const TABLE: &str = "\
22 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n\
30 22 8:1 / /mnt/ssd rw - xfs /dev/sda1 rw\n\
31 22 0:50 / /mnt/nas rw - nfs4 192.168.2.9:/volume rw\n";

    fn on(host: &Host, directory: &str) -> String {
        let place = Place::of(host, TABLE, directory.into());
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
        let nothing = Place::of(&host, "", "/var/lib/docker".into());
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
