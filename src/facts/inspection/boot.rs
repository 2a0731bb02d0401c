//! What the system's first start left behind, what waits for the next one, and what the host calls itself.

use std::fs;

use serde::{Deserialize, Serialize};

use super::super::text;
use super::units;
use crate::resource::Host;

/// Has Armbian ask its questions at the next login; what it asks is told in the file's place.
pub const FIRST_LOGIN: &str = "/root/.not_logged_in_yet";

/// Armbian's first start, which gives the host keys and addresses of its own and then disables itself.
pub const FIRST_RUN: &str = "armbian-firstrun.service";

/// Set by Armbian where the file system grows only after another start.
pub const RESIZE: &str = "/run/resize2fs-reboot";

/// What wants the next start, whoever asks for it.
pub const REBOOT: &str = "/run/reboot-required";

/// Services that manage a host's network.
const NETWORKS: &[&str] =
    &["NetworkManager.service", "systemd-networkd.service", "dhcpcd.service", "connman.service"];

/// What starts left behind and wait for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// Whether [`FIRST_LOGIN`] is there.
    pub first_login: bool,
    /// Whether [`FIRST_RUN`] is yet to be done, or failed.
    pub first_run: bool,
    /// Whether [`RESIZE`] is there.
    pub resize: bool,
    /// Settings of consoles that log somebody in without a password.
    pub autologin: Vec<String>,
    /// Whether [`REBOOT`] is there.
    pub reboot: bool,
    /// The packages that want it.
    pub reboot_for: Vec<String>,
    /// Kernels whose modules are installed.
    pub kernels: Vec<String>,
    /// Whether the running kernel loads modules at all.
    pub modular: bool,
    /// Those of the services that manage networks that run.
    pub networks: Vec<String>,
    /// What is started to wait for the network.
    pub online: Vec<String>,
    /// What the host calls itself.
    pub names: Names,
}

/// What the host calls itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// The kernel's host name, which counts until the next start.
    pub kernel: String,
    /// The line of `/etc/hosts` with the host's name; empty where none has it.
    pub hosts: String,
    /// Where names are looked up: the line of `/etc/nsswitch.conf`.
    pub lookup: String,
}

impl Boot {
    /// Reads it. What cannot be read is told as such.
    pub fn read(host: &Host) -> Self {
        let exists = |path: &str| host.path(path).exists();
        Self {
            first_login: exists(FIRST_LOGIN),
            first_run: units::wanted_by(host, "multi-user.target").iter().any(|unit| unit == FIRST_RUN),
            resize: exists(RESIZE),
            autologin: autologin(host),
            reboot: exists(REBOOT),
            reboot_for: text(host, "/run/reboot-required.pkgs").lines().map(str::to_owned).collect(),
            kernels: names_in(host, "/lib/modules"),
            modular: exists("/proc/modules"),
            networks: NETWORKS
                .iter()
                .filter(|unit| units::runs(host, unit))
                .map(|unit| (*unit).to_owned())
                .collect(),
            online: units::wanted_by(host, "network-online.target"),
            names: Names::read(host),
        }
    }
}

impl Names {
    fn read(host: &Host) -> Self {
        let kernel = text(host, "/proc/sys/kernel/hostname").trim().to_owned();
        let hosts = text(host, "/etc/hosts");
        let lookup = text(host, "/etc/nsswitch.conf");
        Self {
            hosts: line_with(&hosts, &kernel).unwrap_or_default().to_owned(),
            lookup: lookup
                .lines()
                .find(|line| line.starts_with("hosts:"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
            kernel,
        }
    }
}

/// The line of hosts(5) that has this name.
fn line_with<'t>(hosts: &'t str, name: &str) -> Option<&'t str> {
    let words = |line: &'t str| line.split('#').next().unwrap_or_default().split_whitespace().skip(1);
    hosts.lines().find(|line| words(line).any(|word| word.eq_ignore_ascii_case(name)))
}

/// Drop-ins of consoles, among them those that Armbian's images bring until its questions are answered.
fn autologin(host: &Host) -> Vec<String> {
    let units = "/etc/systemd/system";
    let is_console = |name: &String| {
        (name.starts_with("getty@") || name.starts_with("serial-getty@")) && name.ends_with(".service.d")
    };
    let folders = names_in(host, units).into_iter().filter(is_console);
    let files = folders.flat_map(|folder| {
        let folder = format!("{units}/{folder}");
        names_in(host, &folder).into_iter().map(move |name| format!("{folder}/{name}"))
    });
    let logs_in = |file: &String| {
        let text = text(host, file);
        text.lines().any(|line| line.trim_start().starts_with("ExecStart") && line.contains("--autologin"))
    };
    files.filter(|file| file.ends_with(".conf")).filter(logs_in).collect()
}

/// What is in a folder, in the order of the names.
fn names_in(host: &Host, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(host.path(folder)).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &tempfile::TempDir, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
    }

    #[test]
    fn a_board_that_was_never_logged_in_to() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = Host::at(root.path());
        assert_eq!(Boot::read(&host), Boot::default());
        write(
            &root,
            &[
                ("root/.not_logged_in_yet", ""),
                ("etc/systemd/system/multi-user.target.wants/armbian-firstrun.service", ""),
                (
                    "etc/systemd/system/getty@.service.d/override.conf",
                    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --noissue --autologin root %I $TERM\n",
                ),
                (
                    "etc/systemd/system/serial-getty@.service.d/slow.conf",
                    "[Service]\n#ExecStart=-/sbin/agetty --autologin root\n",
                ),
                ("run/resize2fs-reboot", ""),
            ],
        );
        let boot = Boot::read(&host);
        assert!(boot.first_login && boot.first_run && boot.resize && !boot.reboot, "{boot:?}");
        assert_eq!(boot.autologin, ["/etc/systemd/system/getty@.service.d/override.conf"]);
    }

    #[test]
    fn what_waits_for_the_next_start() {
        let root = tempfile::tempdir().expect("a temporary directory");
        write(
            &root,
            &[
                ("run/reboot-required", ""),
                ("run/reboot-required.pkgs", "linux-image-6.1.0-44-amd64\nlibc6\n"),
                ("lib/modules/6.1.0-44-amd64/modules.dep", ""),
                ("proc/modules", ""),
                ("sys/fs/cgroup/system.slice/NetworkManager.service/cgroup.procs", ""),
                ("usr/lib/systemd/system/network-online.target.wants/NetworkManager-wait-online.service", ""),
            ],
        );
        let boot = Boot::read(&Host::at(root.path()));
        assert!(boot.reboot && boot.modular);
        assert_eq!(boot.reboot_for, ["linux-image-6.1.0-44-amd64", "libc6"]);
        assert_eq!(boot.kernels, ["6.1.0-44-amd64"]);
        assert_eq!(boot.networks, ["NetworkManager.service"]);
        assert_eq!(boot.online, ["NetworkManager-wait-online.service"]);
    }

    #[test]
    fn names_in_hosts() {
        let hosts = "127.0.0.1 localhost\n# 127.0.1.1 n1\n127.0.1.1\tN1.home n1 # the board\n";
        assert_eq!(line_with(hosts, "n1"), Some("127.0.1.1\tN1.home n1 # the board"));
        for absent in ["n2", "127.0.0.1", "board"] {
            assert_eq!(line_with(hosts, absent), None, "{absent}");
        }
    }
}
