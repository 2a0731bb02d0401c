//! Where the parts of `nodes` stand in the text, for [`super::edit`]. Knows YAML's events, not its meaning.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, Span, StructureStyle};

/// The `nodes` mapping.
#[derive(Debug, PartialEq)]
pub(super) struct Outline {
    /// Whether it is written `{…}`.
    pub(super) flow: bool,
    /// Its bytes from `{` to after `}`; meaningless in block style.
    pub(super) braces: Range<usize>,
    /// Its entries in order.
    pub(super) entries: Vec<Entry>,
}

/// One node.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// Where its name begins.
    pub(super) start: usize,
    /// Where its last visible character ends.
    pub(super) end: usize,
    /// Where the first key of a value in block style begins; none for `{…}` and aliases.
    pub(super) block: Option<usize>,
}

/// Finds `nodes` in the first document; none where it is missing or no mapping.
pub(super) fn outline(text: &str) -> Option<Outline> {
    let events: Vec<_> = Parser::new_from_str(text).map_while(Result::ok).collect();
    let mut cursor = Cursor { events: &events, at: 0 };
    while !matches!(cursor.peek()?.0, Event::MappingStart(..)) {
        cursor.at += 1;
    }
    cursor.at += 1;
    loop {
        let (event, _) = cursor.peek()?;
        if matches!(event, Event::MappingEnd) {
            return None;
        }
        let found = matches!(event, Event::Scalar(name, ..) if name == "nodes");
        cursor.node()?;
        if found {
            return cursor.nodes();
        }
        cursor.node()?;
    }
}

struct Cursor<'a, 'text> {
    events: &'a [(Event<'text>, Span)],
    at: usize,
}

impl<'a, 'text> Cursor<'a, 'text> {
    /// The next event that is no comment.
    fn peek(&mut self) -> Option<&'a (Event<'text>, Span)> {
        while matches!(self.events.get(self.at)?.0, Event::Comment(..)) {
            self.at += 1;
        }
        self.events.get(self.at)
    }

    /// Passes over one node with all that is in it; returns the end of its last visible character.
    fn node(&mut self) -> Option<usize> {
        let mut depth = 0usize;
        let mut end = 0;
        loop {
            let (event, span) = self.peek()?;
            self.at += 1;
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
                Event::MappingEnd | Event::SequenceEnd => depth = depth.checked_sub(1)?,
                _ => {}
            }
            // Ends of block collections and empty values stand where the next thing begins.
            if !span.is_empty() {
                end = end.max(span.end.byte_offset()?);
            }
            if depth == 0 {
                return Some(end);
            }
        }
    }

    fn nodes(&mut self) -> Option<Outline> {
        let (Event::MappingStart(style, ..), opening) = self.peek()? else { return None };
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.peek()?;
            if matches!(event, Event::MappingEnd) {
                let braces = opening.start.byte_offset()?..span.end.byte_offset()?;
                return Some(Outline { flow: *style == StructureStyle::Flow, braces, entries });
            }
            let start = span.start.byte_offset()?;
            let name_end = self.node()?;
            let block = self.block_value()?;
            let end = self.node()?.max(name_end);
            entries.push(Entry { start, end, block });
        }
    }

    /// Where the first key stands, if the next node is a block mapping.
    fn block_value(&mut self) -> Option<Option<usize>> {
        let (event, _) = self.peek()?;
        if !matches!(event, Event::MappingStart(StructureStyle::Block, ..)) {
            return Some(None);
        }
        let mut inner = Cursor { events: self.events, at: self.at + 1 };
        Some(Some(inner.peek()?.1.start.byte_offset()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(yaml: &str) -> Vec<&str> {
        outline(yaml).expect("nodes").entries.iter().map(|entry| &yaml[entry.start..entry.end]).collect()
    }

    #[test]
    fn entries_are_found_in_every_style() {
        for (yaml, entries) in [
            (
                "nodes:\n  a: {x: 1}\n  b:\n    x: 1 # c\n    y: [1]\n# end\nz: 1\n",
                vec!["a: {x: 1}", "b:\n    x: 1 # c\n    y: [1]"],
            ),
            ("nodes: {a: &q {x: 1}, b: *q}", vec!["a: &q {x: 1}", "b: *q"]),
            ("{nodes: {}}", vec![]),
            ("a: {nodes: 1}\nnodes: {\"b\": {x: é}}\n", vec!["\"b\": {x: é}"]),
            ("\u{feff}nodes:\r\n  é: {x: 1}\r\n", vec!["é: {x: 1}"]),
        ] {
            assert_eq!(texts(yaml), entries, "{yaml}");
        }
    }

    #[test]
    fn without_a_nodes_mapping_there_is_none() {
        for yaml in
            ["", "a: 1", "nodes: 1", "nodes:\n", "- nodes", "nodes: [a]", "nodes: {", "a: {nodes: {}}"]
        {
            assert_eq!(outline(yaml), None, "{yaml}");
        }
    }
}
