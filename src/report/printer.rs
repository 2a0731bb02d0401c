//! The one place that decides what is printed where, and how.
//!
//! Results go to stdout; progress and diagnosis to stderr.

use std::io::{self, IsTerminal, Write};

use super::surface::Surface;

/// How much the user wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors and final failures only.
    Quiet,
    /// What most people want.
    #[default]
    Normal,
    /// Every step as well, and long texts in full.
    Verbose,
}

/// How a run is told, decided once from the options, the environment and the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printer {
    verbosity: Verbosity,
    json: bool,
    live: bool,
    stdout: Surface,
    stderr: Surface,
}

/// What is known of the place a stream leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stream {
    terminal: bool,
    width: Option<usize>,
}

impl Printer {
    /// Decides for this process: looks at its environment and its standard streams.
    pub fn new(quiet: bool, verbose: bool, json: bool) -> Self {
        let verbosity = match (quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let stdout = Stream { terminal: io::stdout().is_terminal(), width: width(&console::Term::stdout()) };
        let stderr = Stream { terminal: io::stderr().is_terminal(), width: width(&console::Term::stderr()) };
        Self::decide(verbosity, json, stdout, stderr, |name| std::env::var(name).ok())
    }

    fn decide(
        verbosity: Verbosity,
        json: bool,
        stdout: Stream,
        stderr: Stream,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let wanted = set("NO_COLOR").is_none() && set("CLICOLOR").is_none_or(|value| value != "0");
        let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let unicode =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).is_some_and(|locale| is_utf8(&locale));
        let surface = |stream: Stream| Surface {
            colour: set("NO_COLOR").is_none() && (forced || (wanted && stream.terminal && !dumb)),
            unicode,
            width: stream.width.filter(|_| stream.terminal),
            verbose: verbosity == Verbosity::Verbose,
        };
        let live = stderr.terminal && !dumb && !json && verbosity > Verbosity::Quiet;
        Self { verbosity, json, live, stdout: surface(stdout), stderr: surface(stderr) }
    }

    /// A printer of plain text without a terminal, for tests and logs.
    pub fn plain(verbosity: Verbosity) -> Self {
        Self::decide(verbosity, false, Stream::default(), Stream::default(), |name| {
            (name == "LANG").then(|| "C.UTF-8".to_owned())
        })
    }

    /// The same for what is over: nothing is redrawn, and all goes where results go.
    #[must_use]
    pub(super) fn still(self) -> Self {
        Self { live: false, stderr: self.stdout, ..self }
    }

    /// How much the user wants to read.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether stdout carries JSON and nothing else.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether lines on stderr may be redrawn in place.
    pub fn live(&self) -> bool {
        self.live
    }

    /// How results look.
    pub fn stdout(&self) -> &Surface {
        &self.stdout
    }

    /// How progress and diagnosis look.
    pub fn stderr(&self) -> &Surface {
        &self.stderr
    }

    /// Prints a result that was asked for, ended with a newline; nothing where there is no text, as all three do. A closed pipe is no error: whoever reads has seen enough,
    /// and a run must not die of it.
    pub fn result(&self, text: &str) {
        write_line(&mut io::stdout().lock(), text);
    }

    /// Prints what the user should know but did not ask for, unless they asked for quiet.
    pub fn note(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            write_line(&mut io::stderr().lock(), text);
        }
    }

    /// Prints an error, always.
    pub fn error(&self, text: &str) {
        write_line(&mut io::stderr().lock(), text);
    }
}

/// Writes `text` and one newline in one go, so that lines of several writers do not mix; ignores a closed pipe.
pub(super) fn write_line(out: &mut dyn Write, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut line = text.trim_end_matches('\n').to_owned();
    line.push('\n');
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn width(terminal: &console::Term) -> Option<usize> {
    terminal.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Stream = Stream { terminal: true, width: Some(100) };
    type Variables<'a> = &'a [(&'a str, &'a str)];

    const PIPE: Stream = Stream { terminal: false, width: None };

    fn decide(stdout: Stream, stderr: Stream, variables: Variables<'_>) -> Printer {
        Printer::decide(Verbosity::Normal, false, stdout, stderr, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colours_are_for_terminals_unless_told_otherwise() {
        let cases: &[(Variables<'_>, Stream, bool)] = &[
            (&[], TERMINAL, true),
            (&[], PIPE, false),
            (&[("NO_COLOR", "1")], TERMINAL, false),
            (&[("NO_COLOR", "")], TERMINAL, true),
            (&[("CLICOLOR", "0")], TERMINAL, false),
            (&[("CLICOLOR_FORCE", "1")], PIPE, true),
            (&[("CLICOLOR_FORCE", "0")], PIPE, false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], TERMINAL, false),
            (&[("TERM", "dumb")], TERMINAL, false),
            (&[("TERM", "xterm")], TERMINAL, true),
        ];
        for (variables, stream, colour) in cases {
            assert_eq!(decide(*stream, PIPE, variables).stdout().colour, *colour, "{variables:?} {stream:?}");
        }
    }

    #[test]
    fn each_stream_is_judged_alone() {
        let printer = decide(PIPE, TERMINAL, &[]);
        assert!(!printer.stdout().colour && printer.stderr().colour);
        assert_eq!((printer.stdout().width, printer.stderr().width), (None, Some(100)));
    }

    #[test]
    fn lines_are_redrawn_on_a_capable_terminal_only() {
        assert!(decide(PIPE, TERMINAL, &[]).live());
        assert!(!decide(TERMINAL, PIPE, &[]).live());
        assert!(!decide(PIPE, TERMINAL, &[("TERM", "dumb")]).live());
        let with = |verbosity, json| Printer::decide(verbosity, json, TERMINAL, TERMINAL, |_| None).live();
        assert!(with(Verbosity::Verbose, false));
        assert!(!with(Verbosity::Quiet, false) && !with(Verbosity::Normal, true));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides_the_letters() {
        let cases: &[(Variables<'_>, bool)] = &[
            (&[], false),
            (&[("LANG", "C")], false),
            (&[("LANG", "en_GB.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "de_DE.UTF-8"), ("LC_ALL", "")], true),
        ];
        for (variables, unicode) in cases {
            assert_eq!(decide(TERMINAL, TERMINAL, variables).stdout().unicode, *unicode, "{variables:?}");
        }
    }
}
