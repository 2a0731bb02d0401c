//! What dpkg has, from its own records: faster than asking it, and possible while it is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr_iter;

use super::super::{Fault, Host};
use super::needs::Relations;
use crate::lines::to_text;

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Status {
    /// dpkg's record, of which few packages are ever asked about: copying out all of them takes longer than finding them.
    record: String,
    /// Those that are wholly installed, in its order.
    there: Vec<Installed>,
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

/// Where the record tells of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    name: Range<usize>,
    version: Range<usize>,
    stanza: Range<usize>,
}

impl Status {
    pub(in super::super) fn read(host: &Host) -> Result<Self, Fault> {
        let bytes = host.read("/var/lib/dpkg/status")?.ok_or_else(|| {
            Fault::new("/var/lib/dpkg/status", "is not there, so this is no system with Debian packages")
                .help("skep knows hosts with apt and dpkg: Debian, Ubuntu, Armbian, Raspberry Pi OS")
        })?;
        let mut status = Self::parse(to_text(bytes));
        status.interrupted = has_updates(host)?;
        Ok(status)
    }

    /// As it was when this look at the host began to read it; see [`Host::look`].
    pub(crate) fn seen(host: &Host) -> Result<Arc<Self>, Fault> {
        let read = || Self::read(host).map(Arc::new);
        host.in_this_look().map_or_else(read, |look| look.packages.get_or_init(read).clone())
    }

    /// What the text of dpkg's record says. One pass: a board's processor needs a while for the record of a desktop.
    pub(crate) fn parse(record: String) -> Self {
        let mut status = Self::default();
        let bytes = record.as_bytes();
        let (mut begin, mut line) = (0, 0);
        let mut stanza = Stanza::default();
        for end in memchr_iter(b'\n', bytes).chain([bytes.len()]) {
            if end == line || end == bytes.len() {
                stanza.take(&record, line..end);
                status.add(&record, begin..end, std::mem::take(&mut stanza));
                begin = end + 1;
            } else if !stanza.is_complete() {
                stanza.take(&record, line..end);
            }
            line = end + 1;
        }
        status.in_order = status.there.is_sorted_by_key(|package| &record[package.name.clone()]);
        status.record = record;
        status
    }

    fn add(&mut self, record: &str, stanza: Range<usize>, fields: Stanza) {
        let (Some(name), Some(state)) = (fields.name, fields.state) else { return };
        let (text, owned) = (&record[name.clone()], || record[name.clone()].to_owned());
        if text == "dpkg" {
            record[fields.architecture.unwrap_or_default()].clone_into(&mut self.architecture);
        }
        // Three words: what is wanted, whether it must be reinstalled, what it is.
        let mut words = record[state].split_ascii_whitespace();
        let words = (words.next(), words.next(), words.next(), words.next());
        if let (Some("hold"), ..) = words {
            self.on_hold.push(owned());
        }
        match words {
            (Some(wanted), Some("ok"), Some("installed"), None) => {
                if wanted == "hold" {
                    self.held.insert(owned());
                }
                self.there.push(Installed { name, version: fields.version.unwrap_or_default(), stanza });
            }
            (_, _, Some("not-installed" | "config-files"), None) => {}
            (_, Some(flag), Some(_), None) => {
                self.unfinished.push(owned());
                if flag == "reinstreq" {
                    self.broken.push(owned());
                }
            }
            _ => self.unfinished.push(owned()),
        }
    }

    /// The version of a package that is wholly installed.
    pub(crate) fn version(&self, name: &str) -> Option<&str> {
        let text = |range: &Range<usize>| &self.record[range.clone()];
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
        let text = |range: &Range<usize>| self.record[range.clone()].to_owned();
        self.there.iter().map(|package| (text(&package.name), text(&package.version))).collect()
    }

    /// What the wholly installed ones need and provide.
    pub(super) fn relations(&self) -> Vec<Relations<'_>> {
        self.there.iter().map(|package| Relations::of(&self.record[package.stanza.clone()])).collect()
    }

    pub(super) fn needs_repair(&self) -> bool {
        self.interrupted || !self.unfinished.is_empty()
    }
}

/// Where the fields of one package are that matter at each look, as far as they have been read.
#[derive(Default)]
struct Stanza {
    name: Option<Range<usize>>,
    state: Option<Range<usize>>,
    version: Option<Range<usize>>,
    architecture: Option<Range<usize>>,
}

impl Stanza {
    /// Whether nothing that follows in the stanza matters: only of dpkg itself the architecture does.
    fn is_complete(&self) -> bool {
        [&self.name, &self.state, &self.version, &self.architecture].iter().all(|field| field.is_some())
    }

    fn take(&mut self, record: &str, line: Range<usize>) {
        let (field, place) = match record.as_bytes().get(line.start) {
            Some(b'P') => ("Package:", &mut self.name),
            Some(b'S') => ("Status:", &mut self.state),
            Some(b'V') => ("Version:", &mut self.version),
            Some(b'A') => ("Architecture:", &mut self.architecture),
            _ => return,
        };
        if record[line.clone()].starts_with(field) {
            place.get_or_insert(trimmed(record, line.start + field.len()..line.end));
        }
    }
}

/// A part of the record without white space around it.
fn trimmed(record: &str, part: Range<usize>) -> Range<usize> {
    let text = record[part.clone()].trim_ascii_start();
    let begin = part.end - text.len();
    begin..begin + text.trim_ascii_end().len()
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
        let status = Status::parse(TEXT.to_owned());
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
        assert!(Status::parse(String::new()).installed().is_empty());
    }

    #[test]
    fn architecture_is_that_of_dpkg_itself() {
        let text = "Package: libc6\nStatus: install ok installed\nArchitecture: arm64\n\n\
                    Package: dpkg\nStatus: install ok installed\nArchitecture: armhf\n\n\
                    Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\n";
        assert_eq!(Status::parse(text.to_owned()).architecture, "armhf");
    }

    #[test]
    fn no_order_is_asked_of_the_record_nor_of_a_stanza() {
        let text = "Version: 2\nStatus: install ok installed\nPackage: b\n\n\n\
                    Package: a\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\nDescription: Version\n Version: 9\n\n\
                    Package: b\nArchitecture: armhf\nStatus: install ok installed\nVersion: 3";
        let status = Status::parse(text.to_owned());
        assert_eq!((status.version("a"), status.version("b")), (Some("1"), Some("3")));
    }

    #[test]
    fn holds_are_found_installed_or_not() {
        let text = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: hold ok installed\n\n\
                    Package: c\nArchitecture: all\nStatus: hold ok not-installed\n";
        assert_eq!(Status::parse(text.to_owned()).on_hold, ["b", "c"]);
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
            Status::parse(text);
        }
    }
}
