//! Where the kernel's configuration is, and whether its modules are there.

use super::remedy;
use super::target::Target;
use crate::audit::{Check, Family, Judgement};

pub(in crate::audit) const CONFIGURATION: Check = Check {
    id: "kernel-config",
    family: Family::Kernel,
    title: "the kernel's configuration and modules",
    explanation: "\
What a kernel can do is in its configuration: /proc/config.gz is the running kernel's own, /boot/config-RELEASE that of \
its package. Where there is neither, it is unknown, and the other checks go by what is seen at work. \
With kernel.modules_disabled=1 nothing can be loaded that is not loaded yet, until the next boot: a warning. Modules that \
are gone from /lib/modules are told by pending-reboot, and by the checks of what needs them. \
A configuration from elsewhere is judged by `skep audit --kernel-config FILE`.",
    examine: |case| case.each(|subject| examine(&Target::of(subject))),
};

fn examine(target: &Target<'_>) -> Vec<Judgement> {
    let Some(running) = &target.running else { return Vec::new() };
    let release = target.release;
    if running.kernel.parameters.get("kernel.modules_disabled").map(String::as_str) == Some("1") {
        let judgement = Judgement::warning("no module can be loaded until the next boot");
        return vec![
            judgement.seen("/proc/sys/kernel/modules_disabled", "1").remedy(
                "take `kernel.modules_disabled` out of /etc/sysctl.conf and /etc/sysctl.d, and reboot",
            ),
        ];
    }
    vec![match target.place {
        Some(place) => {
            Judgement::ok(format!("the configuration of {release} is in {place}")).seen(place, "is there")
        }
        None => remedy::of_no_configuration(target).into_iter().fold(
            Judgement::unknown("the kernel's configuration is not to be seen")
                .seen("/proc/config.gz", "is not there")
                .seen(format!("/boot/config-{release}"), "is not there"),
            Judgement::remedy,
        ),
    }]
}
