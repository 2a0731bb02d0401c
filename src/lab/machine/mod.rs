//! Machines: nodes with a kernel of their own, in an emulator that is a process of this computer.
//!
//! A machine boots its image's kernel with an initial RAM disk that has two things: the one program that mounts the disk,
//! and the files that are the machine's own, which that program puts in place at the first boot. Its disk is a layer on
//! the image's, its cable a tap on the lab's bridge. The emulator gives the kernel to amd64 machines; those of arm64 have a
//! boot loader, as boards do, that takes it from the disk.

mod accelerator;
mod cpio;
pub(super) mod image;
mod loader;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arch::Arch;
use super::command::short;
use super::error::{LabError, at};
use super::network::{self, gateway, resolvers, veth};
use super::node::{self, Unit};
use super::state::{remove_file, with_suffix, write_atomically};
use super::{cgroup, process};
use crate::words::shell_word;

/// How long a machine may take until sshd answers: a minute where nothing else runs.
pub(super) const BOOT_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Memory, in MiB; Docker and a few services fit.
const MEMORY: &str = "1024";
const PROCESSORS: &str = "2";
/// What the kernel calls its only network device, told not to name it after where it is plugged in.
const DEVICE: &str = "eth0";

impl Unit<'_> {
    /// Makes whatever the machine's files still lack.
    pub(super) fn prepare_machine(&self, arch: Arch, authorized_key: &str) -> Result<(), LabError> {
        let base = image::disk(self.base());
        at(fs::metadata(&base).map(drop), "find the image of this machine,", &base)?;
        at(fs::create_dir_all(self.dir()), "make", self.dir())?;
        node::make_key(&self.machine_key(), &format!("root@{}", self.name()))?;
        self.make_disk(&base)?;
        let archive = self.ram_disk(authorized_key)?;
        let archive = if arch.firmware().is_some() { loader::pad(archive) } else { archive };
        let (path, new) = (self.dir().join("initrd"), self.dir().join("initrd.new"));
        at(fs::write(&new, archive), "write", &new)?;
        at(fs::rename(&new, &path), "rename", &new)
    }

    /// A layer on the image's disk: it takes what the machine writes, and the image stays as it is.
    fn make_disk(&self, base: &Path) -> Result<(), LabError> {
        let disk = self.disk();
        if disk.exists() {
            return Ok(());
        }
        let new = with_suffix(&disk, ".new");
        remove_file(&new)?;
        let (base, target) = (base.display().to_string(), new.display().to_string());
        short("qemu-img", &["create", "-q", "-f", "qcow2", "-F", "raw", "-b", &base, &target])?;
        at(fs::rename(&new, &disk), "rename", &new)
    }

    fn ram_disk(&self, authorized_key: &str) -> Result<Vec<u8>, LabError> {
        let read = |path: PathBuf| at(fs::read(&path), "read", &path);
        let (key, public) = (self.machine_key(), self.host_key());
        let name = self.name();
        let servers: String = resolvers().iter().map(|ip| format!("nameserver {ip}\n")).collect();
        let network = node::interfaces(DEVICE, self.address(), gateway(self.subnet()));
        let mut archive = cpio::Archive::default();
        ["proc", "dev", "disk"].into_iter().for_each(|folder| archive.folder(folder));
        archive.file("init", 0o755, include_bytes!("init.sh"));
        archive.file("bin/busybox", 0o755, &read(image::busybox(self.base()))?);
        let mut own = |path: &str, mode, content: &[u8]| archive.file(&format!("own/{path}"), mode, content);
        own("etc/hostname", 0o644, format!("{name}\n").as_bytes());
        own("etc/hosts", 0o644, node::hosts(&name).as_bytes());
        own("etc/network/interfaces", 0o644, network.as_bytes());
        own("etc/resolv.conf", 0o644, servers.as_bytes());
        own("etc/ssh/ssh_host_ed25519_key", 0o600, &read(key)?);
        own("etc/ssh/ssh_host_ed25519_key.pub", 0o644, &read(public)?);
        own("root/.ssh/authorized_keys", 0o600, authorized_key.as_bytes());
        own("home/pi/.ssh/authorized_keys", 0o600, authorized_key.as_bytes());
        Ok(archive.finish())
    }

    /// Switches the machine on; it runs on when skep ends.
    pub(super) fn start_machine(&self, arch: Arch) -> Result<(), LabError> {
        let groups = cgroup::create(&self.state().id, &self.name())?;
        let cable = veth(&self.state().id.machine(&self.name()));
        network::remove_device(&cable)?;
        short("ip", &["tuntap", "add", "dev", &cable, "mode", "tap"])?;
        short("ip", &["link", "set", &cable, "master", &self.state().id.bridge(), "up"])?;
        let accelerator = accelerator::best(arch, self.base())?;
        let mut script =
            String::from("#!/bin/sh\n# Starts a lab machine; written anew by `skep lab up`.\nset -eu\n");
        for group in groups {
            script += &format!("echo 0 >{}/{}/cgroup.procs\n", group.display(), cgroup::LAUNCH);
        }
        script += &format!("exec {}\n", self.emulator(arch, accelerator, &cable).join(" \\\n    "));
        write_atomically(&self.launcher(), &script, 0o755)?;
        self.spawn_launcher()
    }

    /// The emulator with its arguments, none of which has a blank or a character that a shell reads.
    fn emulator(&self, arch: Arch, accelerator: &str, cable: &str) -> Vec<String> {
        let file = |name: &str| self.dir().join(name).display().to_string();
        let mut words = vec![arch.emulator().to_owned()];
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        option("-name", self.state().id.machine(&self.name()));
        option("-pidfile", self.pid_file().display().to_string());
        option("-machine", arch.board().into());
        option("-cpu", accelerator::processor(arch, accelerator).into());
        option("-accel", accelerator.into());
        option("-smp", PROCESSORS.into());
        option("-m", MEMORY.into());
        if let Some(firmware) = arch.firmware() {
            option("-bios", firmware.into());
            option("-device", loader::device(&file("initrd")));
        } else {
            option("-kernel", image::kernel(self.base()).display().to_string());
            option("-initrd", file("initrd"));
            // The processor's flaws are not worth guarding against at a tenth of its speed.
            option("-append", format!("'console={} net.ifnames=0 mitigations=off'", arch.console()));
        }
        // Flushed to this computer's kernel, not to its disk: that survives the end of the emulator, however it ends.
        option(
            "-drive",
            format!("file={},if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap", file("disk.qcow2")),
        );
        option("-device", "nvme,drive=disk,serial=skep".into());
        option("-netdev", format!("tap,id=net,ifname={cable},script=no,downscript=no"));
        option("-device", format!("virtio-net-pci,netdev=net,romfile=,mac={}", self.mac()));
        option("-chardev", format!("file,id=console,append=on,path={}", self.console().display()));
        option("-serial", "chardev:console".into());
        words.extend(["-nodefaults", "-no-user-config", "-display", "none"].map(str::to_owned));
        words
    }

    /// A locally administered hardware address that no other lab's machine has.
    fn mac(&self) -> String {
        let [_, a, b, c] = self.state().id.number().to_be_bytes();
        format!("02:5c:{a:02x}:{b:02x}:{c:02x}:{:02x}", self.number() & 0xff)
    }

    fn disk(&self) -> PathBuf {
        self.dir().join("disk.qcow2")
    }

    /// Its host key, which it was given at its first boot.
    pub(super) fn machine_key(&self) -> PathBuf {
        self.dir().join("ssh_host_ed25519_key")
    }

    /// An argument of the emulator that no other process has.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.dir().join("machine.pid")
    }

    /// The emulator's number among this computer's processes.
    pub(super) fn emulator_pid(&self) -> Option<u32> {
        process::marked(&[self.pid_file().display().to_string()]).first().copied()
    }
}

