//! Making and completing a lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::arch::Arch;
use super::base::{self, Recipe};
use super::error::{LabError, at};
use super::node::{self, Unit};
use super::state::{self, Id, NodeState, State, with_suffix, write_atomically};
use super::{
    Lab, Progress, Spec, inventory, lab_lock, list, missing_for, network, network_lock, parameters,
    unavailable,
};

/// Makes the lab, or completes it: missing nodes are added, stopped ones started, the rest is left alone.
/// Returns when every node's sshd answers.
pub fn up(spec: &Spec, progress: &mut dyn FnMut(Progress)) -> Result<Lab, LabError> {
    let wanted = spec.nodes + spec.machines.len();
    if !(1..=state::MOST_NODES).contains(&wanted) {
        return Err(LabError::NodeCount { wanted, most: state::MOST_NODES });
    }
    let folder = state::folder(&spec.name)?;
    if let Some(reason) = unavailable() {
        return Err(LabError::Unavailable(reason));
    }
    // Built before the lock is taken, so that nobody waits for it who need not; looked at again after, because a
    // `down` may have come between.
    new_nodes(spec, &folder, progress)?;
    let _lock = lab_lock(&folder)?;
    let new = new_nodes(spec, &folder, progress)?;
    let before = State::load(&folder)?;
    let state = record(spec, &folder, &new)?;
    let lab = Lab { folder, state };
    node::make_key(&lab.key(), &format!("skep lab {}", spec.name))?;
    lab.connect(progress)?;
    lab.start_missing(before.as_ref(), progress)?;
    Ok(lab)
}

/// A node that the lab lacks: what it is built from, and its processor if it gets a kernel of its own.
type New = (PathBuf, Option<Arch>);

