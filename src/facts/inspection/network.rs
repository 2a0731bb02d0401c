//! Links, routes, resolvers, packet filters, and who else looks after interfaces.

mod filter;
mod route;
mod setting;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::facts::text;
use crate::resource::Host;

pub use filter::{Filter, FilterKind};
pub use route::Route;
pub use setting::Setting;

/// Links, routes, resolvers, packet filters, and who else looks after interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// What is in `/sys/class/net`, loopback left out, by name.
    pub links: Vec<Link>,
    /// The main table of IPv4, and the default routes of IPv6.
    pub routes: Vec<Route>,
    /// Name servers of `/etc/resolv.conf`; none where there is no such file.
    pub resolvers: Option<Vec<String>>,
    /// Those that a resolver on the host asks in turn, where it writes them down.
    pub upstream_resolvers: Vec<String>,
    /// Packet filters that are switched on.
    pub filters: Vec<Filter>,
    /// Lines of sysctl files about forwarding, in the order in which they are read: the last one counts.
    pub forwarding: Vec<Setting>,
    /// `net.ipv6.conf.all.forwarding`; none where there is no IPv6.
    pub forwarding6: Option<bool>,
    /// Who else looks after interfaces, and whether it was told to leave containers' alone.
    pub managers: Vec<Manager>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Bytes of the largest packet that it takes.
    pub mtu: u32,
    /// Whether it is in use.
    pub up: bool,
    /// Whether it is Wi-Fi.
    pub wireless: bool,
    /// `net.ipv6.conf.NAME.accept_ra`: what it makes of routers' advertisements.
    pub accept_ra: Option<u8>,
}

/// A service that looks after interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manager {
    /// `NetworkManager`, `connman`.
    pub name: String,
    /// Whether its configuration has it leave Docker's interfaces alone.
    pub leaves_docker: bool,
}

impl Network {
    /// Reads it. What cannot be read is empty.
    pub fn read(host: &Host) -> Self {
        let resolv_conf = fs::read_to_string(host.path("/etc/resolv.conf")).ok();
        let upstream = ["/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"]
            .iter()
            .map(|path| name_servers(&text(host, path)))
            .find(|servers| !servers.is_empty());
        Self {
            links: links(host),
            routes: route::read(host),
            resolvers: resolv_conf.as_deref().map(name_servers),
            upstream_resolvers: upstream.unwrap_or_default(),
            filters: filter::read(host),
            forwarding: setting::read(host),
            forwarding6: flag(&text(host, "/proc/sys/net/ipv6/conf/all/forwarding")),
            managers: managers(host),
        }
    }
}

fn links(host: &Host) -> Vec<Link> {
    let directory = fs::read_dir(host.path("/sys/class/net"));
    let names = directory.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name != "lo");
    names.sort_unstable();
    names
        .into_iter()
        .filter_map(|name| {
            let of = |file: &str| text(host, &format!("/sys/class/net/{name}/{file}"));
            Some(Link {
                // What is no interface, such as `bonding_masters`, has none.
                mtu: of("mtu").trim().parse().ok()?,
                up: matches!(of("operstate").trim(), "up" | "unknown"),
                wireless: of("uevent").lines().any(|line| line == "DEVTYPE=wlan"),
                accept_ra: text(host, &format!("/proc/sys/net/ipv6/conf/{name}/accept_ra"))
                    .trim()
                    .parse()
                    .ok(),
                name,
            })
        })
        .collect()
}

/// The name servers of a resolv.conf(5).
fn name_servers(text: &str) -> Vec<String> {
    let server = |line: &str| Some(line.strip_prefix("nameserver")?.split_whitespace().next()?.to_owned());
    text.lines().filter_map(server).collect()
}

fn flag(text: &str) -> Option<bool> {
    Some(text.trim().parse::<i32>().ok()? != 0)
}

fn managers(host: &Host) -> Vec<Manager> {
    let known = [
        (
            "NetworkManager",
            "NetworkManager.service",
            &["/usr/lib/NetworkManager", "/run/NetworkManager", "/etc/NetworkManager"][..],
        ),
        ("connman", "connman.service", &["/etc/connman"][..]),
    ];
    let running = known.into_iter().filter(|(_, unit, _)| is_running(host, unit));
    running
        .map(|(name, _, places)| Manager {
            name: name.to_owned(),
            leaves_docker: places.iter().any(|place| leaves_docker(&host.path(place))),
        })
        .collect()
}

