//! What a host is: plain data that the agent reads on it, one file a fact family.

pub mod clock;
pub mod engine;
mod gzip;
pub mod inspection;
pub mod kernel;
pub mod kernel_options;
pub mod network;
pub mod storage;
pub mod system;

use serde::{Deserialize, Serialize};

use crate::lines::to_text;
use crate::resource::Host;

pub use clock::Clock;
pub use engine::{Engine, SwarmNode, SwarmState, SwarmView};
use inspection::Wanted;

pub use inspection::Inspection;
pub use kernel::{Kernel, Support};
pub use network::Interface;
pub use storage::Storage;
pub use system::System;

/// All that is known of one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Distribution, architecture, identity.
    pub system: System,
    /// Kernel and what it can do.
    pub kernel: Kernel,
    /// What time the host thinks it is.
    pub clock: Clock,
    /// Addresses.
    pub network: Vec<Interface>,
    /// The Docker engine and the swarm as it sees it.
    pub engine: Engine,
    /// File systems that are written to.
    #[serde(default)]
    pub storage: Vec<Storage>,
    /// What only an audit looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection: Option<Box<Inspection>>,
}

impl Facts {
    /// Reads them all; those that wait for another process at the same time as the rest. What costs more than the rest
    /// is left out where no audit is made, which may ask for more options of the kernel than plans depend on.
    ///
    /// # Panics
    /// Where a reader panics, which is a bug.
    pub fn read(host: &Host, audit: Option<&Wanted>) -> Self {
        let options = audit.map_or(&[][..], |wanted| &wanted.kernel_options);
        std::thread::scope(|scope| {
            let engine = scope.spawn(|| Engine::read(host));
            // Only an audit may have to wait for it.
            let clock = audit.map(|_| scope.spawn(|| Clock::read(host, true)));
            let (system, kernel, network) =
                (System::read(host), Kernel::read(host, options), network::read());
            Self {
                system,
                kernel,
                network,
                storage: storage::read(host),
                inspection: None,
                clock: match clock {
                    Some(clock) => clock.join().expect("the clock's reader does not panic"),
                    None => Clock::read(host, false),
                },
                engine: engine.join().expect("the engine's reader does not panic"),
            }
        })
    }
}

/// A small file's text; empty where it is absent or unreadable.
fn text(host: &Host, path: &str) -> String {
    std::fs::read(host.path(path)).map(to_text).unwrap_or_default()
}
