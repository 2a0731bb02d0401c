//! What an audit found, as one self-contained page for the browser.
//!
//! It loads nothing, runs from a file, and is readable without its script. Hosts' words are hostile: they are cleaned of
//! what steers, their secrets masked, and escaped by the template.

mod comb;
mod matrix;
mod network;
mod parts;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::findings::{Finding, counts, merged};
use super::{changes, title, word};
use crate::audit::{Change, Changes, Check, NodeChanged, Report, Severity};
use crate::inventory::model::NodeName;
use crate::mask::masked;
use crate::report::surface::Tone;
use crate::report::text::printable;
use crate::resource::Fault;
use comb::Comb;
use matrix::Matrix;
use network::Network;
use parts::{PageFinding, Sign, Span, sign, spans};

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Tiles in a row of the drawing on a wide screen, and on a phone.
const COLUMNS: [usize; 2] = [7, 2];
/// The same for so many nodes that the tiles are small.
const SMALL_COLUMNS: [usize; 2] = [16, 5];
/// More nodes than that get small tiles.
const LARGE_TILES: usize = 28;

/// All that the template shows.
#[derive(Serialize)]
struct Page<'a> {
    cluster: &'a str,
    when: String,
    at: &'a str,
    skep: &'a str,
    style: &'static str,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    headline: String,
    counts: Vec<Count>,
    combs: Vec<Comb>,
    nodes: Vec<PageNode<'a>>,
    groups: Vec<Group>,
    changes: Option<PageChanges>,
    matrix: Matrix,
    network: Option<Network>,
}

/// How many there are of one kind.
#[derive(Serialize)]
struct Count {
    sign: Sign,
    number: usize,
    word: String,
}

/// A node with what is known of it.
#[derive(Serialize)]
struct PageNode<'a> {
    key: usize,
    name: &'a str,
    role: String,
    leader: bool,
    address: &'a str,
    hostname: &'a str,
    system: &'a str,
    board: &'a str,
    machine: &'a str,
    kernel: &'a str,
    engine: &'a str,
    labels: Vec<String>,
    sign: Sign,
    /// Why it is not reached.
    fault: Option<PageFault>,
}

#[derive(Serialize)]
struct PageFault {
    text: String,
    help: Vec<Span>,
}

/// The findings of one kind.
#[derive(Serialize)]
struct Group {
    sign: Sign,
    title: &'static str,
    findings: Vec<PageFinding>,
}

#[derive(Serialize)]
struct PageChanges {
    since: String,
    rows: Vec<PageChange>,
}

#[derive(Serialize)]
struct PageChange {
    tone: &'static str,
    what: String,
    nodes: String,
    message: Vec<Span>,
    check: String,
}

/// The page. `checks` are those that are known by title and explanation; others are shown by their ID.
pub fn page(report: &Report, since: Option<&Changes>, checks: &[&Check]) -> String {
    let report: Report = cleaned(report);
    let since = since.map(cleaned::<Changes>);
    let found = merged(&report.verdicts);
    let page = Page {
        cluster: &report.cluster,
        when: changes::when(&report.at),
        at: &report.at,
        skep: &report.skep,
        style: STYLE,
        style_hash: hash(STYLE),
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        headline: headline(&report),
        counts: tally(&report),
        combs: combs(&report),
        nodes: report.nodes.iter().enumerate().map(|(key, _)| node(&report, key)).collect(),
        groups: groups(&report, &found, checks),
        changes: since.as_ref().map(page_changes),
        matrix: Matrix::of(&report, &found, checks),
        network: report.reach.as_ref().map(|reach| Network::of(&report, reach, &found)),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(tags_leave_no_lines());
    let rendered = environment.render_str(TEMPLATE, Serde(page));
    rendered.expect("the template is a constant, and a test renders all of it")
}

fn tags_leave_no_lines() -> SyntaxConfig {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    syntax.expect("the usual delimiters are valid")
}

/// Whatever is shown, without secrets and without what steers a terminal or the direction of writing.
fn cleaned<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("maps in a report have strings as keys");
    let mut value: Value = serde_json::from_str(&masked(&text)).expect("what is masked stays JSON");
    clean(&mut value);
    serde_json::from_value(value).expect("only texts have changed")
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            let lines: Vec<_> = text.lines().map(|line| printable(&line.replace('\t', "    "))).collect();
            *text = lines.join("\n");
        }
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(values) => values.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn headline(report: &Report) -> String {
    let down = report.unreachable.len();
    let seen = report.nodes.len() - down;
    let what = match report.worst() {
        Severity::Error => "Something keeps this cluster from being what the inventory wants.",
        Severity::Warning => "It works, but something there will not do well, or not for long.",
        _ if down > 0 => "Nothing is wrong with the nodes that answered.",
        Severity::Unknown => "Nothing is wrong as far as could be seen.",
        Severity::Note | Severity::Ok => "Nothing is wrong.",
    };
    let nodes = if report.nodes.len() == 1 { "node" } else { "nodes" };
    format!("{what} {seen} of {} {nodes} answered.", report.nodes.len())
}

