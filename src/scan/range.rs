//! Which addresses are looked at.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::facts::network::Interface;

/// More would take minutes, and is more likely a slip than a home network.
const MOST: usize = 4096;

/// Names of interfaces that lead to containers and virtual machines of this computer.
const INNER: [&str; 9] = ["br-", "docker", "veth", "virbr", "lxc", "lxd", "podman", "cni", "skep"];

/// Why a network cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It is too large.
    #[error("{network} has {size} addresses, and skep looks at {MOST} at most")]
    TooLarge {
        /// The network.
        network: IpNet,
        /// Its addresses, in words where there are very many.
        size: String,
    },
    /// There is none to look at.
    #[error("this computer is in no private IPv4 network")]
    None,
}

/// The private IPv4 networks that this computer is in.
///
/// # Errors
/// Where it is in none.
pub fn own(interfaces: &[Interface]) -> Result<Vec<IpNet>, RangeError> {
    let outer =
        interfaces.iter().filter(|interface| !INNER.iter().any(|inner| interface.name.starts_with(inner)));
    let networks = outer.flat_map(|interface| &interface.addresses).filter_map(|(address, prefix)| {
        let IpAddr::V4(address) = address else { return None };
        // A prefix of 32 is that of a tunnel: it tells of nobody else.
        let network =
            Ipv4Net::new(*address, *prefix).ok().filter(|_| address.is_private() && *prefix < 31)?;
        Some(IpNet::V4(network.trunc()))
    });
    let mut networks: Vec<IpNet> = networks.collect();
    networks.sort();
    networks.dedup();
    if networks.is_empty() { Err(RangeError::None) } else { Ok(networks) }
}

/// The addresses of hosts in these networks, each once.
///
/// # Errors
/// Where one is too large.
pub fn addresses(networks: &[IpNet]) -> Result<Vec<IpAddr>, RangeError> {
    let mut addresses = Vec::new();
    for network in networks {
        let bits = network.max_prefix_len() - network.prefix_len();
        if bits > 31 || 1_usize << bits > MOST {
            let size = if bits < 64 { (1_u64 << bits).to_string() } else { format!("2^{bits}") };
            return Err(RangeError::TooLarge { network: *network, size });
        }
        addresses.extend(network.hosts());
    }
    // By value, for people look for them in that order.
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// A network as written on the command line: with its prefix, or a single address.
///
/// # Errors
/// In words, where it is neither.
pub fn parse(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse().ok(),
    };
    network.map(|network| network.trunc()).ok_or_else(|| {
        let example = Ipv4Addr::new(192, 168, 2, 0);
        format!("write a network with its prefix, such as {example}/24, or a single address")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interface(name: &str, addresses: &[&str]) -> Interface {
        let pair = |text: &&str| {
            let (address, prefix) = text.split_once('/').unwrap();
            (address.parse().unwrap(), prefix.parse().unwrap())
        };
        Interface { name: name.into(), addresses: addresses.iter().map(pair).collect(), mac: String::new() }
    }

    #[test]
    fn networks_of_this_computer_are_its_private_ones() {
        let cases: &[(&[Interface], &[&str])] = &[
            (&[interface("eth0", &["192.168.2.7/24", "fd00::7/64"])], &["192.168.2.0/24"]),
            (&[interface("eth0", &["10.1.2.3/20"]), interface("wlan0", &["10.1.2.4/20"])], &["10.1.0.0/20"]),
            (
                &[interface("docker0", &["172.17.0.1/16"]), interface("lo", &["10.0.0.2/24"])],
                &["10.0.0.0/24"],
            ),
            (&[interface("eth0", &["203.0.113.7/24"]), interface("wg0", &["10.9.9.9/32"])], &[]),
            (&[], &[]),
        ];
        for (interfaces, expected) in cases {
            let found: Vec<_> = own(interfaces).into_iter().flatten().map(|net| net.to_string()).collect();
            assert_eq!(found, *expected);
        }
    }

    #[test]
    fn networks_and_single_addresses_are_read() {
        for (text, expected) in [
            ("192.168.2.0/24", Some("192.168.2.0/24")),
            ("192.168.2.77/24", Some("192.168.2.0/24")),
            ("192.168.2.7", Some("192.168.2.7/32")),
            ("fd00::1", Some("fd00::1/128")),
            ("192.168.2", None),
            ("home", None),
            ("192.168.2.0/33", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok().map(|net| net.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn too_many_addresses_are_refused() {
        for (text, size) in [
            ("10.0.0.0/8", "16777216"),
            ("10.0.0.0/19", "8192"),
            ("fd00::/64", "2^64"),
            ("0.0.0.0/0", "4294967296"),
        ] {
            let network = parse(text).unwrap();
            assert_eq!(addresses(&[network]), Err(RangeError::TooLarge { network, size: size.to_owned() }));
        }
    }

    #[test]
    fn each_host_is_looked_at_once() {
        let networks = ["192.168.2.0/29", "192.168.2.4/30", "192.168.2.6"].map(|text| parse(text).unwrap());
        let last: Vec<_> = addresses(&networks).unwrap().iter().map(|ip| ip.to_string()).collect();
        assert_eq!(last, (1..=6).map(|n| format!("192.168.2.{n}")).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), prefix in 0_u8..=32, bits in any::<u32>()) {
            let _ = parse(&text).map(|network| addresses(&[network]));
            let network = parse(&format!("{}/{prefix}", Ipv4Addr::from_bits(bits))).unwrap();
            let _ = addresses(&[network]);
        }
    }
}
