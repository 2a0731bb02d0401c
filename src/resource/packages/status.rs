//! What dpkg has, from its own records: faster than asking it, and possible while it is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::super::{Fault, Host};
use super::stanza::{self, Field};

pub(super) const RECORD: &str = "/var/lib/dpkg/status";

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Status {
    /// Names and versions of those that are wholly installed, in the record's order. Few of them are ever asked about, so
    /// that they are kept as one text.
    there: Vec<Installed>,
    text: String,
    /// Whether that is the order of their names, as dpkg writes it, which nothing promises.
    in_order: bool,
    /// Names of those of them that apt leaves as they are, by `apt-mark hold`.
    pub(crate) held: BTreeSet<String>,
    /// Packages left half way.
    pub(crate) unfinished: Vec<String>,
    /// Those of them that lost files and must be unpacked anew.
    pub(crate) broken: Vec<String>,
    /// Whether dpkg has changes that it has yet to write into its main record.
    pub(super) interrupted: bool,
    /// dpkg's own architecture, which it is compiled with: that of its own package. Empty where it has none.
    pub(crate) architecture: String,
    /// All packages that apt leaves as they are, installed or not, in dpkg's order.
    pub(crate) on_hold: Vec<String>,
}

/// Where a package's name and version are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    name: Range<usize>,
    version: Range<usize>,
}

impl Status {
    pub(in super::super) fn read(host: &Host) -> Result<Self, Fault> {
        let mut status = Self::parse(record(host)?).map_err(|error| Fault::new(RECORD, error))?;
        status.interrupted = has_updates(host)?;
        Ok(status)
    }

    /// As it was when this look at the host began to read it; see [`Host::look`].
    pub(crate) fn seen(host: &Host) -> Result<Arc<Self>, Fault> {
        let read = || Self::read(host).map(Arc::new);
        host.in_this_look().map_or_else(read, |look| look.packages.get_or_init(read).clone())
    }

    /// What dpkg's record says. One pass: a board's processor needs a while for the record of a desktop.
    pub(crate) fn parse(record: impl Read) -> io::Result<Self> {
        let mut status = Self::default();
        let [package, state, version] = ["\nPackage:", "\nStatus:", "\nVersion:"].map(Field::new);
        let architecture = Field::new("\nArchitecture:");
        stanza::each(record, |stanza| {
            let (Some(name), Some(state)) = (package.of(stanza), state.of(stanza)) else { return };
            if name == "dpkg" {
                status.architecture = architecture.of(stanza).unwrap_or_default().into_owned();
            }
            if status.is_there(&name, &state) {
                let (name, version) = (status.keep(&name), status.keep(&version.of(stanza).unwrap_or_default()));
                status.there.push(Installed { name, version });
            }
        })?;
        status.in_order = status.there.is_sorted_by_key(|package| &status.text[package.name.clone()]);
        Ok(status)
    }

    /// Whether a package in this state is wholly installed; notes what else the state says of it.
    fn is_there(&mut self, name: &str, state: &str) -> bool {
        let words = words(state);
        let (hold, installed) = (words.0 == Some("hold"), is_installed(words));
        if hold {
            self.on_hold.push(name.to_owned());
        }
        match words {
            _ if installed && hold => drop(self.held.insert(name.to_owned())),
            _ if installed => {}
            (_, _, Some("not-installed" | "config-files"), None) => {}
            (_, Some(flag), Some(_), None) => {
                self.unfinished.push(name.to_owned());
                if flag == "reinstreq" {
                    self.broken.push(name.to_owned());
                }
            }
            _ => self.unfinished.push(name.to_owned()),
        }
        installed
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let begin = self.text.len();
        self.text.push_str(text);
        begin..self.text.len()
    }

    /// The version of a package that is wholly installed.
    pub(crate) fn version(&self, name: &str) -> Option<&str> {
        let text = |range: &Range<usize>| &self.text[range.clone()];
        let has_name = |package: &&Installed| text(&package.name) == name;
        // Of one that is there for several architectures, the last.
        let package = match self.in_order {
            true => {
                let after = self.there.partition_point(|package| text(&package.name) <= name);
                self.there[..after].last().filter(has_name)
            }
            false => self.there.iter().rev().find(has_name),
        };
        package.map(|package| text(&package.version))
    }

