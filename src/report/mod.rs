//! Readers of the event stream, and everything that skep shows to people.
//!
//! One [`Printer`] decides how a run is told. [`reporter`] makes the one reader of events that fits it; the functions
//! beside it render single values for a [`Surface`], and print nothing themselves.

mod audits;
mod board;
mod diff;
mod errors;
mod json;
mod live;
mod plain;
mod plan;
mod printer;
mod quiet;
#[cfg(test)]
mod samples;
mod screen;
mod seen;
mod status;
mod summary;
mod surface;
mod table;
mod text;

use std::io;

pub use audits::{explanation, list as explanations, page as audit_page};
pub use errors::{Level, error, fault, finding};
pub use printer::{Printer, Verbosity};
pub use status::{STATUS_VERSION, Status, status};
pub use surface::{Surface, Symbols, Tone};
pub use table::{Cell, Table};

use crate::audit;
use crate::event::Event;

/// Reads the events of a run and shows them.
///
/// Shows everything that events hold, the plan and the summary too: nobody else needs to print them.
pub trait Reporter {
    /// Shows what happened.
    fn event(&mut self, event: &Event);

    /// Shows the cluster as it is.
    fn status(&mut self, status: &Status);

    /// Shows what an audit found, and what of it changed since an earlier one.
    fn audit(&mut self, report: &audit::Report, since: Option<&audit::Changes>);

    /// Calls `ask`, which may write to the terminal and read from it, while nothing is redrawn.
    fn pause(&mut self, ask: &mut dyn FnMut()) {
        ask();
    }
}

/// The reader of events that fits how the user wants the run told: JSON, quiet, live lines or plain ones.
pub fn reporter(printer: &Printer) -> Box<dyn Reporter + Send> {
    let (out, err) = (Box::new(io::stdout()), Box::new(io::stderr()));
    let steps = !printer.live() || printer.verbosity() == Verbosity::Verbose;
    match (printer.json(), printer.verbosity()) {
        (true, _) => Box::new(json::Json::new(out)),
        (_, Verbosity::Quiet) => Box::new(quiet::Quiet::new(printer, plain::Streams { out, err })),
        _ => {
            let plain = plain::Plain::new(printer, steps, plain::Streams { out, err });
            if printer.live() { Box::new(live::Live::new(plain, *printer.stderr())) } else { Box::new(plain) }
        }
    }
}

/// The reader of events that tells a past run again, all of it on standard output: it is what was asked for.
pub fn retelling(printer: &Printer) -> Box<dyn Reporter + Send> {
    let (out, err) = (Box::new(io::stdout()), Box::new(io::stdout()));
    match printer.json() {
        true => Box::new(json::Json::new(out)),
        false => Box::new(plain::Plain::new(&printer.clone().still(), true, plain::Streams { out, err })),
    }
}
