use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::ssh::config::tokens::tests::here;

/// A home with these files; `.ssh/config` and `system` are the ones that are read.
struct Home(tempfile::TempDir);

impl Home {
    fn with(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("system", "")].iter().chain(files) {
            let path = home.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text.replace("HOME", home.0.path().to_str().unwrap())).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        }
        home
    }

    fn ask(&self, host: &str) -> Option<Said> {
        let uid = nix::unistd::getuid().as_raw();
        let home = Some(self.0.path().to_owned());
        let here = Here { home: home.clone(), account_home: home, uid, ..here() };
        let plain = Plain::new(Path::new("/any/ssh"), &here, &self.0.path().join("system")).unwrap();
        plain.ask(&Question { host: host.into(), user: None, port: None, jump: None })
    }
}

fn said(text: &str) -> Option<Said> {
    Some(Said::parse(text))
}

/// As they come with Debian 12, Debian 13 and Arch Linux.
const BOOKWORM: &str = "\n# This is the ssh client system-wide configuration file.\n\nInclude HOME/d/*.conf\n\nHost *\n\
    #   Port 22\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n    GSSAPIAuthentication yes\n";
const PROXY: &str = "# SPDX\nHost unix/* vsock/*\n    ProxyCommand /usr/lib/systemd/systemd-ssh-proxy %h %p\n\
    \x20   ProxyUseFdpass yes\n    CheckHostIP no\n\nHost .host\n    ProxyCommand /x unix/run/ssh-unix-local/socket %p\n";

#[test]
fn configurations_that_systems_come_with() {
    let home = Home::with(&[
        ("system", BOOKWORM),
        ("d/20-systemd-ssh-proxy.conf", PROXY),
        ("d/readme", "no option"),
    ]);
    assert_eq!(home.ask("192.168.2.1"), said("hashknownhosts yes\n"));
    assert_eq!(Home::with(&[("system", BOOKWORM)]).ask("pi"), said("hashknownhosts yes\n"));
    assert_eq!(Home::with(&[]).ask("fe80::1"), Some(Said::default()));
}

#[test]
fn hosts_with_their_names_users_ports_and_keys() {
    let user = "User me\nHost pi* !pi2\n\tHostName  Pi.Lan\n  User root\n  Port 2222\n  IdentityFile ~/.ssh/board\n\
        Host 10.0.?.1\n  IdentityFile /k\nHost *\n  IdentityFile /all\n  StrictHostKeyChecking accept-new\n";
    let home =
        Home::with(&[(".ssh/config", user), ("system", "Host *\n User late\n Port 23\n ConnectTimeout 4\n")]);
    let all = "identityfile /all\nstricthostkeychecking accept-new\nconnecttimeout 4\n";
    let pi = format!("user me\nhostname pi.lan\nport 2222\nidentityfile ~/.ssh/board\n{all}");
    assert_eq!(home.ask("pi1"), said(&pi));
    assert_eq!(home.ask("pi2"), said(&format!("user me\nport 23\n{all}")));
    assert_eq!(home.ask("10.0.7.1"), said(&format!("user me\nport 23\nidentityfile /k\n{all}")));
}

#[test]
fn an_included_file_speaks_in_the_section_that_includes_it_and_ends_its_own() {
    let files = [
        (".ssh/config", "Host a*\n Include ~/.ssh/more HOME/none HOME/d/*\n Port 1\n"),
        (".ssh/more", "User x\nHost ab\n Port 2\n"),
        ("d/.hidden", "Port 3\n"),
        ("d/b", "Port 5\n"),
        ("d/a", "Host ac\n Port 4\n"),
    ];
    let home = Home::with(&files);
    for (host, expected) in
        [("ab", "user x\nport 2\n"), ("ac", "user x\nport 4\n"), ("ad", "user x\nport 5\n"), ("b", "")]
    {
        assert_eq!(home.ask(host), said(expected), "{host}");
    }
}

#[test]
fn what_is_not_plain_is_left_to_ssh() {
    for text in [
        "Match all\n User x\n",
        "Host pi\n Portt 3\n",
        "Port 0\n",
        "Port 70000\n",
        "Port=22\n",
        "Port\n",
        "User \"x\"\n",
        "User x y\n",
        "User x # me\n",
        "User %u\n",
        "User ${USER}\n",
        "HostName %h.lan\n",
        "IdentityFile none\n",
        "IdentityFile k\n",
        "IdentityFile ~/%r\n",
        "IdentityFile ~ann/k\n",
        "IdentityFile /1\nIdentityFile /2\nIdentityFile /3\n",
        "UserKnownHostsFile /a /b\n",
        "GSSAPIAuthentication maybe\n",
        "StrictHostKeyChecking off\n",
        "ServerAliveInterval 1m\n",
        "ProxyJump b\n",
        "ProxyCommand nc %h %p\n",
        "HostKeyAlias x\n",
        "CanonicalizeHostname yes\n",
        "Include more\n",
        "Include ~/.ssh/config\n",
        "Include /etc/*/x\n",
        "Include /etc/x.d/*.[c]onf\n",
        "Host ä\n",
    ] {
        assert_eq!(Home::with(&[(".ssh/config", text)]).ask("pi"), None, "{text}");
    }
    let home = Home::with(&[(".ssh/config", "Host b\n ProxyJump c\n User x\n")]);
    assert_eq!((home.ask("b"), home.ask("a")), (None, Some(Said::default())));
    for host in ["me@pi", "ssh://pi", "Pi", "-pi", "pi%eth0", ""] {
        assert_eq!(home.ask(host), None, "{host}");
    }
}

#[test]
fn files_that_ssh_would_not_read_are_left_to_it() {
    let home = Home::with(&[(".ssh/config", "User x\n")]);
    let path = home.0.path().join(".ssh/config");
    assert_eq!(home.ask("pi"), said("user x\n"));
    fs::set_permissions(&path, PermissionsExt::from_mode(0o664)).unwrap();
    assert_eq!(home.ask("pi"), None);
    fs::remove_file(&path).unwrap();
    symlink("config", &path).unwrap();
    assert_eq!(home.ask("pi"), None, "a link to itself");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(home.ask("pi"), None);
}

#[test]
fn an_ssh_of_ones_own_may_read_other_files() {
    let system = Path::new(crate::ssh::config::SYSTEM);
    assert!(Plain::new(Path::new("/usr/bin/ssh"), &here(), system).is_some());
    assert!(Plain::new(Path::new("/opt/homebrew/bin/ssh"), &here(), system).is_none());
}
