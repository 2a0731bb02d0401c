//! Hardware addresses of hosts on the same link.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// The kernel's table of IPv4 neighbours, which has all that were just spoken to.
pub(super) fn read() -> HashMap<IpAddr, String> {
    parse(&std::fs::read_to_string("/proc/net/arp").unwrap_or_default())
}

/// Lines as in proc_net(5): address, kind, flags, hardware address, mask, device. Those without an answer are zero.
fn parse(table: &str) -> HashMap<IpAddr, String> {
    let entry = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let address = fields.first()?.parse::<Ipv4Addr>().ok()?;
        let mac = fields.get(3).filter(|mac| mac.len() == 17 && **mac != "00:00:00:00:00:00")?;
        Some((address.into(), (*mac).to_owned()))
    };
    table.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_answered_are_listed() {
        let table = parse(
            "IP address       HW type     Flags       HW address            Mask     Device\n\
             192.168.2.7      0x1         0x2         dc:a6:32:01:02:03     *        eth0\n\
             192.168.2.8      0x1         0x0         00:00:00:00:00:00     *        eth0\n\
             broken\n",
        );
        assert_eq!(table, HashMap::from([("192.168.2.7".parse().unwrap(), "dc:a6:32:01:02:03".to_owned())]));
    }
}
