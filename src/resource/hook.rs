//! Commands of the user's own that run before or after a phase.
//!
//! Nothing tells from a host whether such a command was needed, so the plan alone decides that it runs. What the host
//! does remember is which run began it last, and how it ended: a run never begins it twice.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CommandOutput, Description, Fault, Host, Kind, Problem, Progress, Rest};

/// A command that a host should have run.
#[derive(Debug)]
pub enum Hook {}

/// Where hosts remember how hooks ended: on disk, since a reboot must not make a run forget that it began one.
const NOTES: &str = "/var/lib/skep/hooks";
/// Version of a note. One of another version says nothing.
const NOTE_VERSION: u32 = 1;

/// How many lines of a hook's output are told while it runs.
const MOST_LINES: usize = 500;
/// How much of a line is told, in characters.
const LONGEST_LINE: usize = 300;
/// How much of its output is kept, in bytes: the end, where the cause of a failure stands.
const KEPT: usize = 16 * 1024;

/// Which hook of which run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// The run's ID.
    pub run: String,
    /// The hook's name.
    pub name: String,
    /// `before` or `after`.
    pub when: String,
    /// The phase: `packages`; `all` for the run as a whole.
    pub phase: String,
}

/// A hook to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub id: Id,
    /// The node that it runs on, as the inventory calls it.
    pub node: String,
    /// The script: run by what its first line names, else by `sh`.
    pub text: String,
    /// The file that the text was read from, if it was.
    pub script: Option<PathBuf>,
    /// How long it may take, in seconds.
    pub limit: u64,
}

/// What a host remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The last time that the hook was begun.
    pub last: Option<Note>,
}

/// How a hook went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    version: u32,
    /// The run that began it.
    pub run: String,
    /// Its end; none while it runs, and where it or the host was killed.
    pub end: Option<Receipt>,
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its exit code; 128 + the signal's number where a signal ended it.
    pub status: i32,
    /// The end of what it said.
    pub output: String,
}

impl Kind for Hook {
    type Key = Id;
    type Desired = Change;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Receipt;

    fn key(desired: &Change) -> Id {
        desired.id.clone()
    }

    fn observe(keys: &[Id], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|id| look(id, host)).collect()
    }

    fn diff(desired: &Change, observed: &Observed) -> Result<Option<Change>, Problem> {
        let ours = observed.last.as_ref().filter(|note| note.run == desired.id.run);
        match ours.map(|note| &note.end) {
            None => Ok(Some(desired.clone())),
            Some(Some(Receipt { status: 0, .. })) => Ok(None),
            Some(Some(end)) => {
                let fault = failed(&desired.id, end);
                let help = fault.help.clone().unwrap_or_default();
                Err(Problem { message: fault.to_string(), help })
            }
            Some(None) => {
                let fault = cut(&desired.id);
                let help = fault.help.clone().unwrap_or_default();
                Err(Problem { message: fault.to_string(), help })
            }
        }
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
        if let Some(note) = look(&change.id, host)?.last.filter(|note| note.run == change.id.run) {
            let end = note.end.ok_or_else(|| cut(&change.id))?;
            return ended(&change.id, end);
        }
        keep(&change.id, None, host)?;
        let end = run(change, host, &[], progress)?;
        keep(&change.id, Some(end.clone()), host)?;
        ended(&change.id, end)
    }

    /// What a hook did is the user's, and only the user can undo it.
    fn undo(_: &Receipt) -> Option<Change> {
        None
    }

    fn key_of(change: &Change) -> Option<Id> {
        Some(change.id.clone())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        match Self::diff(change, observed) {
            Ok(left) => Rest::of(left),
            Err(problem) => Rest::foreign(problem.message),
        }
    }

    fn describe(change: &Change) -> Description {
        let what = match &change.script {
            Some(script) => script.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            None => first_line(&change.text),
        };
        Description::line(format!("{}: {what}", title(&change.id)))
    }
}

fn title(id: &Id) -> String {
    match id.phase.as_str() {
        "all" => format!("hook {}, {} all else", id.name, id.when),
        phase => format!("hook {}, {} {phase}", id.name, id.when),
    }
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let more = if lines.next().is_some() { " …" } else { "" };
    format!("{first}{more}")
}

fn ended(id: &Id, end: Receipt) -> Result<Receipt, Fault> {
    if end.status == 0 { Ok(end) } else { Err(failed(id, &end)) }
}

