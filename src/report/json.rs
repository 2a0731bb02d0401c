//! The events themselves as JSON, one a line, on stdout, and nothing else there.

use std::io::Write;

use super::Reporter;
use super::printer::write_line;
use crate::event::Event;

/// Writes events as they are.
pub(super) struct Json {
    out: Box<dyn Write + Send>,
}

impl Json {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Event) {
        let line =
            serde_json::to_string(event).expect("events have string keys only and cannot fail to serialise");
        write_line(&mut self.out, &line);
    }
}
