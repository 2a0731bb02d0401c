//! Where a kernel comes from that has what this one lacks.

use super::item::{Item, Need};
use super::target::{Running, Target};
use crate::facts::kernel_options::module_of;
use crate::facts::{Support, System};

/// What helps where a kernel lacks options, or their modules.
pub(super) fn of_options(target: &Target<'_>, items: &[&Item]) -> Vec<String> {
    let options: Vec<_> = items.iter().map(|item| item.option).collect();
    let Some(running) = &target.running else { return vec![rebuild(items)] };
    let uninstalled = |option: &&&str| target.support(option) == Support::ModuleMissing;
    let (modules, missing): (Vec<&str>, Vec<&str>) = options.iter().partition(uninstalled);
    let modules = (!modules.is_empty()).then(|| modules_of(running, target.release));
    let kernel = (!missing.is_empty()).then(|| kernel_of(running.system, target.release));
    modules.into_iter().chain(kernel).collect()
}

/// The line that sets options in the sources of a kernel (`scripts/config` is the kernel's own).
fn rebuild(items: &[&Item]) -> String {
    let words: Vec<_> = items
        .iter()
        .map(|item| {
            let how = match module_of(item.option) {
                _ if item.need == Need::Unwanted => "-d",
                Some(_) => "-m",
                None => "-e",
            };
            format!("{how} {}", item.option)
        })
        .collect();
    format!("scripts/config {} && make olddefconfig, and build the kernel anew", words.join(" "))
}

/// Where the modules of a running kernel come from.
fn modules_of(running: &Running<'_>, release: &str) -> String {
    let system = running.system;
    match () {
        () if !running.kernel.modules_installed => {
            format!("reboot: /lib/modules/{release} is gone, so a newer kernel has been installed")
        }
        () if has_ubuntus_kernels(system) => format!("apt-get install linux-modules-extra-{release}"),
        () => format!("apt-get install --reinstall {}", image_of(system, release)),
    }
}

/// Whether its kernels are Ubuntu's, as those of systems made from it are; Armbian brings its own.
fn has_ubuntus_kernels(system: &System) -> bool {
    system.variant.as_deref() != Some("Armbian")
        && (system.id == "ubuntu" || system.ubuntu_codename.is_some())
}

/// The package that the running kernel comes from.
fn image_of(system: &System, release: &str) -> String {
    match release.split_once('-') {
        // Armbian's are named after branch and family: linux-image-current-rockchip64.
        Some((_, kind)) if system.variant.as_deref() == Some("Armbian") => format!("linux-image-{kind}"),
        _ => format!("linux-image-{release}"),
    }
}

/// Where another kernel comes from.
fn kernel_of(system: &System, release: &str) -> String {
    let newest = match system.variant.as_deref() {
        Some("Armbian") => {
            return "install another of Armbian's kernels (`armbian-config`, System, Kernel) and reboot"
                .to_owned();
        }
        Some("Raspberry Pi OS" | "DietPi") => {
            return "apt-get update && apt-get full-upgrade && reboot".to_owned();
        }
        _ if release.contains("raspi") => "linux-raspi".to_owned(),
        _ if has_ubuntus_kernels(system) => "linux-generic".to_owned(),
        _ => format!("linux-image-{}", system.architecture),
    };
    format!("apt-get install {newest} && reboot")
}

/// What helps where there is no configuration to read.
pub(super) fn of_no_configuration(target: &Target<'_>) -> Vec<String> {
    let release = target.release;
    vec![
        format!(
            "run `modprobe configs` for /proc/config.gz, or copy the kernel's configuration to /boot/config-{release}"
        ),
        format!(
            "judge the configuration from a file: skep audit --kernel-config FILE --kernel-version {release}"
        ),
    ]
}
