//! A host makes itself new keys in its first minutes: its key is recorded once that is over.

use std::time::{Duration, Instant};

use super::{command, fault};
use crate::event::Sink;
use crate::inventory::model::NodeName;
use crate::resource::Fault;
use crate::ssh::{self, ConnectError, ExecError, Session, Target};

/// How long the first boot may take. A slow card makes RSA keys for a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the key may be another one than those that the host says it has.
const MOST_KEYS: usize = 5;

/// What runs in the first boot and may change keys: Armbian's service disables itself in the end, cloud-init's start at
/// each boot. Between two of its stages none of cloud-init's runs: the first of its files says that it is on in this boot
/// (neither the kernel's command line nor a file in /etc/cloud turned it off), the second that it is over; it is a link into a folder that `cloud-init clean` empties.
const LOOK: &str = "sh -c 'for u in armbian-firstrun cloud-init cloud-config cloud-final; do \
     e=$(systemctl is-enabled $u.service 2>/dev/null); a=$(systemctl is-active $u.service 2>/dev/null); \
     echo unit $u/$e/$a; done; \
     if [ -e /run/cloud-init/enabled ] && [ ! -e /run/cloud-init/result.json ] && [ ! -L /run/cloud-init/result.json ]; then echo stages; fi; cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | sed \"s/^/key /\"; \
     echo boot $(cat /proc/sys/kernel/random/boot_id); if [ -e /run/resize2fs-reboot ]; then echo resize; fi'";

/// How far a host is in its first boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::fleet) struct Look {
    /// What is still at work.
    pending: Option<String>,
    /// Its public host keys.
    keys: Vec<String>,
    /// The boot's ID.
    pub(in crate::fleet) boot: String,
    /// Whether its file system is enlarged by another boot.
    pub(in crate::fleet) resize_reboot: bool,
}

impl Look {
    fn read(text: &str) -> Self {
        let mut look = Self::default();
        let stages = text.lines().any(|line| line == "stages");
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("unit", unit) if is_at_work(unit, stages) => {
                    look.pending = look.pending.or_else(|| unit.split('/').next().map(str::to_owned));
                }
                ("key", key) => {
                    // Without its comment.
                    look.keys.push(key.split(' ').take(2).collect::<Vec<_>>().join(" "));
                }
                ("boot", id) => id.clone_into(&mut look.boot),
                ("resize", _) => look.resize_reboot = true,
                _ => {}
            }
        }
        look
    }

    /// Whether the host has that key no more.
    fn replaced(&self, key: &str) -> bool {
        !self.keys.is_empty() && !self.keys.iter().any(|own| own == key.trim())
    }
}

/// `NAME/UnitFileState/ActiveState`; and whether stages of cloud-init are left, of which `cloud-final` is the last.
fn is_at_work(unit: &str, stages: bool) -> bool {
    let mut words = unit.split('/');
    match (words.next(), words.next(), words.next()) {
        (Some("armbian-firstrun"), Some("enabled"), Some(active)) => active != "failed",
        (Some("cloud-final"), Some("enabled"), Some("inactive")) if stages => true,
        (Some(_), _, active) => active == Some("activating"),
        _ => false,
    }
}

/// None where the look was cut short, as by a shutdown: nothing is known then.
pub(super) async fn look(session: &Session) -> Result<Option<Look>, ExecError> {
    let output = command::run(session, "a look at its first boot", LOOK, b"").await?;
    let look = Look::read(&String::from_utf8_lossy(&output.stdout));
    Ok(Some(look).filter(|look| output.status.success() && !look.boot.is_empty()))
}

