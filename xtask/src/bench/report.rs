//! `docs/benchmarks.md`: tables between markers, prose by hand around them; and the plots beside it.

use std::fs;
use std::path::Path;

use super::contender::Contender;
use super::results::{Results, Series, Table};
use super::stats::slope;
use super::table::{markdown, memory, ratio, time};
use super::{bare, converged, fleet, goals, plot, write};
use crate::failure::{Failure, Result};

const PAGE: &str = "benchmarks.md";
const PEERS: &str = "benchmarks-peers.svg";
const FLEET: &str = "benchmarks-fleet.svg";

/// Writes the page of `docs` with these results into `shown`; goals that were measured and missed.
pub(super) fn write_page(results: &Results, docs: &Path, shown: &Path) -> Result<Vec<String>> {
    let page = docs.join(PAGE);
    let mut text = fs::read_to_string(&page).map_err(Failure::io(page.display()))?;
    for (block, content) in [
        ("goals", goals_table(results)),
        ("converged", converged_table(results)),
        ("bare", bare_table(results)),
        ("fleet", fleet_table(results)),
        ("environment", environment(results)),
    ] {
        text = replace(&text, block, &content)?;
    }
    write(&shown.join(PAGE), &text)?;
    write(&shown.join(PEERS), &plot::peers(&bars(results)))?;
    write(&shown.join(FLEET), &plot::fleet(&fleets(results)))?;
    let missed = goals::all(results).into_iter().filter(|goal| !goal.met && goal.measured.is_some());
    Ok(missed
        .map(|goal| format!("{}: {}, not {}", goal.what, goal.measured.unwrap_or_default(), goal.wanted))
        .collect())
}

/// Puts new content between the markers of a block.
fn replace(text: &str, block: &str, content: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench:{block} -->\n"), format!("<!-- /bench:{block} -->"));
    let halves = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = halves.ok_or_else(|| Failure::Format {
        file: "docs/benchmarks.md",
        problem: format!("it lacks the markers of {block}"),
    })?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", content.trim()))
}

const NOT_YET: &str = "Not measured yet.";

fn goals_table(results: &Results) -> String {
    let row = |goal: goals::Goal| {
        let met = match (&goal.measured, goal.met) {
            (None, _) => "",
            (Some(_), true) => "yes",
            (Some(_), false) => "no",
        };
        vec![
            goal.what,
            goal.wanted,
            goal.measured.unwrap_or_else(|| "not measured".to_owned()),
            met.to_owned(),
        ]
    };
    markdown(&["", "goal", "measured", "met"], &goals::all(results).into_iter().map(row).collect::<Vec<_>>())
}

fn converged_table(results: &Results) -> String {
    let Some(table) = results.tables.get(converged::TABLE) else { return NOT_YET.to_owned() };
    let floor = table.get(Contender::FloorB.name()).and_then(Series::wall).map(|wall| wall.median);
    let rows: Vec<_> = Contender::ALL
        .into_iter()
        .filter_map(|contender| Some(row(contender.title(), table.get(contender.name())?, floor)))
        .collect();
    let head = ["", "median", "least – most", "of floor B", "processor time", "peak memory"];
    markdown(&head, &rows) + &rounds(table.values())
}

fn bare_table(results: &Results) -> String {
    let Some(table) = results.tables.get(bare::TABLE) else { return NOT_YET.to_owned() };
    let apt = table.get(bare::APT).and_then(Series::wall).map(|wall| wall.median);
    let titles = [(bare::SKEP, "skep up"), (bare::APT, "apt-get update, apt-get install")];
    let rows: Vec<_> =
        titles.into_iter().filter_map(|(name, title)| Some(row(title, table.get(name)?, apt))).collect();
    let head = ["", "median", "least – most", "of apt-get", "processor time", "peak memory"];
    markdown(&head, &rows) + &rounds(table.values())
}

