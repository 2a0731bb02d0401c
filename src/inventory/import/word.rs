//! A piece of text and its place in the file it is imported from.

use std::ops::Range;

/// A piece of text and its place in the file it is imported from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl Word {
    pub(super) fn new(text: String, span: Range<usize>) -> Self {
        Self { text, span }
    }

    /// The same place, other text.
    pub(super) fn with(&self, text: impl Into<String>) -> Self {
        Self { text: text.into(), span: self.span.clone() }
    }

    /// For a message: on one line, and not endless.
    pub(super) fn shown(&self) -> String {
        shown(&self.text)
    }
}

/// Text of the file for a message: on one line, and not endless.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_debug().to_string()
}
