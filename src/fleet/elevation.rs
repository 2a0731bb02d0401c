//! Becoming root on a host: how sudo and doas are called, and how sudo asks for a password.

use crate::inventory::model::Sudo;

/// What is run as root, and what a rule has to allow. By its path, so that neither `secure_path` nor a rule that names
/// it in full stands in the way; Debian has it everywhere.
pub(super) const SHELL: &str = "/bin/sh";

/// What sudo's question begins with. The name of the user whose password it wants follows, then a colon.
const QUESTION: &str = "skep-password-of-";

/// Asks sudo, which says nothing then, whether the login may run [`SHELL`]; ends with [`MAY_NOT`] where it may not. sudo
/// may want a password for the answer, and then nothing is known.
pub(super) const MAY_RUN: &str = "sh -c \'LC_ALL=C; export LC_ALL; if e=$(sudo -n -l /bin/sh 2>&1); then exit 0; fi; [ \"$e\" ] || exit 77\'";

/// See [`MAY_RUN`].
pub(super) const MAY_NOT: u32 = 77;

/// How a login becomes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elevation {
    /// Not at all: it is root, or shall do without.
    None,
    /// Through sudo; where it is not installed, through doas.
    Auto,
    /// Through sudo.
    Sudo,
    /// Through doas.
    Doas,
}

impl Elevation {
    /// What the inventory's `sudo` means for a user.
    pub fn of(sudo: Sudo, user: &str) -> Self {
        match sudo {
            Sudo::Auto if user == "root" => Self::None,
            Sudo::Auto => Self::Auto,
            Sudo::Always => Self::Sudo,
            Sudo::Doas => Self::Doas,
            Sudo::Never => Self::None,
        }
    }

    /// The shell words that run the script in `$1` as root; none where nothing is to be done for that.
    /// With `password`, sudo may ask for one: on standard error, and it reads standard input.
    pub(super) fn words(self, password: bool) -> Option<String> {
        let ask = if password { format!("-S -p {QUESTION}%p:") } else { "-n".to_owned() };
        let by = |tool: Tool, options: &str| {
            format!(
                "if command -v {tool} >/dev/null; then echo skep-by {tool}; exec {tool} {options} {SHELL} -c \"$1\"; fi"
            )
        };
        let tools: &[Tool] = match self {
            Self::None => return None,
            Self::Auto => &[Tool::Sudo, Tool::Doas],
            Self::Sudo => &[Tool::Sudo],
            Self::Doas => &[Tool::Doas],
        };
        let tries: Vec<_> = tools
            .iter()
            .map(|tool| match tool {
                Tool::Sudo => by(*tool, &ask),
                // doas reads a password from a terminal only.
                Tool::Doas => by(*tool, "-n"),
            })
            .collect();
        Some(format!("{}; echo skep-fail lacks {}", tries.join("; "), names(tools)))
    }
}

/// A program that makes a login root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Sudo,
    Doas,
}

impl Tool {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Sudo, Self::Doas].into_iter().find(|tool| tool.to_string() == name)
    }
}

impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sudo => "sudo",
            Self::Doas => "doas",
        })
    }
}

fn names(tools: &[Tool]) -> String {
    tools.iter().map(Tool::to_string).collect::<Vec<_>>().join(" ")
}

/// Whose password sudo waits for, where what it wrote so far ends with its question. sudo-rs puts words of its own
/// around the question, and a shell that echoes commands shows it unfilled (`%p`).
pub(super) fn asked_for(stderr: &str) -> Option<&str> {
    let (_, rest) = stderr.rsplit_once(QUESTION)?;
    let (owner, after) = rest.split_once(':')?;
    let is_name =
        !owner.is_empty() && !owner.contains(|c: char| c == '%' || c.is_whitespace() || c.is_control());
    (is_name && !after.contains('\n')).then_some(owner)
}

/// What was written between the last two questions: a complaint about a password, or nothing where the second question
/// is another one.
pub(super) fn complaint(stderr: &str) -> Option<&str> {
    let (before, _) = stderr.rsplit_once(QUESTION)?;
    let (_, rest) = before.rsplit_once(QUESTION)?;
    rest.split_once(':').map(|(_, said)| said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_only_at_the_end_and_filled_in() {
        for (stderr, owner) in [
            ("", None),
            ("skep-password-of-pi:", Some("pi")),
            ("We trust you have received the usual lecture.\n\nskep-password-of-root:", Some("root")),
            ("skep-password-of-pi:Sorry, try again.\nskep-password-of-pi:", Some("pi")),
            ("[sudo: skep-password-of-pi:] Password: ", Some("pi")),
            ("skep-password-of-pi", None),
            ("skep-password-of-pi:Sorry, try again.\n", None),
            ("+ exec sudo -S -p skep-password-of-%p: /bin/sh", None),
            ("skep-password-of-:", None),
            ("skep-password-of-\u{1b}[2Jpi:", None),
            ("Password: ", None),
        ] {
            assert_eq!(asked_for(stderr), owner, "{stderr:?}");
        }
    }

    #[test]
    fn a_complaint_stands_between_two_questions() {
        for (stderr, said) in [
            ("skep-password-of-pi:", None),
            ("skep-password-of-pi:Sorry, try again.\nskep-password-of-pi:", Some("Sorry, try again.")),
            ("skep-password-of-pi:skep-password-of-pi:", Some("")),
        ] {
            assert_eq!(complaint(stderr), said, "{stderr:?}");
        }
    }

    #[test]
    fn who_needs_what() {
        for (sudo, user, elevation) in [
            (Sudo::Auto, "root", Elevation::None),
            (Sudo::Auto, "pi", Elevation::Auto),
            (Sudo::Always, "root", Elevation::Sudo),
            (Sudo::Doas, "pi", Elevation::Doas),
            (Sudo::Never, "pi", Elevation::None),
        ] {
            assert_eq!(Elevation::of(sudo, user), elevation, "{sudo:?} {user}");
        }
    }
}
