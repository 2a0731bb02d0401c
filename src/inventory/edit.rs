//! Adds a node to an inventory's text and leaves everything else as its writer left it: comments, order, style.

use std::net::IpAddr;
use std::path::Path;

use super::diagnostic::Diagnostics;
use super::file::{self, File};
use super::load::{Surroundings, read};
use super::model::{Inventory, Role};
use super::outline::{Entry, Outline, outline};
use super::parse::parse;
use super::scalar::scalar;
use super::spot::Spot;

const SSH_PORT: u16 = 22;

/// A node to add. What is absent is left to the inventory's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Its name; [`free_name`] finds one.
    pub name: String,
    /// IP address or host name.
    pub address: String,
    /// Role in the swarm.
    pub role: Option<Role>,
    /// User to log in as.
    pub user: Option<String>,
    /// Port of the SSH server.
    pub port: Option<u16>,
}

/// Why a node was not added. The text is unchanged then.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The inventory has errors, before or with the new node.
    #[error("the node cannot be added, the inventory has errors:\n{0}")]
    Invalid(Diagnostics),
    /// A node of that name is there already.
    #[error("there is a node `{0}` already; choose another name with `--name`")]
    NameTaken(String),
    /// A node with that address is there already.
    #[error("`{node}` has the address {address} already; `skep up --limit {node}` brings it up")]
    AddressTaken {
        /// The address.
        address: String,
        /// The node that has it.
        node: String,
    },
    /// The text is written in a way that cannot be added to safely.
    #[error("cannot see where `{name}` belongs in this file; add it by hand under `nodes`: {line}")]
    NoPlace {
        /// The new node.
        name: String,
        /// What to add.
        line: String,
    },
}

/// The text with the node added at the end of `nodes`, written like its neighbours. `path` is for messages.
///
/// # Errors
/// [`EditError`]; the result is read again before it is returned and holds the old inventory and the node,
/// nothing else.
pub fn add_node(path: &Path, text: &str, node: &NewNode) -> Result<String, EditError> {
    // Paths in the file are not looked at here, so any surroundings do.
    let here = Surroundings { folder: Default::default(), home: Some("/".into()), user: "root".into() };
    let old = read(path, text, &here).map_err(EditError::Invalid)?.inventory;
    let file = parse(text).map_err(|problem| {
        EditError::Invalid(Diagnostics::new(vec![problem.into_diagnostic(path, text)], text))
    })?;
    refuse_taken(&old, &file, node)?;
    let no_place = || EditError::NoPlace { name: node.name.clone(), line: flow_entry(node, "") };
    let new = outline(text).and_then(|outline| insert(text, &outline, node)).ok_or_else(no_place)?;
    if parse(&new).is_ok_and(|written| written == with(file, node)) {
        read(path, &new, &here).map_err(EditError::Invalid)?;
        Ok(new)
    } else {
        Err(no_place())
    }
}

fn refuse_taken(old: &Inventory, file: &File, node: &NewNode) -> Result<(), EditError> {
    if old.nodes.iter().any(|other| other.name.0 == node.name) {
        return Err(EditError::NameTaken(node.name.clone()));
    }
    let port = node.port.or(file.defaults.port.as_ref().map(|port| port.value)).unwrap_or(SSH_PORT);
    let same = |other: &str| match (other.parse::<IpAddr>(), node.address.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => other.eq_ignore_ascii_case(&node.address),
    };
    match old.nodes.iter().find(|other| same(&other.address) && other.login.port.unwrap_or(SSH_PORT) == port)
    {
        Some(other) => {
            Err(EditError::AddressTaken { address: node.address.clone(), node: other.name.0.clone() })
        }
        None => Ok(()),
    }
}

/// What the file must say afterwards.
fn with(mut file: File, node: &NewNode) -> File {
    let spot = |text: &String| Spot::nowhere(text.clone());
    let added = file::Node {
        address: Some(spot(&node.address)),
        role: node.role.map(|role| match role {
            Role::Manager => file::Role::Manager,
            Role::Worker => file::Role::Worker,
        }),
        user: node.user.as_ref().map(spot),
        port: node.port.map(Spot::nowhere),
        ..file::Node::default()
    };
    if let Some(nodes) = &mut file.nodes {
        nodes.value.0.push((spot(&node.name), added));
    }
    file
}

fn insert(text: &str, outline: &Outline, node: &NewNode) -> Option<String> {
    match (outline.flow, outline.entries.last()) {
        (false, last) => insert_in_block(text, &outline.entries, last?, node),
        (true, Some(last)) => insert_in_flow(text, outline, last, node),
        (true, None) => {
            let at = outline.braces.start + 1;
            Some(format!("{}{}{}", &text[..at], flow_entry(node, ""), &text[at..]))
        }
    }
}

