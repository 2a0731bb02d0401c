//! What Armbian's wizard for the first login leaves undone where nobody goes through it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sshd::{self, CONFIG as SSHD_CONFIG};
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange, systemd};
// It may hold passwords, so its text is never read.
use crate::facts::inspection::boot::FIRST_LOGIN as MARKER;

/// What the wizard would have done for the system: nobody is logged in on consoles by itself any more, the network is
/// waited for at boot, the greeting is shown, the SSH server takes a client's language, and the wizard never starts. None
/// of it is undone: what was before is an image that lets anybody in at its console.
#[derive(Debug)]
pub enum Wizard {}

/// Where drop-ins log root in on consoles.
const UNITS: &str = "/etc/systemd/system";

/// The greeting's parts, which the image keeps from running.
const MOTD: &str = "/etc/update-motd.d";

/// Who keeps the network, and what waits for it.
const NETWORKS: [(&str, &str); 2] = [
    ("NetworkManager.service", "NetworkManager-wait-online.service"),
    ("systemd-networkd.service", "systemd-networkd-wait-online.service"),
];

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Whether it is an Armbian system at all.
    pub armbian: bool,
    /// Whether the wizard starts at the next login.
    pub marker: bool,
    /// Drop-ins that log somebody in on consoles.
    pub autologin: Vec<PathBuf>,
    /// The unit that should wait for the network and is disabled.
    pub waits_not: Option<String>,
    /// Parts of the greeting that do not run.
    pub silent: Vec<PathBuf>,
    /// The SSH server's configuration, where it takes no language from clients.
    pub deaf: Option<String>,
}

/// What is made up for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Drop-ins that are removed.
    pub autologin: Vec<PathBuf>,
    /// The unit that is enabled.
    pub wait: Option<String>,
    /// Files that are made executable.
    pub motd: Vec<PathBuf>,
    /// The change of the SSH server's configuration.
    pub accept_env: Option<TextChange>,
    /// Whether the marker is removed, after all else.
    pub marker: bool,
}

impl Kind for Wizard {
    type Key = ();
    type Desired = ();
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key((): &()) {}

