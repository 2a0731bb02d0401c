//! `cargo xtask fuzz`: builds the targets of `fuzz/` with coverage, which the stable compiler can do as well, and runs
//! them. What is found stays in `target/fuzz`; the seeds are only read.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arch;
use crate::build::{repository, run, target_dir};
use crate::failure::{Failure, Result};

/// What cargo-fuzz gives the compiler, but for the sanitizer, which would need a nightly one; skep has no unsafe code.
const FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=16 \
    -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Seconds for each target where none are told.
const SECONDS: u32 = 60;

/// Fixtures of the tests that are as good as seeds.
const FIXTURES: &[(&str, &[&str])] = &[
    ("frame", &["tests/fixtures/wire"]),
    ("import", &["tests/fixtures/import"]),
    ("inventory", &["tests/fixtures/inventory", "inventory"]),
    ("os_release", &["tests/fixtures/systems"]),
];

/// Runs one target or all, one after the other: `[TARGET] [--seconds N]`.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let (wanted, seconds) = read(arguments)?;
    let targets = targets()?;
    let chosen: Vec<_> =
        targets.iter().filter(|target| wanted.is_none_or(|wanted| wanted == *target)).collect();
    if chosen.is_empty() {
        return Err(Failure::NoTarget { wanted: wanted.unwrap_or_default().to_owned(), targets });
    }
    let programs = build()?;
    let mut ends = Vec::new();
    for target in chosen {
        ends.push(Run { target, program: programs.join(target), seconds }.run()?);
    }
    eprintln!();
    ends.iter().for_each(|end| eprintln!("{}", end.line()));
    let failed: Vec<String> = ends.iter().filter_map(End::failure).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Fuzz(failed)) }
}

fn read(arguments: &[String]) -> Result<(Option<&str>, u32)> {
    match arguments {
        [] => Ok((None, SECONDS)),
        [target] if !target.starts_with('-') => Ok((Some(target), SECONDS)),
        [option, seconds] if option == "--seconds" => Ok((None, number(seconds)?)),
        [target, option, seconds] if option == "--seconds" && !target.starts_with('-') => {
            Ok((Some(target), number(seconds)?))
        }
        _ => Err(Failure::Usage),
    }
}

fn number(text: &str) -> Result<u32> {
    text.parse().ok().filter(|number| *number > 0).ok_or(Failure::Usage)
}

/// The names of the targets, in order.
fn targets() -> Result<Vec<String>> {
    let folder = repository().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(Failure::io(folder.display()))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    Ok(names)
}

/// Builds all targets; the directory of the programs. With `--target`, the flags are not for what builds the build.
fn build() -> Result<PathBuf> {
    let name = env::consts::ARCH;
    let target = arch::named(name).ok_or(Failure::UnknownHost(name))?.gnu;
    let directory = target_dir().join("fuzz");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Not `--locked`: the lock file of `fuzz/` follows skep's dependencies.
    cargo.current_dir(repository()).args(["build", "--release", "--manifest-path=fuzz/Cargo.toml"]);
    cargo.arg(format!("--target={target}")).arg(format!("--target-dir={}", directory.display()));
    cargo.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(&mut cargo, "cargo build of the fuzz targets")?;
    Ok(directory.join(target).join("release"))
}

/// One run of one target.
struct Run<'a> {
    target: &'a str,
    program: PathBuf,
    seconds: u32,
}

/// How a run ended.
struct End {
    target: String,
    executions: u64,
    seconds: u32,
    /// The command that shows it again, where something was found.
    reproduce: Option<String>,
}

