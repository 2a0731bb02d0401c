//! Who is a manager: told by groups, by a role, or decided here and said so.

use super::draft::Candidate;
use super::findings::Findings;
use super::groups::Resolved;
use crate::inventory::model::Role;

/// Words that may stand beside the one that says the role: `docker_swarm_managers`, `worker-nodes`.
const BESIDE: &[&str] =
    &["docker", "dockerswarm", "swarm", "cluster", "node", "nodes", "host", "hosts", "servers"];

/// The role that the name of a group, or a role of another tool, stands for.
pub(super) fn of_group(name: &str) -> Option<Role> {
    let name = name.to_ascii_lowercase();
    let mut found = None;
    for part in name.split(['_', '-', '.', ' ']).filter(|part| !part.is_empty()) {
        let role = match part {
            "manager" | "managers" | "master" | "masters" | "leader" | "leaders" => Role::Manager,
            "worker" | "workers" => Role::Worker,
            part if BESIDE.contains(&part) => continue,
            _ => return None,
        };
        if found.is_some_and(|found| found != role) {
            return None;
        }
        found = Some(role);
    }
    found
}

/// Gives each candidate the role that its groups tell. Where a file has groups of managers and of workers, a host in
/// neither is no part of the swarm; where it has one of the two, the others are the other.
pub(super) fn from_groups(hosts: &mut Vec<Candidate>, resolved: &[&Resolved<'_>], findings: &mut Findings) {
    for (candidate, host) in hosts.iter_mut().zip(resolved) {
        let told: Vec<Role> = host.groups().filter_map(|group| of_group(&group.text)).collect();
        if told.contains(&Role::Manager) && told.contains(&Role::Worker) {
            let message =
                format!("`{}` is in a group of managers and in one of workers", candidate.name.shown());
            findings.note(&candidate.name.span, message, "it becomes a manager, which runs tasks as well");
        }
        let of_groups =
            if told.contains(&Role::Manager) { Some(Role::Manager) } else { told.first().copied() };
        candidate.role = candidate.role.or(of_groups);
    }
    let has = |role| hosts.iter().any(|host| host.role == Some(role));
    match (has(Role::Manager), has(Role::Worker)) {
        (true, true) => leave_out_others(hosts, findings),
        (true, false) => others_become(Role::Worker, hosts, findings),
        (false, true) => others_become(Role::Manager, hosts, findings),
        (false, false) => {}
    }
}

fn leave_out_others(hosts: &mut Vec<Candidate>, findings: &mut Findings) {
    for host in hosts.iter().filter(|host| host.role.is_none()) {
        let message =
            format!("`{}` is left out: it is in no group of managers or workers", host.name.shown());
        findings.note(&host.name.span, message, "`skep node add USER@HOST` adds it to the result");
    }
    hosts.retain(|host| host.role.is_some());
}

fn others_become(role: Role, hosts: &mut [Candidate], findings: &mut Findings) {
    let Some(first) = hosts.iter().find(|host| host.role.is_none()).map(|host| host.name.span.clone()) else {
        return;
    };
    let (other, message) = match role {
        Role::Worker => (
            "managers",
            "there is a group of managers and none of workers: every other host becomes a worker",
        ),
        Role::Manager => (
            "workers",
            "there is a group of workers and none of managers: every other host becomes a manager",
        ),
    };
    let help = format!("take out what is no part of the swarm; {other} are as the file says");
    findings.note(&first, message.to_owned(), help);
    hosts.iter_mut().filter(|host| host.role.is_none()).for_each(|host| host.role = Some(role));
}

/// Where nothing tells any role: as `skep init` does, the first is the manager, or the first three.
pub(super) fn decide(hosts: &mut [Candidate], findings: &mut Findings) {
    if hosts.iter().all(|host| host.role.is_none())
        && let Some(first) = hosts.first().map(|host| host.name.span.clone())
    {
        let managers = if hosts.len() < 3 { 1 } else { 3 };
        for (index, host) in hosts.iter_mut().enumerate() {
            host.role = Some(if index < managers { Role::Manager } else { Role::Worker });
        }
        let who = if managers == 1 {
            "the first host becomes the manager"
        } else {
            "the first three hosts become managers"
        };
        let message = format!("nothing here tells managers from workers: {who}");
        findings.note(&first, message, "change each `role` in the result to what you want");
    }
    if hosts.iter().all(|host| host.role != Some(Role::Manager))
        && let Some(first) = hosts.first_mut()
    {
        let message = format!("there is no manager: `{}` becomes it", first.name.shown());
        findings.note(&first.name.span, message, "a swarm has at least one; change `role` in the result");
        first.role = Some(Role::Manager);
    }
}

/// What the number of managers means, where it is an even one.
pub(super) fn quorum(hosts: &[Candidate], findings: &mut Findings) {
    let managers: Vec<_> = hosts.iter().filter(|host| host.role == Some(Role::Manager)).collect();
    if let Some(last) = managers.last().filter(|_| managers.len() % 2 == 0) {
        let count = managers.len();
        let losses = (count - 1) / 2;
        let message =
            format!("{count} managers survive the loss of {losses}, no more than {} would", count - 1);
        findings.note(
            &last.name.span,
            message,
            format!("make it {} or {}: change one `role` in the result", count - 1, count + 1),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_tell_a_role() {
        for (name, role) in [
            ("managers", Some(Role::Manager)),
            ("docker_swarm_manager", Some(Role::Manager)),
            ("Swarm-Workers", Some(Role::Worker)),
            ("worker_nodes", Some(Role::Worker)),
            ("docker_swarm", None),
            ("manager_worker", None),
            ("project_managers", None),
            ("nodes", None),
            ("", None),
        ] {
            assert_eq!(of_group(name), role, "{name}");
        }
    }
}
