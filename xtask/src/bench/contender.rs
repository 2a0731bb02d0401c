//! Who is measured on converged nodes: the command of each, and how it is seen that there was nothing to do.

use std::collections::BTreeSet;

use super::job::{Job, Ran, json_lines};
use super::{Bench, hosts::Hosts, script};

/// Who is measured on converged nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Up,
    Plan,
    Audit,
    Ansible,
    Mitogen,
    Pyinfra,
    FloorA,
    FloorB,
}

impl Contender {
    /// All, in the order of the tables.
    pub(super) const ALL: [Self; 8] = [
        Self::Up,
        Self::Plan,
        Self::Audit,
        Self::Ansible,
        Self::Mitogen,
        Self::Pyinfra,
        Self::FloorA,
        Self::FloorB,
    ];

    /// Its name on the command line and in the results.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Plan => "plan",
            Self::Audit => "audit",
            Self::Ansible => "ansible",
            Self::Mitogen => "mitogen",
            Self::Pyinfra => "pyinfra",
            Self::FloorA => "floor-a",
            Self::FloorB => "floor-b",
        }
    }

    /// What the tables and plots call it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Up => "skep up",
            Self::Plan => "skep plan",
            Self::Audit => "skep audit --no-ports",
            Self::Ansible => "Ansible",
            Self::Mitogen => "Ansible with mitogen",
            Self::Pyinfra => "pyinfra",
            Self::FloorA => "floor A: ssh node true",
            Self::FloorB => "floor B: russh, true",
        }
    }

    /// Whether it comes from PyPI.
    pub(super) const fn is_peer(self) -> bool {
        matches!(self, Self::Ansible | Self::Mitogen | Self::Pyinfra)
    }

    /// Its command on these hosts.
    pub(super) fn job(self, bench: &Bench, hosts: &Hosts) -> Job {
        match self {
            Self::Up => skep(bench, hosts, &["up", "--yes"]),
            Self::Plan => skep(bench, hosts, &["plan"]),
            // 4: it has found errors, which the kernel of this computer may well have.
            Self::Audit => skep(bench, hosts, &["audit", "--no-ports", "--json"]).accept(&[0, 4]),
            Self::Ansible => ansible(bench, "ansible"),
            Self::Mitogen => mitogen(bench),
            Self::Pyinfra => Job::new("pyinfra", bench.file("venv/bin/pyinfra"), 300)
                .arg("-y")
                .arg(bench.file("hosts.py").display())
                .arg(script("deploy.py").display()),
            Self::FloorA => floor_a(hosts),
            Self::FloorB => floor_b(bench, hosts),
        }
    }

    /// Whether it looked at all hosts and found nothing to do; else why that is not so.
    pub(super) fn check(self, ran: &Ran, hosts: usize) -> Result<(), String> {
        match self {
            Self::Up | Self::Plan => nothing_to_do(&ran.stdout, hosts),
            Self::Ansible | Self::Mitogen => recap(&ran.stdout, hosts),
            Self::Pyinfra => grand_total(&format!("{}\n{}", ran.stdout, ran.stderr), hosts),
            Self::Audit => all_surveyed(ran, hosts),
            Self::FloorA | Self::FloorB => Ok(()),
        }
    }
}

/// One of skep's commands; its journals are kept apart from the user's.
pub(super) fn skep(bench: &Bench, hosts: &Hosts, arguments: &[&str]) -> Job {
    let job = Job::new(&format!("skep {}", arguments[0]), &bench.skep, 300);
    job.arg("-i")
        .arg(hosts.inventory.display())
        .args(arguments)
        .env("XDG_STATE_HOME", bench.file("state").display())
}

fn ansible(bench: &Bench, name: &str) -> Job {
    let ssh =
        format!("-F {} -o ControlMaster=auto -o ControlPersist=600s", bench.file("ssh_config").display());
    Job::new(name, bench.file("venv/bin/ansible-playbook"), 600)
        .arg("-i")
        .arg(bench.file("hosts.yml").display())
        .arg(script("play.yml").display())
        .env("ANSIBLE_HOME", bench.file("ansible").display())
        .env("ANSIBLE_SSH_CONTROL_PATH_DIR", super::hosts::control_sockets().display())
        .env("ANSIBLE_PIPELINING", "1")
        .env("ANSIBLE_SSH_ARGS", ssh)
        .env("ANSIBLE_FORKS", "50")
        .env("ANSIBLE_NOCOLOR", "1")
        // Guessing it takes a round trip more.
        .env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3")
}

fn mitogen(bench: &Bench) -> Job {
    let plugins = super::setup::site_packages(&bench.dir).join("ansible_mitogen/plugins/strategy");
    ansible(bench, "mitogen")
        .env("ANSIBLE_STRATEGY_PLUGINS", plugins.display())
        .env("ANSIBLE_STRATEGY", "mitogen_linear")
}

/// The system's client, once for each host, all at once.
pub(super) fn floor_a(hosts: &Hosts) -> Job {
    on_each(hosts, "floor-a", 300, "true")
}

/// A command on each host at once through the system's client; fails where one does.
pub(super) fn on_each(hosts: &Hosts, name: &str, limit: u64, command: &str) -> Job {
    Job::new(name, "sh", limit)
        .arg(script("on-each.sh").display())
        .arg(hosts.ssh_config.display())
        .arg(command)
        .args(hosts.addresses())
}

