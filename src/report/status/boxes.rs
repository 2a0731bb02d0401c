//! Groups of nodes in frames of one width.

use console::measure_text_width;

use crate::report::surface::{Surface, Tone};
use crate::report::text::pad;

/// Columns that a drawing takes at most, however wide the terminal.
const WIDEST: usize = 100;
/// What a frame takes of each line, with the space within.
const FRAME: usize = 6;

/// A node in a frame.
pub(super) struct Item {
    /// What it is at a glance.
    pub(super) sign: &'static str,
    /// The sign's colour.
    pub(super) tone: Tone,
    /// Its name.
    pub(super) name: String,
    /// What there is to say of it.
    pub(super) note: String,
}

impl Item {
    fn width(&self) -> usize {
        let note = if self.note.is_empty() { 0 } else { 1 + measure_text_width(&self.note) };
        measure_text_width(self.sign) + 1 + measure_text_width(&self.name) + note
    }

    fn show(&self, surface: &Surface) -> String {
        let sign = surface.paint(self.tone, self.sign);
        let name = surface.paint(Tone::Strong, &self.name);
        let note = if self.tone == Tone::Good { Tone::Dim } else { self.tone };
        if self.note.is_empty() {
            format!("{sign} {name}")
        } else {
            format!("{sign} {name} {}", surface.paint(note, &self.note))
        }
    }
}

/// A frame around each group that has members, all of one width; none where all are empty.
pub(super) fn draw(groups: &[(String, Vec<Item>)], surface: &Surface) -> Option<String> {
    let groups: Vec<_> = groups.iter().filter(|(_, items)| !items.is_empty()).collect();
    let room = surface.width.unwrap_or(WIDEST).min(WIDEST).saturating_sub(FRAME);
    let item = groups.iter().flat_map(|(_, items)| items).map(Item::width).max()?;
    let most = groups.iter().map(|(_, items)| items.len()).max()?;
    let columns = ((room + GAP) / (item + GAP)).clamp(1, most);
    let title = groups.iter().map(|(title, _)| measure_text_width(title)).max()?;
    let inner = (columns * (item + GAP) - GAP).max(title + 1);
    let frames = groups
        .iter()
        .map(|(title, items)| frame(title, &rows(items, columns, item, surface), inner, surface));
    Some(frames.collect::<Vec<_>>().join("\n"))
}

/// Columns between two nodes.
const GAP: usize = 4;

fn rows(items: &[Item], columns: usize, width: usize, surface: &Surface) -> Vec<String> {
    let row = |items: &[Item]| {
        let cells: Vec<_> = items.iter().map(|item| pad(&item.show(surface), width)).collect();
        cells.join(&" ".repeat(GAP))
    };
    items.chunks(columns).map(row).collect()
}

fn frame(title: &str, rows: &[String], inner: usize, surface: &Surface) -> String {
    let [top_left, top_right, bottom_left, bottom_right, level, upright] = surface.symbols().frame;
    let dim = |text: &str| surface.paint(Tone::Dim, text);
    let rest = level.repeat((inner + 1).saturating_sub(measure_text_width(title)));
    let mut lines = vec![format!(
        "{} {title} {}",
        dim(&format!("{top_left}{level}")),
        dim(&format!("{rest}{top_right}"))
    )];
    lines.extend(rows.iter().map(|row| format!("{}  {}  {}", dim(upright), pad(row, inner), dim(upright))));
    lines.push(dim(&format!("{bottom_left}{}{bottom_right}", level.repeat(inner + 4))));
    lines.join("\n")
}
