//! YAML text to [`File`], and the parser's complaints in the user's words.

use std::ops::Range;

use serde_saphyr::{Error, Location};

use super::check::Problem;
use super::file::File;
use super::mask::is_secret_key;
use super::spot::byte_range;

/// Far above any real inventory, far below what would make a computer sweat.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// Reads one YAML document. The parser stops at the first thing it cannot read.
pub(super) fn parse(text: &str) -> Result<File, Problem> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is longer than {MAX_BYTES} bytes");
        return Err(
            Problem::error(0..0, message).help("an inventory of a hundred nodes takes a tenth of that")
        );
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error, text))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_events: 100_000,
            max_nodes: 50_000,
            max_aliases: 2_000,
            max_anchors: 500,
            max_merge_keys: 2_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 16,
        },
    }
}

fn explain(error: &Error, text: &str) -> Problem {
    let span = error.location().map_or(0..0, |location| pointed_at(&location, text));
    match error.without_snippet() {
        Error::AliasError { error, .. } => describe(error, span),
        error => describe(error, span),
    }
}

/// Bytes that a location means: at least one character. The scanner's own errors have line and column only.
fn pointed_at(location: &Location, text: &str) -> Range<usize> {
    let span = match location.span().byte_offset() {
        Some(_) => byte_range(location),
        None => byte_at(text, location.line(), location.column()),
    };
    if !span.is_empty() {
        return span;
    }
    let next = text.get(span.start..).and_then(|rest| rest.chars().next());
    span.start..span.start + next.map_or(0, char::len_utf8)
}

fn byte_at(text: &str, line: u64, column: u64) -> Range<usize> {
    let index = |from_one: u64| usize::try_from(from_one).unwrap_or(usize::MAX).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(index(line)).map(str::len).sum();
    let at =
        text[before..].char_indices().map(|(at, _)| at).nth(index(column)).unwrap_or(text.len() - before);
    before + at..before + at
}

fn describe(error: &Error, span: Range<usize>) -> Problem {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected, span),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown_value(variant, expected, span),
        Error::SerdeMissingField { field, .. } => Problem::error(span, format!("`{field}` is missing here")),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Problem::error(span, format!("`{key}` stands here for the second time"))
                .help("keep one of the two, or give one another name")
        }
        Error::NullIntoString { .. } => Problem::error(span, "a value is missing here".into())
            .help("write the value, or leave the whole key out"),
        Error::InvalidScalar { ty, .. } => Problem::error(span, format!("this is not {}", number(ty))),
        Error::Unexpected { expected, .. } => wrong_shape(expected, span),
        Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
            Problem::error(span, "this is not a single word".into()).help("write one word, without brackets")
        }
        Error::Eof { .. } => Problem::error(span, "the file is empty".into())
            .help("`skep init USER@HOST HOST HOST` writes an inventory to start from"),
        Error::MultipleDocuments { .. } => Problem::error(span, "a second YAML document begins here".into())
            .help("one file is one inventory: take the `---` out, or use a second file with `--inventory`"),
        Error::UnknownAnchor { .. } => {
            Problem::error(span, "this alias (`*name`) has no anchor (`&name`) above it".into())
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => Problem::error(
            span,
            "from here on the file is too large, too deep or has too many aliases to be an inventory".into(),
        )
        .help("what many nodes have in common goes under `defaults`, once"),
        other => {
            Problem::error(span, format!("this is not YAML that skep can read: {}", without_place(other)))
                .help("indent with spaces, close each bracket and quote, and put a space after each colon")
        }
    }
}

/// The parser's own sentence without its place, which the diagnostic has already.
fn without_place(error: &Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].lines().next().unwrap_or_default().to_owned()
}

fn number(ty: &str) -> &'static str {
    match ty {
        "u16" => "a port, 1 to 65535",
        "u8" => "a prefix length, 8 to 29",
        "bool" => "`true` or `false`",
        _ => "a whole number",
    }
}

fn wrong_shape(expected: &str, span: Range<usize>) -> Problem {
    let (what, help) = match expected {
        "mapping start" => (
            "a mapping",
            "write `{key: value}`, or keys on lines of their own, indented; leave out a key that has none",
        ),
        "sequence start" => ("a list", "write it in square brackets: `[one, two]`"),
        "string scalar" => ("one piece of text", "write a single value, in quotes if it holds brackets"),
        other => (other, "docs/inventory.md shows each key with an example"),
    };
    Problem::error(span, format!("wrong type: {what} belongs here")).help(help)
}

fn unknown_key(field: &str, expected: &[&str], span: Range<usize>) -> Problem {
    let problem = Problem::error(span, format!("unknown key `{field}`"));
    match suggestion(field, expected) {
        Some(key) => problem.help(format!("did you mean `{key}`?")),
        None => problem.help(format!("known here: {}", listed(expected))),
    }
}

fn unknown_value(value: &str, expected: &[&str], span: Range<usize>) -> Problem {
    if value == "docker" && expected.contains(&"distro") {
        return Problem::error(
            span,
            "Docker's own repository (`source: docker`) is not supported yet".into(),
        )
        .help("use `source: distro`, or install the engine yourself and write `source: keep`");
    }
    let problem = Problem::error(span, format!("`{value}` is none of {}", listed(expected)));
    match suggestion(value, expected) {
        Some(word) => problem.help(format!("did you mean `{word}`?")),
        None => problem,
    }
}

fn listed(words: &[&str]) -> String {
    let known: Vec<_> =
        words.iter().filter(|word| !word.starts_with('$')).map(|word| format!("`{word}`")).collect();
    known.join(", ")
}

/// Words that other tools use for the same thing.
const SYNONYMS: [(&str, &str); 15] = [
    ("hosts", "nodes"),
    ("machines", "nodes"),
    ("servers", "nodes"),
    ("host", "address"),
    ("ip", "address"),
    ("hostname", "address"),
    ("username", "user"),
    ("identity_file", "key"),
    ("ssh_key", "key"),
    ("passphrase", "key_passphrase"),
    ("docker", "engine"),
    ("nfs", "shares"),
    ("exports", "shares"),
    ("advertise_addr", "advertise"),
    ("fingerprint", "host_key"),
];

/// The word of `known` that was likely meant.
pub(crate) fn suggestion<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == word).map(|(_, ours)| *ours);
    let meant = synonym.or_else(|| is_secret_key(word).then_some("password"));
    known
        .iter()
        .find(|key| Some(**key) == meant)
        .or_else(|| {
            similar::get_close_matches(word, known, 1, 0.6)
                .first()
                .and_then(|close| known.iter().find(|key| *key == close))
        })
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close_or_synonyms() {
        let known = ["address", "role", "user", "password", "port"];
        for (word, meant) in [
            ("adress", Some("address")),
            ("prot", Some("port")),
            ("ip", Some("address")),
            ("username", Some("user")),
            ("secret", Some("password")),
            ("passwd", Some("password")),
            ("hosts", None),
            ("zzz", None),
        ] {
            assert_eq!(suggestion(word, &known), meant, "{word}");
        }
    }
}
