//! Options of the kernel's configuration: the module that each makes, and what shows that it is at work.

use std::collections::BTreeMap;

use super::Support;

/// The module that an option makes where it is `m`. Options that are part of something else, or whose module has another
/// name on another kernel, are not here. Of several options with one module the first is the one that makes it.
pub const MODULES: &[(&str, &str)] = &[
    ("NFS_FS", "nfs"),
    ("NFS_V3", "nfsv3"),
    ("NFS_V4", "nfsv4"),
    ("NFSD", "nfsd"),
    ("NFSD_V4", "nfsd"),
    ("SUNRPC", "sunrpc"),
    ("VXLAN", "vxlan"),
    ("BRIDGE", "bridge"),
    ("BRIDGE_NETFILTER", "br_netfilter"),
    ("OVERLAY_FS", "overlay"),
    ("IP_VS", "ip_vs"),
    ("IP_VS_RR", "ip_vs_rr"),
    ("VETH", "veth"),
    ("NF_NAT", "nf_nat"),
    ("NF_TABLES", "nf_tables"),
    ("NFT_COMPAT", "nft_compat"),
    ("NFT_CT", "nft_ct"),
    ("NFT_FIB", "nft_fib"),
    ("NFT_FIB_IPV4", "nft_fib_ipv4"),
    ("NFT_FIB_IPV6", "nft_fib_ipv6"),
    ("NFT_MASQ", "nft_masq"),
    ("NFT_NAT", "nft_nat"),
    ("NETFILTER_XT_MARK", "xt_mark"),
    ("NETFILTER_XT_MATCH_ADDRTYPE", "xt_addrtype"),
    ("NETFILTER_XT_MATCH_BPF", "xt_bpf"),
    ("NETFILTER_XT_MATCH_CONNTRACK", "xt_conntrack"),
    ("NETFILTER_XT_MATCH_IPVS", "xt_ipvs"),
    ("IP_NF_FILTER", "iptable_filter"),
    ("IP_NF_MANGLE", "iptable_mangle"),
    ("IP_NF_NAT", "iptable_nat"),
    ("IP_NF_RAW", "iptable_raw"),
    ("IP6_NF_FILTER", "ip6table_filter"),
    ("IP6_NF_MANGLE", "ip6table_mangle"),
    ("IP6_NF_NAT", "ip6table_nat"),
    ("IP6_NF_RAW", "ip6table_raw"),
    ("IP_SCTP", "sctp"),
    ("NET_CLS_CGROUP", "cls_cgroup"),
    ("CRYPTO_GCM", "gcm"),
    ("CRYPTO_SEQIV", "seqiv"),
    ("XFRM_USER", "xfrm_user"),
    ("XFRM_ALGO", "xfrm_algo"),
    ("INET_ESP", "esp4"),
    ("IPVLAN", "ipvlan"),
    ("MACVLAN", "macvlan"),
    ("DUMMY", "dummy"),
    ("NF_NAT_FTP", "nf_nat_ftp"),
    ("NF_NAT_TFTP", "nf_nat_tftp"),
    ("NF_CONNTRACK_FTP", "nf_conntrack_ftp"),
    ("NF_CONNTRACK_TFTP", "nf_conntrack_tftp"),
    ("BTRFS_FS", "btrfs"),
    ("EXT4_FS", "ext4"),
];

/// Files that the kernel only has where an option is at work, built in or not.
pub(super) const TRACES: &[(&str, &str)] = &[
    ("NAMESPACES", "/proc/self/ns"),
    ("NET_NS", "/proc/self/ns/net"),
    ("PID_NS", "/proc/self/ns/pid"),
    ("IPC_NS", "/proc/self/ns/ipc"),
    ("UTS_NS", "/proc/self/ns/uts"),
    ("USER_NS", "/proc/self/ns/user"),
    ("CGROUPS", "/proc/self/cgroup"),
    ("CPUSETS", "/proc/self/cpuset"),
    ("KEYS", "/proc/keys"),
    ("POSIX_MQUEUE", "/proc/sys/fs/mqueue"),
    ("SECCOMP", "/proc/sys/kernel/seccomp"),
    ("SECCOMP_FILTER", "/proc/sys/kernel/seccomp/actions_avail"),
    ("SECURITY_APPARMOR", "/sys/module/apparmor"),
    ("SECURITY_SELINUX", "/sys/fs/selinux"),
    ("BRIDGE_NETFILTER", "/proc/sys/net/bridge"),
    ("IP_VS", "/proc/net/ip_vs"),
    ("IP_SCTP", "/proc/net/sctp"),
    ("SUNRPC", "/proc/net/rpc"),
    ("XFRM", "/proc/sys/net/core/xfrm_aevent_etime"),
];

/// File systems of `/proc/filesystems` with the option that brings each.
pub(super) const FILESYSTEMS: &[(&str, &str)] = &[
    ("NFS_FS", "nfs"),
    ("NFS_V4", "nfs4"),
    ("NFSD", "nfsd"),
    ("OVERLAY_FS", "overlay"),
    ("BTRFS_FS", "btrfs"),
    ("EXT4_FS", "ext4"),
];

/// Controllers of cgroups with the option that brings each, by their names in version 1 and 2.
pub(super) const CONTROLLERS: &[(&str, &str)] = &[
    ("CGROUP_SCHED", "cpu"),
    ("CGROUP_CPUACCT", "cpuacct"),
    ("CGROUP_DEVICE", "devices"),
    ("CGROUP_FREEZER", "freezer"),
    ("CGROUP_PIDS", "pids"),
    ("CGROUP_HUGETLB", "hugetlb"),
    ("CGROUP_PERF", "perf_event"),
    ("CGROUP_NET_PRIO", "net_prio"),
    ("CPUSETS", "cpuset"),
    ("MEMCG", "memory"),
    ("BLK_CGROUP", "io"),
    ("BLK_CGROUP", "blkio"),
];

/// The option that would bring a controller of cgroups, where a kernel of these options is known to be built without it.
pub fn built_without(options: &BTreeMap<String, Support>, controller: &str) -> Option<&'static str> {
    let (option, _) = CONTROLLERS.iter().find(|(_, name)| *name == controller)?;
    (options.get(*option) == Some(&Support::Missing)).then_some(*option)
}

/// The module that an option makes.
pub fn module_of(option: &str) -> Option<&'static str> {
    MODULES.iter().find(|(name, _)| *name == option).map(|(_, module)| *module)
}

/// Whether it is this option that makes its module, and not only something inside.
pub(super) fn makes(option: &str, module: &str) -> bool {
    MODULES.iter().find(|(_, other)| *other == module).is_some_and(|(first, _)| *first == option)
}
