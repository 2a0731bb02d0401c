//! Ansible's INI inventories: sections of hosts, children and variables.
//!
//! Ansible splits a host's line as a shell would, and takes the values of a `:vars` section as Python literals where
//! they are ones; both are followed here as far as text and numbers go.

use std::rc::Rc;

use super::groups::{Groups, UNGROUPED, Var};
use super::ranges::expand;
use super::word::{Word, shown};
use super::words::split;
use super::yaml::Value;
use crate::inventory::check::Problem;

/// What the lines below a header are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Vars,
}

/// Reads the groups of a file.
pub(super) fn read(text: &str) -> Result<Groups, Problem> {
    let mut reader = Reader::new()?;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let start = offset + (line.len() - line.trim_start().len());
        if !trimmed.is_empty() && !trimmed.starts_with(['#', ';']) {
            reader.line(&Word::new(trimmed.to_owned(), start..start + trimmed.len()))?;
        }
        offset += line.len();
    }
    Ok(reader.groups)
}

struct Reader {
    groups: Groups,
    group: usize,
    scope: Rc<str>,
    section: Section,
}

impl Reader {
    fn new() -> Result<Self, Problem> {
        let mut groups = Groups::default();
        let group = groups.group(&Word::new(UNGROUPED.into(), 0..0))?;
        Ok(Self { groups, group, scope: UNGROUPED.into(), section: Section::Hosts })
    }

    fn line(&mut self, line: &Word) -> Result<(), Problem> {
        if let Some((name, section)) = header(line)? {
            self.group = self.groups.group(&name)?;
            self.scope = name.text.as_str().into();
            self.section = section;
            return Ok(());
        }
        match self.section {
            Section::Hosts => self.host(line),
            Section::Children => self.child(line),
            Section::Vars => self.var(line),
        }
    }

    fn child(&mut self, line: &Word) -> Result<(), Problem> {
        let name = without_comment(line);
        if name.text.contains(char::is_whitespace) {
            let message = "below `:children` stands one group a line".to_owned();
            return Err(Problem::error(name.span, message).help("write variables below `[GROUP:vars]`"));
        }
        let child = self.groups.group(&name)?;
        self.groups.child(self.group, child);
        Ok(())
    }

    fn var(&mut self, line: &Word) -> Result<(), Problem> {
        let Some((name, value)) = line.text.split_once('=') else {
            let message = format!("no value is given to `{}`", shown(&line.text));
            return Err(Problem::error(line.span.clone(), message).help("below `:vars` stands `name=value`"));
        };
        let start = line.span.end - value.trim_start().len();
        let name = name.trim_end();
        let name = Word::new(name.to_owned(), line.span.start..line.span.start + name.len());
        let (value, length) = literal(value.trim());
        let value = Value::text(value, start..start + length);
        self.groups.group_var(self.group, Var { name, value, scope: Rc::clone(&self.scope) });
        Ok(())
    }

    fn host(&mut self, line: &Word) -> Result<(), Problem> {
        let mut words = split(&line.text, line.span.start)?.into_iter();
        let Some(pattern) = words.next() else { return Ok(()) };
        let mut vars = Vec::new();
        for word in words {
            let Some((name, value)) = word.assignment() else {
                let message = format!("`{}` is no `name=value`", shown(&word.text));
                return Err(Problem::error(word.span, message)
                    .help("after a host stand its variables; a value with blanks stands in quotes"));
            };
            vars.push((name, Value::text(value.text, value.span)));
        }
        let pattern = Word::new(pattern.text, pattern.span);
        for (name, port) in hosts(&pattern)? {
            let scope: Rc<str> = name.text.as_str().into();
            let host = self.groups.host(&name, self.group)?;
            // The port beside the name counts less than a variable that says it.
            let port = port.map(|port| (port.with("ansible_port"), Value::text(port.text, port.span)));
            for (name, value) in port.into_iter().chain(vars.iter().cloned()) {
                self.groups.host_var(host, Var { name, value, scope: Rc::clone(&scope) });
            }
        }
        Ok(())
    }
}

