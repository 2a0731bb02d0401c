//! The version of cgroups and its controllers.

use super::boot;
use super::target::{Running, Target};
use crate::audit::{Check, Family, Judgement};

pub(in crate::audit) const CGROUP: Check = Check {
    id: "cgroup",
    family: Family::Kernel,
    title: "cgroups and their controllers",
    explanation: "\
Limits of a container's memory, processors and processes are cgroup controllers. Version 2 has them in \
/sys/fs/cgroup/cgroup.controllers, version 1 in a mount for each; /proc/cgroups is not asked, since it leaves out memory \
from Linux 6.12 on. \
Without memory, cpu, cpuset or pids the engine runs, but limits do not hold, and one process that eats all memory takes \
the node with it: a warning. Boards often boot without the memory controller: the remedy names the boot file of that \
board, armbianEnv.txt, cmdline.txt, extlinux.conf or GRUB's. \
The firmware of a Raspberry Pi passes `cgroup_disable=memory`, and `cgroup_enable=memory` undoes that with Raspberry Pi's \
own kernel only, not with Debian's or Ubuntu's (raspberrypi/linux 6980, 7442). \
Without any controller, or on version 1 without `devices`, the engine does not start: an error. Version 1 is a note: \
Docker has deprecated it.",
    examine: |case| case.each(|subject| examine(&Target::of(subject))),
};

/// Controllers with what is lost without them, by version; those of the first list are missed the most.
const LIMITS: [(&str, &str); 4] = [
    ("memory", "no limits of memory"),
    ("cpu", "no limits of processors"),
    ("cpuset", "no binding to processors"),
    ("pids", "no limits of processes"),
];

fn examine(target: &Target<'_>) -> Option<Judgement> {
    let running = target.running?;
    let has = |name: &str| running.controllers.iter().any(|controller| controller == name);
    let missing: Vec<_> = LIMITS.iter().filter(|(name, _)| !has(name)).collect();
    let judgement = match () {
        () if running.controllers.is_empty() => Judgement::error(
            "no cgroup controllers are there, so that the engine does not start",
        )
        .remedy("boot with systemd as process 1 and without `cgroup_disable=` on the kernel's command line"),
        () if running.cgroup == 1 && !has("devices") => {
            Judgement::error("cgroups of version 1 without `devices`, so that the engine does not start")
                .remedy("mount -t cgroup -o devices devices /sys/fs/cgroup/devices")
        }
        () if !missing.is_empty() => {
            let (names, lost): (Vec<_>, Vec<_>) = missing.iter().map(|(name, lost)| (*name, *lost)).unzip();
            let message = format!("cgroups have no {}: {}", names.join(", "), lost.join(", "));
            boot::remedy(target, &running, &names)
                .into_iter()
                .fold(Judgement::warning(message), Judgement::remedy)
        }
        () if running.cgroup == 1 => Judgement::note("cgroups are of version 1, which Docker has deprecated"),
        () => Judgement::ok("cgroups are of version 2, with all controllers"),
    };
    let seen = judgement.seen("/sys/fs/cgroup", hierarchy(&running));
    Some(match running.kernel.command_line.as_slice() {
        [] => seen,
        words => seen.seen("/proc/cmdline", words.join(" ")),
    })
}

fn hierarchy(running: &Running<'_>) -> String {
    format!("version {}: {}", running.cgroup, running.controllers.join(" "))
}
