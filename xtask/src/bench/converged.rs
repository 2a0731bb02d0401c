//! Three converged nodes: everybody finds that there is nothing to do, in interleaved rounds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::hosts::{self, Hosts};
use super::job::json_lines;
use super::rounds::{self, Entry};
use super::{Bench, Found, contender, say};
use crate::failure::{Failure, Result};

/// The table that these numbers are in.
pub(super) const TABLE: &str = "converged";

/// How many nodes.
pub(super) const NODES: usize = 3;

/// The lab; the janitor knows it too.
pub(super) const LAB: &str = "bench";

/// What Ansible needs on a node.
const PYTHON: &str =
    "DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3 python3-apt";

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let measured = on_lab(bench);
    hosts::end_kept_connections();
    hosts::then_down(bench, LAB, measured)
}

fn on_lab(bench: &Bench) -> Result<Found> {
    say("three nodes are brought up and converged");
    let hosts = Hosts::lab(bench, LAB, NODES)?;
    let packages = packages(bench, &hosts)?;
    let mut up = contender::skep(bench, &hosts, &["up", "--yes"]);
    up.limit = Duration::from_secs(1800);
    bench.measure(&up)?;
    let contenders = &bench.options.contenders;
    if bench.options.peers {
        bench.measure(&contender::on_each(&hosts, "python", 600, PYTHON))?;
        bench.write_inventories(&hosts, &packages, &modules(bench, &hosts)?)?;
    }
    let entries: Vec<Entry<'_>> = contenders
        .iter()
        .map(|contender| Entry {
            name: contender.name(),
            job: contender.job(bench, &hosts),
            check: Box::new(|ran| contender.check(ran, NODES)),
        })
        .collect();
    let mut found = Found::default();
    found.facts.push(("node".to_owned(), node(bench, &hosts)?));
    rounds::run(bench, TABLE, &entries, bench.options.rounds, &mut found);
    Ok(found)
}

/// The packages that skep sees to on bare nodes, from its own plan; and those that it only finds there already.
pub(super) fn packages(bench: &Bench, hosts: &Hosts) -> Result<Vec<String>> {
    let plan = bench.measure(&contender::skep(bench, hosts, &["--json", "plan"]))?;
    let planned = planned_packages(&plan.stdout);
    if planned.is_empty() {
        return Err(Failure::Bench(vec!["skep plans no packages on bare nodes".to_owned()]));
    }
    Ok(planned
        .into_iter()
        .chain(["ca-certificates", "iptables"].map(str::to_owned))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect())
}

/// The packages of a plan as `skep plan --json` prints it.
fn planned_packages(events: &str) -> BTreeSet<String> {
    let events = json_lines(events);
    let planned = events.iter().filter(|event| event["event"] == "planned");
    let phases = planned.flat_map(|event| event["plan"]["phases"].as_array().into_iter().flatten());
    let steps = phases.flat_map(|phase| phase["steps"].as_array().into_iter().flatten());
    let packages = steps
        .flat_map(|step| step["action"]["change"]["packages"]["install"].as_array().into_iter().flatten());
    packages.filter_map(|package| package.as_str()).map(str::to_owned).collect()
}

/// The kernel modules that skep has loaded at boot.
fn modules(bench: &Bench, hosts: &Hosts) -> Result<Vec<String>> {
    let files = hosts.ask(bench, "ls /etc/modules-load.d")?;
    Ok(module_names(&files))
}

fn module_names(files: &str) -> Vec<String> {
    let name = |file: &str| Some(file.strip_prefix("skep-")?.strip_suffix(".conf")?.to_owned());
    files.lines().filter_map(name).collect()
}

/// What a node is.
fn node(bench: &Bench, hosts: &Hosts) -> Result<String> {
    let told = hosts.ask(
        bench,
        ". /etc/os-release; echo \"$PRETTY_NAME\"; docker --version; sshd -V 2>&1 | grep -i ^openssh",
    )?;
    Ok(told.lines().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_of_all_steps_of_the_plan() {
        let step = |packages: &[&str]| serde_json::json!({"node": "n1", "action": {"change": {"packages": {"install": packages, "remove": ["x"]}}}});
        let other = serde_json::json!({"node": "n1", "action": {"change": {"sysctl": {"key": "a"}}}});
        let plan = serde_json::json!({"event": "planned", "plan": {"phases": [
            {"name": "packages", "steps": [step(&["iptables", "docker.io"]), step(&["docker.io"])]},
            {"name": "kernel", "steps": [other]},
        ]}});
        let events = format!("{{\"event\":\"connected\"}}\n{plan}\nno JSON\n");
        assert_eq!(
            planned_packages(&events),
            BTreeSet::from(["docker.io".to_owned(), "iptables".to_owned()])
        );
        assert!(planned_packages("").is_empty());
    }

    #[test]
    fn modules_are_those_of_skeps_own_files() {
        assert_eq!(
            module_names("modules.conf\nskep-vxlan.conf\nskep-ip_vs.conf\nskep-x\n"),
            ["vxlan", "ip_vs"]
        );
    }
}
