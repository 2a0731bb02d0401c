//! How much room is left: on file systems, in memory, for swapping.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

use super::super::{storage, text};
use super::path::{self, End};
use crate::facts::Storage;
use crate::facts::engine::data;
use crate::resource::Host;
use crate::resource::mount::table::{self, Row, covering};

/// What needs room, besides the engine's data.
const DIRECTORIES: &[&str] =
    &["/", "/etc", "/usr", "/boot", "/boot/firmware", "/tmp", "/var/lib", "/var/lib/containerd", "/var/log"];

/// How much room is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Room {
    /// The file systems that hold what needs room.
    pub disks: Vec<Disk>,
    /// Memory, in bytes; 0 where it is not known.
    pub memory: u64,
    /// Memory that programs can have without swapping, in bytes.
    pub available: u64,
    /// What is swapped to.
    pub swaps: Vec<Swap>,
}

/// A file system that holds what needs room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Which of the directories it holds.
    pub holds: Vec<PathBuf>,
    /// Its kind: `ext4`.
    pub kind: String,
    /// What is mounted: `/dev/mmcblk0p1`.
    pub source: String,
    /// Bytes in all.
    pub size: u64,
    /// How many files it takes in all; absent where it does not count them.
    pub files: Option<u64>,
    /// Where it is mounted, and what is left of it.
    pub storage: Storage,
}

/// A file or device that is swapped to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// Where it is: `/dev/zram0`.
    pub path: String,
    /// Bytes in all.
    pub size: u64,
}

impl Room {
    /// Reads it, for the directories that are shared as well. What cannot be read is left out.
    pub fn read(host: &Host, shared: &[PathBuf]) -> Self {
        let mounts: Vec<Row> = table::rows(&text(host, "/proc/self/mountinfo")).collect();
        let mut disks: Vec<Disk> = Vec::new();
        let engine = data::roots(host).unwrap_or_default();
        for directory in DIRECTORIES.iter().map(PathBuf::from).chain(engine).chain(shared.iter().cloned()) {
            let Some(row) = row_of(host, &mounts, &directory) else { continue };
            match disks.iter_mut().find(|disk| disk.storage.directory == row.at) {
                Some(disk) if disk.holds.contains(&directory) => {}
                Some(disk) => disk.holds.push(directory),
                None => disks.extend(disk(host, row, directory)),
            }
        }
        let meminfo = text(host, "/proc/meminfo");
        Self {
            disks,
            memory: kib(&meminfo, "MemTotal:"),
            available: kib(&meminfo, "MemAvailable:"),
            swaps: swaps(&text(host, "/proc/swaps")),
        }
    }
}

/// What the directory is on, be it there yet or not; none where that could keep silent.
fn row_of<'m>(host: &Host, mounts: &'m [Row], directory: &Path) -> Option<&'m Row> {
    match path::follow(host, mounts, directory) {
        (_, End::Remote) => None,
        (real, _) => covering(mounts, &real),
    }
}

fn disk(host: &Host, row: &Row, directory: PathBuf) -> Option<Disk> {
    let stat = statvfs(&host.path(&row.at)).ok()?;
    Some(Disk {
        holds: vec![directory],
        kind: row.info.fstype.clone(),
        source: row.info.source.clone(),
        size: stat.blocks().saturating_mul(stat.fragment_size()),
        files: (stat.files() > 0).then(|| stat.files()),
        storage: storage::storage(&row.at.to_string_lossy(), &stat),
    })
}

/// A line of proc_meminfo(5), in bytes.
fn kib(meminfo: &str, name: &str) -> u64 {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    value.and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib.saturating_mul(1024))
}

/// The lines of `/proc/swaps` below its headline.
fn swaps(text: &str) -> Vec<Swap> {
    let swap = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let size = fields.get(2)?.parse::<u64>().ok()?.saturating_mul(1024);
        Some(Swap { path: table::unescape(fields[0]), size })
    };
    text.lines().skip(1).filter_map(swap).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TABLE: &str = "\
22 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw
23 22 0:40 / /tmp rw - tmpfs tmpfs rw
24 22 0:50 / /var/log rw - nfs4 nas:/log rw
25 22 0:51 / /mnt/data rw - nfs4 nas:/data rw
26 22 0:52 / /mnt/files rw - fuse.sshfs maya@desk: rw
";

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        for folder in ["proc/self", "var/lib", "var/log", "tmp", "mnt/data"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        fs::write(root.path().join("proc/self/mountinfo"), TABLE).expect("a file");
        root
    }

    fn holds(room: &Room, at: &str) -> Vec<String> {
        let disk = room.disks.iter().find(|disk| disk.storage.directory == Path::new(at));
        disk.map(|disk| disk.holds.iter().map(|path| path.display().to_string()).collect())
            .unwrap_or_default()
    }

    #[test]
    fn directories_are_told_by_their_file_systems_and_remote_ones_left_out() {
        let root = root();
        let room = Room::read(&Host::at(root.path()), &[]);
        assert_eq!(
            holds(&room, "/"),
            [
                "/",
                "/etc",
                "/usr",
                "/boot",
                "/boot/firmware",
                "/var/lib",
                "/var/lib/containerd",
                "/var/lib/docker"
            ]
        );
        assert_eq!(holds(&room, "/tmp"), ["/tmp"]);
        assert_eq!(room.disks.len(), 2, "{room:?}");
        assert!(room.disks[0].size > 0 && room.disks[0].kind == "ext4", "{room:?}");
    }

    #[test]
    fn a_link_to_a_server_is_never_followed() {
        let root = root();
        std::os::unix::fs::symlink("/mnt/data/docker", root.path().join("var/lib/docker")).expect("a link");
        let room = Room::read(&Host::at(root.path()), &[]);
        assert!(!holds(&room, "/").contains(&"/var/lib/docker".to_owned()));
        assert_eq!(room.disks.len(), 2, "{room:?}");
        let rows: Vec<_> = table::rows(TABLE).collect();
        assert!(row_of(&Host::at(root.path()), &rows, Path::new("/mnt/files/x")).is_none());
    }

    #[test]
    fn shared_directories_are_looked_at_but_not_those_of_other_computers() {
        let root = root();
        let shared = ["/tmp/shared", "/srv/new", "/mnt/data/again", "/mnt/files"].map(PathBuf::from);
        let room = Room::read(&Host::at(root.path()), &shared);
        assert_eq!(holds(&room, "/tmp"), ["/tmp", "/tmp/shared"]);
        assert_eq!(holds(&room, "/").last().map(String::as_str), Some("/srv/new"));
        assert_eq!(room.disks.len(), 2, "{room:?}");
    }

    #[test]
    fn memory_and_swap() {
        let meminfo = "MemTotal:        3884376 kB\nMemAvailable:    1000 kB\n";
        assert_eq!((kib(meminfo, "MemTotal:"), kib(meminfo, "MemAvailable:")), (3_884_376 * 1024, 1_024_000));
        assert_eq!(kib("", "MemTotal:"), 0);
        let text = "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0   partition\t1942188\t0\t5\n/swap\\040file file 10 0 -2\nnonsense\n";
        let told: Vec<_> =
            swaps(text).into_iter().map(|swap| format!("{} {}", swap.path, swap.size)).collect();
        assert_eq!(told, ["/dev/zram0 1988800512", "/swap file 10240"]);
    }
}
