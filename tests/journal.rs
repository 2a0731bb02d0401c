//! Journals as they lie on disc: those of each version stay readable, to the end or as far as they go.

use std::fs;
use std::path::{Path, PathBuf};

use skep::apply::{Ending, Record};
use skep::event::Event;
use skep::plan::undo::What;
use skep::swarm::{SwarmAction, SwarmReceipt};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn record(name: &str) -> Record {
    let record = Record::parse("r1", &text(name));
    assert_eq!((record.unread, record.cut), (0, false), "{name}");
    record
}

#[test]
fn every_line_of_every_version_is_read() {
    let names =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut count = 0;
    for name in names {
        let record = record(&name);
        assert_eq!(record.events.len(), text(&name).lines().count());
        assert!(record.started().is_some() && record.summary().is_some(), "{name}");
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn what_was_done_is_known_with_what_was_there_before() {
    let record = record("up.jsonl");
    assert_eq!((record.ending(), record.changes()), (Ending::Failed, 12));
    let deeds = record.deeds();
    assert_eq!((deeds.cluster.as_str(), deeds.list.len(), deeds.unread), ("home", 12, 0));
    assert!(deeds.open.is_empty() && deeds.machines.len() == 2 && deeds.made_a_swarm());
    for deed in &deeds.list {
        match &deed.what {
            What::Change(receipt) => assert!(receipt.undo().is_some_and(|change| change.key().is_some())),
            What::Swarm(action, receipt) => assert!(receipt.is_some(), "{action:?}"),
        }
    }
    let keys = deeds.keys();
    assert_eq!(keys.values().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn an_undo_is_a_run_with_receipts_of_its_own() {
    let record = record("undo.jsonl");
    assert!(matches!(record.started(), Some(Event::Started { undoes: Some(_), .. })));
    let left = |what: &What| matches!(what, What::Swarm(_, Some(SwarmReceipt::Left { .. })));
    let deeds = record.deeds();
    assert_eq!((record.ending(), deeds.list.len()), (Ending::Ok, 10));
    assert_eq!(deeds.list.iter().filter(|deed| left(&deed.what)).count(), 2);
}

#[test]
fn an_older_journal_tells_the_steps_but_not_the_members() {
    let deeds = record("up-0.1-without-swarm.jsonl").deeds();
    assert_eq!((deeds.cluster.as_str(), deeds.list.len()), ("", 12));
    let told =
        |what: &What| matches!(what, What::Swarm(SwarmAction::Init { .. } | SwarmAction::Join { .. }, None));
    assert_eq!(deeds.list.iter().filter(|deed| told(&deed.what)).count(), 2);
}

#[test]
fn a_journal_cut_anywhere_tells_what_came_before() {
    let (text, whole) = (text("up.jsonl"), record("up.jsonl"));
    let mut killed = 0;
    for end in (0..text.len()).step_by(37) {
        let cut = Record::parse("r1", &text[..text.floor_char_boundary(end)]);
        assert!(whole.events.starts_with(&cut.events) && cut.unread == 0, "cut at {end}");
        killed += usize::from(cut.ending() == Ending::Killed);
        assert!(whole.deeds().list.starts_with(&cut.deeds().list));
        assert!(cut.deeds().open.len() <= 2);
    }
    assert!(killed > 50);
    let middle = text.find("\"step_done\"").unwrap();
    let deeds = Record::parse("r1", &text[..middle]).deeds();
    assert_eq!(deeds.open.values().next().map(String::as_str), Some("write /etc/docker/daemon.json"));
}
