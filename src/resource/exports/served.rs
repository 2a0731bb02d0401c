//! What is exported now, as `exportfs -s` tells, held against what shall be.

use std::net::{IpAddr, Ipv4Addr};

use super::super::{Fault, Host};
use super::{Entry, options, written};

/// What is exported now, with those paths and clients that `exportfs` resolved named as `own` has them: it tells the
/// real path behind links, and the full name of a host that was written as an address or a short name.
pub(super) fn read(host: &Host, own: &[Entry]) -> Result<Vec<Entry>, Fault> {
    let told = host.run("exportfs", &["-s"])?.expect_success("exportfs -s")?;
    let mut served = written(&told);
    for entry in own {
        let real = std::fs::canonicalize(host.path(&entry.path)).unwrap_or_else(|_| host.path(&entry.path));
        for other in &mut served {
            if other.path != entry.path && host.path(&other.path) == real {
                other.path.clone_from(&entry.path);
            }
            if other.path == entry.path && is_same_host(host, &entry.client, &other.client) {
                other.client.clone_from(&entry.client);
            }
        }
    }
    Ok(served)
}

/// The entries that are not exported as they shall be.
pub(crate) fn missing<'e>(entries: &'e [Entry], served: &[Entry]) -> Vec<&'e Entry> {
    let is_served = |entry: &Entry| {
        served.iter().any(|other| {
            other.path == entry.path
                && same_client(&other.client, &entry.client)
                && options::agree(&entry.options, &other.options)
        })
    };
    entries.iter().filter(|entry| !is_served(entry)).collect()
}

/// Whether two ways of writing a client mean the same, as far as that shows in the text.
pub(crate) fn same_client(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || network(one).is_some_and(|network| Some(network) == self::network(other))
}

/// An IPv4 network with its dotted mask turned into a prefix length.
fn network(client: &str) -> Option<(Ipv4Addr, u32)> {
    let (address, mask) = client.split_once('/')?;
    let length = match mask.parse::<Ipv4Addr>() {
        Ok(mask) => u32::from(mask).count_ones(),
        Err(_) => mask.parse().ok()?,
    };
    Some((address.parse().ok()?, length))
}

/// Whether it names one host by name: no address, network, pattern or netgroup.
pub(super) fn is_host_name(client: &str) -> bool {
    client.parse::<IpAddr>().is_err() && !client.contains(['/', '*', '?', '[', '@'])
}

/// The host's addresses as the host itself resolves them; none where it cannot.
pub(super) fn addresses(host: &Host, name: &str) -> Vec<String> {
    let told = host.run("getent", &["ahosts", name]).map(|output| output.stdout).unwrap_or_default();
    told.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn is_same_host(host: &Host, written: &str, told: &str) -> bool {
    let is_host = |client: &str| is_host_name(client) || client.parse::<IpAddr>().is_ok();
    if written == told || !is_host(written) || !is_host_name(told) {
        return false;
    }
    let told = addresses(host, told);
    addresses(host, written).iter().any(|address| told.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_compared_by_what_they_mean() {
        for (one, other, same) in [
            ("192.168.2.0/24", "192.168.2.0/24", true),
            ("192.168.2.0/24", "192.168.2.0/255.255.255.0", true),
            ("192.168.2.0/24", "192.168.2.0/25", false),
            ("192.168.2.0/24", "192.168.3.0/24", false),
            ("Node", "node", true),
            ("node", "node2", false),
            ("*", "*", true),
        ] {
            assert_eq!(same_client(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn host_names_are_told_from_the_rest() {
        for (client, is_name) in [
            ("node", true),
            ("node.lan", true),
            ("10.0.0.1", false),
            ("fd00::1", false),
            ("10.0.0.0/8", false),
            ("*.lan", false),
            ("@group", false),
            ("node[1-3]", false),
        ] {
            assert_eq!(is_host_name(client), is_name, "{client}");
        }
    }
}
