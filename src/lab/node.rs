//! One node: its files, its start, its end.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::command::{run, short, tail, tool};
use super::error::{LabError, at};
use super::network::{gateway, node_address, resolvers, veth};
use super::state::{NodeState, State, remove_file, with_suffix, write_atomically};
use super::{arch::Arch, cgroup, machine, network, process};

/// How long a node may take until sshd answers: it is 2 s where nothing else runs.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// What lies in real directories instead of the overlay: overlay2 does not stack on overlayfs, and the kernel's
/// NFS server does not export it.
const BOUND: [(&str, &str); 3] =
    [("docker", "/var/lib/docker"), ("containerd", "/var/lib/containerd"), ("srv", "/srv")];

/// A node with all that is needed to start it.
#[derive(Debug, Clone)]
pub(super) struct Unit<'a> {
    dir: PathBuf,
    state: &'a State,
    node: &'a NodeState,
}

impl<'a> Unit<'a> {
    pub(super) fn new(folder: &Path, state: &'a State, node: &'a NodeState) -> Self {
        Self { dir: folder.join("nodes").join(node.name()), state, node }
    }

    pub(super) fn name(&self) -> String {
        self.node.name()
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        node_address(&self.state.subnet, self.node.number)
    }

    pub(super) fn number(&self) -> u32 {
        self.node.number
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn state(&self) -> &State {
        self.state
    }

    pub(super) fn subnet(&self) -> &ipnet::Ipv4Net {
        &self.state.subnet
    }

    /// The tree it is layered on; a machine's image.
    pub(super) fn base(&self) -> &Path {
        &self.node.base
    }

    /// Its processor, if it has a kernel of its own.
    pub(super) fn machine(&self) -> Option<Arch> {
        self.node.machine
    }

    pub(super) fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// The node's public host key, as made for it.
    pub(super) fn host_key(&self) -> PathBuf {
        match self.node.machine {
            Some(_) => with_suffix(&self.machine_key(), ".pub"),
            None => self.upper("etc/ssh/ssh_host_ed25519_key.pub"),
        }
    }

    fn upper(&self, path: &str) -> PathBuf {
        self.dir.join("upper").join(path.trim_start_matches('/'))
    }

    fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    pub(super) fn launcher(&self) -> PathBuf {
        self.dir.join("launch.sh")
    }

    fn machine_name(&self) -> String {
        self.state.id.machine(&self.name())
    }

    fn directory_mark(&self) -> String {
        format!("--directory={}", self.root().display())
    }

    fn marks(&self) -> [String; 2] {
        let second = match self.node.machine {
            Some(_) => self.pid_file().display().to_string(),
            None => self.directory_mark(),
        };
        [self.launcher().display().to_string(), second]
    }

    /// Whether any process of the node exists, be it only the one that starts it.
    pub(super) fn is_alive(&self) -> bool {
        !process::marked(&self.marks()).is_empty()
    }

    /// The node's init, as this computer counts processes; none while the node is off.
    pub(super) fn init(&self) -> Option<u32> {
        process::init_below(&self.directory_mark())
    }

    /// The process whose end is the node's: its init, or what its machine is played by; none while it is off.
    pub(super) fn pid(&self) -> Option<u32> {
        if self.node.machine.is_some() { self.emulator_pid() } else { self.init() }
    }

    /// Makes whatever the node's files still lack. What is there stays: it is the node's own by now.
    pub(super) fn prepare(&self, authorized_key: &str) -> Result<(), LabError> {
        if let Some(arch) = self.node.machine {
            return self.prepare_machine(arch, authorized_key);
        }
        at(self.node.base.read_dir().map(drop), "find the tree of this node,", &self.node.base)?;
        let own = ["upper", "work", "root"].into_iter().chain(BOUND.map(|(name, _)| name));
        for path in own.map(|name| self.dir.join(name)) {
            at(fs::create_dir_all(&path), "make", &path)?;
        }
        let name = self.name();
        self.place("etc/hostname", &format!("{name}\n"))?;
        self.place("etc/hosts", &hosts(&name))?;
        let network = interfaces("host0", self.address(), gateway(&self.state.subnet));
        self.place("etc/network/interfaces", &network)?;
        for home in ["root", "home/pi"] {
            self.authorize(home, authorized_key)?;
        }
        self.make_host_key()
    }

    /// Writes a file of the node that it does not have yet.
    fn place(&self, path: &str, text: &str) -> Result<(), LabError> {
        let target = self.upper(path);
        if target.exists() {
            return Ok(());
        }
        self.parents(Path::new(path))?;
        write_atomically(&target, text, 0o644)
    }

    /// A directory in the upper layer hides the owner and mode of the one below, so it takes them over.
    fn parents(&self, path: &Path) -> Result<(), LabError> {
        let parents: Vec<&Path> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        for parent in parents.into_iter().rev() {
            let (below, above) = (self.node.base.join(parent), self.dir.join("upper").join(parent));
            if !above.exists() {
                at(fs::create_dir(&above), "make", &above)?;
                let found = at(fs::metadata(&below), "look at", &below)?;
                at(chown(&above, Some(found.uid()), Some(found.gid())), "change the owner of", &above)?;
                at(fs::set_permissions(&above, found.permissions()), "change the mode of", &above)?;
            }
        }
        Ok(())
    }

    fn authorize(&self, home: &str, key: &str) -> Result<(), LabError> {
        let file = self.upper(&format!("{home}/.ssh/authorized_keys"));
        if file.exists() {
            return Ok(());
        }
        self.parents(&Path::new(home).join("x"))?;
        let owner = self.node.base.join(home);
        let owner = at(fs::metadata(&owner), "look at", &owner)?;
        write_atomically(&file, key, 0o600)?;
        let ssh = self.upper(&format!("{home}/.ssh"));
        at(fs::set_permissions(&ssh, Permissions::from_mode(0o700)), "change the mode of", &ssh)?;
        for path in [&ssh, &file] {
            at(chown(path, Some(owner.uid()), Some(owner.gid())), "change the owner of", path)?;
        }
        Ok(())
    }

    fn make_host_key(&self) -> Result<(), LabError> {
        self.parents(Path::new("etc/ssh/x"))?;
        make_key(&self.host_key().with_extension(""), &format!("root@{}", self.name()))
    }

    /// Starts the node, detached from the caller: it lives on when skep ends.
    pub(super) fn start(&self) -> Result<(), LabError> {
        if let Some(arch) = self.node.machine {
            return self.start_machine(arch);
        }
        let servers: String = resolvers().iter().map(|ip| format!("nameserver {ip}\n")).collect();
        write_atomically(&self.upper("etc/resolv.conf"), &servers, 0o644)?;
        let groups = cgroup::create(&self.state.id, &self.name())?;
        network::remove_device(&veth(&self.machine_name()))?;
        write_atomically(&self.launcher(), &self.launch_script(&groups), 0o755)?;
        self.spawn_launcher()
    }

    /// Runs the launcher, with the console for its output.
    pub(super) fn spawn_launcher(&self) -> Result<(), LabError> {
        let console = self.console();
        let log = at(OpenOptions::new().create(true).append(true).open(&console), "open", &console)?;
        let errors = at(log.try_clone(), "open", &console)?;
        let mut command = tool("setsid");
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, value)| value)
            .map(ToOwned::to_owned);
        // Nodes must not carry the caller's environment, and whatever secrets are in it, along for days.
        command.env_clear().env("PATH", path.unwrap_or_default());
        command.args(["--fork", "sh"]).arg(self.launcher());
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let spawned = command.status();
        let status = spawned.map_err(|source| LabError::Spawn { program: "setsid".into(), source })?;
        if status.success() {
            return Ok(());
        }
        Err(LabError::Command {
            program: "setsid sh launch.sh".into(),
            status: status.to_string(),
            tail: self.console_tail(),
        })
    }

    /// Ends the node as a power cut does; nothing happens to one that is off.
    pub(super) fn stop(&self) -> Result<(), LabError> {
        process::end(&self.marks(), self.init())?;
        network::remove_device(&veth(&self.machine_name()))
    }

    /// What systemd-nspawn left of the node under /run; it tidies up itself unless it is killed.
    pub(super) fn remove_leftovers(&self) -> Result<(), LabError> {
        let dir = Path::new("/run/systemd/nspawn/propagate").join(self.machine_name());
        if dir.is_dir() { at(fs::remove_dir_all(&dir), "remove", &dir) } else { Ok(()) }
    }

    /// The last lines of the node's console.
    pub(super) fn console_tail(&self) -> String {
        let bytes = fs::read(self.console()).unwrap_or_default();
        tail(&String::from_utf8_lossy(&bytes), 15)
    }

    /// Asks the node's sshd for its banner; fails with what kept it from answering.
    pub(super) fn ask(&self) -> io::Result<()> {
        let address = SocketAddr::from((self.address(), 22));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut banner = [0; 4];
        stream.read_exact(&mut banner)?;
        if &banner == b"SSH-" { Ok(()) } else { Err(io::Error::other("no SSH server listens there")) }
    }

    /// How long it may take until sshd answers.
    pub(super) fn boot_limit(&self) -> Duration {
        if self.node.machine.is_some() { machine::BOOT_LIMIT } else { BOOT_LIMIT }
    }

    /// Whether it can still come up, `since` it was started: a node whose processes are gone cannot.
    pub(super) fn may_boot(&self, since: Instant) -> bool {
        let waited = since.elapsed();
        waited < self.boot_limit() && (waited < Duration::from_secs(3) || self.is_alive())
    }

    fn launch_script(&self, groups: &[PathBuf]) -> String {
        let groups: Vec<String> = groups.iter().map(|group| group.display().to_string()).collect();
        let nspawn = self.nspawn_arguments().join(" \\\n            ");
        include_str!("launch.sh")
            .replace("@GROUPS@", &groups.join(" "))
            .replace("@LAUNCH@", cgroup::LAUNCH)
            .replace("@NODE@", &self.name())
            .replace("@BASE@", &self.node.base.display().to_string())
            .replace("@DIR@", &self.dir.display().to_string())
            .replace("@NSPAWN@", &nspawn)
    }

    fn nspawn_arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = vec![
            "systemd-nspawn".into(),
            self.directory_mark(),
            format!("--machine={}", self.machine_name()),
            format!("--hostname={}", self.name()),
            format!("--network-bridge={}", self.state.id.bridge()),
        ];
        arguments.extend(
            [
                "--boot",
                "--keep-unit",
                "--register=no",
                "--capability=all",
                "--private-users=no",
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
                "--console=read-only",
                "--setenv=SYSTEMD_COLORS=0",
            ]
            .map(str::to_owned),
        );
        arguments
            .extend(BOUND.map(|(name, target)| format!("--bind={}:{target}", self.dir.join(name).display())));
        arguments
    }
}

