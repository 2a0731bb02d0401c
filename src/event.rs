//! Everything that happens in a run, as plain data.
