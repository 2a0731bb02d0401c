//! What is mounted, from `/proc/self/mountinfo`: asking the mount point itself would hang where its server is gone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::MountInfo;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The device, as `major:minor`.
    pub device: String,
    /// The directory of that device's file system that is mounted; `/` unless it is bound from elsewhere.
    pub root: PathBuf,
    /// The mount point.
    pub at: PathBuf,
    /// What is mounted.
    pub info: MountInfo,
}

/// What is mounted at `at`; of several on one another the one on top.
pub(super) fn at(table: &str, at: &Path) -> Option<MountInfo> {
    let at: PathBuf = at.components().collect();
    rows(table).filter(|row| row.at == at).map(|row| row.info).last()
}

/// All mounts, in the order in which they were made. Lines of another form are left out.
pub fn rows(table: &str) -> impl Iterator<Item = Row> {
    table.lines().filter_map(row)
}

/// The mount that the file or directory at `path` lies on, however deep below its mount point.
pub(crate) fn covering<'t>(table: &'t [Row], path: &Path) -> Option<&'t Row> {
    let above = table.iter().filter(|row| path.starts_with(&row.at));
    // Of several on one another the one on top comes last, and `max_by_key` takes the last of equals.
    above.max_by_key(|row| row.at.components().count())
}

/// One line as in proc_pid_mountinfo(5): six fields and optional ones, a dash, then three of the file system.
fn row(line: &str) -> Option<Row> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(2);
    let (device, root, at, own) = (mount.next()?, mount.next()?, mount.next()?, mount.next()?);
    let mut filesystem = filesystem.split(' ');
    let (fstype, source) = (filesystem.next()?, filesystem.next()?);
    let options = own.split(',').chain(filesystem.next().unwrap_or_default().split(','));
    let info = MountInfo {
        source: unescape(source),
        fstype: fstype.to_owned(),
        options: options.filter(|option| !option.is_empty()).map(unescape).collect(),
    };
    Some(Row { device: device.to_owned(), root: unescape(root).into(), at: unescape(at).into(), info })
}

/// The kernel writes blanks, tabs, line ends, backslashes and `#` as octal escapes, and so does fstab(5).
pub(crate) fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let escape = bytes.get(place..place + 4).filter(|escape| escape[0] == b'\\');
        let value = escape.and_then(|escape| std::str::from_utf8(&escape[1..]).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                place += 4;
            }
            None => {
                plain.push(bytes[place]);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
40 22 0:50 / /mnt/shared rw,noatime shared:7 - nfs4 192.168.2.1:/var/shared/folder rw,vers=4.2,rsize=131072,hard\n\
41 22 0:51 / /mnt/a\\040b rw - nfs4 192.168.2.1:/a\\040b rw,vers=4.2\n\
42 22 0:52 / /mnt/twice rw - tmpfs tmpfs rw\n\
43 42 0:53 / /mnt/twice ro - nfs4 192.168.2.1:/x ro\n";

    fn options(info: &MountInfo) -> String {
        info.options.join(",")
    }

    #[test]
    fn a_mount_is_found_with_the_options_of_both_halves() {
        let info = at(TABLE, Path::new("/mnt/shared")).unwrap();
        assert_eq!((info.source.as_str(), info.fstype.as_str()), ("192.168.2.1:/var/shared/folder", "nfs4"));
        assert_eq!(options(&info), "rw,noatime,rw,vers=4.2,rsize=131072,hard");
        assert_eq!(at(TABLE, Path::new("/mnt/shared/")), Some(info));
        assert_eq!(at(TABLE, Path::new("/mnt")), None);
    }

    #[test]
    fn a_path_lies_on_the_deepest_mount_above_it() {
        let table: Vec<_> = rows(TABLE).collect();
        for (path, source) in [
            ("/etc/docker", "/dev/sda1"),
            ("/mnt/shared/a/b", "192.168.2.1:/var/shared/folder"),
            ("/mnt/shared", "192.168.2.1:/var/shared/folder"),
            ("/mnt/shared2", "/dev/sda1"),
            ("/mnt/twice/x", "192.168.2.1:/x"),
        ] {
            let on = covering(&table, Path::new(path)).map(|row| row.info.source.as_str());
            assert_eq!(on, Some(source), "{path}");
        }
        assert_eq!(covering(&[], Path::new("/")), None);
    }

    #[test]
    fn escapes_and_stacks_are_understood() {
        assert_eq!(at(TABLE, Path::new("/mnt/a b")).unwrap().source, "192.168.2.1:/a b");
        assert_eq!(at(TABLE, Path::new("/mnt/twice")).unwrap().fstype, "nfs4");
    }

    #[test]
    fn rows_tell_what_is_bound_from_where() {
        let table = "50 22 8:1 /srv/a\\040b /data rw shared:1 master:2 - ext4 /dev/sda1 rw\nno mount\n";
        let rows: Vec<_> = rows(table).collect();
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.device.as_str(), row.root.as_path(), row.at.as_path()), ("8:1", Path::new("/srv/a b"), Path::new("/data")));
    }

    proptest! {
        #[test]
        fn any_table_is_read(table in any::<String>()) {
            at(&table, Path::new("/"));
            covering(&rows(&table).collect::<Vec<_>>(), Path::new("/a/b"));
        }
    }
}