/// Whether a service has processes, by its control group.
fn is_running(host: &Host, unit: &str) -> bool {
    ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"]
        .iter()
        .any(|slice| host.path(format!("{slice}/{unit}")).is_dir())
}

/// Whether any `*.conf` there, or in its `conf.d`, names devices to leave alone, Docker's among them.
fn leaves_docker(place: &Path) -> bool {
    let files = [place.to_owned(), place.join("conf.d")];
    let files = files.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "conf")).any(
        |path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().map(str::trim).any(|line| {
                let names = ["unmanaged-devices", "NetworkInterfaceBlacklist"]
                    .iter()
                    .any(|key| line.starts_with(key));
                names && (line.contains("docker") || line.contains("veth"))
            })
        },
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A host that has these files.
    pub(super) fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn links_are_read_as_they_are() {
        let (_root, host) = host(&[
            ("/sys/class/net/lo/mtu", "65536\n"),
            ("/sys/class/net/wlan0/mtu", "1500\n"),
            ("/sys/class/net/wlan0/operstate", "down\n"),
            ("/sys/class/net/wlan0/uevent", "DEVTYPE=wlan\nINTERFACE=wlan0\n"),
            ("/sys/class/net/eth0/mtu", "9000\n"),
            ("/sys/class/net/eth0/operstate", "up\n"),
            ("/sys/class/net/eth0/uevent", "INTERFACE=eth0\n"),
            ("/proc/sys/net/ipv6/conf/eth0/accept_ra", "1\n"),
            ("/sys/class/net/bonding_masters", "bond0\n"),
        ]);
        let expected = [
            Link { name: "eth0".into(), mtu: 9000, up: true, wireless: false, accept_ra: Some(1) },
            Link { name: "wlan0".into(), mtu: 1500, up: false, wireless: true, accept_ra: None },
        ];
        assert_eq!(Network::read(&host).links, expected);
    }

    #[test]
    fn resolvers_and_those_behind_them() {
        let stub = ("/etc/resolv.conf", "# stub\nnameserver 127.0.0.53\noptions edns0\n");
        let (_root, behind) =
            host(&[stub, ("/run/systemd/resolve/resolv.conf", "nameserver 192.168.2.254\n")]);
        let network = Network::read(&behind);
        assert_eq!(network.resolvers, Some(vec!["127.0.0.53".to_owned()]));
        assert_eq!(network.upstream_resolvers, ["192.168.2.254"]);
        let (_root, alone) = host(&[stub]);
        assert_eq!(Network::read(&alone).upstream_resolvers, [""; 0]);
        assert_eq!(Network::read(&host(&[]).1).resolvers, None);
        assert_eq!(Network::read(&host(&[("/etc/resolv.conf", "search lan\n")]).1).resolvers, Some(vec![]));
    }

    #[test]
    fn managers_that_run_and_whether_they_leave_docker_alone() {
        let runs = ("/sys/fs/cgroup/system.slice/NetworkManager.service/cgroup.procs", "1\n");
        let told = (
            "/etc/NetworkManager/conf.d/docker.conf",
            "[keyfile]\nunmanaged-devices=interface-name:docker*\n",
        );
        let other =
            ("/etc/NetworkManager/NetworkManager.conf", "[keyfile]\nunmanaged-devices=interface-name:wg0\n");
        for (files, expected) in [
            (&[told][..], &[][..]),
            (&[runs], &[("NetworkManager", false)]),
            (&[runs, other], &[("NetworkManager", false)]),
            (&[runs, other, told], &[("NetworkManager", true)]),
            (&[("/sys/fs/cgroup/systemd/system.slice/connman.service/tasks", "1\n")], &[("connman", false)]),
        ] {
            let managers = Network::read(&host(files).1).managers;
            let told: Vec<_> =
                managers.iter().map(|manager| (manager.name.as_str(), manager.leaves_docker)).collect();
            assert_eq!(told, expected, "{files:?}");
        }
    }

    #[test]
    fn forwarding_of_ipv6() {
        let of =
            |text| Network::read(&host(&[("/proc/sys/net/ipv6/conf/all/forwarding", text)]).1).forwarding6;
        assert_eq!([of("0\n"), of("1\n"), of("")], [Some(false), Some(true), None]);
    }
}
