//! The kernel's command line, as far as containers depend on it: cgroup controllers that boards boot without.
//!
//! What is wanted is told by the running kernel alone; the files only by what the next boot should find there.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reboot::boot_id;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

mod edit;
pub(crate) mod outlook;
mod place;
pub(crate) mod switch;
#[cfg(test)]
pub(super) mod tests;

pub use outlook::Outlook;
pub use place::{Loader, Place};

/// Controllers that a kernel may have and a board boot without; all others are the kernel's configuration.
pub const SWITCHED: [&str; 2] = ["memory", "cpuset"];

/// Where a host remembers in which of its boots the files were changed last: the number of this form, and the kernel's ID
/// of that boot. Not by the files' times: a clock may have been wrong, and anybody may touch a file.
const NOTE: &str = "/var/lib/skep/boot";
/// The form of the note. One of another form says nothing.
const NOTE_FORM: &str = "1 ";

/// What tells the words of a command line that this is about. The rest may hold what is nobody's business.
const ABOUT: &str = "cgroup_";

/// cgroup controllers that the running kernel should have, by the file that holds the next boot's command line. The
/// change takes effect with a reboot, which is not part of it.
#[derive(Debug)]
pub enum Boot {}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// What the running kernel lacks; the files only where it lacks something.
    Running,
    /// These files, whatever the kernel has.
    Files(Place),
}

/// The controllers that the running kernel should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// By name, of [`SWITCHED`].
    pub controllers: Vec<String>,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Controllers of [`SWITCHED`] that the running kernel lacks.
    pub missing: Vec<String>,
    /// The running kernel's release.
    pub release: String,
    /// Words of the running kernel's command line that are about cgroups.
    pub command_line: Vec<String>,
    /// Where the next boot's command line is; none where it is nowhere that skep knows.
    pub place: Option<Place>,
    /// The texts of its files, in their order.
    pub texts: Vec<Option<String>>,
    /// Words about cgroups in the file that the boot loader's own program makes of those.
    pub made: Vec<String>,
    /// Whether the host was rebooted since the files were changed; none where nobody noted when that was.
    pub rebooted: Option<bool>,
}

/// What is done: the files are changed, or, after a reboot, the running kernel is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The files are changed.
    Edit(Edit),
    /// The running kernel must have these controllers.
    Check {
        /// By name.
        controllers: Vec<String>,
    },
}

/// A change of the files that hold the next boot's command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Which files these are.
    pub place: Place,
    /// The controllers that it is for.
    pub controllers: Vec<String>,
    /// The files; none where only the boot loader's program has to be run, or only the boot to be noted.
    pub files: Vec<TextChange>,
    /// Whether it puts back what was there before.
    #[serde(default)]
    pub back: bool,
}

impl Kind for Boot {
    type Key = Key;
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(_: &Desired) -> Key {
        Key::Running
    }

