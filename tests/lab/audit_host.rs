//! The audit of hosts: logins, identity, room, packages, first starts.

use std::fs;

use serde_json::Value;
use skep::audit::{CHECKS, Family};

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("an_audit_finds_what_is_wrong_with_hosts_and_nothing_on_healthy_ones", hosts)]
}

fn hosts() {
    let bench = Bench::with_engine("audithost", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], "");
    // The first look pushes the agent; from then on nothing at all may change.
    bench.skep(&["plan"]).exits(0);
    let before = state(&bench);
    let healthy = audit(&bench);
    assert_eq!(state(&bench), before, "an audit changed the host");
    let amiss: Vec<_> = healthy.iter().filter(|verdict| is_bad(verdict)).collect();
    assert!(amiss.is_empty(), "{amiss:#?}");
    every_host_is_judged(&healthy);
    copied_card(&bench);
    copied_hardware_address(&bench);
    let plants =
        [plant_access(&bench), plant_disks(&bench), plant_packages(&bench), plant_first_start(&bench)];
    let found = audit(&bench);
    for (check, severity, nodes, message, remedy) in plants.into_iter().flatten() {
        let fits = |verdict: &&Value| {
            verdict["check"] == check
                && verdict["severity"] == severity
                && names(verdict) == nodes
                && text(verdict, "message").contains(message)
        };
        let Some(verdict) = found.iter().find(fits) else {
            panic!("{check} did not find {severity} {message:?} on {nodes}: {found:#?}")
        };
        assert!(verdict["remedy"].to_string().contains(remedy), "{verdict:#?}");
        assert!(verdict["evidence"].as_array().is_some_and(|seen| !seen.is_empty()), "{verdict:#?}");
    }
    bench.skep(&["audit", "--no-ports"]).exits(4);
}

/// What a check has to find: its ID, severity, nodes, a part of its message and of its remedy.
type Plant = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// A second card written from the first one after its first start.
fn copied_card(bench: &Bench) {
    let id = bench.on("n1", "cat /etc/machine-id");
    bench.on("n2", &format!("echo {} > /etc/machine-id; echo n1 > /etc/hostname", id.trim()));
    let found = audit(bench);
    for (check, remedy) in
        [("machine-id", "rm -f /var/lib/dbus/machine-id; "), ("hostname", "hostnamectl set-hostname")]
    {
        let twins = |verdict: &&Value| verdict["check"] == check && verdict["severity"] == "error";
        let verdict = found.iter().find(twins).unwrap_or_else(|| panic!("{check}: {found:#?}"));
        assert_eq!(names(verdict), "n1 n2");
        assert!(verdict["remedy"].to_string().contains(remedy), "{verdict:#?}");
    }
    assert!(!format!("{found:?}").contains(id.trim()), "the machine-id is spread");
}

/// Two boards whose boot file sets one hardware address, on a network besides skep's own.
fn copied_hardware_address(bench: &Bench) {
    const MAC: &str = "02:00:5e:00:00:09";
    let written = fs::read_to_string(bench.inventory_path()).expect("the inventory is there");
    let mut with_addresses = written.clone();
    for (node, role, address) in [("n1", "manager", "10.9.9.1"), ("n2", "worker", "10.9.9.2")] {
        bench.on(node, &format!("ip link add twin9 address {MAC} type bridge && ip addr add {address}/24 dev twin9 && ip link set twin9 up"));
        let role = format!("role: {role}");
        with_addresses = with_addresses.replace(&role, &format!("{role}, advertise: {address}"));
    }
    fs::write(bench.inventory_path(), with_addresses).expect("the inventory is written");
    let found = audit(bench);
    let twins = |verdict: &&Value| verdict["check"] == "unique-address" && verdict["severity"] == "error";
    let verdict = found.iter().find(twins).unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(names(verdict), "n1 n2");
    assert!(text(verdict, "message").contains(MAC), "{verdict:#?}");
    fs::write(bench.inventory_path(), written).expect("the inventory is written");
    for node in ["n1", "n2"] {
        bench.on(node, "ip link del twin9");
    }
}

fn plant_access(bench: &Bench) -> Vec<Plant> {
    // Not read by the sshd that runs, so that the audit itself still gets in.
    bench.on("n1", "printf 'DenyUsers root\\nMaxSessions 1\\n' > /etc/ssh/sshd_config.d/10-planted.conf");
    bench.on("n2", "printf 'Protokoll 2\\n' > /etc/ssh/sshd_config.d/10-planted.conf");
    bench.on("n2", "chage -E $(date -d '+5 days' +%F) root");
    vec![
        (
            "sshd-login",
            "error",
            "n1",
            "sshd refuses root: DenyUsers has `root`",
            "take `root` out of DenyUsers",
        ),
        ("sshd-limits", "error", "n1", "MaxSessions 1", "MaxSessions 10"),
        ("sshd-login", "error", "n2", "does not take its own settings", "sshd -t"),
        ("login-expiry", "warning", "n2", "the account of root expires in", "chage -E -1 root"),
    ]
}

