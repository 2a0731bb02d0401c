//! Foreign YAML as a tree in which every piece knows its place. Several documents may stand in one file, and tags
//! (`!vault`) are kept: no typed reader does both.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::word::Word;
use crate::inventory::check::Problem;

/// How deep a file may be nested: far above any host list.
const MAX_DEPTH: usize = 64;
/// How many keys merge keys (`<<`) may bring in all.
const MAX_MERGED: usize = 20_000;

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) span: Range<usize>,
    /// The tag as it ends: `vault` for `!vault`; empty without one.
    pub(super) tag: String,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Nothing.
    Null,
    /// Text, a number, a truth value.
    Scalar(String),
    /// A list.
    List(Vec<Rc<Value>>),
    /// A mapping, in the order of the file.
    Map(Vec<(Word, Rc<Value>)>),
}

impl Value {
    /// A scalar that stands at `span`.
    pub(super) fn text(text: String, span: Range<usize>) -> Rc<Self> {
        Rc::new(Self { span, tag: String::new(), kind: Kind::Scalar(text) })
    }

    /// The scalar, if it is one that Ansible keeps no secret in.
    pub(super) fn word(&self) -> Option<Word> {
        match &self.kind {
            Kind::Scalar(text) if !self.is_vault() => Some(Word::new(text.clone(), self.span.clone())),
            _ => None,
        }
    }

    /// Whether it is encrypted by ansible-vault.
    pub(super) fn is_vault(&self) -> bool {
        self.tag == "vault"
            || self.tag == "vault-encrypted"
            || matches!(&self.kind, Kind::Scalar(text) if text.starts_with("$ANSIBLE_VAULT"))
    }

    /// The entries of a mapping; none for anything else.
    pub(super) fn entries(&self) -> &[(Word, Rc<Value>)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(super) fn items(&self) -> &[Rc<Value>] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The value of that key.
    pub(super) fn get(&self, key: &str) -> Option<&Rc<Value>> {
        self.entries().iter().find(|(name, _)| name.text == key).map(|(_, value)| value)
    }
}

/// The documents of a file.
pub(super) fn documents(text: &str) -> Result<Vec<Rc<Value>>, Problem> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.event(event, &span)?,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
                let message = format!("this is not YAML: {}", error.info());
                let help =
                    "indent with spaces, close each bracket and quote, and put a space after each colon";
                return Err(Problem::error(one_character(text, at), message).help(help));
            }
        }
    }
    Ok(builder.documents)
}

/// The character at a byte, so that something is pointed at.
fn one_character(text: &str, at: usize) -> Range<usize> {
    let next = text.get(at..).and_then(|rest| rest.chars().next());
    at..at + next.map_or(0, char::len_utf8)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Rc<Value>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Value>>,
    merged: usize,
}

/// A list or mapping that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    tag: String,
    what: Collection,
}

enum Collection {
    List(Vec<Rc<Value>>),
    Map { entries: Vec<(Word, Rc<Value>)>, key: Option<Word> },
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let place = range(span);
        match event {
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(place.start, anchor, tag_name(tag.as_deref()), Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let map = Collection::Map { entries: Vec::new(), key: None };
                self.begin(place.start, anchor, tag_name(tag.as_deref()), map)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(place.end),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag_name(tag.as_deref());
                let null = style == ScalarStyle::Plain && tag.is_empty() && is_null(&text);
                let kind = if null { Kind::Null } else { Kind::Scalar(text.into_owned()) };
                self.put(Rc::new(Value { span: place, tag, kind }), anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(value) => self.put(Rc::clone(value), 0),
                None => Err(Problem::error(place, "this alias stands within what it stands for".into())),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, start: usize, anchor: usize, tag: String, what: Collection) -> Result<(), Problem> {
        if let Some(Open { what: Collection::Map { key: None, .. }, .. }) = self.open.last() {
            let message = "a list or mapping stands here as a key".to_owned();
            return Err(Problem::error(start..start + 1, message).help("a key is one piece of text"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Problem::error(
                start..start + 1,
                "this is nested too deep for a list of hosts".into(),
            ));
        }
        self.open.push(Open { start, anchor, tag, what });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Problem> {
        let Some(Open { start, anchor, tag, what }) = self.open.pop() else { return Ok(()) };
        let kind = match what {
            Collection::List(items) => Kind::List(items),
            Collection::Map { entries, .. } => Kind::Map(self.merge(entries)?),
        };
        self.put(Rc::new(Value { span: start..end.max(start), tag, kind }), anchor)
    }

    /// A finished value becomes what is due: a document, an item, a key, a key's value.
    fn put(&mut self, value: Rc<Value>, anchor: usize) -> Result<(), Problem> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&value));
        }
        match self.open.last_mut().map(|open| &mut open.what) {
            None => self.documents.push(value),
            Some(Collection::List(items)) => items.push(value),
            Some(Collection::Map { entries, key }) => match key.take() {
                Some(name) => entries.push((name, value)),
                None => *key = Some(key_of(&value)?),
            },
        }
        Ok(())
    }

