//! What has to be there before anything is measured: the floor's program, and the peers from PyPI.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{say, script, write};
use crate::arch;
use crate::build::{repository, run, target_dir};
use crate::failure::{Failure, Result};

/// Builds the program of floor B.
pub(super) fn floor(profile: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).args([
        "build",
        "--locked",
        "--quiet",
        "--package",
        "floor",
        "--profile",
        profile,
    ]);
    run(&mut cargo, "cargo build --package floor")?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_dir().join(folder).join("floor"))
}

/// Compressed sizes of the agents that were built last, in bytes.
pub(super) fn packed_agents() -> Result<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for arch in arch::ALL {
        let path = target_dir().join("agents").join(format!("skep-agent-{}.gz", arch.name));
        match fs::metadata(&path) {
            Ok(metadata) => drop(sizes.insert(arch.name.to_owned(), metadata.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io(path.display())(error)),
        }
    }
    Ok(sizes)
}

/// Installs the peers where they are not there in the versions wanted.
pub(super) fn peers(dir: &Path) -> Result<()> {
    let wanted_file = script("requirements.txt");
    let wanted = fs::read_to_string(&wanted_file).map_err(Failure::io(wanted_file.display()))?;
    let (venv, stamp) = (dir.join("venv"), dir.join("venv/requirements.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    say("installing Ansible, mitogen and pyinfra from PyPI");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), "python3 -m venv")?;
    let mut pip = Command::new("timeout");
    pip.arg("1200").arg(venv.join("bin/pip")).args(["install", "--quiet", "--requirement"]).arg(&wanted_file);
    run(&mut pip, "pip install")?;
    write(&stamp, &wanted)
}

/// Where pip puts packages: the folder names Python's version.
pub(super) fn site_packages(dir: &Path) -> PathBuf {
    let lib = dir.join("venv/lib");
    let versions = fs::read_dir(&lib).into_iter().flatten().flatten().map(|entry| entry.path());
    versions.map(|version| version.join("site-packages")).find(|path| path.is_dir()).unwrap_or(lib)
}
