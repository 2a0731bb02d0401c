//! What `ssh` itself makes of its configuration.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Question;
use super::error::ConfigError;
use super::settings::Said;
use super::surroundings::Here;

/// How long it may take: `Match exec` runs commands, and canonical names are looked up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The user's `ssh`.
pub(super) struct Program {
    path: PathBuf,
    /// What it is to read instead of its usual files, where those are not the user's.
    file: Result<Option<NamedTempFile>, String>,
    defaults: OnceCell<Said>,
}

/// The `ssh` that a shell would run.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("ssh")).find(|program| program.is_file())
}

impl Program {
    pub(super) fn new(path: PathBuf, here: &Here, system: &Path) -> Self {
        let usual = here.is_at_home() && system == Path::new(super::SYSTEM);
        let file = if usual { Ok(None) } else { includes(here, system).map(Some) };
        Self { path, file: file.map_err(|error| error.to_string()), defaults: OnceCell::new() }
    }

    /// What it would do for this command line.
    pub(super) async fn ask(&self, question: &Question) -> Result<Said, ConfigError> {
        let mut arguments: Vec<OsString> = Vec::new();
        match &self.file {
            Ok(Some(file)) => arguments.extend(["-F".into(), file.path().into()]),
            Ok(None) => {}
            Err(why) => return Err(failed(&question.host, why.clone())),
        }
        arguments.extend(flags(question).into_iter().map(OsString::from));
        self.run(&question.host, arguments).await
    }

    /// What it would do without any configuration.
    pub(super) async fn defaults(&self) -> &Said {
        let ask = || async {
            let arguments = ["-F", "none"].map(OsString::from).to_vec();
            // Without them all is taken for the user's own words, which only makes messages longer.
            self.run("localhost", arguments).await.unwrap_or_default()
        };
        self.defaults.get_or_init(ask).await
    }

    async fn run(&self, host: &str, arguments: Vec<OsString>) -> Result<Said, ConfigError> {
        let mut command = Command::new(&self.path);
        // -T, or it would warn that there is no terminal.
        command.args(["-G", "-T"]).args(arguments).args(["--", host]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = match timeout(PATIENCE, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(failed(host, format!("cannot be run: {error}"))),
            Err(_) => return Err(failed(host, format!("did not end within {} s", PATIENCE.as_secs()))),
        };
        if output.status.success() {
            return Ok(Said::parse(&String::from_utf8_lossy(&output.stdout)));
        }
        let words = words(&String::from_utf8_lossy(&output.stderr));
        Err(ConfigError::Refused { host: host.to_owned(), words })
    }
}

fn failed(host: &str, why: String) -> ConfigError {
    ConfigError::Program { host: host.to_owned(), why }
}

/// A file that has both configurations read: `ssh` looks for the user's in the home of the account, whatever `HOME`
/// is, and with a file named to it for none else.
fn includes(here: &Here, system: &Path) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    for path in [here.in_ssh("config"), system.to_owned()] {
        writeln!(file, "Include \"{}\"", path.display())?;
    }
    Ok(file)
}

fn flags(question: &Question) -> Vec<String> {
    let mut flags = Vec::new();
    if let Some(user) = &question.user {
        flags.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = question.port {
        flags.extend(["-p".to_owned(), port.to_string()]);
    }
    // Said as well, since `ssh` refuses a jump host that its configuration sends through itself.
    if let Some(jump) = &question.jump {
        flags.extend(["-o".to_owned(), jump.option()]);
    }
    flags
}

/// Its words without the count at their end.
fn words(stderr: &str) -> String {
    let lines = stderr.lines().map(|line| line.trim_end_matches('\r').trim());
    let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.contains(": terminating, ")).collect();
    if lines.is_empty() { "it does not say why".to_owned() } else { lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::config::Jump;

    #[test]
    fn words_of_ssh() {
        for (stderr, expected) in [
            (
                "/h/config line 2: Bad configuration option: portt\n/h/config: terminating, 1 bad configuration options\n",
                "/h/config line 2: Bad configuration option: portt",
            ),
            ("jumphost loop via b\r\n", "jumphost loop via b"),
            ("", "it does not say why"),
        ] {
            assert_eq!(words(stderr), expected);
        }
    }

    #[test]
    fn the_command_line_says_what_the_inventory_says() {
        let bare = Question { host: "pi".into(), user: None, port: None, jump: None };
        assert!(flags(&bare).is_empty());
        let full = Question {
            user: Some("me".into()),
            port: Some(2222),
            jump: Some("a@b:3,c".parse().unwrap()),
            ..bare
        };
        assert_eq!(flags(&full), ["-l", "me", "-p", "2222", "-o", "ProxyJump=a@b:3,c"]);
        let direct = Question { jump: Some(Jump::None), user: None, port: None, host: "pi".into() };
        assert_eq!(flags(&direct), ["-o", "ProxyCommand=none"]);
    }
}
