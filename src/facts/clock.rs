//! What time the host thinks it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::resource::Host;
use crate::resource::clock::Moment;

/// What time the host thinks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Milliseconds since 1970, as the agent answers.
    pub unix_ms: i64,
    /// Milliseconds since the host booted, at the same moment; 0 where it is not known.
    #[serde(default)]
    pub boot_ms: i64,
    /// Whether the clock is held to be synchronised: by systemd-timesyncd, or by the kernel (adjtimex has no error flag),
    /// which only an audit asks.
    pub synchronised: bool,
}

impl Clock {
    /// Reads it. The kernel is asked where it `matters` what it holds the clock for: the service that tells of it is
    /// started for each question, and that takes longer than all other facts together. A container has no clock of its
    /// own that anything could be told of.
    pub fn read(host: &Host, matters: bool) -> Self {
        let boot_ms = Moment::now().map_or(0, |now| now.boot_ms);
        let marked = host.path("/run/systemd/timesync/synchronized").exists();
        let asked = || matters && !in_a_container(host) && says_yes(&ntp_synchronised(host));
        Self { synchronised: marked || asked(), unix_ms: unix_ms(), boot_ms }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whether systemd found itself in a container when it started.
fn in_a_container(host: &Host) -> bool {
    host.path("/run/systemd/container").exists()
}

/// systemd-timesyncd leaves a file once it has synchronised, which costs nothing to see. For other services the
/// kernel is asked through systemd-timedated, whose property is adjtimex(2)'s error flag.
fn ntp_synchronised(host: &Host) -> String {
    let arguments = ["show", "--property=NTPSynchronized", "--value"];
    host.run_within(Duration::from_secs(3), "timedatectl", &arguments)
        .map(|answer| answer.stdout)
        .unwrap_or_default()
}

fn says_yes(answer: &str) -> bool {
    answer.trim() == "yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        assert!(says_yes("yes\n"));
        for other in ["no\n", "", "n/a"] {
            assert!(!says_yes(other), "{other:?}");
        }
    }

    #[test]
    fn a_container_is_not_asked_for_a_clock_of_its_own() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(&path, text).expect("a file");
            path
        };
        let program = write("usr/bin/timedatectl", "#!/bin/sh\necho yes\n");
        std::fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("a mode");
        let host = Host::at(root.path());
        let synchronised = |matters| Clock::read(&host, matters).synchronised;
        assert_eq!((synchronised(true), synchronised(false)), (true, false));
        write("run/systemd/container", "systemd-nspawn\n");
        assert!(!synchronised(true));
    }

    #[test]
    fn the_mark_of_timesyncd_is_believed() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let mark = root.path().join("run/systemd/timesync");
        std::fs::create_dir_all(&mark).expect("a directory");
        std::fs::write(mark.join("synchronized"), "").expect("a file");
        let clock = Clock::read(&Host::at(root.path()), false);
        assert!(clock.synchronised);
        // 2020-01-01: no computer that runs this test is older.
        assert!(clock.unix_ms > 1_577_836_800_000);
    }
}