    /// Versions of all packages that are wholly installed.
    pub(super) fn installed(&self) -> BTreeMap<String, String> {
        let text = |range: &Range<usize>| self.text[range.clone()].to_owned();
        self.there.iter().map(|package| (text(&package.name), text(&package.version))).collect()
    }

    pub(super) fn needs_repair(&self) -> bool {
        self.interrupted || !self.unfinished.is_empty()
    }
}

/// The words of a package's state: what is wanted, whether it must be reinstalled, what it is, and what should not be there.
type Words<'t> = (Option<&'t str>, Option<&'t str>, Option<&'t str>, Option<&'t str>);

pub(super) fn words(state: &str) -> Words<'_> {
    let mut words = state.split_ascii_whitespace();
    (words.next(), words.next(), words.next(), words.next())
}

/// Whether a package in this state is wholly installed.
pub(super) fn is_installed(words: Words<'_>) -> bool {
    matches!(words, (Some(_), Some("ok"), Some("installed"), None))
}

/// dpkg's record, to be read.
pub(super) fn record(host: &Host) -> Result<impl Read, Fault> {
    host.open(RECORD)?.ok_or_else(|| {
        Fault::new(RECORD, "is not there, so this is no system with Debian packages")
            .help("skep knows hosts with apt and dpkg: Debian, Ubuntu, Armbian, Raspberry Pi OS")
    })
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

    fn parse(text: &str) -> Status {
        Status::parse(text.as_bytes()).expect("memory can be read")
    }

    #[test]
    fn states_are_told_apart() {
        let status = parse(TEXT);
        let installed = status.installed();
        let installed: Vec<_> = installed.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        assert_eq!(installed, [("docker.io", "20.10.24+dfsg1-1+deb12u1+b2"), ("held", "1:2-3")]);
        for name in ["docker.io", "held", "gone", "unpacked", "", "z"] {
            let version = installed.iter().find(|(there, _)| *there == name).map(|(_, version)| *version);
            assert_eq!(status.version(name), version, "{name}");
        }
        assert_eq!(status.held.iter().collect::<Vec<_>>(), ["held"]);
        assert_eq!(status.unfinished, ["unpacked", "broken", "waiting"]);
        assert_eq!(status.broken, ["broken"]);
        assert!(status.needs_repair());
        assert_eq!((status.on_hold, status.architecture), (vec!["held".to_owned()], String::new()));
        assert!(parse("").installed().is_empty());
    }

    #[test]
    fn architecture_is_that_of_dpkg_itself() {
        let text = "Package: libc6\nStatus: install ok installed\nArchitecture: arm64\n\n\
                    Package: dpkg\nStatus: install ok installed\nArchitecture: armhf\n\n\
                    Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\n";
        assert_eq!(parse(text).architecture, "armhf");
    }

    #[test]
    fn no_order_is_asked_of_the_record_nor_of_a_stanza() {
        let text = "Version: 2\nStatus: install ok installed\nPackage: b\n\n\n\
                    Package: a\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\nDescription: Version\n Version: 9\n\n\
                    Package: b\nArchitecture: armhf\nStatus: install ok installed\nVersion: 3";
        let status = parse(text);
        assert_eq!((status.version("a"), status.version("b")), (Some("1"), Some("3")));
    }

    #[test]
    fn holds_are_found_installed_or_not() {
        let text = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: hold ok installed\n\n\
                    Package: c\nArchitecture: all\nStatus: hold ok not-installed\n";
        assert_eq!(parse(text).on_hold, ["b", "c"]);
    }

    #[test]
    fn one_look_reads_it_once_and_the_next_one_anew() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let write = |text| host.write_system_file("/var/lib/dpkg/status", text).unwrap();
        let seen = |host: &Host| Status::seen(host).unwrap().installed().keys().cloned().collect::<Vec<_>>();
        write("Package: a\nStatus: install ok installed\nVersion: 1\n");
        let look = host.look();
        assert_eq!(seen(&look), ["a"]);
        write("Package: b\nStatus: install ok installed\nVersion: 1\n");
        assert_eq!((seen(&look), seen(&look.look()), seen(&host)), (vec!["a".into()], vec!["b".into()], vec!["b".into()]));
        assert_eq!(Status::read(&look).unwrap().installed().len(), 1);
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
            parse(&text);
        }
    }
}
