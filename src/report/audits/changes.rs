//! What changed since an earlier audit, as text.

use super::{Row, names_width, tone, whom, word};
use crate::audit::{Change, ChangeKind, Changes, NodeChange, NodeChanged, Severity};
use crate::report::surface::{Surface, Tone};
use crate::report::text::clean;

/// The block above the findings.
pub(super) fn text(changes: &Changes, surface: &Surface) -> String {
    let heading = surface.paint(Tone::Strong, &format!("since {}", when(&changes.since)));
    if changes.is_empty() {
        return format!("{heading}: nothing changed");
    }
    let nodes = changes.nodes.iter().map(|NodeChanged { node, change }| {
        let (tone, lead) = of_node(*change);
        Row { about: clean(&node.0), lead: (tone, lead.to_owned()), message: "", check: "" }
    });
    let findings = changes.findings.iter().map(|change| {
        let (tone, lead) = of_finding(change);
        let lead = (tone, format!("{lead}:"));
        Row { about: whom(&change.nodes, surface), lead, message: &change.message, check: &change.check }
    });
    let rows: Vec<_> = nodes.chain(findings).collect();
    let width = names_width(rows.iter().map(|row| row.about.clone()));
    let lines = rows.iter().flat_map(|row| row.lines(width, surface));
    std::iter::once(heading).chain(lines).collect::<Vec<_>>().join("\n")
}

/// What became of a finding, in words: `new error`, `now warning, was error`.
pub(super) fn of_finding(change: &Change) -> (Tone, String) {
    let name = |severity: Option<Severity>| severity.map_or("", word);
    let (before, after) = (name(change.before), name(change.after));
    match change.kind {
        ChangeKind::New => (change.after.map_or(Tone::Dim, tone), format!("new {after}")),
        ChangeKind::Worse => (change.after.map_or(Tone::Dim, tone), format!("now {after}, was {before}")),
        ChangeKind::Better => (Tone::Good, format!("now {after}, was {before}")),
        ChangeKind::Unseen => (Tone::Warn, format!("not judged any more, was {before}")),
        // Something else may stand in its place.
        ChangeKind::Gone if change.after.is_none() => (Tone::Good, format!("gone, was {before}")),
        ChangeKind::Gone => (Tone::Good, format!("now well, was {before}")),
    }
}

/// What became of a node, in words.
pub(super) fn of_node(change: NodeChange) -> (Tone, &'static str) {
    match change {
        NodeChange::Lost => (Tone::Bad, "is not reached any more"),
        NodeChange::Answers => (Tone::Good, "answers again"),
        NodeChange::Added => (Tone::Accent, "is new in the inventory"),
        NodeChange::Removed => (Tone::Accent, "is no longer in the inventory"),
    }
}

/// A time to the minute, in UTC; as it stands where it is none.
pub(super) fn when(timestamp: &str) -> String {
    match timestamp.parse::<jiff::Timestamp>() {
        Ok(when) => when.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => clean(timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_well_only_where_its_check_says_so() {
        let words = |kind, before, after| {
            let (check, message, nodes) = ("ports".to_owned(), String::new(), Vec::new());
            of_finding(&Change { kind, check, nodes, before, after, message }).1
        };
        let (error, warning) = (Some(Severity::Error), Some(Severity::Warning));
        assert_eq!(words(ChangeKind::Gone, error, Some(Severity::Ok)), "now well, was error");
        assert_eq!(words(ChangeKind::Gone, error, None), "gone, was error");
        assert_eq!(words(ChangeKind::New, None, error), "new error");
        assert_eq!(words(ChangeKind::Worse, warning, error), "now error, was warning");
    }
}
