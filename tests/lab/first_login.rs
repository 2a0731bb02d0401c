//! Freshly flashed boards are taken in: from the image's password, expired in each form that servers have for it, to a
//! swarm that only keys open.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::support::{Bench, Run, Test};
use board::{BOARDS, IMAGE, NEW, inventory, shadow};

mod board;

pub(crate) fn trials() -> Vec<Test> {
    vec![("freshly_flashed_boards_become_a_swarm", boards)]
}

fn boards() {
    let bench = Bench::with_engine("flash", 4);
    board::flash_all(&bench);
    plan_changes_no_password(&bench);
    killed_between_the_passwords(&bench);
    killed_before_the_last_password(&bench);
    taken_in(&bench);
    opened_by_a_key_before(&bench);
    as_the_new_user(&bench);
    found_at_another_address(&bench);
}

fn plan_changes_no_password(bench: &Bench) {
    let before = BOARDS.map(|(node, user, _)| shadow(bench, node, user));
    bench
        .skep(&["plan", "--accept-new-host-keys", "--exit-code"])
        .exits(3)
        .prints("log in for the first time as root with the image's password")
        .prints("log in for the first time as pi");
    assert_eq!(BOARDS.map(|(node, user, _)| shadow(bench, node, user)), before);
    assert!(!bench.file("known_hosts").exists(), "no key is recorded before the first boot is over");
    bench.skep(&["status", "--accept-new-host-keys"]).says("skep up --limit n1");
}

