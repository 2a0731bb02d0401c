//! Why there is no agent on a host, or none any more, and what helps.

use thiserror::Error;

use super::remote::Status;
use crate::resource::Fault;
use crate::ssh;
use crate::wire::{LockOwner, PROTOCOL};

/// Why no agent could be started on a host where the login worked.
#[derive(Debug, Error)]
pub enum Bootstrap {
    /// The login may use sudo, but only with its password.
    #[error("sudo wants a password")]
    SudoPassword,
    /// The login may not use sudo, or not for this.
    #[error("sudo does not let this login run commands as root: {0}")]
    SudoForbidden(String),
    /// sudo wants a terminal.
    #[error("sudo wants a terminal (`requiretty`)")]
    SudoTerminal,
    /// There is no sudo.
    #[error("sudo is not installed")]
    SudoMissing,
    /// There is no agent for its architecture.
    #[error("its architecture is {machine}; there are agents for {}", list(.have))]
    Machine {
        /// The architecture, by `uname -m`.
        machine: String,
        /// Those that there are agents for.
        have: Vec<String>,
    },
    /// It lacks a program.
    #[error("it lacks the program {0}")]
    Tool(String),
    /// The agent could not be put in place.
    #[error("the agent cannot be put into {directory}: {cause}")]
    Place {
        /// Where it goes.
        directory: String,
        /// The system's own words.
        cause: String,
    },
    /// Programs may not run there.
    #[error("{directory} is mounted noexec, so that no program can run there")]
    NoExec {
        /// The directory.
        directory: String,
    },
    /// What arrived is not what was sent.
    #[error("the agent arrived damaged: its checksum is wrong")]
    Checksum,
    /// The agent speaks another protocol.
    #[error("the agent (version {version}) speaks protocol {protocol}, this skep speaks {PROTOCOL}")]
    Protocol {
        /// What it speaks.
        protocol: u32,
        /// Its version.
        version: String,
    },
    /// Something else was there instead of the agent's first word.
    #[error("the agent did not start: {0}")]
    Silent(String),
    /// The command could not be run.
    #[error(transparent)]
    Exec(#[from] ssh::ExecError),
}

impl Bootstrap {
    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::SudoPassword => "let the login use sudo without one: \
                `echo \"$USER ALL=(ALL) NOPASSWD: ALL\" | sudo tee /etc/sudoers.d/skep` there"
                .to_owned(),
            Self::SudoForbidden(_) | Self::SudoMissing => {
                "set `user: root` for this node in the inventory, or log in \
                as root there and run `apt-get install sudo` and `usermod -aG sudo USER`"
                    .to_owned()
            }
            Self::SudoTerminal => "remove `requiretty` there with `visudo`".to_owned(),
            Self::Machine { .. } => {
                "put a `skep-agent-ARCH` beside skep, or name its directory with --agent-dir; \
                `cargo build --bin skep-agent` makes the one for this computer"
                    .to_owned()
            }
            Self::Tool(tool) => match tool.as_str() {
                "gunzip" => "run `apt-get install gzip` there".to_owned(),
                _ => "run `apt-get install coreutils` there".to_owned(),
            },
            Self::Place { directory, cause } if cause.contains("No space") => {
                format!("make room there: `df -h {directory}`, `apt-get clean`")
            }
            Self::Place { cause, .. } if cause.contains("Read-only") => {
                "look why its file system is read-only: `dmesg | tail`; a worn card does that".to_owned()
            }
            Self::Place { .. } => {
                "log in as root, or let skep use sudo: `sudo: always` for this node in the inventory"
                    .to_owned()
            }
            Self::NoExec { directory } => {
                format!("run `mount -o remount,exec $(findmnt -nT {directory} -o TARGET)` there")
            }
            Self::Checksum => "run the same command again; if it stays, check its memory and card".to_owned(),
            Self::Protocol { .. } => {
                "use the agents of this skep's own version: drop --agent-dir, or build them anew \
                with `cargo dist`"
                    .to_owned()
            }
            Self::Silent(words) if words.contains("GLIBC") || words.contains("not found") => {
                "this agent needs libraries that the host lacks; build a static one with `cargo dist`"
                    .to_owned()
            }
            Self::Silent(_) | Self::Exec(_) => return None,
        })
    }

    /// As a fault of `node`.
    pub(super) fn fault(&self, node: &str) -> Fault {
        let cause = self.to_string();
        // The SSH room's errors name the node themselves.
        let cause = cause.strip_prefix(&format!("{node}: ")).unwrap_or(&cause).to_owned();
        Fault { what: node.to_owned(), cause, help: self.help() }
    }

    /// What a line `skep-fail …` of the script means, with what the tools said before.
    pub(super) fn from_line(line: &str, have: Vec<String>, status: &Status) -> Self {
        let (reason, about) = line.split_once(' ').unwrap_or((line, ""));
        let about = about.to_owned();
        match reason {
            "machine" => Self::Machine { machine: about, have },
            "tool" => Self::Tool(about),
            "noexec" => Self::NoExec { directory: about },
            "checksum" => Self::Checksum,
            "write" => Self::Place { directory: about, cause: last_line(&status.stderr) },
            _ => Self::Silent(line.to_owned()),
        }
    }

    /// What it means that the command ended without a word of the script or the agent.
    pub(super) fn from_end(status: &Status) -> Self {
        let said = |words: &str| status.stderr.contains(words);
        if said("a password is required") || said("interactive authentication is required") {
            Self::SudoPassword
        } else if said("must have a tty") {
            Self::SudoTerminal
        } else if said("not in the sudoers file") || said("may not run sudo") || said("is not allowed to") {
            Self::SudoForbidden(last_line(&status.stderr))
        } else if status.code == Some(127) && said("sudo") {
            Self::SudoMissing
        } else {
            Self::Silent(match (last_line(&status.stderr), status.code) {
                (words, _) if !words.is_empty() => words,
                (_, Some(code)) => format!("exit code {code}"),
                (_, None) => "it was ended by a signal".to_owned(),
            })
        }
    }
}

