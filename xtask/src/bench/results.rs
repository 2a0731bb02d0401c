//! The numbers as they are kept in `target/bench/results.json`: parts measured one by one come together there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::stats::Spread;
use crate::failure::{Failure, Result};

const VERSION: u32 = 1;

/// One command, run once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// From its start to its end.
    pub(super) wall_ms: f64,
    /// Processor time of it and all its children, in user and kernel.
    pub(super) cpu_ms: f64,
    /// The most memory that one of its processes had at once, in KiB.
    pub(super) rss_kib: u64,
}

/// One contender in one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    /// The run that it was measured in.
    pub(super) run: String,
    pub(super) samples: Vec<Sample>,
    /// Why it cannot be compared with anything: it failed, or did something else than the others.
    #[serde(default)]
    pub(super) void: Option<String>,
}

impl Series {
    pub(super) fn wall(&self) -> Option<Spread> {
        self.spread(|sample| sample.wall_ms)
    }

    pub(super) fn cpu(&self) -> Option<Spread> {
        self.spread(|sample| sample.cpu_ms)
    }

    /// Peak memory in MB (10⁶ bytes).
    pub(super) fn memory(&self) -> Option<Spread> {
        self.spread(|sample| sample.rss_kib as f64 * 1024.0 / 1e6)
    }

    fn spread(&self, of: impl Fn(&Sample) -> f64) -> Option<Spread> {
        if self.void.is_some() { None } else { Spread::of(self.samples.iter().map(of)) }
    }
}

/// The series of one table, by the contender's name.
pub(super) type Table = BTreeMap<String, Series>;

/// What a run was made on and with, in the order it is told.
pub(super) type Environment = Vec<(String, String)>;

/// All numbers.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    version: u32,
    pub(super) tables: BTreeMap<String, Table>,
    /// By run.
    pub(super) environments: BTreeMap<String, Environment>,
    /// Compressed size of the agent in bytes, by architecture.
    #[serde(default)]
    pub(super) agents: BTreeMap<String, u64>,
}

impl Results {
    /// Those of earlier runs; none where there are none, or where they are of another version.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let fresh = Self { version: VERSION, ..Self::default() };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh),
            Err(error) => return Err(Failure::io(path.display())(error)),
        };
        Ok(serde_json::from_str(&text).ok().filter(|old: &Self| old.version == VERSION).unwrap_or(fresh))
    }

    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let text =
            serde_json::to_string_pretty(self).map_err(|error| Failure::io(path.display())(error.into()))?;
        let new = path.with_extension("json.new");
        super::write(&new, &text)?;
        fs::rename(&new, path).map_err(Failure::io(path.display()))
    }

    /// Takes note of what a run is made on.
    pub(super) fn begin(&mut self, run: &str, environment: Environment) {
        self.environments.insert(run.to_owned(), environment);
    }

    /// Takes note of more of what a run was made on.
    pub(super) fn learn(&mut self, run: &str, more: Environment) {
        self.environments.entry(run.to_owned()).or_default().extend(more);
    }

    /// Replaces the series that were measured anew; runs that nothing is left of are forgotten.
    pub(super) fn merge(&mut self, table: &str, series: Vec<(String, Series)>) {
        let newest = series.first().map(|(_, series)| series.run.clone());
        self.tables.entry(table.to_owned()).or_default().extend(series);
        let used: Vec<&String> =
            self.tables.values().flat_map(|table| table.values().map(|series| &series.run)).collect();
        self.environments.retain(|run, _| used.contains(&run) || newest.as_ref() == Some(run));
    }

    pub(super) fn series(&self, table: &str, contender: &str) -> Option<&Series> {
        self.tables.get(table)?.get(contender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(run: &str, wall_ms: f64) -> Series {
        let sample = Sample { wall_ms, cpu_ms: 1.0, rss_kib: 1000 };
        Series { run: run.to_owned(), samples: vec![sample], void: None }
    }

    #[test]
    fn parts_measured_one_by_one_come_together() {
        let mut results = Results::default();
        results.begin("1", vec![("kernel".into(), "6.1".into())]);
        results.merge("a", vec![("up".into(), series("1", 1.0)), ("plan".into(), series("1", 2.0))]);
        results.begin("2", Vec::new());
        results.merge("a", vec![("plan".into(), series("2", 3.0))]);
        assert_eq!(results.series("a", "up").and_then(Series::wall).map(|wall| wall.median), Some(1.0));
        assert_eq!(results.series("a", "plan").and_then(Series::wall).map(|wall| wall.median), Some(3.0));
        assert_eq!(results.environments.len(), 2);
        results.begin("3", Vec::new());
        results.merge("a", vec![("up".into(), series("3", 1.0)), ("plan".into(), series("3", 1.0))]);
        assert_eq!(results.environments.keys().collect::<Vec<_>>(), ["3"]);
    }

    #[test]
    fn what_is_void_says_nothing() {
        let void = Series { void: Some("it failed".into()), ..series("1", 1.0) };
        assert_eq!((void.wall(), void.cpu(), void.memory()), (None, None, None));
        assert_eq!(series("1", 1.0).memory().map(|memory| memory.median), Some(1.024));
    }

    #[test]
    fn numbers_survive_the_file_and_an_old_version_is_left() {
        let path = std::env::temp_dir().join(format!("xtask-results-{}.json", std::process::id()));
        let mut results = Results::load(&path).expect("no file is no error");
        results.merge("a", vec![("up".into(), series("1", 1.5))]);
        results.save(&path).expect("saved");
        assert_eq!(Results::load(&path).expect("loaded"), results);
        fs::write(&path, r#"{"version":0,"tables":{},"environments":{}}"#).expect("written");
        assert_eq!(Results::load(&path).expect("loaded").tables.len(), 0);
        fs::remove_file(path).expect("removed");
    }
}
