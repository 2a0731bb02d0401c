//! `cargo xtask policy`: the part of `deny.toml` that can be checked without cargo-deny and without a network.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;

use crate::arch;
use crate::build::{output, repository};
use crate::failure::{Failure, Result};
use crate::spdx;

const FILE: &str = "deny.toml";

/// Compares every dependency's licence and name with `deny.toml`.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(repository().join(FILE)).map_err(Failure::io(FILE))?;
    let policy = Policy::read(&text)?;
    let packages = packages()?;
    let refused: Vec<String> = packages.iter().filter_map(|package| policy.refusal(package)).collect();
    if !refused.is_empty() {
        return Err(Failure::Policy(refused));
    }
    eprintln!(
        "{} packages: licences and names as {FILE} allows; advisories are for `cargo deny check`",
        packages.len()
    );
    Ok(())
}

/// A dependency as `cargo tree` prints it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    /// Name and version.
    id: String,
    licence: String,
}

fn packages() -> Result<BTreeSet<Package>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository());
    cargo.args(["tree", "--workspace", "--locked", "--all-features", "--edges=normal,build,dev"]);
    cargo.args(["--prefix=none", "--no-dedupe", "--format={p}|{l}"]);
    cargo.args(arch::ALL.map(|arch| format!("--target={}", arch.gnu)));
    let tree = output(&mut cargo, "cargo tree")?;
    Ok(String::from_utf8_lossy(&tree).lines().filter_map(package).collect())
}

/// `name v1.2.3 (where from)|MIT`; members of the workspace are set apart by empty lines.
fn package(line: &str) -> Option<Package> {
    let (package, licence) = line.split_once('|')?;
    let id: Vec<&str> = package.split(' ').take(2).collect();
    Some(Package { id: id.join(" "), licence: licence.to_owned() })
}

#[derive(Debug, PartialEq, Eq)]
struct Policy {
    licences: Vec<String>,
    banned: Vec<String>,
}

impl Policy {
    fn read(text: &str) -> Result<Self> {
        Ok(Self { licences: list(text, "licenses", "allow")?, banned: list(text, "bans", "deny")? })
    }

    /// Why this package may not be used.
    fn refusal(&self, package: &Package) -> Option<String> {
        let Package { id, licence } = package;
        let name = id.split(' ').next().unwrap_or(id);
        if self.banned.iter().any(|banned| banned == name) {
            return Some(format!("{id}: banned; `cargo tree -i {name}` says who wants it"));
        }
        if licence.is_empty() {
            return Some(format!("{id}: it declares no licence"));
        }
        match spdx::permitted(licence, &|name| self.licences.iter().any(|allowed| allowed == name)) {
            Ok(true) => None,
            Ok(false) => Some(format!("{id}: its licence is {licence}")),
            Err(problem) => Some(format!("{id}: its licence cannot be read: {problem}")),
        }
    }
}

/// The strings of `key = [...]` in `[section]`: all of TOML that `deny.toml` uses for them.
fn list(text: &str, section: &str, key: &str) -> Result<Vec<String>> {
    let missing = || Failure::Format { file: FILE, problem: format!("[{section}] has no list {key:?}") };
    let uncommented: Vec<&str> =
        text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let list = uncommented
        .iter()
        .skip_while(|line| line.trim() != format!("[{section}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .skip_while(|line| line.split('=').next().map(str::trim) != Some(key))
        .copied()
        .collect::<String>();
    let (_, value) = list.split_once('=').ok_or_else(missing)?;
    let (list, _) =
        value.trim_start().strip_prefix('[').and_then(|list| list.split_once(']')).ok_or_else(missing)?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { licences: vec!["MIT".to_owned()], banned: vec!["openssl".to_owned()] }
    }

    fn of(id: &str, licence: &str) -> Package {
        Package { id: id.to_owned(), licence: licence.to_owned() }
    }

    #[test]
    fn lines_of_cargo_tree() {
        assert_eq!(
            package("serde v1.0.229|MIT OR Apache-2.0"),
            Some(of("serde v1.0.229", "MIT OR Apache-2.0"))
        );
        assert_eq!(package("skep v0.1.0 (/src/skep)|MIT"), Some(of("skep v0.1.0", "MIT")));
        assert_eq!(package("libc v0.2.1|"), Some(of("libc v0.2.1", "")));
        assert_eq!(package(""), None);
    }

    #[test]
    fn allowed_packages_are_not_mentioned() {
        assert_eq!(policy().refusal(&of("serde v1.0.0", "MIT OR Apache-2.0")), None);
        assert_eq!(policy().refusal(&of("openssl-probe v1.0.0", "MIT")), None);
    }

    #[test]
    fn a_refusal_names_the_package_and_the_cause() {
        let cases = [
            ("openssl v1.0.0", "MIT", "openssl v1.0.0: banned; `cargo tree -i openssl` says who wants it"),
            ("left v1.0.0", "GPL-3.0", "left v1.0.0: its licence is GPL-3.0"),
            ("left v1.0.0", "", "left v1.0.0: it declares no licence"),
            ("left v1.0.0", "(MIT", "left v1.0.0: its licence cannot be read: a parenthesis stays open"),
        ];
        for (id, licence, refusal) in cases {
            assert_eq!(policy().refusal(&of(id, licence)).as_deref(), Some(refusal));
        }
    }

    #[test]
    fn lists_are_read_from_their_own_section() {
        let text = "# allow = [\"no\"]\n[other]\nallow = [\"no\"]\n[licenses]\nconfidence = 0.8\n\
                    allow = [ # why\n  \"MIT\",\n  \"ISC\", # \"no\"\n]\n[bans]\ndeny = [\"openssl\"]\n";
        assert_eq!(list(text, "licenses", "allow").expect("there"), ["MIT", "ISC"]);
        assert_eq!(list(text, "bans", "deny").expect("there"), ["openssl"]);
        for (section, key) in [("bans", "allow"), ("sources", "deny"), ("licenses", "confidence")] {
            assert!(list(text, section, key).is_err(), "[{section}] {key}");
        }
    }

    #[test]
    fn this_repositorys_policy_is_read_whole() {
        let text = fs::read_to_string(repository().join(FILE)).expect("deny.toml is there");
        let policy = Policy::read(&text).expect("it has both lists");
        assert!(policy.licences.iter().any(|licence| licence == "MIT"));
        assert!(policy.banned.iter().any(|name| name == "openssl-sys"));
    }
}