impl From<SessionError> for Fault {
    /// What the agent itself said stays as it said it.
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Fault(fault) => *fault,
            SessionError::Gone { ref node, .. } => Self::new(node.clone(), error)
                .help("the agent there finishes the step in hand; run `skep up` again, it carries on"),
            SessionError::Held(_) | SessionError::Passed(_) => Self::new("the run lock", error),
            SessionError::Unexpected { ref node } => Self::new(node.clone(), error),
        }
    }
}

/// Why a request was not answered.
#[derive(Debug, Clone, Error)]
pub enum SessionError {
    /// The agent or the connection to it is gone.
    #[error("the agent on {node} is gone: {cause}")]
    Gone {
        /// The node.
        node: String,
        /// Why, as far as this side knows.
        cause: String,
    },
    /// The agent could not do it.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// Another run holds the host.
    #[error("{} on {} holds it: {} since {}", .0.who, .0.host, .0.reason, .0.since)]
    Held(Box<LockOwner>),
    /// Another run has had the host since this one lost its connection to it.
    #[error("{} on {} has had it since: {} of {}", .0.who, .0.host, .0.reason, .0.since)]
    Passed(Box<LockOwner>),
    /// The agent gave an answer that is none to the question.
    #[error("the agent on {node} answered out of turn")]
    Unexpected {
        /// The node.
        node: String,
    },
}

fn list(machines: &[String]) -> String {
    if machines.is_empty() { "none".to_owned() } else { machines.join(" and ") }
}

/// The last line that says something.
pub(super) fn last_line(text: &str) -> String {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_without_a_word() {
        for (code, stderr, expected) in [
            (1, "sudo: a password is required\n", "sudo wants a password"),
            (1, "sudo: interactive authentication is required\n", "sudo wants a password"),
            (1, "sudo: sorry, you must have a tty to run sudo\n", "sudo wants a terminal (`requiretty`)"),
            (
                1,
                "pi is not in the sudoers file.\n",
                "sudo does not let this login run commands as root: pi is not in the sudoers file.",
            ),
            (127, "env: 'sudo': No such file or directory\n", "sudo is not installed"),
            (127, "env: \u{2018}sudo\u{2019}: No such file or directory", "sudo is not installed"),
            (139, "", "the agent did not start: exit code 139"),
            (
                126,
                "sh: 1: exec: /var/lib/skep/agent-x: Exec format error\n",
                "the agent did not start: sh: 1: exec: \
                /var/lib/skep/agent-x: Exec format error",
            ),
        ] {
            let status = Status { code: Some(code), stderr: stderr.to_owned() };
            assert_eq!(Bootstrap::from_end(&status).to_string(), expected, "{stderr}");
        }
        let killed = Status { code: None, stderr: String::new() };
        assert_eq!(
            Bootstrap::from_end(&killed).to_string(),
            "the agent did not start: it was ended by a signal"
        );
    }

    #[test]
    fn lines_of_the_script() {
        let full = "gzip: stdout: No space left on device\n";
        for (line, stderr, expected, help) in [
            (
                "machine riscv64",
                "",
                "its architecture is riscv64; there are agents for aarch64 and x86_64",
                "--agent-dir",
            ),
            ("tool gunzip", "", "it lacks the program gunzip", "apt-get install gzip"),
            ("noexec /d", "", "/d is mounted noexec, so that no program can run there", "remount,exec"),
            ("checksum", "", "the agent arrived damaged: its checksum is wrong", "again"),
            (
                "write /d",
                full,
                "the agent cannot be put into /d: gzip: stdout: No space left on device",
                "df -h /d",
            ),
            (
                "write /d",
                "mkdir: cannot create directory '/d': Read-only file system\n",
                "the agent cannot be put into /d: mkdir: cannot create directory '/d': Read-only file system",
                "dmesg",
            ),
            (
                "write /d",
                "mkdir: cannot create directory '/d': Permission denied\n",
                "the agent cannot be put into /d: mkdir: cannot create directory '/d': Permission denied",
                "sudo: always",
            ),
        ] {
            let have = vec!["aarch64".to_owned(), "x86_64".to_owned()];
            let status = Status { code: Some(1), stderr: stderr.to_owned() };
            let failure = Bootstrap::from_line(line, have, &status);
            assert_eq!(failure.to_string(), expected, "{line}");
            assert!(failure.help().expect("something helps").contains(help), "{line}: {:?}", failure.help());
        }
    }

    #[test]
    fn no_agent_at_all_is_said_so() {
        let failure = Bootstrap::Machine { machine: "x86_64".into(), have: vec![] };
        assert_eq!(failure.to_string(), "its architecture is x86_64; there are agents for none");
    }
}
