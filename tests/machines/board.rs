//! An aarch64 board: freshly flashed, taken in, a worker beside an amd64 manager, then the controller itself.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use skep::lab::Arch;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("a_flashed_aarch64_board_becomes_a_worker_of_an_amd64_manager_and_runs_skep_itself", board)]
}

/// The image's password: not Armbian's own, so that it is asked for.
const IMAGE: &str = "open-sesame-4711";

/// Makes a machine what a flashed card is, after `armbian.sh`: one name, one password that has to be changed, no keys, a
/// file system that fills the card after the next boot only, and in that boot no memory controller.
const FLASH: &str = "echo root:IMAGE | chpasswd; chage -d 0 root; touch /run/resize2fs-reboot /run/go-on
echo board >/etc/hostname; hostname board
sed -i 's/^extraargs=.*/& cgroup_disable=memory/' /boot/armbianEnv.txt
printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/50-image.conf
rm -r /root/.ssh; sync; systemctl restart ssh; systemctl start --no-block armbian-firstrun";

/// A binary as it is shipped; without it a part of the test is left out, or fails where none may be.
fn dist(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist").join(name);
    if path.is_file() {
        return Some(path);
    }
    let lacking = format!("{} is missing: `cargo dist` makes it", path.display());
    assert!(!super::is_set("SKEP_REQUIRE", "all"), "{lacking}");
    eprintln!("left out: {lacking}");
    None
}

fn board() {
    let Some(agent) = dist("skep-agent-aarch64") else { return };
    let agents = agent.parent().expect("a file is in a folder").display().to_string();
    let bench = Bench::boot("board", 1, vec![Arch::Arm64], false);
    flash(&bench);
    taken_in(&bench, &agents);
    bench.skep(&["--agent-dir", &agents, "plan", "--exit-code"]).exits(0);
    is_a_worker(&bench);
    eprintln!("the board is a worker");
    if let Some(skep) = dist("skep-aarch64") {
        is_the_controller(&bench, &skep);
    }
}

fn flash(bench: &Bench) {
    let script = format!("{}{}", include_str!("../lab/armbian.sh"), FLASH.replace("IMAGE", IMAGE));
    bench.on("n2", &script);
    fs::write(bench.file("image"), format!("{IMAGE}\n")).expect("the password is written");
    let (key, known_hosts) = (bench.lab().key(), bench.lab().known_hosts());
    let (manager, board) = (bench.address("n1"), bench.address("n2"));
    // Nobody knows the key that the board is about to make.
    let known = fs::read_to_string(&known_hosts).expect("the lab knows its hosts");
    let known: String =
        known.lines().filter(|line| !line.starts_with(&board)).map(|line| format!("{line}\n")).collect();
    fs::write(&known_hosts, known).expect("the board is forgotten");
    let inventory = format!(
        "name: test\ndefaults:\n  user: root\n  key: {}\n  known_hosts: {}\nnodes:\n  n1: {{address: {manager}, role: manager}}\n  \
         n2: {{address: {board}, role: worker, first_login: {{password: {{file: image}}, locale: C.UTF-8}}}}\n",
        key.display(),
        known_hosts.display(),
    );
    fs::write(bench.inventory_path(), inventory).expect("the inventory is written");
}

/// From the image's password to a worker, in one go, and told how long each part of that took.
fn taken_in(bench: &Bench, agents: &str) {
    // It has just been switched on, and a board that is emulated beside other things answers slowly.
    let patient =
        ["--wait", "600", "--connect-timeout", "120", "--reconnect", "900", "--accept-new-host-keys"];
    let command = ["--agent-dir", agents, "up", "--yes", "--json", "--reboot"];
    let mut up = bench.start(&[command.as_slice(), &patient].concat());
    let mut stages: Vec<(Instant, String)> = Vec::new();
    let mut told = String::new();
    for line in BufReader::new(up.stdout.take().expect("it is piped")).lines().map_while(Result::ok) {
        assert!(!line.contains(IMAGE), "the password is told");
        let event: Value = serde_json::from_str(&line).expect("each line is an event");
        let stage = stage(&event);
        if let Some(stage) = stage.filter(|stage| stages.last().is_none_or(|(_, last)| last != stage)) {
            stages.push((Instant::now(), stage));
        }
        if !["pushing", "step_progress"].iter().any(|kind| event["event"] == *kind) {
            told += &format!("{line}\n");
        }
    }
    let status = up.wait().expect("skep ends");
    assert!(status.success(), "{status}: {told}");
    for pair in stages.windows(2) {
        let seconds = (pair[1].0 - pair[0].0).as_secs_f64();
        if seconds >= 0.1 {
            eprintln!("{seconds:>6.1} s  {}", pair[0].1);
        }
    }
}

