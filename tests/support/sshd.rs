//! A real OpenSSH server on loopback, with its own port, configuration, host keys and logins.
//!
//! As root it runs in a mount namespace of its own, so that it finds its run directory and a few throwaway
//! logins in `/etc/passwd` and `/etc/shadow` without a change to this computer.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

const SSHD: &str = "/usr/sbin/sshd";

/// The password of [`USER`] and [`EXPIRED_USER`].
pub(crate) const PASSWORD: &str = "correct horse";
/// A login with a password, where the server runs as root.
pub(crate) const USER: &str = "skep-test";
/// The same with a password that has expired.
pub(crate) const EXPIRED_USER: &str = "skep-expired";

/// A running server and the directory with its keys. Ends with this value.
pub(crate) struct Sshd {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
    child: Child,
}

/// Whether servers run as root here, so that there are logins with passwords.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The login that runs the tests.
pub(crate) fn this_user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    user.expect("the user database can be read").expect("this user has a name").name
}

impl Sshd {
    /// Starts a server that lets `client.pub` in, or says what is missing for that.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with more lines of sshd_config, which win over its own.
    pub(crate) fn start_with(config: &str) -> Option<Self> {
        Self::start_with_pam(config, None)
    }

    /// The same, logins going through this PAM configuration where the server runs as root. In both, `{dir}` stands for
    /// the server's directory.
    pub(crate) fn start_with_pam(config: &str, pam: Option<&str>) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            super::left_out("an OpenSSH server (Debian package openssh-server)");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let client = generate_key(dir.path(), "client", "ed25519", "");
        std::fs::copy(public(&client), dir.path().join("authorized_keys")).expect("copy of a key");
        for kind in ["ed25519", "ecdsa"] {
            generate_key(dir.path(), &format!("host_{kind}"), kind, "");
        }
        let port = free_port();
        let here = |text: &str| text.replace("{dir}", dir.path().to_str().expect("a plain path"));
        std::fs::write(dir.path().join("sshd_config"), here(config) + &base_config(dir.path(), port))
            .expect("sshd_config written");
        if let Some(pam) = pam {
            std::fs::write(dir.path().join("pam"), here(pam)).expect("PAM configuration written");
        }
        let child = spawn(dir.path());
        let server = Self { dir, port, child };
        server.wait_until_it_listens();
        Some(server)
    }

    /// A file in the server's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The fingerprint of one of its host keys, as OpenSSH prints it.
    pub(crate) fn fingerprint(&self, kind: &str) -> String {
        fingerprint(&public(&self.path(&format!("host_{kind}"))))
    }

    /// Lets in whoever holds one of these keys, besides those that it lets in already.
    pub(crate) fn authorize(&self, private: &Path) {
        let line = std::fs::read_to_string(public(private)).expect("a public key");
        let file = self.path("authorized_keys");
        let known = std::fs::read_to_string(&file).expect("authorized_keys");
        std::fs::write(&file, known + &line).expect("authorized_keys written");
    }

    /// One of its host keys as `type base64`.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        let line = std::fs::read_to_string(public(&self.path(&format!("host_{kind}")))).expect("a key");
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Gives it new host keys and starts it again on the same port.
    pub(crate) fn restart_with_new_host_keys(&mut self) {
        self.stop();
        for kind in ["ed25519", "ecdsa"] {
            let name = format!("host_{kind}");
            std::fs::remove_file(self.path(&name)).expect("an old key");
            std::fs::remove_file(public(&self.path(&name))).expect("an old key");
            generate_key(self.dir.path(), &name, kind, "");
        }
        self.child = spawn(self.dir.path());
        self.wait_until_it_listens();
    }

    /// Starts it again on the same port with more lines of sshd_config, which win over those before.
    pub(crate) fn restart_with(&mut self, config: &str) {
        self.stop();
        let path = self.path("sshd_config");
        let before = std::fs::read_to_string(&path).expect("sshd_config");
        std::fs::write(&path, config.to_owned() + &before).expect("sshd_config written");
        self.child = spawn(self.dir.path());
        self.wait_until_it_listens();
    }

    /// How many logins it has let in since it was started.
    pub(crate) fn logins(&self) -> usize {
        let log = std::fs::read_to_string(self.path("log")).expect("a log");
        log.lines().filter(|line| line.contains("Accepted ")).count()
    }

    /// Ends the server and all its connections, as if the host lost power.
    pub(crate) fn stop(&mut self) {
        let server = Pid::from_raw(self.child.id() as i32);
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Halted first: a process that it starts meanwhile would be missed, and keep the port.
        let _ = kill(server, Signal::SIGSTOP);
        let _ = waitpid(server, Some(WaitPidFlag::WUNTRACED));
        // Each connection's process is in a session of its own: no group holds them all.
        for process in self.descendants() {
            let _ = kill(process, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }

    /// Halts the server and all its connections, as if the host hung.
    pub(crate) fn freeze(&self) {
        for process in self.descendants() {
            kill(process, Signal::SIGSTOP).expect("the server's own process");
        }
    }

    /// The server's process, its children, their children.
    pub(crate) fn descendants(&self) -> Vec<Pid> {
        let parents = parents();
        let mut found = vec![Pid::from_raw(self.child.id() as i32)];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            next += 1;
            let children = parents.iter().filter(|(_, of)| *of == parent);
            found.extend(children.map(|(process, _)| *process));
        }
        found
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "sshd does not listen: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Each process with its parent.
fn parents() -> Vec<(Pid, Pid)> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let relation = |entry: std::fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        Some((Pid::from_raw(process), Pid::from_raw(parent)))
    };
    processes.filter_map(relation).collect()
}

