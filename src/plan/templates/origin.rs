//! Where the lines of a rendered text come from.

use minijinja::{OutputSpan, OutputSpanKind};

/// The template's line for each line of the text, as `NAME:LINE`; empty for one that comes from nowhere.
pub(super) fn lines(name: &str, template: &str, text: &str, spans: &[OutputSpan]) -> Vec<String> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let at = start;
            start += line.len();
            let span = spans.iter().find(|span| span.output_range().contains(&at));
            span.map(|span| format!("{name}:{}", line_of(span, at, template))).unwrap_or_default()
        })
        .collect()
}

/// The line that a byte of the output comes from. Plain text is copied, so that its lines are counted on; all that an
/// expression writes is of the line where the expression begins.
fn line_of(span: &OutputSpan, at: usize, template: &str) -> usize {
    match span.kind() {
        OutputSpanKind::Raw => {
            let from = span.source_range().start;
            let copied = at - span.output_range().start;
            let before = template.get(from..from + copied).unwrap_or_default();
            span.line() + before.matches('\n').count()
        }
        _ => span.line(),
    }
}

/// The line that an origin names.
pub(super) fn line(origin: &str) -> Option<usize> {
    origin.rsplit_once(':')?.1.parse().ok()
}