/// The nodes that the lab lacks, in order, with their trees and images built.
fn new_nodes(spec: &Spec, folder: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Vec<New>, LabError> {
    let present = State::load(folder)?.map_or_else(Vec::new, |state| state.nodes);
    let lacking = lacking(spec, &present);
    let machines: Vec<Arch> = lacking.iter().copied().flatten().collect();
    let packages: Vec<_> = missing_for(&machines).iter().map(|package| package.name).collect();
    if !packages.is_empty() {
        return Err(LabError::NoEmulator { packages });
    }
    let mut build = |kind: Option<Arch>| {
        let recipe = Recipe::new(spec.release.as_deref(), spec.engine, kind)?;
        Ok((base::ensure(&recipe, progress)?, kind))
    };
    lacking.into_iter().map(&mut build).collect()
}

/// What of the wanted nodes is not there: those in namespaces first, then machines in the order they were asked for.
fn lacking(spec: &Spec, present: &[NodeState]) -> Vec<Option<Arch>> {
    let mut there: Vec<Option<Arch>> = present.iter().map(|node| node.machine).collect();
    let wanted = std::iter::repeat_n(None, spec.nodes).chain(spec.machines.iter().copied().map(Some));
    wanted
        .filter(|kind| match there.iter().position(|found| found == kind) {
            Some(place) => {
                there.swap_remove(place);
                false
            }
            None => true,
        })
        .collect()
}

/// Writes down what the lab will consist of, before any of it is made.
fn record(spec: &Spec, folder: &Path, new: &[New]) -> Result<State, LabError> {
    let _lock = network_lock()?;
    let mut state = match State::load(folder)? {
        Some(state) => state,
        None => new_state(spec, folder)?,
    };
    let first = state.nodes.iter().map(|node| node.number).max().unwrap_or_default() + 1;
    let nodes = (first..).zip(new);
    state.nodes.extend(nodes.map(|(number, (base, machine))| NodeState {
        number,
        base: base.clone(),
        machine: *machine,
    }));
    state.save(folder)?;
    Ok(state)
}

/// An id and a network that nothing on this computer has; the caller holds the network lock.
fn new_state(spec: &Spec, folder: &Path) -> Result<State, LabError> {
    let others = list()?;
    let used = |id: &Id| network::device_exists(&id.bridge()) || others.iter().any(|lab| lab.state.id == *id);
    let id = (0..=u8::MAX).map(|salt| Id::of(folder, salt)).find(|id| !used(id)).ok_or(LabError::NoSubnet)?;
    let mut taken = network::taken()?;
    taken.extend(others.iter().map(|lab| lab.state.subnet));
    let subnet = network::choose_subnet(&id, &taken).ok_or(LabError::NoSubnet)?;
    // Held until the state is saved; the bridge follows, and shows the network as taken to labs elsewhere.
    let state = State::new(&spec.name, id, subnet, spec.login);
    state.save(folder)?;
    network::create(&state.id, &state.subnet)?;
    Ok(state)
}

impl Lab {
    /// Makes the network, after a reboot of this computer anew.
    fn connect(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), LabError> {
        let State { id, subnet, .. } = &self.state;
        let _lock = network_lock()?;
        if !network::device_exists(&id.bridge())
            && let Some(by) = network::overlap(subnet, &network::taken()?)
        {
            return Err(LabError::SubnetTaken { lab: self.name().to_owned(), subnet: *subnet, by });
        }
        parameters::acquire(id)?;
        network::create(id, subnet)?;
        progress(Progress::Network { bridge: id.bridge(), subnet: subnet.to_string() });
        Ok(())
    }

    fn start_missing(
        &self,
        before: Option<&State>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let public = with_suffix(&self.key(), ".pub");
        let key = at(fs::read_to_string(&public), "read", &public)?;
        for unit in self.units().filter(|unit| !unit.is_alive()) {
            unit.prepare(&key)?;
            unit.start()?;
            progress(Progress::Starting { node: unit.name() });
        }
        self.write_known_hosts()?;
        self.write_inventory(before, progress)?;
        wait_for(self.units().collect(), progress)
    }

    /// Adds the nodes that the file does not name yet: a host key that changed since must stay a changed one.
    fn write_known_hosts(&self) -> Result<(), LabError> {
        let path = self.known_hosts();
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        for unit in self.units() {
            let address = unit.address().to_string();
            if text.lines().any(|line| line.split(' ').next() == Some(&address)) {
                continue;
            }
            let public = at(fs::read_to_string(unit.host_key()), "read", &unit.host_key())?;
            text.extend(inventory::known_host(&address, &public));
        }
        write_atomically(&path, &text, 0o600)
    }

    /// Writes the inventory, unless its user changed it since.
    fn write_inventory(
        &self,
        before: Option<&State>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LabError> {
        let path = self.inventory();
        let text = |state: &State| inventory::inventory(state, &self.key(), &self.known_hosts());
        match fs::read_to_string(&path).ok() {
            Some(present) if present == text(&self.state) => Ok(()),
            Some(present) if before.is_none_or(|before| present != text(before)) => {
                progress(Progress::InventoryKept { path });
                Ok(())
            }
            _ => write_atomically(&path, &text(&self.state), 0o644),
        }
    }
}

/// Waits until the sshd of each node answers.
pub(super) fn wait_for(
    mut waiting: Vec<Unit<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), LabError> {
    let started = Instant::now();
    while !waiting.is_empty() {
        let mut rest = Vec::new();
        for unit in waiting {
            // Judged before it is asked: where this computer stood still for a while, the node may be up by now.
            let may_boot = unit.may_boot(started);
            match unit.ask() {
                Ok(()) => progress(Progress::Ready {
                    node: unit.name(),
                    address: unit.address(),
                    after: started.elapsed(),
                }),
                Err(_) if may_boot => rest.push(unit),
                Err(cause) => {
                    return Err(LabError::NoBoot {
                        node: unit.name(),
                        address: unit.address().to_string(),
                        waited: started.elapsed(),
                        cause,
                        console: unit.console(),
                        tail: unit.console_tail(),
                    });
                }
            }
        }
        waiting = rest;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Login;
    use super::*;

    #[test]
    fn only_what_is_missing_is_made() {
        use Arch::{Amd64, Arm64};
        let node = |machine| NodeState { number: 1, base: PathBuf::new(), machine };
        type Kinds = &'static [Option<Arch>];
        let cases: [(usize, &[Arch], Kinds, Kinds); 6] = [
            (2, &[], &[], &[None, None]),
            (2, &[], &[None, None], &[]),
            (1, &[], &[None, None], &[]),
            (1, &[Arm64, Amd64], &[], &[None, Some(Arm64), Some(Amd64)]),
            (0, &[Amd64, Amd64], &[None, Some(Amd64)], &[Some(Amd64)]),
            (3, &[Arm64], &[None, Some(Arm64)], &[None, None]),
        ];
        for (nodes, machines, present, expected) in cases {
            let name = "dev".to_owned();
            let (machines, login) = (machines.to_vec(), Login::Root);
            let spec = Spec { name, nodes, machines, engine: false, login, release: None };
            let present: Vec<_> = present.iter().copied().map(node).collect();
            assert_eq!(lacking(&spec, &present), expected, "{spec:?}");
        }
    }
}
