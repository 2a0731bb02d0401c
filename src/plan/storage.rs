//! Hosts on whose disks nothing more can be done.

use super::view::Host;
use super::{Finding, PhaseName};
use crate::facts::Storage;
use crate::inventory::model::Node;
use crate::words::list;

/// With less than this many free bytes even settings and the state of packages no longer fit.
pub(crate) const LEAST: u64 = 16 << 20;

/// With room for fewer files than this, neither.
pub(crate) const LEAST_FILES: u64 = 100;

/// Why nothing of what the plan has for a host can be done there: one sentence, in the place of a failure for each step.
/// A host with nothing to do may be as full or read-only as it likes.
pub(super) fn refusal(node: &Node, host: &Host, has_steps: impl Fn(PhaseName) -> bool) -> Option<Finding> {
    use PhaseName::{Engine, Exports, Kernel, Mounts, Packages};
    if ![Packages, Kernel, Engine, Exports, Mounts].into_iter().any(&has_steps) {
        return None;
    }
    let disk = &host.facts.storage;
    let (cause, help) = unusable(disk).or_else(|| has_steps(Packages).then(|| noexec(disk)).flatten())?;
    let name = &node.name;
    Some(Finding { nodes: vec![name.clone()], message: format!("{name}: {cause}"), help })
}

/// What is wrong, and what helps.
pub(crate) type Trouble = (String, String);

/// Why nothing can be written.
pub(crate) fn unusable(disk: &[Storage]) -> Option<Trouble> {
    read_only(disk).or_else(|| full(disk))
}

fn read_only(disk: &[Storage]) -> Option<Trouble> {
    let directories = directories(disk, |storage| storage.read_only)?;
    Some((
        format!("{directories} cannot be written: the file system is read-only"),
        "look why: `dmesg | tail` (a worn card does that), `findmnt -O ro`; where it is meant so, make it writable for \
         this run: `mount -o remount,rw /`"
            .to_owned(),
    ))
}

fn full(disk: &[Storage]) -> Option<Trouble> {
    let help = |option: &str, directories: &str| {
        format!(
            "make room: `apt-get clean`, `journalctl --vacuum-size=50M`; `df {option} {directories}` shows it"
        )
    };
    if let Some(directories) = directories(disk, |storage| storage.free < LEAST) {
        let least = LEAST >> 20;
        return Some((format!("less than {least} MiB are free in {directories}"), help("-h", &directories)));
    }
    let few = |storage: &Storage| storage.free_files.is_some_and(|files| files < LEAST_FILES);
    let directories = directories(disk, few)?;
    Some((format!("{directories} takes no more files (inodes)"), help("-i", &directories)))
}

/// Why no package can be installed.
pub(crate) fn noexec(disk: &[Storage]) -> Option<Trouble> {
    let directories = directories(disk, |storage| storage.noexec)?;
    Some((
        format!("{directories} is mounted noexec, so that dpkg cannot run the scripts of packages"),
        format!(
            "`mount -o remount,exec $(findmnt -nT {directories} -o TARGET)` for this run, or always in /etc/fstab"
        ),
    ))
}

/// Those for which something is so, for a sentence.
fn directories(disk: &[Storage], is_so: impl Fn(&Storage) -> bool) -> Option<String> {
    let those: Vec<_> = disk
        .iter()
        .filter(|storage| is_so(storage))
        .map(|storage| storage.directory.display().to_string())
        .collect();
    (!those.is_empty()).then(|| list(&those))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::model::NodeName;
    use crate::swarm::world::World;

    fn disk(directory: &str) -> Storage {
        let (read_only, noexec, free, free_files) = (false, false, 1 << 30, Some(100_000));
        Storage { directory: directory.into(), read_only, noexec, free, free_files }
    }

    fn refused(storage: Vec<Storage>, steps: &[PhaseName]) -> Option<String> {
        let mut world = World::new("home").manager("n1");
        world.facts_mut("n1").storage = storage;
        let view = world.view();
        let node = &view.inventory.nodes[0];
        let host = &view.hosts[&NodeName::from("n1")];
        refusal(node, host, |phase| steps.contains(&phase)).map(|finding| finding.message)
    }

    #[test]
    fn what_keeps_a_host_from_being_changed() {
        use PhaseName::{Engine, Labels, Packages, Swarm};
        let healthy = || vec![disk("/etc"), disk("/usr"), disk("/var/lib")];
        let with = |change: &dyn Fn(&mut Storage)| {
            let mut storage = healthy();
            change(&mut storage[2]);
            storage
        };
        let all_read_only = healthy().into_iter().map(|disk| Storage { read_only: true, ..disk }).collect();
        for (storage, steps, expected) in [
            (healthy(), vec![Packages], None),
            (
                all_read_only,
                vec![Engine],
                Some("n1: /etc, /usr and /var/lib cannot be written: the file system is read-only"),
            ),
            (with(&|disk| disk.read_only = true), vec![], None),
            (with(&|disk| disk.read_only = true), vec![Swarm, Labels], None),
            (with(&|disk| disk.free = 100), vec![Engine], Some("n1: less than 16 MiB are free in /var/lib")),
            (
                with(&|disk| disk.free_files = Some(0)),
                vec![Engine],
                Some("n1: /var/lib takes no more files (inodes)"),
            ),
            (with(&|disk| disk.free_files = None), vec![Engine], None),
            (with(&|disk| disk.noexec = true), vec![Engine], None),
            (
                with(&|disk| disk.noexec = true),
                vec![Packages],
                Some("n1: /var/lib is mounted noexec, so that dpkg cannot run the scripts of packages"),
            ),
            // An agent of old says nothing of it.
            (vec![], vec![Packages], None),
        ] {
            assert_eq!(refused(storage.clone(), &steps).as_deref(), expected, "{storage:?} {steps:?}");
        }
    }
}
