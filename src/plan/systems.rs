//! Kinds of system, each a folder of `tests/fixtures/systems` with the files that tell it and what they amount to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::distribution;
use crate::facts::System;
use crate::resource::{self, Host, Key, Observed};

/// What a system's files amount to.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    id: String,
    id_like: Vec<String>,
    codename: String,
    ubuntu_codename: Option<String>,
    debian_codename: Option<String>,
    pretty_name: String,
    armbian_board: Option<String>,
    variant: Option<String>,
    /// That of its packages, whatever its kernel is.
    architecture: String,
    /// Whether skep knows it.
    supported: bool,
    /// Whether the engine's client is a package of its own.
    client_apart: bool,
    /// Versions of the engine's packages.
    installed: BTreeMap<String, String>,
}

impl Expected {
    fn of(host: &Host) -> Self {
        let system = System::read(host);
        let (supported, client_apart) =
            (distribution::supported(&system), distribution::client_apart(&system));
        let System { id, id_like, codename, ubuntu_codename, debian_codename, .. } = system;
        let System { pretty_name, armbian_board, variant, architecture, .. } = System::read(host);
        Self {
            id,
            id_like,
            codename,
            ubuntu_codename,
            debian_codename,
            pretty_name,
            armbian_board,
            variant,
            architecture,
            supported,
            client_apart,
            installed: installed(host),
        }
    }
}

fn installed(host: &Host) -> BTreeMap<String, String> {
    let names = BTreeSet::from(["docker.io".to_owned(), "docker-cli".to_owned()]);
    match resource::observe(&[Key::Packages(names.into())], host).remove(0) {
        Ok(Observed::Packages(packages)) => packages.installed,
        Ok(other) => panic!("{other:?}"),
        // No dpkg, no packages.
        Err(_) => BTreeMap::new(),
    }
}

fn folders() -> Vec<PathBuf> {
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/systems");
    let mut folders: Vec<_> = fs::read_dir(systems).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn each_system_is_told_by_its_files() {
    let folders = folders();
    assert!(folders.len() >= 18, "{folders:?}");
    for folder in folders {
        let text = fs::read_to_string(folder.join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_str(&text).unwrap();
        assert_eq!(Expected::of(&Host::at(&folder)), expected, "{}", folder.display());
    }
}

/// The table for people names each of them.
#[test]
fn the_documentation_names_each_system() {
    let table = include_str!("../../docs/hosts.md");
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(table.contains(&format!("`{name}`")), "docs/hosts.md lacks `{name}`");
    }
}
