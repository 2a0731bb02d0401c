//! Settings of the SSH server.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange, systemd};

/// A file of settings that the SSH server should read. It is checked before the server hears of it; connections that
/// are open stay open.
#[derive(Debug)]
pub enum Sshd {}

/// Where the file is: before all others, since the first word on a setting counts.
const FOLDER: &str = "/etc/ssh/sshd_config.d";

/// What a running server writes when it starts and when it reads its settings again.
const PID_FILE: &str = "/run/sshd.pid";

/// Names of its unit: Debian's, and others'.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Its name: `00-skep.conf`.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The file's text; none where there is no such file.
    pub text: Option<String>,
    /// Whether the server reads the folder at all.
    pub included: bool,
    /// Whether the file is younger than what the running server has read.
    pub stale: bool,
}

/// A file written or, by undo, removed; the server then reads its settings again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file's name.
    pub name: String,
    /// The change of the file; none where only the reading is missing.
    pub file: Option<TextChange>,
}

impl Kind for Sshd {
    type Key = String;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> String {
        desired.name.clone()
    }

    fn observe(keys: &[String], host: &Host) -> Result<Vec<Observed>, Fault> {
        let config = host.read_text("/etc/ssh/sshd_config")?.unwrap_or_default();
        let mut words = config.lines().map(str::split_whitespace);
        let included = words.any(|mut words| {
            words.next().is_some_and(|first| first.eq_ignore_ascii_case("Include"))
                && words.any(|path| path == "/etc/ssh/sshd_config.d/*.conf")
        });
        keys.iter()
            .map(|name| {
                let written = modified(host, &path(name))?;
                let read = modified(host, &PathBuf::from(PID_FILE))?;
                let stale = written.zip(read).is_some_and(|(written, read)| read < written);
                Ok(Observed { text: host.read_text(path(name))?, included, stale })
            })
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        if !observed.included {
            return Err(Problem {
                message: format!("the SSH server reads no settings from {FOLDER}"),
                help: format!("put `Include {FOLDER}/*.conf` first into /etc/ssh/sshd_config there"),
            });
        }
        let file = TextChange::between(path(&desired.name), observed.text.as_deref(), Some(&desired.text));
        Ok((file.is_some() || observed.stale).then(|| Change { name: desired.name.clone(), file }))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        if let Some(file) = &change.file {
            file.make(host)?;
        }
        let checked = host.run("sshd", &["-t"])?;
        if !checked.success() {
            if let Some(file) = &change.file {
                file.reversed().make(host)?;
            }
            return Err(Fault::new("sshd -t", checked.last_words()).help("mend its settings first, then run the same again"));
        }
        for unit in UNITS {
            if systemd::property(host, unit, "ActiveState")? == "active" {
                let what = format!("systemctl reload {unit}");
                host.run("systemctl", &["reload", "--", unit])?.expect_success(what)?;
                break;
            }
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let file = receipt.file.as_ref()?.reversed();
        Some(Change { name: receipt.name.clone(), file: Some(file) })
    }

    fn key_of(change: &Change) -> Option<String> {
        Some(change.name.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let file = change.file.as_ref().and_then(|file| file.rest(observed.text.as_deref(), &mut foreign));
        let needed = file.is_some() || (foreign.is_empty() && observed.stale);
        Rest { change: needed.then(|| Change { name: change.name.clone(), file }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let title = match &change.file {
            None => "make the SSH server read its settings again".to_owned(),
            Some(file) => format!("{} {}, for the SSH server", file.verb(), file.path.display()),
        };
        Description { text: change.file.clone(), ..Description::line(title) }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{name}"))
}

fn modified(host: &Host, path: &PathBuf) -> Result<Option<std::time::SystemTime>, Fault> {
    let there = host.metadata(path)?;
    there.map(|there| there.modified().map_err(|error| Fault::new(path.display(), error))).transpose()
}
