//! What is judged: a kernel, on a running host or as a file.

use std::collections::BTreeMap;

use super::item::{Item, Version};
use crate::audit::Subject;
use crate::facts::{Engine, Support, System, inspection};
use crate::plan::desire::nfs_version_of;

/// A kernel, on a running host or as a file.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// `uname -r`, or the version that the file is of.
    pub(super) release: &'a str,
    /// Where the configuration was read; absent where there is none.
    pub(super) place: Option<&'a str>,
    /// Support of each option.
    pub(super) options: &'a BTreeMap<String, Support>,
    /// What runs; absent for a file.
    pub(super) running: Option<Running<'a>>,
    /// Whether it shares anything.
    pub(super) serves: bool,
    /// The NFS versions by which it mounts; absent where it mounts nothing.
    pub(super) mounted: Option<Vec<&'a str>>,
}

/// A running host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) system: &'a System,
    /// Version of cgroups.
    pub(super) cgroup: u8,
    /// Controllers in force.
    pub(super) controllers: &'a [String],
    /// Whether AppArmor is enabled.
    pub(super) apparmor: bool,
    pub(super) engine: &'a Engine,
    pub(super) kernel: &'a inspection::Kernel,
}

impl<'a> Target<'a> {
    /// The kernel of a node that answered.
    pub(super) fn of(subject: &Subject<'a>) -> Self {
        let facts = subject.facts();
        let inspected = &subject.inspection.kernel;
        // The same lifetime as the inventory's, which `subject` itself may not outlive.
        let (inventory, node) = (subject.inventory, &subject.node.name);
        let shares = || inventory.shares.iter();
        let version = |share: &'a crate::inventory::model::Share| share.mount.as_ref().map(nfs_version_of);
        let mounted: Vec<_> = shares()
            .filter(|share| share.mount.as_ref().is_some_and(|mount| mount.on.contains(node)))
            .filter_map(version)
            .collect();
        Self {
            release: &facts.kernel.release,
            place: inspected.configuration.as_deref(),
            options: &facts.kernel.options,
            running: Some(Running {
                system: &facts.system,
                cgroup: facts.kernel.cgroup,
                controllers: &facts.kernel.controllers,
                apparmor: facts.kernel.apparmor,
                engine: &facts.engine,
                kernel: inspected,
            }),
            serves: subject.serves().next().is_some(),
            mounted: (!mounted.is_empty()).then_some(mounted),
        }
    }

    /// Support of an option; unknown where it was not asked about.
    pub(super) fn support(&self, option: &str) -> Support {
        self.options.get(option).copied().unwrap_or(Support::Unknown)
    }

    /// Whether the kernel has an option, built in or as a module that is there.
    pub(super) fn has(&self, option: &str) -> bool {
        matches!(self.support(option), Support::BuiltIn | Support::Module)
    }

    /// Whether the kernel is known not to have an option.
    pub(super) fn lacks(&self, option: &str) -> bool {
        matches!(self.support(option), Support::Missing | Support::ModuleMissing)
    }

    /// Whether a kernel of this version has such an option at all; one whose version is not to be told has what new ones
    /// have.
    pub(super) fn knows(&self, item: &Item) -> bool {
        item.is_of(Version::of(self.release).unwrap_or(Version(u32::MAX - 1, 0)))
    }

    /// Where an option was looked for.
    pub(super) fn looked_at(&self) -> &'a str {
        self.place.unwrap_or("/proc, /sys and /lib/modules")
    }
}