impl Run<'_> {
    fn run(&self) -> Result<End> {
        let root = repository();
        let corpus = self.folder("corpus")?;
        let artifacts = self.folder("artifacts")?;
        let log = target_dir().join("fuzz").join(format!("{}.log", self.target));
        eprintln!("{}: {} s; the log is {}", self.target, self.seconds, log.display());
        let mut fuzzer = Command::new(&self.program);
        // It writes to the first folder only.
        fuzzer.arg(corpus).arg(root.join("fuzz/seeds").join(self.target));
        let fixtures =
            FIXTURES.iter().filter(|(target, _)| *target == self.target).flat_map(|(_, folders)| *folders);
        fuzzer.args(fixtures.map(|folder| root.join(folder)));
        let dictionary = root.join("fuzz/dictionaries").join(format!("{}.dict", self.target));
        if dictionary.exists() {
            fuzzer.arg(format!("-dict={}", dictionary.display()));
        }
        fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
        fuzzer.arg(format!("-max_total_time={}", self.seconds));
        fuzzer.args(["-print_final_stats=1", "-timeout=10", "-max_len=8192", "-rss_limit_mb=2048"]);
        fuzzer.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = fuzzer.spawn().map_err(Failure::io(self.program.display()))?;
        let told = match child.stderr.take() {
            Some(stderr) => follow(BufReader::new(stderr), &log)?,
            None => Told::default(),
        };
        let status = child.wait().map_err(Failure::io(self.target))?;
        let again = told.artifact.map_or_else(
            || format!("see {}", log.display()),
            |artifact| format!("{} {artifact}", self.program.display()),
        );
        Ok(End {
            target: self.target.to_owned(),
            executions: told.executions,
            seconds: self.seconds,
            reproduce: (!status.success()).then_some(again),
        })
    }

    fn folder(&self, what: &str) -> Result<PathBuf> {
        let folder = target_dir().join("fuzz").join(what).join(self.target);
        fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
        Ok(folder)
    }
}

/// What libFuzzer said that matters at the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    executions: u64,
    artifact: Option<String>,
}

impl Told {
    fn line(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number.trim().parse().unwrap_or(0);
        }
        // `artifact_prefix='…'; Test unit written to FILE`
        if let Some((_, file)) = line.split_once("Test unit written to ") {
            self.artifact = Some(file.trim().to_owned());
        }
    }
}

fn follow(lines: impl BufRead, log: &Path) -> Result<Told> {
    let mut told = Told::default();
    let mut file = fs::File::create(log).map_err(Failure::io(log.display()))?;
    for line in lines.split(b'\n') {
        let line = line.map_err(Failure::io(log.display()))?;
        let line = String::from_utf8_lossy(&line);
        told.line(&line);
        writeln!(file, "{line}").map_err(Failure::io(log.display()))?;
    }
    Ok(told)
}

impl End {
    fn line(&self) -> String {
        let each = self.executions / u64::from(self.seconds);
        let verdict = if self.reproduce.is_some() { "FOUND SOMETHING" } else { "nothing found" };
        format!("{:<12} {:>12} executions, {each:>7} a second: {verdict}", self.target, self.executions)
    }

    fn failure(&self) -> Option<String> {
        self.reproduce.as_ref().map(|again| format!("{}: {again}", self.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_are_a_target_and_seconds() {
        for (text, wanted) in [
            ("", (None, SECONDS)),
            ("exports", (Some("exports"), SECONDS)),
            ("--seconds 600", (None, 600)),
            ("exports --seconds 5", (Some("exports"), 5)),
        ] {
            assert_eq!(read(&arguments(text)).expect(text), wanted);
        }
        for text in ["--seconds", "--seconds 0", "--seconds x", "a b", "--fast"] {
            assert!(read(&arguments(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_words_of_the_fuzzer_are_understood() {
        let mut told = Told::default();
        for line in [
            "#2 INITED cov: 1",
            "stat::number_of_executed_units: 1234",
            "artifact_prefix='/t/a/'; Test unit written to /t/a/crash-0",
        ] {
            told.line(line);
        }
        assert_eq!(told, Told { executions: 1234, artifact: Some("/t/a/crash-0".to_owned()) });
    }

    #[test]
    fn each_target_is_there_with_seeds_and_fixtures() {
        let targets = targets().expect("fuzz/fuzz_targets");
        assert!(targets.iter().any(|target| target == "known_hosts"), "{targets:?}");
        for (target, folders) in FIXTURES {
            assert!(targets.iter().any(|known| known == target), "{target}");
            folders.iter().for_each(|folder| assert!(repository().join(folder).is_dir(), "{folder}"));
        }
        targets
            .iter()
            .for_each(|target| assert!(repository().join("fuzz/seeds").join(target).is_dir(), "{target}"));
    }
}
