//! Why sudo or doas did not let a login become root, from their own words, and what helps.
//!
//! The words are sudo 1.8's and 1.9's, sudo-rs's and OpenDoas's in the C locale.

use thiserror::Error;

use super::elevation::{SHELL, Tool};

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
            Tool::Sudo if has(&["timed out reading password"]) => Self::Late,
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
                sudo,
                "skep-password-of-pi:\nsudo: timed out reading password\n",
                "sudo did not wait for the password any longer",
                "sooner",
            ),
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
}
