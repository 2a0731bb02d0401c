//! A user who may become root, with the keys of another one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

/// A user that should be there, may become root by sudo without a password, since it has none, and is let in by the
/// keys of the image's user. Whom a host has already keeps the password, the groups and the keys that it has, and gets those keys besides. Undo
/// leaves the user: there may be files of theirs by then.
#[derive(Debug)]
pub enum Account {}

/// A user as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Desired {
    /// Their name.
    pub name: String,
    /// Whose keys they get besides their own.
    pub keys_of: String,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Whether the host knows the user.
    pub known: bool,
    /// Whether the user is in the group `sudo` or `wheel`, or skep's own rule for sudo names them.
    pub sudo: bool,
    /// Whether they have those keys.
    pub keys: bool,
    /// Whether there are sudo's files at all.
    pub has_sudo: bool,
}

/// A user made, given sudo, given keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Who, and whose keys.
    pub account: Desired,
    /// They are made.
    pub make: bool,
    /// They may use sudo.
    pub sudo: bool,
    /// They get the keys.
    pub keys: bool,
}

/// Groups of those who look after a host, so far as it has them.
const GROUPS: [&str; 4] = ["sudo", "adm", "netdev", "systemd-journal"];

impl Kind for Account {
    type Key = Desired;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> Desired {
        desired.clone()
    }

