//! The events themselves as JSON, one a line, on stdout, and nothing else there. Secrets in them are masked.

use std::io::Write;

use serde::Serialize;

use super::printer::write_line;
use super::{Reporter, Status};
use crate::audit;
use crate::event::Event;
use crate::mask::masked;

/// Writes events as they are.
pub(super) struct Json {
    out: Box<dyn Write + Send>,
}

impl Json {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }

    fn line(&mut self, value: &impl Serialize) {
        let line =
            serde_json::to_string(value).expect("maps in events have strings as keys, so nothing can fail");
        write_line(&mut self.out, &masked(&line));
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Event) {
        self.line(event);
    }

    fn status(&mut self, status: &Status) {
        self.line(status);
    }

    fn audit(&mut self, report: &audit::Report, since: Option<&audit::Changes>) {
        if let Some(changes) = since {
            self.line(changes);
        }
        self.line(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Closed, Paper, calm_run, eventful_run};
    use crate::resource::Fault;

    #[test]
    fn each_line_parses_back_into_its_event() {
        for run in [calm_run(), eventful_run()] {
            let paper = Paper::default();
            let mut json = Json::new(Box::new(paper.clone()));
            run.iter().for_each(|event| json.event(event));
            let read: Vec<Event> =
                paper.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(read, run);
        }
    }

    #[test]
    fn secrets_are_masked_and_the_line_stays_json() {
        let paper = Paper::default();
        let fault =
            Fault::new("daemon.json", r#"{"http-proxy": "http://bob:hunter2@proxy", "token": "hunter3"}"#);
        Json::new(Box::new(paper.clone())).event(&Event::Unreachable { node: "n1".into(), fault });
        let Ok(Event::Unreachable { fault, .. }) = serde_json::from_str(&paper.text()) else {
            panic!("{}", paper.text())
        };
        assert_eq!(fault.cause, r#"{"http-proxy": "http://***@proxy", "token": "***"}"#);
    }

    #[test]
    fn the_names_of_events_are_public() {
        let paper = Paper::default();
        let mut json = Json::new(Box::new(paper.clone()));
        eventful_run()[..9].iter().for_each(|event| json.event(event));
        insta::assert_snapshot!(paper.text());
    }

    #[test]
    fn a_reader_that_went_away_does_not_end_the_run() {
        Json::new(Box::new(Closed)).event(&Event::Stopping);
    }
}
