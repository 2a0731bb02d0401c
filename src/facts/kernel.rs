//! The kernel and what it can do.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use memchr::{memchr, memchr_iter, memrchr};
use serde::{Deserialize, Serialize};

use super::kernel_options::{CONTROLLERS, FILESYSTEMS, TRACES, makes, module_of};
use super::{gzip, text};
use crate::lines::{lines, to_text};
use crate::resource::Host;

/// The kernel and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -m`: `aarch64`, `x86_64`.
    pub machine: String,
    /// cgroup version: 1 or 2 (by the file system at `/sys/fs/cgroup`; hybrid counts as 1).
    pub cgroup: u8,
    /// cgroup controllers in force; never from `/proc/cgroups`, which omits memory from 6.12 on without MEMCG_V1.
    pub controllers: Vec<String>,
    /// Whether AppArmor is enabled in the running kernel.
    pub apparmor: bool,
    /// Support of each option of [`PLANNED`], and of those that an audit asks about, by its name without `CONFIG_`.
    pub options: BTreeMap<String, Support>,
}

/// How the running kernel has an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// `=y`, or seen at work.
    BuiltIn,
    /// `=m`, and its module is there to load or loaded.
    Module,
    /// `=m`, but its module is not installed for the running kernel.
    ModuleMissing,
    /// Not set.
    Missing,
    /// No configuration to read, and nothing seen at work either way.
    Unknown,
}

/// The options that plans depend on, without `CONFIG_`. An audit asks about more.
pub const PLANNED: [&str; 15] = [
    "NFS_FS",
    "NFS_V4",
    "NFSD",
    "NFSD_V4",
    "VXLAN",
    "BRIDGE_NETFILTER",
    "OVERLAY_FS",
    "IP_VS",
    "VETH",
    "NF_TABLES",
    "NFT_COMPAT",
    "IP_NF_FILTER",
    "IP_NF_NAT",
    "MEMCG",
    "CPUSETS",
];

impl Kernel {
    /// Reads it, with these options besides [`PLANNED`]. What cannot be read is empty or [`Support::Unknown`].
    pub fn read(host: &Host, more: &[String]) -> Self {
        let release = text(host, "/proc/sys/kernel/osrelease").trim().to_owned();
        let (cgroup, controllers) = controllers(host);
        let names: BTreeSet<&str> = PLANNED.into_iter().chain(more.iter().map(String::as_str)).collect();
        let modules = Modules::read(host, &release, &names, &controllers);
        Self {
            cgroup,
            controllers,
            apparmor: text(host, "/sys/module/apparmor/parameters/enabled").trim() == "Y",
            options: options(&names, &config(host, &release), &modules),
            // An agent only runs where the machine is its own.
            machine: std::env::consts::ARCH.to_owned(),
            release,
        }
    }
}

/// The version of cgroups and the controllers in force.
pub(crate) fn controllers(host: &Host) -> (u8, Vec<String>) {
    // Only the root of a version 2 hierarchy has this file; a hybrid host mounts that one a level deeper.
    const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";
    match host.path(UNIFIED).exists() {
        true => (2, text(host, UNIFIED).split_whitespace().map(str::to_owned).collect()),
        false => (1, controllers_v1(&text(host, "/proc/self/mounts"))),
    }
}

/// Controllers of the mounted version 1 hierarchies, in the form of proc_mounts(5).
fn controllers_v1(mounts: &str) -> Vec<String> {
    const KNOWN: [&str; 14] = [
        "cpuset",
        "cpu",
        "cpuacct",
        "blkio",
        "memory",
        "devices",
        "freezer",
        "net_cls",
        "perf_event",
        "net_prio",
        "hugetlb",
        "pids",
        "rdma",
        "misc",
    ];
    let found: BTreeSet<&str> = mounts
        .lines()
        .filter_map(|line| line.split_once(" cgroup "))
        .flat_map(|(_, rest)| rest.split(' ').next().into_iter().flat_map(|options| options.split(',')))
        .filter(|option| KNOWN.contains(option))
        .collect();
    found.into_iter().map(str::to_owned).collect()
}

