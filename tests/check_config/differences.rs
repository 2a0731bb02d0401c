//! What skep and the script are known to differ in; `docs/check-config.md` says why.

use std::collections::BTreeSet;

use skep::audit::Severity;

use crate::script::Section;

/// Options that only some version of the script asks for, with the heading of the documentation.
pub(crate) const ONLY_THEIRS: &[(&str, &str)] = &[
    ("AUFS_FS", "drivers that engines have given up"),
    ("BLK_DEV_DM", "drivers that engines have given up"),
    ("DM_THIN_PROVISIONING", "drivers that engines have given up"),
    ("RT_GROUP_SCHED", "dropped by the script itself"),
    ("LEGACY_VSYSCALL_EMULATE", "vsyscall"),
    ("MEMCG_SWAP", "swap"),
    ("MEMCG_SWAP_ENABLED", "swap"),
];

/// Options that only skep asks for.
const ONLY_OURS: &[(&str, &str)] = &[
    ("NFSD", "NFS"),
    ("NFSD_V4", "NFS"),
    ("NFS_FS", "NFS"),
    ("NFS_V4", "NFS"),
    ("NFS_V4_1", "NFS"),
    ("NFS_V4_2", "NFS"),
    ("SUNRPC", "NFS"),
    ("CGROUP_BPF", "newer"),
    ("SECCOMP_FILTER", "newer"),
    ("SECURITY_SELINUX", "newer"),
    ("SECURITY_APPARMOR", "newer"),
    ("IP_NF_MANGLE", "newer"),
    ("IP_NF_RAW", "newer"),
    ("IP6_NF_FILTER", "newer"),
    ("IP6_NF_MANGLE", "newer"),
    ("IP6_NF_NAT", "newer"),
    ("IP6_NF_RAW", "newer"),
    ("IP6_NF_TARGET_MASQUERADE", "newer"),
    ("IP_SCTP", "newer"),
    ("NETFILTER_XT_MATCH_BPF", "newer"),
    ("NFT_CT", "newer"),
    ("NFT_FIB", "newer"),
    ("NFT_FIB_IPV4", "newer"),
    ("NFT_FIB_IPV6", "newer"),
    ("NFT_MASQ", "newer"),
    ("NFT_NAT", "newer"),
    ("NF_TABLES", "newer"),
    ("EXT3_FS", "ext3"),
    ("EXT3_FS_XATTR", "ext3"),
    ("EXT3_FS_POSIX_ACL", "ext3"),
    ("EXT3_FS_SECURITY", "ext3"),
    ("LEGACY_VSYSCALL_NATIVE", "vsyscall"),
    ("LEGACY_VSYSCALL_NONE", "vsyscall"),
];

/// Options that are judged by another check than the one that stands for the script's category.
const MOVED: &[(&str, &str)] = &[
    ("NETFILTER_XT_MATCH_IPVS", "kernel-swarm"),
    ("IP_NF_TARGET_REDIRECT", "kernel-swarm"),
    ("IP_VS", "kernel-swarm"),
    ("IP_VS_NFCT", "kernel-swarm"),
    ("IP_VS_PROTO_TCP", "kernel-swarm"),
    ("IP_VS_PROTO_UDP", "kernel-swarm"),
    ("IP_VS_RR", "kernel-swarm"),
];

/// Options that fail the script, and are less than an error here.
const WEIGHED: &[(&str, Severity)] = &[
    ("MEMCG", Severity::Warning),
    ("CPUSETS", Severity::Warning),
    // Where nftables stand for the tables of old.
    ("IP_NF_FILTER", Severity::Ok),
    ("IP_NF_MANGLE", Severity::Ok),
    ("IP_NF_NAT", Severity::Ok),
    ("IP_NF_RAW", Severity::Ok),
    ("IP_NF_TARGET_MASQUERADE", Severity::Ok),
    ("IP6_NF_FILTER", Severity::Ok),
    ("IP6_NF_MANGLE", Severity::Ok),
    ("IP6_NF_NAT", Severity::Ok),
    ("IP6_NF_RAW", Severity::Ok),
    ("IP6_NF_TARGET_MASQUERADE", Severity::Ok),
];

/// The check that stands for a category of the script.
pub(crate) fn place(section: Section) -> &'static str {
    match section {
        Section::Necessary => "kernel-necessary",
        Section::Optional => "kernel-optional",
        Section::Overlay => "kernel-overlay",
        Section::Encrypted => "kernel-overlay-encrypted",
        Section::Ipvlan => "kernel-ipvlan",
        Section::Macvlan => "kernel-macvlan",
        Section::Helpers => "kernel-ftp-tftp",
        Section::Storage => "kernel-storage",
    }
}

pub(crate) fn only_theirs(option: &str) -> Option<String> {
    let known = ONLY_THEIRS.iter().find(|(name, _)| *name == option)?;
    Some(format!("{} is asked for by the script", known.0))
}

pub(crate) fn only_ours(option: &str) -> Option<String> {
    let known = ONLY_OURS.iter().find(|(name, _)| *name == option)?;
    Some(format!("{} is asked for by skep", known.0))
}

pub(crate) fn moved(option: &str, check: &str) -> Option<String> {
    let known = MOVED.iter().find(|(name, to)| *name == option && *to == check)?;
    Some(format!("{} is judged by {}", known.0, known.1))
}

pub(crate) fn weighed(option: &str, severity: Severity) -> Option<String> {
    let known = WEIGHED.iter().find(|(name, weight)| *name == option && *weight == severity)?;
    Some(format!("{} is worth {:?}", known.0, known.1))
}

/// Every difference that can be seen with scripts that ask for these options, by the name that the functions above give
/// it.
pub(crate) fn names(asked: &BTreeSet<String>) -> BTreeSet<String> {
    let theirs = ONLY_THEIRS.iter().filter_map(|(option, _)| only_theirs(option));
    let ours = ONLY_OURS.iter().filter_map(|(option, _)| only_ours(option));
    let moved = MOVED.iter().filter_map(|(option, check)| moved(option, check));
    let asked = WEIGHED.iter().filter(|(option, _)| asked.contains(*option));
    let weighed = asked.filter_map(|(option, severity)| weighed(option, *severity));
    theirs.chain(ours).chain(moved).chain(weighed).collect()
}

/// The options of all differences.
pub(crate) fn options() -> BTreeSet<&'static str> {
    let named = [ONLY_THEIRS, ONLY_OURS, MOVED].concat().into_iter().map(|(option, _)| option);
    named.chain(WEIGHED.iter().map(|(option, _)| *option)).collect()
}
