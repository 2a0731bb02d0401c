//! Which addresses a DHCP server lent the host, from the files of the clients: systemd-networkd, NetworkManager and
//! dhclient write them as text.

use std::fs;
use std::net::IpAddr;

use crate::resource::Host;

const FOLDERS: [&str; 4] =
    ["/run/systemd/netif/leases", "/var/lib/NetworkManager", "/var/lib/dhcp", "/var/lib/dhclient"];

/// Reads them, each once. A client that tells nothing of itself is not seen.
pub(super) fn read(host: &Host) -> Vec<IpAddr> {
    let files =
        FOLDERS.iter().flat_map(|folder| fs::read_dir(host.path(folder)).into_iter().flatten().flatten());
    let files = files.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let texts = files.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let mut addresses: Vec<IpAddr> = texts.flat_map(|text| addresses(&text)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// `ADDRESS=192.168.2.5` of networkd and NetworkManager, `fixed-address 192.168.2.5;` of dhclient.
fn addresses(text: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(str::trim);
    let value = |line: &str| {
        let value = line.strip_prefix("ADDRESS=").or_else(|| line.strip_prefix("fixed-address "))?;
        value.trim_end_matches(';').trim().parse().ok()
    };
    lines.filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_of_each_client() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in [
            ("run/systemd/netif/leases/2", "# private\nADDRESS=192.168.2.5\nNETMASK=255.255.255.0\n"),
            ("var/lib/NetworkManager/internal-uuid-eth0.lease", "ADDRESS=192.168.2.6\n"),
            ("var/lib/NetworkManager/secret_key", "x"),
            (
                "var/lib/dhcp/dhclient.eth0.leases",
                "lease {\n  fixed-address 192.168.2.7;\n}\nlease {\n  fixed-address 192.168.2.7;\n}\n",
            ),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let read = read(&Host::at(root.path()));
        let expected =
            ["192.168.2.5", "192.168.2.6", "192.168.2.7"].map(|ip| ip.parse::<IpAddr>().expect("an address"));
        assert_eq!(read, expected);
    }
}