fn tally(report: &Report) -> Vec<Count> {
    let counts = counts(report);
    let kinds = [Severity::Error, Severity::Warning, Severity::Unknown, Severity::Note];
    let mut tally: Vec<_> = kinds
        .into_iter()
        .map(|severity| {
            let number = counts.findings.get(&severity).copied().unwrap_or_default();
            let word = match (severity, number) {
                (Severity::Unknown, _) => "not seen".to_owned(),
                (severity, 1) => word(severity).to_owned(),
                (severity, _) => format!("{}s", word(severity)),
            };
            Count { sign: sign(severity), number, word }
        })
        .collect();
    let word = if counts.well == 1 { "check well" } else { "checks well" };
    tally.push(Count { sign: sign(Severity::Ok), number: counts.well, word: word.to_owned() });
    if !report.unreachable.is_empty() {
        tally.push(Count {
            sign: parts::LOST,
            number: report.unreachable.len(),
            word: "not reached".to_owned(),
        });
    }
    tally
}

fn combs(report: &Report) -> Vec<Comb> {
    let small = report.nodes.len() > LARGE_TILES;
    let columns = if small { SMALL_COLUMNS } else { COLUMNS };
    ["wide", "narrow"]
        .into_iter()
        .zip(columns)
        .map(|(class, columns)| Comb::of(report, class, columns, small))
        .collect()
}

fn node(report: &Report, key: usize) -> PageNode<'_> {
    let node = &report.nodes[key];
    let fault = report.unreachable.get(&node.name).map(|fault: &Fault| PageFault {
        text: fault.to_string(),
        help: spans(fault.help.as_deref().unwrap_or_default()),
    });
    PageNode {
        key,
        name: &node.name.0,
        role: node.role.to_string(),
        leader: node.leader,
        address: &node.address,
        hostname: &node.hostname,
        system: &node.system,
        board: node.board.as_deref().unwrap_or_default(),
        machine: &node.machine,
        kernel: &node.kernel,
        engine: &node.engine,
        labels: node.labels.iter().map(|(label, value)| format!("{label}={value}")).collect(),
        sign: parts::of_node(report, &node.name),
        fault,
    }
}

fn groups(report: &Report, found: &[Finding<'_>], checks: &[&Check]) -> Vec<Group> {
    let kinds = [Severity::Error, Severity::Warning, Severity::Unknown, Severity::Note, Severity::Ok];
    let group = |severity| Group {
        sign: sign(severity),
        title: title(severity),
        findings: found
            .iter()
            .enumerate()
            .filter(|(_, finding)| finding.severity == severity)
            .map(|(number, finding)| PageFinding::of(report, number, finding, checks))
            .collect(),
    };
    kinds.into_iter().map(group).filter(|group| !group.findings.is_empty()).collect()
}

fn page_changes(changes: &Changes) -> PageChanges {
    let tone = |tone| match tone {
        Tone::Bad => "error",
        Tone::Warn => "warning",
        Tone::Good => "ok",
        _ => "note",
    };
    let nodes = changes.nodes.iter().map(|NodeChanged { node, change }| {
        let (colour, what) = changes::of_node(*change);
        let (tone, what) = (tone(colour), what.to_owned());
        PageChange { tone, what, nodes: node.0.clone(), message: Vec::new(), check: String::new() }
    });
    let findings = changes.findings.iter().map(|change: &Change| {
        let (colour, what) = changes::of_finding(change);
        let nodes = parts::names(&change.nodes);
        PageChange {
            tone: tone(colour),
            what,
            nodes,
            message: spans(&change.message),
            check: change.check.clone(),
        }
    });
    PageChanges { since: changes::when(&changes.since), rows: nodes.chain(findings).collect() }
}

/// How a content security policy names a text: its SHA-256, in base64.
fn hash(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Sha256::digest(text.as_bytes());
    let mut encoded = String::from("sha256-");
    for chunk in digest.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        let letters = (0..=chunk.len()).map(|at| char::from(LETTERS[bits >> (18 - 6 * at) & 63]));
        encoded.extend(letters);
    }
    // 32 bytes leave two in the last group.
    encoded + "="
}

fn key(report: &Report, name: &NodeName) -> Option<usize> {
    report.nodes.iter().position(|node| node.name == *name)
}

#[cfg(test)]
mod tests;
