//! Whether the files of exports say what they seem to say.

use std::path::Path;

use super::super::{Check, Family, Judgement, Subject};
use super::SKEP_UP;
use super::each_server;
use super::export::{self, Export};
use crate::facts::inspection::nfs::{ETAB, File};
use crate::resource::exports::{FILE, Flaw, FlawKind, Parsed, parse, served::same_client};
use crate::words::count;

pub(in crate::audit) const EXPORT_FILES: Check = Check {
    id: "nfs-export-files",
    family: Family::Nfs,
    title: "files of exports",
    explanation: "exportfs reads /etc/exports and /etc/exports.d/*.exports, and forgives little: a blank before `(` exports \
        the directory to the named client read-only and to everybody with those options; a line without a client exports \
        it to everybody; both without a failure. An unknown option or a blank within the parentheses drops every later \
        line of that file. An IPv6 address in brackets is taken for a pattern and matches nobody. Of two lines for one \
        directory and client the second is ignored. The files are read as exportfs of nfs-utils reads them, and each \
        line is held against what was exported (/var/lib/nfs/etab). What opens a directory for writing to everybody is an \
        error, the rest is a warning, since the files besides skep's own are yours. It is asked of nodes that share \
        something, by the inventory or already.",
    examine: |case| each_server(case, judge),
};

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let nfs = subject.nfs();
    let unread =
        nfs.unread.iter().filter(|(path, _)| path.starts_with("/etc") || path.as_path() == Path::new(ETAB));
    let mut found: Vec<_> = unread
        .map(|(path, cause)| Judgement::unknown(format!("{} cannot be read: {cause}", path.display())))
        .collect();
    found.extend(nfs.files.iter().flat_map(flaws));
    found.extend(twins(subject));
    found.extend(unserved(subject));
    found.extend(unwritten(subject));
    let lines: usize = nfs.files.iter().map(|file| parse(&file.text).entries.len()).sum();
    if found.is_empty() && nfs.files.is_empty() {
        return Vec::new();
    }
    super::or_ok(found, || {
        let ok = Judgement::ok(format!(
            "{} of {} mean what they say",
            count(lines, "export"),
            count(nfs.files.len(), "file")
        ));
        nfs.files.iter().fold(ok, |ok, file| ok.seen(file.path.display().to_string(), file.text.trim()))
    })
}

/// What exportfs stumbles over in a file, or understands otherwise than it is meant.
fn flaws(file: &File) -> Vec<Judgement> {
    let parsed = parse(&file.text);
    let ends = |flaw: &Flaw| matches!(flaw.kind, FlawKind::Options { .. } | FlawKind::Unknown { .. });
    // One such flaw often makes another of the rest of its line.
    let told = |place: usize, flaw: &Flaw| {
        ends(flaw) && parsed.flaws[..place].iter().any(|earlier| ends(earlier) && earlier.line == flaw.line)
    };
    let flaws = parsed.flaws.iter().enumerate().filter(|(place, flaw)| !told(*place, flaw));
    flaws.map(|(_, flaw)| flawed(file, flaw, &parsed)).collect()
}

fn flawed(file: &File, flaw: &Flaw, parsed: &Parsed) -> Judgement {
    let (place, line) = (format!("{}:{}", file.path.display(), flaw.line), flaw.line);
    let text =
        usize::try_from(line).ok().and_then(|line| file.text.lines().nth(line - 1)).unwrap_or_default();
    let path = file.path.display();
    let again = if file.path == Path::new(FILE) { SKEP_UP } else { "exportfs -ra" };
    let judgement = match &flaw.kind {
        FlawKind::World { path: shared } => {
            let shared = shared.display();
            let message = |what| {
                format!(
                    "{place} exports {shared} to everybody{what}: it has a blank before `(`, or no client"
                )
            };
            let judgement = match world_options(parsed, line).iter().any(|option| option == "rw") {
                true => Judgement::error(message(" for writing")),
                false => Judgement::warning(message("")),
            };
            match text.contains(" (") || text.contains("\t(") {
                true => judgement.remedy(format!(r"sed -i '{line}s/[[:space:]]\+(/(/g' {path} && exportfs -ra")),
                false => judgement.remedy(format!("in {path}, line {line}: name who may mount it, such as `{shared} 192.168.2.0/24(ro)`; then `exportfs -ra`")),
            }
        }
        FlawKind::Bracketed { client } => {
            let plain = client.replace(['[', ']'], "");
            Judgement::warning(format!("{place} exports to nobody: {}", flaw.kind)).remedy(format!(
                "in {path}, line {line}: `{plain}` in the place of `{client}`; then `{again}`"
            ))
        }
        FlawKind::Relative { .. } => Judgement::warning(format!("{place} exports nothing: {}", flaw.kind))
            .remedy(format!("in {path}, line {line}: begin with `/`; then `{again}`")),
        FlawKind::Options { .. } | FlawKind::Unknown { .. } => {
            let lost = match parsed.entries.iter().filter(|(other, _)| *other > line).count() {
                0 => "and the line is not exported".to_owned(),
                1 => "and neither the line nor the export after it is exported".to_owned(),
                more => format!("and neither the line nor the {more} exports after it are exported"),
            };
            let judgement = Judgement::warning(format!("{place} has an error, {lost}: {}", flaw.kind));
            match file.path == Path::new(FILE) {
                true => judgement.remedy(SKEP_UP),
                false => judgement
                    .remedy(format!("correct line {line} of {path} (`man 5 exports`); then `{again}`")),
            }
        }
    };
    judgement.seen(place, text)
}

