//! What a stopped engine left on disc.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::super::text;
use crate::resource::Host;

/// Where the engine keeps its data unless `daemon.json` says otherwise.
const USUAL: &str = "/var/lib/docker";

/// Whether the data of the host's engine hold the state of a swarm: leaving one empties its folder.
pub(super) fn hold_a_swarm(host: &Host) -> bool {
    let folder = host.path(root(&text(host, "/etc/docker/daemon.json")).join("swarm"));
    match fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_some(),
        // What cannot be read may hold one.
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Where these options put the data; `graph` is the old name.
fn root(options: &str) -> PathBuf {
    let options: Value = serde_json::from_str(options).unwrap_or_default();
    let root = ["data-root", "graph"].iter().find_map(|key| options.get(key)?.as_str());
    PathBuf::from(root.unwrap_or(USUAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots() {
        let cases = [
            ("", "/var/lib/docker"),
            ("{\"debug\": true}", "/var/lib/docker"),
            ("not JSON", "/var/lib/docker"),
            ("{\"data-root\": \"/mnt/ssd\"}", "/mnt/ssd"),
            ("{\"graph\": \"/old\"}", "/old"),
        ];
        for (options, wanted) in cases {
            assert_eq!(root(options), PathBuf::from(wanted), "{options}");
        }
    }

    #[test]
    fn only_a_folder_with_something_in_it_holds_a_swarm() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let host = Host::at(directory.path());
        let folder = directory.path().join("var/lib/docker/swarm");
        assert!(!hold_a_swarm(&host));
        fs::create_dir_all(&folder).expect("a folder");
        assert!(!hold_a_swarm(&host));
        fs::write(folder.join("docker-state.json"), "{}").expect("a file");
        assert!(hold_a_swarm(&host));
    }
}
