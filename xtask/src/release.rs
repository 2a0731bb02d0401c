//! What is published of a version: an archive and a `.deb` package for each architecture, the bill of materials and
//! the checksums. The same sources give the same files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::{self, Arch};
use crate::build::{output, repository, run};
use crate::deb;
use crate::dist::{copy, human};
use crate::failure::{Failure, Result};
use crate::sbom;

/// Of this version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a newcomer wants to find beside the binary.
const BESIDES: [&str; 6] =
    ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "docs", "inventory"];

/// The shells, and the names under which each looks for skep's completions.
pub(crate) const COMPLETIONS: [(&str, &str); 3] = [("bash", "skep"), ("zsh", "_skep"), ("fish", "skep.fish")];

/// Makes everything from the binaries in `dist`.
pub(crate) fn publish(dist: &Path, host: &Arch) -> Result<()> {
    let written = writing(&dist.join(format!("skep-{}", host.name)), dist)?;
    let date = date()?;
    let mut published = Vec::new();
    for arch in arch::ALL {
        let binary = dist.join(format!("skep-{}", arch.name));
        published.push(archive(dist, arch, &binary, &written, &date)?);
        published.push(deb::package(dist, arch, &binary, &written, &date)?);
    }
    published.push(sbom::write(dist)?);
    let sums = checksums(dist, &published)?;
    for path in published.iter().chain([&sums]) {
        let size = fs::metadata(path).map_err(Failure::io(path.display()))?.len();
        eprintln!("{}: {}", path.display(), human(size));
    }
    Ok(())
}

/// Manual pages and completions, which the binary of this computer writes itself; where they are.
pub(crate) struct Written {
    /// Files `skep*.1`.
    pub(crate) man: PathBuf,
    /// Files named as in [`COMPLETIONS`].
    pub(crate) completions: PathBuf,
}

fn writing(skep: &Path, dist: &Path) -> Result<Written> {
    let (man, completions) = (empty(&dist.join("man"))?, empty(&dist.join("completions"))?);
    run(Command::new(skep).arg("man").arg(&man), "skep man")?;
    for (shell, name) in COMPLETIONS {
        let script = output(Command::new(skep).args(["completions", shell]), "skep completions")?;
        let path = completions.join(name);
        fs::write(&path, script).map_err(Failure::io(path.display()))?;
    }
    Ok(Written { man, completions })
}

fn archive(dist: &Path, arch: &Arch, binary: &Path, written: &Written, date: &str) -> Result<PathBuf> {
    let name = format!("skep-{VERSION}-{}-linux", arch.name);
    let folder = empty(&dist.join(&name))?;
    copy(binary, &folder.join("skep"))?;
    for path in BESIDES.map(|name| repository().join(name)).iter().chain([&written.man, &written.completions])
    {
        copy_tree(path, &folder)?;
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+rw,go+r-w,a+X"]);
    tar.arg(format!("--mtime=@{date}")).arg("--use-compress-program=gzip -9n");
    tar.arg("--create").arg("--file").arg(&archive).arg("--directory").arg(dist).arg(&name);
    run(&mut tar, "tar")?;
    fs::remove_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    Ok(archive)
}

/// `SHA256SUMS` over `files`, for `sha256sum -c` beside them.
fn checksums(dist: &Path, files: &[PathBuf]) -> Result<PathBuf> {
    let names = files.iter().filter_map(|file| file.file_name());
    let sums = output(Command::new("sha256sum").current_dir(dist).args(names), "sha256sum")?;
    let path = dist.join("SHA256SUMS");
    fs::write(&path, sums).map_err(Failure::io(path.display()))?;
    Ok(path)
}

/// Seconds since 1970 that packed files carry: `SOURCE_DATE_EPOCH`, or when the sources were last committed.
fn date() -> Result<String> {
    if let Ok(date) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(date);
    }
    let mut git = Command::new("git");
    let date = output(git.current_dir(repository()).args(["log", "-1", "--format=%ct"]), "git log")?;
    Ok(String::from_utf8_lossy(&date).trim().to_owned())
}

/// An empty directory of that name: what an older build left there goes.
pub(crate) fn empty(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(Failure::io(path.display()))?;
    }
    fs::create_dir_all(path).map_err(Failure::io(path.display()))?;
    Ok(path.to_owned())
}

/// A file or a folder with all that is in it.
pub(crate) fn copy_tree(from: &Path, into: &Path) -> Result<()> {
    run(Command::new("cp").args(["-R", "--"]).arg(from).arg(into), "cp")
}
