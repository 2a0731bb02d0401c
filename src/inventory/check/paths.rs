//! Paths: those on this computer, relative to the inventory, and those on the nodes, always absolute.

use std::path::{Component, Path, PathBuf};

use super::Checker;
use crate::inventory::spot::Spot;

/// A node without these is no node any more.
const SYSTEM: [&str; 16] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib/docker",
];

impl Checker<'_> {
    /// A file on this computer: `~/` is the home, anything else relative starts at the inventory's folder.
    pub(super) fn local_path(&mut self, path: &Spot<PathBuf>) -> PathBuf {
        match self.surroundings.expand(path) {
            Some(expanded) => expanded,
            None => {
                let message = format!("`~` in `{}` cannot be resolved", path.display());
                self.error(
                    path,
                    message,
                    "only your own `~/` is known, and only where HOME is set; write the path in full",
                );
                path.value.clone()
            }
        }
    }

    /// A directory on a node, without doubled or trailing slashes.
    pub(super) fn node_path(&mut self, path: &Spot<String>, what: &str) -> PathBuf {
        let written = Path::new(&path.value);
        let trouble = if !path.starts_with('/') {
            Some("is not absolute")
        } else if written.components().any(|part| part == Component::ParentDir) {
            Some("goes up by `..`")
        } else if path.chars().any(char::is_control) {
            Some("holds a control character")
        } else {
            None
        };
        if let Some(trouble) = trouble {
            let message = format!("the {what} `{}` {trouble}", path.escape_debug());
            self.error(path, message, "write the whole path from `/` on");
        }
        written.components().collect()
    }

    /// A mount point: mounting there must not cover what the node lives on.
    pub(super) fn mount_point(&mut self, path: &Spot<String>) -> PathBuf {
        let point = self.node_path(path, "mount point");
        let covers = point == Path::new("/") || SYSTEM.iter().any(|system| point == Path::new(system));
        let kernel = ["/proc", "/sys", "/dev"].iter().any(|root| point.starts_with(root));
        if path.starts_with('/') && (covers || kernel) {
            let message = format!("mounting at `{}` would cover a part of the system", path.value);
            self.error(path, message, "choose a directory of its own, for example `/mnt/shared`");
        }
        point
    }
}