/// A login and `true` through the library that skep uses, on each host at once.
pub(super) fn floor_b(bench: &Bench, hosts: &Hosts) -> Job {
    Job::new("floor-b", &bench.floor, 300)
        .arg("root")
        .arg(hosts.key.display())
        .arg(hosts.known_hosts.display())
        .args(hosts.addresses())
}

/// Whether skep, which printed events, looked at all hosts; it may have looked at some of them twice.
pub(super) fn all_surveyed(ran: &Ran, hosts: usize) -> Result<(), String> {
    let events = json_lines(&ran.stdout);
    let surveyed = events.iter().filter(|event| event["event"] == "surveyed");
    let surveyed = surveyed.filter_map(|event| event["node"].as_str()).collect::<BTreeSet<_>>().len();
    if surveyed == hosts { Ok(()) } else { Err(format!("skep surveyed {surveyed} hosts of {hosts}")) }
}

fn nothing_to_do(output: &str, hosts: usize) -> Result<(), String> {
    let wanted = format!("Nothing to do: {hosts} nodes are as the inventory wants.");
    if output.contains(&wanted) { Ok(()) } else { Err("skep found something to do".to_owned()) }
}

/// Ansible's last lines: `n1 : ok=13 changed=0 unreachable=0 failed=0 …`, one a host.
fn recap(output: &str, hosts: usize) -> Result<(), String> {
    let lines: Vec<_> = output.lines().filter(|line| line.contains("changed=")).collect();
    if lines.len() != hosts {
        return Err(format!("Ansible's recap is of {} hosts, not {hosts}", lines.len()));
    }
    let clean = |line: &&&str| {
        let zeroes = ["changed=0", "unreachable=0", "failed=0"];
        !zeroes.iter().all(|zero| line.split_whitespace().any(|word| word == *zero))
    };
    match lines.iter().find(clean) {
        Some(line) => {
            Err(format!("Ansible says {:?}", line.split_whitespace().collect::<Vec<_>>().join(" ")))
        }
        None => Ok(()),
    }
}

/// pyinfra's last line: `Grand total  24  -  -  24`: operations, successful ones, failed ones, those with no change.
fn grand_total(output: &str, hosts: usize) -> Result<(), String> {
    let total = output.lines().find_map(|line| line.trim().strip_prefix("Grand total"));
    let numbers: Vec<&str> = total.unwrap_or_default().split_whitespace().collect();
    match numbers.as_slice() {
        [all, "-", "-", unchanged]
            if all == unchanged && all.parse().is_ok_and(|all: usize| all >= hosts) =>
        {
            Ok(())
        }
        [] => Err("pyinfra tells no results".to_owned()),
        numbers => Err(format!("pyinfra says of operations, done, failed, unchanged: {}", numbers.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Sample;

    #[test]
    fn names_are_told_apart() {
        for (index, contender) in Contender::ALL.into_iter().enumerate() {
            let first = Contender::ALL.into_iter().position(|other| other.name() == contender.name());
            assert_eq!(first, Some(index));
        }
    }

    #[test]
    fn skep_had_nothing_to_do_on_all_nodes() {
        assert_eq!(nothing_to_do("\nNothing to do: 3 nodes are as the inventory wants.\n", 3), Ok(()));
        assert!(nothing_to_do("Nothing to do: 2 nodes are as the inventory wants.", 3).is_err());
        assert!(nothing_to_do("Done: 1 change on 3 nodes", 3).is_err());
    }

    #[test]
    fn ansible_changed_nothing_on_any_host() {
        let line = |name: &str, changed: u32, unreachable: u32| {
            format!(
                "{name}   : ok=13   changed={changed}    unreachable={unreachable}    failed=0    skipped=7\n"
            )
        };
        let play = "PLAY RECAP ****\n".to_owned();
        assert_eq!(recap(&(play.clone() + &line("n1", 0, 0) + &line("n2", 0, 0)), 2), Ok(()));
        for (lines, why) in [
            (line("n1", 0, 0), "of 1 hosts"),
            (line("n1", 0, 0) + &line("n2", 1, 0), "n2 : ok=13 changed=1"),
            (line("n1", 0, 1) + &line("n2", 0, 0), "unreachable=1"),
            (line("n1", 0, 0) + &line("n2", 10, 0), "changed=10"),
            (String::new(), "of 0 hosts"),
        ] {
            let told = recap(&(play.clone() + &lines), 2).expect_err(why);
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn pyinfra_changed_nothing_on_any_host() {
        assert_eq!(
            grand_total("    Packages   3  -  -  3\n    Grand total    24      -    -      24   \n", 3),
            Ok(())
        );
        for text in [
            "",
            "Grand total 24 1 - 23",
            "Grand total 24 - 1 23",
            "Grand total 2 - - 2",
            "Grand total - - - -",
        ] {
            assert!(grand_total(text, 3).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_that_was_not_surveyed_makes_the_comparison_void() {
        let ran = |nodes: &[&str]| {
            let surveyed = |node: &&str| format!("{{\"event\":\"surveyed\",\"node\":\"{node}\"}}\n");
            let stdout = nodes.iter().map(surveyed).collect::<String>() + "{\"event\":\"finished\"}\n";
            Ran { sample: Sample::default(), stdout, stderr: String::new() }
        };
        assert_eq!(all_surveyed(&ran(&["n1", "n2"]), 2), Ok(()));
        assert_eq!(all_surveyed(&ran(&["n1", "n2", "n1"]), 2), Ok(()));
        assert_eq!(all_surveyed(&ran(&["n1", "n1"]), 2), Err("skep surveyed 1 hosts of 2".to_owned()));
    }
}
