//! Which options are needed for what: moby's `contrib/check-config.sh`, category by category, and beyond it what a swarm
//! and NFS need. `docs/check-config.md` tells where this departs from the script, and why.

use super::item::Item;

const CONTAINERS: &str = "containers cannot be told apart";
const BRIDGE: &str = "containers have no network";
const FILTER: &str = "published ports and masquerading do not work";
const FILTER6: &str = "published ports and masquerading do not work over IPv6";
/// What iptables' commands are turned into where they are not iptables of old.
const NFT: &[&str] = &["NF_TABLES", "NFT_COMPAT"];

/// Without which no container runs as Docker runs it.
pub(super) const NECESSARY: &[Item] = &[
    Item::must("NAMESPACES", CONTAINERS),
    Item::must("NET_NS", CONTAINERS),
    Item::must("PID_NS", CONTAINERS),
    Item::must("IPC_NS", CONTAINERS),
    Item::must("UTS_NS", CONTAINERS),
    Item::must("CGROUPS", CONTAINERS),
    Item::must("CGROUP_CPUACCT", "no accounting of processor time").cgroup(1),
    Item::must("CGROUP_DEVICE", "the engine does not start").cgroup(1),
    Item::must("CGROUP_FREEZER", "containers cannot be paused").cgroup(1),
    Item::must("CGROUP_SCHED", "no shares of processor time"),
    Item::should("CPUSETS", "containers cannot be bound to processors"),
    Item::should("MEMCG", "no limits of memory"),
    Item::must("KEYS", "no keyring of its own for a container"),
    Item::must("VETH", BRIDGE),
    Item::must("BRIDGE", BRIDGE),
    Item::must("BRIDGE_NETFILTER", "the engine makes no `docker_gwbridge`, and so no node of a swarm"),
    Item::must("IP_NF_FILTER", FILTER).or(NFT),
    Item::must("IP_NF_MANGLE", FILTER).or(NFT),
    Item::must("IP_NF_TARGET_MASQUERADE", FILTER).or(&[
        "NF_TABLES",
        "NFT_COMPAT",
        "NETFILTER_XT_TARGET_MASQUERADE",
    ]),
    Item::must("IP6_NF_FILTER", FILTER6).or(NFT),
    Item::must("IP6_NF_MANGLE", FILTER6).or(NFT),
    Item::must("IP6_NF_TARGET_MASQUERADE", FILTER6).or(&[
        "NF_TABLES",
        "NFT_COMPAT",
        "NETFILTER_XT_TARGET_MASQUERADE",
    ]),
    Item::must("NETFILTER_XT_MATCH_ADDRTYPE", FILTER),
    Item::must("NETFILTER_XT_MATCH_CONNTRACK", FILTER),
    Item::must("NETFILTER_XT_MARK", "no load is balanced between the tasks of a service"),
    Item::must("IP_NF_RAW", FILTER).or(NFT),
    Item::must("IP_NF_NAT", FILTER).or(&["NF_TABLES", "NFT_COMPAT", "NFT_NAT"]),
    Item::must("NF_NAT", FILTER),
    Item::must("IP6_NF_RAW", FILTER6).or(NFT),
    Item::must("IP6_NF_NAT", FILTER6).or(&["NF_TABLES", "NFT_COMPAT", "NFT_NAT"]),
    Item::must("POSIX_MQUEUE", "no container starts: each has /dev/mqueue"),
    Item::must("DEVPTS_MULTIPLE_INSTANCES", "containers share terminals").until(4, 8),
    Item::must("CGROUP_BPF", "containers cannot be kept from devices").since(4, 15).cgroup(2),
    Item::must("NF_NAT_IPV4", FILTER).until(5, 2),
    Item::must("NF_NAT_NEEDED", FILTER).until(5, 3),
];

