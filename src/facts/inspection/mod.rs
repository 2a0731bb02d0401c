//! What only an audit asks a host about, besides its [`Facts`](super::Facts): one file a family.
//!
//! Nothing here changes the host, waits for a file server that may be dead, or starts an engine that is stopped.

pub mod access;
pub mod boot;
pub mod engine;
pub mod kernel;
pub mod network;
pub mod nfs;
pub mod packages;
mod path;
pub mod room;
pub mod time;
mod units;

use serde::{Deserialize, Serialize};

use crate::resource::Host;

pub use access::Access;
pub use boot::Boot;
pub use engine::Engine;
pub use kernel::Kernel;
pub use network::Network;
pub use nfs::Nfs;
pub use packages::Packages;
pub use room::Room;
pub use time::Time;

/// What an audit wants to know of one host in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Options of the kernel's configuration, without `CONFIG_`; the answer is in [`super::Kernel::options`].
    #[serde(default)]
    pub kernel_options: Vec<String>,
    /// What it shall share and mount.
    #[serde(default)]
    pub nfs: nfs::Wanted,
}

/// What an audit looks at on one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspection {
    /// Who may log in, and how.
    pub access: Access,
    /// What starts left behind and wait for.
    pub boot: Boot,
    /// What keeps the clock right.
    pub time: Time,
    /// How much room is left.
    pub room: Room,
    /// The kernel's configuration, modules and parameters.
    pub kernel: Kernel,
    /// The state of packages.
    pub packages: Packages,
    /// The engine's settings and the certificate of its node.
    pub engine: Engine,
    /// What is exported and what is mounted.
    pub nfs: Nfs,
    /// Routes, sizes of packets, packet filters.
    pub network: Network,
}

impl Inspection {
    /// Looks at what may have to wait, for sshd or for a file server, while it looks at the rest. A thread for each would
    /// cost a host with few processors more time than it saves.
    ///
    /// # Panics
    /// Where a reader panics, which is a bug.
    pub fn read(host: &Host, wanted: &Wanted) -> Self {
        const DONE: &str = "no reader panics";
        std::thread::scope(|scope| {
            let access = scope.spawn(|| Access::read(host));
            let nfs = scope.spawn(|| Nfs::read(host, &wanted.nfs));
            Self {
                boot: Boot::read(host),
                time: Time::read(host),
                room: Room::read(host, &wanted.nfs.shared),
                network: Network::read(host),
                kernel: Kernel::read(host, &wanted.kernel_options),
                engine: Engine::read(host),
                packages: Packages::read(host),
                access: access.join().expect(DONE),
                nfs: nfs.join().expect(DONE),
            }
        })
    }
}
