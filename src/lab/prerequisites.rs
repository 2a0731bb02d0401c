//! What this computer needs to run a lab, and whether it can at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use super::arch::Arch;
use super::command::{checked, run, short, tool};
use super::error::LabError;
use super::{network, state};

const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Each program a lab runs, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 9] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
];

/// A Debian package that a lab needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Its name, as apt knows it.
    pub name: &'static str,
}

/// Debian packages that a lab needs and this computer lacks; empty when it is ready.
pub fn missing() -> Vec<Package> {
    packages_for(&PROGRAMS, |program| !is_installed(program))
}

/// Debian packages that machines with these processors need beside [`missing`] ones, and this computer lacks.
pub fn missing_for(machines: &[Arch]) -> Vec<Package> {
    packages_for(&machine_programs(machines), |program| !is_installed(program))
}

/// Each program that such machines take, and the Debian package that has it.
fn machine_programs(machines: &[Arch]) -> Vec<(&'static str, &'static str)> {
    if machines.is_empty() {
        return Vec::new();
    }
    let mut programs = vec![("qemu-img", "qemu-utils"), ("mke2fs", "e2fsprogs")];
    programs.extend(machines.iter().map(|arch| (arch.emulator(), arch.emulator_package())));
    for firmware in machines.iter().filter_map(|arch| arch.firmware()) {
        programs.extend([(firmware, "u-boot-qemu"), ("mkimage", "u-boot-tools")]);
    }
    if machines.iter().any(|arch| !arch.is_own()) {
        programs.push(("qemu-aarch64-static", "qemu-user-static"));
    }
    programs
}

fn packages_for(programs: &[(&'static str, &'static str)], lacks: impl Fn(&str) -> bool) -> Vec<Package> {
    let mut packages = Vec::new();
    for &(program, name) in programs {
        if lacks(program) && !packages.contains(&Package { name }) {
            packages.push(Package { name });
        }
    }
    packages
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).any(|dir| dir.join(program).is_file())
}

/// Installs packages with apt; each line apt writes goes to `on_progress`.
pub fn install(packages: &[Package], on_progress: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    if packages.is_empty() {
        return Ok(());
    }
    apt(&["update"], on_progress)?;
    let names = packages.iter().map(|package| package.name);
    let args: Vec<&str> = ["install", "--yes", "--no-install-recommends"].into_iter().chain(names).collect();
    apt(&args, on_progress)
}

fn apt(args: &[&str], on_progress: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    let mut command = tool("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=120"]).args(args);
    checked(&mut command, "", INSTALL_LIMIT, on_progress).map(drop)
}

/// Why no lab can run here at all, in one sentence with the remedy; nothing where one can. What can only be
/// tried with programs that are still [`missing`] is left out until they are installed.
pub fn unavailable() -> Option<String> {
    let checks: [fn() -> Result<(), String>; 6] =
        [is_linux, is_root, has_apt, has_resolver, has_overlay, may_make_namespaces];
    checks.into_iter().find_map(|check| check().err())
}

fn is_linux() -> Result<(), String> {
    refuse(!cfg!(target_os = "linux"), "lab nodes share a Linux kernel, and this computer runs none")
}

fn is_root() -> Result<(), String> {
    refuse(
        !nix::unistd::geteuid().is_root(),
        "lab nodes need namespaces and a bridge: run it as root (`sudo skep lab …`)",
    )
}

fn has_apt() -> Result<(), String> {
    let lacks = !is_installed("apt-get") || !Path::new("/etc/os-release").exists();
    refuse(
        lacks,
        "nodes are built from this computer's apt sources, and it has no apt: use a Debian or Ubuntu machine",
    )
}

fn has_resolver() -> Result<(), String> {
    refuse(
        network::resolvers().is_empty(),
        "nodes cannot use this computer's name server, which listens on loopback only: \
         put one that others reach into /etc/resolv.conf",
    )
}

fn has_overlay() -> Result<(), String> {
    let known = || fs::read_to_string("/proc/filesystems").is_ok_and(|list| lists_overlay(&list));
    if !known() {
        let _ = short("modprobe", &["overlay"]);
    }
    refuse(!known(), "this kernel has no overlayfs (CONFIG_OVERLAY_FS): nodes are layers on one tree")?;
    let root = state::root();
    let existing = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let stacked = statfs(existing).is_ok_and(|found| found.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
    refuse(
        stacked,
        &format!(
            "{} is on an overlay, which cannot carry another: set SKEP_LAB_DIR to a folder on a real disk",
            root.display()
        ),
    )
}

fn lists_overlay(filesystems: &str) -> bool {
    filesystems.lines().any(|line| line.split_whitespace().last() == Some("overlay"))
}

/// Tries everything once in a network namespace that ends with the trial.
fn may_make_namespaces() -> Result<(), String> {
    if !is_installed("ip") || !is_installed("nft") {
        return Ok(());
    }
    let trials = [
        ("make namespaces", "true"),
        ("make a network bridge", "ip link add name skep0 type bridge"),
        ("make a veth pair", "ip link add name skep0 type veth peer name skep1"),
        (
            "masquerade with nftables",
            "nft 'table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }'",
        ),
    ];
    for (what, script) in trials {
        let mut command = tool("unshare");
        command.args(["--mount", "--net", "--pid", "--fork", "sh", "-c", script]);
        let output = run(&mut command, "", Duration::from_secs(20), &mut |_| ());
        let cause = match output {
            Ok(output) if output.status.success() => continue,
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
            Err(error) => error.to_string(),
        };
        return Err(format!(
            "this computer does not let root {what} ({cause}): use a kernel that has it, or a machine that is no restricted container"
        ));
    }
    Ok(())
}

fn refuse(bad: bool, reason: &str) -> Result<(), String> {
    if bad { Err(reason.to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_wanted_once_however_many_programs_lack() {
        let names = |lacking: &[&str]| -> Vec<&str> {
            packages_for(&PROGRAMS, |program| lacking.contains(&program))
                .iter()
                .map(|package| package.name)
                .collect()
        };
        assert!(names(&[]).is_empty());
        assert_eq!(names(&["ssh", "ssh-keygen"]), ["openssh-client"]);
        assert_eq!(names(&["systemd-nspawn", "ip"]), ["systemd-container", "iproute2"]);
    }

    #[test]
    fn machines_want_their_emulator_and_none_wants_nothing() {
        let names = |machines: &[Arch]| -> Vec<&str> {
            packages_for(&machine_programs(machines), |_| true).iter().map(|package| package.name).collect()
        };
        assert!(names(&[]).is_empty());
        let both = names(&[Arch::Arm64, Arch::Amd64, Arch::Arm64]);
        assert!(
            both.starts_with(&["qemu-utils", "e2fsprogs", "qemu-system-arm", "qemu-system-x86"]),
            "{both:?}"
        );
        assert!(both.contains(&"qemu-user-static"), "{both:?}");
        assert!(both.contains(&"u-boot-qemu") && both.contains(&"u-boot-tools"), "{both:?}");
        assert!(!names(&[Arch::Amd64]).contains(&"u-boot-qemu"));
    }

    #[test]
    fn overlayfs_is_recognised() {
        assert!(lists_overlay("nodev\tproc\nnodev\toverlay\n\text4\n"));
        assert!(!lists_overlay("nodev\tproc\n\tfuseblk\n"));
        assert!(!lists_overlay(""));
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(is_installed("sh"));
        assert!(!is_installed("skep-no-such-program"));
    }
}