/// The hosts of a pattern, and the port behind it: `n[1:3].lan:2222`, `[fd00::1]:22`.
pub(super) fn hosts(pattern: &Word) -> Result<Vec<(Word, Option<Word>)>, Problem> {
    let (name, port) = split_port(&pattern.text);
    let port = port.map(|port| pattern.with(port));
    let names = match bracketed_address(name) {
        Some(address) => vec![address.to_owned()],
        None => expand(name).map_err(|message| Problem::error(pattern.span.clone(), message))?,
    };
    Ok(names.into_iter().map(|name| (pattern.with(name), port.clone())).collect())
}

fn bracketed_address(name: &str) -> Option<&str> {
    let inside = name.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse::<std::net::Ipv6Addr>().is_ok().then_some(inside)
}

/// A colon within brackets belongs to a range or an address, and several without any to an IPv6 address.
fn split_port(pattern: &str) -> (&str, Option<&str>) {
    match pattern.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && !name.is_empty()
                && (name.ends_with(']') || outside(name)) =>
        {
            (name, Some(port))
        }
        _ => (pattern, None),
    }
}

/// Whether no colon of the name stands outside of brackets.
fn outside(name: &str) -> bool {
    let mut depth = 0i32;
    name.chars().all(|char| {
        depth += i32::from(char == '[') - i32::from(char == ']');
        char != ':' || depth > 0
    }) && depth == 0
}

/// `[group]`, `[group:children]` or `[group:vars]`, a comment behind it allowed.
fn header(line: &Word) -> Result<Option<(Word, Section)>, Problem> {
    let bare = without_comment(line);
    let Some(inside) = bare.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(None);
    };
    // `[fd00::1]` or `[a:c]` could be a host, and Ansible takes it for a wrong header too.
    let (name, tag) = inside.split_once(':').unwrap_or((inside, ""));
    let section = match tag {
        "" if !inside.ends_with(':') => Section::Hosts,
        "children" => Section::Children,
        "vars" => Section::Vars,
        _ => {
            let message = format!("`[{}]` is no header of a section", shown(inside));
            return Err(Problem::error(bare.span, message).help(
                "write `[GROUP]`, `[GROUP:children]` or `[GROUP:vars]`; a host needs more than brackets",
            ));
        }
    };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ']' || c == '[') {
        let message = format!("`{}` is no name of a group", shown(name));
        return Err(Problem::error(bare.span, message).help("write one word: `[managers]`"));
    }
    let start = line.span.start + 1;
    Ok(Some((Word::new(name.to_owned(), start..start + name.len()), section)))
}

fn without_comment(line: &Word) -> Word {
    let text = line.text.split('#').next().unwrap_or_default().trim_end();
    Word::new(text.to_owned(), line.span.start..line.span.start + text.len())
}

/// A value of a `:vars` section, and how many bytes of it count: a quoted text or a number may have a comment behind
/// it, anything else is taken as it is.
fn literal(value: &str) -> (String, usize) {
    let quoted = value.chars().next().filter(|quote| ['"', '\''].contains(quote));
    if let Some((text, length)) = quoted.and_then(|quote| quoted_literal(value, quote)) {
        return (text, length);
    }
    let head = value.split('#').next().unwrap_or_default().trim_end();
    if head.parse::<i64>().is_ok() || ["True", "False"].contains(&head) {
        return (head.to_owned(), head.len());
    }
    (value.to_owned(), value.len())
}

/// A Python string, if the whole value is one.
fn quoted_literal(value: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = value.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        if char == '\\' {
            match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other => text.push(other),
            }
        } else if char == quote {
            let rest = value[at + 1..].trim_start();
            return (rest.is_empty() || rest.starts_with('#')).then_some((text, at + 1));
        } else {
            text.push(char);
        }
    }
    None
}
