//! The boot loader of arm64 machines: U-Boot, as boards have it. It reads settings and kernel from the machine's own disk,
//! so that whoever changes them there changes the next boot.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::arch::Arch;
use super::super::command::short;
use super::super::error::{LabError, at};

/// Where the emulator puts the initial RAM disk, between what U-Boot loads and U-Boot itself, which is at the end of memory.
const ADDRESS: u32 = 0x4800_0000;
/// What is put there, in bytes: U-Boot has to be told beforehand, and Linux skips the zeros behind an archive.
const SIZE: usize = 16 << 20;
/// The settings that a new machine has.
const SETTINGS: &str = "verbosity=1\nextraargs=net.ifnames=0 mitigations=off\n";

/// Puts what U-Boot reads into a tree with a kernel.
pub(super) fn install(tree: &Path, arch: Arch, kernel: &Path) -> Result<(), LabError> {
    let boot = tree.join("boot");
    let (script, compiled) = (boot.join("boot.cmd"), boot.join("boot.scr"));
    for (path, text) in [(&script, commands(arch)), (&boot.join("armbianEnv.txt"), SETTINGS.to_owned())] {
        at(fs::write(path, text), "write", path)?;
    }
    let (from, to) = (script.display().to_string(), compiled.display().to_string());
    short("mkimage", &["-A", arch.debian(), "-C", "none", "-T", "script", "-d", &from, &to])?;
    let image = boot.join("Image");
    at(symlink(kernel.file_name().unwrap_or_default(), &image), "link", &image)
}

fn commands(arch: Arch) -> String {
    include_str!("boot.cmd")
        .replace("@CONSOLE@", arch.console())
        .replace("@ADDRESS@", &format!("{ADDRESS:#x}"))
        .replace("@SIZE@", &format!("{SIZE:#x}"))
}

/// Makes an initial RAM disk as long as U-Boot takes it for.
pub(super) fn pad(mut archive: Vec<u8>) -> Vec<u8> {
    archive.resize(archive.len().max(SIZE), 0);
    archive
}

/// What tells the emulator to put that RAM disk into memory.
pub(super) fn device(ram_disk: &str) -> String {
    format!("loader,file={ram_disk},addr={ADDRESS:#x},force-raw=on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_no_hole_left() {
        let text = commands(Arch::Arm64);
        assert!(!text.contains('@') && text.contains("console=ttyAMA0 "), "{text}");
        assert!(text.contains("booti ${kernel_addr_r} 0x48000000:0x1000000 ${fdt_addr}"), "{text}");
    }

    #[test]
    fn a_ram_disk_is_as_long_as_the_script_says_and_loses_nothing() {
        assert_eq!(pad(vec![1, 2]).len(), SIZE);
        assert_eq!(pad(vec![1, 2])[..3], [1, 2, 0]);
        assert_eq!(pad(vec![7; SIZE + 1]).len(), SIZE + 1);
    }
}
