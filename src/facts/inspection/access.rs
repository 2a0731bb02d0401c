//! Who may log in, and how: the agent's own privilege, and what sshd says of itself.

mod account;
mod sshd;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::text;
use crate::resource::Host;

pub use account::Account;
pub use sshd::Sshd;

/// How long sudo may take to list rules: it may ask a directory server.
const LIMIT: Duration = Duration::from_secs(2);

/// Who may log in, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    /// Whether the agent runs as root.
    pub root: bool,
    /// What made it root: `sudo`, `doas`; empty where the login is root itself.
    pub by: String,
    /// What `sudo -l` says of the login; empty where it was not asked.
    pub rules: String,
    /// The login's account.
    pub account: Account,
    /// Both ends of the connection, as sshd tells them.
    pub connection: Connection,
    /// What sshd says of itself.
    pub sshd: Sshd,
}

/// Both ends of a connection, of `SSH_CONNECTION`; empty where it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// The address that was logged in from.
    pub client: String,
    /// The address that was logged in to.
    pub server: String,
    /// The port that was logged in to.
    pub port: String,
}

impl Access {
    /// Reads it. What cannot be read is told as such.
    pub fn read(host: &Host) -> Self {
        let root = nix::unistd::geteuid().is_root();
        let (user, by) = login(|name| std::env::var(name).ok());
        let account = account::read(host, user.as_deref(), nix::unistd::geteuid().as_raw());
        let connection = connection(host, std::process::id());
        std::thread::scope(|scope| {
            let rules = (by == "sudo").then(|| scope.spawn(|| rules(host, &account.user)));
            let sshd = Sshd::read(host, root, &account.user, &connection);
            Self {
                root,
                by: by.to_owned(),
                rules: rules
                    .map_or_else(String::new, |read| read.join().expect("the rules' reader does not panic")),
                sshd,
                account: account.clone(),
                connection: connection.clone(),
            }
        })
    }
}

/// Who logged in, where somebody else than the agent's user, and what made that one root.
fn login(variable: impl Fn(&str) -> Option<String>) -> (Option<String>, &'static str) {
    for (name, by) in [("SUDO_USER", "sudo"), ("DOAS_USER", "doas")] {
        if let Some(user) = variable(name).filter(|user| !user.is_empty()) {
            return (Some(user), by);
        }
    }
    (None, "")
}

/// What sudo lets a user do, without asking anybody for a password.
fn rules(host: &Host, user: &str) -> String {
    let listed = host.run_within(LIMIT, "sudo", &["-n", "-l", "-U", user]);
    listed.ok().filter(|output| output.success()).map(|output| output.stdout).unwrap_or_default()
}

/// The connection that a process came by. sudo takes it from the environment, so its parents are asked as well.
fn connection(host: &Host, process: u32) -> Connection {
    let mut process = process.to_string();
    // sshd, shell, sudo, its monitor, shell, loader, agent: never more.
    for _ in 0..12 {
        let environment = text(host, &format!("/proc/{process}/environ"));
        let value = environment.split('\0').find_map(|entry| entry.strip_prefix("SSH_CONNECTION="));
        if let Some(value) = value {
            return of(value);
        }
        let status = text(host, &format!("/proc/{process}/status"));
        match status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim) {
            Some(parent) if parent != "0" => process = parent.to_owned(),
            _ => break,
        }
    }
    Connection::default()
}

/// `192.168.2.9 50022 192.168.2.1 22`.
fn of(value: &str) -> Connection {
    match value.split(' ').collect::<Vec<_>>()[..] {
        [client, _, server, port] => {
            Connection { client: client.to_owned(), server: server.to_owned(), port: port.to_owned() }
        }
        _ => Connection::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_is_the_one_before_sudo() {
        let of = |name: &'static str, user: &str| {
            let user = user.to_owned();
            login(move |asked| (asked == name).then(|| user.clone()))
        };
        assert_eq!(of("SUDO_USER", "pi"), (Some("pi".to_owned()), "sudo"));
        assert_eq!(of("DOAS_USER", "pi"), (Some("pi".to_owned()), "doas"));
        assert_eq!(of("SUDO_USER", ""), (None, ""));
        assert_eq!(of("USER", "pi"), (None, ""));
    }

    #[test]
    fn the_connection_is_found_with_a_parent() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        write("proc/7/environ", "PATH=/bin\0SUDO_USER=pi\0");
        write("proc/7/status", "Name:\tskep-agent\nPPid:\t6\n");
        write("proc/6/environ", "A=b\0SSH_CONNECTION=192.168.2.9 50022 192.168.2.1 22\0");
        let host = Host::at(root.path());
        let found = connection(&host, 7);
        assert_eq!(found, of("192.168.2.9 50022 192.168.2.1 22"));
        assert_eq!((found.client.as_str(), found.port.as_str()), ("192.168.2.9", "22"));
        assert_eq!(connection(&host, 8), Connection::default());
        assert_eq!(of("nothing"), Connection::default());
    }
}
