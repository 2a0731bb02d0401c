//! Which hosts are looked at once more before a plan is made: the first may have been looked at while the last was still
//! coming up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::inventory::model::NodeName;
use crate::plan::Host;

/// How old what a host says of a swarm may be.
const STALE: Duration = Duration::from_secs(3);

/// The hosts whose word on a swarm is history by `now`. What else was seen of a host does not change by others' coming up,
/// and a host in no swarm says nothing of one, however long ago it was looked at.
pub(super) fn grown_old(
    hosts: &BTreeMap<NodeName, Host>,
    looked_at: &BTreeMap<NodeName, Instant>,
    now: Instant,
) -> BTreeSet<NodeName> {
    let is_old = |name: &NodeName| looked_at.get(name).is_none_or(|at| now.duration_since(*at) > STALE);
    let old = hosts.iter().filter(|(name, host)| is_old(name) && host.facts.engine.may_be_in_a_swarm());
    old.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Engine, SwarmState};
    use crate::swarm::world::{World, outside};

    #[test]
    fn members_are_looked_at_again_and_only_after_a_while() {
        let mut world = World::new("w");
        let cases = [
            ("absent", Engine::Absent { swarm: false }, false),
            ("absent-left-state", Engine::Absent { swarm: true }, true),
            ("stopped", Engine::Stopped { swarm: false }, false),
            ("stopped-member", Engine::Stopped { swarm: true }, true),
            ("silent", Engine::Silent { cause: "x".to_owned() }, true),
        ];
        for (name, engine, _) in &cases {
            world = world.worker(name).engine(name, engine.clone());
        }
        let states = [
            ("inactive", SwarmState::Inactive, false),
            ("pending", SwarmState::Pending, true),
            ("active", SwarmState::Active, true),
            ("error", SwarmState::Error, true),
            ("locked", SwarmState::Locked, true),
        ];
        for (name, state, _) in &states {
            world = world.worker(name).sees(name, outside(*state));
        }
        let begun = Instant::now();
        let looked_at =
            |at: Instant| world.hosts.keys().map(|name| (name.clone(), at)).collect::<BTreeMap<_, _>>();
        let later = begun + STALE + Duration::from_millis(1);
        let old = grown_old(&world.hosts, &looked_at(begun), later);
        let expected = cases.iter().map(|(name, _, again)| (*name, *again));
        for (name, again) in expected.chain(states.iter().map(|(name, _, again)| (*name, *again))) {
            assert_eq!(old.contains(&NodeName::from(name)), again, "{name}");
        }
        assert_eq!(grown_old(&world.hosts, &looked_at(begun), begun + STALE), BTreeSet::new());
        assert_eq!(grown_old(&world.hosts, &looked_at(later), later), BTreeSet::new());
        // Each by its own time, not by the first one's.
        let mut mixed = looked_at(later);
        mixed.insert(NodeName::from("active"), begun);
        assert_eq!(grown_old(&world.hosts, &mixed, later), BTreeSet::from([NodeName::from("active")]));
    }
}
