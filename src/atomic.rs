//! Writing a file of this computer so that nobody ever sees half of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A new file is readable by all, as git would make it: an inventory holds no secrets.
const NEW_FILE_MODE: u32 = 0o644;

/// How the names of files begin that are not written to their end; a power cut may leave one behind.
pub(crate) const UNFINISHED: &str = ".skep-";

/// Replaces the file's content in one step, keeping its mode. A symbolic link stays; its target is replaced.
///
/// # Errors
/// What the system says; the old content is then still there.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&target).map_or(NEW_FILE_MODE, |old| old.permissions().mode() & 0o7777);
    write(&target, text, mode)
}

/// Makes the file, or replaces whatever is at the path, in one step and with this mode.
///
/// # Errors
/// As [`replace`].
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // Without this a power cut may undo the rename.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new.yml");
        replace(&path, "a: 1\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "a: 1\n");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o644);
    }

    #[test]
    fn an_old_file_keeps_its_mode_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("old.yml");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        replace(&path, "new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_mode_that_is_given_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        for (text, mode) in [("one", 0o644), ("two", 0o600), ("three", 0o755)] {
            write(&path, text, mode).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, mode);
        }
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").expect("written");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        replace(&link, "new").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&target).expect("there"), "new");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(replace(&folder.path().join("no/such.yml"), "x").is_err());
    }
}
