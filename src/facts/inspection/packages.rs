//! The state of packages: what is held, where they come from, what changes them by itself.

use std::fs;

use serde::{Deserialize, Serialize};

use super::super::text;
use crate::resource::repository::sources::{self, Entry};
use crate::resource::{Host, Status};

/// The state of packages, besides what plans are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Packages {
    /// All packages that apt leaves as they are, installed or not.
    pub held: Vec<String>,
    /// Where packages come from, without logins.
    pub sources: Vec<Source>,
    /// The file that has packages upgraded by themselves; none where nothing does.
    pub unattended: Option<String>,
}

/// A place that packages come from, in one suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file that names it.
    pub file: String,
    /// What it names.
    pub entry: Entry,
}

impl Packages {
    /// Reads it. What cannot be read is told as such.
    pub fn read(host: &Host) -> Self {
        Self {
            held: Status::seen(host).map(|status| status.on_hold.clone()).unwrap_or_default(),
            sources: sources(host),
            unattended: unattended(host),
        }
    }
}

/// What apt reads: sources.list(5).
fn sources(host: &Host) -> Vec<Source> {
    let folder = "/etc/apt/sources.list.d";
    let files = ["/etc/apt/sources.list".to_owned()].into_iter().chain(files(host, folder));
    let entries = |file: String| {
        let deb822 = file.ends_with(".sources");
        let read = deb822 || file.ends_with(".list");
        let text = if read { text(host, &file) } else { String::new() };
        sources::entries(&text, deb822).into_iter().map(move |entry| Source { file: file.clone(), entry })
    };
    files.flat_map(entries).collect()
}

/// The files of a folder, in the order of their names.
fn files(host: &Host, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(host.path(folder)).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect();
    files.sort();
    files
}

/// The last file with the setting that switches unattended-upgrades on; apt reads them in this order too.
fn unattended(host: &Host) -> Option<String> {
    if !host.path("/usr/bin/unattended-upgrade").exists() {
        return None;
    }
    let told = |file: String| Some((is_on(&text(host, &file))?, file));
    let (on, file) = files(host, "/etc/apt/apt.conf.d").into_iter().filter_map(told).next_back()?;
    on.then_some(file)
}

/// What a file of apt.conf(5) says of `APT::Periodic::Unattended-Upgrade`; none where it keeps silent.
fn is_on(text: &str) -> Option<bool> {
    const SETTING: &str = "apt::periodic::unattended-upgrade";
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    let value = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        name.eq_ignore_ascii_case(SETTING).then(|| value.trim().trim_matches(['"', ';']).to_owned())
    };
    lines.filter_map(value).next_back().map(|value| value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn sources_of_all_files_that_apt_reads() {
        let (_root, host) = host(&[
            ("etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n"),
            (
                "etc/apt/sources.list.d/docker.list",
                "deb [signed-by=/k.gpg] https://u:p@download.docker.com/linux/debian bookworm stable\n",
            ),
            (
                "etc/apt/sources.list.d/docker.sources",
                "Types: deb\nURIs: https://download.docker.com/linux/debian\nSuites: bookworm\nSigned-By: /k.asc\n",
            ),
            ("etc/apt/sources.list.d/docker.list.save", "deb http://old/ x y\n"),
        ]);
        let found = Packages::read(&host).sources;
        let told: Vec<_> = found
            .iter()
            .map(|source| {
                format!(
                    "{} {} {} {}",
                    source.file, source.entry.uri, source.entry.suite, source.entry.signed_by
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "/etc/apt/sources.list http://deb.debian.org/debian bookworm ",
                "/etc/apt/sources.list.d/docker.list https://download.docker.com/linux/debian bookworm /k.gpg",
                "/etc/apt/sources.list.d/docker.sources https://download.docker.com/linux/debian bookworm /k.asc",
            ]
        );
    }

    #[test]
    fn upgrades_by_themselves_are_on_only_where_a_file_says_so() {
        let program = ("usr/bin/unattended-upgrade", "");
        let on = ("etc/apt/apt.conf.d/20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"1\";\n");
        let off = ("etc/apt/apt.conf.d/30off", "apt::periodic::Unattended-Upgrade \"0\";\n");
        let comment = ("etc/apt/apt.conf.d/20auto-upgrades", "// APT::Periodic::Unattended-Upgrade \"1\";\n");
        for (files, expected) in [
            (vec![program, on], Some("/etc/apt/apt.conf.d/20auto-upgrades")),
            (vec![program, on, off], None),
            (vec![program, comment], None),
            (vec![program], None),
            (vec![on], None),
        ] {
            assert_eq!(unattended(&host(&files).1).as_deref(), expected, "{files:?}");
        }
    }
}
