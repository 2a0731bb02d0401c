//! What sysctl files say about forwarding.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::resource::Host;

/// A line of a sysctl file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Its value.
    pub value: String,
}

/// Where sysctl.d(5) has its files; a file hides those of the same name in later places.
const PLACES: [&str; 4] = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// The lines about `net.ipv4.ip_forward`, in the order in which sysctl(8) reads them: by the names of the files, and
/// `/etc/sysctl.conf` at the end.
pub(super) fn read(host: &Host) -> Vec<Setting> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for place in PLACES {
        for entry in fs::read_dir(host.path(place)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                files.entry(name.clone()).or_insert_with(|| PathBuf::from(place).join(name));
            }
        }
    }
    // Debian's link to the file that comes last anyhow.
    files.remove("99-sysctl.conf");
    let last = PathBuf::from("/etc/sysctl.conf");
    files.into_values().chain([last]).flat_map(|file| lines(host, &file)).collect()
}

fn lines(host: &Host, file: &std::path::Path) -> Vec<Setting> {
    let text = fs::read_to_string(host.path(file)).unwrap_or_default();
    let setting = |(place, line): (usize, &str)| {
        let (key, value) = line.trim_start_matches(['-', ' ', '\t']).split_once('=')?;
        let is_forwarding = matches!(
            key.trim().replace('/', ".").as_str(),
            "net.ipv4.ip_forward" | "net.ipv4.conf.all.forwarding"
        );
        is_forwarding.then(|| Setting {
            file: file.display().to_string(),
            line: place + 1,
            value: value.trim().to_owned(),
        })
    };
    text.lines().enumerate().filter_map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::host;
    use super::*;

    #[test]
    fn settings_in_the_order_in_which_they_are_read() {
        let (_root, host) = host(&[
            ("/etc/sysctl.conf", "#net.ipv4.ip_forward=1\nnet.ipv4.ip_forward = 0\n"),
            ("/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf", "# skep\nnet.ipv4.ip_forward = 1\n"),
            ("/etc/sysctl.d/10-vpn.conf", "-net/ipv4/ip_forward=1\nnet.ipv4.ip_forward_use_pmtu=1\n"),
            ("/usr/lib/sysctl.d/10-vpn.conf", "net.ipv4.ip_forward=0\n"),
            ("/etc/sysctl.d/99-sysctl.conf", "net.ipv4.ip_forward = 0\n"),
            ("/etc/sysctl.d/README", "net.ipv4.ip_forward = 0\n"),
        ]);
        let told: Vec<_> = read(&host)
            .into_iter()
            .map(|setting| format!("{}:{} {}", setting.file, setting.line, setting.value))
            .collect();
        assert_eq!(
            told,
            [
                "/etc/sysctl.d/10-vpn.conf:1 1",
                "/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf:2 1",
                "/etc/sysctl.conf:2 0"
            ]
        );
    }
}
