//! Which packages cannot be removed because others, that stay, need them.

use std::collections::BTreeSet;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::super::{Fault, Host};
use super::stanza::{self, Field};
use super::status;

/// One thing that an installed package needs, where a package that was asked about can give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The package that needs it.
    pub by: String,
    /// Installed packages that give it; one of them is enough.
    pub any: BTreeSet<String>,
}

/// What one package needs and provides, by dpkg's record. Versions are left aside: apt minds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Relations {
    name: String,
    /// The entries of `Pre-Depends` and of `Depends`, each separated by commas.
    needs: [String; 2],
    provides: String,
}

impl Relations {
    /// Those of all packages that are wholly installed.
    pub(super) fn read(host: &Host) -> Result<Vec<Self>, Fault> {
        Self::parse(status::record(host)?).map_err(|error| Fault::new(status::RECORD, error))
    }

    fn parse(record: impl Read) -> io::Result<Vec<Self>> {
        let [name, state, before, needs, provides] =
            ["\nPackage:", "\nStatus:", "\nPre-Depends:", "\nDepends:", "\nProvides:"].map(Field::new);
        let mut all = Vec::new();
        stanza::each(record, |stanza| {
            let (Some(name), Some(state)) = (name.of(stanza), state.of(stanza)) else { return };
            let of = |field: &Field| field.of(stanza).unwrap_or_default().into_owned();
            if status::is_installed(status::words(&state)) {
                let (needs, provides) = ([of(&before), of(&needs)], of(&provides));
                all.push(Self { name: name.into_owned(), needs, provides });
            }
        })?;
        Ok(all)
    }

    /// Each thing that it needs.
    fn needs(&self) -> impl Iterator<Item = &[u8]> {
        let entries = self.needs.iter().flat_map(|field| parts(field.as_bytes(), b','));
        entries.filter(|entry| !entry.trim_ascii().is_empty())
    }

    /// What it provides besides itself.
    fn provides(&self) -> impl Iterator<Item = &[u8]> {
        parts(self.provides.as_bytes(), b',').map(bare).filter(|name| !name.is_empty())
    }

    fn gives(&self, name: &[u8]) -> bool {
        self.name.as_bytes() == name || self.provides().any(|provided| provided == name)
    }
}

/// The names in an entry, one of which is enough.
fn names(entry: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(entry, b'|').map(bare)
}

fn parts(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    list.split(move |byte| *byte == separator)
}

/// A name without version, architecture and restriction: `python3:any (>= 3.9)`.
fn bare(entry: &[u8]) -> &[u8] {
    let entry = entry.trim_ascii();
    let end = entry.iter().position(|byte| matches!(byte, b' ' | b'(' | b':' | b'['));
    &entry[..end.unwrap_or(entry.len())]
}

/// What installed packages need of those asked about.
pub(super) fn of(asked: &BTreeSet<String>, installed: &[Relations]) -> Vec<Need> {
    let wanted = |name: &String| asked.contains(name);
    // Only names that one of the packages asked about gives can lead to a need of it.
    let given: BTreeSet<&[u8]> = installed
        .iter()
        .filter(|package| asked.contains(&package.name))
        .flat_map(|package| package.provides().chain([package.name.as_bytes()]))
        .collect();
    if given.is_empty() {
        return Vec::new();
    }
    let mut needs = Vec::new();
    for package in installed {
        for entry in package.needs().filter(|entry| names(entry).any(|name| given.contains(name))) {
            let gives = |other: &&Relations| names(entry).any(|name| other.gives(name));
            let any: BTreeSet<String> = installed.iter().filter(gives).map(|other| other.name.clone()).collect();
            if any.iter().any(wanted) {
                needs.push(Need { by: package.name.clone(), any });
            }
        }
    }
    needs
}

/// Takes those out of `remove` that packages which stay need; says of each why.
pub(super) fn spare(remove: &mut BTreeSet<String>, needs: &[Need]) -> Vec<String> {
    let mut told = Vec::new();
    let stays = |remove: &BTreeSet<String>, need: &Need| !remove.contains(&need.by) && need.any.is_subset(remove);
    while let Some(need) = needs.iter().find(|need| stays(remove, need)) {
        for name in &need.any {
            remove.remove(name);
            told.push(format!("{name} is needed by {}", need.by));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn record(packages: &[(&str, &str)]) -> String {
        let stanza = |(name, fields): &(&str, &str)| format!("Package: {name}\nStatus: install ok installed\n{fields}\n");
        packages.iter().map(stanza).collect()
    }

    fn installed() -> String {
        record(&[
            ("docker.io", "Depends: containerd (>= 1.4~), iptables | nftables,\n runc:any\nVersion: 1\n"),
            ("containerd", "Depends: libc6 (>= 2.34), runc\n"),
            ("runc", "Pre-Depends: libc6\nProvides: oci-runtime (= 1)\n"),
            ("iptables", "Depends: libxtables12\n"),
            ("libxtables12", ""),
            ("libc6", "Breaks: docker.io\n"),
        ])
    }

    fn rest(also: &[(&str, &str)]) -> (BTreeSet<String>, Vec<String>) {
        let mut remove = set(&["docker.io", "containerd", "runc", "iptables", "libxtables12"]);
        let record = installed() + &record(also);
        let needs = of(&remove, &Relations::parse(record.as_bytes()).expect("memory can be read"));
        let told = spare(&mut remove, &needs);
        (remove, told)
    }

    #[test]
    fn what_came_together_goes_together() {
        assert_eq!(rest(&[]), (set(&["docker.io", "containerd", "runc", "iptables", "libxtables12"]), vec![]));
    }

    #[test]
    fn what_others_need_stays_with_all_that_it_needs_itself() {
        let (left, told) = rest(&[("ufw", "Depends: iptables, ucf\n")]);
        assert_eq!(left, set(&["docker.io", "containerd", "runc"]));
        assert_eq!(told, ["iptables is needed by ufw", "libxtables12 is needed by iptables"]);
    }

    #[test]
    fn one_of_several_that_give_it_is_enough() {
        let (left, told) = rest(&[("nftables", ""), ("fail2ban", "Depends: iptables | nftables\n")]);
        assert_eq!((left.len(), told), (5, vec![]));
        let (left, told) = rest(&[("crun", "Provides: oci-runtime\n"), ("podman", "Depends: oci-runtime\n")]);
        assert_eq!((left.len(), told), (5, vec![]));
        let (left, told) = rest(&[("podman", "Depends: oci-runtime\n")]);
        assert_eq!((left.contains("runc"), told), (false, vec!["runc is needed by podman".to_owned()]));
    }
}
