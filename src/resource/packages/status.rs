//! What dpkg has, from its own records: faster than asking it, and possible while it is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memchr::{memchr, memchr_iter};

use super::super::{Fault, Host};
use super::needs::Relations;
use crate::lines::to_text;

/// What dpkg has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Status {
    /// Versions of all packages that are wholly installed.
    pub(crate) installed: BTreeMap<String, String>,
    /// Those of them that apt leaves as they are, by `apt-mark hold`.
    pub(crate) held: BTreeSet<String>,
    /// Packages left half way.
    pub(crate) unfinished: Vec<String>,
    /// Those of them that lost files and must be unpacked anew.
    pub(crate) broken: Vec<String>,
    /// What the wholly installed ones need and provide.
    pub(super) relations: Vec<Relations>,
    /// Whether dpkg has changes that it has yet to write into its main record.
    pub(super) interrupted: bool,
    /// dpkg's own architecture, which it is compiled with: that of its own package. Empty where it has none.
    pub(crate) architecture: String,
    /// All packages that apt leaves as they are, installed or not, in dpkg's order.
    pub(crate) on_hold: Vec<String>,
}

impl Status {
    pub(in super::super) fn read(host: &Host) -> Result<Self, Fault> {
        let bytes = host.read("/var/lib/dpkg/status")?.ok_or_else(|| {
            Fault::new("/var/lib/dpkg/status", "is not there, so this is no system with Debian packages")
                .help("skep knows hosts with apt and dpkg: Debian, Ubuntu, Armbian, Raspberry Pi OS")
        })?;
        let mut status = Self::parse(&to_text(bytes));
        status.interrupted = has_updates(host)?;
        Ok(status)
    }

    /// As it was when this look at the host began to read it; see [`Host::look`].
    pub(crate) fn seen(host: &Host) -> Result<Arc<Self>, Fault> {
        let read = || Self::read(host).map(Arc::new);
        host.in_this_look().map_or_else(read, |look| look.packages.get_or_init(read).clone())
    }

    /// What the text of dpkg's record says. One pass: a board's processor needs a while for the record of a desktop.
    pub(crate) fn parse(text: &str) -> Self {
        let mut status = Self::default();
        let mut stanza = Stanza::default();
        for field in fields(text) {
            if field.is_empty() {
                status.add(std::mem::take(&mut stanza));
            } else {
                stanza.take(field);
            }
        }
        status.add(stanza);
        status
    }

    fn add(&mut self, stanza: Stanza<'_>) {
        let Stanza { name: Some(name), state: Some(state), .. } = stanza else { return };
        if name == "dpkg" {
            self.architecture = stanza.architecture.to_owned();
        }
        // Three words: what is wanted, whether it must be reinstalled, what it is.
        let mut words = state.split_ascii_whitespace();
        let words = (words.next(), words.next(), words.next(), words.next());
        if let (Some("hold"), ..) = words {
            self.on_hold.push(name.to_owned());
        }
        match words {
            (Some(wanted), Some("ok"), Some("installed"), None) => {
                if wanted == "hold" {
                    self.held.insert(name.to_owned());
                }
                self.installed.insert(name.to_owned(), stanza.version.to_owned());
                self.relations.push(Relations::new(name, stanza.needs, stanza.provides));
            }
            (_, _, Some("not-installed" | "config-files"), None) => {}
            (_, Some(flag), Some(_), None) => {
                self.unfinished.push(name.to_owned());
                if flag == "reinstreq" {
                    self.broken.push(name.to_owned());
                }
            }
            _ => self.unfinished.push(name.to_owned()),
        }
    }

    pub(super) fn needs_repair(&self) -> bool {
        self.interrupted || !self.unfinished.is_empty()
    }
}

/// The fields of one package that matter, as far as they have been read.
#[derive(Default)]
struct Stanza<'t> {
    name: Option<&'t str>,
    state: Option<&'t str>,
    version: &'t str,
    architecture: &'t str,
    /// The entries of `Pre-Depends` and of `Depends`, each separated by commas.
    needs: [&'t str; 2],
    provides: &'t str,
}

impl<'t> Stanza<'t> {
    fn take(&mut self, field: &'t str) {
        // Most fields are none of these, and their first byte tells.
        if !matches!(field.as_bytes()[0], b'P' | b'S' | b'V' | b'A' | b'D') {
            return;
        }
        let Some(colon) = memchr(b':', field.as_bytes()) else { return };
        let value = field[colon + 1..].trim_ascii();
        match &field[..colon] {
            "Package" => drop(self.name.get_or_insert(value)),
            "Status" => drop(self.state.get_or_insert(value)),
            "Version" => self.version = value,
            "Architecture" => self.architecture = value,
            "Pre-Depends" => self.needs[0] = value,
            "Depends" => self.needs[1] = value,
            "Provides" => self.provides = value,
            _ => {}
        }
    }
}

/// The fields of dpkg's record, each with the lines that go on with it; an empty one ends a stanza.
fn fields(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut start = 0;
    memchr_iter(b'\n', bytes).chain([bytes.len()]).filter_map(move |end| {
        let goes_on = matches!(bytes.get(end + 1), Some(b' ' | b'\t'));
        if goes_on && end > start {
            return None;
        }
        let field = &text[start..end];
        start = end + 1;
        Some(field)
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

    #[test]
    fn states_are_told_apart() {
        let status = Status::parse(TEXT);
        let installed: Vec<_> = status.installed.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        assert_eq!(installed, [("docker.io", "20.10.24+dfsg1-1+deb12u1+b2"), ("held", "1:2-3")]);
        assert_eq!(status.held.iter().collect::<Vec<_>>(), ["held"]);
        assert_eq!(status.unfinished, ["unpacked", "broken", "waiting"]);
        assert_eq!(status.broken, ["broken"]);
        assert!(status.needs_repair());
        assert_eq!((status.on_hold, status.architecture), (vec!["held".to_owned()], String::new()));
        assert_eq!(Status::parse(""), Status::default());
    }

    #[test]
    fn architecture_is_that_of_dpkg_itself() {
        let text = "Package: libc6\nStatus: install ok installed\nArchitecture: arm64\n\n\
                    Package: dpkg\nStatus: install ok installed\nArchitecture: armhf\n\n\
                    Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\n";
        assert_eq!(Status::parse(text).architecture, "armhf");
    }

    #[test]
    fn holds_are_found_installed_or_not() {
        let text = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: hold ok installed\n\n\
                    Package: c\nArchitecture: all\nStatus: hold ok not-installed\n";
        assert_eq!(Status::parse(text).on_hold, ["b", "c"]);
    }

    #[test]
    fn one_look_reads_it_once_and_the_next_one_anew() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let write = |text| host.write_system_file("/var/lib/dpkg/status", text).unwrap();
        let seen = |host: &Host| Status::seen(host).unwrap().installed.keys().cloned().collect::<Vec<_>>();
        write("Package: a\nStatus: install ok installed\nVersion: 1\n");
        let look = host.look();
        assert_eq!(seen(&look), ["a"]);
        write("Package: b\nStatus: install ok installed\nVersion: 1\n");
        assert_eq!((seen(&look), seen(&look.look()), seen(&host)), (vec!["a".into()], vec!["b".into()], vec!["b".into()]));
        assert_eq!(Status::read(&look).unwrap().installed.len(), 1);
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