/// Waits until the host has the keys that it keeps, and records the one that it shows; over another connection where that
/// is a new one. The connection may be lost meanwhile, and the address change.
pub(in crate::fleet) async fn settle(
    mut session: Session,
    target: &Target,
    ssh: &ssh::Options,
    sink: &Sink,
) -> Result<(Session, Look), Fault> {
    let node = NodeName(target.node.clone());
    let begun = Instant::now();
    let mut replaced = 0;
    loop {
        let overdue = begun.elapsed() > PATIENCE;
        let look = match look(&session).await {
            Ok(Some(look)) => look,
            Ok(None) if !overdue => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Ok(None) => {
                let cause = "it does not tell how far it is in its first boot";
                return Err(Fault::new(&node, cause).help("look at `systemctl list-jobs` there"));
            }
            Err(ExecError::Lost { .. }) if !overdue => {
                session = connect(target, ssh).await?;
                continue;
            }
            Err(error) => return Err(fault(&node, error)),
        };
        if let Some(unit) = &look.pending {
            if overdue {
                let cause = format!("{unit} has not finished within {} s", PATIENCE.as_secs());
                let more = if unit.starts_with("cloud") { " and `cloud-init status --long`" } else { "" };
                return Err(
                    Fault::new(&node, cause).help(format!("see `systemctl status {unit}`{more} there"))
                );
            }
            super::tell(sink, &node, &format!("waiting for {unit}"));
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        if session.unpinned().is_some_and(|key| look.replaced(&key)) && replaced < MOST_KEYS {
            replaced += 1;
            session = connect(target, ssh).await?;
            continue;
        }
        session.pin(target).await.map_err(|error| unreachable(&error))?;
        return Ok((session, look));
    }
}

async fn connect(target: &Target, ssh: &ssh::Options) -> Result<Session, Fault> {
    let ssh = ssh::Options { retry_for: ssh.retry_for.max(super::PATIENCE), ..ssh.clone() };
    ssh::connect(target, &ssh).await.map_err(|error| unreachable(&error))
}

fn unreachable(error: &ConnectError) -> Fault {
    super::unreachable(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_work() {
        for (unit, expected) in [
            ("armbian-firstrun/enabled/inactive", true),
            ("armbian-firstrun/enabled/active", true),
            ("armbian-firstrun/enabled/failed", false),
            ("armbian-firstrun/disabled/inactive", false),
            ("armbian-firstrun//inactive", false),
            ("armbian-firstrun/not-found/inactive", false),
            ("cloud-final/enabled/activating", true),
            ("cloud-final/enabled/active", false),
            ("cloud-init", false),
        ] {
            assert_eq!(is_at_work(unit, false), expected, "{unit}");
        }
        // Between two stages of cloud-init, in a boot in which it is on.
        for (unit, expected) in [
            ("cloud-init/enabled/active", false),
            ("cloud-final/enabled/inactive", true),
            ("cloud-final/enabled/activating", true),
            ("cloud-final/enabled/active", false),
            ("cloud-final/enabled/failed", false),
            ("cloud-final/masked/inactive", false),
            ("cloud-final//inactive", false),
        ] {
            assert_eq!(is_at_work(unit, true), expected, "{unit}");
        }
    }

    #[test]
    fn cloud_init_is_over_where_a_link_tells_so_even_one_that_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let cloud = folder.path().join("run/cloud-init");
        std::fs::create_dir_all(&cloud).unwrap();
        let stages = || {
            let look = LOOK.replace("/run/cloud-init", cloud.to_str().unwrap());
            let output = std::process::Command::new("sh").args(["-c", &look]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().lines().any(|line| line == "stages")
        };
        assert!(!stages(), "it is off in this boot");
        std::fs::write(cloud.join("enabled"), "").unwrap();
        assert!(stages());
        let (link, result) = (cloud.join("result.json"), folder.path().join("result.json"));
        std::os::unix::fs::symlink(&result, &link).unwrap();
        assert!(!stages(), "the data is cleaned away");
        std::fs::write(&result, "{}").unwrap();
        assert!(!stages());
    }

    #[test]
    fn answers_are_read_and_keys_compared_without_their_comments() {
        let look = Look::read(
            "unit armbian-firstrun/enabled/activating\nunit cloud-final//inactive\nkey ssh-ed25519 AAAA root@board\n\
             key ssh-rsa BBBB\nboot 12-34\nresize\n",
        );
        assert_eq!(look.pending.as_deref(), Some("armbian-firstrun"));
        assert_eq!((look.boot.as_str(), look.resize_reboot), ("12-34", true));
        assert!(
            !look.replaced("ssh-ed25519 AAAA")
                && !look.replaced("ssh-rsa BBBB ")
                && look.replaced("ssh-ed25519 CC")
        );
        let between =
            Look::read("unit cloud-init/enabled/active\nunit cloud-final/enabled/inactive\nstages\nboot x\n");
        assert_eq!(between.pending.as_deref(), Some("cloud-final"));
        let settled = Look::read("unit armbian-firstrun/disabled/inactive\nboot x\n");
        assert_eq!((settled.pending, settled.resize_reboot), (None, false));
        assert!(!Look::read("").replaced("ssh-ed25519 AAAA"), "keys that cannot be read are no others");
    }
}
