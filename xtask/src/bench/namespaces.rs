//! Hosts in network namespaces: each with an address, a name, a machine-id, a /run, a /var/lib, an sshd and processes of
//! its own; everything else is this computer's. There is no service manager in them.
//!
//! All that is made outside of files is named `skep-bench…`, so that it is found and removed whoever left it.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::hosts::{Host, Hosts, ssh_config_text};
use super::{script, write};
use crate::build::{output, run};
use crate::failure::{Failure, Result};

/// What every name begins with.
const PREFIX: &str = "skep-bench-";
const BRIDGE: &str = "skep-bench";

/// The network that RFC 2544 sets apart for benchmarks; nobody's hosts are in it.
const NETWORK: [u8; 2] = [198, 18];

/// How long all of them together may take until they answer.
const START: Duration = Duration::from_secs(120);

/// Hosts that run.
pub(super) struct Fleet {
    dir: PathBuf,
    hosts: Vec<Host>,
    daemons: Vec<Child>,
}

impl Fleet {
    /// Makes hosts and waits until each answers; its files go into `dir`.
    pub(super) fn raise(dir: &Path, count: usize) -> Result<Self> {
        clean()?;
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).map_err(Failure::io(dir.display()))?;
        let third = free_network(&addresses_in_use()?)?;
        make_keys(dir)?;
        let address = |number: usize| Ipv4Addr::new(NETWORK[0], NETWORK[1], third, number as u8 + 10);
        let host = |number| Host {
            name: format!("h{number}"),
            address: address(number).to_string(),
            role: role(number).to_owned(),
        };
        let mut fleet =
            Self { dir: dir.to_owned(), hosts: (1..=count).map(host).collect(), daemons: Vec::new() };
        fleet.write_files()?;
        ip(&["link", "add", "name", BRIDGE, "type", "bridge"])?;
        ip(&["address", "add", &format!("{}/24", address(0)), "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        for number in 1..=count {
            let daemon = fleet.start(number)?;
            fleet.daemons.push(daemon);
        }
        fleet.wait()?;
        Ok(fleet)
    }

    /// The first hosts, with an inventory for them alone.
    pub(super) fn first(&self, count: usize) -> Result<Hosts> {
        let list = self.hosts[..count].to_vec();
        let inventory = self.dir.join(format!("inventory-{count}.yml"));
        let (key, known_hosts) = (self.dir.join("key"), self.dir.join("known_hosts"));
        write(&inventory, &inventory_text(&list, &key, &known_hosts))?;
        Ok(Hosts { inventory, key, known_hosts, ssh_config: self.dir.join("ssh_config"), list })
    }

    /// Ends all of it.
    pub(super) fn end(&mut self) -> Result<()> {
        clean()?;
        for daemon in &mut self.daemons {
            daemon.wait().map_err(Failure::io("sshd"))?;
        }
        Ok(())
    }

    fn write_files(&self) -> Result<()> {
        let file = |name: &str| self.dir.join(name);
        let public = fs::read_to_string(file("host_key.pub")).map_err(Failure::io("host_key.pub"))?;
        let known = |host: &Host| format!("{} {public}", host.address);
        write(&file("known_hosts"), &self.hosts.iter().map(known).collect::<String>())?;
        write(&file("ssh_config"), &ssh_config_text(&file("key"), &file("known_hosts")))?;
        // Root may log in with a key whatever stands in this computer's own file.
        write(&file("shadow"), "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n")?;
        let passwd = fs::read_to_string("/etc/passwd").map_err(Failure::io("/etc/passwd"))?;
        write(&file("passwd"), &plain_root(&passwd))?;
        write(&file("sshd_config"), &sshd_config(&self.dir, false))?;
        // Newer ones punish an address for many connections, older ones do not know the option.
        let penalties = file("sshd_config.penalties");
        write(&penalties, &sshd_config(&self.dir, true))?;
        fs::create_dir_all("/run/sshd").map_err(Failure::io("/run/sshd"))?;
        if sshd(&["-t", "-f", &penalties.display().to_string()])?.success() {
            fs::rename(&penalties, file("sshd_config")).map_err(Failure::io("sshd_config"))?;
        }
        Ok(())
    }

