//! An apt repository as Docker's: Debian's own engine, packed anew under Docker's names and versions, signed by a key
//! made here, and served on the lab's bridge.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use sha2::{Digest, Sha256};

use super::support::Bench;

/// The versions that the repository offers, the newest last.
pub(crate) const VERSIONS: [&str; 2] = ["5:28.4.0-1~debian.12~bookworm", "5:28.5.2-1~debian.12~bookworm"];

/// Counts up when what is built below changes, so that an old repository is not taken for a new one.
const RECIPE: u32 = 2;

/// The served repository.
pub(crate) struct Repository {
    /// Where it is, as nodes reach it.
    pub(crate) url: String,
    /// The key that signs it, armored, on this computer.
    pub(crate) key: PathBuf,
    /// That key's fingerprint.
    pub(crate) fingerprint: String,
}

impl Repository {
    /// Builds it where that has not been done yet, and serves it to the nodes of a lab until the process ends.
    pub(crate) fn serve(bench: &Bench) -> Self {
        let root = built();
        let gateway =
            bench.on("n1", "ip -4 route show default").split_whitespace().nth(2).unwrap().to_owned();
        let listener = TcpListener::bind((gateway.as_str(), 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = root.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let root = served.clone();
                thread::spawn(move || answer_all(&stream, &root));
            }
        });
        let fingerprint = fs::read_to_string(root.join("fingerprint")).unwrap().trim().to_owned();
        Self { url, key: root.join("gpg"), fingerprint }
    }
}

/// The built repository; kept between runs.
fn built() -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("engine-repository-{RECIPE}-{}", codename()));
    if !root.is_dir() {
        install_tools();
        let partial = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        build(partial.path());
        // Another process may have been faster.
        if fs::rename(partial.path(), &root).is_err() {
            assert!(root.is_dir());
        }
    }
    root
}

fn install_tools() {
    if Command::new("gpg").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return;
    }
    sh(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends gnupg",
        Path::new("/"),
    );
}

fn codename() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let line = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap();
    line.trim_matches('"').to_owned()
}

/// Runs a script in a folder; it has to succeed.
fn sh(script: &str, folder: &Path) -> String {
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {}\n{out}{err}", output.status);
    out.into_owned()
}

fn build(root: &Path) {
    let work = tempfile::tempdir_in(root).unwrap();
    unpack(work.path());
    fs::create_dir(root.join("pool")).unwrap();
    for version in VERSIONS {
        engine(work.path(), version, root);
    }
    let runtime = "Conflicts: containerd, runc\nReplaces: containerd, runc\nProvides: containerd, runc\nDepends: libc6, libseccomp2\n";
    pack(work.path(), "containerd", "containerd.io", "1.7.28-1~debian.12~bookworm", runtime, root);
    for plugin in ["docker-buildx-plugin", "docker-compose-plugin"] {
        let folder = work.path().join(plugin).join("usr/share/doc").join(plugin);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("README"), "stands in for the real one\n").unwrap();
        fs::create_dir(work.path().join(plugin).join("DEBIAN")).unwrap();
        pack(work.path(), plugin, plugin, "0.29.1-1~debian.12~bookworm", "", root);
    }
    drop(work);
    index(root);
    sign(root);
    sh("tar -cf all.tar pool dists gpg", root);
}

/// Debian's packages, with the client apart from the engine, and what starts containers beside containerd.
fn unpack(work: &Path) {
    sh(
        "apt-get -q download docker.io containerd runc
         dpkg-deb -R docker.io_*.deb engine; dpkg-deb -R containerd_*.deb containerd; dpkg-deb -R runc_*.deb runc
         rm engine/DEBIAN/md5sums containerd/DEBIAN/md5sums
         # The distribution's own past is none of these packages'.
         sed -i /dpkg-maintscript-helper/d engine/DEBIAN/p*
         cp -a runc/usr containerd/
         mkdir -p client/usr/bin client/DEBIAN; mv engine/usr/bin/docker client/usr/bin/",
        work,
    );
}

