//! What is aimed at, beside what was measured.

use super::contender::Contender::{self, Ansible, Audit, FloorA, FloorB, Plan, Pyinfra, Up};
use super::results::{Results, Series};
use super::table::{memory, ratio};
use super::{bare, converged, fleet};

/// The size of the fleet that goals are about.
pub(super) const FLEET: usize = 200;

/// The most memory that skep may take for it, in MB.
pub(super) const MEMORY: f64 = 64.0;

/// The most bytes of a compressed agent.
const AGENT: u64 = 500_000;

/// A goal.
#[derive(Debug, PartialEq)]
pub(super) struct Goal {
    pub(super) what: String,
    pub(super) wanted: String,
    /// None where it was not measured, or cannot be compared.
    pub(super) measured: Option<String>,
    pub(super) met: bool,
}

impl Goal {
    fn at_most(what: &str, most: f64, measured: Option<f64>, told: fn(f64) -> String) -> Self {
        Self {
            what: what.to_owned(),
            wanted: format!("at most {}", told(most)),
            measured: measured.map(told),
            met: measured.is_some_and(|measured| measured <= most),
        }
    }

    fn at_least(what: &str, least: f64, measured: Option<f64>) -> Self {
        Self {
            what: what.to_owned(),
            wanted: format!("at least {}", ratio(least)),
            measured: measured.map(ratio),
            met: measured.is_some_and(|measured| measured >= least),
        }
    }
}

/// All goals.
pub(super) fn all(results: &Results) -> Vec<Goal> {
    let mut goals: Vec<Goal> =
        [Up, Plan, Audit].into_iter().flat_map(|command| nothing_to_do(results, command)).collect();
    let bare = quotient(results, (bare::TABLE, bare::SKEP), (bare::TABLE, bare::APT));
    goals.push(Goal::at_most("bare nodes to a swarm, of the bare apt-get", 1.1, bare, ratio));
    let table = fleet::table(FLEET);
    let many = quotient(results, (&table, fleet::SKEP), (&table, fleet::FLOOR_B));
    goals.push(Goal::at_most(&format!("{FLEET} hosts, of floor B"), 1.3, many, ratio));
    let most = results.series(&table, fleet::SKEP).and_then(Series::memory).map(|memory| memory.median);
    goals.push(Goal::at_most(&format!("memory of skep with {FLEET} hosts"), MEMORY, most, memory));
    goals.extend(results.agents.iter().map(|(arch, &bytes)| Goal {
        what: format!("agent for {arch}, compressed"),
        wanted: format!("at most {} KB", AGENT / 1000),
        measured: Some(format!("{} KB", bytes.div_ceil(1000))),
        met: bytes <= AGENT,
    }));
    goals
}

/// The goals of one command that finds nothing to do.
fn nothing_to_do(results: &Results, command: Contender) -> [Goal; 4] {
    let of = |one: Contender, other: Contender| {
        quotient(results, (converged::TABLE, one.name()), (converged::TABLE, other.name()))
    };
    let title = command.title();
    // "About half": what rounds to 0.5.
    let half = Goal {
        wanted: "about 0.5 ×".to_owned(),
        ..Goal::at_most(&format!("{title}, of floor A"), 0.55, of(command, FloorA), ratio)
    };
    [
        Goal::at_most(&format!("{title}, of floor B"), 1.5, of(command, FloorB), ratio),
        half,
        Goal::at_least(&format!("{title}, faster than pyinfra"), 10.0, of(Pyinfra, command)),
        Goal::at_least(&format!("{title}, faster than Ansible"), 80.0, of(Ansible, command)),
    ]
}

/// How many times the median of one is that of the other; each is a table and a contender.
pub(super) fn quotient(results: &Results, one: (&str, &str), other: (&str, &str)) -> Option<f64> {
    let median = |(table, name): (&str, &str)| Some(results.series(table, name)?.wall()?.median);
    Some(median(one)? / median(other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Sample;

    fn results(walls: &[(&str, &str, f64)]) -> Results {
        let mut results = Results::default();
        for (table, name, wall_ms) in walls {
            let sample = Sample { wall_ms: *wall_ms, cpu_ms: 1.0, rss_kib: 50_000 };
            results.merge(
                table,
                vec![((*name).to_owned(), Series { samples: vec![sample], ..Series::default() })],
            );
        }
        results
    }

    fn goal(results: &Results, what: &str) -> Goal {
        all(results).into_iter().find(|goal| goal.what == what).expect(what)
    }

    #[test]
    fn a_goal_is_met_or_missed_by_its_ratio() {
        let walls = |up: f64| {
            results(&[
                ("converged", "up", up),
                ("converged", "floor-b", 100.0),
                ("converged", "floor-a", 300.0),
                ("converged", "ansible", 12_000.0),
            ])
        };
        let (met, missed) = (walls(150.0), walls(151.0));
        assert_eq!(goal(&met, "skep up, of floor B").measured.as_deref(), Some("1.50 ×"));
        assert!(goal(&met, "skep up, of floor B").met && !goal(&missed, "skep up, of floor B").met);
        assert!(
            goal(&met, "skep up, faster than Ansible").met
                && !goal(&missed, "skep up, faster than Ansible").met
        );
        assert!(goal(&met, "skep up, of floor A").met);
        assert_eq!(goal(&met, "skep up, of floor A").wanted, "about 0.5 ×");
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let none = Results::default();
        assert!(all(&none).iter().all(|goal| goal.measured.is_none() && !goal.met));
        assert_eq!(all(&none).len(), 3 * 4 + 3);
    }

    #[test]
    fn a_fleet_has_its_goals_at_its_own_size() {
        let results = results(&[("fleet of 200", "skep plan", 1200.0), ("fleet of 200", "floor-b", 1000.0)]);
        assert!(goal(&results, "200 hosts, of floor B").met);
        assert_eq!(goal(&results, "memory of skep with 200 hosts").measured.as_deref(), Some("51.2 MB"));
    }

    #[test]
    fn agents_are_weighed_each() {
        let mut results = Results::default();
        results.agents.insert("x86_64".into(), 500_001);
        results.agents.insert("aarch64".into(), 499_000);
        assert!(!goal(&results, "agent for x86_64, compressed").met);
        assert!(goal(&results, "agent for aarch64, compressed").met);
    }
}
