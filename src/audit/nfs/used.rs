//! Whether the shares can be used, as whoever writes to them.

use super::super::deep::users;
use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::SKEP_UP;
use crate::inventory::model::{Share, ShareMount};
use crate::resource::exports::options::{Effective, effective, is_on};
use crate::wire::exercise::{Exercised, Step};
use crate::words::list;

pub(in crate::audit) const USED: Check = Check {
    id: "nfs-used",
    family: Family::Nfs,
    title: "shares in use",
    explanation: "Only with `--deep`, for it writes: in each mounted share a small file is written to disc, locked, renamed \
        and removed, as root, and as a user that no host has where the server makes all users one (`all_squash`); its owner \
        is held against `anonuid` and `anongid`. What is read-only is only read. Whatever fails is an error, for a container \
        would meet the same, and so is a file that belongs to somebody else than the inventory says. That root may not write \
        where the server squashes it is a note. Each try ends after ten seconds; what an audit that was cut off has left \
        behind is removed by the next one an hour later.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let Some(deep) = case.deep else { return Vec::new() };
    case.each(|subject| {
        let mounts = subject.mounting().filter_map(|(share, mount)| {
            let used = deep.get(&(subject.node.name.clone(), mount.at.clone()))?;
            Some(match used {
                Ok(used) => judge(subject, share, mount, used),
                Err(why) => Judgement::error(format!("{} could not be used: {why}", mount.at.display()))
                    .seen(mount.at.display().to_string(), why)
                    .remedy(format!("systemctl status nfs-server   # on {}", share.server)),
            })
        });
        mounts.collect::<Vec<_>>()
    })
}

/// The worst of what was found.
fn judge(subject: &Subject<'_>, share: &Share, mount: &ShareMount, used: &[Exercised]) -> Judgement {
    let (at, export) = (mount.at.display(), effective(&share.options));
    let found = used.iter().find_map(|one| {
        failed(subject, share, mount, one, &export).or_else(|| misplaced(subject, share, mount, one, &export))
    });
    let judgement = found.unwrap_or_else(|| match users(share, mount).is_empty() {
        true => Judgement::ok(format!("{at} can be read")),
        false => Judgement::ok(format!("files in {at} can be written, locked, renamed and removed")),
    });
    used.iter()
        .fold(judgement, |judgement, one| judgement.seen(format!("{at} as user {}", one.user), told(one)))
}

fn told(one: &Exercised) -> String {
    let step = |step: &Step| match &step.trouble {
        Some(trouble) => format!("{}: {trouble}", step.name),
        None => step.name.clone(),
    };
    let steps = list(&one.steps.iter().map(step).collect::<Vec<_>>());
    match one.owner {
        Some((user, group)) => format!("{steps}; the file was {user}:{group}'s"),
        None => steps,
    }
}

/// A step that failed.
fn failed(
    subject: &Subject<'_>,
    share: &Share,
    mount: &ShareMount,
    one: &Exercised,
    export: &Effective,
) -> Option<Judgement> {
    let at = mount.at.display();
    let Step { name, trouble } = one.steps.iter().find(|step| step.trouble.is_some())?;
    let trouble = trouble.as_deref().unwrap_or_default();
    let squashed = one.user == 0 && is_on(export, "root_squash") && !is_on(export, "all_squash");
    if name == "write" && squashed && trouble.contains("ermission denied") {
        return Some(Judgement::note(format!("root may not write in {at}: the server squashes it")).remedy(format!(
            "in {}: `options: [rw, all_squash, anonuid=…, anongid=…]` lets all write as one user; then `{SKEP_UP}`",
            subject.at(share)
        )));
    }
    let path = share.path.display();
    let remedy = match name.as_str() {
        "lock" => {
            format!("systemctl restart nfs-server   # on {}; then `journalctl -u nfs-server`", share.server)
        }
        _ if trouble.contains("ead-only") => {
            format!("findmnt -T {path}   # on {}: is the disc read-only?", share.server)
        }
        _ if trouble.contains("No space") => format!("df -h {path}; df -i {path}   # on {}", share.server),
        _ => format!("ls -ld {path}   # on {}: may that user do so there?", share.server),
    };
    Some(Judgement::error(format!("user {} cannot {name} in {at}: {trouble}", one.user)).remedy(remedy))
}

/// A file that belongs to somebody else than the inventory says.
fn misplaced(
    subject: &Subject<'_>,
    share: &Share,
    mount: &ShareMount,
    one: &Exercised,
    export: &Effective,
) -> Option<Judgement> {
    let id = |option: &str| export.get(option).and_then(|id| id.parse::<u32>().ok());
    let squashed = is_on(export, "all_squash") || one.user == 0 && is_on(export, "root_squash");
    let wanted = match squashed {
        true => (id("anonuid")?, id("anongid")?),
        false => (one.user, one.user),
    };
    let owner = one.owner.filter(|owner| *owner != wanted)?;
    let message = format!(
        "what user {} writes in {} belongs to {}:{}, not to {}:{}",
        one.user,
        mount.at.display(),
        owner.0,
        owner.1,
        wanted.0,
        wanted.1
    );
    let remedy = format!(
        "exportfs -s   # on {}: are those the options in {}? then `{SKEP_UP}`",
        share.server,
        subject.at(share)
    );
    Some(Judgement::error(message).remedy(remedy))
}
