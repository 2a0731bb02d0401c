//! `skep audit --explain`: what a check is about.

use crate::audit::{Check, Family};
use crate::report::surface::{Surface, Tone};
use crate::report::table::{Cell, Table};
use crate::report::text::wrap;

/// Columns of text that is read as prose.
const READABLE: usize = 80;

/// One check: why it matters, what is read, what helps.
pub fn explanation(check: &Check, surface: &Surface) -> String {
    let dot = surface.paint(Tone::Dim, surface.symbols().dot);
    let head = format!(
        "{}  {dot}  {}  {dot}  {}",
        surface.paint(Tone::Strong, check.id),
        check.title,
        check.family.title()
    );
    let room = surface.width.unwrap_or(READABLE).min(READABLE);
    let prose = check.explanation.split('\n').flat_map(|paragraph| wrap(paragraph.trim(), room));
    format!("{head}\n\n{}", prose.collect::<Vec<_>>().join("\n"))
}

/// All of them, by family.
pub fn list(checks: &[&Check], surface: &Surface) -> String {
    let blocks = families(checks).into_iter().map(|(family, checks)| {
        let mut table = Table::new(&["", "title"]);
        checks
            .iter()
            .for_each(|check| table.row(vec![Cell::new(check.id, Tone::Accent), Cell::from(check.title)]));
        let rows = table.render(surface);
        let rows = rows.lines().skip(1).map(|line| format!("  {line}"));
        std::iter::once(surface.paint(Tone::Strong, family.title()))
            .chain(rows)
            .collect::<Vec<_>>()
            .join("\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// All of them as a table for the manual, which a test keeps in step.
#[cfg(test)]
pub(super) fn markdown(checks: &[&Check]) -> String {
    let rows = families(checks).into_iter().flat_map(|(family, checks)| {
        checks
            .into_iter()
            .map(move |check| format!("| {} | `{}` | {} |\n", family.title(), check.id, check.title))
    });
    format!("| | check | what is well when it is |\n|---|---|---|\n{}", rows.collect::<String>())
}

fn families<'a>(checks: &[&'a Check]) -> Vec<(Family, Vec<&'a Check>)> {
    let mut families: Vec<_> = checks.iter().map(|check| check.family).collect();
    families.sort_unstable();
    families.dedup();
    let of = |family| checks.iter().copied().filter(|check| check.family == family).collect();
    families.into_iter().map(|family| (family, of(family))).collect()
}
