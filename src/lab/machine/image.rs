//! What machines of one recipe share: a disk that each has a layer on, its kernel, and the first program to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::arch::Arch;
use super::super::command::{checked, tool};
use super::super::error::{LabError, at};

/// What every tree for a machine has beside what nodes have.
pub(in super::super) const PACKAGES: [&str; 1] = ["busybox-static"];
/// What a machine with an engine has too: file servers and their clients are why one wants a kernel of one's own.
pub(in super::super) const ENGINE: [&str; 3] = ["apparmor", "nfs-common", "nfs-kernel-server"];

/// Counts up when an image is made in another way, so that old ones are not taken for new.
pub(in super::super) const RECIPE: u32 = 1;
/// How large the disk seems; it takes what is written to it.
const DISK_SIZE: &str = "12G";
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
pub(in super::super) fn make(tree: &Path, image: &Path) -> Result<(), LabError> {
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
    let mut command = tool("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-L", "skep-lab", "-d"]).arg(tree);
    command.arg(disk(image)).arg(DISK_SIZE);
    checked(&mut command, "", LIMIT, &mut |_| ())?;
    at(fs::remove_dir_all(tree), "remove", tree)
}
