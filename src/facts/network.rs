//! Addresses of the host.

use std::net::{IpAddr, Ipv6Addr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;
use serde::{Deserialize, Serialize};

/// One network interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses with prefix length; loopback and link-local ones are left out.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Hardware address, `aa:bb:cc:dd:ee:ff`; empty where it has none.
    pub mac: String,
}

impl Interface {
    /// Whether it has that address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == address)
    }
}

/// The interfaces that have an address, in the kernel's order; none where the kernel does not tell.
pub fn read() -> Vec<Interface> {
    collect(getifaddrs().into_iter().flatten().filter_map(entry))
}

/// What one entry of getifaddrs(3) says: each carries one address of one interface.
enum Entry {
    Mac(String, String),
    Address(String, IpAddr, u8),
}

fn entry(entry: InterfaceAddress) -> Option<Entry> {
    let address = entry.address?;
    if let Some(link) = address.as_link_addr() {
        return Some(Entry::Mac(entry.interface_name, mac(link.addr()?)));
    }
    let prefix = prefix_length(ip(&entry.netmask?)?);
    Some(Entry::Address(entry.interface_name, ip(&address)?, prefix))
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn collect(entries: impl IntoIterator<Item = Entry>) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for entry in entries {
        let (Entry::Mac(name, _) | Entry::Address(name, _, _)) = &entry;
        let place = interfaces.iter().position(|interface| interface.name == *name).unwrap_or_else(|| {
            interfaces.push(Interface { name: name.clone(), addresses: Vec::new(), mac: String::new() });
            interfaces.len() - 1
        });
        match entry {
            Entry::Mac(_, mac) => interfaces[place].mac = mac,
            Entry::Address(_, address, prefix) if reaches_others(address) => {
                interfaces[place].addresses.push((address, prefix));
            }
            Entry::Address(..) => {}
        }
    }
    interfaces.retain(|interface| !interface.addresses.is_empty());
    interfaces
}

/// Whether other hosts can reach the address at all.
fn reaches_others(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !link_local && !address.is_loopback() && !address.is_unspecified()
}

/// Leading ones of a netmask.
fn prefix_length(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(v4) => v4.to_bits().leading_ones(),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6).leading_ones(),
    };
    u8::try_from(ones).expect("at most 128 bits")
}

/// Empty for the all-zero address of what has no hardware.
fn mac(bytes: [u8; 6]) -> String {
    if bytes == [0; 6] {
        return String::new();
    }
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str, address: &str, prefix: u8) -> Entry {
        Entry::Address(name.to_owned(), address.parse().expect("an address"), prefix)
    }

    #[test]
    fn addresses_are_gathered_by_interface_in_order() {
        let found = collect([
            Entry::Mac("lo".into(), mac([0; 6])),
            Entry::Mac("eth0".into(), mac([2, 0x42, 0xac, 0x11, 0, 2])),
            Entry::Mac("wlan0".into(), mac([2, 0, 0, 0, 0, 1])),
            address("lo", "127.0.0.1", 8),
            address("eth0", "192.168.2.1", 24),
            address("wg0", "10.9.0.1", 24),
            address("lo", "::1", 128),
            address("eth0", "fd00::1", 64),
            address("eth0", "fe80::1", 64),
            address("wlan0", "169.254.3.4", 16),
        ]);
        let expected = [
            Interface {
                name: "eth0".into(),
                addresses: vec![("192.168.2.1".parse().unwrap(), 24), ("fd00::1".parse().unwrap(), 64)],
                mac: "02:42:ac:11:00:02".into(),
            },
            Interface {
                name: "wg0".into(),
                addresses: vec![("10.9.0.1".parse().unwrap(), 24)],
                mac: String::new(),
            },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn prefix_lengths() {
        for (mask, length) in
            [("255.255.255.0", 24), ("255.255.255.255", 32), ("0.0.0.0", 0), ("ffff:ffff:ffff:ffff::", 64)]
        {
            assert_eq!(prefix_length(mask.parse().unwrap()), length, "{mask}");
        }
    }

    #[test]
    fn nothing_unreachable_is_read_from_this_computer() {
        for interface in read() {
            assert!(!interface.addresses.is_empty(), "{interface:?}");
            assert!(interface.addresses.iter().all(|(address, _)| reaches_others(*address)), "{interface:?}");
        }
    }
}
