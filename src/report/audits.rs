//! What an audit found: as text that is read from the top down, the worst first, and as a page for the browser.

mod changes;
mod explain;
mod findings;
mod page;
mod ports;

use std::collections::BTreeMap;

#[cfg(test)]
use explain::markdown;
pub use explain::{explanation, list};
pub use page::page;

use super::errors::commands;
use super::surface::{Surface, Tone};
use super::text::{clean, clean_lines, fit, names, pad, wrap};
use crate::audit::{Changes, Evidence, Report, Severity};
use crate::inventory::model::NodeName;
use crate::words::count;
use findings::{Finding, Said, merged};
use ports::Grid;

/// Columns that names of nodes take at most beside their findings.
const NAMES: usize = 14;
/// Columns that text takes at most, however wide the terminal.
const WIDEST: usize = 100;
/// Pieces of evidence that one finding shows unless all is asked for.
const FEW: usize = 4;

/// All of it: how it stands, what changed, what is wrong and what helps, the ports where something is blocked.
pub(super) fn text(report: &Report, since: Option<&Changes>, surface: &Surface) -> String {
    let mut blocks = vec![headline(report, surface)];
    blocks.extend(since.map(|changes| changes::text(changes, surface)));
    blocks
        .extend(groups(report).into_iter().filter_map(|(severity, found)| group(severity, &found, surface)));
    blocks.extend(report.reach.as_ref().and_then(|reach| Grid::of(report, reach).text(surface)));
    if report.worst() < Severity::Note {
        blocks.push(
            surface.paint(
                Tone::Dim,
                "`skep audit --explain ID` tells what is behind a finding: ID is in brackets",
            ),
        );
    }
    blocks.join("\n\n")
}

/// The errors alone; empty where there are none.
pub(super) fn errors(report: &Report, surface: &Surface) -> String {
    let mut groups = groups(report);
    groups
        .remove(&Severity::Error)
        .and_then(|found| group(Severity::Error, &found, surface))
        .unwrap_or_default()
}

fn groups(report: &Report) -> BTreeMap<Severity, Vec<Finding<'_>>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for finding in merged(&report.verdicts) {
        groups.entry(finding.severity).or_default().push(finding);
    }
    groups
}

/// How many findings of each kind, and how many checks found nothing wrong.
fn headline(report: &Report, surface: &Surface) -> String {
    let counts = findings::counts(report);
    let tone = |severity| surface.paint(tone(severity), &counted(severity, counts.findings[&severity]));
    let bad = [Severity::Error, Severity::Warning, Severity::Unknown];
    let bad: Vec<_> =
        bad.into_iter().filter(|severity| counts.findings.contains_key(severity)).map(tone).collect();
    let mut parts = vec![surface.paint(Tone::Strong, &format!("audit of {}", clean(&report.cluster)))];
    parts.push(match bad.is_empty() {
        true => surface.paint(Tone::Good, "nothing is wrong"),
        false if counts.nodes == 0 => bad.join(", "),
        false => format!("{} on {}", bad.join(", "), count(counts.nodes, "node")),
    });
    parts.push(match counts.well {
        1 => "1 check is well".to_owned(),
        well => format!("{well} checks are well"),
    });
    if !report.unreachable.is_empty() {
        let down: Vec<NodeName> = report.unreachable.keys().cloned().collect();
        let verb = if down.len() == 1 { "is" } else { "are" };
        parts.push(surface.paint(Tone::Bad, &format!("{} {verb} not reached", names(&down, surface))));
    }
    in_a_row(&parts, surface)
}

/// Parts of a headline with dots between them, and on a narrow terminal some of them below the others.
fn in_a_row(parts: &[String], surface: &Surface) -> String {
    let dot = format!("  {}  ", surface.paint(Tone::Dim, surface.symbols().dot));
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let wide = |line: &String| {
            surface.width.is_some_and(|width| {
                [line, part].map(|text| console::measure_text_width(text)).iter().sum::<usize>() + 5 > width
            })
        };
        match lines.last_mut() {
            Some(line) if !wide(line) => line.push_str(&format!("{dot}{part}")),
            Some(_) => lines.push(format!("  {part}")),
            None => lines.push(part.clone()),
        }
    }
    lines.join("\n")
}

/// `2 errors`; what could not be seen is not counted in nouns.
fn counted(severity: Severity, number: usize) -> String {
    match severity {
        Severity::Unknown => format!("{number} not seen"),
        severity => count(number, word(severity)),
    }
}

/// What a finding of that kind is called.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Unknown => "unknown",
        Severity::Note => "note",
        Severity::Ok => "well",
    }
}

/// What findings of that kind stand under.
fn title(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "errors",
        Severity::Warning => "warnings",
        Severity::Unknown => "could not be seen",
        Severity::Note => "notes",
        Severity::Ok => "well",
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Unknown | Severity::Note => Tone::Accent,
        Severity::Ok => Tone::Good,
    }
}

