//! How many managers there are, how many may be lost, and whether somebody leads.

use super::members::state;
use super::{NODES, told};
use crate::audit::engine::INFO;
use crate::audit::{Case, Check, Family, Judgement, Severity, Verdict};
use crate::inventory::model::{NodeName, Role};
use crate::swarm::health::Health;
use crate::swarm::membership::{Membership, Standing};
use crate::swarm::quorum::{check_inventory, even, quorum, tolerance};

pub(in crate::audit) const MANAGERS: Check = Check {
    id: "swarm-managers",
    family: Family::Swarm,
    title: "the number of managers is a good one",
    explanation: "Raft decides by majority of all managers on record, those that are off included: 3 survive the loss of one, \
        5 of two. An even number survives no more than the odd one below it, and has one machine more that can fail; two \
        managers stop when either fails, and are worse than one. An even number, none, or more than 7 in the inventory is an \
        error, because `skep up` refuses it. A single manager is a warning where there are three nodes or more, else a note. \
        If the swarm itself has an even number, by members that the inventory lacks, that is a warning.",
    examine: managers,
};

fn managers(case: &Case<'_>) -> Vec<Verdict> {
    let inventory = case.inventory();
    let named: Vec<NodeName> = inventory.managers().map(|node| node.name.clone()).collect();
    let place = inventory.path.display().to_string();
    let wanted = named.len();
    let judgement = match check_inventory(inventory) {
        Err(refusal) => told(Severity::Error, &refusal),
        Ok(Some(single)) if inventory.nodes.len() >= 3 => told(Severity::Warning, &single),
        Ok(Some(single)) => Judgement::note(single.message),
        Ok(None) => Judgement::ok(format!("{wanted} managers survive the loss of {}", tolerance(wanted))),
    };
    let mut verdicts = vec![judgement.seen(place, format!("{wanted} × `role: manager`")).about(named)];
    let health = Health::of(case.view);
    let total = health.managers.total;
    if total > 0 && total.is_multiple_of(2) && total != wanted {
        let managers = health.nodes.iter().filter(|node| node.role == Role::Manager);
        let list: Vec<&str> =
            managers.map(|node| node.name.as_ref().map_or(&node.hostname, |name| &name.0).as_str()).collect();
        let warning = Judgement::warning(format!("the swarm has {total} managers, not {wanted}: {}", even(total)))
            .seen(NODES, list.join(", "))
            .remedy("`skep up` promotes and demotes as the inventory says; demote those that it lacks with `docker node demote`");
        verdicts.push(warning.about([]));
    }
    verdicts
}

pub(in crate::audit) const SWARM: Check = Check {
    id: "swarm",
    family: Family::Swarm,
    title: "somebody leads the swarm",
    explanation: "All that changes a swarm is decided by its managers together. Without a leader services run on as they are, \
        but nothing that fails is replaced, and nobody can join: an error. Fewer managers that answer than planned for is a \
        warning: the next loss may be one too many. One of the managers is asked for its members; that none answers for the \
        swarm of this inventory is an error if there was one, and a note where no host knows of any, since `skep up` makes it.",
    examine: |case| swarm(case).into_iter().map(|judgement| judgement.about([])).collect(),
};

fn swarm(case: &Case<'_>) -> Vec<Judgement> {
    let (view, inventory) = (case.view, case.inventory());
    let health = Health::of(view);
    if health.cluster.is_none() {
        let membership = Membership::read(view);
        let outside = |name: &NodeName| *membership.standing(name) == Standing::Outside;
        let answering: Vec<_> = case.subjects().map(|subject| subject.node.name.clone()).collect();
        if answering.is_empty() {
            return Vec::new();
        }
        if answering.iter().all(outside) {
            return vec![
                Judgement::note("there is no swarm yet: `skep up` makes it")
                    .seen(INFO, "LocalNodeState inactive"),
            ];
        }
        let seen = |judgement: Judgement, name: &NodeName| {
            judgement.seen(format!("{INFO} of {name}"), state(membership.standing(name)))
        };
        let findings = health.findings(view);
        return findings
            .iter()
            .map(|finding| answering.iter().fold(told(Severity::Error, finding), seen))
            .collect();
    }
    let managers = health.managers;
    let counted = format!(
        "{} of {} managers are reachable, {} are needed",
        managers.reachable,
        managers.total,
        quorum(managers.total)
    );
    let judgement = match health.leadership(inventory) {
        Some(finding) if health.leader.is_none() => told(Severity::Error, &finding),
        Some(finding) => told(Severity::Warning, &finding),
        None => {
            let leader = health
                .leader
                .as_ref()
                .map(|leader| leader.name.as_ref().map_or(&leader.hostname, |name| &name.0));
            Judgement::ok(format!(
                "{} leads; the swarm survives the loss of {}",
                leader.map_or("somebody", String::as_str),
                health.tolerance
            ))
        }
    };
    vec![judgement.seen(NODES, counted)]
}

pub(in crate::audit) const LOCK: Check = Check {
    id: "swarm-lock",
    family: Family::Swarm,
    title: "managers come back by themselves",
    explanation: "With autolock a manager that starts waits until somebody types the unlock key, after each reboot and each \
        power cut; it guards the swarm's keys on stolen discs. That is a choice, and so a note: who has made it must have the \
        key at hand, or loses the swarm when all managers restart. One of the managers is asked.",
    examine: |case| {
        let Some(roster) = Membership::read(case.view).ours else { return Vec::new() };
        let judgement = match roster.cluster.autolock {
            true => Judgement::note("autolock is on: each manager that restarts waits for the unlock key")
                .remedy(format!("keep the key: `docker swarm unlock-key` on {} shows it; `docker swarm update --autolock=false` turns it off", roster.via)),
            false => Judgement::ok("managers need no unlock key"),
        };
        vec![judgement.seen("GET /info", format!("AutoLockManagers {}", roster.cluster.autolock)).about([])]
    },
};
