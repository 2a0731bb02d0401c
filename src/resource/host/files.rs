//! Files of the host: read whole, written atomically.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::super::Fault;
use super::Host;

impl Host {
    /// What is at `path` itself, be it a link; none where there is nothing.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Result<Option<Metadata>, Fault> {
        found(fs::symlink_metadata(self.path(&path)), &path)
    }

    /// The file at `path`, to be read; none where there is nothing.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Option<File>, Fault> {
        found(File::open(self.path(&path)), &path)
    }

    /// The bytes of the regular file at `path`; none where there is nothing.
    ///
    /// # Errors
    /// Where it cannot be read or is no regular file; links are followed for reading.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Fault> {
        found(fs::read(self.path(&path)), &path)
    }

    /// The text of the file at `path`; none where there is nothing.
    ///
    /// # Errors
    /// Where it cannot be read or is not UTF-8.
    pub fn read_text(&self, path: impl AsRef<Path>) -> Result<Option<String>, Fault> {
        found(fs::read_to_string(self.path(&path)), &path)
    }

    /// Writes the file at `path` so that at any moment either the old or the new one is there in whole, also after
    /// a power failure. Missing directories above it are made (0755).
    ///
    /// # Errors
    /// Where it cannot be written, or something other than a regular file is there: a link is somebody's arrangement,
    /// and neither replacing it nor writing through it would be what they meant.
    pub fn write_atomically(
        &self,
        path: impl AsRef<Path>,
        bytes: &[u8],
        mode: u32,
        uid: u32,
        gid: u32,
    ) -> Result<(), Fault> {
        let path = path.as_ref();
        if let Some(there) = self.metadata(path)?
            && !there.is_file()
        {
            return Err(Fault::new(path.display(), format!("is {}, not a plain file", kind_of(&there)))
                .help(format!("look at it with `ls -l {}`, then move it away", path.display())));
        }
        self.replace(path, bytes, mode, uid, gid).map_err(|error| Fault::new(path.display(), error))
    }

    fn replace(&self, path: &Path, bytes: &[u8], mode: u32, uid: u32, gid: u32) -> std::io::Result<()> {
        let real = self.path(path);
        let (Some(directory), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(ErrorKind::InvalidFilename.into());
        };
        fs::create_dir_all(directory)?;
        // One name for each file, so that what a killed run left behind is overwritten and does not pile up; the dot
        // keeps exports.d, sysctl.d and their like from reading it.
        let temporary = format!(".{}.skep", name.to_string_lossy());
        match fs::remove_file(directory.join(&temporary)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = tempfile::Builder::new().prefix(&temporary).rand_bytes(0).tempfile_in(directory)?;
        file.write_all(bytes)?;
        fchown(file.as_file(), Some(uid), Some(gid))?;
        // After the owner, since a change of owner clears the set-id bits.
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(&real)?;
        File::open(directory)?.sync_all()
    }

    /// Writes a file of the system: 0644, of root (of whoever owns the root directory).
    ///
    /// # Errors
    /// As [`Host::write_atomically`].
    pub fn write_system_file(&self, path: impl AsRef<Path>, text: &str) -> Result<(), Fault> {
        let (uid, gid) = self.owner()?;
        self.write_atomically(path, text.as_bytes(), 0o644, uid, gid)
    }

    /// Removes the file at `path`; no fault where there is none.
    ///
    /// # Errors
    /// Where it is there and cannot be removed.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> Result<(), Fault> {
        found(fs::remove_file(self.path(&path)), &path)?;
        if let Some(directory) = self.path(&path).parent()
            && let Ok(directory) = File::open(directory)
        {
            directory.sync_all().map_err(|error| Fault::new(path.as_ref().display(), error))?;
        }
        Ok(())
    }

    /// Who owns the system's files.
    ///
    /// # Errors
    /// Where the root cannot be looked at.
    pub fn owner(&self) -> Result<(u32, u32), Fault> {
        let root = fs::metadata(&self.root).map_err(|error| Fault::new(self.root.display(), error))?;
        Ok((root.uid(), root.gid()))
    }
}

/// Absence is an answer, not a failure.
fn found<T>(result: std::io::Result<T>, path: &impl AsRef<Path>) -> Result<Option<T>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Fault::new(path.as_ref().display(), error)),
    }
}

/// What a file is, in words.
pub(crate) fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_file() => "a file",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        (root, host)
    }

    fn mode(host: &Host, path: &str) -> u32 {
        host.metadata(path).unwrap().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_written_with_its_mode_and_directories() {
        let (_root, host) = host();
        let (uid, gid) = host.owner().unwrap();
        host.write_atomically("/etc/a/b", b"one", 0o640, uid, gid).unwrap();
        assert_eq!(host.read_text("/etc/a/b").unwrap().as_deref(), Some("one"));
        assert_eq!(mode(&host, "/etc/a/b"), 0o640);
        host.write_system_file("/etc/a/b", "two").unwrap();
        assert_eq!(host.read_text("/etc/a/b").unwrap().as_deref(), Some("two"));
        assert_eq!(mode(&host, "/etc/a/b"), 0o644);
        let names: Vec<_> =
            fs::read_dir(host.path("/etc/a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["b"], "nothing temporary is left");
    }

    #[test]
    fn what_a_killed_run_left_behind_does_not_hinder() {
        let (_root, host) = host();
        fs::create_dir(host.path("/etc")).unwrap();
        fs::write(host.path("/etc/.b.skep"), "half").unwrap();
        host.write_system_file("/etc/b", "whole").unwrap();
        assert_eq!(host.read_text("/etc/b").unwrap().as_deref(), Some("whole"));
        assert_eq!(host.metadata("/etc/.b.skep").unwrap().map(|_| ()), None);
    }

    #[test]
    fn links_and_directories_are_not_written_over() {
        let (_root, host) = host();
        fs::write(host.path("/target"), "theirs").unwrap();
        std::os::unix::fs::symlink("target", host.path("/link")).unwrap();
        fs::create_dir(host.path("/directory")).unwrap();
        for (path, what) in [("/link", "symbolic link"), ("/directory", "directory")] {
            let fault = host.write_system_file(path, "ours").unwrap_err();
            assert!(fault.cause.contains(what) && fault.what == path, "{fault}");
        }
        assert_eq!(host.read_text("/target").unwrap().as_deref(), Some("theirs"));
    }

    #[test]
    fn absence_is_an_answer() {
        let (_root, host) = host();
        assert_eq!(host.read_text("/no/such").unwrap(), None);
        assert_eq!(host.read("/no/such").unwrap(), None);
        host.remove_file("/no/such").unwrap();
        fs::write(host.path("/file"), [0xff]).unwrap();
        assert_eq!(host.read_text("/file/below").unwrap(), None);
        assert!(host.read_text("/file").is_err(), "not UTF-8 is not absence");
    }
}
