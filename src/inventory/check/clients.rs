//! Clients of a share, as exports(5) writes them. It takes almost anything for one, and some of that for the
//! whole world.

use std::net::IpAddr;

use ipnet::IpNet;

pub(super) fn is_one_word(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control() || ",#\"\\".contains(c))
}

/// Whether it is every computer there is.
pub(crate) fn is_everyone(client: &str) -> bool {
    client == "*" || network(client).is_some_and(|network| network.prefix_len() == 0)
}

/// The network of a client that is an address or a CIDR.
pub(crate) fn network(client: &str) -> Option<IpNet> {
    client.parse().ok().or_else(|| client.parse::<IpAddr>().ok().map(IpNet::from))
}

/// What is wrong with a client and what helps. A client is a host, an address, a network (prefix length or
/// dotted mask), a name with wildcards or a `@netgroup`.
pub(super) fn client_trouble(client: &str) -> Option<(&'static str, &'static str)> {
    const WANTED: &str = "write an address, a network (`192.168.2.0/24`), a host name or `@netgroup`";
    if client.is_empty() {
        return Some(("is empty, which is the whole world", WANTED));
    }
    if client.contains('(') || client.contains(')') {
        return Some((
            "holds options",
            "write options under `options:`; they hold for all clients of the share",
        ));
    }
    if !is_one_word(client) {
        return Some(("is not one word", "write each client as an item of its own: `[n2, n3]`"));
    }
    if client.contains('[') && client.contains(':') {
        return Some((
            "holds brackets, which exports(5) reads as a wildcard",
            "write an IPv6 address without brackets",
        ));
    }
    if client.starts_with('-') {
        return Some(("begins with `-`, which exports(5) reads as options", WANTED));
    }
    if client.starts_with('@') {
        return (client.len() == 1).then_some(("names no netgroup", WANTED));
    }
    if let Some((address, mask)) = client.split_once('/') {
        let dotted = address.parse::<std::net::Ipv4Addr>().is_ok()
            && mask.parse::<std::net::Ipv4Addr>().is_ok_and(|mask| ipnet::ipv4_mask_to_prefix(mask).is_ok());
        return (network(client).is_none() && !dotted).then_some(("is not a network", WANTED));
    }
    let host = |c: char| c.is_ascii_alphanumeric() || "._-*?[]:%".contains(c);
    (!client.chars().all(host) || (client.contains(':') && network(client).is_none()))
        .then_some(("is not a client", WANTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_hosts_networks_and_groups() {
        for good in [
            "192.168.2.0/24",
            "192.168.2.0/255.255.255.0",
            "192.168.2.7",
            "fd00::/64",
            "fd00::1",
            "n2",
            "*.lan",
            "n[1-3].lan",
            "@boards",
            "*",
        ] {
            assert_eq!(client_trouble(good), None, "{good}");
        }
        for (bad, why) in [
            ("", "whole world"),
            ("192.168.2.0/24 (rw)", "options"),
            ("n2(rw)", "options"),
            ("n2 n3", "one word"),
            ("n2,n3", "one word"),
            ("n2\nn3", "one word"),
            ("[fd00::1]", "brackets"),
            ("[fd00::]/64", "brackets"),
            ("-rw", "options"),
            ("@", "netgroup"),
            ("192.168.2.0/33", "network"),
            ("192.168.2.0/255.0.255.0", "network"),
            ("n2/24", "network"),
            ("fd00:::1", "not a client"),
            ("n2;n3", "not a client"),
        ] {
            let trouble = client_trouble(bad).unwrap_or_else(|| panic!("{bad:?} passed"));
            assert!(trouble.0.contains(why), "{bad:?}: {}", trouble.0);
        }
    }

    #[test]
    fn everyone_is_recognised() {
        for client in ["*", "0.0.0.0/0", "::/0"] {
            assert!(is_everyone(client), "{client}");
        }
        for client in ["*.lan", "192.168.2.0/24", "n2"] {
            assert!(!is_everyone(client), "{client}");
        }
    }
}
