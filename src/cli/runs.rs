//! `skep runs`: past runs of this computer.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;

use super::args::{Common, Runs, RunsCommand};
use super::exit;
use super::failure::Failure;
use crate::apply::{Ending, Record, Sought, find, list, state_dir};
use crate::event::Event;
use crate::report::{Cell, Table, Tone, retelling};

pub(super) fn run(common: &Common, arguments: &Runs) -> Result<u8, Failure> {
    match &arguments.command {
        Some(RunsCommand::Show { run }) => show(common, run),
        None => overview(common, arguments.number),
    }
}

impl From<Sought> for Failure {
    fn from(error: Sought) -> Self {
        match error {
            Sought::Folder { .. } => Self::new(exit::FAILED, error).help("see who may read that folder"),
            Sought::Empty { .. } => Self::new(exit::USAGE, error).help("`skep up` makes the first"),
            Sought::Unknown { .. } => Self::new(exit::USAGE, error).help("`skep runs` lists them"),
            Sought::Ambiguous { .. } => Self::new(exit::USAGE, error).help("type more of its ID"),
        }
    }
}

/// Reads the journal of a run.
pub(super) fn read(id: &str) -> Result<Record, Failure> {
    let state = state_dir();
    Record::read(&state, id).map_err(|error| {
        Failure::new(exit::FAILED, format!("the journal of {id} cannot be read: {error}"))
            .help(format!("see who may read {}", state.join("runs").display()))
    })
}

/// What a list tells of a run.
struct Row {
    record: Record,
    /// None in a journal that has no beginning.
    began: Option<Event>,
}

fn overview(common: &Common, number: usize) -> Result<u8, Failure> {
    let printer = common.printer();
    let mut ids = list(&state_dir())?;
    let all = ids.len();
    ids.truncate(number);
    let rows = ids.iter().map(|id| {
        let record = read(id)?;
        Ok(Row { began: record.started().cloned(), record })
    });
    let rows = rows.collect::<Result<Vec<Row>, Failure>>()?;
    if common.json {
        rows.iter().for_each(|row| printer.result(&row.json().to_string()));
        return Ok(exit::OK);
    }
    if rows.is_empty() {
        printer.note("no past runs; `skep up` makes the first");
        return Ok(exit::OK);
    }
    let mut table = Table::new(&["run", "when", "command", "inventory", "nodes>", "ended", "changes>"]);
    rows.iter().for_each(|row| table.row(row.cells()));
    printer.result(&table.render(printer.stdout()));
    if all > rows.len() {
        printer.note(&format!("{} older runs; `skep runs -n {all}` lists all", all - rows.len()));
    }
    Ok(exit::OK)
}

impl Row {
    fn command(&self) -> String {
        match &self.began {
            Some(Event::Started { command, undoes: Some(undoes), .. }) => format!("{command} {undoes}"),
            Some(Event::Started { command, .. }) => command.clone(),
            _ => String::new(),
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let (cluster, nodes) = match &self.began {
            Some(Event::Started { cluster, nodes, .. }) => (cluster.as_str(), nodes.len()),
            _ => ("", 0),
        };
        let (ended, tone) = ended(self.record.ending());
        vec![
            Cell::from(&self.record.id),
            Cell::from(began(&self.record.id).map(local).unwrap_or_default()),
            Cell::from(self.command()),
            Cell::from(cluster),
            Cell::from(nodes.to_string()),
            Cell::new(ended, tone),
            Cell::from(self.record.changes().to_string()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        let mut row = json!({
            "run": self.record.id,
            "when": began(&self.record.id).map(|when| when.to_string()),
            "ended": ended(self.record.ending()).0,
            "exit_code": self.record.summary().map(|summary| summary.exit_code),
            "changes": self.record.changes(),
        });
        if let Some(Event::Started { command, nodes, inventory, cluster, undoes, version, .. }) = &self.began
        {
            row["command"] = json!(command);
            row["undoes"] = json!(undoes);
            row["inventory"] = json!(inventory);
            row["cluster"] = json!(cluster);
            row["nodes"] = json!(nodes);
            row["version"] = json!(version);
        }
        row
    }
}

fn ended(ending: Ending) -> (&'static str, Tone) {
    match ending {
        Ending::Ok => ("ok", Tone::Good),
        Ending::Failed => ("failed", Tone::Bad),
        Ending::Stopped => ("stopped", Tone::Warn),
        Ending::Killed => ("killed", Tone::Bad),
        Ending::Running => ("running", Tone::Accent),
    }
}

/// When a run began, which its ID begins with.
fn began(id: &str) -> Option<Timestamp> {
    let when = DateTime::strptime("%Y%m%dT%H%M%S", id.split('-').next()?).ok()?;
    when.to_zoned(TimeZone::UTC).ok().map(|when| when.timestamp())
}

fn local(when: Timestamp) -> String {
    when.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn show(common: &Common, sought: &str) -> Result<u8, Failure> {
    let printer = common.printer();
    let row = read(&find(&state_dir(), sought)?)?;
    let row = Row { began: row.started().cloned(), record: row };
    if !common.json {
        printer.result(&row.heading());
    }
    let mut reporter = retelling(&printer);
    row.record.events.iter().for_each(|event| reporter.event(event));
    for note in row.notes() {
        printer.note(&note);
    }
    Ok(exit::OK)
}

impl Row {
    /// What was run, when, and how it ended.
    fn heading(&self) -> String {
        let on = match &self.began {
            Some(Event::Started { cluster, inventory, .. }) if !cluster.is_empty() => {
                format!(" on {cluster} ({})", inventory.display())
            }
            _ => String::new(),
        };
        let when = began(&self.record.id).map(|when| format!(", {}", local(when))).unwrap_or_default();
        let ending = ended(self.record.ending()).0;
        format!("run {}: skep {}{on}{when}; ended: {ending}\n", self.record.id, self.command())
    }

    /// What the journal does not tell.
    fn notes(&self) -> Vec<String> {
        let record = &self.record;
        let ending = match record.ending() {
            Ending::Killed if record.cut => Some("the run was killed, and its journal ends within a line"),
            Ending::Killed => Some("the run was killed: its journal has no end"),
            Ending::Running => Some("the run still goes on"),
            Ending::Stopped if record.summary().is_none() => Some("the run ended before its first step"),
            Ending::Ok | Ending::Failed | Ending::Stopped => None,
        };
        let unread = (record.unread > 0)
            .then(|| format!("{} lines of the journal cannot be read by this version", record.unread));
        ending.map(str::to_owned).into_iter().chain(unread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_tells_when_a_run_began() {
        let table = [
            ("20260727T101500-42", Some("2026-07-27T10:15:00Z")),
            ("20261327T101500-42", None),
            ("notes", None),
            ("", None),
        ];
        for (id, when) in table {
            assert_eq!(began(id).map(|when| when.to_string()).as_deref(), when, "{id}");
        }
    }
}
