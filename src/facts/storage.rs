//! Whether the file systems that skep and dpkg write to take anything.

use std::path::PathBuf;

use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};
use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// What skep and dpkg write to: settings, programs, and the state of packages and of the engine.
const DIRECTORIES: [&str; 3] = ["/etc", "/usr", "/var/lib"];

/// The file system below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The directory.
    pub directory: PathBuf,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// Whether no program can run there.
    pub noexec: bool,
    /// Free bytes, for root.
    pub free: u64,
    /// How many more files it takes; absent where the file system does not count them.
    pub free_files: Option<u64>,
}

/// Reads those of the directories that skep and dpkg write to. What cannot be read is left out.
pub fn read(host: &Host) -> Vec<Storage> {
    let of = |directory: &str| Some(storage(directory, &statvfs(&host.path(directory)).ok()?));
    DIRECTORIES.into_iter().filter_map(of).collect()
}

pub(super) fn storage(directory: &str, stat: &Statvfs) -> Storage {
    let is = |flag| stat.flags().contains(flag);
    Storage {
        directory: directory.into(),
        read_only: is(FsFlags::ST_RDONLY),
        noexec: is(FsFlags::ST_NOEXEC),
        free: stat.blocks_free().saturating_mul(stat.fragment_size()),
        free_files: (stat.files() > 0).then(|| stat.files_free()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_and_the_rest_left_out() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(root.path().join("etc")).expect("a directory");
        let read = read(&Host::at(root.path()));
        let [etc] = &read[..] else { panic!("{read:?}") };
        assert_eq!(etc.directory, PathBuf::from("/etc"));
        assert!(etc.free > 0 && !etc.read_only, "{etc:?}");
    }

    #[test]
    fn a_read_only_file_system_is_told() {
        let sys = statvfs("/proc").expect("every Linux has it");
        assert_eq!(storage("/proc", &sys).free_files, None, "proc counts no files");
    }
}
