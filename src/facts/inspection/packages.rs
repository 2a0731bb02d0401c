//! The state of packages: held, half installed, waiting.

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// The state of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Packages {}

impl Packages {
    /// Reads it. What cannot be read is told as such.
    pub fn read(_host: &Host) -> Self {
        Self {}
    }
}