fn row(title: &str, series: &Series, floor: Option<f64>) -> Vec<String> {
    let (Some(wall), Some(cpu), Some(peak)) = (series.wall(), series.cpu(), series.memory()) else {
        let void = series.void.as_deref().unwrap_or("not measured").replace(['|', '\n'], " ");
        let void: String = void.chars().take(80).collect();
        return [title, "void", &void, "", "", ""].map(str::to_owned).into();
    };
    vec![
        title.to_owned(),
        time(wall.median),
        format!("{} – {}", time(wall.least), time(wall.most)),
        floor.map_or_else(String::new, |floor| ratio(wall.median / floor)),
        time(cpu.median),
        memory(peak.median),
    ]
}

/// How many rounds there were, and whether they were one run's.
fn rounds<'a>(all: impl Iterator<Item = &'a Series> + Clone) -> String {
    let counts: Vec<usize> =
        all.clone().filter(|series| series.void.is_none()).map(|series| series.samples.len()).collect();
    let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
    let count = match (least, most) {
        (1, 1) => "One round".to_owned(),
        _ if least == most => format!("{least} rounds"),
        _ => format!("{least} to {most} rounds"),
    };
    let mut runs: Vec<&str> = all.map(|series| series.run.as_str()).collect();
    runs.sort_unstable();
    runs.dedup();
    let of = match runs.as_slice() {
        [one] => format!("in the run of {one}"),
        several => format!(
            "in {} runs, so that ratios between them mean little: {}",
            several.len(),
            several.join(", ")
        ),
    };
    format!("\n{count} {of}.\n")
}

fn fleet_table(results: &Results) -> String {
    let fleets = fleets(results);
    if fleets.is_empty() {
        return NOT_YET.to_owned();
    }
    let head = [
        "hosts",
        "skep plan",
        "floor A",
        "floor B",
        "skep of floor B",
        "skep's processor time a host",
        "floor B's",
        "skep's peak memory",
        "floor B's",
    ];
    let rows: Vec<_> = fleets.iter().map(|(size, table)| fleet_row(*size, table)).collect();
    let all = fleets.iter().flat_map(|(_, table)| table.values());
    markdown(&head, &rows) + &growth(&fleets) + &rounds(all)
}

fn fleet_row(size: usize, table: &Table) -> Vec<String> {
    let of = |name: &str, value: fn(&Series) -> Option<super::stats::Spread>| {
        Some(value(table.get(name)?)?.median)
    };
    let cell = |value: Option<f64>, told: fn(f64) -> String| value.map_or_else(|| "void".to_owned(), told);
    let wall = |name| of(name, Series::wall);
    let each = |name| Some(of(name, Series::cpu)? / size as f64);
    let share = wall(fleet::SKEP).and_then(|skep| Some(skep / wall(fleet::FLOOR_B)?));
    vec![
        size.to_string(),
        cell(wall(fleet::SKEP), time),
        cell(wall(fleet::FLOOR_A), time),
        cell(wall(fleet::FLOOR_B), time),
        cell(share, ratio),
        cell(each(fleet::SKEP), time),
        cell(each(fleet::FLOOR_B), time),
        cell(of(fleet::SKEP, Series::memory), memory),
        cell(of(fleet::FLOOR_B, Series::memory), memory),
    ]
}

/// What each further host costs.
fn growth(fleets: &[(usize, &Table)]) -> String {
    let line = |name: &str, value: fn(&Series) -> Option<super::stats::Spread>| {
        let point = |(size, table): &(usize, &Table)| Some((*size as f64, value(table.get(name)?)?.median));
        slope(&fleets.iter().filter_map(point).collect::<Vec<_>>())
    };
    let told = |title: &str, name: &str| {
        let (wall, cpu, peak) =
            (line(name, Series::wall)?, line(name, Series::cpu)?, line(name, Series::memory)?);
        Some(format!("{title}: {} more, {} of processor time, {:.0} KB", time(wall), time(cpu), peak * 1e3))
    };
    let lines: Vec<_> =
        [told("skep", fleet::SKEP), told("floor B", fleet::FLOOR_B)].into_iter().flatten().collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\nEach further host costs (least squares) {}.\n", lines.join("; "))
    }
}

