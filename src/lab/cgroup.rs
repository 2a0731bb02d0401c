//! Control groups of the nodes: one of its own for each node in every hierarchy, so that the service managers
//! of two nodes (and this computer's) never see each other's processes.
//!
//! They hang below the root of the hierarchies rather than below the caller's group: a node outlives the login
//! session, and the job, that started it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{LabError, at};
use super::state::Id;

/// Controllers that container engines ask for (cgroup v2).
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// The group of the processes that start nodes and stay beside them.
pub(super) const LAUNCH: &str = "launch";
/// How long killed processes may take to leave their group.
const EMPTY_LIMIT: Duration = Duration::from_secs(20);

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    at: PathBuf,
    unified: bool,
}

/// Makes the groups of that node; the lab's group in each hierarchy is returned.
pub(super) fn create(id: &Id, node: &str) -> Result<Vec<PathBuf>, LabError> {
    let mut groups = Vec::new();
    for hierarchy in hierarchies()? {
        let group = hierarchy.at.join(id.cgroup());
        make(&hierarchy, &group)?;
        for child in [LAUNCH, node] {
            make(&hierarchy, &group.join(child))?;
        }
        groups.push(group);
    }
    if groups.is_empty() {
        let reason = "no control group hierarchy is mounted: mount one at /sys/fs/cgroup";
        return Err(LabError::Unavailable(reason.into()));
    }
    Ok(groups)
}

/// Removes the lab's groups; its processes must be gone.
pub(super) fn remove(id: &Id) -> Result<(), LabError> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.at.join(id.cgroup());
        let deadline = Instant::now() + EMPTY_LIMIT;
        while group.is_dir() {
            match remove_tree(&group) {
                // A killed process leaves its group only when all of its memory is given back.
                Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                result => at(result, "remove the control group", &group)?,
            }
        }
    }
    Ok(())
}

/// Groups are directories whose files cannot be unlinked, only the directories themselves removed.
fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

fn make(hierarchy: &Hierarchy, group: &Path) -> Result<(), LabError> {
    at(fs::create_dir_all(group), "make the control group", group)?;
    let Some(parent) = group.parent() else { return Ok(()) };
    if hierarchy.unified {
        enable_controllers(parent);
    } else {
        inherit_cpuset(parent, group)?;
    }
    Ok(())
}

/// Best effort: a kernel without one of them still runs nodes, and engines in them say what they miss.
fn enable_controllers(parent: &Path) {
    for controller in CONTROLLERS {
        let _ = fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// A new v1 cpuset is empty, and an empty one takes no process (cpusets(7)).
fn inherit_cpuset(parent: &Path, group: &Path) -> Result<(), LabError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(file), group.join(file));
        if from.exists() && fs::read_to_string(&to).is_ok_and(|text| text.trim().is_empty()) {
            let value = at(fs::read_to_string(&from), "read", &from)?;
            at(fs::write(&to, value.trim()), "write", &to)?;
        }
    }
    Ok(())
}

fn hierarchies() -> Result<Vec<Hierarchy>, LabError> {
    let path = Path::new("/proc/self/mounts");
    Ok(parse(&at(fs::read_to_string(path), "read", path)?))
}

/// Hierarchies in /proc/self/mounts, each mount point once.
fn parse(mounts: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (words.next(), words.next()) else { continue };
        let unified = kind == "cgroup2";
        let hierarchy = Hierarchy { at: PathBuf::from(point), unified };
        if (unified || kind == "cgroup") && !found.contains(&hierarchy) {
            found.push(hierarchy);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_every_layout_are_found() {
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw 0 0\n";
        let hierarchy = |at: &str, unified| Hierarchy { at: at.into(), unified };
        assert_eq!(parse(v2), [hierarchy("/sys/fs/cgroup", true)]);
        assert_eq!(
            parse(hybrid),
            [hierarchy("/sys/fs/cgroup/cpu,cpuacct", false), hierarchy("/sys/fs/cgroup/unified", true)]
        );
        assert_eq!(parse("proc /proc proc rw 0 0\n"), []);
    }

    #[test]
    fn a_new_cpuset_inherits_and_a_set_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let child = dir.path().join("child");
        fs::create_dir(&child).unwrap();
        fs::write(dir.path().join("cpuset.cpus"), "0-3\n").unwrap();
        fs::write(child.join("cpuset.cpus"), "\n").unwrap();
        inherit_cpuset(dir.path(), &child).unwrap();
        assert_eq!(fs::read_to_string(child.join("cpuset.cpus")).unwrap(), "0-3");
        fs::write(child.join("cpuset.cpus"), "1\n").unwrap();
        inherit_cpuset(dir.path(), &child).unwrap();
        assert_eq!(fs::read_to_string(child.join("cpuset.cpus")).unwrap(), "1\n");
    }
}