    fn observe(keys: &[Key], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter()
            .map(|key| {
                let missing = missing(host);
                let place = match key {
                    Key::Running if missing.is_empty() => return Ok(Observed::default()),
                    Key::Running => Place::of(|path| host.path(path).exists(), model(host).as_deref()),
                    Key::Files(place) => Some(place.clone()),
                };
                observe(missing, place, host)
            })
            .collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        match outlook::outlook(&desired.controllers, observed)? {
            Outlook::Edit(edit) => Ok(Some(Change::Edit(edit))),
            Outlook::Fine | Outlook::Due(_) | Outlook::Hopeless(_) => Ok(None),
        }
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        match change {
            Change::Edit(edit) => make(edit, host, progress)?,
            Change::Check { controllers } => check(controllers, host)?,
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let Change::Edit(edit) = receipt else { return None };
        let files: Vec<_> = edit.files.iter().map(TextChange::reversed).collect();
        (!files.is_empty()).then(|| Change::Edit(Edit { files, back: !edit.back, ..edit.clone() }))
    }

    fn key_of(change: &Change) -> Option<Key> {
        Some(match change {
            Change::Edit(edit) => Key::Files(edit.place.clone()),
            Change::Check { .. } => Key::Running,
        })
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let edit = match change {
            Change::Edit(edit) => edit,
            Change::Check { controllers } => {
                let lacks = controllers.iter().any(|name| observed.missing.contains(name));
                return Rest::of(lacks.then(|| change.clone()));
            }
        };
        let mut foreign = Vec::new();
        let paths = edit.place.files();
        let now = |file: &TextChange| {
            let place = paths.iter().position(|path| Path::new(path) == file.path);
            place.and_then(|place| observed.texts.get(place)?.as_deref())
        };
        let files: Vec<_> = edit.files.iter().filter_map(|file| file.rest(now(file), &mut foreign)).collect();
        // Changed, but the boot loader's program was not run any more.
        let knows = edit.place.knows(&observed.made, &edit.controllers);
        let stale = foreign.is_empty() && edit.place.program().is_some() && knows == edit.back;
        let unnoted = foreign.is_empty() && !edit.back && observed.rebooted.is_none();
        let needed = !files.is_empty() || stale || unnoted;
        Rest { change: needed.then(|| Change::Edit(Edit { files, ..edit.clone() })), foreign }
    }

    fn describe(change: &Change) -> Description {
        let edit = match change {
            Change::Edit(edit) => edit,
            Change::Check { controllers } => {
                return Description::line(format!("see that the kernel has {}", controllers_named(controllers)));
            }
        };
        let named = controllers_named(&edit.controllers);
        let what = match (edit.back, &edit.files[..], edit.place.program()) {
            (false, [], None) => format!("note that the next boot is to enable {named}"),
            (false, ..) => format!("enable {named} at boot"),
            (true, ..) => format!("no longer enable {named} at boot"),
        };
        let run = edit.place.program().map(|program| format!(", with {program}")).unwrap_or_default();
        Description { text: edit.files.first().cloned(), ..Description::line(format!("{what}{run}")) }
    }
}

/// `the memory controller of cgroups`.
pub(crate) fn controllers_named(controllers: &[String]) -> String {
    let plural = if controllers.len() == 1 { "" } else { "s" };
    format!("the {} controller{plural} of cgroups", controllers.join(" and "))
}

fn missing(host: &Host) -> Vec<String> {
    let (_, has) = crate::facts::kernel::controllers(host);
    SWITCHED.into_iter().filter(|name| !has.iter().any(|has| has == name)).map(str::to_owned).collect()
}

/// What the firmware calls the machine.
fn model(host: &Host) -> Option<String> {
    let model = host.read_text("/proc/device-tree/model").ok()??;
    Some(model.trim_end_matches('\0').trim().to_owned())
}

fn observe(missing: Vec<String>, place: Option<Place>, host: &Host) -> Result<Observed, Fault> {
    let paths = place.as_ref().map(Place::files).unwrap_or_default();
    let made = place.as_ref().and_then(Place::made);
    Ok(Observed {
        missing,
        release: host.read_text("/proc/sys/kernel/osrelease")?.unwrap_or_default().trim().to_owned(),
        command_line: about(&host.read_text("/proc/cmdline")?.unwrap_or_default()),
        texts: paths.iter().map(|path| host.read_text(path)).collect::<Result<_, _>>()?,
        made: made.map_or(Ok(None), |path| host.read_text(path))?.map(|text| about(&text)).unwrap_or_default(),
        rebooted: rebooted(host)?,
        place,
    })
}

/// The words about cgroups, each once.
fn about(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace().filter(|word| word.contains(ABOUT)) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// Whether this is another boot than the one that was noted.
fn rebooted(host: &Host) -> Result<Option<bool>, Fault> {
    let note = host.read_text(NOTE)?;
    let noted = note.as_deref().and_then(|note| note.strip_prefix(NOTE_FORM)).map(str::trim);
    noted.map(|noted| Ok(noted != boot_id(host)?)).transpose()
}

/// Changes the files, each with a backup beside it, and has the boot loader's program read them. Where that fails they
/// are as before.
fn make(edit: &Edit, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    if let Some(program) = edit.place.program()
        && !host.has_program(program)
    {
        return Err(Fault::new(program, "is not installed, so the boot loader would not learn of it; nothing was changed")
            .help("install it, or write `boot: {manage: false}` in the inventory and see to it by hand"));
    }
    // First: whoever is killed after it changes the files in this boot, or is told to by the next plan.
    host.write_system_file(NOTE, &format!("{NOTE_FORM}{}\n", boot_id(host)?))?;
    for file in &edit.files {
        if !edit.back {
            back_up(file, host)?;
        }
        file.make(host)?;
    }
    if let Some(program) = edit.place.program() {
        progress(Progress::text(format!("running {program}")));
        refresh(edit, program, host).map_err(|fault| give_back(edit, host, fault))?;
    }
    if edit.back {
        for file in &edit.files {
            drop_backup(file, host)?;
        }
        host.remove_file(NOTE)?;
    }
    Ok(())
}

fn refresh(edit: &Edit, program: &str, host: &Host) -> Result<(), Fault> {
    host.run(program, &[])?.expect_success(program)?;
    let made = edit.place.made().map_or(Ok(None), |path| host.read_text(path))?.unwrap_or_default();
    if edit.back || edit.place.knows(&about(&made), &edit.controllers) {
        return Ok(());
    }
    let path = edit.place.made().unwrap_or_default();
    Err(Fault::new(path, format!("{program} did not write there what enables {}", controllers_named(&edit.controllers)))
        .help(format!("look what else sets the kernel's command line: `grep -rn PARAMETERS\\|CMDLINE /etc/default`, `{program}`")))
}

/// Where a file's text is kept that was there before.
fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".before-skep");
    name.into()
}

