//! What decides what a kernel can do, besides its configuration: its command line, its boot files, its parameters and
//! what is loaded into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::{Deserialize, Serialize};

use super::super::kernel_options::module_of;
use super::super::text;
use crate::resource::Host;

/// What decides what the running kernel can do, besides its configuration. The support of each option is in
/// [`crate::facts::Kernel::options`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// Where its configuration was read; absent where there is none.
    pub configuration: Option<String>,
    /// Whether there is a folder of modules for it.
    pub modules_installed: bool,
    /// Which of the modules that were asked about are loaded, or built in with something to show.
    pub loaded: BTreeSet<String>,
    /// Parameters at run time, by the names of sysctl(8); those that are not there are left out.
    pub parameters: BTreeMap<String, String>,
    /// Words of the command line that cgroups depend on.
    pub command_line: Vec<String>,
    /// What the firmware calls the machine: `Raspberry Pi 4 Model B Rev 1.4`.
    pub model: Option<String>,
    /// Files that hold the next boot's command line.
    pub boot_files: Vec<BootFile>,
    /// The program that `iptables` stands for in the end: `/usr/sbin/xtables-nft-multi`; absent where there is none.
    pub iptables: Option<String>,
    /// Whether AppArmor's parser is installed, where the engine looks for it.
    pub apparmor_parser: bool,
    /// Whether there is ZFS (`/dev/zfs`).
    pub zfs: bool,
}

/// A file that holds the next boot's command line, or parts of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootFile {
    /// The file.
    pub path: String,
    /// Its lines that cgroups depend on.
    pub lines: Vec<String>,
}

/// Parameters that containers and overlay networks depend on.
const PARAMETERS: [&str; 7] = [
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "kernel.keys.root_maxkeys",
    "kernel.modules_disabled",
];

/// Files that hold the next boot's command line, by boot loader; of those that are made from others the others come
/// first.
const BOOT_FILES: [&str; 8] = [
    "/boot/armbianEnv.txt",
    "/boot/dietpiEnv.txt",
    "/boot/orangepiEnv.txt",
    "/boot/firmware/cmdline.txt",
    "/boot/cmdline.txt",
    "/etc/default/u-boot",
    "/boot/extlinux/extlinux.conf",
    "/etc/default/grub",
];

/// What tells a line of a boot file, or a word of a command line, that cgroups depend on. The rest may hold what is
/// nobody's business.
const ABOUT_CGROUPS: [&str; 4] =
    ["cgroup", "docker_optimizations", "swapaccount", "systemd.unified_cgroup_hierarchy"];

/// The same lines of a boot file are repeated for each kernel; this many are enough.
const LINES: usize = 4;

impl Kernel {
    /// Reads it. What cannot be read is empty.
    pub fn read(host: &Host, options: &[String]) -> Self {
        let release = text(host, "/proc/sys/kernel/osrelease").trim().to_owned();
        let there = |path: &str| host.path(path).exists();
        let modules = options.iter().filter_map(|option| module_of(option));
        let about = |word: &&str| ABOUT_CGROUPS.iter().any(|part| word.contains(part));
        Self {
            configuration: ["/proc/config.gz".to_owned(), format!("/boot/config-{release}")]
                .into_iter()
                .find(|path| there(path)),
            modules_installed: there(&format!("/lib/modules/{release}")),
            loaded: modules
                .filter(|module| there(&format!("/sys/module/{module}")))
                .map(str::to_owned)
                .collect(),
            parameters: PARAMETERS.into_iter().filter_map(|name| parameter(host, name)).collect(),
            command_line: text(host, "/proc/cmdline")
                .split_whitespace()
                .filter(about)
                .map(str::to_owned)
                .collect(),
            model: Some(text(host, "/proc/device-tree/model"))
                .map(|model| model.trim_end_matches('\0').trim().to_owned())
                .filter(|model| !model.is_empty()),
            boot_files: BOOT_FILES
                .into_iter()
                .filter(|path| there(path))
                .map(|path| boot_file(host, path))
                .collect(),
            iptables: iptables(host),
            apparmor_parser: there("/sbin/apparmor_parser") || there("/usr/sbin/apparmor_parser"),
            zfs: there("/dev/zfs"),
        }
    }
}

