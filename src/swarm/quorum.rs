//! Quorum arithmetic: how many managers a swarm needs, and how many it can lose.
//!
//! Raft decides by majority of all managers on record, those that are off included
//! (<https://docs.docker.com/engine/swarm/raft/>).

use serde::{Deserialize, Serialize};

use crate::inventory::model::{Inventory, Node, NodeName, Role};
use crate::plan::Finding;

/// More managers than this slow the raft store down and make nothing safer.
pub const MOST_MANAGERS: usize = 7;

/// How many of `managers` must agree: `floor(n / 2) + 1`.
pub const fn quorum(managers: usize) -> usize {
    managers / 2 + 1
}

/// How many of `managers` may be lost while the rest still decides: `floor((n - 1) / 2)`.
pub const fn tolerance(managers: usize) -> usize {
    managers.saturating_sub(1) / 2
}

/// Whether a swarm of `total` managers, of which `reachable` answer, decides even after it lost one of those.
pub const fn can_lose(reachable: usize, total: usize) -> bool {
    reachable > quorum(total)
}

/// The managers of a swarm, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managers {
    /// All on record.
    pub total: usize,
    /// Those of them that answer.
    pub reachable: usize,
}

/// What a step does to the number of managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// A node that answers becomes a manager, by a join or by promotion.
    Gain,
    /// A manager that answers is demoted.
    Demote,
    /// A manager that does not answer is taken off the record.
    Forget,
}

impl Managers {
    /// Whether they can decide anything.
    pub const fn decide(self) -> bool {
        self.total > 0 && self.reachable >= quorum(self.total)
    }

    /// How many more may be lost from here on.
    pub const fn spare(self) -> usize {
        self.reachable.saturating_sub(quorum(self.total))
    }

    /// The managers after a step; none where the step would leave fewer reachable managers than quorum, or cannot
    /// be decided any more.
    #[must_use]
    pub fn after(self, shift: Shift) -> Option<Self> {
        if !self.decide() {
            return None;
        }
        let after = match shift {
            Shift::Gain => Self { total: self.total + 1, reachable: self.reachable + 1 },
            Shift::Demote => Self { total: self.total - 1, reachable: self.reachable - 1 },
            Shift::Forget => Self { total: self.total - 1, ..self },
        };
        (after.decide() && after.reachable <= after.total).then_some(after)
    }
}

/// Checks a number of managers: a refusal with the arithmetic where it is none, even, or above [`MOST_MANAGERS`].
pub fn check_desired(managers: usize) -> Option<Finding> {
    let message = match managers {
        0 => "the inventory has no manager: a swarm needs 1, 3, 5 or 7".to_owned(),
        n if n > MOST_MANAGERS => format!(
            "{n} managers: each change waits for {} of them, and more than {MOST_MANAGERS} only slow the swarm down",
            quorum(n)
        ),
        n if n % 2 == 0 => even(n),
        _ => return None,
    };
    Some(Finding { nodes: Vec::new(), message, help: "have 1, 3, 5 or 7 managers".to_owned() })
}

/// Checks how many managers the inventory asks for: a warning where it is one.
///
/// # Errors
/// The refusal of [`check_desired`] with the lines of the inventory to change.
pub fn check_inventory(inventory: &Inventory) -> Result<Option<Finding>, Finding> {
    let managers: Vec<&Node> = inventory.managers().collect();
    let nodes: Vec<NodeName> = managers.iter().map(|node| node.name.clone()).collect();
    if let Some(refusal) = check_desired(managers.len()) {
        return Err(Finding { nodes, help: lines(inventory, &managers), ..refusal });
    }
    Ok((managers.len() == 1).then(|| Finding {
        nodes,
        message: "1 manager survives the loss of 0: while it is off, the swarm cannot be changed".to_owned(),
        help: "give 3 nodes `role: manager` where you have that many".to_owned(),
    }))
}

/// Why an even number of managers is a mistake.
pub(crate) fn even(managers: usize) -> String {
    let fewer = managers - 1;
    format!(
        "{managers} managers need {} for a quorum and survive the loss of {}; {fewer} survive{} the loss of {} as well, \
         with one machine less that can fail",
        quorum(managers),
        tolerance(managers),
        if fewer == 1 { "s" } else { "" },
        tolerance(fewer)
    )
}

