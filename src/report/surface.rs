//! How text looks where it is going: colours, symbols, width.

use owo_colors::{OwoColorize, Style};

/// What the place that text goes to can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surface {
    /// Whether it shows colours.
    pub colour: bool,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Columns of the terminal; none where there is none.
    pub width: Option<usize>,
    /// Whether long texts are shown in full.
    pub verbose: bool,
}

/// What a piece of text means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Worth a look: what disrupts, what is at risk.
    Warn,
    /// As it should not be.
    Bad,
    /// What the eye may skip.
    Dim,
    /// What the eye should find.
    Strong,
    /// Something to type or to look up: a command, a path.
    Accent,
}

/// Signs and lines, in Unicode or in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbols {
    /// Done, or as it should be.
    pub done: &'static str,
    /// Failed.
    pub failed: &'static str,
    /// Left out.
    pub skipped: &'static str,
    /// Waits for its turn.
    pub waiting: &'static str,
    /// The leader.
    pub leader: &'static str,
    /// Up.
    pub up: &'static str,
    /// Down.
    pub down: &'static str,
    /// Between two items of one line.
    pub dot: &'static str,
    /// Between the first and the last of a range.
    pub range: &'static str,
    /// Something was left out.
    pub ellipsis: &'static str,
    /// The done and the open part of a bar.
    pub bar: (&'static str, &'static str),
    /// The frames of a spinner.
    pub spinner: &'static [&'static str],
    /// Top left, top right, bottom left and bottom right corner, horizontal and vertical line.
    pub frame: [&'static str; 6],
}

const UNICODE: Symbols = Symbols {
    done: "✔",
    failed: "✘",
    skipped: "–",
    waiting: "·",
    leader: "★",
    up: "●",
    down: "○",
    dot: "·",
    range: "…",
    ellipsis: "…",
    bar: ("━", "─"),
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    frame: ["╭", "╮", "╰", "╯", "─", "│"],
};

const ASCII: Symbols = Symbols {
    done: "+",
    failed: "x",
    skipped: "-",
    waiting: ".",
    leader: "*",
    up: "o",
    down: "!",
    dot: "-",
    range: "..",
    ellipsis: "...",
    bar: ("#", "-"),
    spinner: &["|", "/", "-", "\\"],
    frame: ["+", "+", "+", "+", "-", "|"],
};

impl Surface {
    /// Text without colours and without a width, as for a log.
    pub const PLAIN: Self = Self { colour: false, unicode: true, width: None, verbose: false };

    /// The signs that this place can show.
    pub fn symbols(&self) -> &'static Symbols {
        if self.unicode { &UNICODE } else { &ASCII }
    }

    /// `text` in the colour of what it means.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Warn => Style::new().yellow(),
            Tone::Bad => Style::new().red(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
            Tone::Accent => Style::new().cyan(),
        };
        text.style(style).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_coloured_surface_gets_escapes() {
        assert_eq!(Surface::PLAIN.paint(Tone::Bad, "down"), "down");
        let coloured = Surface { colour: true, ..Surface::PLAIN };
        assert_eq!(coloured.paint(Tone::Bad, "down"), "\u{1b}[31mdown\u{1b}[0m");
        assert_eq!(coloured.paint(Tone::Bad, ""), "");
    }

    #[test]
    fn the_ascii_signs_are_ascii() {
        assert!(format!("{ASCII:?}").is_ascii());
    }
}
