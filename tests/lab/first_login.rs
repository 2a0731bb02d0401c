//! Freshly flashed boards are taken in: from the image's password, expired in each form that servers have for it, to a
//! swarm that only keys open.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::support::{Bench, Run, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("freshly_flashed_boards_become_a_swarm", boards)]
}

/// The image's password: not Armbian's own, so that it can be looked for.
const IMAGE: &str = "open-sesame-4711";

/// What `new_password` leads to.
const NEW: &str = "Barbarossa-0815";

/// Makes a node what Armbian's image is.
const ARMBIAN: &str = include_str!("armbian.sh");

/// Nodes with the image's user, and what their servers are like.
const BOARDS: [(&str, &str, &str); 4] = [
    ("n1", "root", "PasswordAuthentication yes"),
    ("n2", "pi", "PasswordAuthentication yes"),
    ("n3", "root", "PasswordAuthentication no\nKbdInteractiveAuthentication yes"),
    ("n4", "root", "PasswordAuthentication yes\nUsePAM no"),
];

fn boards() {
    let bench = Bench::with_engine("flash", 4);
    for (node, user, settings) in BOARDS {
        flash(&bench, node, user, settings);
    }
    bench.on("n1", ARMBIAN);
    // sudo wants the user's password there, so that a random one would be of no use.
    bench.on("n2", "echo 'pi ALL=(ALL) ALL' > /etc/sudoers.d/pi");
    // What Armbian leaves where its file system could not be enlarged at once.
    bench.on("n3", "touch /run/resize2fs-reboot");
    fs::write(bench.file("image"), format!("{IMAGE}\n")).unwrap();
    fs::write(bench.file("new"), format!("{NEW}\n")).unwrap();
    inventory(&bench, "");
    plan_changes_no_password(&bench);
    killed_between_the_passwords(&bench);
    killed_before_the_last_password(&bench);
    taken_in(&bench);
    as_the_new_user(&bench);
    found_at_another_address(&bench);
}

/// Makes a node what a flashed card is: one name, one password that has to be changed, no keys.
fn flash(bench: &Bench, node: &str, user: &str, settings: &str) {
    let script = format!(
        "set -e; rm -rf /root/.ssh /home/*/.ssh; echo {user}:{IMAGE} | chpasswd; chage -d 0 {user}; \
         printf 'PermitRootLogin yes\n{settings}\n' > /etc/ssh/sshd_config.d/50-image.conf; \
         sed -i /^UsePAM/d /etc/ssh/sshd_config; grep -q UsePAM /etc/ssh/sshd_config.d/50-image.conf || \
         echo UsePAM yes >> /etc/ssh/sshd_config.d/50-image.conf; \
         echo board > /etc/hostname; hostname board; systemctl restart ssh"
    );
    bench.on(node, &script.replace('\n', "\\n"));
}

fn inventory(bench: &Bench, user_of_n1: &str) {
    let key = bench.lab().key();
    let mut text = format!(
        "name: test\ndefaults:\n  user: root\n  key: {}\n  known_hosts: known_hosts\n  role: worker\n  \
         first_login: {{password: {{file: image}}, locale: C.UTF-8}}\nnodes:\n",
        key.display()
    );
    for (node, user, _) in BOARDS {
        let address = bench.address(node);
        text += &match (node, user) {
            ("n1", _) => format!(
                "  n1: {{address: {address}, role: manager, first_login: {{account: berry}}{user_of_n1}}}\n"
            ),
            (_, "root") => format!("  {node}: {{address: {address}}}\n"),
            _ => format!(
                "  {node}: {{address: {address}, user: {user}, sudo_password: {{file: new}}, \
                 first_login: {{user: {user}, new_password: {{file: new}}}}}}\n"
            ),
        };
    }
    fs::write(bench.inventory_path(), text).unwrap();
}

fn shadow(bench: &Bench, node: &str, user: &str) -> String {
    bench.on(node, &format!("grep ^{user}: /etc/shadow"))
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

/// Runs `up` for the first board and kills it once it tells of something.
fn killed_at(bench: &Bench, what: &str) {
    let mut child = bench.start(&["up", "--yes", "--json", "--accept-new-host-keys", "--limit", "n1"]);
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
    killed_at(bench, "waiting for armbian-firstrun");
    assert_ne!(shadow(bench, "n1", "root"), before);
    bench.on("n1", "test ! -e /root/.ssh; touch /run/go-on");
}

/// Keys open it, so that later runs would not notice the password.
fn killed_before_the_last_password(bench: &Bench) {
    let before = shadow(bench, "n1", "root");
    bench.on("n1", "mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real; printf '#!/bin/sh\nsleep 60\n' > /usr/sbin/chpasswd; chmod 755 /usr/sbin/chpasswd");
    killed_at(bench, "changing the password");
    bench.on("n1", "mv /usr/sbin/chpasswd.real /usr/sbin/chpasswd; test -s /root/.ssh/authorized_keys");
    assert_eq!(shadow(bench, "n1", "root"), before);
    bench.skep(&["plan", "--limit", "n1", "--accept-new-host-keys"]).prints("finish the first login as root");
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
            &format!("test -s {home}/.ssh/authorized_keys && test ! -e {home}/.ssh/skep-first-login"),
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
