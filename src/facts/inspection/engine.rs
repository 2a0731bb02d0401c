//! The engine's settings, its storage, and the certificate of its node in the swarm.
//!
//! Certificates are public; the keys beside them are never opened. Nothing below a mount of another machine is touched.

mod lease;
mod order;
mod place;

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::engine::{data, process};
use super::super::text;
use crate::resource::Host;
use crate::resource::mount::table::{Row, rows};

pub use order::Line;
pub use place::{Place, is_remote};

/// The engine's settings and the certificate of its node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// What its data lie on: its own folder, wherever options put that, and containerd's where it has one.
    pub places: Vec<Place>,
    /// How the running engine was told to listen and what to allow, `--host=fd://`; else what its unit will tell it.
    pub flags: Vec<String>,
    /// What its unit waits for, line by line.
    pub order: Vec<Line>,
    /// Who is in the group `docker`; none where there is no such group.
    pub group: Option<Vec<String>>,
    /// Whether containerd runs.
    pub containerd: bool,
    /// The certificate of its node in the swarm, as PEM; none where it is in no swarm.
    pub certificate: Option<Pem>,
    /// The certificate of the swarm's root.
    pub root: Option<Pem>,
    /// Addresses that a DHCP server lent the host.
    pub leased: Vec<IpAddr>,
}

/// A file of certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pem {
    /// Where it is.
    pub path: PathBuf,
    /// Its certificates, and nothing else that the file may hold; or why it cannot be read.
    pub text: Result<String, String>,
}

/// Where containerd keeps images and containers; engines from 29.0 on keep theirs there unless they had others before.
const CONTAINERD: &str = "/var/lib/containerd";

/// More than any chain of certificates has.
const LONGEST: u64 = 64 << 10;

impl Engine {
    /// Reads it. What cannot be read is told as such.
    pub fn read(host: &Host) -> Self {
        let table: Vec<Row> = rows(&text(host, "/proc/self/mountinfo")).collect();
        let roots = data::roots(host).unwrap_or_else(|| vec![data::USUAL.into()]);
        let containerd = host.path(CONTAINERD).is_dir().then(|| PathBuf::from(CONTAINERD));
        let mut places: Vec<Place> = Vec::new();
        for directory in roots.into_iter().chain(containerd) {
            if places.iter().all(|place| place.directory != directory) {
                places.push(Place::of(host, &table, directory));
            }
        }
        // An engine that runs may not know yet where its options put the data by now.
        let usual = Place::of(host, &table, data::USUAL.into());
        let pem = |name: &str| {
            let local = places.iter().chain([&usual]).filter(|place| !is_remote(&place.fstype));
            local.filter_map(|place| pem(host, &place.directory.join("swarm/certificates").join(name))).next()
        };
        let (certificate, root) = (pem("swarm-node.crt"), pem("swarm-root-ca.crt"));
        let order = order::lines(host);
        let words = process::words(host).unwrap_or_else(|| order::started_with(&order));
        Self {
            flags: flags(&words),
            order: order.into_iter().filter(Line::is_order).collect(),
            group: members(&text(host, "/etc/group")),
            containerd: process::runs(host, "containerd"),
            leased: lease::read(host),
            places,
            certificate,
            root,
        }
    }
}

/// Flags that say who reaches the engine and what it may do; a value that follows in a word of its own is joined.
/// Others are left out: some hold passwords of proxies, and some options of logs do.
fn flags(words: &[String]) -> Vec<String> {
    const VALUED: [&str; 6] =
        ["--host", "--bip", "--log-driver", "--log-opt", "--firewall-backend", "--default-address-pool"];
    const SWITCHES: [&str; 6] =
        ["--tls", "--tlsverify", "--live-restore", "--iptables", "--ip-forward", "--ip-masq"];
    let mut flags = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let (name, value) = match (word.strip_prefix("-H"), word.split_once('=')) {
            (Some(""), _) => ("--host", None),
            (Some(value), _) => ("--host", Some(value.strip_prefix('=').unwrap_or(value))),
            (None, Some((name, value))) => (name, Some(value)),
            (None, None) => (word, None),
        };
        if SWITCHES.contains(&name) {
            flags.push(format!("{name}={}", value.unwrap_or("true")));
        } else if VALUED.contains(&name) {
            let Some(value) = value.or_else(|| words.next()) else { break };
            if name != "--log-opt" || value.starts_with("max-size=") {
                flags.push(format!("{name}={value}"));
            }
        }
    }
    flags
}

/// The users in the group `docker`, as in group(5).
fn members(groups: &str) -> Option<Vec<String>> {
    let line = groups.lines().find(|line| line.starts_with("docker:"))?;
    let users = line.split(':').nth(3).unwrap_or_default();
    Some(users.split(',').map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned).collect())
}

fn pem(host: &Host, path: &Path) -> Option<Pem> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        fs::File::open(host.path(path))?.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        text => Some(Pem {
            path: path.to_owned(),
            text: text.map(|text| certificates(&text)).map_err(|error| error.to_string()),
        }),
    }
}

/// The certificates of a PEM text, without anything that stands between them, such as a key.
fn certificates(text: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        inside |= line.starts_with("-----BEGIN CERTIFICATE-----");
        let keep = inside;
        inside &= !line.starts_with("-----END");
        keep
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests;
