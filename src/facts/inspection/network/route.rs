//! Routes, from the kernel's own tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::facts::text;
use crate::resource::Host;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to: a network with its prefix length, 0 for the default route.
    pub to: (IpAddr, u8),
    /// Through which interface.
    pub link: String,
    /// By which router; none where the network is at the link.
    pub router: Option<IpAddr>,
}

impl Route {
    /// Whether it is where everything else goes.
    pub fn is_default(&self) -> bool {
        self.to.1 == 0
    }
}

/// The main table of IPv4, and the default routes of IPv6 that lead anywhere.
pub(super) fn read(host: &Host) -> Vec<Route> {
    let v4 = text(host, "/proc/net/route");
    let v6 = text(host, "/proc/net/ipv6_route");
    let v6 = v6.lines().filter_map(ipv6).filter(|route| route.is_default() && route.link != "lo");
    v4.lines().skip(1).filter_map(ipv4).chain(v6).collect()
}

/// A line of `/proc/net/route`: addresses are words of the computer's own byte order, in hexadecimal.
fn ipv4(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [link, to, router, _, _, _, _, mask, ..] = fields[..] else { return None };
    let address = |word: &str| Some(Ipv4Addr::from(u32::from_str_radix(word, 16).ok()?.to_ne_bytes()));
    let (to, router, mask) = (address(to)?, address(router)?, address(mask)?);
    let prefix = u8::try_from(mask.to_bits().leading_ones()).ok()?;
    Some(Route {
        to: (to.into(), prefix),
        link: link.to_owned(),
        router: (!router.is_unspecified()).then_some(router.into()),
    })
}

/// A line of `/proc/net/ipv6_route`.
fn ipv6(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [to, prefix, _, _, router, _, _, _, _, link] = fields[..] else { return None };
    let address = |word: &str| Some(Ipv6Addr::from(u128::from_str_radix(word, 16).ok()?));
    let router = address(router)?;
    Some(Route {
        to: (address(to)?.into(), u8::from_str_radix(prefix, 16).ok()?),
        link: link.to_owned(),
        router: (!router.is_unspecified()).then_some(router.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::host;
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_of_both_families() {
        let (_root, host) = host(&[
            (
                "/proc/net/route",
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                 host0\t00000000\t018310AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                 host0\t008310AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nbroken\n",
            ),
            (
                "/proc/net/ipv6_route",
                "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001    host0\n\
                 00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003    host0\n\
                 00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n",
            ),
        ]);
        let route = |to: &str, prefix, router: Option<&str>| Route {
            to: (to.parse().unwrap(), prefix),
            link: "host0".into(),
            router: router.map(|router| router.parse().unwrap()),
        };
        let expected = [
            route("0.0.0.0", 0, Some("172.16.131.1")),
            route("172.16.131.0", 24, None),
            route("::", 0, Some("fe80::1")),
        ];
        assert_eq!(read(&host), expected);
    }
}
