//! The cluster drawn as a honeycomb: managers above, workers below, each tile with the worst that is said of it.

use serde::Serialize;

use super::parts::{self, Sign};
use crate::audit::{AuditedNode, PLACES, Report};
use crate::inventory::model::Role;

/// Length of a side of a tile, in the drawing's units.
const SIDE: [f64; 2] = [78.0, 38.0];
/// Space between two tiles.
const GAP: f64 = 7.0;
/// Space around all of them, for their outlines.
const MARGIN: f64 = 4.0;
/// Letters that a line of a tile has room for, and the name on a small one.
const LETTERS: usize = 17;
const SMALL_LETTERS: usize = 6;

/// A drawing.
#[derive(Debug, Serialize)]
pub(super) struct Comb {
    class: &'static str,
    small: bool,
    width: f64,
    height: f64,
    /// Corners of a tile around its middle.
    outline: String,
    /// The same for the line within a manager's tile.
    inner: String,
    tiles: Vec<Tile>,
}

/// A node in the drawing.
#[derive(Debug, Serialize)]
struct Tile {
    key: usize,
    x: f64,
    y: f64,
    sign: Sign,
    manager: bool,
    name: String,
    role: String,
    board: String,
    label: String,
    /// All of it, read out and shown under the pointer.
    told: String,
}

impl Comb {
    /// At most so many tiles in a row.
    pub(super) fn of(report: &Report, class: &'static str, columns: usize, small: bool) -> Self {
        let side = SIDE[usize::from(small)];
        let (width, step) = (side * 3_f64.sqrt() + GAP, side * 1.5 + GAP * 0.87);
        let of = |role| report.nodes.iter().enumerate().filter(move |(_, node)| node.role == role);
        let roles: [Vec<_>; 2] = [of(Role::Manager).collect(), of(Role::Worker).collect()];
        // Not one long row where a compact comb is possible.
        let compact = (report.nodes.len() as f64 * 1.7).sqrt().ceil() as usize;
        let columns = columns.min(compact.max(3)).max(1);
        let rows = roles.iter().flat_map(|nodes| nodes.chunks(columns));
        let mut tiles = Vec::new();
        for (row, nodes) in rows.enumerate() {
            for (column, (key, node)) in nodes.iter().enumerate() {
                let x = (column as f64 + 0.5 + if row % 2 == 1 { 0.5 } else { 0.0 }) * width;
                let tile = Tile {
                    x: rounded(x + MARGIN),
                    y: rounded(side + MARGIN + row as f64 * step),
                    ..tile(report, *key, node, small)
                };
                tiles.push(tile);
            }
        }
        let most = |of: fn(&Tile) -> f64| tiles.iter().map(of).fold(0.0, f64::max);
        Self {
            class,
            small,
            width: rounded(most(|tile| tile.x) + width / 2.0 + MARGIN),
            height: rounded(most(|tile| tile.y) + side + MARGIN),
            outline: hexagon(side),
            inner: hexagon(side - 7.0),
            tiles,
        }
    }
}

fn tile(report: &Report, key: usize, node: &AuditedNode, small: bool) -> Tile {
    let sign = parts::of_node(report, &node.name);
    let role = if node.leader { "leader".to_owned() } else { node.role.to_string() };
    let board = node.board.clone().unwrap_or_else(|| node.machine.clone());
    let label = PLACES.iter().find_map(|key| Some(format!("{key} {}", node.labels.get(*key)?)));
    let label = label.unwrap_or_default();
    let told = [&node.name.0, &role, &board, &label, sign.word];
    let told = told.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let (x, y, manager) = (0.0, 0.0, node.role == Role::Manager);
    // Names of many nodes differ in their ends.
    let name = if small { ending(&node.name.0, SMALL_LETTERS) } else { shortened(&node.name.0, 13) };
    let (board, label) = (shortened(&board, LETTERS), shortened(&label, 14));
    Tile { key, x, y, sign, manager, name, role, board, label, told }
}

/// Corners of a hexagon that stands on one of them.
fn hexagon(side: f64) -> String {
    let corner = |corner: u32| {
        let (sin, cos) = f64::from(corner).mul_add(60_f64.to_radians(), 30_f64.to_radians()).sin_cos();
        format!("{},{}", rounded(side * cos), rounded(side * sin))
    };
    (0..6).map(corner).collect::<Vec<_>>().join(" ")
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

fn ending(text: &str, letters: usize) -> String {
    let number = text.chars().count();
    if number <= letters {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(number + 1 - letters)).collect()
}