    /// Brings in what merge keys refer to, and refuses doubled keys.
    fn merge(&mut self, entries: Vec<(Word, Rc<Value>)>) -> Result<Vec<(Word, Rc<Value>)>, Problem> {
        let mut seen = HashSet::new();
        let mut sources = Vec::new();
        let mut own = Vec::new();
        for (name, value) in entries {
            if name.text == "<<" {
                match &value.kind {
                    Kind::List(items) => sources.extend(items.iter().cloned()),
                    _ => sources.push(value),
                }
            } else if seen.insert(name.text.clone()) {
                own.push((name, value));
            } else {
                let message = format!("`{}` stands here for the second time", name.shown());
                return Err(Problem::error(name.span, message).help("keep one of the two"));
            }
        }
        for (name, value) in sources.iter().flat_map(|source| source.entries()) {
            if seen.insert(name.text.clone()) {
                self.merged += 1;
                own.push((name.clone(), Rc::clone(value)));
            }
            if self.merged > MAX_MERGED {
                return Err(Problem::error(name.span.clone(), "merge keys bring in too much".into()));
            }
        }
        Ok(own)
    }
}

fn key_of(value: &Value) -> Result<Word, Problem> {
    match &value.kind {
        Kind::Scalar(text) => Ok(Word::new(text.clone(), value.span.clone())),
        Kind::Null => Ok(Word::new("null".into(), value.span.clone())),
        _ => Err(Problem::error(value.span.clone(), "a list or mapping stands here as a key".into())),
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn tag_name(tag: Option<&serde_saphyr::granit_parser::Tag>) -> String {
    tag.filter(|tag| tag.is_custom()).map(|tag| tag.suffix().to_owned()).unwrap_or_default()
}

fn range(span: &Span) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or(0);
    start..span.end.byte_offset().unwrap_or(start).max(start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Rc<Value> {
        let documents = documents(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        Rc::clone(documents.first().expect("a document"))
    }

    fn plain(value: &Value) -> serde_json::Value {
        match &value.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Scalar(text) => text.as_str().into(),
            Kind::List(items) => items.iter().map(|item| plain(item)).collect(),
            Kind::Map(entries) => {
                entries.iter().map(|(key, value)| (key.text.clone(), plain(value))).collect()
            }
        }
    }

    #[test]
    fn trees_keep_text_and_order() {
        for (text, wanted) in [
            ("a: 1\nb: [x, '~', ~]", r#"{"a":"1","b":["x","~",null]}"#),
            ("a: &x {p: 022}\nb: *x", r#"{"a":{"p":"022"},"b":{"p":"022"}}"#),
            ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", r#"{"a":{"p":"1","q":"2"},"b":{"p":"1","q":"3"}}"#),
            (
                "a: &x {p: 1}\nc: &y {p: 2, r: 3}\nb: {<<: [*x, *y]}",
                r#"{"a":{"p":"1"},"b":{"p":"1","r":"3"},"c":{"p":"2","r":"3"}}"#,
            ),
            ("1: {}", r#"{"1":{}}"#),
        ] {
            assert_eq!(plain(&one(text)).to_string(), wanted, "{text}");
        }
    }

    #[test]
    fn several_documents_and_none() {
        assert_eq!(documents("a: 1\n---\nb: 2\n").expect("YAML").len(), 2);
        assert_eq!(documents("# only this\n").expect("YAML").len(), 0);
    }

    #[test]
    fn vaults_are_known_by_tag_and_by_text() {
        let tree =
            one("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\nb: $ANSIBLE_VAULT;1.1\nc: !unsafe x\n");
        let vaults: Vec<_> = tree.entries().iter().map(|(_, value)| value.is_vault()).collect();
        assert_eq!(vaults, [true, true, false]);
    }

    #[test]
    fn refusals_have_a_place() {
        for text in ["a: [", "a: 1\na: 2", "? [a]\n: 1", "a: &x [*x]", "\"", &"[".repeat(90), "a: *b"] {
            let problem = documents(text).expect_err(text);
            assert!(format!("{problem:?}").contains("span"), "{text}");
        }
    }

    #[test]
    fn a_merge_bomb_is_refused() {
        let wide: String = (0..300).map(|n| format!("k{n}: 1, ")).collect();
        let text = format!("a: &a {{{wide}}}\n")
            + &(0..100).map(|n| format!("b{n}: {{<<: *a}}\n")).collect::<String>();
        assert!(documents(&text).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ab:{}\\[\\],&*!|>'\"#<\n -]{0,60}") {
            let _ = documents(&text);
        }
    }
}