/// The kernel's configuration; empty where there is none to read.
fn config(host: &Host, release: &str) -> String {
    // The running kernel's own, unpacked here: another process costs more than all other facts together.
    let own = std::fs::read(host.path("/proc/config.gz")).ok().and_then(|packed| gzip::unpack(&packed));
    match own {
        Some(own) => to_text(own),
        None => text(host, &format!("/boot/config-{release}")),
    }
}

/// The option that a line of a kernel configuration sets, and its value.
pub(crate) fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("CONFIG_")?.trim_ascii_end();
    let equals = memchr(b'=', line.as_bytes())?;
    Some((&line[..equals], &line[equals + 1..]))
}

/// What is known of the kernel besides its configuration.
#[derive(Default)]
struct Modules {
    /// Modules that are loaded, or compiled in with parameters or a version.
    loaded: BTreeSet<String>,
    /// Options that are seen at work.
    at_work: BTreeSet<String>,
    /// Installed for the running kernel.
    installed: BTreeSet<String>,
    /// Compiled in.
    builtin: BTreeSet<String>,
    /// Whether the two lists above could be read.
    listed: bool,
}

impl Modules {
    fn read(host: &Host, release: &str, options: &BTreeSet<&str>, controllers: &[String]) -> Self {
        let list = |name: &str| text(host, &format!("/lib/modules/{release}/{name}"));
        let (dep, builtin) = (list("modules.dep"), list("modules.builtin"));
        let filesystems = text(host, "/proc/filesystems");
        let there = |path: &str| host.path(path).exists();
        let is_loaded = |module: &&str| there(&format!("/sys/module/{module}"));
        let asked: BTreeSet<&str> = options.iter().filter_map(|option| module_of(option)).collect();
        let shown = |option: &str| {
            let of = |table: &[(&str, &'static str)], is: &dyn Fn(&str) -> bool| {
                table.iter().any(|(name, trace)| *name == option && is(trace))
            };
            of(TRACES, &there)
                || of(FILESYSTEMS, &|name| has_word(&filesystems, name))
                || of(CONTROLLERS, &|name| controllers.iter().any(|controller| controller == name))
        };
        Self {
            loaded: asked.iter().copied().filter(is_loaded).map(str::to_owned).collect(),
            at_work: options
                .iter()
                .filter(|option| shown(option))
                .map(|option| (*option).to_owned())
                .collect(),
            installed: those_of(&asked, &dep),
            builtin: those_of(&asked, &builtin),
            listed: !dep.is_empty() && !builtin.is_empty(),
        }
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|found| found == word)
}

/// Those of the modules asked for that a list names. It has thousands of lines.
fn those_of(asked: &BTreeSet<&str>, list: &str) -> BTreeSet<String> {
    lines(list).filter_map(module_name).filter(|name| asked.contains(&**name)).map(Cow::into_owned).collect()
}

/// The module in a line of `modules.dep` or `modules.builtin`: `kernel/net/bridge/br-netfilter.ko.xz: …` is
/// `br_netfilter`.
fn module_name(line: &str) -> Option<Cow<'_, str>> {
    let path = &line[..memchr(b':', line.as_bytes()).unwrap_or(line.len())];
    let file = &path[memrchr(b'/', path.as_bytes()).map_or(0, |slash| slash + 1)..];
    let name = &file[..memchr(b'.', file.as_bytes())?];
    file[name.len()..].starts_with(".ko").then(|| match memchr(b'-', name.as_bytes()) {
        None => name.into(),
        Some(_) => name.replace('-', "_").into(),
    })
}

fn options(names: &BTreeSet<&str>, config: &str, modules: &Modules) -> BTreeMap<String, Support> {
    let settings = settings(names, config);
    let configured = lines(config).any(|line| setting(line).is_some());
    let there = |option: &str| match module_of(option) {
        None => true,
        Some(module) => {
            modules.loaded.contains(module)
                || modules.installed.contains(module)
                || modules.at_work.contains(option)
        }
    };
    let support = |option: &str| match settings.get(option) {
        Some(&"y") => Support::BuiltIn,
        Some(&"m") if there(option) => Support::Module,
        Some(&"m") => Support::ModuleMissing,
        _ if configured => Support::Missing,
        _ => seen(option, modules),
    };
    names.iter().map(|option| ((*option).to_owned(), support(option))).collect()
}

