//! What time the host thinks it is.

use serde::{Deserialize, Serialize};

/// What time the host thinks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Milliseconds since 1970, as the agent answers.
    pub unix_ms: i64,
    /// Whether the kernel holds the clock to be synchronised (adjtimex has no error flag).
    pub synchronised: bool,
}
