//! Bare nodes to a swarm, beside the same packages installed by hand in parallel on equal nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::hosts::{self, Hosts};
use super::job::{Job, Ran};
use super::results::Series;
use super::{Bench, Found, contender, converged, say};
use crate::failure::Result;

/// The table that these numbers are in, and the names in it.
pub(super) const TABLE: &str = "bare";
pub(super) const SKEP: &str = "skep up";
pub(super) const APT: &str = "apt-get";

/// The lab; the janitor knows it too.
pub(super) const LAB: &str = "bench-bare";

const NODES: usize = 3;

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let mut series = [SKEP, APT].map(|name| (name, Series { run: bench.run.clone(), ..Series::default() }));
    let mut found = Found::default();
    let rounds = bench.options.bare_rounds;
    let packages = packages(bench)?;
    for round in 0..rounds {
        let mut installed = Vec::new();
        for turn in 0..2 {
            let (name, series) = &mut series[(turn + round) % 2];
            match on_bare_nodes(bench, name, &packages) {
                Ok((ran, list)) => {
                    say(&format!(
                        "bare: round {} of {rounds}: {name} {:.1} s",
                        round + 1,
                        ran.sample.wall_ms / 1e3
                    ));
                    series.samples.push(ran.sample);
                    installed.push(list);
                }
                Err(failure) => {
                    series.void = Some(failure.to_string());
                    found.troubles.push(format!("bare: {name}: {failure}"));
                }
            }
        }
        if let [one, other] = installed.as_slice()
            && one != other
        {
            let differ: Vec<_> = one.symmetric_difference(other).cloned().collect();
            found.troubles.push(format!("bare: only one of both installed {}", differ.join(", ")));
        }
    }
    found.tables.push((TABLE.to_owned(), series.map(|(name, series)| (name.to_owned(), series)).into()));
    Ok(found)
}

/// The packages, asked for on nodes of their own: skep leaves its agent where it has been.
fn packages(bench: &Bench) -> Result<Vec<String>> {
    let packages = Hosts::lab(bench, LAB, 1).and_then(|hosts| converged::packages(bench, &hosts));
    hosts::then_down(bench, LAB, packages)
}

/// One of the two on new nodes; the packages that are installed there afterwards.
fn on_bare_nodes(bench: &Bench, name: &str, packages: &[String]) -> Result<(Ran, BTreeSet<String>)> {
    let measured = measured(bench, name, packages);
    hosts::then_down(bench, LAB, measured)
}

fn measured(bench: &Bench, name: &str, packages: &[String]) -> Result<(Ran, BTreeSet<String>)> {
    let hosts = Hosts::lab(bench, LAB, NODES)?;
    let mut job =
        if name == SKEP { contender::skep(bench, &hosts, &["up", "--yes"]) } else { apt(&hosts, packages) };
    job.limit = Duration::from_secs(1800);
    let ran = bench.measure(&job)?;
    let installed = hosts.ask(bench, "dpkg-query -W -f '${Package} ${Version}\\n'")?;
    Ok((ran, installed.lines().map(str::to_owned).collect()))
}

/// What one would type.
fn apt(hosts: &Hosts, packages: &[String]) -> Job {
    let command = format!(
        "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends {}",
        packages.join(" ")
    );
    contender::on_each(hosts, "apt-get", 1800, &command)
}
