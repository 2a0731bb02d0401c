//! What the numbers were measured on and with.

use std::fs;
use std::process::Command;

use super::Bench;
use super::results::Environment;
use crate::build::{output, repository};
use crate::failure::{Failure, Result};

/// The time, which no two runs have in common.
pub(super) fn run_id() -> Result<String> {
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M:%S UTC"]), "date")?;
    Ok(String::from_utf8_lossy(&date).trim().to_owned())
}

/// Machine, kernel and versions, in the order they are told.
pub(super) fn describe(bench: &Bench) -> Result<Environment> {
    let file = |path: &str| fs::read_to_string(path).map_err(Failure::io(path));
    let memory =
        field(&file("/proc/meminfo")?, "MemTotal").and_then(|value| value.split(' ').next()?.parse().ok());
    let gigabytes = memory.unwrap_or(0.0) * 1024.0 / 1e9;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model =
        field(&file("/proc/cpuinfo")?, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let lock = repository().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(Failure::io(lock.display()))?;
    let mut all = vec![
        ("machine".to_owned(), format!("{model}, {cores} cores, {gigabytes:.0} GB")),
        ("kernel".to_owned(), first_line("uname", &["-sr"])),
        ("load before".to_owned(), file("/proc/loadavg")?.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("system".to_owned(), quoted(&file("/etc/os-release")?, "PRETTY_NAME")),
        (
            "skep".to_owned(),
            format!("{}, {}", first_line(&bench.skep.display().to_string(), &["--version"]), commit(bench)),
        ),
        ("rustc".to_owned(), first_line("rustc", &["--version"])),
        ("ssh".to_owned(), first_line("ssh", &["-V"])),
        ("russh".to_owned(), locked(&lock, "russh").unwrap_or_default()),
    ];
    if bench.options.peers {
        let pip = bench.file("venv/bin/pip").display().to_string();
        let frozen = output(Command::new(&pip).args(["list", "--format=freeze"]), "pip list")?;
        let frozen = String::from_utf8_lossy(&frozen).into_owned();
        let version = |name: &str| {
            frozen
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix("=="))
                .unwrap_or("?")
                .to_owned()
        };
        for name in ["ansible-core", "mitogen", "pyinfra"] {
            all.push((name.to_owned(), version(name)));
        }
        all.push((
            "Python".to_owned(),
            first_line(&bench.file("venv/bin/python").display().to_string(), &["--version"]),
        ));
    }
    Ok(all)
}

/// The commit, and whether the program is of it.
fn commit(bench: &Bench) -> String {
    if bench.options.skep.is_some() {
        return "built elsewhere".to_owned();
    }
    let mut git = Command::new("git");
    git.current_dir(repository()).args(["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]);
    let told = output(&mut git, "git describe").unwrap_or_default();
    format!("commit {}", String::from_utf8_lossy(&told).trim())
}

/// The first line that a program prints, on whichever stream.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return "not there".to_owned() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// The value in `NAME : VALUE`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The value in `NAME="VALUE"`.
fn quoted(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// The version of a package in `Cargo.lock`.
fn locked(lock: &str, name: &str) -> Option<String> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    Some(lines.nth(1)?.strip_prefix("version = ")?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: A Chip @ 2 GHz\n", "model name").as_deref(),
            Some("A Chip @ 2 GHz")
        );
        assert_eq!(field("MemTotal:       16 kB\n", "MemTotal").as_deref(), Some("16 kB"));
        assert_eq!(field("model\t: 1\n", "model name"), None);
        assert_eq!(quoted("ID=debian\nPRETTY_NAME=\"Debian 12\"\n", "PRETTY_NAME"), "Debian 12");
        assert_eq!(quoted("ID=debian\n", "PRETTY_NAME"), "");
    }

    #[test]
    fn a_version_is_that_of_the_very_package() {
        let lock = "[[package]]\nname = \"russh-util\"\nversion = \"0.1\"\n\n[[package]]\nname = \"russh\"\nversion = \"0.65.1\"\n";
        assert_eq!(locked(lock, "russh").as_deref(), Some("0.65.1"));
        assert_eq!(locked(lock, "ring"), None);
    }
}
