//! What is exported and what is mounted, read without asking a file server that may be dead.
//!
//! Nothing here touches a mount of another computer's file system: where its server is gone, even a thread that looks at
//! it would never come back. Whether the server is there is asked of the server itself, over a connection that can be
//! given up.

pub mod bound;
pub mod declared;
pub mod docker;
pub mod place;
pub mod rpc;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::resource::mount::table::{Row, rows};
use crate::resource::{Host, exports};
use bound::Bound;
use declared::Declared;
use docker::{Failed, Volume};
use place::Place;
use rpc::{Answer, Server};

/// Where `exportfs` keeps what it told the kernel.
pub const ETAB: &str = "/var/lib/nfs/etab";
/// Where the kernel tells which protocol versions it serves.
pub const VERSIONS: &str = "/proc/fs/nfsd/versions";
/// Where the kernel tells how many threads serve.
pub const THREADS: &str = "/proc/fs/nfsd/threads";

/// Larger files than this are not read: exports are written by people.
const LARGEST: usize = 256 << 10;

/// What an audit wants to know of one host's shares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// The directories that it shall share.
    pub shared: Vec<PathBuf>,
    /// The mount points that it shall have.
    pub points: Vec<PathBuf>,
    /// The servers that it shall mount from.
    pub servers: Vec<Server>,
}

/// What is exported and what is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nfs {
    /// `/etc/exports` and the files of `/etc/exports.d`, in the order in which `exportfs` reads them.
    pub files: Vec<File>,
    /// What `exportfs` told the kernel, as [`ETAB`] has it; none where there is none.
    pub etab: Option<String>,
    /// How many threads serve; none where the kernel serves nothing.
    pub threads: Option<u32>,
    /// The protocol versions in force, as [`VERSIONS`] tells: `+3 +4 +4.1 +4.2`.
    pub versions: Option<String>,
    /// Whether the host has the programs that mount.
    pub client: bool,
    /// Directories that are or shall be exported, and mount points that there shall be.
    pub places: Vec<Place>,
    /// What is mounted over NFS or at one of the wanted mount points, in the order in which it was mounted.
    pub mounts: Vec<Row>,
    /// What shall be mounted at boot.
    pub declared: Vec<Declared>,
    /// What the servers say, both the wanted ones and those of mounts.
    pub answers: BTreeMap<Server, Answer>,
    /// Containers that use the directory below a wanted mount point instead of what is to be mounted there.
    pub bound: Vec<Bound>,
    /// Docker's volumes with a name.
    pub volumes: Vec<Volume>,
    /// Containers below a wanted mount point that failed.
    pub failed: Vec<Failed>,
    /// What could not be read, and why.
    pub unread: BTreeMap<PathBuf, String>,
}

/// A file with its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Nfs {
    /// Reads it. What cannot be read is told as such.
    pub fn read(host: &Host, wanted: &Wanted) -> Self {
        let mut nfs = Self { client: host.has_program("mount.nfs4"), ..Self::default() };
        let table = nfs.text(host, Path::new("/proc/self/mountinfo")).unwrap_or_default();
        let table: Vec<Row> = rows(&table).collect();
        let is_ours = |row: &&Row| is_nfs(&row.info.fstype) || wanted.points.contains(&row.at);
        nfs.mounts = table.iter().filter(is_ours).cloned().collect();
        let asked = rpc::ask_all(host, nfs.servers(wanted));
        for path in exports::files(host) {
            let text = nfs.text(host, &path);
            nfs.files.extend(text.map(|text| File { path, text }));
        }
        nfs.etab = nfs.text(host, Path::new(ETAB));
        nfs.threads = nfs.text(host, Path::new(THREADS)).and_then(|text| text.trim().parse().ok());
        nfs.versions = nfs.text(host, Path::new(VERSIONS)).map(|text| text.trim().to_owned());
        nfs.declared = declared::read(host);
        let places = nfs.exported().into_iter().chain(wanted.shared.iter().chain(&wanted.points).cloned());
        let places: BTreeSet<PathBuf> = places.collect();
        nfs.places = places.iter().map(|path| place::look(host, path, &table)).collect();
        nfs.bound = bound::read(host, &wanted.points, &table);
        let engine = docker::roots(host, &table);
        nfs.volumes = docker::volumes(host, &table, &engine);
        nfs.failed = docker::failed(host, &table, &engine, &wanted.points);
        nfs.answers = asked.wait();
        nfs
    }

    /// The directories that are exported, or are said to be.
    fn exported(&self) -> BTreeSet<PathBuf> {
        let texts = self.files.iter().map(|file| file.text.as_str()).chain(self.etab.as_deref());
        let entries = texts.flat_map(|text| exports::parse(text).entries);
        entries.map(|(_, entry)| entry.path).filter(|path| path.is_absolute()).collect()
    }

    fn servers(&self, wanted: &Wanted) -> BTreeSet<Server> {
        let mounted = self.mounts.iter().filter(|row| is_nfs(&row.info.fstype));
        mounted.filter_map(|row| Server::of(&row.info)).chain(wanted.servers.iter().cloned()).collect()
    }

    /// The place that the host calls so.
    pub fn place(&self, path: &Path) -> Option<&Place> {
        self.places.iter().find(|place| place.path == path)
    }

    /// A small file's text; what keeps it from being read is noted.
    fn text(&mut self, host: &Host, path: &Path) -> Option<String> {
        let fault = match host.read(path) {
            Ok(None) => return None,
            Ok(Some(bytes)) if bytes.len() <= LARGEST || path.starts_with("/proc") => {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            Ok(Some(bytes)) => format!("holds {} bytes", bytes.len()),
            Err(fault) => fault.cause,
        };
        self.unread.insert(path.to_owned(), fault);
        None
    }
}

