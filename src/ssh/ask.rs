//! Asking the user, on the terminal.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

/// A question that only the user can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What to show before the answer: printable, with the space that parts it from the answer.
    pub prompt: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// How the user is asked for a secret. No answer: the user has none to give, or asked to stop.
///
/// Many hosts may ask at once; who asks on a terminal puts the questions in a row.
pub type AskSecret = Arc<dyn Fn(Question) -> BoxFuture<'static, Option<SecretString>> + Send + Sync>;
