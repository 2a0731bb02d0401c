//! Who is made a manager and who no longer is, each step tried on the quorum before it is planned.

use crate::inventory::model::{Node, Role};
use crate::plan::Finding;
use crate::swarm::membership::{Roster, Standing, is_manager, is_reachable};
use crate::swarm::quorum::{Managers, Shift};
use crate::swarm::steps::{Scene, SwarmPlan};
use crate::swarm::{SwarmAction, refusal};

/// Removes dead records of hosts that were set up anew. They go before their successors come: as long as a dead
/// manager is on record, it raises the quorum.
pub(super) fn forget(plan: &mut SwarmPlan, scene: &Scene<'_>, managers: &mut Managers) {
    for node in scene.nodes() {
        for ghost in scene.membership.ghosts(&node.name) {
            let manager = is_manager(ghost);
            if manager {
                let Some(after) = managers.after(Shift::Forget) else {
                    plan.problems.push(refusal::no_quorum(&node.name, "remove the old record", *managers));
                    continue;
                };
                *managers = after;
            }
            if ghost.availability != "active" {
                plan.warnings.push(Finding {
                    nodes: vec![node.name.clone()],
                    message: format!(
                        "{} was on {} before it was set up anew, and comes back active",
                        node.name, ghost.availability
                    ),
                    help: format!(
                        "if that shall stay, run `docker node update --availability {}` for it",
                        ghost.availability
                    ),
                });
            }
            plan.step(&node.name, SwarmAction::Forget { node_id: ghost.id.clone(), manager });
        }
    }
}

/// Promotes workers that shall be managers.
pub(super) fn promote(plan: &mut SwarmPlan, scene: &Scene<'_>, managers: &mut Managers) {
    for (node, node_id, ready) in members(scene, Role::Worker, Role::Manager) {
        if !ready {
            plan.problems.push(Finding {
                nodes: vec![node.name.clone()],
                message: format!(
                    "{} is not ready, so it is not promoted: a manager that is off only raises the quorum",
                    node.name
                ),
                help: format!("see what keeps it: `docker info` on {}; then run `skep up` again", node.name),
            });
            continue;
        }
        let Some(after) = managers.after(Shift::Gain) else {
            plan.problems.push(refusal::no_quorum(&node.name, "promote", *managers));
            continue;
        };
        *managers = after;
        plan.step(&node.name, SwarmAction::Promote { node_id: node_id.clone() });
    }
}

/// Demotes managers that shall be workers, as long as the others keep a quorum. Those that do not answer go first:
/// they only raise the quorum.
pub(super) fn demote(plan: &mut SwarmPlan, scene: &Scene<'_>, roster: &Roster, managers: &mut Managers) {
    let answers =
        |node_id: &str| roster.nodes.iter().any(|record| record.id == node_id && is_reachable(record));
    let mut demoted: Vec<_> = members(scene, Role::Manager, Role::Worker)
        .map(|(node, node_id, _)| (node, node_id, answers(node_id)))
        .collect();
    demoted.sort_by_key(|(.., reachable)| *reachable);
    for (node, node_id, reachable) in demoted {
        let Some(after) = managers.after(if reachable { Shift::Demote } else { Shift::Forget }) else {
            plan.problems.push(refusal::no_quorum(&node.name, "demote", *managers));
            continue;
        };
        *managers = after;
        plan.step(&node.name, SwarmAction::Demote { node_id: node_id.clone() });
    }
}

/// Members that have one role and shall have another, in the order of the inventory.
fn members<'a>(
    scene: &'a Scene<'_>,
    has: Role,
    shall: Role,
) -> impl Iterator<Item = (&'a Node, &'a String, bool)> {
    let shall = scene.nodes().filter(move |node| node.role == shall);
    shall.filter_map(move |node| match scene.membership.standing(&node.name) {
        Standing::Member { node_id, role, ready } if *role == has => Some((node, node_id, *ready)),
        _ => None,
    })
}
