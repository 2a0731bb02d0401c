//! The package for Debian and its relatives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::Arch;
use crate::build::{repository, run};
use crate::dist::copy;
use crate::failure::{Failure, Result};
use crate::release::{COMPLETIONS, VERSION, Written, copy_tree, empty};

/// Where each shell of [`COMPLETIONS`] looks, in the same order.
const COMPLETION_FOLDERS: [&str; 3] = [
    "usr/share/bash-completion/completions",
    "usr/share/zsh/vendor-completions",
    "usr/share/fish/vendor_completions.d",
];

/// Builds the package; its path.
pub(crate) fn package(
    dist: &Path,
    arch: &Arch,
    binary: &Path,
    written: &Written,
    date: &str,
) -> Result<PathBuf> {
    let root = empty(&dist.join(format!("deb-{}", arch.name)))?;
    let folder = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(&path).map(|()| path.clone()).map_err(Failure::io(path.display()))
    };
    copy(binary, &folder("usr/bin")?.join("skep"))?;
    let man = folder("usr/share/man/man1")?;
    for page in files(&written.man)? {
        copy_tree(&page, &man)?;
    }
    run(Command::new("gzip").arg("-9n").args(files(&man)?), "gzip")?;
    for ((_, name), path) in COMPLETIONS.iter().zip(COMPLETION_FOLDERS) {
        copy(&written.completions.join(name), &folder(path)?.join(name))?;
    }
    let doc = folder("usr/share/doc/skep")?;
    for name in ["README.md", "CHANGELOG.md", "docs"] {
        copy_tree(&repository().join(name), &doc)?;
    }
    copy_tree(&repository().join("inventory"), &folder("usr/share/doc/skep/examples")?)?;
    write(&doc.join("copyright"), &copyright()?)?;
    let size = size(&root)?;
    let content = fs::read(binary).map_err(Failure::io(binary.display()))?;
    write(&folder("DEBIAN")?.join("control"), &control(arch, size, newest_glibc(&content)))?;
    let package = dist.join(format!("skep_{}_{}.deb", version(), arch.debian));
    run(Command::new("chmod").args(["-R", "u+rwX,go+rX,go-w"]).arg(&root), "chmod")?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.env("SOURCE_DATE_EPOCH", date).args(["--root-owner-group", "-Zxz", "--build"]);
    run(dpkg.arg(&root).arg(&package).stdout(std::process::Stdio::null()), "dpkg-deb")?;
    fs::remove_dir_all(&root).map_err(Failure::io(root.display()))?;
    Ok(package)
}

/// In Debian's order of versions `1.0~rc.1` comes before `1.0`; with a hyphen it would come after it.
fn version() -> String {
    VERSION.replace('-', "~")
}

/// The package's own description; `size` in KiB.
fn control(arch: &Arch, size: u64, glibc: Option<(u32, u32)>) -> String {
    let libc = glibc.map_or_else(String::new, |(major, minor)| format!(" (>= {major}.{minor})"));
    format!(
        "Package: skep
Version: {}
Architecture: {}
Maintainer: The skep authors <skep@localhost>
Installed-Size: {size}
Depends: libc6{libc}, libgcc-s1
Recommends: openssh-client
Suggests: mmdebstrap, systemd-container, nftables
Section: admin
Priority: optional
Description: turns boards and boxes into a healthy Docker Swarm over SSH
 From one inventory file skep installs Docker and the NFS utilities, writes
 NFS exports, mounts them on every node, and makes a Docker Swarm of all,
 with the difference shown before anything changes. It brings its agents for
 x86_64 and aarch64 hosts itself.
",
        version(),
        arch.debian
    )
}

fn copyright() -> Result<String> {
    let licence = repository().join("LICENSE-MIT");
    let mit = fs::read_to_string(&licence).map_err(Failure::io(licence.display()))?;
    Ok(format!(
        "skep may be used under the Apache License 2.0 (/usr/share/common-licenses/Apache-2.0)\n\
         or, at your choice, under these terms:\n\n{mit}"
    ))
}

/// The newest version of glibc that a binary asks for; none where it asks for none.
fn newest_glibc(binary: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let versions = binary.windows(MARK.len()).enumerate().filter(|(_, word)| *word == MARK);
    let version = |at: usize| {
        let text: Vec<u8> = binary[at + MARK.len()..].iter().copied().take_while(|byte| *byte != 0).collect();
        let mut parts = std::str::from_utf8(&text).ok()?.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    versions.filter_map(|(at, _)| version(at)).max()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Failure::io(folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    Ok(files)
}

/// What a folder takes, in KiB.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for path in files(folder)? {
        let metadata = fs::metadata(&path).map_err(Failure::io(path.display()))?;
        bytes += if metadata.is_dir() { size(&path)? * 1024 } else { metadata.len() };
    }
    Ok(bytes.div_ceil(1024))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Failure::io(path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::AARCH64;

    #[test]
    fn the_newest_glibc_that_a_binary_asks_for() {
        let cases = [
            (&b""[..], None),
            (b"GLIBC_PRIVATE\0", None),
            (b"\0GLIBC_2.17\0GLIBC_2.34\0GLIBC_2.4\0", Some((2, 34))),
            (b"GLIBC_2.2.5\0x", Some((2, 2))),
            (b"GLIBC_2.39", Some((2, 39))),
        ];
        for (binary, expected) in cases {
            assert_eq!(newest_glibc(binary), expected, "{}", String::from_utf8_lossy(binary));
        }
    }

    #[test]
    fn the_package_says_what_it_needs() {
        let control = control(&AARCH64, 17, Some((2, 34)));
        assert!(control.contains("\nArchitecture: arm64\n"), "{control}");
        assert!(control.contains("\nDepends: libc6 (>= 2.34), libgcc-s1\n"), "{control}");
        assert!(control.contains("\nInstalled-Size: 17\n") && control.ends_with(".\n"), "{control}");
    }
}
