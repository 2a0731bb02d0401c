//! Writing a file so that nobody ever sees half of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A new file is readable by all, as git would make it: an inventory holds no secrets.
const NEW_FILE_MODE: u32 = 0o644;

/// Replaces the file's content in one step, keeping its mode. A symbolic link stays; its target is replaced.
///
/// # Errors
/// What the system says; the old content is then still there.
pub fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(&target).map_or(NEW_FILE_MODE, |old| old.permissions().mode() & 0o7777);
    let mut temporary = tempfile::Builder::new().prefix(".skep-").tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
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
        write_atomically(&path, "a: 1\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "a: 1\n");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o644);
    }

    #[test]
    fn an_old_file_keeps_its_mode_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("old.yml");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        write_atomically(&path, "new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").expect("written");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        write_atomically(&link, "new").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&target).expect("there"), "new");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write_atomically(&folder.path().join("no/such.yml"), "x").is_err());
    }
}
