//! Hooks among the steps of a plan: each runs on the nodes that have something to do in its phase, and nowhere else, so
//! that a plan with nothing to do runs none.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, PhaseName, Step};
use crate::inventory::model::{Hook, HookPhase, HookPlace, Inventory, NodeName, When};
use crate::resource::{Change, hook};

/// What steps on the computer that skep runs on are told under; no node can be called so.
pub const CONTROLLER: &str = "(controller)";

/// Puts the hooks in, those of one place and time in the order of the inventory.
pub(super) fn insert(inventory: &Inventory, run: &str, phases: &mut BTreeMap<PhaseName, Vec<Step>>) {
    phases.retain(|_, steps| !steps.is_empty());
    // Those who are let in to look after a host come before whatever is done there.
    let first = phases.remove(&PhaseName::FirstLogin);
    insert_after(inventory, run, phases);
    phases.extend(first.map(|steps| (PhaseName::FirstLogin, steps)));
}

fn insert_after(inventory: &Inventory, run: &str, phases: &mut BTreeMap<PhaseName, Vec<Step>>) {
    let busy: BTreeMap<PhaseName, BTreeSet<NodeName>> = phases
        .iter()
        .map(|(phase, steps)| (*phase, steps.iter().map(|step| step.node.clone()).collect()))
        .collect();
    let (Some(first), Some(last)) = (busy.keys().next(), busy.keys().next_back()) else { return };
    for (phase, nodes) in &busy {
        let steps = |when: When| -> Vec<Step> {
            let of_phase = |hook: &&Hook| hook.when == when && name(hook.phase) == Some(*phase);
            let of_phase = inventory.hooks.iter().filter(of_phase).flat_map(|hook| on(hook, nodes, run));
            let all: BTreeSet<NodeName> = busy.values().flatten().cloned().collect();
            let edge = if when == When::Before { first } else { last };
            let of_all = |hook: &&Hook| hook.when == when && hook.phase == HookPhase::All && edge == phase;
            let of_all = inventory.hooks.iter().filter(of_all).flat_map(|hook| on(hook, &all, run));
            match when {
                When::Before => of_all.chain(of_phase).collect(),
                When::After => of_phase.chain(of_all).collect(),
            }
        };
        let (before, after) = (steps(When::Before), steps(When::After));
        let own = phases.entry(*phase).or_default();
        own.splice(..0, before);
        own.extend(after);
    }
}

/// The phase that a hook goes with; none where it goes with all of them.
fn name(phase: HookPhase) -> Option<PhaseName> {
    Some(match phase {
        HookPhase::Packages => PhaseName::Packages,
        HookPhase::Kernel => PhaseName::Kernel,
        HookPhase::Engine => PhaseName::Engine,
        HookPhase::Exports => PhaseName::Exports,
        HookPhase::Mounts => PhaseName::Mounts,
        HookPhase::Swarm => PhaseName::Swarm,
        HookPhase::Labels => PhaseName::Labels,
        HookPhase::All => return None,
    })
}

/// A hook's steps, where `busy` nodes have something to do.
fn on(hook: &Hook, busy: &BTreeSet<NodeName>, run: &str) -> Vec<Step> {
    match &hook.place {
        HookPlace::Controller => {
            let node = NodeName::from(CONTROLLER);
            vec![Step { action: Action::Local(change(hook, &node, run)), node }]
        }
        HookPlace::Nodes(nodes) => nodes
            .iter()
            .filter(|node| busy.contains(*node))
            .map(|node| Step {
                node: node.clone(),
                action: Action::Change(Change::Hook(change(hook, node, run))),
            })
            .collect(),
    }
}

fn change(hook: &Hook, node: &NodeName, run: &str) -> hook::Change {
    let phase = name(hook.phase).map_or_else(|| "all".to_owned(), |phase| phase.to_string());
    let id = hook::Id { run: run.to_owned(), name: hook.name.clone(), when: hook.when.to_string(), phase };
    hook::Change {
        id,
        node: node.0.clone(),
        text: hook.text.clone(),
        script: hook.script.clone(),
        limit: hook.limit.as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::make;
    use crate::plan::tests::on_bare_hosts;
    use crate::swarm::world::World;

    fn hook(name: &str, when: When, phase: HookPhase, place: HookPlace) -> Hook {
        let limit = Duration::from_secs(60);
        Hook { name: name.to_owned(), place, when, phase, script: None, text: format!("do {name}"), limit }
    }

    fn nodes(names: &[&str]) -> HookPlace {
        HookPlace::Nodes(names.iter().map(|name| NodeName::from(*name)).collect())
    }

    /// The steps of a phase on bare hosts, as `node title`.
    fn steps(hooks: Vec<Hook>, limit: Option<&str>, phase: PhaseName) -> Vec<String> {
        let mut world = World::new("home").manager("n1").worker("n2");
        world.inventory.hooks = hooks;
        world.choices.limit = limit.map(|node| BTreeSet::from([NodeName::from(node)]));
        let plan = make(&on_bare_hosts(world).view());
        plan.steps()
            .filter(|(of, _)| *of == phase)
            .map(|(_, step)| format!("{} {}", step.node, step.action.describe().title))
            .collect()
    }

    #[test]
    fn they_stand_around_the_phase_in_the_order_of_the_inventory() {
        let hooks = vec![
            hook("c", When::After, HookPhase::All, HookPlace::Controller),
            hook("a", When::Before, HookPhase::Packages, nodes(&["n1", "n2"])),
            hook("b", When::After, HookPhase::Packages, nodes(&["n2"])),
            hook("z", When::Before, HookPhase::All, nodes(&["n1", "n2"])),
        ];
        let packages = steps(hooks.clone(), None, PhaseName::Packages);
        let installs = packages.len() - 5;
        assert!(installs > 0, "{packages:?}");
        assert_eq!(
            packages[..4],
            [
                "n1 hook z, before all else: do z",
                "n2 hook z, before all else: do z",
                "n1 hook a, before packages: do a",
                "n2 hook a, before packages: do a"
            ]
        );
        assert_eq!(packages.last().unwrap(), "n2 hook b, after packages: do b");
        let labels = steps(hooks, None, PhaseName::Labels);
        assert_eq!(labels.last().unwrap(), "(controller) hook c, after all else: do c");
        assert_eq!(labels.iter().filter(|title| title.contains("hook")).count(), 1);
    }

    #[test]
    fn only_nodes_with_something_to_do_run_them() {
        let kernel = |limit| {
            let hooks = vec![
                hook("a", When::Before, HookPhase::Kernel, nodes(&["n1", "n2"])),
                hook("m", When::Before, HookPhase::Mounts, HookPlace::Controller),
            ];
            let titles = steps(hooks, limit, PhaseName::Kernel);
            titles.iter().filter(|title| title.contains("hook")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(kernel(None), ["n1 hook a, before kernel: do a", "n2 hook a, before kernel: do a"]);
        assert_eq!(kernel(Some("n2")), ["n2 hook a, before kernel: do a"]);
        assert!(
            steps(
                vec![hook("m", When::Before, HookPhase::Mounts, HookPlace::Controller)],
                None,
                PhaseName::Mounts
            )
            .is_empty()
        );
    }

    #[test]
    fn a_plan_with_nothing_to_do_runs_none() {
        let mut inventory = World::new("home").manager("n1").inventory;
        inventory.hooks = vec![hook("a", When::Before, HookPhase::All, nodes(&["n1"]))];
        let mut phases = BTreeMap::from([(PhaseName::Packages, Vec::new())]);
        insert(&inventory, "r1", &mut phases);
        assert!(phases.is_empty());
    }
}
