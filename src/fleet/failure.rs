//! Why there is no agent on a host, or none any more, and what helps.

use thiserror::Error;

use super::denied::Denied;
use super::elevation::Tool;
use super::place::{Unfit, cause, causes};
use super::remote::Status;
use crate::resource::Fault;
use crate::ssh;
use crate::wire::{LockOwner, PROTOCOL};

/// Why no agent could be started on a host where the login worked.
#[derive(Debug, Error)]
pub enum Bootstrap {
    /// The login did not become root.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something else ran in the place of skep's command.
    #[error("it did not run skep's command: {0}")]
    NotRun(String),
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
    /// No place takes the agent.
    #[error("the agent can be put nowhere: {}", causes(.0))]
    NoPlace(Vec<Unfit>),
    /// The agent could not be written.
    #[error("the agent cannot be put into {directory}: {cause}")]
    Place {
        /// Where it goes.
        directory: String,
        /// The system's own words.
        cause: String,
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
            Self::Denied(denied) => return denied.help(),
            Self::NotRun(_) => "look there at the login's shell (`getent passwd USER`: nologin and false run nothing), at \
                its start-up files (one such as ~/.bashrc may exit or run something else), and at `ForceCommand` in sshd_config \
                and `command=` in authorized_keys"
                .to_owned(),
            Self::Machine { .. } => {
                "put a `skep-agent-ARCH` beside skep, or name its directory with --agent-dir; \
                `cargo build --bin skep-agent` makes the one for this computer"
                    .to_owned()
            }
            Self::Tool(tool) => match tool.as_str() {
                "gunzip" => "run `apt-get install gzip` there".to_owned(),
                "perl" => "run `apt-get install perl-base` there".to_owned(),
                _ => "run `apt-get install coreutils` there".to_owned(),
            },
            Self::NoPlace(places) => return places.first().map(Unfit::help),
            Self::Place { directory, cause } => {
                return Some(Unfit { directory: directory.clone(), cause: cause.clone() }.help());
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

    /// What a line `skep-fail …` of the script means, with the places that take no agent and what the tools said
    /// before. `user` is the login.
    pub(super) fn from_line(
        line: &str,
        user: &str,
        no: &[String],
        have: Vec<String>,
        status: &Status,
    ) -> Self {
        let (reason, about) = line.split_once(' ').unwrap_or((line, ""));
        let about = about.to_owned();
        match reason {
            "lacks" => {
                let tools = about.split(' ').map(str::to_owned).collect();
                Denied::Missing { user: user.to_owned(), tools }.into()
            }
            // There is no such program.
            "machine" if about.is_empty() => Self::Tool("uname".to_owned()),
            "machine" => Self::Machine { machine: about, have },
            "tool" => Self::Tool(about),
            "place" => Self::NoPlace(no.iter().map(|line| Unfit::read(line)).collect()),
            "checksum" => Self::Checksum,
            "write" => Self::Place { directory: about, cause: cause(&last_line(&status.stderr)) },
            _ => Self::Silent(line.to_owned()),
        }
    }

    /// What it means that the command ended at that stage without a word of the script or the agent; `heard` is the
    /// last line that nobody knows.
    pub(super) fn from_end(stage: Stage, user: &str, heard: Option<&str>, status: &Status) -> Self {
        let last = words(&last_line(&status.stderr), status.code);
        match stage {
            Stage::Login => {
                let said = Some(last_line(&status.stderr)).filter(|line| !line.is_empty());
                let heard = heard.map(printable);
                Self::NotRun(said.or(heard).map_or(last.clone(), |said| match status.code {
                    Some(code) => format!("{said} (exit code {code})"),
                    None => said,
                }))
            }
            Stage::Elevation(tool) => Denied::by(tool, user, &status.stderr, status.code).into(),
            Stage::Shell | Stage::Script => Self::Silent(last),
        }
    }
}

/// How far a command came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not even to the login's shell.
    Login,
    /// The login's shell runs it.
    Shell,
    /// It is becoming root.
    Elevation(Tool),
    /// The script runs.
    Script,
}

/// A program's last words, else how it ended.
pub(super) fn words(said: &str, code: Option<u32>) -> String {
    match (said, code) {
        ("", Some(code)) => format!("exit code {code}"),
        ("", None) => "it was ended by a signal".to_owned(),
        (said, _) => printable(said),
    }
}

/// The beginning of a foreign line, without what would upset a terminal.
fn printable(line: &str) -> String {
    const KEPT: usize = 200;
    let mut text: String = line.chars().filter(|c| !c.is_control()).take(KEPT).collect();
    if line.chars().count() > KEPT {
        text.push('…');
    }
    text
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
        let (login, script) = (Stage::Login, Stage::Script);
        for (stage, code, stderr, heard, expected) in [
            (script, Some(139), "", None, "the agent did not start: exit code 139"),
            (
                script,
                Some(126),
                "sh: 1: exec: /var/lib/skep/agent-x: Exec format error\n",
                None,
                "the agent did not start: sh: 1: exec: /var/lib/skep/agent-x: Exec format error",
            ),
            (script, None, "", Some("noise"), "the agent did not start: it was ended by a signal"),
            // A sentence of the start-up files about sudo is nothing that sudo said.
            (
                Stage::Shell,
                Some(1),
                "sudo: a password is required\n",
                None,
                "the agent did not start: sudo: a password is required",
            ),
            (
                login,
                Some(1),
                "",
                Some("This account is currently not available."),
                "it did not run skep's command: This account is currently not available. (exit code 1)",
            ),
            (
                login,
                Some(127),
                "rbash: sh: command not found\n",
                Some("Welcome"),
                "it did not run skep's command: rbash: sh: command not found (exit code 127)",
            ),
            (login, Some(0), "", None, "it did not run skep's command: exit code 0"),
            (login, None, "", Some("a\u{7}b"), "it did not run skep's command: ab"),
            (
                Stage::Elevation(Tool::Sudo),
                Some(1),
                "sudo: a password is required\n",
                None,
                "sudo wants the password of pi",
            ),
        ] {
            let status = Status { code, stderr: stderr.to_owned() };
            assert_eq!(Bootstrap::from_end(stage, "pi", heard, &status).to_string(), expected);
        }
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
            ("machine", "", "it lacks the program uname", "apt-get install coreutils"),
            ("tool gunzip", "", "it lacks the program gunzip", "apt-get install gzip"),
            ("checksum", "", "the agent arrived damaged: its checksum is wrong", "again"),
            ("write /d", full, "the agent cannot be put into /d: No space left on device", "df -h"),
            (
                "lacks sudo doas",
                "",
                "pi is not root, and sudo and doas are not installed",
                "apt-get install sudo",
            ),
            (
                "place",
                "",
                "the agent can be put nowhere: /a, /c (Read-only file system), /b (mounted noexec)",
                "dmesg",
            ),
        ] {
            let have = vec!["aarch64".to_owned(), "x86_64".to_owned()];
            let no = [
                "/a mkdir: cannot create directory '/a': Read-only file system",
                "/b mounted noexec",
                "/c sh: 1: cannot create /c/new-1: Read-only file system",
            ]
            .map(str::to_owned);
            let status = Status { code: Some(1), stderr: stderr.to_owned() };
            let failure = Bootstrap::from_line(line, "pi", &no, have, &status);
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
