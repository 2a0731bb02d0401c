//! Packet filters that are switched on, by their own settings. The kernel's rules are not read: that takes netlink or a
//! program for each of its two tongues.

use serde::{Deserialize, Serialize};

use super::is_running;
use crate::facts::text;
use crate::resource::Host;

/// A packet filter that is switched on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Which.
    pub kind: FilterKind,
    /// What says so.
    pub place: String,
}

/// The packet filters of Debian and Ubuntu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterKind {
    /// ufw(8).
    Ufw,
    /// firewalld(1).
    Firewalld,
    /// Rules that nftables.service loads; the chain for incoming packets as nft(8) names it: `inet filter input`.
    Nftables(Option<String>),
    /// Rules that netfilter-persistent loads.
    Iptables,
}

pub(super) fn read(host: &Host) -> Vec<Filter> {
    let mut filters = Vec::new();
    let mut on = |kind, place: &str| filters.push(Filter { kind, place: place.to_owned() });
    if text(host, "/etc/ufw/ufw.conf").lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
        on(FilterKind::Ufw, "/etc/ufw/ufw.conf");
    }
    if is_running(host, "firewalld.service") {
        on(FilterKind::Firewalld, "firewalld.service");
    }
    let nftables = text(host, "/etc/nftables.conf");
    if !nftables.is_empty() && is_wanted(host, "nftables.service") {
        on(FilterKind::Nftables(input_chain(&nftables)), "/etc/nftables.conf");
    }
    let rules = text(host, "/etc/iptables/rules.v4");
    if !rules.is_empty() && is_wanted(host, "netfilter-persistent.service") {
        on(FilterKind::Iptables, "/etc/iptables/rules.v4");
    }
    filters
}

/// Whether a unit is enabled.
fn is_wanted(host: &Host, unit: &str) -> bool {
    ["sysinit.target.wants", "multi-user.target.wants"].iter().any(|target| {
        // A symbolic link to a file that is only there where it is seen from the host.
        std::fs::symlink_metadata(host.path(format!("/etc/systemd/system/{target}/{unit}"))).is_ok()
    })
}

/// The chain that is hooked to incoming packets in the text of nft(8).
fn input_chain(text: &str) -> Option<String> {
    let (mut table, mut chain) = (None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split([' ', '\t', '{', ';']).filter(|word| !word.is_empty()).collect();
        match words[..] {
            ["table", family, name, ..] => table = Some(format!("{family} {name}")),
            ["table", name] => table = Some(format!("ip {name}")),
            ["chain", name, ..] => chain = Some(name.to_owned()),
            _ => {}
        }
        if words.windows(2).any(|pair| pair == ["hook", "input"]) {
            return Some(format!("{} {}", table?, chain?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::host;
    use super::*;

    #[test]
    fn filters_that_are_switched_on() {
        let ufw = ("/etc/ufw/ufw.conf", "# on boot\nENABLED=yes\n");
        let wanted = ("/etc/systemd/system/sysinit.target.wants/nftables.service", "");
        let nft = (
            "/etc/nftables.conf",
            "table inet filter {\n chain input {\n  type filter hook input priority 0;\n }\n}\n",
        );
        let persistent = ("/etc/systemd/system/multi-user.target.wants/netfilter-persistent.service", "");
        for (files, expected) in [
            (&[][..], &[][..]),
            (&[ufw], &[FilterKind::Ufw]),
            (&[("/etc/ufw/ufw.conf", "ENABLED=no\n")], &[]),
            (&[nft], &[]),
            (&[nft, wanted], &[FilterKind::Nftables(Some("inet filter input".into()))]),
            (&[("/sys/fs/cgroup/system.slice/firewalld.service/cgroup.procs", "")], &[FilterKind::Firewalld]),
            (&[persistent], &[]),
            (&[persistent, ("/etc/iptables/rules.v4", "*filter\n")], &[FilterKind::Iptables]),
        ] {
            let kinds: Vec<_> = read(&host(files).1).into_iter().map(|filter| filter.kind).collect();
            assert_eq!(kinds, expected, "{files:?}");
        }
    }

    #[test]
    fn the_chain_of_incoming_packets() {
        for (text, chain) in [
            (
                "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter;\n",
                Some("inet filter input"),
            ),
            (
                "#!/usr/sbin/nft -f\nflush ruleset\ntable my {\nchain fwd { type filter hook forward priority 0; }\nchain IN { type filter hook input priority 0; policy drop; }",
                Some("ip my IN"),
            ),
            ("table inet filter {\n# chain x { hook input }\n}\n", None),
            ("", None),
        ] {
            assert_eq!(input_chain(text).as_deref(), chain, "{text}");
        }
    }
}
