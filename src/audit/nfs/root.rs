//! The root of NFSv4: one at most, and it hides what is not below it.

use super::super::{Check, Family, Judgement, Subject};
use super::each_server;
use super::export::{self, Export};
use crate::plan::desire;

pub(in crate::audit) const ROOT: Check = Check {
    id: "nfs-root",
    family: Family::Nfs,
    title: "root of NFSv4",
    explanation: "`fsid=0` makes a directory the root of all paths that NFSv4 clients see: they mount it as `server:/`, \
        while NFSv3 clients mount it by its whole path, and every export that is not below it vanishes for NFSv4. A server \
        has one root; two of them are taken without a word, and clients get one or the other. The inventory, the files of \
        exports and what was exported (/var/lib/nfs/etab) are read. Two roots, and a share of the inventory that a root \
        hides, are errors: clients mount the wrong directory, or nothing. A hidden export that is not the inventory's is \
        a warning. Without any `fsid=0` the kernel makes a root of its own, and clients of all versions mount whole \
        paths: better leave it out.",
    examine: |case| each_server(case, judge),
};

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let exports = export::all(subject);
    let mut roots: Vec<&Export> = exports.iter().filter(|export| export.is_root()).collect();
    roots.sort_by_key(|root| !root.wanted);
    export::keep_one_a_directory(&mut roots);
    match roots[..] {
        [] => vec![Judgement::ok("no export has `fsid=0`: clients mount whole paths")],
        [root] => super::or_ok(hidden(subject, &exports, root), || only(subject, root)),
        [first, ref others @ ..] => others.iter().map(|other| two(first, other)).collect(),
    }
}

fn two(first: &Export, second: &Export) -> Judgement {
    let (one, other) = (first.entry.path.display(), second.entry.path.display());
    let message = format!(
        "both {one} and {other} have `fsid=0`, so that clients of NFSv4 get one of them for the other"
    );
    second.seen(first.seen(Judgement::error(message))).remedy(format!(
        "take `fsid=0` out of {}; then `{}`",
        second.place(),
        second.then()
    ))
}

fn only(subject: &Subject<'_>, root: &Export) -> Judgement {
    let address = desire::reached_at(subject.node);
    let path = root.entry.path.display();
    let message = format!(
        "{path} is the root of NFSv4: clients mount `{address}:/`, those of NFSv3 `{address}:{path}`"
    );
    root.seen(Judgement::ok(message))
}

/// Exports that are not below the root: each share that is to be mounted on its own, all others together.
fn hidden(subject: &Subject<'_>, exports: &[Export], root: &Export) -> Vec<Judgement> {
    let top = &root.entry.path;
    let mut hidden: Vec<&Export> =
        exports.iter().filter(|export| !export.entry.path.starts_with(top)).collect();
    export::keep_one_a_directory(&mut hidden);
    let is_mounted = |export: &&Export| {
        let mut shares = subject.serves();
        export.wanted && shares.any(|share| share.path == export.entry.path && share.mount.is_some())
    };
    let (mounted, others): (Vec<_>, Vec<_>) = hidden.into_iter().partition(is_mounted);
    let judge = |judgement: fn(String) -> Judgement, hidden: &[&Export]| {
        let paths: Vec<_> = hidden.iter().map(|export| export.entry.path.display().to_string()).collect();
        let verb = if paths.len() == 1 { "is" } else { "are" };
        let paths = paths.join(", ");
        let message =
            format!("{paths} {verb} hidden from NFSv4 clients by {}, which has `fsid=0`", top.display());
        let judgement = hidden.iter().fold(judgement(message), |judgement, export| export.seen(judgement));
        root.seen(judgement).remedy(format!("take `fsid=0` out of {}; then `{}`", root.place(), root.then()))
    };
    let mut judgements: Vec<_> = mounted.iter().map(|export| judge(Judgement::error, &[export])).collect();
    judgements.extend((!others.is_empty()).then(|| judge(Judgement::warning, &others)));
    judgements
}