/// Makes a key pair with OpenSSH's own tool and gives the private half's path.
pub(crate) fn generate_key(dir: &Path, name: &str, kind: &str, passphrase: &str) -> PathBuf {
    let path = dir.join(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"]).arg(&path);
    assert!(command.status().expect("ssh-keygen runs").success());
    path
}

/// The fingerprint of a public or private key file, as OpenSSH prints it.
pub(crate) fn fingerprint(key: &Path) -> String {
    let listing = Command::new("ssh-keygen").arg("-lf").arg(key).output().expect("ssh-keygen runs");
    let text = String::from_utf8(listing.stdout).expect("text");
    text.split(' ').nth(1).expect("a fingerprint").to_owned()
}

/// The public half of a key pair.
pub(crate) fn public(private: &Path) -> PathBuf {
    private.with_extension("pub")
}

/// A port that nothing listens on, and that no other server of these tests gets: one that is started again wants it
/// back. Below those that the system hands out to whoever connects (32768 and up).
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(17).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + u16::try_from(number % 12_000).expect("less than 12000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn base_config(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let pam = if is_root() { "yes" } else { "no" };
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM {pam}\n\
         HostKey {dir}/host_ed25519\nHostKey {dir}/host_ecdsa\n\
         AuthorizedKeysFile {dir}/authorized_keys\nPermitRootLogin yes\nPrintMotd no\n\
         MaxStartups 100\nMaxSessions 50\nUseDNS no\n"
    )
}

fn spawn(dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("log")).expect("a log file");
    let config = dir.join("sshd_config");
    let mut command = if is_root() {
        write_logins(dir);
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-ec", IN_NAMESPACE, "sh"]);
        unshare.arg(dir).arg(SSHD);
        unshare
    } else {
        Command::new(SSHD)
    };
    command.args(["-D", "-e", "-f"]).arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("sshd starts")
}

/// Puts the throwaway logins, a run directory and the PAM configuration in place for what follows.
const IN_NAMESPACE: &str = r#"
    dir=$1; shift
    mount --bind "$dir/passwd" /etc/passwd
    mount --bind "$dir/shadow" /etc/shadow
    mount -t tmpfs tmpfs /run
    mkdir -m 755 /run/sshd
    if [ -e "$dir/pam" ]; then mount --bind "$dir/pam" /etc/pam.d/sshd; fi
    exec "$@"
"#;

fn write_logins(dir: &Path) {
    let read = |file: &str| std::fs::read_to_string(file).expect("a login database");
    let hash = password_hash();
    let (mut passwd, mut shadow) = (read("/etc/passwd"), read("/etc/shadow"));
    for (number, (name, changed)) in [(USER, "20000"), (EXPIRED_USER, "0")].iter().enumerate() {
        let id = 47000 + number;
        passwd += &format!("{name}:x:{id}:{id}::/:/bin/sh\n");
        shadow += &format!("{name}:{hash}:{changed}:0:99999:7:::\n");
    }
    std::fs::write(dir.join("passwd"), passwd).expect("passwd written");
    std::fs::write(dir.join("shadow"), shadow).expect("shadow written");
}

fn password_hash() -> String {
    let mut openssl = Command::new("openssl");
    let made = openssl.args(["passwd", "-6", "-salt", "skeptest", PASSWORD]).output();
    let made = made.expect("openssl runs");
    String::from_utf8(made.stdout).expect("text").trim().to_owned()
}
