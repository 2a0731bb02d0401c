//! A command that is run to its end within a limit.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::results::Sample;
use crate::failure::{Failure, Result};

/// A command that is run to its end.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// For messages and for the names of its logs.
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
    /// How long it may take.
    pub(super) limit: Duration,
    /// Exit codes that are no failure.
    pub(super) accepted: Vec<i32>,
}

impl Job {
    /// `limit` in seconds.
    pub(super) fn new(name: &str, program: impl AsRef<OsStr>, limit: u64) -> Self {
        Self {
            name: name.to_owned(),
            program: program.as_ref().into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            limit: Duration::from_secs(limit),
            accepted: vec![0],
        }
    }

    pub(super) fn arg(mut self, argument: impl fmt::Display) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    pub(super) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.environment.push((name, value.to_string()));
        self
    }

    pub(super) fn accept(mut self, codes: &[i32]) -> Self {
        self.accepted = codes.to_vec();
        self
    }

    /// The name of its log.
    pub(super) fn log(&self) -> String {
        self.name.replace([' ', '/'], "-")
    }
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) sample: Sample,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Why a command that was run to its end is of no use; `stderr` is the end of what it said.
pub(super) fn failed(job: &Job, how: &str, stderr: &str) -> Failure {
    let words: Vec<&str> = stderr.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    let last: Vec<&str> = words.into_iter().rev().collect();
    Failure::Bench(vec![format!("{} {how}: {}", job.name, last.join(" / "))])
}

/// The JSON objects that a command prints, one a line; other lines are no matter.
pub(super) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The one JSON object that a command prints.
pub(super) fn json(job: &str, text: &str) -> Result<serde_json::Value> {
    let odd = || Failure::Bench(vec![format!("{job} did not print the JSON expected: {text:?}")]);
    json_lines(text).pop().ok_or_else(odd)
}