fn parameter(host: &Host, name: &str) -> Option<(String, String)> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let value = fs::read_to_string(host.path(path)).ok()?;
    Some((name.to_owned(), value.trim().to_owned()))
}

fn boot_file(host: &Host, path: &str) -> BootFile {
    let content = text(host, path);
    let lines = content.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let about = lines.filter(|line| ABOUT_CGROUPS.iter().any(|part| line.contains(part)));
    BootFile { path: path.to_owned(), lines: about.take(LINES).map(cgroup_words).collect() }
}

/// A line without the words that have nothing to do with cgroups, which may be anything.
fn cgroup_words(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| ABOUT_CGROUPS.iter().any(|part| word.contains(part)));
    words.collect::<Vec<_>>().join(" ")
}

/// Where the links of `iptables` end, as seen on the host.
fn iptables(host: &Host) -> Option<String> {
    let mut path = ["/usr/sbin/iptables", "/sbin/iptables"]
        .map(str::to_owned)
        .into_iter()
        .find(|path| host.path(path).symlink_metadata().is_ok())?;
    // More would be a circle.
    for _ in 0..8 {
        let Ok(target) = fs::read_link(host.path(&path)) else { break };
        let target = target.to_string_lossy();
        path = match target.starts_with('/') {
            true => target.into_owned(),
            false => format!("{}/{target}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn a_board_is_read() {
        let (_root, host) = root(&[
            ("/proc/sys/kernel/osrelease", "6.6.31+rpt-rpi-v8\n"),
            ("/boot/config-6.6.31+rpt-rpi-v8", "CONFIG_VETH=m\n"),
            ("/lib/modules/6.6.31+rpt-rpi-v8/modules.dep", ""),
            ("/sys/module/vxlan/initstate", "live\n"),
            ("/proc/sys/net/ipv4/ip_forward", "1\n"),
            ("/proc/cmdline", "console=tty1 wifi_key=secret cgroup_disable=memory root=/dev/sda\n"),
            ("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
            ("/boot/firmware/cmdline.txt", "console=tty1 secret=x cgroup_enable=memory rootwait\n"),
            ("/boot/cmdline.txt", "DO NOT EDIT THIS FILE\n"),
            ("/sbin/apparmor_parser", ""),
        ]);
        let options = ["VXLAN", "VETH", "NAMESPACES"].map(str::to_owned);
        let read = Kernel::read(&host, &options);
        let boot_file = |path: &str, lines: &[&str]| BootFile {
            path: path.to_owned(),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let wanted = Kernel {
            configuration: Some("/boot/config-6.6.31+rpt-rpi-v8".to_owned()),
            modules_installed: true,
            loaded: BTreeSet::from(["vxlan".to_owned()]),
            parameters: BTreeMap::from([("net.ipv4.ip_forward".to_owned(), "1".to_owned())]),
            command_line: vec!["cgroup_disable=memory".to_owned()],
            model: Some("Raspberry Pi 4 Model B Rev 1.4".to_owned()),
            boot_files: vec![
                boot_file("/boot/firmware/cmdline.txt", &["cgroup_enable=memory"]),
                boot_file("/boot/cmdline.txt", &[]),
            ],
            iptables: None,
            apparmor_parser: true,
            zfs: false,
        };
        assert_eq!(read, wanted);
        assert_eq!(Kernel::read(&root(&[]).1, &options), Kernel::default());
    }

    #[test]
    fn the_links_of_iptables_are_followed_on_the_host() {
        let (root, host) = root(&[("/usr/sbin/xtables-nft-multi", ""), ("/etc/alternatives/x", "")]);
        let link = |target: &str, at: &str| symlink(target, root.path().join(at)).unwrap();
        link("/etc/alternatives/iptables", "usr/sbin/iptables");
        link("/usr/sbin/iptables-nft", "etc/alternatives/iptables");
        link("xtables-nft-multi", "usr/sbin/iptables-nft");
        assert_eq!(iptables(&host).as_deref(), Some("/usr/sbin/xtables-nft-multi"));
        fs::remove_file(root.path().join("usr/sbin/iptables-nft")).unwrap();
        link("iptables-nft", "usr/sbin/iptables-nft");
        assert!(iptables(&host).is_some(), "a circle ends");
    }
}
