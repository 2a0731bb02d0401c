//! Past runs, read from their journals.
//!
//! A journal may end anywhere, since its run may have been killed, and may hold lines of a newer or older skep. What can
//! be read is read, and what cannot is counted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::event::{Event, Outcome, Summary};
use crate::inventory::model::NodeName;
use crate::plan::undo::{Deed, Deeds, What};
use crate::plan::{Action, PhaseName, Plan};

/// What a journal's file ends with, after the run's ID.
pub(super) const SUFFIX: &str = ".jsonl";

/// What stands for the newest run.
const LAST: &str = "last";

/// One past run.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its ID.
    pub id: String,
    /// What happened, as far as it can be read.
    pub events: Vec<Event>,
    /// Lines that this skep does not understand.
    pub unread: usize,
    /// Whether the last line is cut off.
    pub cut: bool,
    /// Whether the run still goes on.
    pub alive: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All was done, or nothing was to do.
    Ok,
    /// Something failed or was refused.
    Failed,
    /// The user stopped it, or it ended before it began its first step.
    Stopped,
    /// It has no end: it was killed, or the computer went off.
    Killed,
    /// It still goes on.
    Running,
}

/// Which past run is meant cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Sought {
    /// The journals cannot be read.
    #[error("the journals in {} cannot be read: {cause}", folder.display())]
    Folder {
        /// Where they are.
        folder: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// There is no run at all.
    #[error("there is no past run in {}", folder.display())]
    Empty {
        /// Where journals would be.
        folder: PathBuf,
    },
    /// No run is called that.
    #[error("no past run is called `{sought}`")]
    Unknown {
        /// What was asked for.
        sought: String,
    },
    /// Several are.
    #[error("`{sought}` may be any of {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        sought: String,
        /// The runs that it may be.
        candidates: Vec<String>,
    },
}

/// The IDs of all past runs, the newest first.
///
/// # Errors
/// Where the folder is there and cannot be read.
pub fn list(state: &Path) -> Result<Vec<String>, Sought> {
    let folder = state.join("runs");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Sought::Folder { folder, cause }),
    };
    let id = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(SUFFIX)?.to_owned());
    let mut ids: Vec<String> = entries.flatten().filter_map(id).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    Ok(ids)
}

/// The ID of the run that is meant by `sought`: any part of its ID that no other has, or `last`.
///
/// # Errors
/// Where that is none, or several.
pub fn find(state: &Path, sought: &str) -> Result<String, Sought> {
    let ids = list(state)?;
    let Some(newest) = ids.first() else { return Err(Sought::Empty { folder: state.join("runs") }) };
    if sought == LAST {
        return Ok(newest.clone());
    }
    if ids.iter().any(|id| id == sought) {
        return Ok(sought.to_owned());
    }
    let mut candidates: Vec<String> = ids.into_iter().filter(|id| id.contains(sought)).collect();
    match candidates.len() {
        0 => Err(Sought::Unknown { sought: sought.to_owned() }),
        1 => Ok(candidates.remove(0)),
        _ => {
            candidates.truncate(5);
            Err(Sought::Ambiguous { sought: sought.to_owned(), candidates })
        }
    }
}

impl Record {
    /// Reads the journal of one run.
    ///
    /// # Errors
    /// The file's.
    pub fn read(state: &Path, id: &str) -> io::Result<Self> {
        let path = state.join("runs").join(format!("{id}{SUFFIX}"));
        let record = Self::parse(id, &String::from_utf8_lossy(&fs::read(&path)?));
        // The run holds its journal as long as it lives.
        let alive = matches!(
            Flock::lock(File::open(&path)?, FlockArg::LockSharedNonblock),
            Err((_, nix::Error::EWOULDBLOCK))
        );
        Ok(Self { alive, ..record })
    }

    /// Reads a journal's text.
    pub fn parse(id: &str, text: &str) -> Self {
        let mut record = Self { id: id.to_owned(), events: Vec::new(), unread: 0, cut: false, alive: false };
        for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(event) => record.events.push(event),
                Err(_) if !line.ends_with('\n') => record.cut = true,
                Err(_) => record.unread += 1,
            }
        }
        record
    }

    /// The first event, which tells what was run.
    pub fn started(&self) -> Option<&Event> {
        self.events.iter().find(|event| matches!(event, Event::Started { .. }))
    }

    /// How it ended, all nodes together.
    pub fn summary(&self) -> Option<&Summary> {
        self.events.iter().find_map(|event| match event {
            Event::Finished { summary } => Some(summary),
            _ => None,
        })
    }

    /// How it ended.
    pub fn ending(&self) -> Ending {
        match self.summary() {
            None if self.alive => Ending::Running,
            None if !self.has_begun() => Ending::Stopped,
            None => Ending::Killed,
            Some(summary) if summary.exit_code == 0 => Ending::Ok,
            Some(summary) if summary.nodes.iter().any(|node| node.outcome == Outcome::Stopped) => {
                Ending::Stopped
            }
            Some(_) => Ending::Failed,
        }
    }

    /// Whether any step was begun.
    fn has_begun(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::StepStarted { .. }))
    }

    /// How many steps were done.
    pub fn changes(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::StepDone { .. })).count()
    }

    /// All that it did, in the order in which it was done.
    pub fn deeds(&self) -> Deeds {
        let mut deeds = Deeds { run: self.id.clone(), unread: self.unread, ..Deeds::default() };
        let mut plan: Option<&Plan> = None;
        let mut begun: BTreeMap<&NodeName, &str> = BTreeMap::new();
        for event in &self.events {
            match event {
                Event::Started { nodes, cluster, .. } => {
                    deeds.nodes.clone_from(nodes);
                    deeds.cluster.clone_from(cluster);
                }
                Event::Surveyed { node, machine: Some(machine) } => {
                    deeds.machines.insert(node.clone(), machine.clone());
                }
                Event::Planned { plan: made } => plan = Some(made),
                Event::StepStarted { node, title, .. } => drop(begun.insert(node, title)),
                Event::StepFailed { node, .. } => drop(begun.remove(node)),
                Event::StepDone { node, phase, step, receipt, swarm, .. } => {
                    let title = begun.remove(node);
                    let action = action_without_receipt(plan, *phase, *step);
                    let what = match (receipt, action) {
                        (Some(receipt), _) => Some(What::Change(receipt.clone())),
                        (None, Some(Action::Swarm(action))) => {
                            Some(What::Swarm(action.clone(), swarm.clone()))
                        }
                        (None, Some(other)) => {
                            let title = title.map_or_else(|| other.describe().title, str::to_owned);
                            deeds.lasting.push((node.clone(), title));
                            continue;
                        }
                        (None, None) => None,
                    };
                    let deed = what.map(|what| Deed { node: node.clone(), phase: *phase, what });
                    deeds.unread += usize::from(deed.is_none());
                    deeds.list.extend(deed);
                }
                _ => {}
            }
        }
        deeds.open = begun.into_iter().map(|(node, title)| (node.clone(), title.to_owned())).collect();
        deeds
    }
}

