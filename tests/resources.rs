//! What a host should have, held against what it has: one JSON file a case below `tests/fixtures/resource`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use skep::resource::{Change, Observed, Problem, Resource};

/// One case: from what is desired and observed follows what is to be done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    desired: Resource,
    observed: Observed,
    expected: Expected,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Expected {
    Nothing,
    Problem(Problem),
    Change { title: String, disrupts: Option<String>, change: Box<Change> },
}

impl Case {
    fn outcome(&self) -> Expected {
        match self.desired.diff(&self.observed) {
            Ok(None) => Expected::Nothing,
            Err(problem) => Expected::Problem(problem),
            Ok(Some(change)) => {
                let description = change.describe();
                Expected::Change {
                    title: description.title,
                    disrupts: description.disrupts,
                    change: Box::new(change),
                }
            }
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/resource")
}

fn cases() -> BTreeMap<String, Case> {
    let mut cases = BTreeMap::new();
    for kind in fs::read_dir(fixtures()).unwrap().map(|kind| kind.unwrap().path()) {
        for file in fs::read_dir(&kind).unwrap().map(|file| file.unwrap().path()) {
            let case = serde_json::from_str(&fs::read_to_string(&file).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = format!("{}/{}", name(&kind), name(&file));
            assert!(cases.insert(name, case).is_none());
        }
    }
    cases
}

fn name(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
}

#[test]
fn each_case_leads_to_what_it_says() {
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let outcome = case.outcome();
        if outcome != case.expected {
            wrong.push(format!("{name}: {}", serde_json::to_string_pretty(&outcome).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Held against the very thing that it was planned for, also where that was left half way.
#[test]
fn a_change_that_was_just_planned_is_left_to_be_done() {
    // Planned for a package that an earlier step installs: where it is not there, nothing can hold it.
    // And a repository's change is held against all files that it is about, which were not asked for here.
    let other =
        ["hold/not_there_yet", "repository/docker_sources_of_its_user", "repository/entry_among_others"];
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let Expected::Change { change, .. } = case.expected else { continue };
        let rest = change.rest(&case.observed);
        if (rest.change.is_none() || !rest.foreign.is_empty()) && !other.contains(&name.as_str()) {
            wrong.push(format!("{name}: {rest:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_travels_survives_the_journey() {
    for case in cases().into_values() {
        round_trip(&case.desired.key());
        round_trip(&case.desired);
        round_trip(&case.observed);
        if let Expected::Change { change, .. } = &case.expected {
            round_trip(change.as_ref());
        }
    }
}

#[test]
fn a_case_stands_with_its_kind_and_each_kind_has_one_with_nothing_to_do() {
    let mut idle = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for (name, case) in cases() {
        let (kind, name) = name.split_once('/').unwrap();
        let json = serde_json::to_value(&case.observed).unwrap();
        assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), [kind]);
        assert_eq!(name.ends_with("_noop"), case.expected == Expected::Nothing, "{kind}/{name}");
        kinds.insert(kind.to_owned());
        if case.expected == Expected::Nothing {
            idle.insert(kind.to_owned());
        }
    }
    assert_eq!(idle, kinds);
    assert_eq!(kinds.len(), 15, "{kinds:?}");
}
