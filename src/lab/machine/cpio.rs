//! Initial RAM disks as the kernel unpacks them: the "new ASCII" format of cpio (kernel documentation,
//! driver-api/early-userspace/buffer-format).

use std::collections::BTreeSet;
use std::path::Path;

/// An archive that grows file by file.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a folder, and those it is in, with these permissions, unless they are there.
    pub(super) fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        let parents: Vec<&Path> = Path::new(path).ancestors().collect();
        for folder in parents.into_iter().rev().filter_map(Path::to_str).filter(|name| !name.is_empty()) {
            if self.folders.insert(folder.to_owned()) {
                self.entry(folder, 0o040_755, &[]);
            }
        }
    }

    /// Adds a file with these permissions, and the folders it is in.
    pub(super) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        let path = path.trim_matches('/');
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        self.entry(path, 0o100_000 | permissions, content);
    }

    /// The archive with its end mark.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        // Number, mode, owner, group, links, time, size, four device numbers, length of the name, no checksum.
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(content.len()).unwrap_or(u32::MAX),
            0,
            0,
            0,
            0,
            u32::try_from(name.len() + 1).unwrap_or(u32::MAX),
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader of the format finds: names, modes and contents.
    fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let field = |number: usize| {
                let start = at + 6 + 8 * number;
                u32::from_str_radix(std::str::from_utf8(&bytes[start..start + 8]).unwrap(), 16).unwrap()
            };
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = String::from_utf8(bytes[at + 110..at + 109 + name_size].to_vec()).unwrap();
            let content = (at + 110 + name_size).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return found;
            }
            found.push((name, mode, bytes[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
    }

    #[test]
    fn files_come_after_their_folders_and_each_folder_once() {
        let mut archive = Archive::default();
        archive.file("/init", 0o755, b"#!");
        archive.file("own/etc/hostname", 0o644, b"n1\n");
        archive.file("own/etc/empty", 0o600, b"");
        archive.folder("proc");
        let folder = |name: &str| (name.to_owned(), 0o040_755, Vec::new());
        assert_eq!(
            read(&archive.finish()),
            [
                ("init".to_owned(), 0o100_755, b"#!".to_vec()),
                folder("own"),
                folder("own/etc"),
                ("own/etc/hostname".to_owned(), 0o100_644, b"n1\n".to_vec()),
                ("own/etc/empty".to_owned(), 0o100_600, Vec::new()),
                folder("proc"),
            ]
        );
    }
}
