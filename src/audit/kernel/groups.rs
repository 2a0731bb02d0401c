//! The checks of groups of options.

use super::group::{self, Group};
use super::item::{Item, Need};
use super::table;
use super::target::Target;
use crate::audit::{Check, Family, Judgement};

pub(super) const NECESSARY_OPTIONS: Group = Group { items: table::NECESSARY, otherwise: None };
pub(super) const OPTIONAL_OPTIONS: Group = Group { items: table::OPTIONAL, otherwise: None };
pub(super) const SWARM_OPTIONS: Group =
    Group { items: table::SWARM, otherwise: Some(crate::plan::WITHOUT_IP_VS) };
pub(super) const OVERLAY_OPTIONS: Group = Group { items: table::OVERLAY, otherwise: None };
pub(super) const ENCRYPTED_OPTIONS: Group = Group { items: table::ENCRYPTED, otherwise: None };
pub(super) const IPVLAN_OPTIONS: Group = Group { items: table::IPVLAN, otherwise: None };
pub(super) const MACVLAN_OPTIONS: Group = Group { items: table::MACVLAN, otherwise: None };
pub(super) const HELPER_OPTIONS: Group = Group { items: table::HELPERS, otherwise: None };
pub(super) const STORAGE_OPTIONS: Group = Group { items: table::STORAGE, otherwise: None };

pub(in crate::audit) const NECESSARY: Check = Check {
    id: "kernel-necessary",
    family: Family::Kernel,
    title: "what containers need",
    explanation: "\
The options of the kernel's configuration that moby's contrib/check-config.sh calls generally necessary: namespaces, \
cgroups, bridges, packet filters, message queues. \
Read from /proc/config.gz, else from /boot/config-RELEASE, else from what is seen at work in /proc and /sys; a module \
counts where it is installed for the running kernel. \
An option that is missing is an error; without MEMCG and CPUSETS the engine runs, only limits do not hold, so that \
they are warnings. \
The tables of iptables of old (IP_NF_FILTER and its like) may be missing where nftables does their work (NF_TABLES, \
NFT_COMPAT). What only one version of cgroups uses is no more than a note with the other. \
The remedy is the package of the modules, or of a kernel that has them. docs/check-config.md tells every difference \
from the script.",
    examine: |case| case.each(|subject| necessary(&Target::of(subject))),
};

pub(in crate::audit) const OPTIONAL: Check = Check {
    id: "kernel-optional",
    family: Family::Kernel,
    title: "what containers may ask for",
    explanation: "\
The options that moby's contrib/check-config.sh calls optional, besides those that a swarm cannot do without, which \
are a check of their own (kernel-swarm). \
Read as by kernel-necessary. \
Without SECCOMP, SECCOMP_FILTER, CGROUP_PIDS or CFS_BANDWIDTH much that people rely on does not work or does not hold, \
which is a warning: a service with a limit of processors is refused by a kernel without CFS_BANDWIDTH. All else is a \
note that says what is lost.",
    examine: |case| case.each(|subject| optional(&Target::of(subject))),
};

pub(in crate::audit) const SWARM: Check = Check {
    id: "kernel-swarm",
    family: Family::Kernel,
    title: "virtual IPs and the routing mesh",
    explanation: "\
A swarm gives each service one virtual address and each published port to every node; both are made with IPVS in the \
kernel (IP_VS, IP_VS_NFCT, IP_VS_PROTO_TCP, IP_VS_PROTO_UDP, IP_VS_RR, NETFILTER_XT_MATCH_IPVS) and with redirections \
(IP_NF_TARGET_REDIRECT, or what stands for it in nftables). \
moby's contrib/check-config.sh calls them optional, which they are for an engine without a swarm: here each that is \
missing is an error. Tasks start all the same, and cannot be reached. \
Read as by kernel-necessary. \
What helps is a kernel that has them; or services with `endpoint_mode: dnsrr` and ports in `mode: host`, which do \
without.",
    examine: |case| case.each(|subject| swarm(&Target::of(subject))),
};

pub(in crate::audit) const OVERLAY: Check = Check {
    id: "kernel-overlay",
    family: Family::Kernel,
    title: "overlay networks",
    explanation: "\
Overlay networks, and the ingress network that every swarm has, are VXLAN: a kernel without it is an error. Boards of \
Ubuntu have it in a package apart (linux-modules-extra). \
BRIDGE_VLAN_FILTERING is asked for by moby's contrib/check-config.sh, but no engine of today uses it on Linux: a note. \
Read as by kernel-necessary.",
    examine: |case| case.each(|subject| overlay(&Target::of(subject))),
};

