//! Errors and final failures only; nothing at all of a run that goes well.

use std::io::Write;

use super::errors::{Level, findings};
use super::printer::write_line;
use super::surface::Surface;
use super::{Reporter, summary};
use crate::event::Event;

/// Tells what went wrong, on stderr.
pub(super) struct Quiet {
    surface: Surface,
    err: Box<dyn Write + Send>,
}

impl Quiet {
    pub(super) fn new(surface: Surface, err: Box<dyn Write + Send>) -> Self {
        Self { surface, err }
    }
}

impl Reporter for Quiet {
    fn event(&mut self, event: &Event) {
        let errors = match event {
            Event::Planned { plan } => {
                let both: Vec<_> = plan.problems.iter().chain(&plan.refusals).cloned().collect();
                findings(Level::Error, &both, &self.surface)
            }
            Event::Verified { findings: found } => findings(Level::Error, found, &self.surface),
            Event::Finished { summary } => summary::failures(summary, &self.surface),
            _ => vec![],
        };
        for error in errors {
            write_line(&mut self.err, &error);
        }
    }
}
