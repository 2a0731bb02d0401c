//! Containers that began before a share was mounted: they use the directory below the mount point, and keep doing so.
//!
//! A container that binds a directory sees what was there when it began. Its own table of mounts tells which directory
//! of which file system that is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::docker::is_id;
use crate::facts::text;
use crate::resource::Host;
use crate::resource::mount::table::{Row, covering, rows};

/// A container that uses the directory below a mount point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The mount point on the host.
    pub point: PathBuf,
    /// What of the host's directory is bound.
    pub from: PathBuf,
    /// Where the container has it.
    pub at: PathBuf,
    /// One of its processes.
    pub pid: u32,
    /// That process's name.
    pub name: String,
    /// The first digits of the container's ID, where it is one of Docker's.
    pub container: Option<String>,
}

/// Looks for them in all mount namespaces but the host's own.
pub(super) fn read(host: &Host, points: &[PathBuf], table: &[Row]) -> Vec<Bound> {
    let below: Vec<_> = points.iter().filter_map(|point| Some((point, below(point, table)?))).collect();
    if below.is_empty() {
        return Vec::new();
    }
    let mut bound = Vec::new();
    for pid in namespaces(host).into_values() {
        for row in rows(&text(host, &format!("/proc/{pid}/mountinfo"))) {
            let found = below.iter().find_map(|(point, (device, directory))| {
                let rest = row.root.strip_prefix(directory).ok().filter(|_| row.device == *device)?;
                Some(((*point).clone(), joined(point, rest)))
            });
            let Some((point, from)) = found else { continue };
            let name = text(host, &format!("/proc/{pid}/comm")).trim().to_owned();
            let container = container(&text(host, &format!("/proc/{pid}/cgroup")));
            bound.push(Bound { point, from, at: row.at, pid, name, container });
        }
    }
    bound
}

/// The directory below a mount point: its device, and its path in that device's file system.
fn below(point: &Path, table: &[Row]) -> Option<(String, PathBuf)> {
    let under: Vec<Row> = table.iter().filter(|row| row.at != point).cloned().collect();
    let row = covering(&under, point)?;
    Some((row.device.clone(), joined(&row.root, point.strip_prefix(&row.at).ok()?)))
}

/// Without a slash at the end where there is nothing to join.
fn joined(path: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { path.to_owned() } else { path.join(rest) }
}

/// One process of each mount namespace but the host's own.
fn namespaces(host: &Host) -> BTreeMap<PathBuf, u32> {
    let of = |pid: &str| fs::read_link(host.path(format!("/proc/{pid}/ns/mnt"))).ok();
    let own = of("self");
    let mut found = BTreeMap::new();
    let entries = fs::read_dir(host.path("/proc")).into_iter().flatten();
    for pid in entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(namespace) = of(&pid.to_string()).filter(|namespace| own.as_ref() != Some(namespace)) {
            let first = found.entry(namespace).or_insert(pid);
            *first = pid.min(*first);
        }
    }
    found
}

/// `…/docker-<ID>.scope` with the driver of systemd, `/docker/<ID>` without.
fn container(cgroup: &str) -> Option<String> {
    cgroup
        .split(['/', '\n'])
        .map(|part| part.strip_prefix("docker-").and_then(|part| part.strip_suffix(".scope")).unwrap_or(part))
        .find(|word| is_id(word))
        .map(|id| id[..12].to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const ID: &str = "3f4e8a9b0c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011";

    #[test]
    fn containers_are_known_by_their_control_group() {
        for (cgroup, id) in [
            (format!("0::/system.slice/docker-{ID}.scope\n"), Some("3f4e8a9b0c1d")),
            (format!("12:cpu:/docker/{ID}\n0::/docker/{ID}\n"), Some("3f4e8a9b0c1d")),
            ("0::/system.slice/ssh.service\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(container(&cgroup).as_deref(), id, "{cgroup}");
        }
    }

    #[test]
    fn what_lies_below_a_mount_point_is_known_by_its_device() {
        let table: Vec<Row> = rows(
            "22 1 8:1 /@root / rw - btrfs /dev/sda1 rw\n\
             30 22 8:2 / /mnt rw - ext4 /dev/sdb1 rw\n\
             40 30 0:50 / /mnt/shared rw - nfs4 10.0.0.1:/x rw\n",
        )
        .collect();
        let below = |point| {
            below(Path::new(point), &table).map(|(device, path)| (device, path.display().to_string()))
        };
        assert_eq!(below("/mnt/shared"), Some(("8:2".to_owned(), "/shared".to_owned())));
        assert_eq!(below("/data"), Some(("8:1".to_owned(), "/@root/data".to_owned())));
        assert_eq!(below("/mnt"), Some(("8:1".to_owned(), "/@root/mnt".to_owned())));
    }

    #[test]
    fn a_container_that_came_before_the_mount_is_found() {
        let root = tempfile::tempdir().unwrap();
        let own = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:50 / /mnt/shared rw - nfs4 10.0.0.1:/x rw\n";
        let early =
            "70 1 0:60 / / rw - overlay overlay rw\n71 70 8:1 /mnt/shared/web /data rw - ext4 /dev/sda1 rw\n";
        let late = "80 1 0:61 / / rw - overlay overlay rw\n81 80 0:50 / /data rw - nfs4 10.0.0.1:/x rw\n";
        for (pid, namespace, table) in [
            ("self", "mnt:[1]", own),
            ("1", "mnt:[1]", own),
            ("90", "mnt:[2]", early),
            ("91", "mnt:[2]", early),
            ("95", "mnt:[3]", late),
        ] {
            let folder = root.path().join("proc").join(pid);
            fs::create_dir_all(folder.join("ns")).unwrap();
            symlink(namespace, folder.join("ns/mnt")).unwrap();
            fs::write(folder.join("mountinfo"), table).unwrap();
            fs::write(folder.join("comm"), "nginx\n").unwrap();
            fs::write(folder.join("cgroup"), format!("0::/system.slice/docker-{ID}.scope\n")).unwrap();
        }
        let table: Vec<Row> = rows(own).collect();
        let found = read(&Host::at(root.path()), &["/mnt/shared".into()], &table);
        let [bound] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (bound.pid, bound.name.as_str(), bound.container.as_deref()),
            (90, "nginx", Some("3f4e8a9b0c1d"))
        );
        assert_eq!(
            (bound.from.as_path(), bound.at.as_path()),
            (Path::new("/mnt/shared/web"), Path::new("/data"))
        );
        assert!(read(&Host::at(root.path()), &["/mnt/else".into()], &table).is_empty());
    }
}