/// What the board goes on to do with that event; none where that does not change.
fn stage(event: &Value) -> Option<String> {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    match event["event"].as_str()? {
        "started" => Some("looking".to_owned()),
        "planned" => Some("planning".to_owned()),
        "verified" => Some("verifying".to_owned()),
        "finished" => Some("ending".to_owned()),
        "phase_started" => Some(format!("{}: others", text("phase"))),
        "step_started" if event["node"] == "n2" => Some(format!("{}: {}", text("phase"), text("title"))),
        "step_progress" if event["node"] == "n2" && event["progress"]["total"] == 0 => {
            event["progress"]["text"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

fn is_a_worker(bench: &Bench) {
    bench.on(
        "n2",
        "test $(uname -m) = aarch64 && test $(hostname) = n2 && test ! -e /root/.not_logged_in_yet",
    );
    bench.on(
        "n2",
        "sshd -T | grep -qx 'passwordauthentication no' && ! grep '^root:.*:0:0:99999' /etc/shadow",
    );
    bench.on("n2", "! ls /etc/systemd/system/*getty@.service.d/override.conf 2>/dev/null");
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    let platforms =
        "docker node ls -q | xargs docker node inspect --format '{{.Description.Platform.Architecture}}'";
    let platforms = bench.on("n1", platforms);
    let mut platforms: Vec<_> = platforms.split_whitespace().collect();
    platforms.sort_unstable();
    assert_eq!(platforms, ["aarch64", "x86_64"]);
    // Three boots, each with what the file said by then: as it was built, as it was flashed, as skep left it.
    let console =
        fs::read(bench.lab().console("n2").expect("the board is there")).expect("its console is a file");
    let console = String::from_utf8_lossy(&console).into_owned();
    let lines = |what: &str| {
        console.lines().filter(|line| line.contains(what)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("U-Boot 20").len(), 3, "boots");
    let arguments = lines("Kernel command line: ");
    let [built, flashed, mended] = arguments.as_slice() else { panic!("{arguments:?}") };
    assert!(!built.contains("cgroup_") && flashed.contains("cgroup_disable=memory"), "{arguments:?}");
    assert!(mended.contains("cgroup_enable=memory") && !mended.contains("cgroup_disable"), "{arguments:?}");
    bench.on("n2", "grep -qw memory /sys/fs/cgroup/cgroup.controllers");
}

/// The board has skep, the lab's key and an inventory with paths of its own.
fn is_the_controller(bench: &Bench, skep: &Path) {
    let lab = bench.lab();
    copy(bench, skep, "/usr/local/bin/skep");
    copy(bench, &lab.key(), "/root/lab-key");
    copy(bench, &lab.known_hosts(), "/root/lab-hosts");
    copy(bench, &bench.file("image"), "/root/image");
    bench.on("n2", "chmod 755 /usr/local/bin/skep; chmod 600 /root/lab-key");
    let inventory = fs::read_to_string(bench.inventory_path()).expect("the inventory is there");
    let inventory = inventory
        .replace(&lab.key().display().to_string(), "/root/lab-key")
        .replace(&lab.known_hosts().display().to_string(), "/root/lab-hosts");
    let path = bench.file("board.yml");
    fs::write(&path, inventory).expect("the board's inventory is written");
    copy(bench, &path, "/root/cluster.yml");
    let said = bench.on("n2", "cd /root && skep -i cluster.yml plan --exit-code 2>&1");
    assert!(said.contains("Nothing to do"), "{said}");
    bench.on("n2", "cd /root && rm /etc/modules-load.d/*skep* && skep -i cluster.yml up --yes 2>&1");
    let said =
        bench.on("n2", "cd /root && skep -i cluster.yml plan --exit-code && skep -i cluster.yml status 2>&1");
    eprintln!("{said}");
}

/// Copies a file to the board.
fn copy(bench: &Bench, from: &Path, to: &str) {
    let mut words = bench.lab().ssh_command("n2").expect("the board is in the lab");
    words.push(format!("cat >{to}"));
    let input = File::open(from).expect("the file opens");
    let status = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::from(input)).status();
    assert!(status.expect("ssh runs").success(), "{} is copied", from.display());
}
