//! Becoming root on a host: how sudo and doas are called, and what they mean where they do not let a login.
//!
//! Their words are sudo 1.8's and 1.9's, sudo-rs's and OpenDoas's in the C locale.

use thiserror::Error;

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
    let is_name = !owner.is_empty() && !owner.contains(|c: char| c == '%' || c.is_whitespace());
    (is_name && !after.contains('\n')).then_some(owner)
}

/// What was written between the last two questions: a complaint about a password, or nothing where the second question
/// is another one.
pub(super) fn complaint(stderr: &str) -> Option<&str> {
    let (before, _) = stderr.rsplit_once(QUESTION)?;
    let (_, rest) = before.rsplit_once(QUESTION)?;
    rest.split_once(':').map(|(_, said)| said.trim())
}

/// Why a login did not become root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// sudo wants a password, and nobody gave one.
    #[error("sudo wants the password of {owner}")]
    Password {
        /// The login.
        user: String,
        /// Whose password.
        owner: String,
    },
    /// sudo was given a wrong password.
    #[error("sudo does not take the password of {owner} that it was given")]
    Wrong {
        /// The login.
        user: String,
        /// Whose password.
        owner: String,
    },
    /// sudo asks a second question.
    #[error("sudo asks for more than a password, such as a one-time code")]
    Second {
        /// The login.
        user: String,
    },
    /// Whoever was asked took longer than sudo waits.
    #[error("sudo did not wait for the password any longer")]
    Late,
    /// The login may use sudo, but not for what skep runs.
    #[error("sudo lets {user} run some commands as root, but not {SHELL}")]
    Restricted {
        /// The login.
        user: String,
    },
    /// The login may not use sudo.
    #[error("sudo does not let {user} become root: {said}")]
    Forbidden {
        /// The login.
        user: String,
        /// sudo's own words.
        said: String,
    },
    /// sudo wants a terminal.
    #[error("sudo wants a terminal (`requiretty`)")]
    Terminal {
        /// The login.
        user: String,
    },
    /// doas wants a password.
    #[error("doas wants a password, which it reads from a terminal only")]
    DoasPassword {
        /// The login.
        user: String,
    },
    /// No rule of doas lets the login run what skep runs.
    #[error("doas does not let {user} run {SHELL} as root")]
    DoasForbidden {
        /// The login.
        user: String,
    },
    /// There is no doas.conf.
    #[error("doas has no rules: there is no /etc/doas.conf")]
    DoasUnset {
        /// The login.
        user: String,
    },
    /// The programs that would make the login root are not there.
    #[error("{user} is not root, and {} not installed", are(.tools))]
    Missing {
        /// The login.
        user: String,
        /// The programs.
        tools: Vec<String>,
    },
    /// Something else is wrong.
    #[error("{tool} failed: {said}")]
    Broken {
        /// The program.
        tool: String,
        /// Its own words.
        said: String,
    },
}

