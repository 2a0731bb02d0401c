//! What systemd's own folders tell of units, without a process: asking `systemctl` costs more than all else.

use std::fs;

use crate::resource::Host;

/// Where the processes of services are, by the versions of control groups.
const SLICES: &[&str] = &[
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup/systemd/system.slice",
    "/sys/fs/cgroup/unified/system.slice",
];

/// Where units are, and the links that have them started; the first goes before the rest (systemd.unit(5)).
pub(super) const FOLDERS: &[&str] =
    &["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Whether a service has processes: systemd removes its group when the last has ended.
pub(super) fn runs(host: &Host, unit: &str) -> bool {
    SLICES.iter().any(|slice| host.path(slice).join(unit).is_dir())
}

/// Whether there is such a unit.
pub(super) fn is_there(host: &Host, unit: &str) -> bool {
    FOLDERS.iter().any(|folder| host.path(folder).join(unit).exists())
}

/// The units that are started for this one, in the order of their names.
pub(super) fn wanted_by(host: &Host, unit: &str) -> Vec<String> {
    let folders = FOLDERS.iter().map(|folder| host.path(folder).join(format!("{unit}.wants")));
    let entries = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let mut units: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    units.sort();
    units.dedup();
    units
}
