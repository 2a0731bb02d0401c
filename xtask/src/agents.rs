//! The directory of packed agents that the controller is built with (`SKEP_AGENTS`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::{self, Arch};
use crate::build::output;
use crate::failure::{Failure, Result};

/// Where packed agents are kept.
#[derive(Debug)]
pub(crate) struct Agents(pub(crate) PathBuf);

impl Agents {
    /// Packs the agent at `binary` for embedding; its compressed size in bytes.
    pub(crate) fn pack(&self, arch: &Arch, binary: &Path) -> Result<u64> {
        fs::create_dir_all(&self.0).map_err(Failure::io(self.0.display()))?;
        let gzip = compressed(binary)?;
        let sums = output(Command::new("sha256sum").arg("--").arg(binary), "sha256sum")?;
        replace(&self.binary(arch), &gzip)?;
        replace(&self.hash(arch), format!("{}\n", first_word(&sums)).as_bytes())?;
        Ok(gzip.len() as u64)
    }

    /// Removes the agents of every other architecture than these: an older build left them.
    pub(crate) fn keep_only(&self, kept: &[&Arch]) -> Result<()> {
        for arch in arch::ALL.into_iter().filter(|arch| !kept.contains(arch)) {
            for path in [self.binary(arch), self.hash(arch)] {
                if path.exists() {
                    fs::remove_file(&path).map_err(Failure::io(path.display()))?;
                }
            }
        }
        Ok(())
    }

    fn binary(&self, arch: &Arch) -> PathBuf {
        self.0.join(format!("skep-agent-{}.gz", arch.name))
    }

    fn hash(&self, arch: &Arch) -> PathBuf {
        self.0.join(format!("skep-agent-{}.sha256", arch.name))
    }
}

/// Leaves a file alone that holds this already: a new modification time would have the controller linked anew.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(Failure::io(path.display()))
}

fn first_word(text: &[u8]) -> String {
    String::from_utf8_lossy(text).split_whitespace().next().unwrap_or_default().to_owned()
}

/// As gzip unpacks it, and 4 % smaller than gzip makes it: it is packed once and sent often.
fn compressed(binary: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(binary).map_err(Failure::io(binary.display()))?;
    let mut packed = Vec::new();
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, &bytes[..], &mut packed)
        .map_err(Failure::io(binary.display()))?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{AARCH64, X86_64};

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("xtask-agents-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("the temporary directory is writable");
        directory
    }

    #[test]
    fn a_packed_agent_unpacks_to_itself_and_its_hash_is_of_the_unpacked_one() {
        let directory = directory("pack");
        let binary = directory.join("skep-agent");
        fs::write(&binary, "abc").expect("written");
        let agents = Agents(directory.join("agents"));

        let size = agents.pack(&X86_64, &binary).expect("packed");

        let packed = agents.binary(&X86_64);
        assert_eq!(size, fs::metadata(&packed).expect("there").len());
        assert_eq!(output(Command::new("gzip").arg("-dc").arg(&packed), "gzip").expect("valid"), b"abc");
        // The first example of FIPS 180-2, appendix B.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
        assert_eq!(fs::read_to_string(agents.hash(&X86_64)).expect("there"), hash);

        let written = fs::metadata(&packed).and_then(|metadata| metadata.modified()).expect("has a time");
        agents.pack(&X86_64, &binary).expect("packed again");
        let again = fs::metadata(&packed).and_then(|metadata| metadata.modified()).expect("has a time");
        assert_eq!(written, again, "the same agent was written anew");
        fs::remove_dir_all(directory).expect("removed");
    }

    #[test]
    fn the_agents_of_an_older_build_are_removed() {
        let directory = directory("keep");
        let agents = Agents(directory.clone());
        for path in [&X86_64, &AARCH64].iter().flat_map(|arch| [agents.binary(arch), agents.hash(arch)]) {
            fs::write(path, "old").expect("written");
        }

        agents.keep_only(&[&X86_64]).expect("removed");
        agents.keep_only(&[&X86_64]).expect("nothing left to remove");

        let exists = |arch| (agents.binary(arch).exists(), agents.hash(arch).exists());
        assert_eq!((exists(&X86_64), exists(&AARCH64)), ((true, true), (false, false)));
        fs::remove_dir_all(directory).expect("removed");
    }
}
