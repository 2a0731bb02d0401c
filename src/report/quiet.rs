//! Errors and final failures only; nothing at all of a run that goes well.

use std::io::Write;

use super::errors::{Level, findings};
use super::printer::write_line;
use super::surface::Surface;
use super::{Reporter, Status, summary};
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

impl Quiet {
    fn errors(&mut self, errors: &[String]) {
        for error in errors {
            write_line(&mut self.err, error);
        }
    }
}

impl Reporter for Quiet {
    fn status(&mut self, status: &Status) {
        self.errors(&findings(Level::Error, &status.findings, &self.surface));
    }

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
        self.errors(&errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::report::samples::{Paper, calm_run, eventful_run, finding, swarm_plan};

    fn tell(events: &[Event]) -> String {
        let paper = Paper::default();
        let mut quiet = Quiet::new(Surface::PLAIN, Box::new(paper.clone()));
        events.iter().for_each(|event| quiet.event(event));
        paper.text()
    }

    #[test]
    fn a_run_that_goes_well_prints_nothing() {
        assert_eq!(tell(&calm_run()), "");
    }

    #[test]
    fn failures_are_told() {
        insta::assert_snapshot!(tell(&eventful_run()));
    }

    #[test]
    fn refusals_are_told() {
        let plan = Plan { refusals: vec![finding(&["n2"], "is in a foreign swarm", "")], ..swarm_plan() };
        assert_eq!(tell(&[Event::Planned { plan }]), "error: n2: is in a foreign swarm\n");
    }
}