/// What a kernel's configuration sets these options to. Of thousands of lines most set nothing, and are no more than
/// passed by: only what is set has a sign of equality.
fn settings<'c>(names: &BTreeSet<&str>, config: &'c str) -> BTreeMap<&'c str, &'c str> {
    let line = |equals: usize| {
        let begin = memrchr(b'\n', &config.as_bytes()[..equals]).map_or(0, |end| end + 1);
        setting(lines(&config[begin..]).next()?).filter(|(name, _)| names.contains(name))
    };
    memchr_iter(b'=', config.as_bytes()).filter_map(line).collect()
}

/// Support of an option as far as the running kernel alone tells.
fn seen(option: &str, modules: &Modules) -> Support {
    if modules.at_work.contains(option) {
        return Support::BuiltIn;
    }
    let Some(module) = module_of(option) else { return Support::Unknown };
    let makes_it = makes(option, module);
    if modules.builtin.contains(module) && makes_it {
        Support::BuiltIn
    } else if modules.installed.contains(module) && makes_it {
        Support::Module
    } else if modules.listed && !modules.installed.contains(module) && !modules.builtin.contains(module) {
        Support::Missing
    } else if modules.loaded.contains(module) && makes_it {
        Support::BuiltIn
    } else {
        Support::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# CONFIG_NFSD is not set\nCONFIG_NFS_FS=m\nCONFIG_NFS_V4=m\nCONFIG_VXLAN=y\n\
                          CONFIG_NFS_FSCACHE=y\nCONFIG_CMDLINE=\"a=b\"\n";

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn planned(config: &str, modules: &Modules) -> BTreeMap<String, Support> {
        options(&PLANNED.into_iter().collect(), config, modules)
    }

    fn listed(installed: &[&str], builtin: &[&str]) -> Modules {
        Modules { installed: set(installed), builtin: set(builtin), listed: true, ..Modules::default() }
    }

    #[test]
    fn a_configuration_decides() {
        let options = planned(CONFIG, &listed(&["nfs"], &["nfsd"]));
        for (option, support) in [
            ("NFS_FS", Support::Module),
            ("NFS_V4", Support::ModuleMissing),
            ("NFSD", Support::Missing),
            ("VXLAN", Support::BuiltIn),
            ("VETH", Support::Missing),
        ] {
            assert_eq!(options[option], support, "{option}");
        }
    }

    #[test]
    fn without_a_configuration_the_modules_tell_what_they_can() {
        let found = planned("", &listed(&["nfs", "nfsd"], &["veth"]));
        for (option, support) in [
            ("NFS_FS", Support::Module),
            ("NFS_V4", Support::Missing),
            ("NFSD", Support::Module),
            // The module is there, but whether it knows version 4 is not to be seen.
            ("NFSD_V4", Support::Unknown),
            ("VETH", Support::BuiltIn),
            ("IP_VS", Support::Missing),
        ] {
            assert_eq!(found[option], support, "{option}");
        }
        let nothing = planned("", &Modules { loaded: set(&["overlay"]), ..Modules::default() });
        assert_eq!(nothing["OVERLAY_FS"], Support::BuiltIn);
        assert_eq!(nothing["NFSD"], Support::Unknown);
    }

    #[test]
    fn a_loaded_module_counts_where_its_file_is_not_to_be_seen() {
        let options = planned(CONFIG, &Modules { loaded: set(&["nfs"]), ..Modules::default() });
        assert_eq!((options["NFS_FS"], options["NFS_V4"]), (Support::Module, Support::ModuleMissing));
    }

    #[test]
    fn module_names() {
        for (path, name) in [
            ("kernel/fs/nfs/nfs.ko", Some("nfs")),
            ("kernel/net/bridge/br-netfilter.ko.xz", Some("br_netfilter")),
            ("nfsv4.ko.zst: kernel/fs/nfs/nfs.ko.zst kernel/lib/a-b.ko.zst", Some("nfsv4")),
            ("", None),
        ] {
            assert_eq!(module_name(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn controllers_of_version_1() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs ro,mode=755 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n\
                      cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0\n\
                      cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n";
        assert_eq!(controllers_v1(mounts), ["cpu", "cpuacct", "memory"]);
        assert!(controllers_v1("").is_empty());
    }

    fn root(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, bytes) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, bytes).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn read_of_a_board_with_version_2() {
        let (_root, host) = root(&[
            ("proc/sys/kernel/osrelease", b"6.6.31-current-rockchip64\n"),
            ("boot/config-6.6.31-current-rockchip64", CONFIG.as_bytes()),
            ("sys/fs/cgroup/cgroup.controllers", b"cpuset cpu io memory pids\n"),
            ("sys/module/apparmor/parameters/enabled", b"Y\n"),
            (
                "lib/modules/6.6.31-current-rockchip64/modules.dep",
                b"kernel/fs/nfs/nfs.ko.xz: kernel/net/sunrpc.ko\n",
            ),
        ]);
        let kernel = Kernel::read(&host, &[]);
        assert_eq!(
            (kernel.release.as_str(), kernel.cgroup, kernel.apparmor),
            ("6.6.31-current-rockchip64", 2, true)
        );
        assert_eq!(kernel.controllers, ["cpuset", "cpu", "io", "memory", "pids"]);
        assert_eq!((kernel.options["NFS_FS"], kernel.options["NFSD"]), (Support::Module, Support::Missing));
    }

    #[test]
    fn the_running_kernels_own_configuration_comes_first() {
        // CONFIG_VETH=y, compressed by gzip.
        let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x73\xf6\xf7\x73\xf3\x74\x8f\x0f\x73\x0d\xf1\xb0\xad\xe4\
                       \x02\x00\x16\xf8\x53\x7b\x0e\x00\x00\x00";
        let (_root, host) = root(&[("proc/sys/kernel/osrelease", b"6.1\n"), ("proc/config.gz", packed)]);
        let options = Kernel::read(&host, &[]).options;
        assert_eq!((options["VETH"], options["VXLAN"]), (Support::BuiltIn, Support::Missing));
    }

    #[test]
    fn what_an_audit_asks_besides_is_seen_at_work_where_there_is_no_configuration() {
        let (_root, host) = root(&[
            ("sys/fs/cgroup/cgroup.controllers", b"cpuset cpu io memory pids\n"),
            ("proc/self/ns/net", b""),
            ("proc/filesystems", b"nodev\toverlay\n\text4\n"),
        ]);
        let more = ["MEMCG", "CGROUP_DEVICE", "NET_NS", "EXT4_FS", "CFS_BANDWIDTH"].map(str::to_owned);
        let options = Kernel::read(&host, &more).options;
        for (option, support) in [
            ("MEMCG", Support::BuiltIn),
            ("CGROUP_DEVICE", Support::Unknown),
            ("NET_NS", Support::BuiltIn),
            ("EXT4_FS", Support::BuiltIn),
            ("CFS_BANDWIDTH", Support::Unknown),
            ("OVERLAY_FS", Support::BuiltIn),
        ] {
            assert_eq!(options[option], support, "{option}");
        }
    }

    #[test]
    fn options_without_a_module_of_their_own_are_taken_at_their_word() {
        let found = options(
            &["CRYPTO_AEAD", "VETH"].into_iter().collect(),
            "CONFIG_CRYPTO_AEAD=m\nCONFIG_VETH=m\n",
            &listed(&[], &[]),
        );
        assert_eq!((found["CRYPTO_AEAD"], found["VETH"]), (Support::Module, Support::ModuleMissing));
    }

    #[test]
    fn an_empty_root_is_unknown_not_missing() {
        let (_root, host) = root(&[]);
        let kernel = Kernel::read(&host, &[]);
        assert!(kernel.options.values().all(|support| *support == Support::Unknown), "{kernel:?}");
        assert_eq!((kernel.cgroup, kernel.controllers.len()), (1, 0));
    }
}