fn fleets(results: &Results) -> Vec<(usize, &Table)> {
    let mut fleets: Vec<_> =
        results.tables.iter().filter_map(|(name, table)| Some((fleet::size(name)?, table))).collect();
    fleets.sort_unstable_by_key(|(size, _)| *size);
    fleets
}

fn bars(results: &Results) -> Vec<plot::Bar> {
    let bar = |contender: Contender| {
        let wall = results.series(converged::TABLE, contender.name())?.wall()?;
        Some(plot::Bar { contender, wall })
    };
    Contender::ALL.into_iter().filter_map(bar).collect()
}

fn environment(results: &Results) -> String {
    if results.environments.is_empty() {
        return NOT_YET.to_owned();
    }
    let runs = results.environments.iter().map(|(run, facts)| {
        let lines = facts.iter().map(|(name, value)| format!("- {name}: {value}\n"));
        format!("Run of {run}:\n\n{}", lines.collect::<String>())
    });
    runs.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Sample;

    fn series(run: &str, wall_ms: f64) -> Series {
        let sample = Sample { wall_ms, cpu_ms: wall_ms / 10.0, rss_kib: 10_000 };
        Series { run: run.to_owned(), samples: vec![sample; 3], void: None }
    }

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = "# Title\n<!-- bench:bare -->\nold\n<!-- /bench:bare -->\nprose\n";
        let new = replace(page, "bare", "new\n").expect("it has the markers");
        assert_eq!(new, "# Title\n<!-- bench:bare -->\n\nnew\n\n<!-- /bench:bare -->\nprose\n");
        assert_eq!(replace(&new, "bare", "new").expect("still"), new);
        assert!(replace(page, "fleet", "").expect_err("it lacks them").to_string().contains("fleet"));
    }

    #[test]
    fn the_page_in_the_repository_has_all_markers() {
        let docs = crate::build::repository().join("docs");
        let shown = std::env::temp_dir().join(format!("xtask-report-{}", std::process::id()));
        fs::create_dir_all(&shown).expect("made");
        assert_eq!(write_page(&Results::default(), &docs, &shown).expect("written"), Vec::<String>::new());
        let text = fs::read_to_string(shown.join(PAGE)).expect("there");
        assert!(text.contains(PEERS) && text.contains(FLEET), "the page shows both plots");
        fs::remove_dir_all(shown).expect("removed");
    }

    #[test]
    fn a_row_is_compared_with_the_floor_and_a_void_one_says_why() {
        assert_eq!(
            row("skep up", &series("1", 150.0), Some(100.0)),
            ["skep up", "150 ms", "150 ms – 150 ms", "1.50 ×", "15 ms", "10.2 MB"]
        );
        let void = Series { void: Some("changed=1 | n1".into()), ..series("1", 1.0) };
        assert_eq!(row("Ansible", &void, None)[1..3], ["void", "changed=1   n1"]);
    }

    #[test]
    fn numbers_of_several_runs_are_told_apart() {
        let table =
            |other: &str| Table::from([("a".into(), series("1", 1.0)), ("b".into(), series(other, 1.0))]);
        assert_eq!(rounds(table("1").values()), "\n3 rounds in the run of 1.\n");
        assert!(rounds(table("2").values()).contains("ratios between them mean little: 1, 2"));
    }

    #[test]
    fn growth_is_what_each_further_host_costs() {
        let table = |size: f64| Table::from([(fleet::SKEP.to_owned(), series("1", 100.0 + 20.0 * size))]);
        let (one, fifty) = (table(1.0), table(50.0));
        let told = growth(&[(1, &one), (50, &fifty)]);
        assert_eq!(
            told,
            "\nEach further host costs (least squares) skep: 20 ms more, 2.0 ms of processor time, 0 KB.\n"
        );
        assert_eq!(growth(&[(1, &one)]), "");
        assert_eq!(fleet_row(50, &fifty)[..4], ["50", "1.10 s", "void", "void"]);
    }
}
