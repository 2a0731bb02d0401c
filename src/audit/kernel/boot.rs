//! Which line of which boot file gives a board the cgroup controllers that it lacks.

use super::target::{Running, Target};
use crate::facts::inspection::kernel::BootFile;
use crate::facts::kernel_options::built_without;
use crate::resource::boot::switch::{DISABLE, arguments, disables, in_force};
use crate::resource::boot::{Loader, Place, SWITCHED};

/// What enables these controllers: skep itself where it can, and the exact line for that board for whoever does it by hand.
pub(super) fn remedy(target: &Target<'_>, running: &Running<'_>, controllers: &[&str]) -> Vec<String> {
    // Only these two are ever left out at boot; the rest is the kernel's configuration, as is what it was booted with.
    let by_boot = |name: &&str| {
        SWITCHED.contains(name)
            && built_without(target.options, name).is_none()
            && !in_force(&running.kernel.command_line, name)
    };
    let booted: Vec<_> = controllers.iter().copied().filter(by_boot).collect();
    if booted.is_empty() {
        return vec!["boot a kernel that has them, see kernel-necessary and kernel-optional".to_owned()];
    }
    let model = running.kernel.model.as_deref();
    let place = Place::of(|path| file(running, path).is_some(), model);
    let words = running.kernel.boot_files.iter().flat_map(words);
    let by_firmware = place.as_ref().is_some_and(|place| {
        place.is_overruled(&booted, &running.kernel.command_line, words, target.release)
    });
    let through_skep = place.as_ref().filter(|_| !by_firmware).map(|place| {
        format!("`skep up --reboot` changes {} and reboots, one node after another", place.shown())
    });
    through_skep.into_iter().chain(by_hand(running, place.as_ref(), &booted, by_firmware)).collect()
}

fn by_hand(running: &Running<'_>, place: Option<&Place>, booted: &[&str], by_firmware: bool) -> Vec<String> {
    if let Some(switched_off) = running.kernel.boot_files.iter().find(|file| disables(words(file), booted)) {
        let path = &switched_off.path;
        return vec![then_reboot(path, format!("sed -i 's/ *{DISABLE}[a-z,]*//g' {path}"))];
    }
    let arguments = arguments(booted);
    let Some(Place { loader, path }) = place else {
        return vec![format!("add `{arguments}` to the kernel's command line, and reboot")];
    };
    match loader {
        Loader::Environment => {
            file(running, path).map(|file| in_environment(file, &arguments)).into_iter().collect()
        }
        Loader::Pi if by_firmware => in_device_tree(),
        Loader::Pi => vec![format!("sed -i '1s/$/ {arguments}/' {path} && reboot")],
        Loader::UbootMenu => {
            let line = format!(r#"echo 'U_BOOT_PARAMETERS="$U_BOOT_PARAMETERS {arguments}"' >> {path}"#);
            vec![format!("{line} && u-boot-update && reboot")]
        }
        Loader::Extlinux => {
            vec![format!(r"sed -i 's/^[[:space:]]*append .*/& {arguments}/I' {path} && reboot")]
        }
        Loader::Grub => vec![format!(
            r#"sed -i 's/^GRUB_CMDLINE_LINUX="/&{arguments} /' {path} && update-grub && reboot"#
        )],
    }
}

fn file<'a>(running: &Running<'a>, path: &str) -> Option<&'a BootFile> {
    running.kernel.boot_files.iter().find(|file| file.path == path)
}

fn words(file: &BootFile) -> impl Iterator<Item = &str> {
    file.lines.iter().flat_map(|line| line.split_whitespace())
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

/// Raspberry Pi's firmware switches the controller off, and this kernel does not let `cmdline.txt` undo it.
fn in_device_tree() -> Vec<String> {
    vec![
        format!(
            "the firmware's device tree passes `{DISABLE}memory`, which only Raspberry Pi's own kernel lets cmdline.txt \
             undo: boot Raspberry Pi OS"
        ),
        format!(
            "or take it out of the device tree, again after each upgrade of the firmware: for DTB in \
             /boot/firmware/bcm27*.dtb; do fdtput -t s $DTB /chosen bootargs \"$(fdtget $DTB /chosen bootargs | sed \
             's/{DISABLE}memory *//')\"; done; reboot"
        ),
    ]
}
