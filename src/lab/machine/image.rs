//! What machines of one recipe share: a disk that each has a layer on, its kernel, and the first program to run.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::arch::Arch;
use super::super::command::{checked, tool};
use super::super::error::{LabError, at};
use super::loader;

/// What every tree for a machine has beside what nodes have.
pub(in super::super) const PACKAGES: [&str; 1] = ["busybox-static"];
/// What a machine with an engine has too: file servers and their clients are why one wants a kernel of one's own.
pub(in super::super) const ENGINE: [&str; 3] = ["apparmor", "nfs-common", "nfs-kernel-server"];

/// Counts up when an image is made in another way, so that old ones are not taken for new.
pub(in super::super) const RECIPE: u32 = 2;
/// How large the disk seems, in MiB; it takes what is written to it.
const DISK: u32 = 12 << 10;
/// What is left free before its only partition, in MiB, as is the custom.
const GAP: u32 = 1;
const SECTORS_PER_MIB: u32 = 2048;
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The shared disk of the image in that folder.
pub(super) fn disk(image: &Path) -> PathBuf {
    image.join("disk.raw")
}

/// Its kernel.
pub(super) fn kernel(image: &Path) -> PathBuf {
    image.join("kernel")
}

/// Its busybox(1), for the initial RAM disk.
pub(super) fn busybox(image: &Path) -> PathBuf {
    image.join("busybox")
}

/// Scripts for the build, in the folder of its inputs: what mmdebstrap calls with the finished tree, and what it is
/// called by.
pub(in super::super) struct Scripts {
    /// Puts the kernel in.
    pub(in super::super) kernel: PathBuf,
    /// Runs a command with emulation, where it is needed.
    pub(in super::super) emulate: Option<PathBuf>,
}

/// Writes the scripts.
pub(in super::super) fn scripts(arch: Arch, inputs: &Path) -> Result<Scripts, LabError> {
    use std::os::unix::fs::PermissionsExt;
    let write = |name: &str, text: &str| {
        let path = inputs.join(name);
        at(fs::write(&path, text), "write", &path)?;
        at(fs::set_permissions(&path, fs::Permissions::from_mode(0o755)), "change the mode of", &path)?;
        Ok(path)
    };
    let text = include_str!("kernel.sh")
        .replace("@INPUTS@", &inputs.display().to_string())
        .replace("@PACKAGE@", arch.kernel_package());
    let emulate = if arch.is_own() { None } else { Some(write("emulate.sh", include_str!("emulate.sh"))?) };
    Ok(Scripts { kernel: write("kernel.sh", &text)?, emulate })
}

/// Turns a tree into an image in that folder; the tree is gone then.
pub(in super::super) fn make(arch: Arch, tree: &Path, image: &Path) -> Result<(), LabError> {
    at(fs::create_dir_all(image), "make", image)?;
    let boot = tree.join("boot");
    let found = at(fs::read_dir(&boot), "read", &boot)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")));
    let from = found.unwrap_or_else(|| boot.join("vmlinuz"));
    at(fs::copy(&from, kernel(image)), "copy", &from)?;
    let program = tree.join("usr/bin/busybox");
    let program = if program.exists() { program } else { tree.join("bin/busybox") };
    at(fs::copy(&program, busybox(image)), "copy", &program)?;
    if arch.firmware().is_some() {
        loader::install(tree, arch, &from)?;
    }
    let disk = disk(image);
    let file = at(fs::File::create(&disk), "make", &disk)?;
    at(file.set_len(u64::from(DISK) << 20), "enlarge", &disk)?;
    at(file.write_all_at(&partition_table(), 0), "write", &disk)?;
    let mut command = tool("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-L", "skep-lab", "-d"]).arg(tree);
    command.arg(format!("-Eoffset={}", GAP << 20)).arg(&disk).arg(format!("{}M", DISK - GAP));
    checked(&mut command, "", LIMIT, &mut |_| ())?;
    at(fs::remove_dir_all(tree), "remove", tree)
}

/// The first sector: one partition for Linux, of all that is behind the gap, to boot from (a "DOS" partition table, which
/// fdisk(8) and U-Boot know).
fn partition_table() -> [u8; 512] {
    let mut sector = [0; 512];
    let entry = &mut sector[446..462];
    // Bootable; its addresses in cylinders, as if they were beyond what those can name; the kind "Linux".
    entry[..8].copy_from_slice(&[0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&(GAP * SECTORS_PER_MIB).to_le_bytes());
    entry[12..].copy_from_slice(&((DISK - GAP) * SECTORS_PER_MIB).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_begins_behind_the_gap_and_ends_with_the_disk() {
        let table = partition_table();
        let number = |place: usize| u32::from_le_bytes(table[place..place + 4].try_into().unwrap());
        assert_eq!(number(454), 2048);
        assert_eq!(u64::from(number(454) + number(458)) * 512, 12 << 30);
        assert_eq!((table[446], table[450], &table[510..]), (0x80, 0x83, &[0x55, 0xaa][..]));
    }
}