fn engine(work: &Path, version: &str, root: &Path) {
    let engine = "Pre-Depends: init-system-helpers\nDepends: libc6, libdevmapper1.02.1, libsystemd0, adduser, iptables, \
                  tini, containerd.io, docker-ce-cli\nConflicts: docker.io\nReplaces: docker.io\n";
    pack(work, "engine", "docker-ce", version, engine, root);
    pack(work, "client", "docker-ce-cli", version, "Conflicts: docker.io\nReplaces: docker.io\n", root);
}

/// A package from a tree, with its own control file.
fn pack(work: &Path, tree: &str, name: &str, version: &str, fields: &str, root: &Path) {
    let architecture = sh("dpkg --print-architecture", work);
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {}\nMaintainer: Nobody <nobody@example.net>\n{fields}\
         Description: stands in for Docker's own package\n",
        architecture.trim()
    );
    fs::write(work.join(tree).join("DEBIAN/control"), control).unwrap();
    // Without epoch and `~`, so that the name is the same in a URL.
    let file = format!("{name}_{}.deb", version.trim_start_matches("5:").replace('~', "-"));
    let pool = root.join("pool").join(file);
    sh(&format!("dpkg-deb --root-owner-group -Zgzip -z1 -b {tree} {}", pool.display()), work);
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// `Packages` and `Release`, as apt wants them.
fn index(root: &Path) {
    let mut packages = String::new();
    for deb in fs::read_dir(root.join("pool")).unwrap().map(|entry| entry.unwrap().path()) {
        let control = sh(&format!("dpkg-deb -f '{}'", deb.display()), root);
        let bytes = fs::read(&deb).unwrap();
        let name = deb.file_name().unwrap().to_string_lossy();
        let (size, hash) = (bytes.len(), hash(&bytes));
        let _ = write!(packages, "{control}Filename: pool/{name}\nSize: {size}\nSHA256: {hash}\n\n");
    }
    let architecture = sh("dpkg --print-architecture", root);
    let path = format!("stable/binary-{}/Packages", architecture.trim());
    let dist = root.join("dists").join(codename());
    fs::create_dir_all(dist.join(&path).parent().unwrap()).unwrap();
    fs::write(dist.join(&path), &packages).unwrap();
    let release = format!(
        "Origin: Docker\nSuite: {0}\nCodename: {0}\nArchitectures: {1}\nComponents: stable\nDate: {2}\nSHA256:\n {3} {4} {path}\n",
        codename(),
        architecture.trim(),
        sh("date -Ru", root).trim().replace("+0000", "UTC"),
        hash(packages.as_bytes()),
        packages.len(),
    );
    fs::write(dist.join("Release"), release).unwrap();
}

fn sign(root: &Path) {
    let release = root.join("dists").join(codename());
    sh(
        &format!(
            "export GNUPGHOME=$(mktemp -d)
             gpg --batch --quiet --passphrase '' --quick-gen-key 'skep test repository' rsa2048 sign never
             gpg --batch --armor --export >gpg
             gpg --batch --with-colons --list-keys | awk -F: '/^fpr/ {{ print $10; exit }}' >fingerprint
             gpg --batch --quiet --clearsign -o {0}/InRelease {0}/Release
             gpgconf --kill all; rm -r $GNUPGHOME",
            release.display()
        ),
        root,
    );
}

/// Requests for files, one after another over one connection.
fn answer_all(stream: &TcpStream, root: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut request = String::new();
        reader.read_line(&mut request).ok().filter(|read| *read > 0)?;
        let mut header = request.clone();
        while !header.trim().is_empty() {
            header.clear();
            reader.read_line(&mut header).ok()?;
        }
        let path = request.split_whitespace().nth(1)?.trim_start_matches('/');
        let (status, body) = match fs::read(root.join(path)) {
            Ok(body) if !path.contains("..") => ("200 OK", body),
            _ => ("404 Not Found", Vec::new()),
        };
        let mut stream = stream;
        stream
            .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())
            .ok()?;
        stream.write_all(&body).ok()?;
    }
}
