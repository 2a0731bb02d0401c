//! Many hosts at once: skep connects to all and surveys them, beside both floors on the same hosts.

use super::contender::{self, all_surveyed, floor_a, floor_b};
use super::hosts::Hosts;
use super::namespaces;
use super::rounds::{self, Entry};
use super::{Bench, Found, say};
use crate::failure::Result;

/// The names in the tables.
pub(super) const SKEP: &str = "skep plan";
pub(super) const FLOOR_A: &str = "floor-a";
pub(super) const FLOOR_B: &str = "floor-b";

/// The table of a fleet of that size.
pub(super) fn table(size: usize) -> String {
    format!("fleet of {size}")
}

/// The size of a fleet by its table's name.
pub(super) fn size(table: &str) -> Option<usize> {
    table.strip_prefix("fleet of ")?.parse().ok()
}

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let most = bench.options.fleet.last().copied().unwrap_or(1);
    say(&format!("{most} hosts with sshd of their own are made"));
    let mut fleet = namespaces::Fleet::raise(&bench.file("fleet"), most)?;
    let mut found = Found::default();
    for &size in &bench.options.fleet {
        let hosts = fleet.first(size)?;
        rounds::run(bench, &table(size), &entries(bench, &hosts), bench.options.fleet_rounds, &mut found);
    }
    fleet.end()?;
    Ok(found)
}

fn entries<'a>(bench: &Bench, hosts: &Hosts) -> Vec<Entry<'a>> {
    let size = hosts.list.len();
    // 6: what it sees there is no host that it would change; it says so after it has looked at all of them.
    let plan = contender::skep(bench, hosts, &["--json", "plan"]).accept(&[0, 6]);
    vec![
        Entry { name: SKEP, job: plan, check: Box::new(move |ran| all_surveyed(ran, size)) },
        Entry { name: FLOOR_A, job: floor_a(hosts), check: Box::new(|_| Ok(())) },
        Entry { name: FLOOR_B, job: floor_b(bench, hosts), check: Box::new(|_| Ok(())) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_told_apart_by_size() {
        assert_eq!(size(&table(50)), Some(50));
        assert_eq!(size("converged"), None);
    }
}
