//! What a text has to say, whatever the template it comes from: the rest of a run relies on it.

use serde_json::Value;

use super::Template;
use crate::resource::exports;

/// Why a text would be wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The line of the text, counted from 1, where one is to blame.
    pub(super) line: Option<usize>,
    /// The cause.
    pub(super) cause: String,
}

/// What keeps a text from saying what the inventory says.
pub(super) fn flaw(template: &Template, context: &Value, text: &str) -> Option<Flaw> {
    match template.name {
        "exports.j2" => exports_flaw(context, text),
        "nfs.mount.j2" => mount_flaw(context, text),
        _ => None,
    }
}

/// The text must export just what the shares do: what is exported is compared with them later.
fn exports_flaw(context: &Value, text: &str) -> Option<Flaw> {
    let parsed = exports::parse(text);
    if let Some(flaw) = parsed.flaws.first() {
        return Some(Flaw { line: usize::try_from(flaw.line).ok(), cause: flaw.kind.to_string() });
    }
    let wanted: Vec<&str> = texts(&context["shares"], "entries").collect();
    let said: Vec<(u64, String)> =
        parsed.entries.iter().map(|(line, entry)| (*line, entry.to_string())).collect();
    if let Some((line, entry)) = said.iter().find(|(_, entry)| !wanted.contains(&entry.as_str())) {
        let cause = format!("no share of the inventory is exported as `{entry}`");
        return Some(Flaw { line: usize::try_from(*line).ok(), cause });
    }
    let missing = wanted.iter().find(|wanted| !said.iter().any(|(_, entry)| entry == *wanted));
    if let Some(entry) = missing {
        return Some(Flaw { line: None, cause: format!("it does not say `{entry}`") });
    }
    let twice = said
        .iter()
        .enumerate()
        .find(|(place, (_, entry))| said[..*place].iter().any(|(_, other)| other == entry));
    twice.map(|(_, (line, entry))| Flaw {
        line: usize::try_from(*line).ok(),
        cause: format!("it says `{entry}` twice"),
    })
}

fn texts<'v>(list: &'v Value, key: &'static str) -> impl Iterator<Item = &'v str> {
    let items = list.as_array().into_iter().flatten();
    items.flat_map(move |item| item[key].as_array().into_iter().flatten()).filter_map(Value::as_str)
}

/// The unit must mount what the share is, where it shall be: systemd names the unit after the place, and what is mounted
/// is compared with the inventory later.
fn mount_flaw(context: &Value, text: &str) -> Option<Flaw> {
    let of = |name: &str| context[name].as_str().unwrap_or_default();
    let wanted = [("What", of("source")), ("Where", of("at"))];
    for (key, wanted) in wanted {
        let said = values(text, key);
        match said.as_slice() {
            [(_, value)] if *value == wanted => {}
            [(line, value)] => {
                return Some(Flaw {
                    line: Some(*line),
                    cause: format!("`{key}` is `{value}`, not `{wanted}`"),
                });
            }
            several => {
                let line = several.last().map(|(line, _)| *line);
                return Some(Flaw { line, cause: format!("it does not say `{key}={wanted}` just once") });
            }
        }
    }
    let version = of("options").rsplit(',').find(|option| option.starts_with("vers="))?;
    let options = values(text, "Options");
    let said = options.last().map(|(_, value)| *value).unwrap_or_default();
    (!said.split(',').any(|option| option == version)).then(|| Flaw {
        line: options.last().map(|(line, _)| *line),
        cause: format!("`Options` lacks `{version}`"),
    })
}

/// The lines `KEY=value` of a unit file's section `[Mount]`, with their numbers.
fn values<'t>(text: &'t str, key: &str) -> Vec<(usize, &'t str)> {
    let mut section = "";
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        } else if let Some((name, value)) = line.split_once('=')
            && section == "[Mount]"
            && name.trim_end() == key
        {
            found.push((place + 1, value.trim_start()));
        }
    }
    found
}
