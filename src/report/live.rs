//! Live lines on a terminal: one a node, redrawn in place; what stays is printed above them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::board::{Board, FRAME};
use super::plain::Plain;
use super::screen::Screen;
use super::surface::Surface;
use super::{Reporter, Status};
use crate::audit;
use crate::event::Event;

/// Draws the board, and prints above it what [`Plain`] tells.
pub(super) struct Live {
    above: Plain,
    canvas: Canvas,
    bar: Option<ProgressBar>,
}

/// What the drawing thread sees.
#[derive(Clone)]
struct Canvas {
    board: Arc<Mutex<Board>>,
    begun: Instant,
    surface: Surface,
}

impl Canvas {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole board for the terminal as large as it is right now.
    fn draw(&self) -> String {
        let (rows, columns) = console::Term::stderr().size();
        self.board().lines(self.begun.elapsed(), rows.into(), columns.into(), &self.surface).join("\n")
    }
}

impl Live {
    pub(super) fn new(above: Plain, surface: Surface) -> Self {
        let canvas = Canvas { board: Arc::default(), begun: Instant::now(), surface };
        Self { above, canvas, bar: None }
    }

    /// Starts drawing. One bar whose only part is the whole board: it is redrawn in one go, so nothing flickers.
    fn show(&mut self) {
        if self.bar.is_some() {
            return;
        }
        let canvas = self.canvas.clone();
        let style = ProgressStyle::with_template("{board}")
            .expect("the template is a constant with one key")
            .with_key("board", move |_: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&canvas.draw());
            });
        let bar =
            ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(Screen::stderr())))
                .with_style(style);
        bar.enable_steady_tick(FRAME);
        self.bar = Some(bar);
    }

    /// Stops drawing and leaves no trace.
    fn hide(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Live {
    fn event(&mut self, event: &Event) {
        self.canvas.board().apply(event, self.canvas.begun.elapsed());
        match event {
            // What follows is read, and perhaps answered: nothing may move meanwhile.
            Event::Planned { .. } | Event::Verified { .. } | Event::Finished { .. } => self.hide(),
            Event::Started { .. } | Event::PhaseStarted { .. } => self.show(),
            _ => {}
        }
        let lines = self.above.tell(event);
        if !lines.is_empty() {
            let Self { above, bar, .. } = self;
            match bar {
                Some(bar) => bar.suspend(|| above.write(&lines)),
                None => above.write(&lines),
            }
        }
    }

    fn status(&mut self, status: &Status) {
        self.hide();
        self.above.status(status);
    }

    fn audit(&mut self, report: &audit::Report, since: Option<&audit::Changes>) {
        self.hide();
        self.above.audit(report, since);
    }

    fn pause(&mut self, ask: &mut dyn FnMut()) {
        match &self.bar {
            Some(bar) => bar.suspend(ask),
            None => ask(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.hide();
    }
}
