//! What was not carried over, and what else the user should know: each cause once, however often it occurs.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::inventory::check::Problem;

/// What was not carried over, and what else the user should know.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    known: HashMap<String, usize>,
}

#[derive(Debug)]
struct Finding {
    first: Range<usize>,
    /// Where each further one begins: a group's variable is one place, however many hosts have it.
    places: HashSet<usize>,
    message: String,
    help: String,
    secret: bool,
}

impl Findings {
    /// Something to know about `span`. What has the same message is told once, with the number of places.
    pub(super) fn note(&mut self, span: &Range<usize>, message: String, help: impl Into<String>) {
        self.add(span, message, help.into(), false);
    }

    /// As [`Self::note`]; the text at `span` is a secret.
    pub(super) fn secret(&mut self, span: &Range<usize>, message: String, help: impl Into<String>) {
        self.add(span, message, help.into(), true);
    }

    fn add(&mut self, span: &Range<usize>, message: String, help: String, secret: bool) {
        let key = format!("{message}\n{help}");
        if let Some(finding) = self.known.get(&key).and_then(|index| self.list.get_mut(*index)) {
            finding.places.insert(span.start);
            return;
        }
        self.known.insert(key, self.list.len());
        let places = HashSet::from([span.start]);
        self.list.push(Finding { first: span.clone(), places, message, help, secret });
    }

    /// As warnings about the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.list.into_iter().map(Finding::into_problem).collect()
    }
}

impl Finding {
    fn into_problem(self) -> Problem {
        let message = match self.places.len() - 1 {
            0 => self.message,
            1 => format!("{} (here and at one more place)", self.message),
            more => format!("{} (here and at {more} more places)", self.message),
        };
        let problem = Problem::warning(self.first, message).help(self.help);
        if self.secret { problem.secret() } else { problem }
    }
}
