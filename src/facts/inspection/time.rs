//! What keeps the host's clock right.

use serde::{Deserialize, Serialize};

use super::super::text;
use super::units;
use crate::resource::Host;

/// The services that set clocks by the network, by their units.
pub const SERVICES: &[&str] = &[
    "systemd-timesyncd.service",
    "chrony.service",
    "chronyd.service",
    "ntpsec.service",
    "ntp.service",
    "ntpd.service",
    "openntpd.service",
];

/// What keeps the host's clock right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Time {
    /// Those of [`SERVICES`] that run.
    pub running: Vec<String>,
    /// Those of [`SERVICES`] that are installed.
    pub installed: Vec<String>,
    /// The kind of container that the host is, whose clock is that of the computer it runs on; empty for none.
    pub container: String,
    /// Whether a clock runs while the host is off.
    pub rtc: bool,
    /// Whether the last known time is kept in a file instead.
    pub saved: bool,
}

impl Time {
    /// Reads it. What cannot be read is told as such.
    pub fn read(host: &Host) -> Self {
        let those = |is_so: &dyn Fn(&str) -> bool| {
            SERVICES.iter().filter(|unit| is_so(unit)).map(|unit| (*unit).to_owned()).collect()
        };
        Self {
            running: those(&|unit| units::runs(host, unit)),
            installed: those(&|unit| units::is_there(host, unit)),
            container: text(host, "/run/systemd/container").trim().to_owned(),
            rtc: host.path("/sys/class/rtc/rtc0").exists(),
            saved: host.path("/etc/fake-hwclock.data").exists(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_by_their_groups_of_processes() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = Host::at(root.path());
        assert_eq!(Time::read(&host), Time::default());
        for folder in
            ["sys/fs/cgroup/system.slice/chrony.service", "usr/lib/systemd/system", "sys/class/rtc/rtc0"]
        {
            std::fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        for unit in ["chrony.service", "systemd-timesyncd.service"] {
            std::fs::write(root.path().join("usr/lib/systemd/system").join(unit), "").expect("a file");
        }
        let time = Time::read(&host);
        assert_eq!(time.running, ["chrony.service"]);
        assert_eq!(time.installed, ["systemd-timesyncd.service", "chrony.service"]);
        assert!(time.rtc && !time.saved && time.container.is_empty());
    }
}
