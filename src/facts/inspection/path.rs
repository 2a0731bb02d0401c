//! Where a path leads, by the table of mounts: looking into the file system of another computer may never end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::resource::Host;
use crate::resource::mount::table::{Row, covering};

/// As many links as the kernel follows, as in path_resolution(7).
const LINKS: usize = 40;

/// Kinds of file systems that lie on another computer.
const REMOTE: [&str; 11] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "ceph", "glusterfs", "lustre"];

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// A directory.
    Directory,
    /// Something else than a directory.
    Other,
    /// Nothing.
    Absent,
    /// A file system that may keep silent; not touched.
    Remote,
    /// It could not be followed, and why.
    Failed(String),
}

/// Whether a file system is on another computer.
pub(super) fn is_remote(fstype: &str) -> bool {
    REMOTE.contains(&fstype)
}

/// Whether looking into a file system may wait for another computer or another program.
pub(super) fn may_wait(fstype: &str) -> bool {
    is_remote(fstype) || matches!(fstype, "autofs" | "ocfs2" | "gfs2" | "fuse") || fstype.starts_with("fuse.")
}

/// Where a path really leads, and to what. Links are followed step by step, so that nothing that may keep silent is
/// touched on the way; what comes after the end is taken as it is written.
pub(super) fn follow(host: &Host, table: &[Row], path: &Path) -> (PathBuf, End) {
    let mut rest: VecDeque<OsString> = parts(path);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let end = |end| (rest.iter().fold(next.clone(), |path, part| path.join(part)), end);
        if covering(table, &next).is_some_and(|row| may_wait(&row.info.fstype)) {
            return end(End::Remote);
        }
        match fs::symlink_metadata(host.path(&next)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return end(End::Absent),
            Err(error) => return end(End::Failed(error.to_string())),
            Ok(there) if there.is_symlink() => {
                links += 1;
                let target = match fs::read_link(host.path(&next)) {
                    Ok(target) if links <= LINKS => target,
                    Ok(_) => return end(End::Failed("too many links".to_owned())),
                    Err(error) => return end(End::Failed(error.to_string())),
                };
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for part in parts(&target).into_iter().rev() {
                    rest.push_front(part);
                }
            }
            Ok(there) if !there.is_dir() => return end(End::Other),
            Ok(_) => at = next,
        }
    }
    (at, End::Directory)
}

/// The names that a path leads through.
fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        _ => None,
    };
    path.components().filter_map(part).collect()
}
