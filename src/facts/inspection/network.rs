//! Routes, sizes of packets, packet filters.

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// Routes, sizes of packets, packet filters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {}

impl Network {
    /// Reads it. What cannot be read is told as such.
    pub fn read(_host: &Host) -> Self {
        Self {}
    }
}
