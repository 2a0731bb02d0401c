//! The kernel of a made-up host on which all is well.

use super::options;
use crate::facts::{Facts, Support};

/// Gives a host a kernel that has everything, and all of it at work.
pub(in crate::audit) fn make_healthy(facts: &mut Facts) {
    let kernel = &mut facts.kernel;
    kernel.options = options()
        .into_iter()
        .filter(|option| !option.starts_with("LEGACY_VSYSCALL"))
        .map(|option| (option, Support::BuiltIn))
        .collect();
    for unwanted in ["LEGACY_VSYSCALL_NATIVE", "LEGACY_VSYSCALL_NONE"] {
        kernel.options.insert(unwanted.to_owned(), Support::Missing);
    }
    kernel.controllers = ["cpuset", "cpu", "io", "memory", "pids"].map(str::to_owned).into();
    kernel.apparmor = true;
    let release = kernel.release.clone();
    let Some(inspection) = facts.inspection.as_mut() else { return };
    let kernel = &mut inspection.kernel;
    kernel.configuration = Some(format!("/boot/config-{release}"));
    kernel.modules_installed = true;
    kernel.apparmor_parser = true;
    kernel.iptables = Some("/usr/sbin/xtables-nft-multi".to_owned());
    kernel.parameters = [
        ("kernel.keys.root_maxkeys", "1000000"),
        ("kernel.modules_disabled", "0"),
        ("net.bridge.bridge-nf-call-iptables", "1"),
        ("net.ipv4.ip_forward", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
}
