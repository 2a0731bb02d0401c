//! Ansible's YAML inventories: groups of hosts, children and vars, nested.

use std::rc::Rc;

use super::findings::Findings;
use super::groups::{Groups, Var};
use super::ini::hosts;
use super::word::Word;
use super::yaml::{Kind, Value};
use crate::inventory::check::Problem;

/// How many groups may be entered, each time that one is met: aliases could make that endless.
const MAX_VISITS: usize = 5_000;

/// Reads the groups of a document.
pub(super) fn read(document: &Value, findings: &mut Findings) -> Result<Groups, Problem> {
    refuse_others(document)?;
    let mut reader = Reader { groups: Groups::default(), findings, visits: 0 };
    for (name, group) in document.entries() {
        if name.text == "_meta" {
            continue;
        }
        reader.group(name, group, None)?;
    }
    Ok(reader.groups)
}

/// YAML files that belong to Ansible and are no inventories.
fn refuse_others(document: &Value) -> Result<(), Problem> {
    let (message, help) = match &document.kind {
        Kind::Map(_) if document.get("plugin").is_some() => (
            "this configures a plugin that finds hosts, and names none itself",
            "run `ansible-inventory -i FILE --list --yaml > hosts.yml`, then import hosts.yml",
        ),
        Kind::Map(_) => return Ok(()),
        Kind::List(_) => (
            "this is a list, such as a playbook, and no inventory",
            "import the file that `ansible-playbook -i` names",
        ),
        _ => (
            "this is no inventory: a mapping of groups belongs here",
            "it begins with `all:` and `hosts:` below",
        ),
    };
    let start = document.span.start;
    Err(Problem::error(start..start + 1, message.into()).help(help))
}

struct Reader<'a> {
    groups: Groups,
    findings: &'a mut Findings,
    visits: usize,
}

impl Reader<'_> {
    fn group(&mut self, name: &Word, value: &Value, parent: Option<usize>) -> Result<(), Problem> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            let message = "there are too many groups, or aliases repeat them too often".to_owned();
            return Err(Problem::error(name.span.clone(), message));
        }
        let group = self.groups.group(name)?;
        if let Some(parent) = parent {
            self.groups.child(parent, group);
        }
        if !matches!(value.kind, Kind::Map(_) | Kind::Null) {
            let message = format!("`{}` is no group: a mapping belongs here", name.shown());
            return Err(Problem::error(value.span.clone(), message)
                .help("a group has the keys `hosts`, `children` and `vars`"));
        }
        for (key, part) in value.entries() {
            match key.text.as_str() {
                "hosts" => self.hosts(part, group)?,
                "children" => {
                    for (child, value) in mapping(part, "children")? {
                        self.group(child, value, Some(group))?;
                    }
                }
                "vars" => {
                    for (var, value) in mapping(part, "vars")? {
                        let var = variable(var, value, &name.text);
                        self.groups.group_var(group, var);
                    }
                }
                _ => {
                    let message = format!("`{}` is not carried over", key.shown());
                    self.findings.note(
                        &key.span,
                        message,
                        "a group has the keys `hosts`, `children` and `vars`",
                    );
                }
            }
        }
        Ok(())
    }

    fn hosts(&mut self, part: &Value, group: usize) -> Result<(), Problem> {
        // Some write a list, or a single name, where there are no variables.
        let bare: Vec<(Word, Rc<Value>)> = match &part.kind {
            Kind::List(items) => {
                items.iter().filter_map(|item| Some((item.word()?, nothing(item)))).collect()
            }
            Kind::Scalar(_) => part.word().map(|word| (word, nothing(part))).into_iter().collect(),
            _ => Vec::new(),
        };
        let entries = if bare.is_empty() { mapping(part, "hosts")? } else { &bare };
        for (pattern, vars) in entries {
            for (name, port) in hosts(pattern)? {
                let host = self.groups.host(&name, group)?;
                if let Some(port) = port {
                    let value = Value::text(port.text.clone(), port.span.clone());
                    let var = variable(&port.with("ansible_port"), &value, &name.text);
                    self.groups.host_var(host, var);
                }
                for (var, value) in mapping(vars, &name.shown())? {
                    self.groups.host_var(host, variable(var, value, &name.text));
                }
            }
        }
        Ok(())
    }
}

fn nothing(at: &Value) -> Rc<Value> {
    Rc::new(Value { span: at.span.clone(), tag: String::new(), kind: Kind::Null })
}

fn variable(name: &Word, value: &Rc<Value>, scope: &str) -> Var {
    Var { name: name.clone(), value: Rc::clone(value), scope: scope.into() }
}

fn mapping<'a>(value: &'a Value, key: &str) -> Result<&'a [(Word, Rc<Value>)], Problem> {
    match &value.kind {
        Kind::Map(_) | Kind::Null => Ok(value.entries()),
        _ => {
            let message = format!("a mapping belongs below `{key}`");
            Err(Problem::error(value.span.clone(), message)
                .help("write `name: value` on lines of their own, indented"))
        }
    }
}