    fn start(&self, number: usize) -> Result<Child> {
        let (name, cable) = (format!("{PREFIX}{number}"), format!("skb-{number}"));
        let host = &self.hosts[number - 1];
        ip(&["netns", "add", &name])?;
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
        ip(&["link", "set", &cable, "master", BRIDGE, "up"])?;
        ip(&["-n", &name, "address", "add", &format!("{}/24", host.address), "dev", "eth0"])?;
        ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        let log = self.dir.join("sshd.log");
        let log = File::options().create(true).append(true).open(&log).map_err(Failure::io(log.display()))?;
        let mut sshd = Command::new("ip");
        // A host does not see the processes of hundreds of others.
        let unshare = ["unshare", "--uts", "--pid", "--fork", "--mount-proc"];
        sshd.args(["netns", "exec", &name]).args(unshare).arg("sh").arg(script("host.sh")).arg(&self.dir);
        sshd.args([host.name.clone(), format!("{number:032x}")]);
        // Ctrl-C is for the benchmark; these are ended by whoever cleans up.
        sshd.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        sshd.spawn().map_err(Failure::io("ip netns exec"))
    }

    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + START;
        for host in &self.hosts {
            while !answers(&host.address) {
                if Instant::now() > deadline {
                    let log = self.dir.join("sshd.log");
                    let what = format!("sshd of {} does not answer; see {}", host.name, log.display());
                    return Err(Failure::Bench(vec![what]));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

/// Removes every trace of a fleet, whoever left it.
pub(super) fn clean() -> Result<()> {
    let listed = output(Command::new("ip").args(["netns", "list"]), "ip netns list")?;
    for name in namespaces(&String::from_utf8_lossy(&listed)) {
        for pid in pids(&name)? {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        ip(&["netns", "delete", &name])?;
    }
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        ip(&["link", "delete", BRIDGE])?;
    }
    Ok(())
}

/// The namespaces of a fleet among those that `ip netns list` prints: `NAME (id: 3)`.
fn namespaces(listed: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let ours = |name: &&str| name.strip_prefix(PREFIX).is_some_and(|number| number.parse::<u32>().is_ok());
    names.filter(ours).map(str::to_owned).collect()
}

fn pids(namespace: &str) -> Result<Vec<i32>> {
    let listed = output(Command::new("ip").args(["netns", "pids", namespace]), "ip netns pids")?;
    Ok(String::from_utf8_lossy(&listed).lines().filter_map(|line| line.trim().parse().ok()).collect())
}

fn addresses_in_use() -> Result<String> {
    let routes = output(Command::new("ip").args(["-4", "route", "show", "table", "all"]), "ip route")?;
    Ok(String::from_utf8_lossy(&routes).into_owned())
}

/// The third number of a /24 that no route of this computer is about.
fn free_network(routes: &str) -> Result<u8> {
    let [first, second] = NETWORK;
    let free = |third: &u8| !routes.contains(&format!("{first}.{second}.{third}."));
    let none = || Failure::Bench(vec![format!("all of {first}.{second}.0.0/16 is in use here")]);
    (0..=u8::MAX).find(free).ok_or_else(none)
}

fn make_keys(dir: &Path) -> Result<()> {
    for name in ["key", "host_key"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "skep-bench", "-f"]).arg(dir.join(name));
        run(&mut keygen, "ssh-keygen")?;
    }
    fs::copy(dir.join("key.pub"), dir.join("authorized_keys"))
        .map(drop)
        .map_err(Failure::io("authorized_keys"))
}

/// Users with a root whose shell is none of this computer's taste: what root's own shell reads at each login may take
/// longer than the login.
fn plain_root(passwd: &str) -> String {
    let line = |line: &str| match line.starts_with("root:") {
        true => "root:x:0:0:root:/run/root:/bin/sh\n".to_owned(),
        false => format!("{line}\n"),
    };
    passwd.lines().map(line).collect()
}

fn sshd_config(dir: &Path, penalties: bool) -> String {
    let dir = dir.display();
    let no_penalties = if penalties { "PerSourcePenalties no\n" } else { "" };
    format!(
        "HostKey {dir}/host_key
AuthorizedKeysFile {dir}/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile none
MaxStartups 1000
{no_penalties}"
    )
}

/// Runs sshd, which wants to be called by its full path.
fn sshd(arguments: &[&str]) -> Result<std::process::ExitStatus> {
    let mut sshd = Command::new("/usr/sbin/sshd");
    sshd.args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(Failure::io("/usr/sbin/sshd"))
}

fn answers(address: &str) -> bool {
    let Ok(address) = address.parse() else { return false };
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::new(address, 22), Duration::from_secs(1))
    else {
        return false;
    };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.read_exact(&mut banner).is_ok()
        && banner == *b"SSH-"
}

/// One manager: raft wants an odd number, and nobody makes a swarm here.
fn role(number: usize) -> &'static str {
    if number == 1 { "manager" } else { "worker" }
}

fn inventory_text(hosts: &[Host], key: &Path, known_hosts: &Path) -> String {
    let node = |host: &Host| format!("  {}: {{address: {}, role: {}}}\n", host.name, host.address, host.role);
    format!(
        "name: fleet\ndefaults:\n  user: root\n  key: {}\n  known_hosts: {}\nnodes:\n{}",
        key.display(),
        known_hosts.display(),
        hosts.iter().map(node).collect::<String>()
    )
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments), &format!("ip {}", arguments.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_namespaces_are_removed() {
        let listed = "skep-bench-2 (id: 1)\nskep-bench-10\nskep-bench-x\nskep-benchmark\ncni-1 (id: 7)\n";
        assert_eq!(namespaces(listed), ["skep-bench-2", "skep-bench-10"]);
        assert!(namespaces("").is_empty());
    }

    #[test]
    fn a_network_that_is_in_use_is_left_alone() {
        let in_use =
            "default via 192.0.2.1 dev eth0\n198.18.0.0/24 dev x\nlocal 198.18.1.4 dev y table local\n";
        assert_eq!(free_network(in_use).expect("there are others"), 2);
        assert_eq!(free_network("").expect("all are free"), 0);
    }

    #[test]
    fn the_inventory_names_each_host() {
        let host = |number| Host {
            name: format!("h{number}"),
            address: format!("198.18.0.1{number}"),
            role: role(number).to_owned(),
        };
        let text = inventory_text(&[host(1), host(2)], Path::new("/f/key"), Path::new("/f/known"));
        assert!(text.ends_with(
            "nodes:\n  h1: {address: 198.18.0.11, role: manager}\n  h2: {address: 198.18.0.12, role: worker}\n"
        ));
    }

    #[test]
    fn only_root_has_another_shell() {
        let passwd = "root:x:0:0::/root:/usr/bin/fish\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n";
        let expected = "root:x:0:0:root:/run/root:/bin/sh\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n";
        assert_eq!(plain_root(passwd), expected);
    }

    #[test]
    fn many_connections_are_neither_dropped_nor_punished() {
        let text = sshd_config(Path::new("/f"), true);
        assert!(text.contains("MaxStartups 1000\n") && text.contains("PerSourcePenalties no\n"));
        assert!(!sshd_config(Path::new("/f"), false).contains("Penalties"));
    }
}
