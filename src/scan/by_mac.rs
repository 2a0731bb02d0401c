//! Where a host is whose address has changed: in the same network as a rule, and known there by its hardware address.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use crate::facts::network::{Interface, read};

/// How long each address is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A larger network is looked at only around where the host was.
const SMALLEST_PREFIX: u8 = 24;

/// The address at which a host with this hardware address, `aa:bb:cc:dd:ee:ff`, answers SSH now; `was` is where it
/// answered before. Asks the networks that this computer itself is in, and no others.
pub async fn by_mac(mac: &str, was: Option<IpAddr>, port: u16) -> Option<IpAddr> {
    let addresses = super::addresses(&networks(was, &read())).ok()?;
    let hosts = super::scan(&addresses, port, PATIENCE).await;
    let has_mac = |host: &super::Found| host.mac.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(mac));
    hosts.into_iter().filter(has_mac).map(|host| host.address).find(|address| Some(*address) != was)
}

/// The network that an address is in, if this computer is in it, too; its own private ones where there is only a name.
fn networks(was: Option<IpAddr>, interfaces: &[Interface]) -> Vec<IpNet> {
    let Some(IpAddr::V4(was)) = was else {
        let own = super::own(interfaces).unwrap_or_default();
        return own.into_iter().filter(|network| network.prefix_len() >= SMALLEST_PREFIX).collect();
    };
    let addresses = interfaces.iter().flat_map(|interface| &interface.addresses);
    let attached = addresses.filter_map(|(address, prefix)| match address {
        IpAddr::V4(own) => Ipv4Net::new(*own, *prefix).ok().filter(|network| network.contains(&was)),
        IpAddr::V6(_) => None,
    });
    // Behind a default route of prefix 0 there is everybody; the narrowest is where it was.
    let prefix = attached.map(|network| network.prefix_len()).filter(|prefix| (1..31).contains(prefix)).max();
    let network = prefix.and_then(|prefix| Ipv4Net::new(was, prefix.max(SMALLEST_PREFIX)).ok());
    network.map(|network| IpNet::V4(network.trunc())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_networks_of_this_computer_are_asked_and_at_most_a_24() {
        let interface = |name: &str, address: &str, prefix| Interface {
            name: name.to_owned(),
            addresses: vec![(address.parse().unwrap(), prefix)],
            mac: String::new(),
        };
        let interfaces = [
            interface("eth0", "192.168.2.7", 24),
            interface("eth1", "10.1.2.3", 16),
            interface("docker0", "172.17.0.1", 24),
            interface("wg0", "10.9.9.9", 32),
        ];
        for (was, expected) in [
            ("192.168.2.9", vec!["192.168.2.0/24"]),
            ("10.1.200.9", vec!["10.1.200.0/24"]),
            ("172.17.0.9", vec!["172.17.0.0/24"]),
            ("10.9.9.9", vec![]),
            ("192.168.3.9", vec![]),
            ("", vec!["192.168.2.0/24"]),
            ("fd00::1", vec!["192.168.2.0/24"]),
        ] {
            let found: Vec<_> =
                networks(was.parse().ok(), &interfaces).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{was}");
        }
        assert!(networks(None, &[]).is_empty());
    }
}
