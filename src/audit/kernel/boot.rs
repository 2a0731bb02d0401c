//! Which line of which boot file gives a board the cgroup controllers that it lacks.

use super::target::{Running, Target};
use crate::facts::inspection::kernel::BootFile;

/// Files of U-Boot scripts that add what `extraargs` says to the command line (Armbian's, and those made after it).
const ENVIRONMENTS: [&str; 3] = ["/boot/armbianEnv.txt", "/boot/dietpiEnv.txt", "/boot/orangepiEnv.txt"];
/// Raspberry Pi's, the newer place first: the older one only says where the newer one is.
const PI: [&str; 2] = ["/boot/firmware/cmdline.txt", "/boot/cmdline.txt"];

/// What enables these controllers; each the exact line for that board.
pub(super) fn remedy(target: &Target<'_>, running: &Running<'_>, controllers: &[&str]) -> Vec<String> {
    // Only these two are ever left out at boot; the rest is the kernel's configuration.
    let booted: Vec<_> =
        controllers.iter().copied().filter(|name| matches!(*name, "memory" | "cpuset")).collect();
    if booted.is_empty() {
        return vec!["boot a kernel that has them, see kernel-necessary and kernel-optional".to_owned()];
    }
    let disabled = running.kernel.command_line.iter().any(|word| word.starts_with("cgroup_disable="));
    let find = |paths: &[&str]| paths.iter().find_map(|path| file(running, path));
    if let Some(switched_off) = running.kernel.boot_files.iter().find(|file| disables(file, &booted)) {
        let path = &switched_off.path;
        return vec![then_reboot(path, format!("sed -i 's/ *cgroup_disable=[a-z,]*//g' {path}"))];
    }
    let arguments = arguments(&booted);
    if let Some(environment) = find(&ENVIRONMENTS) {
        return vec![in_environment(environment, &arguments)];
    }
    if is_pi(running) {
        return on_pi(target.release, find(&PI), disabled, &arguments);
    }
    if let Some(file) = find(&["/etc/default/u-boot"]) {
        let path = &file.path;
        let line = format!(r#"echo 'U_BOOT_PARAMETERS="$U_BOOT_PARAMETERS {arguments}"' >> {path}"#);
        return vec![format!("{line} && u-boot-update && reboot")];
    }
    if let Some(file) = find(&["/boot/extlinux/extlinux.conf"]) {
        let path = &file.path;
        return vec![format!(r"sed -i 's/^[[:space:]]*append .*/& {arguments}/I' {path} && reboot")];
    }
    if let Some(file) = find(&["/etc/default/grub"]) {
        let path = &file.path;
        return vec![format!(
            r#"sed -i 's/^GRUB_CMDLINE_LINUX="/&{arguments} /' {path} && update-grub && reboot"#
        )];
    }
    vec![format!("add `{arguments}` to the kernel's command line, and reboot")]
}

fn file<'a>(running: &Running<'a>, path: &str) -> Option<&'a BootFile> {
    running.kernel.boot_files.iter().find(|file| file.path == path)
}

fn disables(file: &BootFile, controllers: &[&str]) -> bool {
    let words = file.lines.iter().flat_map(|line| line.split_whitespace());
    let lists = words.filter_map(|word| word.split_once("cgroup_disable=")).map(|(_, list)| list);
    lists.flat_map(|list| list.split(',')).any(|name| controllers.contains(&name.trim_matches('"')))
}

fn arguments(controllers: &[&str]) -> String {
    let each: Vec<_> = controllers.iter().map(|name| format!("cgroup_enable={name}")).collect();
    each.join(" ")
}

fn then_reboot(path: &str, line: String) -> String {
    match path {
        "/etc/default/grub" => format!("{line} && update-grub && reboot"),
        "/etc/default/u-boot" => format!("{line} && u-boot-update && reboot"),
        _ => format!("{line} && reboot"),
    }
}

/// Armbian's scripts enable them by themselves, unless they are told not to.
fn in_environment(file: &BootFile, arguments: &str) -> String {
    let path = &file.path;
    if file.lines.iter().any(|line| line == "docker_optimizations=off") {
        return format!("sed -i 's/^docker_optimizations=off/docker_optimizations=on/' {path} && reboot");
    }
    format!(
        "grep -q ^extraargs= {path} && sed -i 's/^extraargs=.*/& {arguments}/' {path} || echo \
         'extraargs={arguments}' >> {path}; reboot"
    )
}

fn is_pi(running: &Running<'_>) -> bool {
    running.kernel.model.as_deref().is_some_and(|model| model.starts_with("Raspberry Pi"))
}

/// Whether a kernel is Raspberry Pi's own: `6.6.31+rpt-rpi-v8`, `6.1.21-v8+`; Armbian's for these boards is built from it.
fn is_downstream(release: &str) -> bool {
    ["rpi", "-v6", "-v7", "-v8", "bcm27"].iter().any(|part| release.contains(part))
}

fn on_pi(release: &str, file: Option<&BootFile>, disabled: bool, arguments: &str) -> Vec<String> {
    if disabled && !is_downstream(release) {
        return vec![
            "the firmware's device tree passes `cgroup_disable=memory`, which only Raspberry Pi's own kernel lets \
             cmdline.txt undo: boot Raspberry Pi OS"
                .to_owned(),
            "or take it out of the device tree, again after each upgrade of the firmware: for DTB in \
             /boot/firmware/bcm27*.dtb; do fdtput -t s $DTB /chosen bootargs \"$(fdtget $DTB /chosen bootargs | sed \
             's/cgroup_disable=memory *//')\"; done; reboot"
                .to_owned(),
        ];
    }
    let path = file.map_or(PI[0], |file| &file.path);
    vec![format!("sed -i '1s/$/ {arguments}/' {path} && reboot")]
}
