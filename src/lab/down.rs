//! Removing a lab.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::error::{LabError, at};
use super::node::Unit;
use super::state::{self, State, remove_file, with_suffix};
use super::{Lab, cgroup, lab_lock, network, network_lock, parameters};

/// Removes the lab in that folder; whether there was anything.
pub(super) fn remove(folder: &Path) -> Result<bool, LabError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(LabError::Unavailable("the lab is root's: `sudo skep lab down`".into()));
    }
    if !folder.exists() {
        return Ok(false);
    }
    let lock = lab_lock(folder)?;
    // Read under the lock: another `up` may have added nodes, another `down` may have been here already.
    if let Some(state) = State::load(folder)? {
        Lab { folder: folder.to_owned(), state }.remove_all()?;
    } else {
        state::remove_unfinished(folder)?;
    }
    lock.remove()?;
    Ok(true)
}

impl Lab {
    fn remove_all(&self) -> Result<(), LabError> {
        let id = &self.state.id;
        self.end_nodes()?;
        let network = network_lock()?;
        // Each is tried, whatever became of the others; the state stays until all succeeded.
        let steps =
            [network::destroy(id, &self.state.machines()), parameters::release(id), cgroup::remove(id)];
        steps.into_iter().collect::<Result<Vec<()>, _>>()?;
        drop(network);
        self.remove_files()
    }

    /// All at once: a node with an engine takes the kernel a second or two to wind up.
    fn end_nodes(&self) -> Result<(), LabError> {
        let end = |unit: Unit<'_>| unit.stop().and_then(|()| unit.remove_leftovers());
        thread::scope(|scope| {
            let ends: Vec<_> = self.units().map(|unit| scope.spawn(move || end(unit))).collect();
            ends.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// Only what skep made; the state last, so that an interrupted removal can be repeated.
    fn remove_files(&self) -> Result<(), LabError> {
        let nodes = self.folder.join("nodes");
        if nodes.exists() {
            at(fs::remove_dir_all(&nodes), "remove", &nodes)?;
        }
        let public = with_suffix(&self.key(), ".pub");
        for file in [self.inventory(), self.known_hosts(), public, self.key()] {
            remove_file(&file)?;
        }
        // The key's drafts, which a killed skep may have left.
        for suffix in [".new", ".new.pub"] {
            remove_file(&with_suffix(&self.key(), suffix))?;
        }
        remove_file(&state::file(&self.folder))?;
        state::remove_unfinished(&self.folder)
    }
}