/// Without which something does not work that containers may ask for.
pub(super) const OPTIONAL: &[Item] = &[
    Item::may("USER_NS", "no `userns-remap`, no rootless engine"),
    Item::should("SECCOMP", "containers may make any system call"),
    Item::should("SECCOMP_FILTER", "containers may make any system call"),
    Item::should("CGROUP_PIDS", "no limits of processes"),
    Item::may("MEMCG_SWAP", "no limits of swap").until(5, 8),
    Item::may("MEMCG_SWAP_ENABLED", "no limits of swap without `swapaccount=1`").until(5, 8),
    Item::unwanted("LEGACY_VSYSCALL_NATIVE", "an address that attackers know"),
    Item::unwanted("LEGACY_VSYSCALL_NONE", "programs with a glibc before 2.14 do not run"),
    Item::may("MEMCG_KMEM", "no limits of the kernel's memory").until(4, 6),
    Item::may("RESOURCE_COUNTERS", "no limits of memory").until(3, 19),
    Item::may("IOSCHED_CFQ", "no weights of input and output").until(5, 0),
    Item::may("CFQ_GROUP_IOSCHED", "no weights of input and output").until(5, 0),
    Item::may("BLK_CGROUP", "no limits of input and output"),
    Item::may("BLK_DEV_THROTTLING", "no limits of input and output"),
    Item::may("CGROUP_PERF", "no measuring of single containers"),
    Item::may("CGROUP_HUGETLB", "no limits of huge pages"),
    Item::may("NET_CLS_CGROUP", "no classes of traffic"),
    Item::may("NETPRIO_CGROUP", "no priorities of traffic").until(3, 14),
    Item::may("CGROUP_NET_PRIO", "no priorities of traffic").since(3, 14),
    Item::should("CFS_BANDWIDTH", "services with a limit of processors do not start"),
    Item::may("FAIR_GROUP_SCHED", "no shares of processor time"),
    Item::may("IP_SCTP", "no SCTP"),
    Item::may("SECURITY_SELINUX", "no SELinux"),
    Item::may("SECURITY_APPARMOR", "containers are not confined by AppArmor"),
    Item::may("NFT_CT", "no `firewall-backend: nftables`"),
    Item::may("NFT_FIB_IPV4", "no `firewall-backend: nftables`"),
    Item::may("NFT_FIB_IPV6", "no `firewall-backend: nftables`"),
    Item::may("NFT_FIB", "no `firewall-backend: nftables`"),
    Item::may("NFT_MASQ", "no `firewall-backend: nftables`"),
    Item::may("NFT_NAT", "no `firewall-backend: nftables`"),
    Item::may("NF_TABLES", "no nftables"),
    Item::may("EXT3_FS", "no ext3").or(&["EXT4_USE_FOR_EXT2"]),
    Item::may("EXT3_FS_XATTR", "no attributes on ext3").or(&["EXT4_USE_FOR_EXT2"]),
    Item::may("EXT3_FS_POSIX_ACL", "no access lists on ext3").or(&["EXT4_USE_FOR_EXT2"]),
    Item::may("EXT3_FS_SECURITY", "no labels on ext3").or(&["EXT4_USE_FOR_EXT2"]),
    Item::may("EXT4_FS", "no ext4"),
    Item::may("EXT4_FS_POSIX_ACL", "no access lists on ext4"),
    Item::may("EXT4_FS_SECURITY", "no labels on ext4"),
];

const IPVS: &str = "virtual IPs of services and the routing mesh do not work";

/// Without which a swarm's services are not reached.
pub(super) const SWARM: &[Item] = &[
    Item::must("IP_VS", IPVS),
    Item::must("IP_VS_NFCT", IPVS),
    Item::must("IP_VS_PROTO_TCP", IPVS),
    Item::must("IP_VS_PROTO_UDP", IPVS),
    Item::must("IP_VS_RR", IPVS),
    Item::must("NETFILTER_XT_MATCH_IPVS", IPVS),
    Item::must("IP_NF_TARGET_REDIRECT", "published ports are not led to services").or(&[
        "NF_TABLES",
        "NFT_COMPAT",
        "NETFILTER_XT_TARGET_REDIRECT",
    ]),
];

