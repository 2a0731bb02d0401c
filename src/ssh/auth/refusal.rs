//! What is told of a login that is refused: each way that was tried, what came of it, and what helps.

use std::fmt;
use std::path::PathBuf;

/// One way to log in that led nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was offered, or could not be: `key /home/me/.ssh/id_ed25519 (ssh-ed25519 SHA256:…)`.
    pub what: String,
    /// What came of it: `refused`.
    pub result: String,
    /// What the user can do about it.
    pub(in crate::ssh) remedy: Option<Remedy>,
}

/// What the user can do about one way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Remedy {
    /// Put the public half of this key file on the host.
    Install(PathBuf),
    /// Anything else, as a clause.
    Do(String),
}

impl Attempt {
    pub(in crate::ssh) fn new(what: impl Into<String>, result: impl Into<String>) -> Self {
        Self { what: what.into(), result: result.into(), remedy: None }
    }

    pub(in crate::ssh) fn remedy(self, remedy: impl Into<Option<Remedy>>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.result)
    }
}

impl Remedy {
    pub(super) fn say(text: impl Into<String>) -> Self {
        Self::Do(text.into())
    }
}

/// What helps against a refused login: what the attempts call for, each thing once, or else a look at user and keys.
pub(in crate::ssh) fn help(login: &str, tried: &[Attempt]) -> String {
    let mut clauses: Vec<String> = Vec::new();
    let mut installed = false;
    for remedy in tried.iter().filter_map(|attempt| attempt.remedy.as_ref()) {
        let clause = match remedy {
            // One is enough, and the first is the one that was wanted most.
            Remedy::Install(_) if installed => continue,
            Remedy::Install(file) => {
                installed = true;
                format!("install the key there: `ssh-copy-id -i {} {login}`", file.display())
            }
            Remedy::Do(clause) => clause.clone(),
        };
        if !clauses.contains(&clause) {
            clauses.push(clause);
        }
    }
    if clauses.is_empty() {
        clauses.push(format!("check user and keys: `ssh {login}`, or install a key: `ssh-copy-id {login}`"));
    }
    clauses.join("; or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_each_way_out_once() {
        let refused =
            |file: &str| Attempt::new(format!("key {file}"), "refused").remedy(Remedy::Install(file.into()));
        let other = || Attempt::new("x", "y").remedy(Remedy::say("do this"));
        for (tried, expected) in [
            (vec![], "check user and keys: `ssh -p 22 pi@n1`, or install a key: `ssh-copy-id -p 22 pi@n1`"),
            (vec![other(), other()], "do this"),
            (
                vec![refused("/a"), refused("/b"), other()],
                "install the key there: `ssh-copy-id -i /a -p 22 pi@n1`; or do this",
            ),
        ] {
            assert_eq!(help("-p 22 pi@n1", &tried), expected);
        }
    }
}
