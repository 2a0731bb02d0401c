//! The texts of boot files with controllers enabled: all that is not about them stays byte for byte, and a second edit
//! changes nothing.

use super::place::{Loader, Place};
use super::switch::{DISABLE, ENABLE, arguments, enables, without};

/// The texts that a place's files shall have, in their order.
///
/// # Errors
/// Why a text is not understood, for a sentence that begins with the file's name.
pub(super) fn edit(
    place: &Place,
    texts: &[Option<String>],
    controllers: &[String],
) -> Result<Vec<Option<String>>, &'static str> {
    let first = texts.first().cloned().flatten().unwrap_or_default();
    Ok(match place.loader {
        Loader::Environment => vec![Some(environment(&first, controllers))],
        Loader::Pi => vec![Some(command_line(&first, controllers)?)],
        Loader::Extlinux => vec![Some(extlinux(&first, controllers)?)],
        Loader::Grub | Loader::UbootMenu => {
            let own = texts.get(1).and_then(Option::as_deref).unwrap_or_default();
            vec![Some(shell(&first, controllers)), Some(dropin(place.loader, &with_own(own, controllers)))]
        }
    })
}

/// Arguments of a kernel with the controllers enabled.
fn amended(words: &str, controllers: &[String]) -> String {
    let mut amended = allowed(words, controllers);
    let missing = |name: &&String| !enables(amended.split_whitespace(), name);
    let missing: Vec<_> = controllers.iter().filter(missing).collect();
    if !missing.is_empty() && amended.ends_with(|last: char| !last.is_whitespace()) {
        amended.push(' ');
    }
    amended + &arguments(&missing)
}

/// Arguments of a kernel without what switches the controllers off.
fn allowed(arguments: &str, controllers: &[String]) -> String {
    let mut allowed = String::with_capacity(arguments.len());
    let mut rest = arguments;
    // The blanks before a word that goes stand in for those before the next one.
    let mut blanks: Option<&str> = None;
    while !rest.is_empty() {
        let (space, after) = rest.split_at(rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len()));
        let (word, after) = after.split_at(after.find(char::is_whitespace).unwrap_or(after.len()));
        rest = after;
        if word.is_empty() {
            allowed += space;
            break;
        }
        match without(word, controllers) {
            Some(word) => {
                allowed += blanks.take().unwrap_or(space);
                allowed += &word;
            }
            None => blanks = blanks.or(Some(space)),
        }
    }
    allowed
}

/// A line without its end, and its end.
fn ended(line: &str) -> (&str, &str) {
    let body = line.trim_end_matches(['\r', '\n']);
    line.split_at(body.len())
}

/// `armbianEnv.txt` and its like: assignments, the last of a name counts.
fn environment(text: &str, controllers: &[String]) -> String {
    const NAME: &str = "extraargs=";
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(place) = lines.iter().rposition(|line| line.starts_with(NAME)) else {
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        return format!("{text}{end}{NAME}{}\n", arguments(controllers));
    };
    let (body, end) = ended(lines[place]);
    let line = format!("{NAME}{}{end}", amended(&body[NAME.len()..], controllers));
    [&lines[..place], &[line.as_str()], &lines[place + 1..]].concat().concat()
}

/// `cmdline.txt`: one line; whatever stands below it, the firmware does not read.
fn command_line(text: &str, controllers: &[String]) -> Result<String, &'static str> {
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    let (body, end) = ended(first);
    if body.trim().is_empty() {
        return Err("begins with an empty line, so that the kernel gets no command line from it");
    }
    if body.contains("DO NOT EDIT") {
        return Err("says that another file took its place, and that one is not there: is /boot/firmware mounted?");
    }
    Ok(format!("{}{end}{}", amended(body, controllers), &text[first.len()..]))
}

/// A line's keyword and the rest of it, as extlinux knows them.
fn keyword(line: &str) -> (String, &str) {
    let line = ended(line).0.trim_start();
    let (word, rest) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
    (word.to_ascii_lowercase(), rest.trim())
}

/// `extlinux.conf`: the arguments of the label that is booted unless somebody chooses another.
fn extlinux(text: &str, controllers: &[String]) -> Result<String, &'static str> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let of = |word: &str| lines.iter().map(|line| keyword(line)).find(|(found, _)| found == word);
    let label = of("default").or_else(|| of("label")).map(|(_, name)| name).ok_or("has no label to boot")?;
    let is_label = |line: &&str| keyword(line) == ("label".to_owned(), label);
    let begin = lines.iter().position(is_label).ok_or("has no label of the name of its default one")? + 1;
    let own = lines[begin..].iter().take_while(|line| keyword(line).0 != "label");
    let place = own.clone().position(|line| keyword(line).0 == "append");
    let place = begin + place.ok_or("has no line `append` for the label that is booted")?;
    let (body, end) = ended(lines[place]);
    let begin = body.len() - keyword_rest(body).len();
    let line = format!("{}{}{end}", &body[..begin], amended(&body[begin..], controllers));
    Ok([&lines[..place], &[line.as_str()], &lines[place + 1..]].concat().concat())
}

/// What stands behind a line's keyword and the blanks after it.
fn keyword_rest(body: &str) -> &str {
    let line = body.trim_start();
    line[line.find(char::is_whitespace).unwrap_or(line.len())..].trim_start()
}

/// A file of shell assignments, without what switches the controllers off; skep adds nothing to it.
fn shell(text: &str, controllers: &[String]) -> String {
    text.split_inclusive('\n').map(|line| shell_line(line, controllers)).collect()
}

fn shell_line(line: &str, controllers: &[String]) -> String {
    let quote = line.find(['"', '\'']).filter(|_| line.contains(DISABLE) && !line.trim_start().starts_with('#'));
    let Some(begin) = quote.map(|quote| quote + 1) else { return line.to_owned() };
    let end = line.rfind(&line[begin - 1..begin]).filter(|end| *end >= begin).unwrap_or(line.len());
    format!("{}{}{}", &line[..begin], allowed(&line[begin..end], controllers), &line[end..])
}

/// What skep's own file enables already, and these: what a reboot has cured stays cured.
fn with_own(own: &str, controllers: &[String]) -> Vec<String> {
    let words = own.split_whitespace().filter_map(|word| word.split_once(ENABLE));
    let mut all: Vec<String> =
        words.map(|(_, name)| name.trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty()).collect();
    all.extend(controllers.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
    all
}

/// skep's own file beside that one.
fn dropin(loader: Loader, controllers: &[String]) -> String {
    let arguments = arguments(controllers);
    let line = match loader {
        Loader::UbootMenu => format!(
            "U_BOOT_PARAMETERS=\"${{U_BOOT_PARAMETERS:-$(cat /etc/kernel/cmdline 2>/dev/null || echo ro quiet)}} {arguments}\""
        ),
        _ => format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {arguments}\""),
    };
    format!("# Written by skep: containers have limits only with these controllers of cgroups.\n{line}\n")
}