fn insert_in_block(text: &str, entries: &[Entry], last: &Entry, node: &NewNode) -> Option<String> {
    let eol = line_end_of(text);
    let indent = indent_at(text, last.start)?;
    let mut at = text[last.end..].find('\n').map_or(text.len(), |newline| last.end + newline + 1);
    at += deeper_comments(&text[at..], indent.len());
    let written = match last.block {
        Some(inner) => block_entry(node, indent, indent_at(text, inner)?, eol),
        None => format!("{indent}{}", flow_entry(node, padding(&text[last.start..last.end]))),
    };
    let gap = if blank_line_before(text, entries) { eol } else { "" };
    Some(if text[..at].ends_with('\n') {
        format!("{}{gap}{written}{eol}{}", &text[..at], &text[at..])
    } else {
        format!("{text}{eol}{gap}{written}")
    })
}

fn insert_in_flow(text: &str, outline: &Outline, last: &Entry, node: &NewNode) -> Option<String> {
    let closing = outline.braces.end.checked_sub(1)?;
    let written = flow_entry(node, padding(&text[last.start..last.end]));
    // A comma inside a comment is none.
    let tail = text[last.end..closing].split('#').next().unwrap_or_default();
    let comma = tail.find(',').map(|at| last.end + at);
    let after = comma.map_or(last.end, |at| at + 1);
    let (left, comma) = (&text[..last.end], if comma.is_some() { &text[last.end..after] } else { "," });
    let Some(indent) = indent_at(text, last.start) else {
        return Some(format!("{left}, {written}{}", &text[last.end..]));
    };
    // Each node has its own line: so shall this one, after whatever else is on the last one's.
    let eol = line_end_of(text);
    let rest_of_line =
        text[after..closing].find('\n').map_or("", |newline| text[after..after + newline].trim_end());
    let trailing = if after > last.end { "," } else { "" };
    let tail = &text[after + rest_of_line.len()..];
    Some(format!("{left}{comma}{rest_of_line}{eol}{indent}{written}{trailing}{tail}"))
}

fn line_end_of(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The spaces before `at`; none where anything else stands before it on its line.
fn indent_at(text: &str, at: usize) -> Option<&str> {
    let before = &text[..at];
    let line = before.rfind('\n').map_or(before, |newline| &before[newline + 1..]);
    line.chars().all(|c| c == ' ').then_some(line)
}

/// Length of the comment lines that are indented deeper than a node's name: they belong to the node above.
fn deeper_comments(text: &str, indent: usize) -> usize {
    let deeper = |line: &&str| {
        let comment = line.trim_start_matches(' ');
        comment.starts_with('#') && line.len() - comment.len() > indent
    };
    text.split_inclusive('\n').take_while(deeper).map(str::len).sum()
}

fn blank_line_before(text: &str, entries: &[Entry]) -> bool {
    let [.., before, last] = entries else { return false };
    text[before.end..last.start].replace("\r\n", "\n").contains("\n\n")
}

/// The space after an opening brace, as the neighbour has it.
fn padding(neighbour: &str) -> &'static str {
    if neighbour.contains("{ ") { " " } else { "" }
}

fn fields(node: &NewNode) -> Vec<(&'static str, String)> {
    let mut fields = vec![("address", scalar(&node.address))];
    fields.extend(node.role.map(|role| ("role", role.to_string())));
    fields.extend(node.user.as_ref().map(|user| ("user", scalar(user))));
    fields.extend(node.port.map(|port| ("port", port.to_string())));
    fields
}

fn flow_entry(node: &NewNode, padding: &str) -> String {
    let fields: Vec<_> = fields(node).into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{}: {{{padding}{}{padding}}}", scalar(&node.name), fields.join(", "))
}

fn block_entry(node: &NewNode, indent: &str, inner: &str, eol: &str) -> String {
    let lines = fields(node).into_iter().map(|(key, value)| format!("{eol}{inner}{key}: {value}"));
    format!("{indent}{}:{}", scalar(&node.name), lines.collect::<String>())
}

/// A name that none of `names` has: the last one counted on (`n4` after `n3`), else `n` and a number.
pub fn free_name<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let digits = |name: &str| name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let last = names.last().copied().unwrap_or("n0");
    let (stem, number) = last.split_at(last.len() - digits(last));
    let (stem, width, start) = match number.parse::<u64>() {
        Ok(number) => (stem, last.len() - stem.len(), number.saturating_add(1)),
        Err(_) => ("n", 1, 1),
    };
    (start..=u64::MAX)
        .map(|number| format!("{stem}{number:0width$}"))
        .find(|name| !names.contains(&name.as_str()))
        .unwrap_or_else(|| format!("{last}-1"))
}

#[cfg(test)]
mod tests;