/// Runs `up` for one board and kills it once it tells of something.
fn killed_at(bench: &Bench, node: &str, what: &str) {
    let mut child = bench.start(&["up", "--yes", "--json", "--accept-new-host-keys", "--limit", node]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines.map_while(Result::ok) {
        let found = line.contains(what);
        seen.push(line);
        if found {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen.last().is_some_and(|line| line.contains(what)), "{what:?} was not told: {seen:#?}");
    assert!(!seen.concat().contains(IMAGE));
}

/// The expired password is changed, and no key is there yet.
fn killed_between_the_passwords(bench: &Bench) {
    let before = shadow(bench, "n1", "root");
    bench.on("n1", "systemctl start --no-block armbian-firstrun");
    killed_at(bench, "n1", "waiting for armbian-firstrun");
    assert_ne!(shadow(bench, "n1", "root"), before);
    bench.on("n1", "test ! -e /root/.ssh; touch /run/go-on");
    killed_at(bench, "n4", "waiting for cloud-final");
    bench.on("n4", "test ! -e /root/.ssh; touch /run/cloud-init/result.json");
}

/// Keys open it, so that later runs would not notice the password.
fn killed_before_the_last_password(bench: &Bench) {
    let before = shadow(bench, "n1", "root");
    bench.on("n1", "mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real; printf '#!/bin/sh\nsleep 60; exit 1\n' > /usr/sbin/chpasswd; chmod 755 /usr/sbin/chpasswd");
    killed_at(bench, "n1", "seeing to the password");
    bench.on("n1", "mv /usr/sbin/chpasswd.real /usr/sbin/chpasswd; test -s /root/.ssh/authorized_keys");
    assert_eq!(shadow(bench, "n1", "root"), before);
    bench.skep(&["plan", "--limit", "n1", "--accept-new-host-keys"]).prints("replace the password of root");
}

fn taken_in(bench: &Bench) {
    let boot = |node| bench.on(node, "cat /proc/sys/kernel/random/boot_id");
    let (before, first_boot) = (shadow(bench, "n1", "root"), boot("n3"));
    let Run { code, stdout, stderr } = bench.skep(&["up", "--yes", "--json", "--accept-new-host-keys"]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert_ne!(shadow(bench, "n1", "root"), before);
    for (node, user, _) in BOARDS {
        let home = if user == "root" { "/root" } else { "/home/pi" };
        bench.on(
            node,
            &format!("test -s {home}/.ssh/authorized_keys && test -e /var/lib/skep/first-login-{user}"),
        );
        bench.on(node, &format!("test $(hostname) = {node} && grep -qx {node} /etc/hostname"));
        bench.on(node, "sshd -T | grep -qx 'passwordauthentication no'");
        bench.on(node, "sshd -T | grep -qx 'kbdinteractiveauthentication no'");
        assert!(!shadow(bench, node, user).contains(":0:0:99999"), "{node}: its password is expired still");
        let recorded = fs::read_to_string(bench.file("known_hosts")).unwrap();
        let own = bench.on(node, "cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub");
        assert!(recorded.contains(own.trim()), "{node}: {recorded}");
    }
    assert_ne!(boot("n3"), first_boot, "it was to be rebooted");
    bench.on("n1", "test ! -e /root/.not_logged_in_yet && test -x /etc/update-motd.d/10-armbian-header");
    bench.on("n1", "! ls /etc/systemd/system/*getty@.service.d/override.conf 2>/dev/null");
    bench.on(
        "n1",
        "grep -q '^AcceptEnv LANG' /etc/ssh/sshd_config && grep -qx LANG=C.UTF-8 /etc/default/locale",
    );
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready", "n3 Ready", "n4 Ready"]);
    let journal = Command::new("grep")
        .arg("-rlE")
        .arg(format!("{IMAGE}|{NEW}|looked-for-9"))
        .arg(bench.state())
        .output();
    assert_eq!(String::from_utf8_lossy(&journal.unwrap().stdout), "", "passwords in the journal");
    assert!(![IMAGE, NEW, "looked-for-9"].iter().any(|word| stdout.contains(word) || stderr.contains(word)));
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

/// A key that came with the image does not save the image's password, nor one that sudo wants; one that its owner chose
/// stays. And where the SSH server heeds another file, that is told.
fn opened_by_a_key_before(bench: &Bench) {
    let owners = [("n2", "pi", IMAGE), ("n3", "root", "chosen-by-hand-9"), ("n4", "root", IMAGE)];
    for (node, user, password) in owners {
        bench.on(node, &format!("echo {user}:{password} | chpasswd; rm /var/lib/skep/first-login-{user}"));
    }
    let before = owners.map(|(node, user, _)| shadow(bench, node, user));
    let folder = "/etc/ssh/sshd_config.d";
    bench.on(
        "n4",
        &format!("rm {folder}/00-skep.conf; echo PasswordAuthentication yes > {folder}/00-image.conf"),
    );
    bench
        .skep(&["plan", "--exit-code"])
        .exits(3)
        .prints("log in for the first time as pi")
        .prints("replace the password of root, if it is the image's");
    let Run { code, stdout, stderr } = bench.skep(&["up", "--yes"]);
    assert!(
        code == 1 && format!("{stdout}{stderr}").contains(&format!("{folder}/00-image.conf, line 1")),
        "{stdout}\n{stderr}"
    );
    let after = owners.map(|(node, user, _)| shadow(bench, node, user));
    assert_eq!([0, 1, 2].map(|place| before[place] == after[place]), [false, true, false]);
    bench.on("n4", &format!("test ! -e {folder}/00-skep.conf && rm {folder}/00-image.conf"));
    bench.skep(&["up", "--yes"]).exits(0);
    bench.skep(&["plan", "--exit-code"]).exits(0);
}

/// The user that was made is let in by the same key and becomes root, and finds nothing left to do.
fn as_the_new_user(bench: &Bench) {
    inventory(bench, ", user: berry");
    bench.skep(&["plan", "--exit-code"]).exits(0);
    bench.on("n1", "id -nG berry | grep -qw sudo");
}

/// A board that has another address after its first boot is found by its name, which is looked up at each try.
fn found_at_another_address(bench: &Bench) {
    let text = fs::read_to_string(bench.inventory_path()).unwrap();
    let address = bench.address("n1");
    fs::write(bench.inventory_path(), text.replace(&format!("address: {address},"), "address: board.test,"))
        .unwrap();
    let hosts = bench.file("hosts");
    // Nobody has that address in the lab's network.
    let nobody = address.rsplit_once('.').unwrap().0.to_owned() + ".250";
    fs::write(&hosts, format!("{nobody} board.test\n")).unwrap();
    // A view of /etc/hosts of its own.
    let script = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(&hosts).arg(env!("CARGO_BIN_EXE_skep"));
    command.arg("--inventory").arg(bench.inventory_path());
    command.args(["plan", "--json", "--exit-code", "--wait", "60", "--accept-new-host-keys"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("util-linux has unshare");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    seen.extend(lines.by_ref().take_while(|line| !line.contains("\"retrying\"")));
    fs::write(&hosts, format!("{address} board.test\n")).unwrap();
    seen.extend(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0), "{seen:#?}");
}
