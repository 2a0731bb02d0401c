//! What the engine's unit is started with, and what it waits for, from its files: systemd is not asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::super::text;
use super::super::units::FOLDERS;
use crate::resource::Host;

const UNIT: &str = "docker.service";

/// Keys that say what a unit waits for.
const ORDERS: [&str; 6] = ["After", "Requires", "Wants", "BindsTo", "RequiresMountsFor", "WantsMountsFor"];

/// A line of a unit or of one of its drop-ins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The file.
    pub file: PathBuf,
    /// `After`.
    pub key: String,
    /// `remote-fs.target`.
    pub value: String,
}

impl Line {
    /// Whether it says what the unit waits for.
    pub(super) fn is_order(&self) -> bool {
        ORDERS.contains(&self.key.as_str())
    }
}

/// All lines of the unit and its drop-ins that count here, in systemd's order.
pub(super) fn lines(host: &Host) -> Vec<Line> {
    let unit =
        FOLDERS.iter().map(|folder| Path::new(folder).join(UNIT)).find(|path| host.path(path).is_file());
    let mut dropins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in FOLDERS.iter().rev().map(|folder| Path::new(folder).join(format!("{UNIT}.d"))) {
        for entry in fs::read_dir(host.path(&folder)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                dropins.insert(name.clone(), folder.join(name));
            }
        }
    }
    let files = unit.into_iter().chain(dropins.into_values());
    files.flat_map(|file| parse(&text(host, &file.to_string_lossy()), &file)).collect()
}

fn parse(unit: &str, file: &Path) -> Vec<Line> {
    let joined = unit.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let known = pairs.filter(|(key, _)| ORDERS.contains(&key.trim()) || key.trim() == "ExecStart");
    known
        .map(|(key, value)| Line {
            file: file.to_owned(),
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        })
        .collect()
}

/// The words of the command that the unit starts; an empty `ExecStart=` forgets those before it.
pub(super) fn started_with(lines: &[Line]) -> Vec<String> {
    let command = lines.iter().rfind(|line| line.key == "ExecStart");
    let words = command.into_iter().flat_map(|line| line.value.split_whitespace());
    words.map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_dropins_are_read_in_systemds_order() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = Host::at(root.path());
        for (path, text) in [
            (
                "lib/systemd/system/docker.service",
                "[Unit]\nAfter=network-online.target docker.socket \\\n firewalld.service\n[Service]\nExecStart=/usr/bin/dockerd -H fd://\nUser=root\n",
            ),
            (
                "etc/systemd/system/docker.service.d/20-b.conf",
                "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H \"tcp://0.0.0.0:2375\"\n",
            ),
            (
                "etc/systemd/system/docker.service.d/10-a.conf",
                "[Unit]\n# After=nothing\nRequiresMountsFor = /mnt/shared\n",
            ),
            ("lib/systemd/system/docker.service.d/10-a.conf", "[Unit]\nAfter=overridden.target\n"),
            ("etc/systemd/system/docker.service.d/notes.txt", "After=never\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let lines = lines(&host);
        let told: Vec<_> = lines.iter().map(|line| format!("{}={}", line.key, line.value)).collect();
        let expected = [
            "After=network-online.target docker.socket   firewalld.service",
            "ExecStart=/usr/bin/dockerd -H fd://",
            "RequiresMountsFor=/mnt/shared",
            "ExecStart=",
            "ExecStart=/usr/bin/dockerd -H \"tcp://0.0.0.0:2375\"",
        ];
        assert_eq!(told, expected);
        assert_eq!(lines[2].file, Path::new("/etc/systemd/system/docker.service.d/10-a.conf"));
        assert_eq!(started_with(&lines), ["/usr/bin/dockerd", "-H", "tcp://0.0.0.0:2375"]);
        assert!(started_with(&[]).is_empty());
    }
}
