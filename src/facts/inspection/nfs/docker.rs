//! Docker's volumes, and containers on shares that do not run well, as its files tell: an engine that is stopped would
//! start if it were asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::path::{End, follow};
use super::is_nfs;
use crate::facts::engine::data;
use crate::facts::text;
use crate::resource::Host;
use crate::resource::mount::table::Row;

/// A volume with a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The file of its options; there is none for a directory of the host's own.
    pub file: PathBuf,
    /// Its file system: `nfs`, `nfs4`; empty for a directory of the host's own.
    pub fstype: String,
    /// The options of an NFS mount: `addr=192.168.2.1,vers=4.2`. Those of others may hold passwords, and stay on the host.
    pub options: String,
    /// What is mounted over NFS: `:/srv`.
    pub device: String,
}

/// A container on a share that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The first digits of its ID.
    pub id: String,
    /// The name of its service, or its own.
    pub name: String,
    /// What of the share it uses, as the host calls it.
    pub from: PathBuf,
    /// How its first process ended last.
    pub code: i64,
    /// Whether Docker is about to start it again.
    pub again: bool,
}

/// Where the engine's data are, unless on another computer.
pub(super) fn roots(host: &Host, table: &[Row]) -> BTreeSet<PathBuf> {
    let roots = data::roots(host).unwrap_or_else(|| vec![data::USUAL.into()]);
    let real = roots.iter().map(|root| follow(host, table, root));
    real.filter(|(_, end)| *end == End::Directory).map(|(real, _)| real).collect()
}

/// The volumes. Those without a name, which live and die with a container, are left out.
pub(super) fn volumes(host: &Host, table: &[Row], roots: &BTreeSet<PathBuf>) -> Vec<Volume> {
    let mut volumes = Vec::new();
    for (name, folder) in folders(host, table, roots, "volumes") {
        let file = folder.join("opts.json");
        let options = json(host, &file);
        let word = |key: &str| options[key].as_str().unwrap_or_default().to_owned();
        let fstype = word("MountType");
        let of_nfs = |key: &str| if is_nfs(&fstype) { word(key) } else { String::new() };
        let (options, device) = (of_nfs("MountOpts"), of_nfs("MountDevice"));
        if !(fstype.is_empty() && is_id(&name)) {
            volumes.push(Volume { name, file, fstype, options, device });
        }
    }
    volumes
}

/// Containers below the mount points that ended with a failure of their own or are started again and again, each service
/// once. Nothing else of their configuration is kept, which holds what they are told in secret.
pub(super) fn failed(
    host: &Host,
    table: &[Row],
    roots: &BTreeSet<PathBuf>,
    points: &[PathBuf],
) -> Vec<Failed> {
    let mut failed: BTreeMap<String, Failed> = BTreeMap::new();
    let mut well = BTreeSet::new();
    if points.is_empty() {
        return Vec::new();
    }
    for (id, folder) in folders(host, table, roots, "containers") {
        let it = json(host, &folder.join("config.v2.json"));
        let service = it["Config"]["Labels"]["com.docker.swarm.service.name"].as_str();
        let name = service.or(it["Name"].as_str()).unwrap_or_default().trim_start_matches('/').to_owned();
        match failure(&id, &name, &it, points) {
            // A swarm makes a container anew each time, and keeps the last ones: the second failure is one too many.
            Some(found) => {
                failed.entry(name).and_modify(|first| first.again = true).or_insert(found);
            }
            None if it["State"]["Running"] == true => {
                well.insert(name);
            }
            None => {}
        }
    }
    failed.into_values().filter(|one| !well.contains(&one.name)).collect()
}

/// What a container's own file tells of its failure on a share.
fn failure(id: &str, name: &str, it: &Value, points: &[PathBuf]) -> Option<Failed> {
    let state = &it["State"];
    let again = state["Restarting"] == true;
    if !again && state["Running"] != false {
        return None;
    }
    // From 125 on it was never started, or was killed.
    let code = state["ExitCode"].as_i64().filter(|code| (1..125).contains(code))?;
    let mut sources = it["MountPoints"].as_object()?.values().filter_map(|mount| mount["Source"].as_str());
    let from = sources.find(|source| points.iter().any(|point| Path::new(source).starts_with(point)))?;
    let id = id.chars().take(12).collect();
    Some(Failed { id, name: name.to_owned(), from: from.into(), code, again })
}

