//! Rounds in which each contender has its turn, so that whatever else the computer does falls on all of them.

use super::job::{Job, Ran};
use super::results::Series;
use super::{Bench, Found, say};

/// How it is seen that a command did what it was to do; else why not.
pub(super) type Check<'a> = Box<dyn Fn(&Ran) -> Result<(), String> + 'a>;

/// One who has a turn in each round.
pub(super) struct Entry<'a> {
    /// Its name in the results.
    pub(super) name: &'a str,
    pub(super) job: Job,
    pub(super) check: Check<'a>,
}

/// Runs every entry once unmeasured, then `rounds` times. One that fails is told, and has no further turn.
pub(super) fn run(bench: &Bench, table: &str, entries: &[Entry<'_>], rounds: usize, found: &mut Found) {
    let mut series: Vec<(String, Series)> = entries
        .iter()
        .map(|entry| (entry.name.to_owned(), Series { run: bench.run.clone(), ..Series::default() }))
        .collect();
    for round in 0..=rounds {
        for turn in turns(entries.len(), round) {
            let (entry, series) = (&entries[turn], &mut series[turn].1);
            if series.void.is_none() {
                take_turn(bench, entry, round, series);
            }
        }
        let told: Vec<String> = series.iter().map(|(name, series)| last(name, series)).collect();
        let what = if round == 0 { "warm".to_owned() } else { format!("round {round} of {rounds}") };
        say(&format!("{table}: {what}: {}", told.join(", ")));
    }
    for (name, series) in &series {
        found.troubles.extend(series.void.iter().map(|void| format!("{table}: {name}: {void}")));
    }
    found.tables.push((table.to_owned(), series));
}

/// Each round begins with another entry, so that none always follows the same one.
fn turns(entries: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..entries).map(move |turn| (turn + round) % entries)
}

fn take_turn(bench: &Bench, entry: &Entry<'_>, round: usize, series: &mut Series) {
    let ran = match bench.measure(&entry.job) {
        Ok(ran) => ran,
        Err(failure) => {
            series.void = Some(failure.to_string());
            return;
        }
    };
    if let Err(why) = (entry.check)(&ran) {
        series.void = Some(format!("round {round}: {why}"));
    } else if round > 0 {
        series.samples.push(ran.sample);
    }
}

fn last(name: &str, series: &Series) -> String {
    match (&series.void, series.samples.last()) {
        (Some(_), _) => format!("{name} void"),
        (None, Some(sample)) => format!("{name} {:.0} ms", sample.wall_ms),
        (None, None) => format!("{name} ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::turns;

    #[test]
    fn each_has_one_turn_a_round_and_none_is_always_first() {
        let rounds: Vec<Vec<usize>> = (0..4).map(|round| turns(3, round).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        assert_eq!(turns(0, 1).count(), 0);
    }
}
