//! Distribution, architecture, identity.

use serde::{Deserialize, Serialize};

use crate::resource::Host;

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
    /// os-release `PRETTY_NAME`.
    pub pretty_name: String,
    /// Board name of `/etc/armbian-release`, where the host runs Armbian.
    pub armbian_board: Option<String>,
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