    fn observe(keys: &[Desired], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|key| look(key, host)).collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let Observed { known, sudo, keys, has_sudo } = *observed;
        if !sudo && !has_sudo {
            return Err(Problem {
                message: format!("sudo is not installed, so that {} could not become root", desired.name),
                help: "run `apt-get install sudo` on the host".to_owned(),
            });
        }
        let change = Change { account: desired.clone(), make: !known, sudo: !sudo, keys: !keys };
        Ok((change.make || change.sudo || change.keys).then_some(change))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        let Desired { name, keys_of } = &change.account;
        let now = look(&change.account, host)?;
        // First, so that a run that is killed here is seen to have more to do.
        if change.sudo && !now.sudo {
            allow(name, host)?;
        }
        if change.make && !now.known {
            make(name, host)?;
        }
        if change.keys && !now.keys {
            copy_keys(keys_of, name, host)?;
        }
        Ok(change.clone())
    }

    fn undo(_: &Change) -> Option<Change> {
        None
    }

    fn key_of(change: &Change) -> Option<Desired> {
        Some(change.account.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let (make, sudo) = (change.make && !observed.known, change.sudo && !observed.sudo);
        let keys = change.keys && !observed.keys;
        let left = Change { make, sudo, keys, ..change.clone() };
        Rest::of((make || sudo || keys).then_some(left))
    }

    fn describe(change: &Change) -> Description {
        let Desired { name, keys_of } = &change.account;
        let parts = [
            change.make.then(|| format!("make the user {name}")),
            change.sudo.then(|| format!("let {name} use sudo without a password")),
            change.keys.then(|| format!("give {name} the keys of {keys_of}")),
        ];
        Description::line(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

fn sudoers(name: &str) -> PathBuf {
    // sudo passes over files with a dot in their name.
    PathBuf::from(format!("/etc/sudoers.d/skep-{}", name.replace('.', "_")))
}

/// A line of `/etc/passwd`.
struct Entry {
    uid: u32,
    gid: u32,
    home: String,
}

fn entry(name: &str, host: &Host) -> Result<Option<Entry>, Fault> {
    let text = host.read_text("/etc/passwd")?.unwrap_or_default();
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.first() == Some(&name));
    Ok(found.and_then(|fields| {
        let number = |place: usize| fields.get(place)?.parse().ok();
        Some(Entry { uid: number(2)?, gid: number(3)?, home: (*fields.get(5)?).to_owned() })
    }))
}

fn keys_file(home: &str) -> PathBuf {
    Path::new(home).join(".ssh/authorized_keys")
}

/// The keys that let in as `from`, and do not yet as the user of `entry`.
fn missing_keys(from: &str, to: &Entry, host: &Host) -> Result<Vec<String>, Fault> {
    let Some(source) = entry(from, host)? else { return Ok(Vec::new()) };
    let wanted = host.read_text(keys_file(&source.home))?.unwrap_or_default();
    let there = host.read_text(keys_file(&to.home))?.unwrap_or_default();
    let is_key = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let there: Vec<&str> = there.lines().map(str::trim).collect();
    let wanted = wanted.lines().map(str::trim).filter(is_key);
    Ok(wanted.filter(|key| !there.contains(key)).map(str::to_owned).collect())
}

fn look(key: &Desired, host: &Host) -> Result<Observed, Fault> {
    let entry = entry(&key.name, host)?;
    let groups = host.read_text("/etc/group")?.unwrap_or_default();
    let in_group = groups.lines().filter_map(|line| line.split_once(':')).any(|(group, rest)| {
        let members = rest.rsplit(':').next().unwrap_or_default();
        ["sudo", "wheel"].contains(&group) && members.split(',').any(|member| member == key.name)
    });
    let keys = match &entry {
        Some(entry) => missing_keys(&key.keys_of, entry, host)?.is_empty(),
        None => false,
    };
    let ruled = host.metadata(sudoers(&key.name))?.is_some();
    let has_sudo = host.metadata("/etc/sudoers.d")?.is_some();
    // One that the image brought may use sudo by the group; one that skep made has no password to use it with.
    Ok(Observed { sudo: ruled || (entry.is_some() && in_group), known: entry.is_some(), keys, has_sudo })
}

fn allow(name: &str, host: &Host) -> Result<(), Fault> {
    let text = format!("# Written by skep.\n{name} ALL=(ALL:ALL) NOPASSWD: ALL\n");
    let (uid, gid) = host.owner()?;
    let path = sudoers(name);
    host.write_atomically(&path, text.as_bytes(), 0o440, uid, gid)?;
    if host.has_program("visudo") {
        let checked = host.run("visudo", &["-c", "-f", &path.to_string_lossy()])?;
        if !checked.success() {
            // One file that it does not understand, and sudo may let nobody become root.
            host.remove_file(&path)?;
            return Err(Fault::new("visudo -c", checked.last_words()).help("run `visudo -c` on the host"));
        }
    }
    Ok(())
}

fn make(name: &str, host: &Host) -> Result<(), Fault> {
    let there = host.read_text("/etc/group")?.unwrap_or_default();
    let has = |group: &&str| there.lines().any(|line| line.split(':').next() == Some(group));
    let groups: Vec<&str> = GROUPS.into_iter().filter(has).collect();
    // No password is right, which is something else than a locked account: servers without PAM refuse those.
    let mut args = vec!["--create-home", "--shell", "/bin/bash", "--password", "*"];
    let groups = groups.join(",");
    if !groups.is_empty() {
        args.extend(["--groups", &groups]);
    }
    args.extend(["--", name]);
    let what = format!("user {name}");
    host.run("useradd", &args)?
        .expect_success(&what)
        .map(drop)
        .map_err(|fault| fault.help(format!("run `useradd --create-home {name}` on the host to see what it says")))
}

fn copy_keys(from: &str, to: &str, host: &Host) -> Result<(), Fault> {
    let what = || format!("keys of {to}");
    let gone = |name: &str| Fault::new(what(), format!("there is no user {name} on the host"));
    let source = entry(from, host)?.ok_or_else(|| gone(from))?;
    let target = entry(to, host)?.ok_or_else(|| gone(to))?;
    let missing = missing_keys(from, &target, host)?;
    let Entry { uid, gid, home } = target;
    if host.read_text(keys_file(&source.home))?.is_none() {
        return Err(Fault::new(what(), format!("{from} has none either")).help("run `skep up` again"));
    }
    let folder = Path::new(&home).join(".ssh");
    let made = (|| {
        let real = host.path(&folder);
        if !real.exists() {
            fs::create_dir(&real)?;
        }
        if fs::symlink_metadata(&real)?.uid() != uid {
            chown(&real, Some(uid), Some(gid))?;
        }
        fs::set_permissions(&real, fs::Permissions::from_mode(0o700))
    })();
    made.map_err(|error| Fault::new(folder.display(), error))?;
    let mut text = host.read_text(keys_file(&home))?.unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for key in missing {
        text += &key;
        text.push('\n');
    }
    host.write_atomically(keys_file(&home), text.as_bytes(), 0o600, uid, gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_sudo_and_keys_and_is_then_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let (uid, gid) = host.owner().unwrap();
        let passwd = format!("root:x:0:0::/root:/bin/sh\npi:x:{uid}:{gid}::/home/pi:/bin/sh\n");
        for (path, text) in [
            ("/etc/passwd", passwd.as_str()),
            ("/etc/group", "root:x:0:\nsudo:x:27:other\n"),
            ("/etc/sudoers.d/README", ""),
            ("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA me\n"),
            ("/home/pi/.profile", ""),
        ] {
            host.write_system_file(path, text).unwrap();
        }
        let desired = Desired { name: "pi".into(), keys_of: "root".into() };
        let see = || Account::observe(std::slice::from_ref(&desired), &host).unwrap().remove(0);
        let change = Account::diff(&desired, &see()).unwrap().unwrap();
        assert_eq!((change.make, change.sudo, change.keys), (false, true, true));
        // A rule that sudo would stumble over does not stay.
        let visudo = |exit: u8| {
            let text = format!("#!/bin/sh\ntest -s {root}$3 && test $3 = /etc/sudoers.d/skep-pi && echo \"$3:1: bad\" >&2; exit {exit}\n", root = root.path().display());
            host.write_atomically("/usr/sbin/visudo", text.as_bytes(), 0o755, uid, gid).unwrap();
        };
        visudo(1);
        let fault = Account::apply(&change, &host, &mut |_| ()).unwrap_err();
        assert_eq!((fault.what.as_str(), fault.cause.as_str()), ("visudo -c", "/etc/sudoers.d/skep-pi:1: bad"));
        assert!(!see().sudo);
        visudo(0);
        Account::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!(Account::diff(&desired, &see()), Ok(None));
        let read = |path: &str| host.read_text(path).unwrap().unwrap();
        assert_eq!(read("/home/pi/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n");
        assert!(read("/etc/sudoers.d/skep-pi").contains("\npi ALL=(ALL:ALL) NOPASSWD: ALL\n"));
        let mode = |path: &str| host.metadata(path).unwrap().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("/home/pi/.ssh"), mode("/etc/sudoers.d/skep-pi")), (0o700, 0o440));
        // Keys of their own stay, and those that skep logs in with come to them.
        host.write_system_file("/home/pi/.ssh/authorized_keys", "ssh-ed25519 BBBB other").unwrap();
        let change = Account::diff(&desired, &see()).unwrap().unwrap();
        assert_eq!(Account::describe(&change).title, "give pi the keys of root");
        Account::apply(&change, &host, &mut |_| ()).unwrap();
        let keys = host.read_text("/home/pi/.ssh/authorized_keys").unwrap().unwrap();
        assert!(keys.starts_with("ssh-ed25519 BBBB other\n") && keys.lines().count() > 1, "{keys}");
        assert_eq!(Account::diff(&desired, &see()), Ok(None));
    }
}
