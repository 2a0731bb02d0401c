//! IPv4 forwarding: switched on for labs where it was off, and off again after the last of them.
//!
//! What was there before, and which labs rely on it, is kept under /run: a reboot forgets both the switch and
//! the note. Callers hold the network lock.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{LabError, at};
use super::lock::RUN;
use super::state::{Id, write_atomically};

const SWITCH: &str = "/proc/sys/net/ipv4/ip_forward";

/// Where the switch and the note are.
struct Place {
    switch: PathBuf,
    note: PathBuf,
}

impl Place {
    fn real() -> Self {
        Self { switch: PathBuf::from(SWITCH), note: Path::new(RUN).join("lab-forwarding.json") }
    }
}

/// Labs that need forwarding on a computer that had it off.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Note {
    users: Vec<String>,
}

/// Forwarding is on afterwards, and `id` counts among those who need it where it was off before.
pub(super) fn acquire(id: &Id) -> Result<(), LabError> {
    acquire_at(&Place::real(), id)
}

/// `id` needs forwarding no more; the last one switches it off.
pub(super) fn release(id: &Id) -> Result<(), LabError> {
    release_at(&Place::real(), id)
}

fn acquire_at(place: &Place, id: &Id) -> Result<(), LabError> {
    let note = read(place);
    let on = at(fs::read_to_string(&place.switch), "read", &place.switch)?.trim() == "1";
    if on && note.is_none() {
        return Ok(()); // somebody else's choice, and theirs to take back
    }
    let mut note = note.unwrap_or_default();
    if !note.users.contains(&id.to_string()) {
        note.users.push(id.to_string());
        write(place, &note)?;
    }
    at(fs::write(&place.switch, "1"), "write", &place.switch)
}

fn release_at(place: &Place, id: &Id) -> Result<(), LabError> {
    let Some(mut note) = read(place) else { return Ok(()) };
    let before = note.users.len();
    note.users.retain(|user| *user != id.to_string());
    if !note.users.is_empty() {
        return if note.users.len() == before { Ok(()) } else { write(place, &note) };
    }
    at(fs::write(&place.switch, "0"), "write", &place.switch)?;
    at(fs::remove_file(&place.note), "remove", &place.note)
}

fn read(place: &Place) -> Option<Note> {
    serde_json::from_str(&fs::read_to_string(&place.note).ok()?).ok()
}

fn write(place: &Place, note: &Note) -> Result<(), LabError> {
    write_atomically(&place.note, &serde_json::json!(note).to_string(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path, switch: &str) -> Place {
        let place = Place { switch: dir.join("ip_forward"), note: dir.join("note.json") };
        fs::write(&place.switch, switch).unwrap();
        place
    }

    fn switch(place: &Place) -> String {
        fs::read_to_string(&place.switch).unwrap()
    }

    #[test]
    fn the_last_lab_switches_off_what_the_first_switched_on() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), "0\n");
        let (a, b) = (Id::from_number(1), Id::from_number(2));
        acquire_at(&place, &a).unwrap();
        acquire_at(&place, &a).unwrap();
        acquire_at(&place, &b).unwrap();
        assert_eq!(switch(&place), "1");
        release_at(&place, &a).unwrap();
        assert_eq!(switch(&place), "1");
        release_at(&place, &b).unwrap();
        assert_eq!(switch(&place), "0");
        assert!(!place.note.exists());
    }

    #[test]
    fn what_was_on_before_stays_on() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), "1\n");
        acquire_at(&place, &Id::from_number(1)).unwrap();
        release_at(&place, &Id::from_number(1)).unwrap();
        assert_eq!(switch(&place), "1\n");
        assert!(!place.note.exists());
    }

    #[test]
    fn a_lab_that_never_needed_it_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), "0\n");
        acquire_at(&place, &Id::from_number(1)).unwrap();
        release_at(&place, &Id::from_number(9)).unwrap();
        assert_eq!(switch(&place), "1");
    }
}
