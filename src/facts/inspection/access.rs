//! Who may log in, and how: the agent's own privilege and what sshd says of itself.

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// Who may log in, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {}

impl Access {
    /// Reads it. What cannot be read is told as such.
    pub fn read(_host: &Host) -> Self {
        Self {}
    }
}