/// Makes an ed25519 key pair, unless there is one; the public half comes last and shows that all is done.
pub(super) fn make_key(path: &Path, comment: &str) -> Result<(), LabError> {
    let public = with_suffix(path, ".pub");
    if public.exists() && path.exists() {
        return Ok(());
    }
    let new = with_suffix(path, ".new");
    let new_public = with_suffix(&new, ".pub");
    for leftover in [&new, &new_public] {
        remove_file(leftover)?;
    }
    let target = new.display().to_string();
    short("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &target])?;
    at(fs::rename(&new, path), "rename", &new)?;
    at(fs::rename(&new_public, &public), "rename", &new_public)
}

pub(super) fn hosts(name: &str) -> String {
    format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost ip6-localhost ip6-loopback\n")
}

pub(super) fn interfaces(device: &str, address: Ipv4Addr, gateway: Ipv4Addr) -> String {
    format!(
        "auto lo\niface lo inet loopback\n\nauto {device}\niface {device} inet static\n\
         \taddress {address}/24\n\tgateway {gateway}\n"
    )
}

/// Runs `argv` inside the node whose init has that number, in all of its namespaces.
pub(super) fn enter(init: u32, argv: &[&str], limit: Duration) -> Result<std::process::Output, LabError> {
    let mut command = tool("nsenter");
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .envs([("HOME", "/root"), ("LANG", "C.UTF-8")])
        .arg(format!("--target={init}"))
        .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--"])
        .args(argv);
    run(&mut command, "", limit, &mut |_| ())
}

#[cfg(test)]
mod tests {
    use super::super::Login;
    use super::super::state::Id;
    use super::*;

    fn state() -> State {
        let mut state = State::new("dev", Id::from_number(5), "172.16.5.0/24".parse().unwrap(), Login::Root);
        state.nodes.push(NodeState { number: 2, base: "/base".into(), machine: None });
        state
    }

    #[test]
    fn the_launcher_has_no_hole_left() {
        let state = state();
        let unit = Unit::new(Path::new("/l/dev"), &state, &state.nodes[0]);
        insta::assert_snapshot!(unit.launch_script(&["/sys/fs/cgroup/skep-lab-000005".into()]));
    }

    #[test]
    fn the_marks_are_arguments_of_what_is_started() {
        let state = state();
        let unit = Unit::new(Path::new("/l/dev"), &state, &state.nodes[0]);
        assert_eq!(unit.marks()[0], "/l/dev/nodes/n2/launch.sh");
        assert!(unit.nspawn_arguments().contains(&unit.marks()[1]));
    }

    #[test]
    fn a_node_keeps_the_modes_of_its_base_and_its_own_files() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        for path in ["etc/ssh", "etc/network", "root", "home/pi"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        fs::set_permissions(base.join("root"), Permissions::from_mode(0o700)).unwrap();
        let mut state = state();
        state.nodes[0].base = base;
        let unit = Unit::new(&dir.path().join("lab"), &state, &state.nodes[0]);
        fs::create_dir_all(unit.upper("")).unwrap();
        let parents = |path: &str| unit.parents(Path::new(path)).unwrap();
        parents("root/x");
        parents("etc/network/x");
        let mode = |path: &str| fs::metadata(unit.upper(path)).map(|found| found.mode() & 0o7777);
        assert_eq!(mode("root").unwrap(), 0o700);
        unit.place("etc/hostname", "n2\n").unwrap();
        unit.place("etc/hostname", "other\n").unwrap();
        assert_eq!(fs::read_to_string(unit.upper("etc/hostname")).unwrap(), "n2\n");
    }

    #[test]
    fn a_key_is_made_once_and_a_half_made_one_again() {
        if short("ssh-keygen", &["-l", "-f", "/dev/null"]).is_err_and(|e| matches!(e, LabError::Spawn { .. }))
        {
            panic!("ssh-keygen is missing: apt-get install openssh-client");
        }
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("id_ed25519");
        make_key(&key, "lab").unwrap();
        let first = fs::read_to_string(&key).unwrap();
        make_key(&key, "lab").unwrap();
        assert_eq!(fs::read_to_string(&key).unwrap(), first);
        fs::remove_file(dir.path().join("id_ed25519.pub")).unwrap();
        make_key(&key, "lab").unwrap();
        assert_ne!(fs::read_to_string(&key).unwrap(), first);
    }
}
