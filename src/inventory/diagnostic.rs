//! What is wrong with an inventory, and where: plain data, and its two renderings.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use super::mask::mask;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The inventory cannot be used.
    Error,
    /// The inventory can be used, but likely does not do what its writer thinks.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The thing and the cause, in one sentence.
    pub message: String,
    /// The inventory file.
    pub file: PathBuf,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// Bytes of the file that are meant.
    pub span: Range<usize>,
    /// What to say beside those bytes.
    pub label: Option<String>,
    /// What helps.
    pub help: Option<String>,
    /// The bytes are a secret and are never shown.
    #[serde(skip)]
    pub secret: bool,
}

impl Diagnostic {
    /// An error about the file as a whole.
    pub(crate) fn about_file(file: &Path, message: String, help: String) -> Self {
        Self {
            severity: Severity::Error,
            message,
            file: file.to_owned(),
            line: 0,
            column: 0,
            span: 0..0,
            label: None,
            help: Some(help),
            secret: false,
        }
    }

    /// The message with the lines of `source` that it is about, as rustc shows its own.
    ///
    /// `source` is the text that the inventory was read from; passwords in it are blacked out.
    pub fn render(&self, source: &str, color: bool) -> String {
        let shown = mask(source, self.secret.then(|| self.span.clone()));
        let path = self.file.display().to_string();
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = annotate_snippets::Group::with_title(level.primary_title(&self.message));
        if self.line > 0 {
            let annotation =
                AnnotationKind::Primary.span(on_characters(&shown, &self.span)).label(self.label.as_deref());
            group = group.element(Snippet::source(&shown).path(&path).annotation(annotation));
        } else {
            group = group.element(annotate_snippets::Origin::path(&path));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// The nearest range that begins and ends between characters of `text`, and inside it.
fn on_characters(text: &str, span: &Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Line and column, from 1, of a byte of `text`; columns count characters.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..on_characters(text, &(byte..byte)).start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.line > 0 {
            write!(f, "{file}:{}:{}: ", self.line, self.column)?;
        } else {
            write!(f, "{file}: ")?;
        }
        write!(f, "{}: {}", self.severity, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with one inventory, in the order of the file.
#[derive(Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    source: String,
}

impl Diagnostics {
    /// Orders by place; `source` is the text they are about.
    pub(super) fn new(mut list: Vec<Diagnostic>, source: &str) -> Self {
        list.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.severity));
        Self { list, source: source.to_owned() }
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// All of them, each with the lines it is about; ends with a newline unless empty.
    pub fn render(&self, color: bool) -> String {
        let blocks: Vec<_> = self.iter().map(|one| one.render(&self.source, color) + "\n").collect();
        blocks.join("\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Without the source text, which may hold a password.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

impl std::error::Error for Diagnostics {}

impl Serialize for Diagnostics {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "é: 1\nb: ü2\n";
        for (byte, place) in [(0, (1, 1)), (2, (1, 2)), (6, (2, 1)), (11, (2, 5)), (99, (3, 1))] {
            assert_eq!(line_and_column(text, byte), place, "byte {byte}");
        }
    }

    #[test]
    fn any_span_renders() {
        let text = "é: 1\r\nb: 2";
        for start in 0..15 {
            for end in 0..15 {
                let diagnostic = Diagnostic {
                    line: 1,
                    span: start..end,
                    ..Diagnostic::about_file(Path::new("x.yml"), "odd".into(), "look".into())
                };
                assert!(diagnostic.render(text, false).starts_with("error: odd"));
            }
        }
    }
}
