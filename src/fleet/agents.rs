//! Where agents come from: the directory that the user names, skep itself, or the directory that skep is in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Architecture, SHA-256 of the binary, and the binary compressed by gzip.
const EMBEDDED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/agents.rs"));

/// The architectures that there may be agents for, as `uname -m` names them.
const MACHINES: [&str; 2] = ["aarch64", "x86_64"];

/// The agents at hand, by `uname -m`.
#[derive(Debug, Clone, Default)]
pub struct Agents(BTreeMap<String, Arc<Build>>);

/// An agent for one architecture.
#[derive(Debug)]
pub struct Build {
    /// SHA-256 of the binary in hexadecimal: its name on the host.
    pub hash: String,
    /// Length of the binary in bytes.
    pub size: u64,
    binary: Vec<u8>,
    gzip: OnceLock<Cow<'static, [u8]>>,
}

impl Agents {
    /// Finds them: in `directory` if the user names one, else inside skep, else beside its executable.
    ///
    /// # Errors
    /// Where a file that is there cannot be read.
    pub fn find(directory: Option<&Path>) -> io::Result<Self> {
        let mut found = Self::default();
        directory.map_or(Ok(()), |directory| found.look_in(directory))?;
        found.add(Self::embedded());
        if let Some(directory) = std::env::current_exe()?.parent() {
            found.look_in(directory)?;
        }
        Ok(found)
    }

    /// Agents of the caller's own, by `uname -m`.
    pub fn of(builds: impl IntoIterator<Item = (String, Build)>) -> Self {
        Self(builds.into_iter().map(|(machine, build)| (machine, Arc::new(build))).collect())
    }

    /// The agent for an architecture.
    pub fn get(&self, machine: &str) -> Option<&Arc<Build>> {
        self.0.get(machine)
    }

    /// All of them, by `uname -m`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Build)> {
        self.0.iter().map(|(machine, build)| (machine.as_str(), &**build))
    }

    fn add(&mut self, others: Self) {
        for (machine, build) in others.0 {
            self.0.entry(machine).or_insert(build);
        }
    }

    fn embedded() -> Self {
        Self::of(
            EMBEDDED.iter().map(|(machine, hash, gzip)| ((*machine).to_owned(), Build::embedded(hash, gzip))),
        )
    }

    /// Adds those of a directory that are missing yet: reading one costs as much as a login.
    fn look_in(&mut self, directory: &Path) -> io::Result<()> {
        for machine in MACHINES {
            if self.get(machine).is_some() {
                continue;
            }
            let mut names = vec![format!("skep-agent-{machine}")];
            if machine == std::env::consts::ARCH {
                names.push("skep-agent".to_owned());
            }
            let file = names.iter().map(|name| directory.join(name)).find(|path| path.is_file());
            let Some(file) = file else { continue };
            let binary = fs::read(&file)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
            self.add(Self::of([(machine.to_owned(), Build::new(binary))]));
        }
        Ok(())
    }
}

impl Build {
    /// An agent from its binary.
    pub fn new(binary: Vec<u8>) -> Self {
        let hash = Sha256::digest(&binary).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { hash, size: binary.len() as u64, binary, gzip: OnceLock::new() }
    }

    fn embedded(hash: &str, gzip: &'static [u8]) -> Self {
        // The last four bytes of a gzip file are the length of what is in it (RFC 1952).
        let size = gzip.last_chunk().map_or(0, |size| u64::from(u32::from_le_bytes(*size)));
        Self { hash: hash.to_owned(), size, binary: Vec::new(), gzip: OnceLock::from(Cow::Borrowed(gzip)) }
    }

    /// The binary compressed by gzip; compressed once for all hosts, and only if one lacks it.
    pub fn gzip(&self) -> &[u8] {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let written = encoder.write_all(&self.binary).and_then(|()| encoder.finish());
            Cow::Owned(written.expect("memory can always be written to"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn agents_beside_each_other_are_told_apart_by_name() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in
            [("skep-agent", "own"), ("skep-agent-aarch64", "arm"), ("skep-agent-riscv64", "no")]
        {
            fs::write(directory.path().join(name), text).expect("a file");
        }
        let mut agents = Agents::default();
        agents.look_in(directory.path()).expect("readable files");
        let found: Vec<_> =
            agents.iter().map(|(machine, build)| (machine, build.binary.as_slice())).collect();
        let own = std::env::consts::ARCH;
        assert!(found.contains(&("aarch64", b"arm")));
        assert!(own == "aarch64" || found.contains(&(own, b"own")), "{found:?}");
        assert!(agents.get("riscv64").is_none());
    }

    #[test]
    fn the_directory_that_the_user_names_comes_first() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("skep-agent-x86_64"), "mine").expect("a file");
        let agents = Agents::find(Some(directory.path())).expect("readable files");
        assert_eq!(agents.get("x86_64").expect("the one there").binary, b"mine");
    }

    #[test]
    fn an_embedded_agent_is_the_same_as_the_file_it_came_from() {
        let file = Build::new(b"an agent".to_vec());
        let embedded = Build::embedded(&file.hash, file.gzip().to_vec().leak());
        assert_eq!((embedded.size, &embedded.hash), (8, &file.hash));
        assert_eq!(embedded.hash, "647936ec3e40783d8d86fad9d2d8acfac4613dee5c3eb516ef433fed532f8d86");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(embedded.gzip()).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, b"an agent");
    }
}
