//! `cargo bench-peers`: how long skep takes beside what else does the same work, and beside the least that work over
//! SSH can take. Numbers go to `target/bench/results.json`, tables and plots into `docs/`.

mod bare;
mod contender;
mod converged;
mod environment;
mod fleet;
mod goals;
mod hosts;
mod janitor;
mod job;
mod measure;
mod namespaces;
mod options;
mod plot;
mod report;
mod results;
mod rounds;
mod setup;
mod stats;
mod table;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::build::{repository, target_dir};
use crate::dist;
use crate::failure::{Failure, Result};

use options::{Options, Part};
use results::{Results, Series};

pub(crate) use janitor::serve as janitor;
pub(crate) use measure::serve as measure;
pub(crate) use options::HELP;

/// What all parts share.
struct Bench {
    options: Options,
    /// Everything that the benchmark writes, but the report.
    dir: PathBuf,
    skep: PathBuf,
    /// The program of floor B.
    floor: PathBuf,
    /// What the results of this run are filed under.
    run: String,
}

/// What a part has found: series by contender for each table, and what went wrong.
#[derive(Default)]
struct Found {
    tables: Vec<(String, Vec<(String, Series)>)>,
    /// What it was measured on, besides what is known of every run.
    facts: results::Environment,
    troubles: Vec<String>,
}

/// Runs `cargo bench-peers` with these arguments.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some(options) = options::read(arguments)? else {
        // Whoever reads only its beginning has read enough.
        let _ = writeln!(io::stdout(), "{HELP}");
        return Ok(());
    };
    if options.parts != [Part::Report] && !nix::unistd::geteuid().is_root() {
        return Err(Failure::Bench(vec![
            "nodes and namespaces are root's to make: run it as root".to_owned(),
        ]));
    }
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir).map_err(Failure::io(dir.display()))?;
    // What somebody tries out is not published, nor mixed with what is.
    let file = dir.join(if options.skep.is_some() { "trial.json" } else { "results.json" });
    let mut results = Results::load(&file)?;
    let shown = if options.skep.is_some() { dir.clone() } else { repository().join("docs") };
    let parts = options.parts.clone();
    let mut troubles = Vec::new();
    if parts != [Part::Report] {
        let bench = Bench::prepare(options, dir, &mut results)?;
        let janitor = janitor::Janitor::start(&bench)?;
        for part in parts {
            troubles.extend(bench.part(part, &mut results));
            results.save(&file)?;
        }
        janitor.finish()?;
    }
    for goal in report::write_page(&results, &repository().join("docs"), &shown)? {
        say(&format!("missed: {goal}"));
    }
    say(&format!("the report is in {}", shown.display()));
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Bench(troubles)) }
}

impl Bench {
    /// Builds and installs all that is measured.
    fn prepare(options: Options, dir: PathBuf, results: &mut Results) -> Result<Self> {
        say("building");
        let (skep, floor) = match &options.skep {
            Some(skep) => {
                (fs::canonicalize(skep).map_err(Failure::io(skep.display()))?, setup::floor("dev")?)
            }
            None => {
                let skep = dist::skep()?;
                results.agents = setup::packed_agents()?;
                (skep, setup::floor("release")?)
            }
        };
        if options.peers {
            setup::peers(&dir)?;
        }
        let bench = Self { options, dir, skep, floor, run: environment::run_id()? };
        results.begin(&bench.run, environment::describe(&bench)?);
        Ok(bench)
    }

    /// One part; what went wrong in it.
    fn part(&self, part: Part, results: &mut Results) -> Vec<String> {
        let found = match part {
            Part::Converged => converged::run(self),
            Part::Bare => bare::run(self),
            Part::Fleet => fleet::run(self),
            Part::Report => return Vec::new(),
        };
        match found {
            Ok(found) => {
                results.learn(&self.run, found.facts);
                for (table, series) in found.tables {
                    results.merge(&table, series);
                }
                found.troubles
            }
            Err(failure) => {
                say(&format!("{}: {failure}", part.name()));
                vec![format!("{}: {failure}", part.name())]
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Tells the user how far it is.
fn say(line: &str) {
    eprintln!("bench: {line}");
}

/// One of the files that stand beside this one in the repository.
fn script(name: &str) -> PathBuf {
    repository().join("xtask/src/bench").join(name)
}

/// This very program, for the parts of it that are processes of their own.
fn this_program() -> Result<PathBuf> {
    env::current_exe().map_err(Failure::io("this program"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Failure::io(path.display()))
}
