//! What follows from what the running kernel lacks and what its boot files say.

use super::edit::edit;
use super::switch::{arguments, in_force};
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
/// Where a file is not understood, and where the host was rebooted since and its kernel was booted without what the file
/// says.
pub(crate) fn outlook(controllers: &[impl AsRef<str>], observed: &Observed) -> Result<Outlook, Problem> {
    let asked = |name: &&String| controllers.iter().any(|asked| asked.as_ref() == *name);
    let lacking: Vec<_> = observed.missing.iter().filter(asked).cloned().collect();
    if lacking.is_empty() {
        return Ok(Outlook::Fine);
    }
    // What it was booted with in vain, another boot would not bring either.
    let (vain, lacking): (Vec<_>, Vec<_>) =
        lacking.into_iter().partition(|name| in_force(&observed.command_line, name));
    if lacking.is_empty() {
        return Ok(Outlook::Hopeless(in_vain(&vain, observed)));
    }
    let Some(place) = &observed.place else { return Ok(Outlook::Hopeless(nowhere(&lacking))) };
    let words = observed.texts.iter().flatten().flat_map(|text| text.split_whitespace());
    if place.is_overruled(&lacking, &observed.command_line, words, &observed.release) {
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
    let as_it_should_be = files.is_empty() && place.knows(&observed.made, &lacking);
    match observed.rebooted {
        Some(true) if as_it_should_be => Err(in_vain(&lacking, observed)),
        Some(false) if as_it_should_be => Ok(Outlook::Due(lacking)),
        // Without any file this notes which boot it is: only the next one shows whether they help.
        _ => Ok(Outlook::Edit(Edit { place: place.clone(), controllers: lacking, files, back: false })),
    }
}

fn nowhere(lacking: &[String]) -> Problem {
    Problem {
        message: format!("the kernel lacks {}, and no boot file is there that skep knows", controllers_named(lacking)),
        help: format!("add `{}` to the kernel's command line by hand, and reboot; `skep audit` tells more", arguments(lacking)),
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
    if lacking.iter().all(|name| in_force(&observed.command_line, name)) {
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
        help: format!(
            "reboot once more if you changed it since; else see which file the boot loader reads: `cat /proc/cmdline` on \
             the host; {leave}"
        ),
    }
}
