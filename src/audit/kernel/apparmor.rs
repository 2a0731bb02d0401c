//! AppArmor: in the kernel, and with the tools that the engine needs for it.

use super::target::Target;
use crate::audit::{Check, Family, Judgement};

pub(in crate::audit) const APPARMOR: Check = Check {
    id: "apparmor",
    family: Family::Kernel,
    title: "confinement by AppArmor",
    explanation: "\
The engine confines containers by an AppArmor profile, which /sbin/apparmor_parser loads. Where the kernel has AppArmor \
enabled and that program is missing, as with images that install no recommended packages, the engine says nothing and \
runs containers unconfined: a warning, or a note where there is no engine yet, since `skep up` installs the package. \
A kernel that has AppArmor switched off is a note. \
Read from /sys/module/apparmor/parameters/enabled.",
    examine: |case| case.each(|subject| examine(&Target::of(subject))),
};

fn examine(target: &Target<'_>) -> Option<Judgement> {
    const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
    const PARSER: &str = "/sbin/apparmor_parser";
    let running = target.running?;
    let installed = running.engine.is_installed();
    if !running.apparmor {
        // Kernels that do not have it at all are kernel-optional's.
        let there = target.has("SECURITY_APPARMOR");
        let judgement =
            || Judgement::note("AppArmor is switched off, so that containers are not confined by it");
        return there.then(|| judgement().seen(ENABLED, "is not `Y`"));
    }
    Some(match (running.kernel.apparmor_parser, installed) {
        (true, _) => Judgement::ok("containers are confined").seen(ENABLED, "Y").seen(PARSER, "is there"),
        (false, true) => Judgement::warning("apparmor_parser is missing, so that containers run unconfined")
            .seen(ENABLED, "Y")
            .seen(PARSER, "is not there")
            .remedy("skep up, or on the host: apt-get install apparmor && systemctl restart docker"),
        (false, false) => Judgement::note("apparmor_parser is missing; `skep up` installs it")
            .seen(ENABLED, "Y")
            .seen(PARSER, "is not there"),
    })
}
