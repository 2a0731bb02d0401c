//! What came through between the nodes: one small table a port, and one of packet sizes.

use std::collections::HashMap;

use serde::Serialize;

use crate::audit::{Protocol, Reach, Report, TryResult};
use crate::inventory::model::NodeName;
use crate::report::audits::ports::{Grid, Pair};

/// More nodes than that are shown only where something is in the way.
const MANY: usize = 40;
/// More columns than that stand upright.
const LEVEL: usize = 6;

/// Ports and packet sizes.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    tables: Vec<PortTable>,
    /// Nodes that are left out, since everything reaches them and they reach everything.
    left_out: usize,
}

/// One port, or the packet sizes.
#[derive(Debug, Serialize)]
struct PortTable {
    name: String,
    purpose: &'static str,
    /// What did not come through, in words.
    trouble: Vec<String>,
    untried: Vec<String>,
    upright: bool,
    columns: Vec<String>,
    rows: Vec<PortRow>,
}

#[derive(Debug, Serialize)]
struct PortRow {
    name: String,
    cells: Vec<PortCell>,
}

#[derive(Debug, Clone, Serialize)]
struct PortCell {
    class: &'static str,
    text: String,
    told: String,
}

impl Network {
    pub(super) fn of(report: &Report, reach: &Reach) -> Self {
        let grid = Grid::of(report, reach);
        let pairs: HashMap<_, _> = grid.pairs.iter().map(|pair| ((pair.from, pair.to), pair)).collect();
        let all: Vec<_> = report.nodes.iter().map(|node| &node.name).collect();
        let known = |name: &&NodeName| grid.pairs.iter().any(|pair| pair.from == *name || pair.to == *name);
        let mut nodes: Vec<_> = all.into_iter().filter(known).collect();
        let tried = nodes.len();
        if tried > MANY {
            let bad: Vec<_> = grid.pairs.iter().filter(|pair| !pair.is_clear()).collect();
            nodes.retain(|name| bad.iter().any(|pair| pair.from == *name || pair.to == *name));
        }
        let table = |(name, purpose), cell: &dyn Fn(&Pair<'_>) -> PortCell| {
            let cells = |from: &NodeName| {
                let cell = |to: &&NodeName| {
                    pairs.get(&(from, *to)).map_or_else(|| empty(from == *to), |pair| cell(pair))
                };
                nodes.iter().map(cell).collect()
            };
            let rows: Vec<_> =
                nodes.iter().map(|from| PortRow { name: from.0.clone(), cells: cells(from) }).collect();
            let of = |class: &str| {
                let cells = rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.class == class);
                cells.map(|cell| cell.told.clone()).collect::<Vec<_>>()
            };
            PortTable {
                name,
                purpose,
                trouble: [of("error"), of("warning")].concat(),
                untried: of("unknown"),
                upright: nodes.len() > LEVEL,
                columns: nodes.iter().map(ToString::to_string).collect(),
                rows,
            }
        };
        let ports = grid.ports.iter().map(|port| {
            table((format!("{}/{}", port.0, port.1), purpose(*port)), &|pair| of_port(pair, *port))
        });
        let mut tables: Vec<_> = ports.collect();
        if !reach.mtus.is_empty() {
            tables.push(table(("packet size".to_owned(), "largest that arrives whole, in bytes"), &of_mtu));
        }
        Self { tables, left_out: tried - nodes.len() }
    }
}

/// What Swarm or NFS uses a port for.
fn purpose(port: (u16, Protocol)) -> &'static str {
    match port {
        (2377, Protocol::Tcp) => "joining, and managers among themselves",
        (7946, Protocol::Tcp) => "nodes among themselves",
        (7946, Protocol::Udp) => "nodes among themselves",
        (4789, Protocol::Udp) => "overlay networks",
        (2049, Protocol::Tcp) => "NFS",
        _ => "",
    }
}

fn empty(itself: bool) -> PortCell {
    PortCell { class: if itself { "self" } else { "none" }, text: String::new(), told: String::new() }
}

fn of_port(pair: &Pair<'_>, port: (u16, Protocol)) -> PortCell {
    let Some(one) = pair.tries.get(&port) else { return empty(false) };
    let way = format!("{} to {} at {}", one.from, one.to, one.address);
    let (class, text, told) = match &one.result {
        TryResult::Open => ("ok", "\u{2713}", format!("{way}: open")),
        TryResult::Blocked(cause) => ("error", "\u{2715}", format!("{way}: {cause}")),
        TryResult::Untried(cause) => ("unknown", "?", format!("{way}: not tried, {cause}")),
    };
    PortCell { class, text: text.to_owned(), told }
}

fn of_mtu(pair: &Pair<'_>) -> PortCell {
    let Some(mtu) = pair.mtu else { return empty(false) };
    let way = format!("{} to {}", mtu.from, mtu.to);
    let (class, text, told) = match mtu.bytes {
        None => ("error", "\u{2715}".to_owned(), format!("{way}: no packet arrived")),
        Some(bytes) if bytes < mtu.interface => (
            "warning",
            bytes.to_string(),
            format!("{way}: {bytes} bytes, and the interface sends {}", mtu.interface),
        ),
        Some(bytes) => ("ok", bytes.to_string(), format!("{way}: {bytes} bytes")),
    };
    PortCell { class, text, told }
}
