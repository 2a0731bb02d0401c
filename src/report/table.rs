//! Tables without lines: columns aligned by what is seen of their cells.

use console::measure_text_width;

use super::surface::{Surface, Tone};
use super::text::pad;

/// Rows under a header.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    header: Vec<&'a str>,
    right: Vec<bool>,
    rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell in the colour of what it means. `text` is cleaned: it may come from a host.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: super::text::clean(text.as_ref()), tone: Some(tone) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: super::text::clean(text.as_ref()), tone: None }
    }
}

impl<'a> Table<'a> {
    /// A table with these columns; those whose name ends in `>` are aligned to the right.
    pub fn new(header: &[&'a str]) -> Self {
        let right = header.iter().map(|name| name.ends_with('>')).collect();
        Self { header: header.iter().map(|name| name.trim_end_matches('>')).collect(), right, rows: vec![] }
    }

    /// Adds a row; cells that are missing stay empty.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table's lines, the header first; columns that are empty in all rows are left out.
    pub fn render(&self, surface: &Surface) -> String {
        let shown: Vec<(usize, usize)> =
            (0..self.header.len()).filter_map(|column| Some((column, self.width(column)?))).collect();
        let header: Vec<Cell> = self.header.iter().map(|name| Cell::new(name, Tone::Dim)).collect();
        let lines = std::iter::once(&header).chain(&self.rows).map(|row| self.line(row, &shown, surface));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, row: &[Cell], shown: &[(usize, usize)], surface: &Surface) -> String {
        let cells = shown.iter().map(|&(column, width)| {
            let Some(Cell { text, tone }) = row.get(column) else { return " ".repeat(width) };
            let painted = tone.map_or_else(|| text.clone(), |tone| surface.paint(tone, text));
            let missing = width.saturating_sub(measure_text_width(text));
            if self.right[column] { " ".repeat(missing) + &painted } else { pad(&painted, width) }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }

    /// The widest cell of a column; none where no row has anything there.
    fn width(&self, column: usize) -> Option<usize> {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| measure_text_width(&cell.text)).max().filter(|width| *width > 0)?;
        Some(widest.max(measure_text_width(self.header[column])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new(&["node", "labels", "time>"]);
        table.row(vec!["n1".into(), "".into(), "14.2s".into()]);
        table.row(vec!["日本".into(), "".into(), "1m 02s".into()]);
        table.row(vec![Cell::new("a\u{1b}[1mb", Tone::Bad)]);
        insta::assert_snapshot!(table.render(&Surface::PLAIN),);
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::new(&["node", "state"]);
        table.row(vec![Cell::new("n1", Tone::Bad), "ready".into()]);
        let coloured = table.render(&Surface { colour: true, ..Surface::PLAIN });
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), table.render(&Surface::PLAIN));
    }

    #[test]
    fn a_table_without_rows_is_empty() {
        assert_eq!(Table::new(&["node"]).render(&Surface::PLAIN), "");
    }
}
