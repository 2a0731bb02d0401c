//! The kernel's checks on a node, beside moby's own script, and each fault that a node can be given.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("an_audit_judges_the_kernel_as_mobys_script_does_and_finds_each_fault", kernel)]
}

/// Checks of the kernel, each with the options that a kernel without it lacks.
const CHECKS: [(&str, &[&str]); 13] = [
    ("cgroup", &[]),
    ("kernel-config", &[]),
    ("kernel-necessary", &[]),
    ("kernel-optional", &[]),
    ("kernel-swarm", &["IP_VS", "NETFILTER_XT_MATCH_IPVS"]),
    ("kernel-overlay", &["VXLAN"]),
    ("kernel-overlay-encrypted", &[]),
    ("kernel-ipvlan", &[]),
    ("kernel-macvlan", &[]),
    ("kernel-ftp-tftp", &[]),
    ("kernel-storage", &[]),
    ("kernel-limits", &[]),
    ("iptables", &[]),
];

fn kernel() {
    let bench = Bench::with_engine("kernel", 1);
    bench.inventory(&[("n1", "manager")], "");
    // moby's script on the node itself: what it has is the truth that the healthy node is held against.
    let script = "bash /usr/share/docker.io/contrib/check-config.sh; true";
    let said = bench.on("n1", &format!("({script}) 2>&1 | sed 's/\\x1b\\[[0-9;]*m//g'"));
    let lacks = |option: &str| said.contains(&format!("CONFIG_{option}: missing"));
    let healthy = audit(&bench);
    for (check, options) in CHECKS {
        let severities = &healthy[check].iter().map(|one| one.severity.as_str()).collect::<Vec<_>>();
        let excused = options.iter().any(|option| lacks(option));
        let well = |severity: &&str| matches!(*severity, "ok" | "note");
        assert!(severities.iter().all(well) || excused, "{check}: {:#?}\n{said}", healthy[check]);
        assert!(!severities.contains(&"unknown"), "{check}: {severities:?}");
    }
    assert_eq!(said.contains("cgroup hierarchy: cgroupv2"), healthy["cgroup"][0].severity == "ok");
    assert!(
        said.contains("cgroup hierarchy: properly mounted") == (healthy["cgroup"][0].severity == "note"),
        "{said}"
    );

    plant(&bench);
    let share = "shares: {shared: {server: n1, path: /srv/shared, clients: [10.0.0.0/8]}}\n";
    bench.inventory(&[("n1", "manager")], share);
    bench.skep(&["audit", "--no-ports"]).exits(4).prints("CONFIG_VXLAN");
    let found = audit(&bench);
    for (check, severity, message, remedy) in [
        ("cgroup", "warning", "cgroups have no memory", "/boot/armbianEnv.txt"),
        ("kernel-necessary", "error", "CONFIG_POSIX_MQUEUE is not set", "apt-get install"),
        ("kernel-overlay", "error", "CONFIG_VXLAN is not installed as a module", "reboot: /lib/modules/"),
        ("kernel-nfs-server", "error", "CONFIG_NFSD", ""),
        ("kernel-limits", "warning", "root may have 200 keys only", "sysctl --system"),
        ("kernel-forwarding", "warning", "packets are not forwarded", "sysctl -w net.ipv4.ip_forward=1"),
        (
            "iptables",
            "error",
            "nothing that iptables-legacy can speak to",
            "--set iptables /usr/sbin/iptables-nft",
        ),
        ("apparmor", "warning", "apparmor_parser is missing", "apt-get install apparmor"),
    ] {
        let told = found[check].iter().find(|one| one.severity == severity && one.message.contains(message));
        let told =
            told.unwrap_or_else(|| panic!("{check}: no {severity} {message:?} in {:#?}", found[check]));
        assert!(told.remedy.contains(remedy), "{check}: {told:#?}");
    }
}

/// Gives the node each of the faults; all of them end with the node.
fn plant(bench: &Bench) {
    // A configuration that differs from this computer's in a few options: the nodes share its kernel.
    let packed = fs::exists("/proc/config.gz").unwrap();
    let edit = "sed -e '/^CONFIG_POSIX_MQUEUE=/d' -e '/^CONFIG_IP_NF_NAT=/d' -e '/^CONFIG_NFSD=/d' \
                -e 's/^CONFIG_VXLAN=.*/CONFIG_VXLAN=m/'";
    match packed {
        true => bench.on("n1", &format!("zcat /proc/config.gz | {edit} | gzip > /run/config.gz && mount --bind /run/config.gz /proc/config.gz")),
        false => bench.on("n1", &format!("c=/boot/config-$(uname -r); mkdir -p /boot; touch $c; {edit} -i $c; echo CONFIG_VXLAN=m >> $c")),
    };
    bench.on("n1", "test ! -e /lib/modules/$(uname -r) || mount -t tmpfs none /lib/modules");
    // The kernel's modules as they are seen: AppArmor enabled, no VXLAN at work.
    let module =
        "mkdir -p /run/module/apparmor/parameters && echo Y > /run/module/apparmor/parameters/enabled";
    let shown = "{ mkdir -p /sys/module || { mount -o remount,rw /sys && mkdir /sys/module; }; }";
    bench.on("n1", &format!("{module} && {shown} && mount --bind /run/module /sys/module"));
    bench.on("n1", "rm -f /sbin/apparmor_parser /usr/sbin/apparmor_parser");
    bench.on("n1", "echo 200 > /run/keys && mount --bind /run/keys /proc/sys/kernel/keys/root_maxkeys");
    bench.on("n1", "sysctl -w net.ipv4.ip_forward=0");
    bench.on("n1", "update-alternatives --set iptables /usr/sbin/iptables-legacy");
    bench.on("n1", "mkdir -p /boot && echo verbosity=1 > /boot/armbianEnv.txt");
    let unified = "sed 's/memory//' /sys/fs/cgroup/cgroup.controllers > /run/controllers && mount --bind /run/controllers /sys/fs/cgroup/cgroup.controllers";
    bench.on("n1", &format!("if test -e /sys/fs/cgroup/cgroup.controllers; then {unified}; else umount -l /sys/fs/cgroup/memory; fi"));
}

#[derive(Debug)]
struct Found {
    severity: String,
    message: String,
    remedy: String,
}

/// What an audit says of the node, by check.
fn audit(bench: &Bench) -> BTreeMap<String, Vec<Found>> {
    let run = bench.skep(&["audit", "--no-ports", "--json"]);
    let events = run.events();
    let report = events.iter().find(|event| event["event"] == "audit").unwrap_or_else(|| panic!("{run:#?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for verdict in report["verdicts"].as_array().unwrap() {
        let remedy: Vec<_> = verdict["remedy"].as_array().into_iter().flatten().map(text).collect();
        let one = Found {
            severity: text(&verdict["severity"]),
            message: text(&verdict["message"]),
            remedy: remedy.join("\n"),
        };
        found.entry(text(&verdict["check"])).or_default().push(one);
    }
    found
}
