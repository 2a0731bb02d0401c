//! One look at a host: what several readers want of it is read once, by the first of them.

use std::sync::{Arc, Mutex, OnceLock};

use super::super::systemd::Bus;
use super::super::{Fault, Status};
use super::Host;
use crate::facts::engine::process::Processes;

/// What was read in one look.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// dpkg's record.
    pub(crate) packages: OnceLock<Result<Arc<Status>, Fault>>,
    /// What runs.
    pub(crate) processes: OnceLock<Arc<Processes>>,
    /// The connection over which systemd is asked.
    pub(crate) systemd: Mutex<Option<Bus>>,
}

impl Host {
    /// The same host for one look at it. What several ask for stays what the first of them saw, so that this is for no
    /// one who changes anything.
    #[must_use]
    pub fn look(&self) -> Self {
        Self { root: self.root.clone(), look: Some(Arc::default()) }
    }

    /// What was read in the look that this host is for, if it is for one.
    pub(crate) fn in_this_look(&self) -> Option<&Look> {
        self.look.as_deref()
    }
}