fn plant_disks(bench: &Bench) -> Vec<Plant> {
    bench.on("n1", "mount -t tmpfs -o size=8m tmpfs /var/lib/docker");
    bench.on("n1", "mount -t tmpfs -o size=128m,nr_inodes=40 tmpfs /boot");
    bench.on(
        "n2",
        "mount -t tmpfs -o size=20m tmpfs /var/log && dd if=/dev/zero of=/var/log/big bs=1M count=17",
    );
    bench.on("n2", "mount --bind /usr /usr && mount -o remount,bind,ro /usr");
    vec![
        ("disk-space", "error", "n1", "less than 16 MiB are free in /var/lib/docker", "docker"),
        ("disk-space", "warning", "n1", "inodes are left in /boot", "du --inodes"),
        ("disk-space", "warning", "n2", "are left in /var/log", "journalctl --vacuum-size"),
        ("disk-space", "error", "n2", "/usr cannot be written: the file system is read-only", "remount,rw"),
    ]
}

fn plant_packages(bench: &Bench) -> Vec<Plant> {
    bench.on("n1", "apt-mark hold docker.io iptables");
    // As dpkg leaves a package whose configuration was cut off.
    bench.on("n1", "sed -i '/^Package: containerd$/,/^$/s/^Status: .*/Status: install ok half-configured/' /var/lib/dpkg/status");
    let docker = "https://download.docker.com/linux/debian";
    bench.on("n2", &format!("cd /etc/apt/sources.list.d; echo 'deb [signed-by=/k.gpg] {docker} bookworm stable' > docker.list
        printf 'Types: deb\\nURIs: {docker}\\nSuites: bookworm\\nComponents: stable\\nSigned-By: /k.asc\\n' > docker.sources"));
    bench.on("n2", "touch /run/reboot-required; echo libc6 > /run/reboot-required.pkgs");
    vec![
        ("packages-held", "note", "n1", "docker.io is held", "apt-mark unhold docker.io"),
        ("packages-state", "warning", "n1", "left half installed: containerd", "dpkg --configure -a"),
        (
            "apt-sources",
            "error",
            "n2",
            "stands there with several keys",
            "rm /etc/apt/sources.list.d/docker.sources",
        ),
        ("pending-reboot", "note", "n2", "updates of libc6 count only after a reboot", "systemctl reboot"),
    ]
}

fn plant_first_start(bench: &Bench) -> Vec<Plant> {
    bench.on("n1", "touch /root/.not_logged_in_yet; sed -i /n1/d /etc/hosts");
    bench.on("n1", "mkdir -p /etc/systemd/system/getty@.service.d; printf '[Service]\\nExecStart=-/sbin/agetty --autologin root %%I\\n' \
        > /etc/systemd/system/getty@.service.d/override.conf");
    vec![
        ("first-boot", "warning", "n1", "Armbian's questions are not answered", "ssh -t root@"),
        ("console-autologin", "warning", "n1", "consoles log somebody in", "getty@.service.d/override.conf"),
        ("hostname-lookup", "note", "n1", "does not know its own name", "127.0.1.1 n1"),
    ]
}

/// What the checks of hosts say.
fn audit(bench: &Bench) -> Vec<Value> {
    let run = bench.skep(&["audit", "--no-ports", "--json"]);
    let reports: Vec<_> = run.events().into_iter().filter(|event| event["event"] == "audit").collect();
    let [report] = &reports[..] else { panic!("{run:?}") };
    let of_hosts = |verdict: &&Value| {
        let mut checks =
            CHECKS.iter().filter(|check| matches!(check.family, Family::Access | Family::System));
        checks.any(|check| verdict["check"] == check.id)
    };
    report["verdicts"].as_array().unwrap().iter().filter(of_hosts).cloned().collect()
}

fn is_bad(verdict: &Value) -> bool {
    ["error", "warning", "unknown"].contains(&verdict["severity"].as_str().unwrap())
}

/// The matrix of checks by nodes has no holes but those of checks that do not apply.
fn every_host_is_judged(verdicts: &[Value]) {
    // Nothing is mounted, nobody goes through these hosts, they are no boards, and their clock is this computer's.
    let apart = ["wait-online", "sshd-jump", "first-boot", "real-time-clock"];
    let checks = CHECKS.iter().filter(|check| matches!(check.family, Family::Access | Family::System));
    for check in checks.filter(|check| !apart.contains(&check.id)) {
        for node in ["n1", "n2"] {
            let judged =
                verdicts.iter().any(|verdict| verdict["check"] == check.id && names(verdict).contains(node));
            assert!(judged, "{} says nothing of {node}", check.id);
        }
    }
}

fn names(verdict: &Value) -> String {
    let nodes = verdict["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn text<'v>(verdict: &'v Value, name: &str) -> &'v str {
    verdict[name].as_str().unwrap()
}

/// Everything that an audit could have changed on a node.
fn state(bench: &Bench) -> String {
    bench.on("n1", "find /etc /usr /opt /root /home /boot /var/lib/dpkg /var/lib/apt -xdev \\( -type d -printf '%p %m\\n' \\) \
        -o -printf '%p %T@ %C@ %s %m\\n' | sort")
}
