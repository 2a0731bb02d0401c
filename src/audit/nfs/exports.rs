//! Whether the shares are exported as the inventory wants them.

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::SKEP_UP;
use crate::plan::desire;
use crate::resource::exports::options::effective;
use crate::resource::exports::{self, Entry, FILE, Observed, served};
use crate::words::count;

pub(in crate::audit) const EXPORTS: Check = Check {
    id: "nfs-exports",
    family: Family::Nfs,
    title: "exports as served",
    explanation: "`exportfs` ends with success even where it exported nothing, and nfs-server starts even where exportfs \
        failed, so only what is in force counts: what `exportfs -s` and /var/lib/nfs/etab tell is held against the \
        `shares` of the inventory, path by path, client by client, and by what the options amount to, however they are \
        written. What is missing or served otherwise is a warning: `skep up` exports it. Where another file exports the \
        same directory to the same client, or has an `fsid=0` of its own, exportfs takes whichever comes first; skep then \
        leaves its exports alone, so that this is an error until that line is gone. armbian-config writes such lines to \
        /etc/exports.d/armbian.exports. An export of the same directory that no file tells of is a warning: somebody made \
        it by hand, and it ends with the next boot.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    case.each(judge)
}

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let entries: Vec<Entry> = subject.serves().flat_map(desire::entries).collect();
    if entries.is_empty() {
        return Vec::new();
    }
    let observed = match subject.exports() {
        Ok(observed) => observed,
        Err(unknown) => return vec![unknown],
    };
    if let Err(problem) = exports::check_others(&entries, &observed.other) {
        return vec![others(Judgement::error(problem.message), observed).remedy(problem.help)];
    }
    if subject.kernel_cannot_serve() {
        return Vec::new();
    }
    if observed.text.is_none() {
        return vec![Judgement::note("the shares are not exported yet").remedy(SKEP_UP)];
    }
    let mut found: Vec<_> = served::missing(&entries, &observed.served)
        .into_iter()
        .map(|entry| otherwise(entry, observed).seen("exportfs -s", told(observed, entry)).remedy(SKEP_UP))
        .collect();
    found.extend(besides(subject, &entries, observed));
    super::or_ok(found, || {
        let (number, verb) = (entries.len(), if entries.len() == 1 { "is" } else { "are" });
        let ok = Judgement::ok(format!("{} {verb} served as the inventory wants", count(number, "export")));
        entries.iter().fold(ok, |ok, entry| ok.seen("exportfs -s", told(observed, entry)))
    })
}

/// What other files say.
fn others(judgement: Judgement, observed: &Observed) -> Judgement {
    let others = observed.other.iter();
    others.fold(judgement, |judgement, other| {
        judgement.seen(format!("{}:{}", other.file.display(), other.line), other.entry.to_string())
    })
}

/// What is told of a directory.
fn told(observed: &Observed, entry: &Entry) -> String {
    let lines: Vec<_> =
        observed.served.iter().filter(|other| other.path == entry.path).map(ToString::to_string).collect();
    if lines.is_empty() { format!("nothing of {}", entry.path.display()) } else { lines.join("\n") }
}

/// How an entry is not served as it is wanted.
fn otherwise(entry: &Entry, observed: &Observed) -> Judgement {
    let (path, client) = (entry.path.display(), &entry.client);
    let same = observed.served.iter().filter(|other| other.path == entry.path);
    if let Some(other) = same.clone().find(|other| served::same_client(&other.client, client)) {
        return Judgement::warning(format!(
            "{path} is exported to {client} with other options: {}",
            differences(entry, other)
        ));
    }
    let clients: Vec<_> = same.map(|other| other.client.as_str()).collect();
    Judgement::warning(match clients[..] {
        [] => format!("{path} is not exported to {client}"),
        _ => format!("{path} is exported to {}, not to {client}", clients.join(", ")),
    })
}

/// `anonuid=65534, not 1000; rw is off`.
fn differences(wanted: &Entry, served: &Entry) -> String {
    let (wanted, served) = (effective(&wanted.options), effective(&served.options));
    let names: std::collections::BTreeSet<_> = wanted.keys().chain(served.keys()).collect();
    let difference =
        |name: &&str| match (wanted.get(name).map(String::as_str), served.get(name).map(String::as_str)) {
            (wanted, served) if wanted == served => None,
            (_, Some(state @ ("on" | "off"))) => Some(format!("{name} is {state}")),
            (Some(wanted), Some(served)) => Some(format!("{name}={served}, not {wanted}")),
            (None, Some(served)) => Some(format!("{name}={served}")),
            (_, None) => Some(format!("without {name}")),
        };
    names.into_iter().filter_map(difference).collect::<Vec<_>>().join("; ")
}

/// Exports of the shares' directories that are not the inventory's.
fn besides(subject: &Subject<'_>, entries: &[Entry], observed: &Observed) -> Vec<Judgement> {
    let shared = |other: &&Entry| entries.iter().any(|entry| entry.path == other.path);
    let is_wanted = |other: &Entry| {
        entries
            .iter()
            .any(|entry| entry.path == other.path && served::same_client(&entry.client, &other.client))
    };
    let host = &subject.node.name;
    let extra = observed.served.iter().filter(shared).filter(|other| !is_wanted(other));
    extra
        .map(|other| {
            let (path, client) = (other.path.display(), &other.client);
            let by = observed
                .other
                .iter()
                .find(|by| by.entry.path == other.path && served::same_client(&by.entry.client, client));
            match by {
                Some(by) => Judgement::note(format!(
                    "{path} is exported to {client} too, by {}:{}",
                    by.file.display(),
                    by.line
                )),
                None if observed.text.as_deref().is_some_and(|text| text.contains(client.as_str())) => {
                    Judgement::warning(format!("{path} is exported to {client} too, which {FILE} still says"))
                        .remedy(SKEP_UP)
                }
                None => Judgement::warning(format!(
                    "{path} is exported to {client} too, which neither the inventory nor any file says"
                ))
                .remedy(format!("on {host}: `exportfs -u {client}:{path}`")),
            }
            .seen("exportfs -s", other.to_string())
        })
        .collect()
}
