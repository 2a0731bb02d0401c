//! Settings of the SSH server.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange, systemd, wizard};

/// A file of settings that the SSH server should read. It is checked before the server hears of it, and put back where
/// another file wins over it; connections that are open stay open.
#[derive(Debug)]
pub enum Sshd {}

/// Where the file is: before all others, since the first word on a setting counts.
const FOLDER: &str = "/etc/ssh/sshd_config.d";

pub(super) const CONFIG: &str = "/etc/ssh/sshd_config";

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
        let included = host.read_text(CONFIG)?.unwrap_or_default().lines().any(includes);
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
        take_up(&path(&change.name), change.file.as_ref(), host)?;
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

/// Has the running server read its settings, of which those in the file `own` are skep's. They are checked first; where
/// that goes wrong, `made`, the change that was just made, is taken back.
pub(super) fn take_up(own: &Path, made: Option<&TextChange>, host: &Host) -> Result<(), Fault> {
    if let Err(fault) = check(own, host) {
        if let Some(made) = made {
            made.reversed().make(host)?;
        }
        return Err(fault);
    }
    for unit in UNITS {
        if systemd::property(host, unit, "ActiveState")? == "active" {
            let what = format!("systemctl reload {unit}");
            return host.run("systemctl", &["reload", "--", unit])?.expect_success(what).map(drop);
        }
    }
    Ok(())
}

/// Whether the server takes its settings at all, and those of a drop-in as they stand there.
fn check(own: &Path, host: &Host) -> Result<(), Fault> {
    let in_force = host.run("sshd", &["-T"])?.expect_success("sshd -T");
    let in_force = in_force.map_err(|fault| fault.help("mend its settings first, then run the same again"))?;
    if !own.starts_with(FOLDER) {
        return Ok(());
    }
    let text = host.read_text(own)?.unwrap_or_default();
    let mut settings = text.lines().filter(|line| !line.starts_with('#'));
    let lost = settings.find(|wanted| !in_force.lines().any(|line| line.eq_ignore_ascii_case(wanted)));
    let Some(lost) = lost else { return Ok(()) };
    let winner = winner(lost, own, host)?.unwrap_or_else(|| CONFIG.to_owned());
    Err(Fault::new(winner, format!("the SSH server reads this first, so that `{lost}` of {} does not count", own.display()))
        .help("remove that line on the host, then run the same again"))
}

/// Where a setting stands that the server reads before the drop-in `own`: the file and the line.
fn winner(setting: &str, own: &Path, host: &Host) -> Result<Option<String>, Fault> {
    let name = |line: &str| line.split([' ', '\t', '=']).find(|word| !word.is_empty()).unwrap_or_default().to_lowercase();
    let drop_ins = wizard::names(host, FOLDER)?.into_iter().filter(|file| file.ends_with(".conf"));
    for file in [PathBuf::from(CONFIG)].into_iter().chain(drop_ins.map(|file| path(&file))).filter(|file| file != own) {
        let text = host.read_text(&file)?.unwrap_or_default();
        // What stands behind the line that includes the folder comes too late to win.
        let line = text.lines().take_while(|line| !includes(line)).position(|line| name(line) == name(setting));
        if let Some(line) = line {
            return Ok(Some(format!("{}, line {}", file.display(), line + 1)));
        }
    }
    Ok(None)
}

/// Whether a line has the server read the folder.
fn includes(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|first| first.eq_ignore_ascii_case("Include")) && words.any(|path| path == "/etc/ssh/sshd_config.d/*.conf")
}

fn modified(host: &Host, path: &PathBuf) -> Result<Option<std::time::SystemTime>, Fault> {
    let there = host.metadata(path)?;
    there.map(|there| there.modified().map_err(|error| Fault::new(path.display(), error))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "Port 22\nInclude /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\n";

    /// A host whose server has that option at `yes` unless `in_force` says otherwise, and its drop-ins.
    fn host(root: &Path, in_force: &str, files: &[(&str, &str)]) -> Host {
        let host = Host::at(root);
        let (uid, gid) = host.owner().unwrap();
        let sshd = format!("#!/bin/sh\necho 'port 22\npasswordauthentication {in_force}'\n");
        for (program, text) in [("sshd", sshd.as_str()), ("systemctl", "#!/bin/sh\necho ActiveState=inactive\n")] {
            host.write_atomically(format!("/usr/sbin/{program}"), text.as_bytes(), 0o755, uid, gid).unwrap();
        }
        host.write_system_file("/run/systemd/system/x", "").unwrap();
        for (path, text) in files {
            host.write_system_file(path, text).unwrap();
        }
        host
    }

    #[test]
    fn where_another_file_wins_it_is_named_and_ours_is_taken_back() {
        let drop_in = |name: &str| format!("{FOLDER}/{name}");
        for (in_force, main, other, winner) in [
            ("no", MAIN, "10-other.conf", None),
            ("yes", MAIN, "00-image.conf", Some("/etc/ssh/sshd_config.d/00-image.conf, line 2")),
            ("yes", "#PasswordAuthentication no\npasswordauthentication=yes\n", "x", Some("/etc/ssh/sshd_config, line 2")),
            // Found nowhere, as where it comes by an `Include` of something else.
            ("yes", MAIN, "x", Some("/etc/ssh/sshd_config")),
        ] {
            let root = tempfile::tempdir().unwrap();
            let files = [(CONFIG, main), (&drop_in(other), "X11Forwarding no\n\tPasswordAuthentication  yes\n")];
            let host = host(root.path(), in_force, &files);
            let file = TextChange::between(path("00-skep.conf"), None, Some("# Ours\nPasswordAuthentication no\n"));
            let change = Change { name: "00-skep.conf".to_owned(), file };
            let fault = Sshd::apply(&change, &host, &mut |_| ()).err();
            assert_eq!(fault.as_ref().map(|fault| fault.what.as_str()), winner, "{fault:?}");
            assert_eq!(host.read_text(path("00-skep.conf")).unwrap().is_some(), winner.is_none());
            // One that was killed before the server read it is no better.
            change.file.as_ref().unwrap().make(&host).unwrap();
            let again = Sshd::apply(&Change { file: None, ..change }, &host, &mut |_| ());
            assert_eq!(again.is_err(), winner.is_some());
        }
    }
}
