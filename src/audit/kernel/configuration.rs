//! Where the kernel's configuration is, and whether its modules are there.

use super::group::support_line;
use super::remedy;
use super::target::Target;
use crate::audit::{Check, Family, Judgement};
use crate::facts::Support;

pub(in crate::audit) const CONFIGURATION: Check = Check {
    id: "kernel-config",
    family: Family::Kernel,
    title: "the kernel's configuration and modules",
    explanation: "\
What a kernel can do is in its configuration: /proc/config.gz is the running kernel's own, /boot/config-RELEASE that of \
its package. Where there is neither, it is unknown, and the other checks go by what is seen at work. \
A kernel whose modules are gone from /lib/modules, as after an upgrade without a reboot, cannot load what is not loaded \
yet, and neither can one with kernel.modules_disabled=1: both are warnings; what of it matters is told by the checks of \
what needs it. \
A configuration from elsewhere is judged by `skep audit --kernel-config FILE`.",
    examine: |case| case.each(|subject| examine(&Target::of(subject))),
};

fn examine(target: &Target<'_>) -> Vec<Judgement> {
    let Some(running) = &target.running else { return Vec::new() };
    let release = target.release;
    let uninstalled: Vec<_> =
        target.options.keys().filter(|option| target.support(option) == Support::ModuleMissing).collect();
    if !running.kernel.modules_installed && !uninstalled.is_empty() {
        let lines: Vec<_> = uninstalled.iter().map(|option| support_line(target, option)).collect();
        let message = format!("there are no modules for the running kernel {release}");
        let judgement = Judgement::warning(message).seen(format!("/lib/modules/{release}"), "is not there");
        let judgement = judgement.seen(target.looked_at(), lines.join("\n"));
        return vec![judgement.remedy(format!(
            "reboot, where a newer kernel has been installed since; else reinstall the package of kernel {release}"
        ))];
    }
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
