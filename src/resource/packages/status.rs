//! What dpkg has, from its own records: faster than asking it, and possible while it is at work.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Fault, Host};
use super::needs::Relations;

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Status {
    /// Versions of all packages that are wholly installed.
    pub(in super::super) installed: BTreeMap<String, String>,
    /// Those of them that apt leaves as they are, by `apt-mark hold`.
    pub(in super::super) held: BTreeSet<String>,
    /// Packages left half way.
    pub(super) unfinished: Vec<String>,
    /// Those of them that lost files and must be unpacked anew.
    pub(super) broken: Vec<String>,
    /// What the wholly installed ones need and provide.
    pub(super) relations: Vec<Relations>,
    /// Whether dpkg has changes that it has yet to write into its main record.
    pub(super) interrupted: bool,
}

impl Status {
    pub(in super::super) fn read(host: &Host) -> Result<Self, Fault> {
        let bytes = host.read("/var/lib/dpkg/status")?.ok_or_else(|| {
            Fault::new("/var/lib/dpkg/status", "is not there, so this is no system with Debian packages")
                .help("skep knows hosts with apt and dpkg: Debian, Ubuntu, Armbian, Raspberry Pi OS")
        })?;
        let mut status = Self::parse(&String::from_utf8_lossy(&bytes));
        status.interrupted = has_updates(host)?;
        Ok(status)
    }

    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for stanza in text.split("\n\n") {
            let field = |name: &str| {
                stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
            };
            let (Some(name), Some(state)) = (field("Package"), field("Status")) else { continue };
            // Three words: what is wanted, whether it must be reinstalled, what it is.
            match state.split_whitespace().collect::<Vec<_>>()[..] {
                [wanted, "ok", "installed"] => {
                    if wanted == "hold" {
                        status.held.insert(name.to_owned());
                    }
                    status.installed.insert(name.to_owned(), field("Version").unwrap_or_default().to_owned());
                    status.relations.push(Relations::parse(name, stanza));
                }
                [_, _, "not-installed" | "config-files"] => {}
                [_, flag, _] => {
                    status.unfinished.push(name.to_owned());
                    if flag == "reinstreq" {
                        status.broken.push(name.to_owned());
                    }
                }
                _ => status.unfinished.push(name.to_owned()),
            }
        }
        status
    }

    pub(super) fn needs_repair(&self) -> bool {
        self.interrupted || !self.unfinished.is_empty()
    }
}

/// dpkg writes each change into a numbered file first.
fn has_updates(host: &Host) -> Result<bool, Fault> {
    let directory = "/var/lib/dpkg/updates";
    if host.metadata(directory)?.is_none() {
        return Ok(false);
    }
    let entries = std::fs::read_dir(host.path(directory)).map_err(|error| Fault::new(directory, error))?;
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    Ok(entries.flatten().any(|entry| is_number(&entry.file_name().to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
Package: docker.io
Status: install ok installed
Architecture: amd64
Depends: adduser,
 containerd
Version: 20.10.24+dfsg1-1+deb12u1+b2

Package: held
Status: hold ok installed
Version: 1:2-3

Package: gone
Status: deinstall ok config-files
Version: 1

Package: purged
Status: purge ok not-installed

Package: unpacked
Status: install ok unpacked
Version: 2

Package: broken
Status: install reinstreq half-installed
Version: 3

Package: waiting
Status: install ok triggers-awaited
Version: 4
";

    #[test]
    fn states_are_told_apart() {
        let status = Status::parse(TEXT);
        let installed: Vec<_> = status.installed.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        assert_eq!(installed, [("docker.io", "20.10.24+dfsg1-1+deb12u1+b2"), ("held", "1:2-3")]);
        assert_eq!(status.held.iter().collect::<Vec<_>>(), ["held"]);
        assert_eq!(status.unfinished, ["unpacked", "broken", "waiting"]);
        assert_eq!(status.broken, ["broken"]);
        assert!(status.needs_repair());
        assert_eq!(Status::parse(""), Status::default());
    }

    #[test]
    fn an_interrupted_dpkg_shows_in_its_updates() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        assert_eq!(Status::read(&host).unwrap_err().what, "/var/lib/dpkg/status");
        host.write_system_file("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n").unwrap();
        assert!(!Status::read(&host).unwrap().needs_repair());
        host.write_system_file("/var/lib/dpkg/updates/tmp.i", "").unwrap();
        assert!(!Status::read(&host).unwrap().needs_repair());
        host.write_system_file("/var/lib/dpkg/updates/0001", "").unwrap();
        assert!(Status::read(&host).unwrap().needs_repair());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(Package|Status|Version|[a-z: \n]){0,40}") {
            Status::parse(&text);
        }
    }
}
