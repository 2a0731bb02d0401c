//! Which tool's file it is.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::inventory::check::Problem;

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Ansible's older format: sections with hosts.
    AnsibleIni,
    /// Ansible's YAML: `all`, `children`, `hosts`, `vars`.
    AnsibleYaml,
    /// The configuration of k0sctl.
    K0sctl,
    /// The configuration of Mirantis launchpad.
    Launchpad,
}

/// A word that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format: {names}", names = Format::NAMES.join(", "))]
pub struct UnknownFormat(String);

impl Format {
    /// What each is called on the command line.
    pub const NAMES: [&str; 4] = ["ansible-ini", "ansible-yaml", "k0sctl", "launchpad"];
    const ALL: [Self; 4] = [Self::AnsibleIni, Self::AnsibleYaml, Self::K0sctl, Self::Launchpad];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnsibleIni => "ansible-ini",
            Self::AnsibleYaml => "ansible-yaml",
            Self::K0sctl => "k0sctl",
            Self::Launchpad => "launchpad",
        }
    }

    pub(super) fn is_ansible(self) -> bool {
        matches!(self, Self::AnsibleIni | Self::AnsibleYaml)
    }

    /// The format that a text most likely has.
    pub(super) fn guess(path: &Path, text: &str) -> Self {
        let mut lines = text.lines().map(str::trim_end).filter(|line| {
            let bare = line.trim_start();
            !bare.is_empty() && !bare.starts_with(['#', ';'])
        });
        let version = text.lines().find_map(|line| line.strip_prefix("apiVersion:")).unwrap_or_default();
        if version.contains("launchpad") {
            return Self::Launchpad;
        }
        if version.contains("k0sctl") || text.lines().any(|line| line.trim_end() == "spec:") {
            return Self::K0sctl;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension {
            "yml" | "yaml" | "json" => Self::AnsibleYaml,
            "ini" | "cfg" => Self::AnsibleIni,
            // A section's header or a host has no colon at its end, a group in YAML has.
            _ => match lines.next() {
                Some(line) if line == "---" || line.ends_with(':') || line.starts_with('{') => {
                    Self::AnsibleYaml
                }
                _ => Self::AnsibleIni,
            },
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AnsibleIni => "an Ansible inventory, INI",
            Self::AnsibleYaml => "an Ansible inventory, YAML",
            Self::K0sctl => "a configuration of k0sctl",
            Self::Launchpad => "a configuration of launchpad",
        })
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// Files that are none of these, whatever their name says.
pub(super) fn refused(text: &str) -> Option<Problem> {
    let first = 0..text.lines().next().map_or(0, str::len);
    if text.starts_with("$ANSIBLE_VAULT") {
        return Some(
            Problem::error(first, "the file is encrypted by ansible-vault".into())
                .help("`ansible-vault view FILE` shows it; import what it shows"),
        );
    }
    if text.starts_with("#!") {
        return Some(
            Problem::error(first, "this is a program that prints an inventory, not one itself".into())
                .help("run `ansible-inventory -i FILE --list --yaml > hosts.yml`, then import hosts.yml"),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        for (path, text, format) in [
            ("hosts", "[managers]\nn1\n", Format::AnsibleIni),
            ("hosts", "# c\nn1 ansible_host=x\n", Format::AnsibleIni),
            ("hosts", "---\nall:\n", Format::AnsibleYaml),
            ("hosts", "all:\n  hosts:\n", Format::AnsibleYaml),
            ("hosts.yml", "all: {}\n", Format::AnsibleYaml),
            ("hosts.ini", "all:\n", Format::AnsibleIni),
            ("k0sctl.yaml", "apiVersion: k0sctl.k0sproject.io/v1beta1\nspec:\n", Format::K0sctl),
            ("launchpad.yaml", "apiVersion: \"launchpad.mirantis.com/mke/v1.4\"\nspec:\n", Format::Launchpad),
            ("x.yaml", "kind: Cluster\nspec:\n  hosts: []\n", Format::K0sctl),
            ("", "", Format::AnsibleIni),
        ] {
            assert_eq!(Format::guess(Path::new(path), text), format, "{path} {text}");
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for (format, name) in Format::ALL.into_iter().zip(Format::NAMES) {
            assert_eq!((format.name(), name.parse()), (name, Ok(format)));
        }
        let unknown = "toml".parse::<Format>().expect_err("no format").to_string();
        assert_eq!(unknown, "`toml` is no format: ansible-ini, ansible-yaml, k0sctl, launchpad");
    }
}
