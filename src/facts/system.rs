//! Distribution, architecture, identity.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text;
use crate::resource::{Host, Status};

/// Distribution, architecture, identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// `/etc/hostname`'s first word, else the kernel's.
    pub hostname: String,
    /// `/etc/machine-id`; empty where it has none yet.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`: differs after each boot.
    pub boot_id: String,
    /// os-release `ID`: `debian`, `ubuntu`.
    pub id: String,
    /// os-release `ID_LIKE`, split.
    pub id_like: Vec<String>,
    /// os-release `VERSION_CODENAME`: `bookworm`; empty on sid.
    pub codename: String,
    /// os-release `UBUNTU_CODENAME`: the release of Ubuntu that this system was made from.
    #[serde(default)]
    pub ubuntu_codename: Option<String>,
    /// os-release `DEBIAN_CODENAME`: the release of Debian that this system was made from.
    #[serde(default)]
    pub debian_codename: Option<String>,
    /// os-release `PRETTY_NAME`.
    pub pretty_name: String,
    /// Board name of `/etc/armbian-release`, where the host runs Armbian.
    pub armbian_board: Option<String>,
    /// What was made of the distribution where os-release keeps silent about it: `Armbian`, `Raspberry Pi OS`, `DietPi`.
    #[serde(default)]
    pub variant: Option<String>,
    /// dpkg's architecture: `arm64`, `amd64`; the kernel's may differ (64-bit kernel, 32-bit userland).
    pub architecture: String,
    /// Whether systemd is process 1.
    pub systemd: bool,
    /// Memory in bytes.
    pub memory: u64,
    /// Number of processors.
    pub processors: u32,
    /// Free bytes of the file system that holds `/var/lib`.
    pub free_disk: u64,
}

impl System {
    /// What tells this installation from any other, such as in journals: a hash, since machine-id(5) asks for the ID itself
    /// not to be spread. Empty where there is no ID.
    pub fn fingerprint(&self) -> String {
        if self.machine_id.is_empty() {
            return String::new();
        }
        let hash = Sha256::digest(format!("skep {}", self.machine_id));
        hash[..8].iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Reads it. What cannot be read is empty or 0.
    pub fn read(host: &Host) -> Self {
        let release = [text(host, "/etc/os-release"), text(host, "/usr/lib/os-release")];
        let release = assignments(release.iter().find(|text| !text.is_empty()).map_or("", String::as_str));
        let of = |key: &str| release.get(key).cloned().unwrap_or_default();
        let armbian = assignments(&text(host, "/etc/armbian-release"));
        Self {
            hostname: hostname(&text(host, "/etc/hostname"))
                .or_else(|| hostname(&text(host, "/proc/sys/kernel/hostname")))
                .unwrap_or_default(),
            machine_id: machine_id(&text(host, "/etc/machine-id")),
            boot_id: text(host, "/proc/sys/kernel/random/boot_id").trim().to_owned(),
            id: of("ID"),
            id_like: of("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
            codename: of("VERSION_CODENAME"),
            ubuntu_codename: release.get("UBUNTU_CODENAME").cloned(),
            debian_codename: release.get("DEBIAN_CODENAME").cloned(),
            pretty_name: of("PRETTY_NAME"),
            armbian_board: armbian.get("BOARD_NAME").or_else(|| armbian.get("BOARD")).cloned(),
            variant: variant(host).map(str::to_owned),
            architecture: Status::seen(host).map(|status| status.architecture.clone()).unwrap_or_default(),
            // The test of sd_booted(3).
            systemd: host.path("/run/systemd/system").is_dir(),
            memory: memory(&text(host, "/proc/meminfo")),
            processors: processors(&text(host, "/sys/devices/system/cpu/online")),
            free_disk: free_disk(host),
        }
    }
}

/// Files that only that system has. DietPi is made from others that have theirs, so it comes first.
const VARIANTS: &[(&str, &str)] = &[
    ("/boot/dietpi/.version", "DietPi"),
    ("/etc/armbian-release", "Armbian"),
    ("/etc/rpi-issue", "Raspberry Pi OS"),
];

fn variant(host: &Host) -> Option<&'static str> {
    VARIANTS.iter().find(|(file, _)| host.path(file).is_file()).map(|(_, name)| *name)
}

/// The assignments of a file in the form of os-release(5): `NAME=value`, `NAME="value"`, `NAME='value'`.
pub(crate) fn assignments(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim())))
        .collect()
}

/// A shell word without its quotes and backslashes.
fn unquoted(value: &str) -> String {
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote).map(|inner| (quote, inner)));
    match inner {
        Some(('\'', inner)) => inner.to_owned(),
        Some((_, inner)) => unescaped(inner),
        None => unescaped(value),
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => plain.extend(chars.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// The name in hostname(5): its first word that is no comment.
fn hostname(text: &str) -> Option<String> {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .and_then(|line| line.split_whitespace().next())
        .map(str::to_owned)
}

/// The ID in machine-id(5); `uninitialized` stands for none before the first boot is through.
fn machine_id(text: &str) -> String {
    let id = text.trim();
    if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        id.to_owned()
    } else {
        String::new()
    }
}

/// `MemTotal` of proc_meminfo(5), in bytes.
fn memory(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

/// How many processors a kernel list names: `0-3,5` are five.
fn processors(list: &str) -> u32 {
    list.trim()
        .split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
            last.checked_sub(first)?.checked_add(1)
        })
        .fold(0, u32::saturating_add)
}

/// Free bytes, for root, of the file system that holds `/var/lib`.
fn free_disk(host: &Host) -> u64 {
    let directory = host.path("/var/lib");
    let directory = if fs::exists(&directory).unwrap_or(false) { directory } else { host.path("/") };
    nix::sys::statvfs::statvfs(&directory)
        .map_or(0, |stat| stat.blocks_available().saturating_mul(stat.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_of_a_shell_word() {
        for (value, plain) in [
            ("a", "a"),
            ("\"a b\"", "a b"),
            ("'a\\b'", "a\\b"),
            ("\"a\\\"b\"", "a\"b"),
            ("a\\$b", "a$b"),
            ("\"", "\""),
        ] {
            assert_eq!(unquoted(value), plain, "{value}");
        }
    }

    #[test]
    fn hostnames() {
        assert_eq!(hostname("n1\n").as_deref(), Some("n1"));
        assert_eq!(hostname("# set by the image\n\n  orangepi  # board\n").as_deref(), Some("orangepi"));
        assert_eq!(hostname("\n"), None);
    }

    #[test]
    fn machine_ids_before_and_after_the_first_boot() {
        assert_eq!(machine_id("4c4c4544004a3510804db8c04f4e3332\n"), "4c4c4544004a3510804db8c04f4e3332");
        for none in ["", "\n", "uninitialized\n", "4c4c"] {
            assert_eq!(machine_id(none), "", "{none:?}");
        }
    }

    #[test]
    fn memory_and_processors() {
        assert_eq!(memory("MemTotal:        3884376 kB\nMemFree: 1 kB\n"), 3_884_376 * 1024);
        assert_eq!(memory(""), 0);
        for (list, count) in [("0\n", 1), ("0-3\n", 4), ("0-3,5\n", 5), ("0,2,4-5", 4), ("", 0), ("3-0", 0)] {
            assert_eq!(processors(list), count, "{list:?}");
        }
    }

    #[test]
    fn an_empty_root_has_nothing_and_does_not_fail() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let system = System::read(&Host::at(root.path()));
        assert_eq!((system.hostname.as_str(), system.id.as_str(), system.systemd), ("", "", false));
        assert!(system.free_disk > 0);
    }
}
