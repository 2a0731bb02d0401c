//! What several parts of the page are made of: signs, texts with commands in them, findings.

use serde::Serialize;

use super::key;
use crate::audit::{Check, Evidence, Report, Severity};
use crate::inventory::model::NodeName;
use crate::report::audits::findings::{Finding, Said};
use crate::report::audits::word;
use crate::report::errors::quoted;

/// A kind of finding at a glance: never by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Sign {
    /// The class that colours it.
    pub(super) class: &'static str,
    /// A letter that no browser draws as a picture.
    pub(super) glyph: &'static str,
    /// Read out.
    pub(super) word: &'static str,
}

/// The sign of a node that is not reached.
pub(super) const LOST: Sign = Sign { class: "lost", glyph: "\u{2205}", word: "not reached" };

pub(super) fn sign(severity: Severity) -> Sign {
    let (class, glyph) = match severity {
        Severity::Error => ("error", "\u{2715}"),
        Severity::Warning => ("warning", "!"),
        Severity::Unknown => ("unknown", "?"),
        Severity::Note => ("note", "i"),
        Severity::Ok => ("ok", "\u{2713}"),
    };
    Sign { class, glyph, word: word(severity) }
}

/// The worst that is said of a node.
pub(super) fn of_node(report: &Report, name: &NodeName) -> Sign {
    if report.unreachable.contains_key(name) {
        return LOST;
    }
    let about = report.verdicts.iter().filter(|verdict| verdict.nodes.contains(name));
    sign(about.map(|verdict| verdict.severity).min().unwrap_or(Severity::Ok))
}

/// A piece of text; code is something to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    pub(super) code: bool,
    pub(super) text: String,
}

/// Text with what stands between two backticks as code.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut add = |code, text: &str| {
        if !text.is_empty() {
            spans.push(Span { code, text: text.to_owned() });
        }
    };
    let mut rest = text;
    while let Some((before, command, after)) = quoted(rest) {
        add(false, before);
        add(true, command.trim_matches('`'));
        rest = after;
    }
    add(false, rest);
    spans
}

/// A node, or the cluster as a whole, as the filter knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Whom {
    pub(super) key: String,
    pub(super) name: String,
}

pub(super) fn names(nodes: &[NodeName]) -> String {
    match nodes.is_empty() {
        true => "cluster".to_owned(),
        false => nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// One finding with all there is to say about it.
#[derive(Serialize)]
pub(super) struct PageFinding {
    number: usize,
    sign: Sign,
    check: String,
    title: String,
    nodes: Vec<Whom>,
    /// The nodes as the filter knows them.
    keys: String,
    message: Vec<Span>,
    evidence: Vec<PageSaid<Seen>>,
    remedy: Vec<PageSaid<Remedy>>,
    why: String,
}

/// What is said of some of the nodes.
#[derive(Serialize)]
struct PageSaid<T> {
    /// Which; empty where it is all of them.
    nodes: String,
    items: Vec<T>,
}

#[derive(Serialize)]
struct Seen {
    place: String,
    text: String,
}

#[derive(Serialize)]
struct Remedy {
    spans: Vec<Span>,
    /// What is worth copying: the commands, or all of it where it is none.
    copy: String,
}

impl PageFinding {
    pub(super) fn of(report: &Report, number: usize, finding: &Finding<'_>, checks: &[&Check]) -> Self {
        let check = checks.iter().find(|check| check.id == finding.check);
        let nodes: Vec<_> = match finding.nodes.is_empty() {
            true => vec![Whom { key: "c".to_owned(), name: "cluster".to_owned() }],
            false => finding.nodes.iter().map(|name| whom(report, name)).collect(),
        };
        Self {
            number,
            sign: sign(finding.severity),
            check: finding.check.to_owned(),
            title: check.map_or_else(String::new, |check| check.title.to_owned()),
            keys: nodes.iter().map(|node| node.key.as_str()).collect::<Vec<_>>().join(" "),
            nodes,
            message: spans(finding.message),
            evidence: finding.evidence.iter().map(|said| PageSaid::of(said, seen)).collect(),
            remedy: finding
                .remedy
                .iter()
                .map(|said| PageSaid::of(said, |text: &String| remedy(text)))
                .collect(),
            why: check
                .filter(|_| finding.severity != Severity::Ok)
                .map_or_else(String::new, |check| check.explanation.to_owned()),
        }
    }
}

impl<T> PageSaid<T> {
    fn of<S>(said: &Said<'_, S>, shown: impl Fn(&S) -> T) -> Self {
        let nodes = if said.nodes.is_empty() { String::new() } else { names(&said.nodes) };
        Self { nodes, items: said.items.iter().map(shown).collect() }
    }
}

fn seen(evidence: &Evidence) -> Seen {
    Seen { place: evidence.place.clone(), text: evidence.text.clone() }
}

fn remedy(text: &str) -> Remedy {
    let spans = spans(text);
    let commands: Vec<_> = spans.iter().filter(|span| span.code).map(|span| span.text.as_str()).collect();
    let copy = if commands.is_empty() { text.to_owned() } else { commands.join("\n") };
    Remedy { spans, copy }
}

/// How the filter knows a node.
pub(super) fn whom(report: &Report, name: &NodeName) -> Whom {
    let key = key(report, name).map_or_else(|| "none".to_owned(), |key| key.to_string());
    Whom { key, name: name.0.clone() }
}