/// What a step did that changed no resource, by its place in the plan.
fn action_without_receipt(plan: Option<&Plan>, phase: PhaseName, step: usize) -> Option<&Action> {
    // A phase may come twice in the plan of an undo.
    let phases = plan?.phases.iter().filter(|found| found.name == phase);
    let mut actions = phases.filter_map(|found| found.steps.get(step)).map(|step| &step.action);
    actions.find(|action| !matches!(action, Action::Change(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, Repair, Step};
    use crate::swarm::SwarmAction;

    fn state(ids: &[&str]) -> tempfile::TempDir {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("runs")).unwrap();
        for id in ids {
            fs::write(state.path().join("runs").join(format!("{id}{SUFFIX}")), "").unwrap();
        }
        fs::write(state.path().join("runs/notes.txt"), "").unwrap();
        state
    }

    #[test]
    fn runs_are_found_by_any_part_that_only_they_have() {
        let state = state(&["20260101T100000-7", "20260101T110000-8", "20260102T100000-77"]);
        assert_eq!(list(state.path()).unwrap()[0], "20260102T100000-77");
        let table = [
            ("last", Ok("20260102T100000-77")),
            ("20260101T100000-7", Ok("20260101T100000-7")),
            ("0102T", Ok("20260102T100000-77")),
            ("-8", Ok("20260101T110000-8")),
            ("20260101", Err("may be any of 20260101T110000-8, 20260101T100000-7")),
            ("nothing", Err("no past run is called `nothing`")),
        ];
        for (sought, expected) in table {
            match (find(state.path(), sought), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(told)) => assert!(error.to_string().contains(told), "{error}"),
                (found, _) => panic!("{sought}: {found:?}"),
            }
        }
        let none = tempfile::tempdir().unwrap();
        assert!(list(none.path()).unwrap().is_empty());
        assert!(matches!(find(none.path(), "last"), Err(Sought::Empty { .. })));
    }

    #[test]
    fn a_journal_that_ends_anywhere_is_read_so_far() {
        let whole = r#"{"event":"step_started","node":"n1","phase":"swarm","step":0,"title":"make it"}
{"event":"invented_later","node":"n1"}

not even JSON
{"event":"stopping"}
"#;
        let record = Record::parse("r", whole);
        assert_eq!((record.events.len(), record.unread, record.cut), (2, 2, false));
        assert_eq!(record.ending(), Ending::Killed);
        for end in 0..whole.len() {
            let cut = Record::parse("r", &whole[..end]);
            assert!(cut.events.len() <= 2 && cut.unread <= 2);
            assert!(record.events.starts_with(&cut.events), "cut at {end}");
        }
        assert!(Record::parse("r", &whole[..20]).cut);
    }

    #[test]
    fn what_nothing_puts_back_is_told_by_its_title_and_is_no_riddle() {
        let steps = [
            Action::Repair(Repair::HostKeys),
            Action::Swarm(SwarmAction::Undrain { node_id: "id-n1".to_owned() }),
        ];
        let steps = steps.map(|action| Step { node: "n1".into(), action }).to_vec();
        let phases = vec![Phase { name: PhaseName::Engine, steps }];
        let plan = Plan::new(phases);
        let done = |step| Event::StepDone {
            node: "n1".into(),
            phase: PhaseName::Engine,
            step,
            ms: 1,
            receipt: None,
            swarm: None,
        };
        let events = vec![Event::Planned { plan }, done(0), done(1), done(2)];
        let record = Record { id: "r".to_owned(), events, unread: 0, cut: false, alive: false };
        let deeds = record.deeds();
        assert_eq!(
            deeds.lasting,
            [("n1".into(), "make SSH host keys of its own, and record them on this computer".to_owned())]
        );
        assert_eq!((deeds.list.len(), deeds.unread), (1, 1));
    }

    #[test]
    fn a_run_is_alive_as_long_as_it_holds_its_journal() {
        let state = tempfile::tempdir().unwrap();
        let journal = crate::apply::Journal::begin(state.path(), "r1").unwrap();
        journal.record(&Event::Stopping);
        assert_eq!(Record::read(state.path(), "r1").unwrap().ending(), Ending::Running);
        drop(journal);
        let record = Record::read(state.path(), "r1").unwrap();
        assert_eq!((record.ending(), record.events.len()), (Ending::Stopped, 1), "it began nothing");
    }
}
