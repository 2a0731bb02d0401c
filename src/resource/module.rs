//! Kernel modules.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

/// A kernel module that should be loaded, now and after each boot. Undo leaves it loaded until the next boot, since
/// something may use it by then.
#[derive(Debug)]
pub enum Module {}

/// A module as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Its name: `br_netfilter`.
    pub name: String,
    /// Whether it is also loaded at each boot.
    pub at_boot: bool,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The running kernel's release, which decides what there is to load.
    pub kernel: String,
    /// Its state in the running kernel.
    pub state: State,
    /// The text of skep's own file in `/etc/modules-load.d`; none where there is none.
    pub configured: Option<String>,
}

/// How the running kernel has a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Loaded.
    Loaded,
    /// Part of the kernel itself, or at work without being loaded.
    BuiltIn,
    /// Installed for the running kernel, not loaded.
    Available,
    /// Not there.
    Absent,
}

/// A module loaded, and named to be loaded at boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Load it now.
    pub load: bool,
    /// The change of the file that names it for the next boot.
    pub at_boot: Option<TextChange>,
}

impl Kind for Module {
    type Key = String;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> String {
        desired.name.clone()
    }

    fn observe(keys: &[String], host: &Host) -> Result<Vec<Observed>, Fault> {
        let kernel = host.read_text("/proc/sys/kernel/osrelease")?.unwrap_or_default().trim().to_owned();
        let kernel_has = Kernel::read(host, &kernel)?;
        keys.iter()
            .map(|name| {
                let configured = host.read_text(path(name))?;
                Ok(Observed { kernel: kernel.clone(), state: kernel_has.state(name, host)?, configured })
            })
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let load = match observed.state {
            State::BuiltIn => return Ok(None),
            State::Loaded => false,
            State::Available => true,
            State::Absent => {
                return Err(Problem {
                    message: format!("the kernel {} has no module {}", observed.kernel, desired.name),
                    help: format!(
                        "install the modules of kernel {}, or reboot if a newer kernel was installed; \
                         `modinfo {}` on the host shows whether it is there",
                        observed.kernel, desired.name
                    ),
                });
            }
        };
        let wanted = desired.at_boot.then(|| text(&desired.name)).or_else(|| observed.configured.clone());
        let at_boot = TextChange::between(path(&desired.name), observed.configured.as_deref(), wanted.as_deref());
        Ok((load || at_boot.is_some()).then(|| Change { name: desired.name.clone(), load, at_boot }))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        if change.load {
            let what = format!("kernel module {}", change.name);
            host.run("modprobe", &["--", &change.name])?.expect_success(&what).map_err(|fault| {
                fault.help(format!("look at `dmesg | tail` and `modinfo {}` on the host", change.name))
            })?;
        }
        if let Some(at_boot) = &change.at_boot {
            at_boot.make(host)?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let at_boot = receipt.at_boot.as_ref()?.reversed();
        Some(Change { name: receipt.name.clone(), load: false, at_boot: Some(at_boot) })
    }

    fn key_of(change: &Change) -> Option<String> {
        Some(change.name.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let at_boot =
            change.at_boot.as_ref().and_then(|file| file.rest(observed.configured.as_deref(), &mut foreign));
        let load = change.load && observed.state == State::Available;
        let needed = load || at_boot.is_some();
        Rest { change: needed.then(|| Change { name: change.name.clone(), load, at_boot }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let boot = change.at_boot.as_ref().map(|file| if file.after.is_some() { "at each boot" } else { "no more at boot" });
        let when = change.load.then_some("now").into_iter().chain(boot).collect::<Vec<_>>().join(" and ");
        Description { text: change.at_boot.clone(), ..Description::line(format!("load kernel module {} {when}", change.name)) }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/etc/modules-load.d/skep-{name}.conf"))
}

fn text(name: &str) -> String {
    format!("# Written by skep.\n{name}\n")
}

/// What the running kernel has, read once for all modules.
struct Kernel {
    builtin: String,
    dependencies: String,
    filesystems: String,
}

/// Modules that show in `/proc` when they are at work: on a kernel that came without a list of what is built in, this
/// is all there is to see.
const AT_WORK: &[(&str, &str)] = &[
    ("br_netfilter", "/proc/sys/net/bridge"),
    ("ip_vs", "/proc/net/ip_vs"),
    ("ip_tables", "/proc/net/ip_tables_names"),
    ("nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max"),
];

impl Kernel {
    fn read(host: &Host, release: &str) -> Result<Self, Fault> {
        let list = |name| host.read_text(format!("/lib/modules/{release}/{name}"));
        Ok(Self {
            builtin: list("modules.builtin")?.unwrap_or_default(),
            dependencies: list("modules.dep")?.unwrap_or_default(),
            filesystems: host.read_text("/proc/filesystems")?.unwrap_or_default(),
        })
    }

    fn state(&self, name: &str, host: &Host) -> Result<State, Fault> {
        let underscored = name.replace('-', "_");
        let there = |path: String| host.metadata(path).map(|there| there.is_some());
        if there(format!("/sys/module/{underscored}/initstate"))? {
            return Ok(State::Loaded);
        }
        let at_work = AT_WORK.iter().find(|(module, _)| *module == underscored);
        let built_in = lists(&self.builtin, &underscored)
            || there(format!("/sys/module/{underscored}"))?
            || self.filesystems.lines().any(|line| line.split('\t').next_back() == Some(name))
            || at_work.map_or(Ok(false), |(_, path)| there((*path).to_owned()))?;
        Ok(match () {
            () if built_in => State::BuiltIn,
            () if lists(&self.dependencies, &underscored) => State::Available,
            () => State::Absent,
        })
    }
}

/// Whether a list of module files (`kernel/net/bridge/br_netfilter.ko.xz: …`) names the module.
fn lists(list: &str, underscored: &str) -> bool {
    list.lines().any(|line| {
        let file = line.split(':').next().unwrap_or(line).rsplit('/').next().unwrap_or_default();
        file.split_once(".ko").is_some_and(|(name, _)| name.replace('-', "_") == underscored)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        for (path, text) in [
            ("/proc/sys/kernel/osrelease", "6.1.0\n"),
            ("/proc/filesystems", "nodev\tsysfs\n\text4\nnodev\tnfs4\n"),
            ("/lib/modules/6.1.0/modules.builtin", "kernel/fs/overlayfs/overlay.ko\nkernel/net/ip-tunnel.ko\n"),
            ("/lib/modules/6.1.0/modules.dep", "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n"),
            ("/sys/module/nfsd/initstate", "live\n"),
            ("/sys/module/vxlan/parameters/udp_port", "8472\n"),
            ("/proc/net/ip_vs", ""),
            ("/etc/modules-load.d/skep-br_netfilter.conf", "# Written by skep.\nbr_netfilter\n"),
        ] {
            host.write_system_file(path, text).unwrap();
        }
        let states = [
            ("nfsd", State::Loaded),
            ("overlay", State::BuiltIn),
            ("ip_tunnel", State::BuiltIn),
            ("vxlan", State::BuiltIn),
            ("nfs4", State::BuiltIn),
            ("ip_vs", State::BuiltIn),
            ("br_netfilter", State::Available),
            ("br-netfilter", State::Available),
            ("bridge", State::Absent),
        ];
        let names: Vec<String> = states.iter().map(|(name, _)| (*name).to_owned()).collect();
        let observed = Module::observe(&names, &host).unwrap();
        for ((name, state), observed) in states.iter().zip(&observed) {
            assert_eq!((observed.state, observed.kernel.as_str()), (*state, "6.1.0"), "{name}");
        }
        assert_eq!(observed[6].configured.as_deref(), Some("# Written by skep.\nbr_netfilter\n"));
        assert_eq!(observed[7].configured, None);
    }

    #[test]
    fn a_name_for_the_next_boot_comes_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let desired = Desired { name: "br_netfilter".into(), at_boot: true };
        let loaded = |configured| Observed { kernel: "6.1.0".into(), state: State::Loaded, configured };
        let change = Module::diff(&desired, &loaded(None)).unwrap().unwrap();
        let receipt = Module::apply(&change, &host, &mut |_| ()).unwrap();
        let configured = host.read_text(path("br_netfilter")).unwrap();
        assert_eq!(Module::diff(&desired, &loaded(configured)), Ok(None));
        Module::apply(&Module::undo(&receipt).unwrap(), &host, &mut |_| ()).unwrap();
        assert_eq!(host.read_text(path("br_netfilter")).unwrap(), None);
    }
}