/// Whether it is a file system that an NFS server serves.
pub fn is_nfs(fstype: &str) -> bool {
    matches!(fstype, "nfs" | "nfs4")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn a_server_is_read_whole() {
        let (root, host) = root(&[
            ("etc/exports", "/srv/a 10.0.0.0/8(rw)\n"),
            ("etc/exports.d/skep.exports", "/srv/b 10.0.0.0/8(rw)\n"),
            ("etc/exports.d/.hidden.exports", "/srv/hidden *(rw)\n"),
            ("etc/exports.d/notes.txt", "/srv/notes *(rw)\n"),
            ("var/lib/nfs/etab", "/srv/c\t10.0.0.0/8(rw,sync)\n"),
            ("proc/fs/nfsd/threads", "8\n"),
            ("proc/fs/nfsd/versions", "+3 +4 +4.1 +4.2\n"),
            ("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"),
        ]);
        fs::create_dir_all(root.path().join("srv/a")).unwrap();
        let nfs = Nfs::read(&host, &Wanted { shared: vec!["/srv/d".into()], ..Wanted::default() });
        let files: Vec<_> = nfs.files.iter().map(|file| file.path.display().to_string()).collect();
        assert_eq!(files, ["/etc/exports", "/etc/exports.d/skep.exports"]);
        assert_eq!(
            (nfs.threads, nfs.versions.as_deref(), nfs.client),
            (Some(8), Some("+3 +4 +4.1 +4.2"), false)
        );
        let places: Vec<_> = nfs.places.iter().map(|place| place.path.display().to_string()).collect();
        assert_eq!(places, ["/srv/a", "/srv/b", "/srv/c", "/srv/d"]);
        assert!(nfs.unread.is_empty(), "{:?}", nfs.unread);
    }

    #[test]
    fn a_host_without_any_of_it_is_read_as_such() {
        let (_root, host) = root(&[]);
        assert_eq!(Nfs::read(&host, &Wanted::default()), Nfs::default());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let (_root, host) = root(&[("etc/exports/directory", "")]);
        let nfs = Nfs::read(&host, &Wanted::default());
        assert_eq!(nfs.unread.keys().collect::<Vec<_>>(), [&PathBuf::from("/etc/exports")]);
    }

    #[test]
    fn mounts_are_those_of_nfs_and_those_at_the_wanted_points() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     40 22 0:50 / /mnt/other rw - nfs4 127.0.0.1:/x rw,vers=4.2,port=1\n\
                     41 22 0:51 / /mnt/shared rw - tmpfs tmpfs rw\n\
                     42 22 0:52 / /mnt/else rw - tmpfs tmpfs rw\n";
        let (_root, host) = root(&[("proc/self/mountinfo", table)]);
        let nfs = Nfs::read(&host, &Wanted { points: vec!["/mnt/shared".into()], ..Wanted::default() });
        let at: Vec<_> = nfs.mounts.iter().map(|row| row.at.display().to_string()).collect();
        assert_eq!(at, ["/mnt/other", "/mnt/shared"]);
        let server = Server { address: "127.0.0.1".to_owned(), port: 1 };
        assert_eq!(nfs.answers.get(&server), Some(&Answer::Refused));
    }
}
