//! What follows from what the running kernel lacks and what its boot files say.

use super::edit::{DISABLE, amended, edit, enables};
use super::place::{Loader, is_downstream};
use super::{Edit, Observed, Problem, TextChange, controllers_named};

/// What follows for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// The running kernel has what it should.
    Fine,
    /// The files are to be changed, and the host rebooted.
    Edit(Edit),
    /// The files are as they should be, the host is to be rebooted. The controllers that it lacks.
    Due(Vec<String>),
    /// There is nothing that skep could change: why, and what helps.
    Hopeless(Problem),
}

/// What follows for a host that should have these controllers.
///
/// # Errors
/// Where a file is not understood, and where the kernel was booted with what enables them and lacks them all the same.
pub(crate) fn outlook(controllers: &[String], observed: &Observed) -> Result<Outlook, Problem> {
    let lacking: Vec<_> = observed.missing.iter().filter(|name| controllers.contains(name)).cloned().collect();
    if lacking.is_empty() {
        return Ok(Outlook::Fine);
    }
    let Some(place) = &observed.place else { return Ok(Outlook::Hopeless(nowhere(&lacking))) };
    if place.loader == Loader::Pi && disabled_elsewhere(observed) && !is_downstream(&observed.release) {
        return Ok(Outlook::Hopeless(firmware(&lacking, &observed.release)));
    }
    let wanted = edit(place, &observed.texts, &lacking).map_err(|cause| Problem {
        message: format!("{} {cause}", place.path),
        help: format!("look at it on the host; `boot: {{manage: false}}` in the inventory leaves {} alone", place.path),
    })?;
    let files: Vec<_> = place
        .files()
        .iter()
        .zip(observed.texts.iter().zip(&wanted))
        .filter_map(|(path, (now, wanted))| TextChange::between(path, now.as_deref(), wanted.as_deref()))
        .collect();
    if !files.is_empty() || !place.knows(&observed.made, &lacking) {
        return Ok(Outlook::Edit(Edit { place: place.clone(), controllers: lacking, files, back: false }));
    }
    match observed.newer {
        true => Ok(Outlook::Due(lacking)),
        false => Err(in_vain(&lacking, observed)),
    }
}

/// Whether controllers are switched off, and not by the file that may be changed.
fn disabled_elsewhere(observed: &Observed) -> bool {
    let here = observed.texts.iter().flatten().any(|text| text.contains(DISABLE));
    !here && observed.command_line.iter().any(|word| word.starts_with(DISABLE))
}

fn nowhere(lacking: &[String]) -> Problem {
    Problem {
        message: format!("the kernel lacks {}, and no boot file is there that skep knows", controllers_named(lacking)),
        help: format!("add `{}` to the kernel's command line by hand, and reboot; `skep audit` tells more", amended("", lacking)),
    }
}

fn firmware(lacking: &[String], release: &str) -> Problem {
    Problem {
        message: format!(
            "the kernel {release} lacks {}: the firmware's device tree switches them off, which only Raspberry Pi's own \
             kernel lets cmdline.txt undo",
            controllers_named(lacking)
        ),
        help: "boot Raspberry Pi OS, or see `skep audit` for a way to change the device tree".to_owned(),
    }
}

/// The host was rebooted, and it did not help.
pub(super) fn in_vain(lacking: &[String], observed: &Observed) -> Problem {
    let named = controllers_named(lacking);
    let release = &observed.release;
    let file = observed.place.as_ref().map_or("its boot file", |place| place.shown());
    let leave = "`boot: {manage: false}` in the inventory leaves it at that";
    if lacking.iter().all(|name| enables(&observed.command_line, name)) {
        return Problem {
            message: format!(
                "the kernel {release} was booted with `{}` and lacks {named} all the same",
                observed.command_line.join(" ")
            ),
            help: format!("install a kernel that has it (`skep audit` tells which options); {leave}"),
        };
    }
    let words = match observed.command_line.as_slice() {
        [] => "says nothing of cgroups".to_owned(),
        words => format!("says `{}`", words.join(" ")),
    };
    Problem {
        message: format!(
            "the kernel {release} was booted without what {file} says and lacks {named}: its command line {words}"
        ),
        help: format!("see which file the boot loader reads: `cat /proc/cmdline` on the host; {leave}"),
    }
}
