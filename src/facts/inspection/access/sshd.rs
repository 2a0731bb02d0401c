//! What sshd says of its own settings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Connection;
use crate::resource::Host;

/// How long sshd may take to read its files.
const LIMIT: Duration = Duration::from_secs(3);

/// One of the host keys that sshd has by default.
const KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// The options that matter, as `sshd -T` writes them.
const OPTIONS: &[&str] = &[
    "allowgroups",
    "allowtcpforwarding",
    "allowusers",
    "authenticationmethods",
    "chrootdirectory",
    "denygroups",
    "denyusers",
    "disableforwarding",
    "forcecommand",
    "kbdinteractiveauthentication",
    "logingracetime",
    "maxauthtries",
    "maxsessions",
    "maxstartups",
    "passwordauthentication",
    "permitopen",
    "permitrootlogin",
    "persourcemaxstartups",
    "persourcepenalties",
    "pubkeyauthentication",
];

/// What sshd says of its own settings, as they are on disc: those that it will have when it starts next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sshd {
    /// It was not asked, since only root may, or could not answer; why.
    Unread(String),
    /// There is no sshd: another SSH server let the login in.
    #[default]
    Absent,
    /// The options for this login from where it came, each with the values of all lines that set it.
    Options(BTreeMap<String, Vec<String>>),
    /// It does not take them; its words.
    Refused(String),
}

impl Sshd {
    /// Asks sshd itself, which knows what its defaults, its drop-ins and its `Match` blocks come to.
    pub(super) fn read(host: &Host, root: bool, user: &str, connection: &Connection) -> Self {
        if !host.has_program("sshd") {
            return Self::Absent;
        }
        if !root {
            return Self::Unread("only root may ask sshd for its settings".to_owned());
        }
        // Without all of these, a `Match` that asks for one of them makes sshd give up.
        let Connection { client, server, port } = connection;
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let (client, server, port) = (or(client, "127.0.0.1"), or(server, "127.0.0.1"), or(port, "22"));
        let login = format!("user={user},host={client},addr={client},laddr={server},lport={port},rdomain=");
        let ask = |more: &[&str]| {
            let args = [&["-T", "-C", &login], more].concat();
            host.run_within(LIMIT, "/usr/sbin/sshd", &args)
        };
        // It does not answer without a host key. One will do, where it has those by default: unpacking them all takes it a
        // third longer. Keys that its settings name may be missing, with which it will not start.
        let mut answer = ask(&["-h", KEY]);
        if answer.as_ref().is_ok_and(|output| !output.success() || has_other_keys(&output.stdout)) {
            answer = ask(&[]);
        }
        match answer {
            Ok(output) if output.success() => Self::Options(options(&output.stdout)),
            Ok(output) => refused(output.last_words()),
            Err(fault) => Self::Unread(fault.to_string()),
        }
    }
}

/// Whether sshd's settings name host keys, besides [`KEY`] that it was given.
fn has_other_keys(text: &str) -> bool {
    text.lines().filter_map(|line| line.strip_prefix("hostkey ")).any(|key| key.trim() != KEY)
}

/// What keeps sshd from answering at all is no fault of its settings.
fn refused(words: String) -> Sshd {
    let not_asked = ["privilege separation directory", "not in connection test specification", "rdomain"];
    if not_asked.iter().any(|cause| words.contains(cause)) {
        Sshd::Unread(words)
    } else {
        Sshd::Refused(words)
    }
}

/// The [`OPTIONS`] of what `sshd -T` prints: `name value`, a line for each value.
fn options(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut options: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        if OPTIONS.contains(&name) {
            options.entry(name.to_owned()).or_default().push(value.trim().to_owned());
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_matter_are_kept_with_all_their_values() {
        let options =
            options("port 22\nallowusers pi\nallowusers maya@192.168.2.0/24\nmaxsessions 10\nbanner none\n");
        let kept: Vec<_> =
            options.iter().map(|(name, values)| format!("{name}={}", values.join("+"))).collect();
        assert_eq!(kept, ["allowusers=pi+maya@192.168.2.0/24", "maxsessions=10"]);
    }

    #[test]
    fn keys_that_the_settings_name_are_told_from_the_given_one() {
        for (text, others) in [
            ("port 22\nhostkey /etc/ssh/ssh_host_ed25519_key\nhostkeyagent none\n", false),
            ("hostkey /etc/ssh/ssh_host_ed25519_key\nhostkey /etc/ssh/own_key\n", true),
            ("", false),
        ] {
            assert_eq!(has_other_keys(text), others, "{text:?}");
        }
    }

    #[test]
    fn only_what_is_wrong_with_the_settings_is_their_fault() {
        for (words, unread) in [
            ("/etc/ssh/sshd_config: line 3: Bad configuration option: Prot", false),
            ("sshd: no hostkeys available -- exiting.", false),
            ("Missing privilege separation directory: /run/sshd", true),
            ("'Match rdomain' in configuration but 'rdomain' not in connection test specification.", true),
        ] {
            let told = refused(words.to_owned());
            assert_eq!(matches!(told, Sshd::Unread(_)), unread, "{told:?}");
        }
    }

    #[test]
    fn where_there_is_no_sshd_nobody_is_asked() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = Host::at(root.path());
        assert_eq!(Sshd::read(&host, true, "root", &Connection::default()), Sshd::Absent);
        std::fs::create_dir_all(root.path().join("usr/sbin")).expect("a folder");
        std::fs::write(root.path().join("usr/sbin/sshd"), "").expect("a file");
        assert!(matches!(Sshd::read(&host, false, "pi", &Connection::default()), Sshd::Unread(_)));
    }
}
