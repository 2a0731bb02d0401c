//! Whether the processor's own virtualisation can be had: only a boot proves it. There are computers, themselves virtual
//! ones most of all, that have `/dev/kvm` and hang every guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::arch::Arch;
use super::super::command::{run, tool};
use super::super::error::{LabError, at};
use super::super::lock::{Lock, RUN};
use super::super::state::write_atomically;
use super::{MEMORY, cpio, image};

/// Emulation, a thread for each processor.
const EMULATION: &str = "tcg,thread=multi";
const KVM: &str = "kvm";
/// How long the probe may take: with KVM a kernel boots in one or two seconds.
const LIMIT: Duration = Duration::from_secs(10);
/// What the probe's first process says; see `init.sh`.
const ANSWER: &str = "skep: the kernel runs";

/// The fastest accelerator that works for machines of that image.
pub(super) fn best(arch: Arch, image: &Path) -> Result<&'static str, LabError> {
    if !arch.is_own() || !Path::new("/dev/kvm").exists() {
        return Ok(EMULATION);
    }
    // Remembered until this computer reboots.
    let note = PathBuf::from(RUN).join(format!("lab-kvm-{arch}"));
    let _lock = Lock::take(&note.with_extension("lock"), 3 * LIMIT)?;
    let known = fs::read_to_string(&note).unwrap_or_default();
    let works = match known.trim() {
        "works" => true,
        "hangs" => false,
        _ => {
            let works = boots(arch, image)?;
            write_atomically(&note, if works { "works\n" } else { "hangs\n" }, 0o644)?;
            works
        }
    };
    Ok(if works { KVM } else { EMULATION })
}

/// The processor to ask for: virtualisation knows only this computer's own.
pub(super) fn processor(arch: Arch, accelerator: &str) -> &'static str {
    if accelerator == KVM { "host" } else { arch.processor() }
}

fn boots(arch: Arch, image: &Path) -> Result<bool, LabError> {
    let folder = at(tempfile::tempdir(), "make a folder in", &std::env::temp_dir())?;
    let program = image::busybox(image);
    let mut archive = cpio::Archive::default();
    archive.file("init", 0o755, include_bytes!("init.sh"));
    archive.file("bin/busybox", 0o755, &at(fs::read(&program), "read", &program)?);
    let ram_disk = folder.path().join("initrd");
    at(fs::write(&ram_disk, archive.finish()), "write", &ram_disk)?;
    let mut command = tool(arch.emulator());
    command.args(["-machine", arch.board(), "-cpu", processor(arch, KVM), "-accel", KVM, "-m", MEMORY]);
    command.args(["-nodefaults", "-no-user-config"]);
    command.args(["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel"]).arg(image::kernel(image));
    command.arg("-initrd").arg(&ram_disk);
    command.arg("-append").arg(format!("console={} panic=-1 skep.probe", arch.console()));
    // Whatever goes wrong, it does not work.
    let output = run(&mut command, "", LIMIT, &mut |_| ());
    Ok(output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(ANSWER)))
}