/// Which lines of the inventory to change for a number of managers that is not refused.
fn lines(inventory: &Inventory, managers: &[&Node]) -> String {
    let path = inventory.path.display();
    let line = |role: Role, node: &Node| {
        format!("write `role: {role}` at {path}:{} ({})", node.place.line, node.name)
    };
    let worker = inventory.nodes.iter().find(|node| node.role == Role::Worker);
    let promotion = worker.filter(|_| managers.len() < MOST_MANAGERS).map(|node| line(Role::Manager, node));
    let many = managers.get(MOST_MANAGERS..).unwrap_or_default();
    let demotions = match many {
        [] => managers.last().map(|node| line(Role::Worker, node)),
        many => Some(many.iter().map(|node| line(Role::Worker, node)).collect::<Vec<_>>().join(", ")),
    };
    let help: Vec<String> = demotions.into_iter().chain(promotion).collect();
    if help.is_empty() { format!("add nodes to {path}") } else { help.join(", or ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::swarm::world::World;

    #[test]
    fn the_arithmetic_is_rafts() {
        let table = [
            (0, 1, 0),
            (1, 1, 0),
            (2, 2, 0),
            (3, 2, 1),
            (4, 3, 1),
            (5, 3, 2),
            (6, 4, 2),
            (7, 4, 3),
            (9, 5, 4),
        ];
        for (managers, quorum_of, tolerance_of) in table {
            assert_eq!(
                (quorum(managers), tolerance(managers)),
                (quorum_of, tolerance_of),
                "{managers} managers"
            );
        }
    }

    #[test]
    fn one_may_be_lost_while_the_rest_is_a_quorum() {
        for (reachable, total, expected) in [
            (1, 1, false),
            (2, 2, false),
            (3, 3, true),
            (2, 3, false),
            (4, 5, true),
            (3, 5, false),
            (3, 4, false),
        ] {
            assert_eq!(can_lose(reachable, total), expected, "{reachable} of {total}");
        }
    }

    #[test]
    fn steps_are_simulated() {
        let table = [
            ((3, 3), Shift::Demote, Some((2, 2))),
            ((2, 2), Shift::Demote, Some((1, 1))),
            ((1, 1), Shift::Demote, None),
            ((3, 2), Shift::Demote, None),
            ((4, 3), Shift::Demote, Some((3, 2))),
            ((5, 3), Shift::Demote, None),
            ((3, 2), Shift::Forget, Some((2, 2))),
            ((3, 3), Shift::Forget, None),
            ((3, 1), Shift::Forget, None),
            ((1, 1), Shift::Gain, Some((2, 2))),
            ((3, 2), Shift::Gain, Some((4, 3))),
            ((3, 1), Shift::Gain, None),
            ((0, 0), Shift::Gain, None),
        ];
        for ((total, reachable), shift, expected) in table {
            let after = Managers { total, reachable }.after(shift);
            let expected = expected.map(|(total, reachable)| Managers { total, reachable });
            assert_eq!(after, expected, "{reachable} of {total}, {shift:?}");
        }
    }

    proptest! {
        #[test]
        fn no_step_leaves_a_swarm_that_cannot_decide(total in 0_usize..12, missing in 0_usize..12, shift in prop_oneof![
            Just(Shift::Gain), Just(Shift::Demote), Just(Shift::Forget)
        ]) {
            let before = Managers { total, reachable: total.saturating_sub(missing) };
            if let Some(after) = before.after(shift) {
                prop_assert!(before.decide() && after.decide() && after.reachable <= after.total);
            }
        }

        #[test]
        fn with_all_reachable_the_spare_ones_are_the_tolerance(total in 1_usize..50) {
            prop_assert_eq!(Managers { total, reachable: total }.spare(), tolerance(total));
        }
    }

    fn asked(managers: usize, workers: usize) -> Inventory {
        let mut world = World::new("home");
        for n in 0..managers {
            world = world.manager(&format!("m{n}"));
        }
        for n in 0..workers {
            world = world.worker(&format!("w{n}"));
        }
        world.inventory
    }

    #[test]
    fn odd_numbers_are_fine_and_one_is_warned_of() {
        for managers in [3, 5, 7] {
            assert_eq!(check_inventory(&asked(managers, 2)), Ok(None), "{managers} managers");
        }
        let warning = check_inventory(&asked(1, 2)).unwrap().unwrap();
        assert!(warning.message.contains("survives the loss of 0"), "{warning:?}");
    }

    #[test]
    fn the_wrong_number_is_refused_with_the_arithmetic_and_the_lines() {
        let table = [
            (0, 2, "no manager", "cluster.yml:1 (w0)"),
            (
                2,
                0,
                "2 managers need 2 for a quorum and survive the loss of 0; 1 survives the loss of 0 as well",
                "cluster.yml:2 (m1)",
            ),
            (
                2,
                1,
                "2 managers need 2",
                "`role: worker` at cluster.yml:2 (m1), or write `role: manager` at cluster.yml:3 (w0)",
            ),
            (
                4,
                0,
                "4 managers need 3 for a quorum and survive the loss of 1; 3 survive",
                "cluster.yml:4 (m3)",
            ),
            (8, 1, "8 managers", "cluster.yml:8 (m7)"),
            (
                9,
                0,
                "9 managers: each change waits for 5",
                "cluster.yml:8 (m7), write `role: worker` at cluster.yml:9 (m8)",
            ),
        ];
        for (managers, workers, message, help) in table {
            let refusal = check_inventory(&asked(managers, workers)).unwrap_err();
            assert!(refusal.message.contains(message), "{}", refusal.message);
            assert!(refusal.help.contains(help), "{}", refusal.help);
        }
    }
}