/// Lines of which exportfs ignores the second.
fn twins(subject: &Subject<'_>) -> Vec<Judgement> {
    let written = export::written(subject);
    let twin = |(index, second): (usize, &Export)| {
        let first = written[..index].iter().find(|first| {
            first.entry.path == second.entry.path && same_client(&first.entry.client, &second.entry.client)
        })?;
        // Of skep's own file against another the check of exports tells.
        if [first, second].iter().any(|one| one.place().starts_with(FILE)) {
            return None;
        }
        let (path, client) = (second.entry.path.display(), &second.entry.client);
        let message =
            format!("{} is ignored: {} exports {path} to {client} already", second.place(), first.place());
        let judgement = if first.options == second.options {
            Judgement::note(message)
        } else {
            Judgement::warning(message)
        };
        Some(
            first
                .seen(second.seen(judgement))
                .remedy(format!("remove the line {}; then `exportfs -ra`", second.place())),
        )
    };
    written.iter().enumerate().filter_map(twin).collect()
}

/// Lines that are not exported, for no reason that shows in them. skep's own are held against the inventory elsewhere.
fn unserved(subject: &Subject<'_>) -> Vec<Judgement> {
    let nfs = subject.nfs();
    if nfs.etab.is_none() || nfs.threads.is_none_or(|threads| threads == 0) {
        return Vec::new();
    }
    let told = export::told(subject);
    let others =
        nfs.files.iter().filter(|file| file.path != Path::new(FILE) && parse(&file.text).flaws.is_empty());
    let places: Vec<_> = others.map(|file| format!("{}:", file.path.display())).collect();
    let written = export::written(subject);
    let unserved = written.iter().filter(|export| {
        places.iter().any(|place| export.place().starts_with(place))
            && !told.iter().any(|told| serves(subject, told, export))
    });
    unserved
        .map(|export| {
            let (path, client) = (export.entry.path.display(), &export.entry.client);
            export
                .seen(Judgement::warning(format!(
                    "{} is not in force: {path} is not exported to {client}",
                    export.place()
                )))
                .remedy("exportfs -ra")
        })
        .collect()
}

/// Exports that no file tells of, but for those of the shares' directories, which the check of exports looks at.
fn unwritten(subject: &Subject<'_>) -> Vec<Judgement> {
    let written = export::written(subject);
    let shared: Vec<_> = subject.serves().map(|share| real(subject, &share.path)).collect();
    let told = export::told(subject);
    let unwritten = told.iter().filter(|told| {
        !shared.contains(&told.entry.path) && !written.iter().any(|export| serves(subject, told, export))
    });
    unwritten
        .map(|told| {
            let (path, client) = (told.entry.path.display(), &told.entry.client);
            told.seen(Judgement::note(format!("{path} is exported to {client}, which no file says")))
                .remedy(format!("`exportfs -u {client}:{path}` on {} ends it", subject.node.name))
        })
        .collect()
}

/// Whether what is told may be what a line says. exportfs tells the real path behind links, and the full name of a host
/// that was written as an address or a short name.
fn serves(subject: &Subject<'_>, told: &Export, written: &Export) -> bool {
    let path = &written.entry.path;
    let is_path = told.entry.path == *path || told.entry.path == real(subject, path);
    let (told, written) = (&told.entry.client, &written.entry.client);
    let is_one_host = |client: &str| !client.contains(['/', '*', '?', '@']);
    is_path && (same_client(told, written) || (is_one_host(told) && is_one_host(written)))
}

fn real(subject: &Subject<'_>, path: &Path) -> std::path::PathBuf {
    subject.nfs().place(path).map_or_else(|| path.to_owned(), |place| place.real.clone())
}

/// The options with which a line exports to everybody.
fn world_options(parsed: &Parsed, line: u64) -> Vec<String> {
    let world = parsed.entries.iter().filter(|(other, entry)| *other == line && entry.client == "*");
    world.flat_map(|(_, entry)| entry.options.clone()).collect()
}

/// The lines that export to everybody by mistake: `/etc/exports:3`.
pub(super) fn world(subject: &Subject<'_>) -> Vec<String> {
    let flaws = subject.nfs().files.iter().flat_map(|file| {
        parse(&file.text)
            .flaws
            .into_iter()
            .map(move |flaw| (format!("{}:{}", file.path.display(), flaw.line), flaw.kind))
    });
    flaws.filter(|(_, kind)| matches!(kind, FlawKind::World { .. })).map(|(place, _)| place).collect()
}