/// The command that runs `argv` in a machine by SSH, as root; each word arrives as it is.
pub(super) fn remote(ssh: &[String], address: Ipv4Addr, argv: &[&str]) -> Vec<String> {
    let command: Vec<String> = argv.iter().map(|word| shell_word(word)).collect();
    let mut words = ssh.to_vec();
    words.extend([format!("root@{address}"), "--".into(), command.join(" ")]);
    words
}

#[cfg(test)]
mod tests {
    use super::super::Login;
    use super::super::state::{Id, NodeState, State};
    use super::*;

    fn state(arch: Arch) -> State {
        let mut state = State::new("dev", Id::from_number(5), "172.16.5.0/24".parse().unwrap(), Login::Root);
        state.nodes.push(NodeState { number: 2, base: "/image".into(), machine: Some(arch) });
        state
    }

    #[test]
    fn the_emulator_gets_the_machines_own_disk_cable_and_console() {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let state = state(arch);
            let unit = Unit::new(Path::new("/l/dev"), &state, &state.nodes[0]);
            let words = unit.emulator(arch, "tcg,thread=multi", "vb-000005-n2").join("\n");
            insta::assert_snapshot!(format!("{arch}"), words);
        }
    }

    #[test]
    fn the_mark_is_an_argument_of_the_emulator() {
        let state = state(Arch::Arm64);
        let unit = Unit::new(Path::new("/l/dev"), &state, &state.nodes[0]);
        let words = unit.emulator(Arch::Arm64, "tcg", "tap");
        assert!(words.contains(&unit.pid_file().display().to_string()));
    }

    #[test]
    fn words_reach_a_machine_as_they_are() {
        let words = remote(
            &["ssh", "-i", "k"].map(str::to_owned),
            Ipv4Addr::new(172, 16, 5, 12),
            &["sh", "-c", "echo 'a b' $x"],
        );
        assert_eq!(words[..4], ["ssh", "-i", "k", "root@172.16.5.12"]);
        assert_eq!(words[5], r"'sh' '-c' 'echo '\''a b'\'' $x'");
    }
}