pub(in crate::audit) const ENCRYPTED: Check = Check {
    id: "kernel-overlay-encrypted",
    family: Family::Kernel,
    title: "encrypted overlay networks",
    explanation: "\
Overlay networks that are made with `--opt encrypted` send their packets in IPsec's ESP: the kernel needs INET_ESP, \
XFRM, AES-GCM and, to find the packets, NETFILTER_XT_MATCH_BPF. \
Nothing in an inventory says whether there will be such networks, so that what is missing is a note. On a node without \
it the tasks of such a network do not start. \
Read as by kernel-necessary; IP protocol 50 has to come through between the nodes as well.",
    examine: |case| case.each(|subject| encrypted(&Target::of(subject))),
};

pub(in crate::audit) const IPVLAN: Check = Check {
    id: "kernel-ipvlan",
    family: Family::Kernel,
    title: "networks of the driver ipvlan",
    explanation: "\
Networks of the driver `ipvlan` need the option IPVLAN. \
Swarms have them only where somebody makes them, so that a kernel without is a note. \
Read as by kernel-necessary.",
    examine: |case| case.each(|subject| ipvlan(&Target::of(subject))),
};

pub(in crate::audit) const MACVLAN: Check = Check {
    id: "kernel-macvlan",
    family: Family::Kernel,
    title: "networks of the driver macvlan",
    explanation: "\
Networks of the driver `macvlan` need the option MACVLAN, and those without a parent interface need DUMMY. \
Swarms have them only where somebody makes them, so that a kernel without is a note. \
Read as by kernel-necessary.",
    examine: |case| case.each(|subject| macvlan(&Target::of(subject))),
};

pub(in crate::audit) const HELPERS: Check = Check {
    id: "kernel-ftp-tftp",
    family: Family::Kernel,
    title: "FTP and TFTP out of containers",
    explanation: "\
Clients of FTP and TFTP in containers are reached through address translation only with the kernel's helpers for these \
protocols (NF_NAT_FTP, NF_CONNTRACK_FTP and their like for TFTP). \
Few need them, so that a kernel without is a note. \
Read as by kernel-necessary.",
    examine: |case| case.each(|subject| helpers(&Target::of(subject))),
};

pub(in crate::audit) const STORAGE: Check = Check {
    id: "kernel-storage",
    family: Family::Kernel,
    title: "storage drivers",
    explanation: "\
The engine's images are layers: overlay2 puts them together with OVERLAY_FS, btrfs and zfs in their own ways. \
Without any of them it falls back to `vfs`, which copies each layer whole and fills the disc: an error. Where only \
btrfs or zfs is there, /var/lib/docker has to be on such a file system: a warning. \
Read as by kernel-necessary; zfs, which is no part of Linux, by /dev/zfs.",
    examine: |case| case.each(|subject| storage(&Target::of(subject))),
};

pub(super) fn necessary(target: &Target<'_>) -> Vec<Judgement> {
    NECESSARY_OPTIONS.judge(target)
}

pub(super) fn optional(target: &Target<'_>) -> Vec<Judgement> {
    OPTIONAL_OPTIONS.judge(target)
}

pub(super) fn swarm(target: &Target<'_>) -> Vec<Judgement> {
    SWARM_OPTIONS.judge(target)
}

pub(super) fn overlay(target: &Target<'_>) -> Vec<Judgement> {
    OVERLAY_OPTIONS.judge(target)
}

pub(super) fn encrypted(target: &Target<'_>) -> Vec<Judgement> {
    ENCRYPTED_OPTIONS.judge(target)
}

pub(super) fn ipvlan(target: &Target<'_>) -> Vec<Judgement> {
    IPVLAN_OPTIONS.judge(target)
}

pub(super) fn macvlan(target: &Target<'_>) -> Vec<Judgement> {
    MACVLAN_OPTIONS.judge(target)
}

pub(super) fn helpers(target: &Target<'_>) -> Vec<Judgement> {
    HELPER_OPTIONS.judge(target)
}

/// One driver is enough; which one the engine has is another check.
pub(super) fn storage(target: &Target<'_>) -> Vec<Judgement> {
    let another = target.has("BTRFS_FS") || target.running.is_some_and(|running| running.kernel.zfs);
    let need = |item: &Item| match item.need {
        Need::Must if another => Need::Should,
        // Nobody misses btrfs where there is overlay2; where there is none, that is said already.
        Need::May => Need::Unneeded,
        need => need,
    };
    let items: Vec<_> = table::STORAGE.iter().map(|item| Item { need: need(item), ..*item }).collect();
    group::judge(target, &items, None)
}
