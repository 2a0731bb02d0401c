//! What a stopped or removed engine left on disc.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::text;
use crate::resource::Host;

/// Where the engine keeps its data unless it is told otherwise.
pub(crate) const USUAL: &str = "/var/lib/docker";

/// Where else options of the engine may stand: its unit, and the environment that Debian's unit reads.
const COMMANDS: &[&str] = &[
    "/etc/systemd/system/docker.service",
    "/usr/lib/systemd/system/docker.service",
    "/lib/systemd/system/docker.service",
    "/etc/default/docker",
];

/// Where drop-ins of its unit are.
const DROPINS: &[&str] =
    &["/etc/systemd/system/docker.service.d", "/usr/lib/systemd/system/docker.service.d"];

/// Whether the data of the host's engine hold the state of a swarm: leaving one empties its folder. Where it cannot
/// be told where the data are, they may.
pub(crate) fn hold_a_swarm(host: &Host) -> bool {
    roots(host).is_none_or(|roots| roots.iter().any(|root| is_filled(&host.path(root.join("swarm")))))
}

/// What cannot be read may hold something.
fn is_filled(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// All places where the data may be; none where some cannot be told.
pub(in crate::facts) fn roots(host: &Host) -> Option<Vec<PathBuf>> {
    let mut roots = vec![by_file(&fs::read(host.path("/etc/docker/daemon.json")))?];
    let dropins = DROPINS.iter().flat_map(|folder| fs::read_dir(host.path(folder)).into_iter().flatten());
    let dropins = dropins.flatten().map(|entry| fs::read_to_string(entry.path()).unwrap_or_default());
    for file in COMMANDS.iter().map(|path| text(host, path)).chain(dropins) {
        roots.extend(by_flags(&file)?);
    }
    Some(roots)
}

/// Where `daemon.json` puts the data (`graph` is the old name); none where it cannot be understood.
fn by_file(options: &std::io::Result<Vec<u8>>) -> Option<PathBuf> {
    let options = match options {
        Ok(options) => options,
        Err(error) if error.kind() == ErrorKind::NotFound => &Vec::new(),
        Err(_) => return None,
    };
    if options.trim_ascii().is_empty() {
        return Some(USUAL.into());
    }
    let options: serde_json::Map<String, Value> = serde_json::from_slice(options).ok()?;
    match ["data-root", "graph"].iter().find_map(|key| options.get(*key)) {
        None => Some(USUAL.into()),
        Some(root) => absolute(root.as_str()?),
    }
}

/// Where the flags of a command in a unit or an environment file put the data; none where one is there that cannot
/// be understood, such as one with a variable.
fn by_flags(file: &str) -> Option<Vec<PathBuf>> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
    let mut words = lines
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\')))
        .filter(|word| !word.is_empty());
    let mut roots = Vec::new();
    while let Some(word) = words.next() {
        // The first flag may follow the name of a variable: `DOCKER_OPTS=--data-root=/mnt`.
        let flag = word.strip_prefix("-g").filter(|rest| rest.is_empty());
        let flags = ["--data-root", "--graph"];
        let Some(flag) = flag.or_else(|| flags.iter().find_map(|flag| Some(word.split_once(flag)?.1))) else {
            continue;
        };
        let value = flag.strip_prefix('=').filter(|value| !value.is_empty()).or_else(|| words.next());
        roots.push(absolute(value?)?);
    }
    Some(roots)
}

fn absolute(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn roots_by_file() {
        let cases = [
            ("", Some("/var/lib/docker")),
            (" \n", Some("/var/lib/docker")),
            ("{\"debug\": true}", Some("/var/lib/docker")),
            ("{\"data-root\": \"/mnt/ssd\"}", Some("/mnt/ssd")),
            ("{\"graph\": \"/old\"}", Some("/old")),
            ("not JSON", None),
            ("[]", None),
            ("{\"data-root\": 7}", None),
            ("{\"data-root\": \"mnt\"}", None),
        ];
        for (options, wanted) in cases {
            assert_eq!(by_file(&Ok(options.into())), wanted.map(PathBuf::from), "{options}");
        }
        let error = |kind: ErrorKind| Err(std::io::Error::from(kind));
        assert_eq!(by_file(&error(ErrorKind::NotFound)), Some(USUAL.into()));
        assert_eq!(by_file(&error(ErrorKind::PermissionDenied)), None);
    }

    #[test]
    fn roots_by_flags() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("[Service]\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n", Some(&[])),
            ("ExecStart=/usr/bin/dockerd --data-root /mnt/ssd -H fd://", Some(&["/mnt/ssd"])),
            ("ExecStart=/usr/bin/dockerd \\\n  --data-root \\\n  /mnt/ssd", Some(&["/mnt/ssd"])),
            ("ExecStart=/usr/bin/dockerd --graph=/old", Some(&["/old"])),
            ("ExecStart=/usr/bin/dockerd -g /old", Some(&["/old"])),
            ("DOCKER_OPTS=\"--data-root=/mnt/ssd\"", Some(&["/mnt/ssd"])),
            ("DOCKER_OPTS=--data-root=/mnt/ssd", Some(&["/mnt/ssd"])),
            ("#DOCKER_OPTS=\"--data-root=/mnt/ssd\"", Some(&[])),
            ("; --data-root=/mnt/ssd", Some(&[])),
            ("ExecStart=dockerd --data-root=${DATA}", None),
            ("ExecStart=dockerd --data-root", None),
        ];
        for (file, wanted) in cases {
            let wanted = wanted.map(|roots| roots.iter().map(PathBuf::from).collect());
            assert_eq!(by_flags(file), wanted, "{file}");
        }
    }

    #[test]
    fn a_swarm_is_found_wherever_the_data_may_be() {
        let state = ("mnt/ssd/swarm/docker-state.json", "{}");
        let flag = "ExecStart=/usr/bin/dockerd --data-root=/mnt/ssd";
        let elsewhere = [
            ("etc/docker/daemon.json", "{\"data-root\": \"/mnt/ssd\"}"),
            ("etc/systemd/system/docker.service.d/data.conf", flag),
            ("lib/systemd/system/docker.service", flag),
            ("etc/default/docker", "DOCKER_OPTS=\"--data-root=/mnt/ssd\""),
        ];
        for told in elsewhere {
            assert!(hold_a_swarm(&host(&[told, state]).1), "{told:?}");
            assert!(!hold_a_swarm(&host(&[told]).1), "{told:?} without a swarm");
        }
        assert!(!hold_a_swarm(&host(&[state]).1), "somebody else's folder");
        let unclear = ("etc/docker/daemon.json", "{\"data-root\": ");
        assert!(hold_a_swarm(&host(&[unclear]).1), "nobody knows where the data are");
    }

    #[test]
    fn only_a_folder_with_something_in_it_holds_a_swarm() {
        let (directory, host) = host(&[]);
        let folder = directory.path().join("var/lib/docker/swarm");
        assert!(!hold_a_swarm(&host));
        fs::create_dir_all(&folder).expect("a folder");
        assert!(!hold_a_swarm(&host));
        fs::write(folder.join("docker-state.json"), "{}").expect("a file");
        assert!(hold_a_swarm(&host));
    }
}
