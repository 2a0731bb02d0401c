//! Why a command ends early.

use crate::report::{self, Printer};

/// Why a command ends early.
#[derive(Debug)]
pub(super) struct Failure {
    /// skep's exit code.
    pub(super) code: u8,
    what: What,
}

#[derive(Debug)]
enum What {
    /// An error that is yet to be put into its form.
    Error { message: String, help: Option<String> },
    /// Something that is in its form already.
    Told(String),
}

impl Failure {
    /// A failure in one sentence.
    pub(super) fn new(code: u8, message: impl ToString) -> Self {
        Self { code, what: What::Error { message: message.to_string(), help: None } }
    }

    /// A failure that is printed as it is.
    pub(super) fn told(code: u8, text: String) -> Self {
        Self { code, what: What::Told(text) }
    }

    /// The same failure with what to do about it.
    pub(super) fn help(mut self, text: impl ToString) -> Self {
        if let What::Error { help, .. } = &mut self.what {
            *help = Some(text.to_string());
        }
        self
    }

    /// Prints it.
    pub(super) fn print(&self, printer: &Printer) {
        match &self.what {
            What::Error { message, help } => {
                printer.error(&report::error(message, help.as_deref(), printer.stderr()));
            }
            What::Told(text) => printer.error(text),
        }
    }
}
