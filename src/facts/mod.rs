//! What a host is: plain data that the agent reads on it, one file a fact family.

pub mod clock;
pub mod engine;
pub mod kernel;
pub mod network;
pub mod system;

use serde::{Deserialize, Serialize};

use crate::resource::Host;

pub use clock::Clock;
pub use engine::{Engine, SwarmNode, SwarmState, SwarmView};
pub use kernel::{Kernel, Support};
pub use network::Interface;
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
}

impl Facts {
    /// Reads them all.
    pub fn read(host: &Host) -> Self {
        Self {
            system: System::read(host),
            kernel: Kernel::read(host),
            clock: Clock::read(),
            network: network::read(),
            engine: Engine::read(host),
        }
    }
}