/// Without which there are no overlay networks.
pub(super) const OVERLAY: &[Item] = &[
    Item::must("VXLAN", "no overlay networks"),
    Item::may("BRIDGE_VLAN_FILTERING", "nothing that engines of today use"),
];

const ESP: &str = "no encrypted overlay networks";

/// Without which there are no encrypted overlay networks (`--opt encrypted`).
pub(super) const ENCRYPTED: &[Item] = &[
    Item::may("CRYPTO", ESP),
    Item::may("CRYPTO_AEAD", ESP),
    Item::may("CRYPTO_GCM", ESP),
    Item::may("CRYPTO_SEQIV", ESP),
    Item::may("CRYPTO_GHASH", ESP),
    Item::may("XFRM", ESP),
    Item::may("XFRM_USER", ESP),
    Item::may("XFRM_ALGO", ESP),
    Item::may("INET_ESP", ESP),
    Item::may("NETFILTER_XT_MATCH_BPF", ESP),
    Item::may("INET_XFRM_MODE_TRANSPORT", ESP).until(5, 4),
];

/// Without which there are no networks of the driver `ipvlan`.
pub(super) const IPVLAN: &[Item] = &[Item::may("IPVLAN", "no networks of the driver `ipvlan`")];

/// Without which there are no networks of the driver `macvlan`.
pub(super) const MACVLAN: &[Item] = &[
    Item::may("MACVLAN", "no networks of the driver `macvlan`"),
    Item::may("DUMMY", "no internal networks of the drivers `macvlan` and `ipvlan`"),
];

/// Without which containers cannot be clients of FTP and TFTP.
pub(super) const HELPERS: &[Item] = &[
    Item::may("NF_NAT_FTP", "no FTP out of containers"),
    Item::may("NF_CONNTRACK_FTP", "no FTP out of containers"),
    Item::may("NF_NAT_TFTP", "no TFTP out of containers"),
    Item::may("NF_CONNTRACK_TFTP", "no TFTP out of containers"),
];

/// Without which the engine has no storage driver but `vfs`, which copies each layer whole.
pub(super) const STORAGE: &[Item] = &[
    Item::must("OVERLAY_FS", "no storage driver `overlay2`"),
    Item::may("BTRFS_FS", "no storage driver `btrfs`"),
    Item::may("BTRFS_FS_POSIX_ACL", "no storage driver `btrfs`"),
];

/// Options that only stand in for others, or decide about iptables and NFS.
pub(super) const BESIDES: &[&str] = &[
    "NFT_COMPAT",
    "NETFILTER_XT_TARGET_MASQUERADE",
    "NETFILTER_XT_TARGET_REDIRECT",
    "NETFILTER_XTABLES_LEGACY",
    "IP_NF_IPTABLES",
    "IP_NF_IPTABLES_LEGACY",
    "IP6_NF_IPTABLES",
    "EXT4_USE_FOR_EXT2",
    "SUNRPC",
    "NFS_FS",
    "NFS_V4",
    "NFS_V4_1",
    "NFS_V4_2",
    "NFSD",
    "NFSD_V4",
];

#[cfg(test)]
mod tests {
    use super::super::GROUPS;
    use super::*;

    #[test]
    fn no_option_is_asked_for_twice() {
        let mut names: Vec<_> = GROUPS.iter().flat_map(|group| group.items).map(|item| item.option).collect();
        names.extend(BESIDES.iter().filter(|name| **name != "NFT_COMPAT"));
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert_eq!(twice, [""; 0]);
        assert!(
            BESIDES.contains(&"NFT_COMPAT")
                && NECESSARY.iter().all(|item| !item.option.starts_with("CONFIG_"))
        );
    }
}
