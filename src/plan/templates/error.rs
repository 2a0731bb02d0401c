//! What is wrong with a template of the user's own, and where in it.

use std::ops::Range;
use std::path::Path;

use minijinja::ErrorKind;

use super::{TEMPLATES, Template};
use crate::inventory::diagnostic::{Diagnostic, Severity, line_and_column};
use crate::inventory::model::OwnTemplate;
use crate::inventory::suggestion;

/// Something wrong with a template, told as what is wrong with an inventory is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}")]
pub struct TemplateError {
    diagnostic: Box<Diagnostic>,
    text: String,
}

impl TemplateError {
    /// A file that is called like no template.
    pub(super) fn unknown(own: &OwnTemplate) -> Self {
        let known: Vec<_> = TEMPLATES.iter().map(|template| template.name).collect();
        let help = match suggestion(&own.name, &known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("skep has {}; `skep templates` tells what each is for", known.join(", ")),
        };
        let message = format!("skep has no template `{}`, so this one is never used", own.name);
        let diagnostic =
            Diagnostic { severity: Severity::Warning, ..Diagnostic::about_file(&own.path, message, help) };
        Self { diagnostic: Box::new(diagnostic), text: String::new() }
    }

    /// A name that the template is not given.
    pub(super) fn undefined(template: &Template, own: &OwnTemplate, name: &str) -> Self {
        let span = used(&own.text, name).unwrap_or(0..0);
        Self::at(own, span, format!("`{name}` is not defined"), "not defined", names(template, name))
    }

    /// What the renderer refused.
    pub(super) fn failed(template: &Template, own: &OwnTemplate, error: &minijinja::Error) -> Self {
        let span = error.range().or_else(|| Some(line_span(&own.text, error.line()?))).unwrap_or(0..0);
        let span = if error.kind() == ErrorKind::UndefinedError { whole_name(&own.text, span) } else { span };
        let part = own.text.get(span.clone()).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        match error.kind() {
            ErrorKind::UndefinedError => {
                let help = names(template, part);
                Self::at(own, span.clone(), format!("`{part}` is not defined"), "not defined", help)
            }
            ErrorKind::SyntaxError => {
                let help =
                    "the language is Jinja: https://docs.rs/minijinja/latest/minijinja/syntax/".to_owned();
                Self::at(own, span, format!("the template cannot be read{detail}"), "here", help)
            }
            kind => Self::at(own, span, format!("the template fails: {kind}{detail}"), "here", compare(own)),
        }
    }

    /// A text that says something else than the inventory; `line` is the template's, where one is to blame.
    pub(super) fn contradicts(own: &OwnTemplate, line: Option<usize>, cause: String) -> Self {
        let message = format!("the text from this template would be wrong: {cause}");
        let help =
            format!("what it says belongs into the inventory, only how it says so here; {}", compare(own));
        match line {
            Some(line) => Self::at(own, line_span(&own.text, line), message, "written from here", help),
            None => Self {
                diagnostic: Box::new(Diagnostic::about_file(&own.path, message, help)),
                text: own.text.clone(),
            },
        }
    }

    fn at(own: &OwnTemplate, span: Range<usize>, message: String, label: &str, help: String) -> Self {
        let (line, column) = line_and_column(&own.text, span.start);
        let diagnostic = Diagnostic {
            line,
            column,
            span,
            label: Some(label.to_owned()),
            ..Diagnostic::about_file(&own.path, message, help)
        };
        Self { diagnostic: Box::new(diagnostic), text: own.text.clone() }
    }

    /// Whether it keeps the template from being used.
    pub fn is_fatal(&self) -> bool {
        self.diagnostic.severity == Severity::Error
    }

    /// The template's file.
    pub fn file(&self) -> &Path {
        &self.diagnostic.file
    }

    /// The thing, the cause and the place, in one line.
    pub fn message(&self) -> String {
        let Diagnostic { file, line, column, message, .. } = &*self.diagnostic;
        match line {
            0 => format!("{}: {message}", file.display()),
            line => format!("{}:{line}:{column}: {message}", file.display()),
        }
    }

    /// What helps.
    pub fn help(&self) -> &str {
        self.diagnostic.help.as_deref().unwrap_or_default()
    }

    /// The message with the lines of the template that it is about; ends with a newline.
    pub fn render(&self, color: bool) -> String {
        self.diagnostic.render(&self.text, color) + "\n"
    }
}

fn compare(own: &OwnTemplate) -> String {
    format!("compare it with skep's own: `skep templates show {}`", own.name)
}

/// What the writer of `name` may have meant: a name of the template's, or of what is in one.
fn names(template: &Template, name: &str) -> String {
    let fields = template.variables.iter().filter_map(|name| Some(name.split_once("[].")?.1));
    let (known, word): (Vec<_>, _) = match name.rsplit_once('.') {
        Some((_, field)) => (fields.collect(), field),
        None => (template.names().collect(), name),
    };
    match suggestion(word, &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{} has {}", template.name, template.variables.join(", ")),
    }
}

/// The renderer may point at an attribute alone: what it is looked up in belongs to the name.
fn whole_name(text: &str, span: Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let reaches = text.get(span.clone()).is_some_and(|part| part.starts_with('.'));
    if reaches { before.trim_end_matches(name).len()..span.end } else { span }
}

/// The bytes of a line, counted from 1.
fn line_span(text: &str, line: usize) -> Range<usize> {
    let lines = text.split_inclusive('\n');
    let start: usize = lines.clone().take(line.saturating_sub(1)).map(str::len).sum();
    let length = lines.clone().nth(line.saturating_sub(1)).map_or(0, |line| line.trim_end().len());
    start..start + length
}

/// Where a name is first used: as a word inside of `{{ }}` or `{% %}`, and not as a part of something else.
fn used(text: &str, name: &str) -> Option<Range<usize>> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let fits = |at: usize| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let alone = !before.ends_with(|c: char| word(c) || c == '.') && !after.starts_with(word);
        let opened = before.rfind("{{").max(before.rfind("{%"));
        // There a name is given, not used.
        let alone = alone && !["for", "set"].iter().any(|word| before.trim_end().ends_with(word));
        alone && opened.is_some() && opened > before.rfind("}}").max(before.rfind("%}"))
    };
    text.match_indices(name).map(|(at, _)| at).find(|at| fits(*at)).map(|at| at..at + name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_is_used() {
        let text = "name {# name #}\n{{ x.name }}{{ names }}{% if name %}{{ name }}{% endif %}";
        assert_eq!(used(text, "name").map(|span| span.start), text.find("name %}"));
        assert_eq!(used(text, "x").map(|span| &text[span]), Some("x"));
        assert_eq!(used(text, "endif2"), None);
        assert_eq!(used("a {{ b }}", "a"), None);
    }

    #[test]
    fn a_line_is_its_bytes() {
        let text = "one\r\nzw\u{f6}lf \nlast";
        for (line, expected) in [(1, "one"), (2, "zw\u{f6}lf"), (3, "last"), (4, "")] {
            assert_eq!(&text[line_span(text, line)], expected);
        }
    }
}
