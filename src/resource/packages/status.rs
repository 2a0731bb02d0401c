//! What dpkg has, from its own records: faster than asking it, and possible while it is at work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Fault, Host};
use super::needs::Relations;
use crate::lines::lines;

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
        // Valid as a rule, and checking that costs less than looking for what is not.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let mut status = Self::parse(&text);
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
        for line in lines(text) {
            if line.is_empty() {
                status.add(std::mem::take(&mut stanza));
            } else {
                stanza.line(line);
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
    /// The entries of `Pre-Depends` and `Depends`, separated by commas.
    needs: String,
    provides: String,
    /// The list that the next line may go on with.
    open: Option<List>,
}

#[derive(Clone, Copy)]
enum List {
    Needs,
    Provides,
}

impl<'t> Stanza<'t> {
    fn line(&mut self, line: &'t str) {
        // Most lines are none of these, and their first byte tells.
        match line.as_bytes().first() {
            Some(b' ' | b'\t') => {
                if let Some(list) = self.open {
                    self.list(list).push_str(line);
                }
                return;
            }
            Some(b'P' | b'S' | b'V' | b'A' | b'D') => {}
            _ => return self.open = None,
        }
        self.open = None;
        let Some((field, value)) = line.split_once(':') else { return };
        match field {
            "Package" => drop(self.name.get_or_insert(value.trim_ascii())),
            "Status" => drop(self.state.get_or_insert(value.trim_ascii())),
            "Version" => self.version = value.trim_ascii(),
            "Architecture" => self.architecture = value.trim_ascii(),
            "Pre-Depends" | "Depends" => self.begin(List::Needs, value),
            "Provides" => self.begin(List::Provides, value),
            _ => {}
        }
    }

    fn begin(&mut self, list: List, value: &str) {
        self.open = Some(list);
        let entries = self.list(list);
        entries.push(',');
        entries.push_str(value);
    }

    fn list(&mut self, list: List) -> &mut String {
        match list {
            List::Needs => &mut self.needs,
            List::Provides => &mut self.provides,
        }
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