fn failed(id: &Id, end: &Receipt) -> Fault {
    let said = match end.output.trim() {
        "" => String::new(),
        said => format!("; it said last: {}", last_lines(said)),
    };
    Fault::new(title(id), format!("ended with exit code {}{said}", end.status)).help(
        "mend what it needs, or change it under `hooks` in the inventory, then run `skep up` again: it runs it again",
    )
}

fn cut(id: &Id) -> Fault {
    Fault::new(title(id), "was begun in this run, and how it ended is not known; it is not run twice").help(
        "look at what it does on the host; `skep up` runs it again where its phase still has something to do there",
    )
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

fn note_file(id: &Id) -> PathBuf {
    Path::new(NOTES).join(format!("{}-{}-{}.json", id.name, id.when, id.phase))
}

fn look(id: &Id, host: &Host) -> Result<Observed, Fault> {
    let text = host.read_text(note_file(id))?;
    let note = text.and_then(|text| serde_json::from_str::<Note>(&text).ok());
    Ok(Observed { last: note.filter(|note| note.version == NOTE_VERSION) })
}

fn keep(id: &Id, end: Option<Receipt>, host: &Host) -> Result<(), Fault> {
    let note = Note { version: NOTE_VERSION, run: id.run.clone(), end };
    let text = serde_json::to_vec(&note).map_err(|error| Fault::new(title(id), error))?;
    let (uid, gid) = host.owner()?;
    // What it said is its user's business alone.
    host.write_atomically(note_file(id), &text, 0o600, uid, gid)
}

/// Runs a hook to its end, whatever its exit code; without input, both its output streams as one. `variables` are added
/// to those that every hook sees.
///
/// # Errors
/// Where it cannot be started, or does not end in time.
pub fn run(
    change: &Change,
    host: &Host,
    variables: &[(&'static str, String)],
    progress: &mut dyn FnMut(Progress),
) -> Result<Receipt, Fault> {
    let file = script_file(change).map_err(|error| Fault::new(title(&change.id), error))?;
    let path = file.path().to_string_lossy().into_owned();
    // The file need not be on a file system that programs may be started from; and what is in it is in no list of
    // processes.
    let mut command = host
        .command("sh")
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .args(interpreter(&change.text))
        .args([path])
        .limit(Duration::from_secs(change.limit))
        .keep(KEPT)
        .env("SKEP_NODE", &change.node)
        .env("SKEP_PHASE", &change.id.phase)
        .env("SKEP_RUN", &change.id.run);
    for (name, value) in variables {
        command = command.env(name, value);
    }
    let mut told = 0;
    let output = command.run_streaming(&mut |line| {
        told += 1;
        match told {
            ..=MOST_LINES => progress(Progress::text(line.chars().take(LONGEST_LINE).collect::<String>())),
            _ if told == MOST_LINES + 1 => progress(Progress::text("it says more, which is not told")),
            _ => {}
        }
    });
    let CommandOutput { status, stdout, .. } =
        output.map_err(|fault| Fault { what: title(&change.id), ..fault }.help("give it more `timeout`, or less to do"))?;
    Ok(Receipt { status, output: stdout })
}

/// As [`run`], but another exit code than 0 is a fault.
///
/// # Errors
/// As [`run`], and where it fails.
pub fn run_to_success(
    change: &Change,
    host: &Host,
    variables: &[(&'static str, String)],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Fault> {
    ended(&change.id, run(change, host, variables, progress)?).map(drop)
}

/// The text in a file that only its user can read, gone when dropped.
fn script_file(change: &Change) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("skep-hook-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile()?;
    file.write_all(change.text.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// The program of a script's first line, with its one argument, as the kernel reads it; `sh` where it has none.
fn interpreter(text: &str) -> Vec<String> {
    let line = text.strip_prefix("#!").and_then(|rest| rest.lines().next()).map(str::trim).unwrap_or_default();
    match line.split_once(char::is_whitespace) {
        _ if line.is_empty() => vec!["sh".to_owned()],
        None => vec![line.to_owned()],
        Some((program, argument)) => vec![program.to_owned(), argument.trim().to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> Change {
        let word = |word: &str| word.to_owned();
        let id = Id { run: word("r1"), name: word("backup"), when: word("before"), phase: word("packages") };
        Change { id, node: word("n1"), text: word(text), script: None, limit: 30 }
    }

    /// The real programs, with a `/var/lib` of the test's own.
    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for directory in ["usr", "bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(Path::new("/").join(directory), root.path().join(directory)).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    fn apply(change: &Change, host: &Host) -> (Result<Receipt, Fault>, Vec<String>) {
        let mut told = Vec::new();
        let result = Hook::apply(change, host, &mut |progress| told.push(progress.text));
        (result, told)
    }

    #[test]
    fn it_runs_with_its_variables_and_without_input() {
        let (_root, host) = host();
        let text = "echo $SKEP_NODE $SKEP_PHASE $SKEP_RUN; echo loud >&2; cat; exit 0";
        let (result, told) = apply(&change(text), &host);
        assert_eq!(result.unwrap(), Receipt { status: 0, output: "n1 packages r1\nloud\n".to_owned() });
        assert_eq!(told, ["n1 packages r1", "loud"]);
    }

    #[test]
    fn a_run_never_begins_it_twice_and_another_run_does() {
        let (root, host) = host();
        let counter = root.path().join("count");
        let hook = change(&format!("echo x >> {}", counter.display()));
        let count = || std::fs::read_to_string(&counter).unwrap().lines().count();
        assert_eq!(apply(&hook, &host).0.unwrap().status, 0);
        assert_eq!(apply(&hook, &host).0.unwrap().status, 0);
        assert_eq!(count(), 1);
        assert_eq!(Hook::diff(&hook, &look(&hook.id, &host).unwrap()), Ok(None));

        // Killed in the middle: begun, and no end is known.
        keep(&hook.id, None, &host).unwrap();
        let fault = apply(&hook, &host).0.unwrap_err();
        assert!(fault.cause.contains("it is not run twice"), "{fault}");
        assert!(Hook::diff(&hook, &look(&hook.id, &host).unwrap()).is_err());
        assert_eq!(count(), 1);

        let mut next = hook;
        next.id.run = "r2".to_owned();
        assert_eq!(Hook::diff(&next, &look(&next.id, &host).unwrap()), Ok(Some(next.clone())));
        apply(&next, &host).0.unwrap();
        assert_eq!(count(), 2);
    }

    #[test]
    fn a_failure_is_told_with_its_last_words_and_stays_one() {
        let (_root, host) = host();
        let hook = change("echo one; echo no space >&2; exit 7");
        for _ in 0..2 {
            let fault = apply(&hook, &host).0.unwrap_err();
            assert_eq!(fault.what, "hook backup, before packages");
            assert_eq!(fault.cause, "ended with exit code 7; it said last: one\nno space");
            assert!(fault.help.unwrap().contains("`hooks`"));
        }
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let (_root, host) = host();
        let hook = Change { limit: 1, ..change("echo waiting; sleep 600") };
        let fault = apply(&hook, &host).0.unwrap_err();
        assert!(fault.what == "hook backup, before packages" && fault.cause.contains("within 1 s"), "{fault}");
        assert!(fault.help.unwrap().contains("timeout"));
    }

    #[test]
    fn output_is_bounded_while_it_runs_and_after() {
        let (_root, host) = host();
        let (result, told) = apply(&change("seq 1 100000; echo the end"), &host);
        let output = result.unwrap().output;
        assert!(output.len() <= 2 * KEPT + 8192 && output.ends_with("100000\nthe end\n"), "{}", output.len());
        assert_eq!((told.len(), told[0].as_str()), (MOST_LINES + 1, "1"));
    }

    #[test]
    fn a_script_is_run_by_what_it_names() {
        for (text, expected) in [
            ("echo a", vec!["sh"]),
            ("#!/bin/bash\n", vec!["/bin/bash"]),
            ("#! /usr/bin/env python3 -u \nprint()", vec!["/usr/bin/env", "python3 -u"]),
            ("#!\n", vec!["sh"]),
            ("", vec!["sh"]),
        ] {
            assert_eq!(interpreter(text), expected, "{text:?}");
        }
        let (_root, host) = host();
        let (result, _) = apply(&change("#!/bin/bash\necho ${BASH_VERSION:+bash}"), &host);
        assert_eq!(result.unwrap().output, "bash\n");
    }

    #[test]
    fn people_see_which_and_what() {
        let line = |change: &Change| Hook::describe(change).title;
        assert_eq!(line(&change("\n apt-mark showhold\n")), "hook backup, before packages: apt-mark showhold");
        assert_eq!(line(&change("a\nb")), "hook backup, before packages: a …");
        let mut script = Change { script: Some("/x/y/backup.sh".into()), ..change("") };
        script.id.phase = "all".to_owned();
        assert_eq!(line(&script), "hook backup, before all else: backup.sh");
        assert_eq!(Hook::undo(&Receipt { status: 0, output: String::new() }), None);
    }
}