/// Beside the file, so that whoever has only the card in a reader finds it.
fn back_up(file: &TextChange, host: &Host) -> Result<(), Fault> {
    let (Some(before), Some(there)) = (&file.before, host.metadata(&file.path)?) else { return Ok(()) };
    // A second try finds the file changed already, and the backup made.
    if host.read_text(&file.path)?.as_ref() != Some(before) {
        return Ok(());
    }
    let mode = there.permissions().mode() & 0o7777;
    host.write_atomically(backup(&file.path), before.as_bytes(), mode, there.uid(), there.gid())
}

/// Once the file is as it was, its backup has nothing to tell.
fn drop_backup(file: &TextChange, host: &Host) -> Result<(), Fault> {
    let backup = backup(&file.path);
    if host.read_text(&backup)? == file.after { host.remove_file(backup) } else { Ok(()) }
}

fn give_back(edit: &Edit, host: &Host, fault: Fault) -> Fault {
    let back = edit.files.iter().try_for_each(|file| file.reversed().make(host));
    // It fails again where it did before; its file is then as it was anyway.
    let _ = edit.place.program().map(|program| host.run(program, &[]));
    let outcome = match back {
        Ok(()) => "the files are as they were before".to_owned(),
        Err(second) => format!("putting them back failed too: {}", second.cause),
    };
    Fault { cause: format!("{}\n{outcome}", fault.cause), ..fault }
}

/// Asks the running kernel, not the files.
fn check(controllers: &[String], host: &Host) -> Result<(), Fault> {
    let missing: Vec<_> = missing(host).into_iter().filter(|name| controllers.contains(name)).collect();
    if missing.is_empty() {
        // It has served: whatever is changed later, be it by hand, is another matter.
        return host.remove_file(NOTE);
    }
    let place = Place::of(|path| host.path(path).exists(), model(host).as_deref());
    let seen = observe(missing.clone(), place, host)?;
    let Problem { message, help } = outlook::in_vain(&missing, &seen);
    Err(Fault::new(controllers_named(&missing), message).help(help))
}
