//! `cargo dist` and `cargo demo`: agents first, then the controllers that carry them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::agents::Agents;
use crate::arch::{self, Arch};
use crate::build::{self, Build, Product};
use crate::failure::{Failure, Result};
use crate::release;
use crate::toolchain::{Machine, Toolchain};

/// Builds both binaries for both architectures into `target/dist`, and from them all that is published.
pub(crate) fn dist() -> Result<()> {
    let machine = Machine::look()?;
    let ways = arch::ALL
        .map(|arch| Ok((arch, machine.controller(arch).ok_or(Failure::NoToolchain(arch))?)))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let directory = build::target_dir().join("dist");
    fs::create_dir_all(&directory).map_err(Failure::io(directory.display()))?;

    let agents = build_agents(&machine)?;
    for (arch, binary) in &agents.binaries {
        copy(binary, &directory.join(format!("skep-agent-{}", arch.name)))?;
    }
    for (arch, toolchain) in ways {
        let binary = build_controller(arch, toolchain, &agents)?;
        copy(&binary, &directory.join(format!("skep-{}", arch.name)))?;
    }
    release::publish(&directory, machine.host)
}

/// Builds `skep` for this computer, agents inside.
pub(crate) fn skep() -> Result<PathBuf> {
    let machine = Machine::look()?;
    let toolchain = machine.controller(machine.host).ok_or(Failure::NoToolchain(machine.host))?;
    let agents = build_agents(&machine)?;
    build_controller(machine.host, toolchain, &agents)
}

/// Builds `skep` for this computer and becomes `skep lab demo ARGUMENTS`.
pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    let skep = skep()?;
    let error = Command::new(&skep).args(["lab", "demo"]).args(arguments).exec();
    Err(Failure::Io { what: skep.display().to_string(), source: error })
}

/// The agents that this computer can build.
struct Built {
    directory: PathBuf,
    binaries: Vec<(&'static Arch, PathBuf)>,
}

fn build_agents(machine: &Machine) -> Result<Built> {
    let agents = Agents(build::target_dir().join("agents"));
    let mut binaries = Vec::new();
    for arch in arch::ALL {
        let Some(toolchain) = machine.agent(arch) else {
            eprintln!("skep-agent {}: left out, this computer cannot build for it", arch.name);
            continue;
        };
        let started = Instant::now();
        let binary = build(Product::Agent, toolchain)?;
        let packed = agents.pack(arch, &binary)?;
        let note = format!(", {} compressed", human(packed));
        done("skep-agent", arch, &binary, &note, started)?;
        binaries.push((arch, binary));
    }
    agents.keep_only(&binaries.iter().map(|(arch, _)| *arch).collect::<Vec<_>>())?;
    Ok(Built { directory: agents.0, binaries })
}

fn build_controller(arch: &Arch, toolchain: Toolchain, agents: &Built) -> Result<PathBuf> {
    let started = Instant::now();
    let binary = build(Product::Controller { agents: agents.directory.clone() }, toolchain)?;
    done("skep", arch, &binary, "", started)?;
    Ok(binary)
}

fn build(product: Product, toolchain: Toolchain) -> Result<PathBuf> {
    Build { product, toolchain, target_dir: build::target_dir() }.run()
}

fn done(name: &str, arch: &Arch, binary: &Path, note: &str, started: Instant) -> Result<()> {
    let size = fs::metadata(binary).map_err(Failure::io(binary.display()))?.len();
    eprintln!("{name} {}: {}{note} ({} s)", arch.name, human(size), started.elapsed().as_secs());
    Ok(())
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(Failure::io(to.display()))
}

/// A size as people read it, in decimal units.
pub(crate) fn human(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_read_well() {
        let cases = [(0, "0 B"), (999, "999 B"), (1_000, "1 KB"), (466_001, "467 KB"), (1_420_000, "1.4 MB")];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
    }
}
