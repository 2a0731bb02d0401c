//! Kernel parameters of this computer that labs need higher than they are: raised for them, and put back after the
//! last of them.
//!
//! What was there before, and which labs rely on it, is kept under /run: a reboot forgets both the value and the
//! note. Callers hold the network lock.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{LabError, at};
use super::lock::RUN;
use super::state::{Id, write_atomically};

/// Parameters with the least value that labs need: the nodes' way out, and systemd's watches, of which a node takes
/// about twelve out of a usual 128 for all of this computer.
const NEEDED: &[(&str, u64)] = &[("net/ipv4/ip_forward", 1), ("fs/inotify/max_user_instances", 4096)];

/// One parameter.
struct Parameter {
    file: PathBuf,
    note: PathBuf,
    least: u64,
}

/// What a parameter was, and the labs that need it to be more.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Note {
    before: u64,
    users: Vec<String>,
}

/// Everything is as high as needed afterwards, and `id` counts among those who need what had to be raised.
pub(super) fn acquire(id: &Id) -> Result<(), LabError> {
    all().try_for_each(|parameter| parameter.acquire(id))
}

/// `id` needs nothing more; the last one puts back what was there before.
pub(super) fn release(id: &Id) -> Result<(), LabError> {
    all().try_for_each(|parameter| parameter.release(id))
}

fn all() -> impl Iterator<Item = Parameter> {
    NEEDED.iter().map(|(name, least)| Parameter {
        file: Path::new("/proc/sys").join(name),
        note: Path::new(RUN).join(format!("lab-{}.json", name.replace('/', "."))),
        least: *least,
    })
}

impl Parameter {
    fn acquire(&self, id: &Id) -> Result<(), LabError> {
        let text = at(fs::read_to_string(&self.file), "read", &self.file)?;
        // Only what is a number can be too low.
        let Ok(now) = text.trim().parse::<u64>() else { return Ok(()) };
        let note = self.read();
        if now >= self.least && note.is_none() {
            return Ok(()); // somebody else's choice, and theirs to take back
        }
        let mut note = note.unwrap_or(Note { before: now, users: Vec::new() });
        if !note.users.contains(&id.to_string()) {
            note.users.push(id.to_string());
            self.write(&note)?;
        }
        match now >= self.least {
            true => Ok(()),
            false => at(fs::write(&self.file, self.least.to_string()), "write", &self.file),
        }
    }

    fn release(&self, id: &Id) -> Result<(), LabError> {
        let Some(mut note) = self.read() else { return Ok(()) };
        let users = note.users.len();
        note.users.retain(|user| *user != id.to_string());
        if !note.users.is_empty() {
            return if note.users.len() == users { Ok(()) } else { self.write(&note) };
        }
        at(fs::write(&self.file, note.before.to_string()), "write", &self.file)?;
        at(fs::remove_file(&self.note), "remove", &self.note)
    }

    fn read(&self) -> Option<Note> {
        serde_json::from_str(&fs::read_to_string(&self.note).ok()?).ok()
    }

    fn write(&self, note: &Note) -> Result<(), LabError> {
        write_atomically(&self.note, &serde_json::json!(note).to_string(), 0o644)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(dir: &Path, value: &str) -> Parameter {
        let parameter = Parameter { file: dir.join("value"), note: dir.join("note.json"), least: 1024 };
        fs::write(&parameter.file, value).unwrap();
        parameter
    }

    fn value(parameter: &Parameter) -> String {
        fs::read_to_string(&parameter.file).unwrap()
    }

    #[test]
    fn the_last_lab_puts_back_what_the_first_raised() {
        let dir = tempfile::tempdir().unwrap();
        let own = parameter(dir.path(), "128\n");
        let (a, b) = (Id::from_number(1), Id::from_number(2));
        own.acquire(&a).unwrap();
        own.acquire(&a).unwrap();
        own.acquire(&b).unwrap();
        assert_eq!(value(&own), "1024");
        own.release(&a).unwrap();
        assert_eq!(value(&own), "1024");
        own.release(&b).unwrap();
        assert_eq!(value(&own), "128");
        assert!(!own.note.exists());
    }

    #[test]
    fn what_was_high_enough_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let own = parameter(dir.path(), "2048\n");
        own.acquire(&Id::from_number(1)).unwrap();
        own.release(&Id::from_number(1)).unwrap();
        assert_eq!(value(&own), "2048\n");
        assert!(!own.note.exists());
    }

    #[test]
    fn a_lab_that_never_needed_it_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let own = parameter(dir.path(), "128\n");
        own.acquire(&Id::from_number(1)).unwrap();
        own.release(&Id::from_number(9)).unwrap();
        assert_eq!(value(&own), "1024");
    }
}
