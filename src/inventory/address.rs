//! What an address and a user name may look like: the same in the inventory and on the command line.

use std::net::IpAddr;

/// Whether it can be the name of a user. Generous, but nothing that a shell or `user@host` would take apart.
pub(super) fn is_user_name(user: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@:/'\"`$;&|<>(){}#,\\".contains(c);
    !user.is_empty() && !user.starts_with('-') && !user.contains(odd)
}

/// What is wrong with an address and what helps.
pub(super) fn address_trouble(address: &str) -> Option<(&'static str, &'static str)> {
    const WANTED: &str = "write an IP address (`192.168.2.1`, `fd00::1`) or a host name";
    if let Ok(ip) = address.parse::<IpAddr>() {
        let nobody = ip.is_unspecified() || ip.is_multicast();
        return nobody.then_some(("is no machine's address", WANTED));
    }
    if address.contains('@') {
        return Some(("holds a user name", "write the user with the key `user:`"));
    }
    if address.starts_with('[') {
        return Some((
            "holds brackets",
            "write an IPv6 address without brackets, and the port with the key `port:`",
        ));
    }
    if address.contains('/') {
        return Some(("is a network or a path", "write the machine's own address, without `/`"));
    }
    if address.matches(':').count() == 1 {
        return Some(("holds a port", "write the port with the key `port:`"));
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let name = address.strip_suffix('.').unwrap_or(address);
    let number = name.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    (number || name.len() > 253 || !name.split('.').all(label))
        .then_some(("is neither an IP address nor a host name", WANTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ips_or_host_names() {
        for good in
            ["192.168.2.1", "fd00::1", "n1", "n1.lan", "pi_4.local", "Board-3.example.org.", "127.0.0.1"]
        {
            assert_eq!(address_trouble(good), None, "{good}");
        }
        for (bad, why) in [
            ("pi@n1", "user"),
            ("[fd00::1]", "brackets"),
            ("n1:2222", "port"),
            ("192.168.2.0/24", "network"),
            ("192.168.2.300", "neither"),
            ("192.168.2", "neither"),
            ("", "neither"),
            ("a..b", "neither"),
            ("-a", "neither"),
            ("a b", "neither"),
            ("0.0.0.0", "no machine"),
            ("::", "no machine"),
            ("224.0.0.1", "no machine"),
        ] {
            let trouble = address_trouble(bad).unwrap_or_else(|| panic!("{bad} passed"));
            assert!(trouble.0.contains(why), "{bad}: {}", trouble.0);
        }
    }
}
