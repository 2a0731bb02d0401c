//! A host's reboot: asked for once, and known by the kernel's own ID of the boot.

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

/// Where the kernel tells which boot this is; random, and another one after each.
pub(super) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A reboot. Whoever asked for it waits for the host and looks at it again.
#[derive(Debug)]
pub enum Reboot {}

/// That a host has been rebooted since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The boot that is to end.
    pub boot_id: String,
    /// What for: `so that its kernel has the memory controller of cgroups`.
    pub what_for: String,
    /// Whether its engine runs and shall run again.
    pub engine: bool,
}

/// Which boot this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The kernel's ID of it.
    pub boot_id: String,
}

impl Kind for Reboot {
    type Key = ();
    type Desired = Desired;
    type Observed = Observed;
    type Change = Desired;
    type Receipt = Desired;

    fn key(_: &Desired) {}

    fn observe(keys: &[()], host: &Host) -> Result<Vec<Observed>, Fault> {
        Ok(vec![Observed { boot_id: boot_id(host)? }; keys.len()])
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Desired>, Problem> {
        Ok((desired.boot_id == observed.boot_id).then(|| desired.clone()))
    }

    fn apply(change: &Desired, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Desired, Fault> {
        // Somebody else did it in between, or the answer to the first try was lost.
        if boot_id(host)? == change.boot_id {
            progress(Progress::text("rebooting"));
            let told = host.run("systemctl", &["reboot", "--no-wall"])?;
            told.expect_success("reboot").map_err(|fault| {
                fault.help("see what keeps it: `systemd-inhibit --list` on the host; then run the same again")
            })?;
        }
        Ok(change.clone())
    }

    fn undo(_: &Desired) -> Option<Desired> {
        None
    }

    fn key_of(_: &Desired) -> Option<()> {
        Some(())
    }

    fn rest(change: &Desired, observed: &Observed) -> Rest<Desired> {
        Rest::of((change.boot_id == observed.boot_id).then(|| change.clone()))
    }

    fn describe(change: &Desired) -> Description {
        Description {
            disrupts: Some("reboots the host, and stops every container on it meanwhile".to_owned()),
            ..Description::line(format!("reboot, {}", change.what_for))
        }
    }
}

/// Which boot this is, as the kernel calls it.
pub(super) fn boot_id(host: &Host) -> Result<String, Fault> {
    let id = host.read_text(BOOT_ID)?.unwrap_or_default().trim().to_owned();
    if id.is_empty() { Err(Fault::new(BOOT_ID, "does not tell which boot this is")) } else { Ok(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reboot_is_known_by_its_id_and_asked_for_once() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        assert!(Reboot::observe(&[()], &host).is_err(), "nobody takes silence for another boot");
        host.write_system_file(BOOT_ID, "b\n").unwrap();
        let wanted = Desired { boot_id: "a".to_owned(), what_for: "for fun".to_owned(), engine: false };
        let observed = Reboot::observe(&[()], &host).unwrap().remove(0);
        assert_eq!(Reboot::diff(&wanted, &observed), Ok(None));
        assert_eq!(Reboot::rest(&wanted, &observed), Rest::of(None));
        // There is no systemctl below this root: it is not asked.
        assert_eq!(Reboot::apply(&wanted, &host, &mut |_| ()), Ok(wanted.clone()));
        let due = Desired { boot_id: "b".to_owned(), ..wanted };
        assert_eq!(Reboot::diff(&due, &observed), Ok(Some(due.clone())));
        assert!(Reboot::apply(&due, &host, &mut |_| ()).is_err());
        assert_eq!(Reboot::undo(&due), None);
    }
}
