//! The engine's settings, its storage, and the certificate of its node in the swarm.

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// The engine's settings and the certificate of its node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {}

impl Engine {
    /// Reads it. What cannot be read is told as such.
    pub fn read(_host: &Host) -> Self {
        Self {}
    }
}