    fn observe(keys: &[()], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|()| look(host)).collect()
    }

    fn diff((): &(), observed: &Observed) -> Result<Option<Change>, Problem> {
        let Observed { armbian, marker, autologin, waits_not, silent, deaf } = observed.clone();
        // Without the marker the wizard is history, and what is quiet may be so on purpose.
        let accept_env = deaf.filter(|_| marker).and_then(|text| {
            let after = accepting(&text);
            TextChange::between(SSHD_CONFIG, Some(&text), Some(&after))
        });
        let motd = if marker { silent } else { Vec::new() };
        let change = Change { autologin, wait: waits_not, motd, accept_env, marker };
        Ok((armbian && !change.is_empty()).then_some(change))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        for path in &change.autologin {
            host.remove_file(path)?;
        }
        if !change.autologin.is_empty() {
            systemd::daemon_reload(host)?;
            // Who is logged in there by the image is root without a password.
            host.run("systemctl", &["try-restart", "getty@*.service", "serial-getty@*.service"])?;
        }
        if let Some(unit) = &change.wait {
            systemd::set_enabled(host, unit, true)?;
        }
        for path in &change.motd {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(host.path(path), mode).map_err(|error| Fault::new(path.display(), error))?;
        }
        if let Some(file) = &change.accept_env {
            file.make(host)?;
            sshd::take_up(&file.path, Some(file), host)?;
        }
        if change.marker {
            host.remove_file(MARKER)?;
        }
        Ok(change.clone())
    }

    fn undo(_: &Change) -> Option<Change> {
        None
    }

    fn key_of(_: &Change) -> Option<()> {
        Some(())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let now = Self::diff(&(), observed).ok().flatten();
        Rest::of(now.filter(|_| !change.is_empty()))
    }

    fn describe(change: &Change) -> Description {
        let shown = |paths: &[PathBuf]| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        let parts = [
            (!change.autologin.is_empty()).then(|| format!("no login without a password on consoles (remove {})", shown(&change.autologin))),
            change.wait.as_ref().map(|unit| format!("enable {unit}")),
            (!change.motd.is_empty()).then(|| format!("show the greeting ({MOTD})")),
            change.accept_env.as_ref().map(|_| format!("take the language of SSH clients (AcceptEnv in {SSHD_CONFIG})")),
            change.marker.then(|| format!("remove {MARKER}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        Description { text: change.accept_env.clone(), ..Description::line(format!("do what Armbian's wizard would: {}", parts.join("; "))) }
    }
}

impl Change {
    fn is_empty(&self) -> bool {
        let Self { autologin, wait, motd, accept_env, marker } = self;
        autologin.is_empty() && wait.is_none() && motd.is_empty() && accept_env.is_none() && !marker
    }
}

/// The text with `AcceptEnv` as its distribution has it.
fn accepting(text: &str) -> String {
    let open = |line: &str| match line.strip_prefix('#') {
        // As distributions write it; words about it stay words.
        Some(rest) if rest.trim_start().starts_with("AcceptEnv LANG") => rest.trim_start().to_owned(),
        _ => line.to_owned(),
    };
    text.split('\n').map(open).collect::<Vec<_>>().join("\n")
}

fn look(host: &Host) -> Result<Observed, Fault> {
    if host.metadata("/etc/armbian-release")?.is_none() {
        return Ok(Observed::default());
    }
    let config = host.read_text(SSHD_CONFIG)?.unwrap_or_default();
    let accepts = config.lines().any(|line| line.trim_start().starts_with("AcceptEnv "));
    Ok(Observed {
        armbian: true,
        marker: host.metadata(MARKER)?.is_some(),
        autologin: autologins(host)?,
        waits_not: waits_not(host)?,
        silent: silent(host)?,
        deaf: (!accepts && accepting(&config) != config).then_some(config),
    })
}

fn autologins(host: &Host) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for folder in names(host, UNITS)? {
        if !(folder.starts_with("getty@") || folder.starts_with("serial-getty@")) || !folder.ends_with(".service.d") {
            continue;
        }
        let folder = format!("{UNITS}/{folder}");
        for name in names(host, &folder)? {
            let path = format!("{folder}/{name}");
            let text = if name.ends_with(".conf") { host.read_text(&path)? } else { None };
            if text.is_some_and(|text| text.lines().any(|line| !line.starts_with('#') && line.contains("--autologin"))) {
                found.push(PathBuf::from(path));
            }
        }
    }
    Ok(found)
}

fn waits_not(host: &Host) -> Result<Option<String>, Fault> {
    let units: Vec<&str> = NETWORKS.iter().flat_map(|(keeper, waiter)| [*keeper, waiter]).collect();
    let states = systemd::show(host, &units, "UnitFileState")?;
    let state = |place: usize| states[place].get("UnitFileState").map(String::as_str);
    let mut pairs = NETWORKS.iter().enumerate();
    let found = pairs.find(|(place, _)| state(2 * place) == Some("enabled") && state(2 * place + 1) == Some("disabled"));
    Ok(found.map(|(_, (_, waiter))| (*waiter).to_owned()))
}

fn silent(host: &Host) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for name in names(host, MOTD)? {
        let path = PathBuf::from(MOTD).join(name);
        let there = host.metadata(&path)?;
        if there.is_some_and(|there| there.is_file() && there.permissions().mode() & 0o111 == 0) {
            found.push(path);
        }
    }
    Ok(found)
}

/// What is in a folder, sorted; nothing where there is none.
pub(super) fn names(host: &Host, folder: &str) -> Result<Vec<String>, Fault> {
    let entries = match fs::read_dir(host.path(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Fault::new(folder, error)),
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
