//! The terminal that live lines are drawn on, so that nothing flickers and resizing leaves no debris.
//!
//! indicatif pads lines to the terminal's full width, which a terminal that is made narrower breaks into two; and it
//! goes up by as many lines as it drew. This terminal leaves the padding out, writes each drawing in one go, and goes
//! up by as many rows as the drawn lines take up now.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::measure_text_width;
use indicatif::TermLike;

/// Columns and rows of a terminal.
type Size = fn() -> (u16, u16);

/// A terminal on which indicatif draws.
pub(super) struct Screen {
    size: Size,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    /// What is yet to be written.
    buffer: String,
    /// Widths of the lines that are drawn; the cursor stands at the end of the last.
    drawn: Vec<usize>,
}

impl Screen {
    /// The terminal of stderr.
    pub(super) fn stderr() -> Self {
        Self::new(Box::new(io::stderr()), || {
            let (rows, columns) = console::Term::stderr().size();
            (columns, rows)
        })
    }

    fn new(out: Box<dyn Write + Send>, size: Size) -> Self {
        Self { size, state: Mutex::new(State { out, buffer: String::new(), drawn: vec![] }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Erases what is drawn; the cursor is then where the first line began.
    fn erase(&self) -> io::Result<()> {
        let mut state = self.state();
        let drawn = std::mem::take(&mut state.drawn);
        if drawn.is_empty() {
            return Ok(());
        }
        let up = rows(&drawn, self.width().into()) - 1;
        state.buffer.push_str(&if up > 0 { format!("\r\x1b[{up}A\x1b[J") } else { "\r\x1b[J".to_owned() });
        Ok(())
    }
}

/// Rows that lines of these widths take up on so many columns.
fn rows(widths: &[usize], columns: usize) -> usize {
    widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum()
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        (self.size)().0
    }

    fn height(&self) -> u16 {
        (self.size)().1
    }

    // indicatif moves and clears only to erase the drawing before the next one, which is done here at once.

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        self.erase()
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.erase()
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        state.buffer.push_str(text);
        state.buffer.push('\n');
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // Lines of nothing but spaces are the padding.
        if text.trim().is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        if !state.drawn.is_empty() {
            state.buffer.push('\n');
        }
        state.buffer.push_str(text);
        state.drawn.push(measure_text_width(text));
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        let text = std::mem::take(&mut state.buffer);
        state.out.write_all(text.as_bytes())?;
        state.out.flush()
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

    use super::*;
    use crate::report::samples::Paper;

    #[test]
    fn a_line_takes_as_many_rows_as_it_wraps_into() {
        for (widths, columns, wanted) in [
            (&[10, 20, 30][..], 80, 3),
            (&[10, 20, 30], 20, 4),
            (&[80, 81], 80, 3),
            (&[0], 80, 1),
            (&[5], 0, 5),
            (&[], 80, 0),
        ] {
            assert_eq!(rows(widths, columns), wanted, "{widths:?} on {columns}");
        }
    }

    #[test]
    fn a_drawing_is_replaced_without_padding() {
        let paper = Paper::default();
        let screen = Screen::new(Box::new(paper.clone()), || (20, 10));
        let target = ProgressDrawTarget::term_like(Box::new(screen));
        let style = ProgressStyle::with_template("{msg}").unwrap();
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.set_message("one\ntwo");
        bar.force_draw();
        bar.suspend(|| paper.clone().write_all(b"(above)\n").unwrap());
        bar.finish_and_clear();
        let drawing = "one\ntwo";
        let written = paper.text();
        let rest = written.strip_prefix(drawing).unwrap();
        assert!(rest.contains(&format!("\r\x1b[1A\x1b[J(above)\n{drawing}")), "{written:?}");
        assert!(written.ends_with("\r\x1b[1A\x1b[J"), "{written:?}");
        assert!(!written.contains("  "), "no padding: {written:?}");
    }
}
