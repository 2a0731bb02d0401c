//! The kernel's configuration, its modules and its parameters at run time.

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// The kernel's configuration, modules and parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {}

impl Kernel {
    /// Reads it. What cannot be read is told as such.
    pub fn read(_host: &Host, _options: &[String]) -> Self {
        Self {}
    }
}
