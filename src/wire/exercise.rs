//! What agents are asked when shares are really used.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One mounted share, to be used as containers would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercise {
    /// Where it is mounted.
    pub at: PathBuf,
    /// The name of the file that is written there, and gone afterwards.
    pub file: String,
    /// As whom, by user ID. Nothing is written where there is nobody: the directory is only read.
    pub users: Vec<u32>,
}

/// What came of an [`Exercise`] as one user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercised {
    /// The user's ID.
    pub user: u32,
    /// What was done, in this order; the last failed where it has a `trouble`.
    pub steps: Vec<Step>,
    /// Whose the file was, as user and group ID; none where there was none.
    pub owner: Option<(u32, u32)>,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `read`, `write`, `lock`, `rename` or `remove`.
    pub name: String,
    /// Why it failed, in the system's own words.
    pub trouble: Option<String>,
}
