//! From what the file says to what it means: every default filled in, every contradiction named.
//!
//! One file a section. Each gathers all problems it finds and goes on, so that one run shows them all;
//! the inventory it returns is fit for use only where none of them is an error.

pub(super) mod clients;
mod engine;
mod engine_source;
mod export_options;
mod first_login;
mod hooks;
mod nodes;
mod paths;
mod shares;
mod swarm;

pub(super) use engine_source::read_key;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use super::diagnostic::{Diagnostic, Severity, line_and_column};
use super::file::File;
use super::load::Surroundings;
use super::model::{Boot, Inventory, Templates};
use super::spot::Spot;

/// The name of a swarm whose inventory gives none. Fixed, so that renaming the file renames no swarm.
const DEFAULT_NAME: &str = "swarm";

/// Something wrong with the file, before it is known which file that is.
#[derive(Debug)]
pub(super) struct Problem {
    severity: Severity,
    span: Range<usize>,
    message: String,
    label: Option<String>,
    help: Option<String>,
    secret: bool,
}

impl Problem {
    pub(super) fn error(span: Range<usize>, message: String) -> Self {
        Self { severity: Severity::Error, span, message, label: None, help: None, secret: false }
    }

    pub(super) fn warning(span: Range<usize>, message: String) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The text it points at is a secret.
    pub(super) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(super) fn into_diagnostic(self, file: &Path, text: &str) -> Diagnostic {
        let (line, column) = line_and_column(text, self.span.start);
        // A block scalar ends with the line end; the line after it is none of its business.
        let end = text
            .get(self.span.clone())
            .map_or(self.span.end, |shown| self.span.start + shown.trim_end().len());
        Diagnostic {
            severity: self.severity,
            message: self.message,
            file: file.to_owned(),
            line,
            column,
            span: self.span.start..end,
            label: self.label,
            help: self.help,
            secret: self.secret,
        }
    }
}

/// What the sections are checked with.
struct Checker<'a> {
    file: &'a File,
    surroundings: &'a Surroundings,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn error(&mut self, at: &Spot<impl Sized>, message: String, help: impl Into<String>) {
        self.report(Problem::error(at.span.clone(), message).help(help));
    }

    fn warn(&mut self, at: &Spot<impl Sized>, message: String, help: impl Into<String>) {
        self.report(Problem::warning(at.span.clone(), message).help(help));
    }
}

/// Resolves the file and names everything that is wrong with it.
pub(super) fn check(file: &File, path: &Path, surroundings: &Surroundings) -> (Inventory, Vec<Problem>) {
    let mut checker = Checker { file, surroundings, problems: Vec::new() };
    let inventory = Inventory {
        path: path.to_owned(),
        name: checker.swarm_name(),
        nodes: checker.nodes(),
        engine: checker.engine(),
        shares: checker.shares(),
        swarm: checker.swarm(),
        boot: Boot::from(&file.boot),
        templates: checker.templates(),
        hooks: checker.hooks(),
    };
    (inventory, each_once(checker.problems))
}

/// What is wrong with `defaults` comes up at each node, but is one mistake.
fn each_once(problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    problems
        .into_iter()
        .filter(|problem| seen.insert((problem.span.start, problem.message.clone())))
        .collect()
}

impl Checker<'_> {
    fn swarm_name(&mut self) -> String {
        let Some(name) = &self.file.name else { return DEFAULT_NAME.to_owned() };
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 63 || !name.chars().all(fits) {
            let message = format!("`{}` cannot be the name of a swarm", name.value);
            self.error(name, message, "use 1 to 63 letters, digits, `.`, `_`, `-`");
        }
        name.value.clone()
    }

    /// Where templates are; they are read later.
    fn templates(&mut self) -> Templates {
        let folder = self.file.templates.as_ref().map(|folder| self.local_path(folder));
        Templates { folder, own: Vec::new() }
    }
}
