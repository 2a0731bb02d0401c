//! Kernel parameters.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

/// A kernel parameter that should have a value, now and after each boot.
#[derive(Debug)]
pub enum Sysctl {}

/// A parameter as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Its name: `net.ipv4.ip_forward`.
    pub key: String,
    /// Its value, with blanks between several.
    pub value: String,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The value in the running kernel; none where it has no such parameter (yet: a module may bring it).
    pub running: Option<String>,
    /// The text of skep's own file in `/etc/sysctl.d`; none where there is none.
    pub configured: Option<String>,
}

/// A parameter set, in the kernel, in the file, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name.
    pub key: String,
    /// The change in the running kernel.
    pub running: Option<Value>,
    /// The change of skep's own file.
    pub configured: Option<TextChange>,
}

/// A change of value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The value now; none where the kernel has no such parameter yet.
    pub before: Option<String>,
    /// The value afterwards.
    pub after: String,
}

impl Kind for Sysctl {
    type Key = String;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Desired) -> String {
        desired.key.clone()
    }

    fn observe(keys: &[String], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter()
            .map(|key| Ok(Observed { running: running(key, host)?, configured: host.read_text(file(key))? }))
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let wanted = blanks(&desired.value);
        let before = observed.running.as_deref().map(blanks);
        let running = (before.as_ref() != Some(&wanted)).then(|| Value { before, after: wanted.clone() });
        let text = format!("# Written by skep.\n{} = {wanted}\n", desired.key);
        let configured = TextChange::between(file(&desired.key), observed.configured.as_deref(), Some(&text));
        let needed = running.is_some() || configured.is_some();
        Ok(needed.then(|| Change { key: desired.key.clone(), running, configured }))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        // First in the kernel: a value that it refuses is not written down for the next boot.
        if let Some(value) = &change.running {
            set(&change.key, &value.after, host)?;
        }
        if let Some(configured) = &change.configured {
            configured.make(host)?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let running = receipt.running.as_ref().and_then(|value| {
            Some(Value { before: Some(value.after.clone()), after: value.before.clone()? })
        });
        let configured = receipt.configured.as_ref().map(TextChange::reversed);
        (running.is_some() || configured.is_some()).then(|| Change { key: receipt.key.clone(), running, configured })
    }

    fn key_of(change: &Change) -> Option<String> {
        Some(change.key.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let now = observed.running.as_deref().map(blanks);
        let running = change.running.as_ref().and_then(|value| match &now {
            // The module that brought it is gone.
            None => None,
            Some(now) if *now == value.after => None,
            Some(now) if Some(now) == value.before.as_ref() => Some(value.clone()),
            Some(now) => {
                foreign.push(format!("{} was set to {now} since", change.key));
                None
            }
        });
        let configured =
            change.configured.as_ref().and_then(|file| file.rest(observed.configured.as_deref(), &mut foreign));
        let needed = running.is_some() || configured.is_some();
        Rest { change: needed.then(|| Change { key: change.key.clone(), running, configured }), foreign }
    }

    fn describe(change: &Change) -> Description {
        let title = match (&change.running, &change.configured) {
            (Some(Value { before: Some(before), after }), _) => format!("set {} to {after} (is {before})", change.key),
            (Some(Value { before: None, after }), _) => format!("set {} to {after}", change.key),
            (None, Some(TextChange { after: None, .. })) => format!("leave {} as it is at boot", change.key),
            (None, _) => format!("keep {} after a reboot", change.key),
        };
        Description { text: change.configured.clone(), ..Description::line(title) }
    }
}

/// The kernel separates several values by tabs, people by blanks.
fn blanks(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// skep's own file for the parameter.
fn file(key: &str) -> PathBuf {
    PathBuf::from(format!("/etc/sysctl.d/60-skep-{}.conf", key.replace('/', ".")))
}

/// As in sysctl.d(5): dots separate, unless the first separator is a slash; the other one is then part of a name.
fn proc_path(key: &str) -> PathBuf {
    let path = match key.find(['.', '/']).map(|first| key.as_bytes()[first]) {
        Some(b'.') => {
            let swap = |letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            };
            key.chars().map(swap).collect()
        }
        _ => key.to_owned(),
    };
    PathBuf::from("/proc/sys").join(path.trim_start_matches('/'))
}

fn running(key: &str, host: &Host) -> Result<Option<String>, Fault> {
    Ok(host.read_text(proc_path(key))?.map(|value| value.trim_end().to_owned()))
}

fn set(key: &str, value: &str, host: &Host) -> Result<(), Fault> {
    if running(key, host)?.as_deref().map(blanks).as_deref() == Some(value) {
        return Ok(());
    }
    // In place: the kernel's files can be neither made nor renamed.
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).open(host.path(proc_path(key)));
    opened.and_then(|mut file| std::io::Write::write_all(&mut file, value.as_bytes())).map_err(|error| {
        let fault = Fault::new(key, format!("could not be set to {value}: {error}"));
        match error.kind() {
            std::io::ErrorKind::NotFound => fault.help("the kernel module that brings it is not loaded; see `lsmod`"),
            _ => fault,
        }
    })?;
    let now = running(key, host)?.as_deref().map(blanks);
    if now.as_deref() == Some(value) {
        return Ok(());
    }
    Err(Fault::new(key, format!("was set to {value}, and the kernel made it {}", now.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_sysctl() {
        for (key, path) in [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"),
            ("net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"),
        ] {
            assert_eq!(proc_path(key), PathBuf::from(path), "{key}");
        }
        assert_eq!(file("net/ipv4/ip_forward"), file("net.ipv4.ip_forward"));
    }

    #[test]
    fn set_then_converged_then_undone() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        host.write_system_file("/proc/sys/net/ipv4/ip_forward", "0\n").unwrap();
        let desired = Desired { key: "net.ipv4.ip_forward".into(), value: "1".into() };
        let plan = || {
            let observed = Sysctl::observe(&[Sysctl::key(&desired)], &host).unwrap().remove(0);
            Sysctl::diff(&desired, &observed).unwrap()
        };
        let change = plan().unwrap();
        let receipt = Sysctl::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!(plan(), None);
        Sysctl::apply(&change, &host, &mut |_| ()).unwrap();
        Sysctl::apply(&Sysctl::undo(&receipt).unwrap(), &host, &mut |_| ()).unwrap();
        assert_eq!(plan(), Some(change));
        assert_eq!(host.read_text(file("net.ipv4.ip_forward")).unwrap(), None);
    }

    #[test]
    fn a_parameter_that_the_kernel_does_not_have_is_named_and_not_written_down() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let desired = Desired { key: "net.bridge.bridge-nf-call-iptables".into(), value: "1".into() };
        let change = Sysctl::diff(&desired, &Observed { running: None, configured: None }).unwrap().unwrap();
        let fault = Sysctl::apply(&change, &host, &mut |_| ()).unwrap_err();
        assert_eq!(fault.what, "net.bridge.bridge-nf-call-iptables");
        assert!(fault.help.unwrap().contains("kernel module"));
        assert_eq!(host.read_text(file(&desired.key)).unwrap(), None);
    }
}
