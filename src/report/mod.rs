//! Readers of the event stream, and everything that skep shows to people.
//!
//! One [`Printer`] decides how a run is told. [`reporter`] makes the one reader of events that fits it; the functions
//! beside it render single values for a [`Surface`], and print nothing themselves.

mod diff;
mod errors;
mod plan;
mod printer;
mod summary;
mod surface;
mod table;
mod text;

pub use errors::{Level, error, fault, finding};
pub use plan::plan;
pub use printer::{Printer, Verbosity};
pub use surface::{Surface, Symbols, Tone};
pub use table::{Cell, Table};