/// The folders in one of the engine's, by name; those that another computer or program keeps are left alone.
fn folders(host: &Host, table: &[Row], roots: &BTreeSet<PathBuf>, kind: &str) -> Vec<(String, PathBuf)> {
    let own = |path: &Path| Some(follow(host, table, path)).filter(|(_, end)| *end == End::Directory);
    let mut found = Vec::new();
    for (folder, _) in roots.iter().filter_map(|root| own(&root.join(kind))) {
        let entries = fs::read_dir(host.path(&folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        found.extend(names.filter_map(|name| own(&folder.join(&name)).map(|(path, _)| (name, path))));
    }
    found.sort_unstable();
    found
}

/// A file of the engine's; null where there is none, or another than is known.
fn json(host: &Host, file: &Path) -> Value {
    serde_json::from_str(&text(host, &file.to_string_lossy())).unwrap_or_default()
}

/// Whether it is a name that Docker made: 64 hexadecimal digits.
pub(super) fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::mount::table::rows;

    const ID: &str = "3f4e8a9b0c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011";

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    fn usual() -> BTreeSet<PathBuf> {
        [data::USUAL.into()].into()
    }

    #[test]
    fn volumes_are_read_without_their_passwords() {
        let nameless = format!("var/lib/docker/volumes/{ID}/_data/file");
        let (_root, host) = host(&[
            (
                "var/lib/docker/volumes/web/opts.json",
                r#"{"MountType":"nfs","MountOpts":"addr=10.0.0.1,rw","MountDevice":":/srv","Quota":{"Size":0}}"#,
            ),
            (
                "var/lib/docker/volumes/smb/opts.json",
                r#"{"MountType":"cifs","MountOpts":"username=u,password=secret","MountDevice":"//nas/u:secret@x"}"#,
            ),
            ("var/lib/docker/volumes/odd/opts.json", "not JSON"),
            ("var/lib/docker/volumes/plain/_data/file", ""),
            (&nameless, ""),
            ("var/lib/docker/volumes/metadata.db", ""),
        ]);
        let told = volumes(&host, &[], &usual()).into_iter().map(|volume| {
            let Volume { name, file, fstype, options, device } = volume;
            format!("{name} {} {fstype}|{options}|{device}", file.display())
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "odd /var/lib/docker/volumes/odd/opts.json ||",
                "plain /var/lib/docker/volumes/plain/opts.json ||",
                "smb /var/lib/docker/volumes/smb/opts.json cifs||",
                "web /var/lib/docker/volumes/web/opts.json nfs|addr=10.0.0.1,rw|:/srv",
            ]
        );
    }

    #[test]
    fn containers_that_failed_on_a_share_are_found() {
        let read = |state: &str, source: &str, points: &[PathBuf]| {
            let text = format!(
                r#"{{"Name":"/db","State":{state},"Config":{{"Env":["PASSWORD=secret"],"Labels":{{}}}},
                    "MountPoints":{{"/data":{{"Source":"{source}","Destination":"/data"}}}}}}"#
            );
            let (_root, host) = host(&[(&format!("var/lib/docker/containers/{ID}/config.v2.json"), &text)]);
            failed(&host, &[], &usual(), points)
        };
        let points = [PathBuf::from("/mnt/shared")];
        let one = |code, again| {
            let (id, name) = ("3f4e8a9b0c1d".to_owned(), "db".to_owned());
            vec![Failed { id, name, from: "/mnt/shared/db".into(), code, again }]
        };
        for (state, expected) in [
            (r#"{"Running":false,"Restarting":false,"ExitCode":1}"#, one(1, false)),
            (r#"{"Running":true,"Restarting":true,"ExitCode":2}"#, one(2, true)),
            (r#"{"Running":true,"Restarting":false,"ExitCode":0}"#, vec![]),
            (r#"{"Running":true,"Restarting":false,"ExitCode":1}"#, vec![]),
            (r#"{"Running":false,"Restarting":false,"ExitCode":0}"#, vec![]),
            (r#"{"Running":false,"Restarting":false,"ExitCode":127}"#, vec![]),
            (r#"{"Running":false,"Restarting":false,"ExitCode":137}"#, vec![]),
            ("7", vec![]),
        ] {
            assert_eq!(read(state, "/mnt/shared/db", &points), expected, "{state}");
        }
        let ended = r#"{"Running":false,"ExitCode":1}"#;
        assert_eq!(read(ended, "/srv/db", &points), []);
        assert_eq!(read(ended, "/mnt/shared/db", &[]), []);
    }

    #[test]
    fn tasks_of_one_service_are_told_once_and_not_where_one_runs_well() {
        let task = |state: &str| {
            format!(
                r#"{{"Name":"/web.1.x","State":{state},
                    "Config":{{"Labels":{{"com.docker.swarm.service.name":"web"}}}},
                    "MountPoints":{{"/d":{{"Source":"/mnt/shared"}}}}}}"#
            )
        };
        let (ended, runs) =
            (task(r#"{"Running":false,"ExitCode":1}"#), task(r#"{"Running":true,"ExitCode":0}"#));
        let path = |id: &str| format!("var/lib/docker/containers/{id}/config.v2.json");
        let [a, b, c] = ["a", "b", "c"].map(path);
        let told = |files: &[(&str, &str)]| {
            let (_root, host) = host(files);
            let found = failed(&host, &[], &usual(), &["/mnt/shared".into()]);
            found.iter().map(|one| format!("{} {} {}", one.id, one.name, one.again)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[(&a, &ended)]), ["a web false"]);
        assert_eq!(told(&[(&a, &ended), (&b, &ended)]), ["a web true"]);
        assert_eq!(told(&[(&a, &ended), (&b, &ended), (&c, &runs)]), [""; 0]);
    }

    #[test]
    fn data_on_another_computer_are_not_touched() {
        let options = ("etc/docker/daemon.json", r#"{"data-root": "/mnt/far/docker"}"#);
        let (root, host) = host(&[options, ("var/lib/docker/x", "")]);
        fs::create_dir_all(root.path().join("mnt/far/docker")).unwrap();
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:50 / /mnt/far rw - nfs4 10.0.0.1:/x rw\n";
        assert_eq!(roots(&host, &rows(table).collect::<Vec<_>>()), BTreeSet::new());
        let local = table.lines().next().unwrap_or_default();
        assert_eq!(roots(&host, &rows(local).collect::<Vec<_>>()), ["/mnt/far/docker".into()].into());

        for path in ["near", "far"] {
            fs::create_dir_all(root.path().join("var/lib/docker/volumes").join(path)).unwrap();
        }
        let names = |at: &str| {
            let table =
                format!("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:50 / {at} rw - nfs4 10.0.0.1:/x rw\n");
            let found = volumes(&host, &rows(&table).collect::<Vec<_>>(), &usual());
            found.into_iter().map(|volume| volume.name).collect::<Vec<_>>()
        };
        assert_eq!(names("/mnt/far"), ["far", "near"]);
        assert_eq!(names("/var/lib/docker/volumes/far"), ["near"]);
        assert_eq!(names("/var/lib/docker/volumes"), [""; 0]);
    }
}
