//! Old messages are still understood: each sample in `tests/fixtures/wire` was written by an agent or a controller of
//! that protocol version. Never change a sample; add one for each new message, under the version that brings it.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use skep::wire::{Answer, Body, Outcome, PROTOCOL, Reply, Request};

/// The samples of all versions so far.
fn samples(kind: &str) -> Vec<(String, Value)> {
    (1..=PROTOCOL).flat_map(|version| samples_of(version, kind)).collect()
}

fn samples_of(version: u32, kind: &str) -> Vec<(String, Value)> {
    let directory = format!("{}/tests/fixtures/wire/v{version}/{kind}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(directory).expect("the samples are committed");
    let sample = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("text");
        (name, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    files.map(|file| sample(file.expect("an entry").path())).collect()
}

/// Reads a sample; what it says must all be there when it is written again.
fn read<M: Serialize + DeserializeOwned>(name: &str, sample: &Value) -> M {
    let message: M = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let written = serde_json::to_value(&message).expect("JSON");
    assert!(holds(&written, sample), "{name} lost something:\n{sample:#}\nis read as\n{written:#}");
    message
}

/// Whether `new` says all that `old` says; it may say more.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| holds(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        (new, old) => new == old,
    }
}

/// The sample's name for each message. A new message does not compile here until it has one.
fn name_of_body(body: &Body) -> &'static str {
    match body {
        Body::Time => "time",
        Body::Survey { .. } => "survey",
        Body::Lock { .. } => "lock",
        Body::Apply { .. } => "apply",
        Body::Unlock => "unlock",
        Body::Outcome { .. } => "outcome",
        Body::Listen { .. } => "listen",
        Body::Probe(_) => "probe",
        Body::Heard => "heard",
        Body::Exercise(_) => "exercise",
    }
}

fn name_of_answer(answer: &Answer) -> &'static str {
    match answer {
        Answer::Time { .. } => "time",
        Answer::Survey { .. } => "survey",
        Answer::Locked => "locked",
        Answer::LockHeld(_) => "lock_held",
        Answer::Applied(_) => "applied",
        Answer::Fault(_) => "fault",
        Answer::Progress(_) => "progress",
        Answer::Unlocked => "unlocked",
        Answer::LockPassed(_) => "lock_passed",
        Answer::Outcome(Outcome::Done(_)) => "outcome",
        Answer::Outcome(Outcome::Failed(_)) => "outcome_failed",
        Answer::Outcome(Outcome::Unknown) => "outcome_unknown",
        Answer::Listening => "listening",
        Answer::Probed(_) => "probed",
        Answer::Heard(_) => "heard",
        Answer::Exercised(_) => "exercised",
    }
}

#[test]
fn requests() {
    let samples = samples("requests");
    assert_eq!(samples.len(), 5 + 3 + 4 + 2);
    for (name, sample) in samples {
        let request: Request = read(&name, &sample);
        assert_eq!(name_of_body(&request.body), name);
    }
}

#[test]
fn replies() {
    let samples = samples("replies");
    assert_eq!(samples.len(), 8 + 5 + 4 + 1);
    for (name, sample) in samples {
        let reply: Reply = read(&name, &sample);
        assert_eq!(name_of_answer(&reply.body), name);
    }
}

#[test]
fn only_progress_is_not_the_last_word() {
    for (name, sample) in samples("replies") {
        let reply: Reply = read(&name, &sample);
        assert_eq!(reply.body.is_final(), name != "progress", "{name}");
    }
}