impl Denied {
    /// What a tool's last words mean.
    pub(super) fn by(tool: Tool, user: &str, stderr: &str, code: Option<u32>) -> Self {
        let said = super::failure::last_line(stderr);
        let has = |words: &[&str]| words.iter().any(|words| stderr.contains(words));
        let user = user.to_owned();
        match tool {
            Tool::Sudo if has(&["a password is required", "interactive authentication is required"]) => {
                Self::Password { owner: user.clone(), user }
            }
            Tool::Sudo if has(&["timed out reading password", "timed out"]) => Self::Late,
            Tool::Sudo if has(&["must have a tty", "a terminal is required to run sudo"]) => {
                Self::Terminal { user }
            }
            Tool::Sudo if has(&["is not allowed to execute"]) => Self::Restricted { user },
            Tool::Sudo
                if has(&[
                    "not in the sudoers file",
                    "may not run sudo",
                    "is not allowed to run sudo",
                    "I'm sorry",
                ]) =>
            {
                Self::Forbidden { user, said }
            }
            Tool::Doas if has(&["Authentication required", "Authorization required"]) => {
                Self::DoasPassword { user }
            }
            Tool::Doas if has(&["Operation not permitted"]) => Self::DoasForbidden { user },
            Tool::Doas if has(&["doas is not enabled"]) => Self::DoasUnset { user },
            _ => Self::Broken { tool: tool.to_string(), said: super::failure::words(&said, code) },
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let without = |user: &str| {
            format!(
                "let {user} without one: as root there, `visudo -f /etc/sudoers.d/skep` and the line \
                 `{user} ALL=(root) NOPASSWD: {SHELL}`"
            )
        };
        Some(match self {
            Self::Password { user, .. } => format!(
                "run skep on a terminal to be asked, or say where it comes from: \
                 `sudo_password: {{command: \"pass show {user}\"}}` in the inventory; or {}",
                without(user)
            ),
            Self::Wrong { owner, .. } => format!(
                "correct what `sudo_password` in the inventory leads to; `sudo -k true` there tells whether it is \
                 {owner}'s"
            ),
            Self::Second { user } => without(user),
            Self::Late => "run the same command again, and type it sooner".to_owned(),
            Self::Restricted { user } => format!(
                "as root there, `visudo -f /etc/sudoers.d/skep` and the line \
                 `{user} ALL=(root) NOPASSWD: {SHELL}`; this lets {user} do everything, which skep needs"
            ),
            Self::Forbidden { user, .. } => format!(
                "as root there, run `usermod -aG sudo {user}`; or set `user: root` for this node in the inventory"
            ),
            Self::Terminal { user } => format!(
                "as root there, `visudo -f /etc/sudoers.d/skep` and the line `Defaults:{user} !requiretty`"
            ),
            Self::DoasPassword { user } | Self::DoasForbidden { user } | Self::DoasUnset { user } => {
                format!(
                    "as root there, add `permit nopass {user} as root cmd {SHELL}` at the end of /etc/doas.conf"
                )
            }
            Self::Missing { user, .. } => format!(
                "as root there, run `apt-get install sudo` and `usermod -aG sudo {user}`; or set `user: root` for this \
                 node in the inventory"
            ),
            Self::Broken { tool, .. } => format!("log in there and try `{tool} {SHELL}`"),
        })
    }
}

fn are(tools: &[String]) -> String {
    match tools {
        [only] => format!("{only} is"),
        many => format!("{} are", many.join(" and ")),
    }
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
    fn last_words_of_sudo_and_doas() {
        let (sudo, doas) = (Tool::Sudo, Tool::Doas);
        for (tool, stderr, expected, help) in [
            (sudo, "sudo: a password is required\n", "sudo wants the password of pi", "sudo_password"),
            (
                sudo,
                "sudo: interactive authentication is required\n",
                "sudo wants the password of pi",
                "NOPASSWD",
            ),
            (
                sudo,
                "sudo: sorry, you must have a tty to run sudo\n",
                "sudo wants a terminal (`requiretty`)",
                "!requiretty",
            ),
            (
                sudo,
                "pi is not in the sudoers file.\n",
                "sudo does not let pi become root: pi is not in the sudoers file.",
                "usermod -aG sudo pi",
            ),
            (
                sudo,
                "Sorry, user pi may not run sudo on n1.\n",
                "sudo does not let pi become root: Sorry, user pi may not run sudo on n1.",
                "user: root",
            ),
            (
                sudo,
                "Sorry, user pi is not allowed to execute '/bin/sh -c echo; echo skep-in; …' as root on n1.\n",
                "sudo lets pi run some commands as root, but not /bin/sh",
                "pi ALL=(root) NOPASSWD: /bin/sh",
            ),
            (
                sudo,
                "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set?\n",
                "sudo failed: sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option \
                 set?",
                "sudo /bin/sh",
            ),
            (sudo, "", "sudo failed: exit code 1", "sudo /bin/sh"),
            (
                doas,
                "doas: Authentication required\n",
                "doas wants a password, which it reads from a terminal only",
                "permit nopass pi",
            ),
            (
                doas,
                "doas: Operation not permitted\n",
                "doas does not let pi run /bin/sh as root",
                "cmd /bin/sh",
            ),
            (
                doas,
                "doas: doas is not enabled, /etc/doas.conf: No such file or directory\n",
                "doas has no rules: there is no /etc/doas.conf",
                "/etc/doas.conf",
            ),
        ] {
            let denied = Denied::by(tool, "pi", stderr, Some(1));
            assert_eq!(denied.to_string(), expected, "{stderr}");
            assert!(denied.help().is_some_and(|text| text.contains(help)), "{stderr}: {:?}", denied.help());
        }
        let missing = |tools: &[&str]| Denied::Missing {
            user: "pi".into(),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        };
        assert_eq!(missing(&["sudo"]).to_string(), "pi is not root, and sudo is not installed");
        assert_eq!(
            missing(&["sudo", "doas"]).to_string(),
            "pi is not root, and sudo and doas are not installed"
        );
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
