//! What an audit found, as a table that is read from the top down.

use super::surface::Surface;
use super::table::{Cell, Table};
use crate::audit::Report;

/// The table, the worst first.
pub(super) fn table(report: &Report, surface: &Surface) -> String {
    let mut table = Table::new(&["node", "check", "finding"]);
    for verdict in &report.verdicts {
        let nodes: Vec<_> = verdict.nodes.iter().map(ToString::to_string).collect();
        let row = [nodes.join(" "), verdict.check.clone(), verdict.message.clone()];
        table.row(row.iter().map(Cell::from).collect());
    }
    table.render(surface)
}