/// The findings of one kind; none where they are not shown.
fn group(severity: Severity, found: &[Finding<'_>], surface: &Surface) -> Option<String> {
    if severity == Severity::Ok && !surface.verbose {
        return None;
    }
    let width = names_width(found.iter().map(|finding| about(finding, surface)));
    let heading = surface.paint(tone(severity), title(severity));
    let lines = found.iter().flat_map(|finding| block(finding, width, surface));
    Some(std::iter::once(heading).chain(lines).collect::<Vec<_>>().join("\n"))
}

/// Columns for the names beside several rows.
fn names_width(names: impl Iterator<Item = String>) -> usize {
    names.map(|names| console::measure_text_width(&names)).max().unwrap_or_default().min(NAMES)
}

fn about(finding: &Finding<'_>, surface: &Surface) -> String {
    whom(&finding.nodes, surface)
}

/// The nodes by name, or the cluster as a whole.
fn whom(nodes: &[NodeName], surface: &Surface) -> String {
    if nodes.is_empty() { "cluster".to_owned() } else { names(nodes, surface) }
}

/// Its nodes, what it says, and below that what was read and what helps.
fn block(finding: &Finding<'_>, width: usize, surface: &Surface) -> Vec<String> {
    let row = Row {
        about: about(finding, surface),
        lead: (Tone::Dim, String::new()),
        message: finding.message,
        check: finding.check,
    };
    let mut lines = row.lines(width, surface);
    if finding.severity < Severity::Note || (surface.verbose && finding.severity == Severity::Note) {
        let margin = " ".repeat(width + 6);
        lines.extend(
            below(finding, room(width, surface), surface).into_iter().map(|line| format!("{margin}{line}")),
        );
    }
    lines
}

/// Columns that are left beside so wide names.
fn room(width: usize, surface: &Surface) -> Option<usize> {
    surface.width.map(|columns| columns.min(WIDEST).saturating_sub(width + 4).max(20))
}

/// What is said of some nodes.
struct Row<'a> {
    about: String,
    /// What its message begins with, in its colour.
    lead: (Tone, String),
    message: &'a str,
    /// The check's ID; none where empty.
    check: &'a str,
}

impl Row<'_> {
    /// The names, and beside them the message, however many lines that takes.
    fn lines(&self, width: usize, surface: &Surface) -> Vec<String> {
        let Self { about, lead: (tone, lead), message, check } = self;
        let id = if check.is_empty() { String::new() } else { format!("[{}]", clean(check)) };
        let message = clean(message);
        let told = [lead, &message, &id].map(String::as_str);
        let told = told.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let mut told = wrapped(&told, room(width, surface));
        let last = told.pop().unwrap_or_default();
        told.push(match last.strip_suffix(&id) {
            Some(text) => format!("{text}{}", surface.paint(Tone::Dim, &id)),
            None => last,
        });
        let mut told = told.iter().map(|line| commands(line, surface));
        let first = told.next().unwrap_or_default();
        let first = match first.strip_prefix(lead.as_str()) {
            Some(rest) => format!("{}{rest}", surface.paint(*tone, lead)),
            None => first,
        };
        let margin = " ".repeat(width + 4);
        let painted = surface.paint(Tone::Strong, about);
        let mut lines = match console::measure_text_width(about) > width {
            true => vec![format!("  {painted}"), format!("{margin}{first}")],
            false => vec![format!("  {}  {first}", pad(&painted, width))],
        };
        lines.extend(told.map(|line| format!("{margin}{line}")));
        lines
    }
}

/// What was read, and what helps.
fn below(finding: &Finding<'_>, room: Option<usize>, surface: &Surface) -> Vec<String> {
    let room = room.map(|room| room - 2);
    let dim = |line: &str| surface.paint(Tone::Dim, line);
    let seen: Vec<_> = finding.evidence.iter().flat_map(|said| evidence(said, surface)).collect();
    let shown = if surface.verbose || seen.len() <= FEW + 1 { seen.len() } else { FEW };
    let mut lines: Vec<_> = seen[..shown]
        .iter()
        .map(|line| {
            dim(&room
                .filter(|_| !surface.verbose)
                .map_or_else(|| line.clone(), |room| fit(line, room, surface)))
        })
        .collect();
    if shown < seen.len() {
        lines.push(dim(&format!("{} {} more: -v shows all", surface.symbols().ellipsis, seen.len() - shown)));
    }
    let help = surface.paint(Tone::Accent, "help:");
    for said in &finding.remedy {
        for (remedy, whose) in said.items.iter().map(|remedy| (remedy, prefix(&said.nodes, surface))) {
            let text =
                clean_lines(remedy).into_iter().flat_map(|line| wrapped(&line, room.map(|room| room - 6)));
            let text: Vec<_> = text.map(|line| commands(&line, surface)).collect();
            let first = text.first().map(|first| format!("{help} {whose}{first}"));
            lines.extend(first.into_iter().chain(text.iter().skip(1).map(|line| format!("      {line}"))));
        }
    }
    lines
}

fn evidence(said: &Said<'_, Evidence>, surface: &Surface) -> Vec<String> {
    let whose = prefix(&said.nodes, surface);
    said.items
        .iter()
        .map(|Evidence { place, text }| format!("{whose}{}: {}", clean(place), clean_lines(text).join("; ")))
        .collect()
}

/// Of which of the finding's nodes something is said; empty where it is of all.
fn prefix(nodes: &[NodeName], surface: &Surface) -> String {
    if nodes.is_empty() { String::new() } else { format!("{}: ", names(nodes, surface)) }
}

/// Lines of at most that many columns, broken between words; commands, which are copied, stay whole.
fn wrapped(text: &str, room: Option<usize>) -> Vec<String> {
    const KEPT: char = '\u{a0}';
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut quoted = false;
    let joined: String = text
        .chars()
        .map(|c| {
            quoted ^= c == '`';
            if quoted && c == ' ' { KEPT } else { c }
        })
        .collect();
    // A lone backtick opens nothing.
    let joined = if quoted { text.to_owned() } else { joined };
    wrap(&joined, room).into_iter().map(|line| line.replace(KEPT, " ")).collect()
}

#[cfg(test)]
pub(in crate::report::audits) mod tests;
