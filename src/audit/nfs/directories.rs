//! Whether clients can write where they may, and nobody else can.

use super::super::{Check, Family, Judgement, Subject};
use super::export::{self, Export};
use super::{SKEP_UP, each_server};
use crate::facts::inspection::nfs::place::{Found, Place};
use crate::inventory::model::Share;
use crate::resource::exports::options::{Effective, effective, is_on};

pub(in crate::audit) const DIRECTORIES: Check = Check {
    id: "nfs-directories",
    family: Family::Nfs,
    title: "exported directories",
    explanation: "An export with `rw` lets a client try; whether it may write is decided by the directory's owner and mode. \
        With `all_squash` every write is that of anonuid and anongid (65534 where they are not given); with `root_squash` \
        only root becomes that one, and root is what most containers run as. The share's options, `owner` and `mode` in \
        the inventory are held against each other, and then against the directory. An inventory by which no write can \
        succeed is an error with `all_squash`, and a warning where only root is kept out. A directory that differs from \
        the inventory is a warning, since `skep up` sets it right. A directory that everybody may write to, without the \
        sticky bit, lets every user delete the files of others: a warning.",
    examine: |case| each_server(case, judge),
};

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let mut judgements: Vec<_> = subject.serves().flat_map(|share| shared(subject, share)).collect();
    let exports = export::all(subject);
    let mut foreign: Vec<&Export> = exports
        .iter()
        .filter(|export| !subject.serves().any(|share| share.path == export.entry.path))
        .collect();
    export::keep_one_a_directory(&mut foreign);
    judgements.extend(foreign.into_iter().filter_map(|export| foreign_directory(subject, export)));
    judgements
}

/// Who a directory belongs to, and what may be done with it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rights {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Rights {
    fn allow(self, uid: u32, gid: u32) -> bool {
        // Making a file takes the right to write and to pass through.
        let needed = if uid == self.uid {
            0o300
        } else if gid == self.gid {
            0o030
        } else {
            0o003
        };
        uid == 0 || self.mode & needed == needed
    }

    fn are_for_everybody(self) -> bool {
        self.mode & 0o1002 == 0o002
    }

    fn of(found: &Found) -> Option<Self> {
        match *found {
            Found::Directory { mode, uid, gid, .. } => Some(Self { mode, uid, gid }),
            _ => None,
        }
    }
}

impl std::fmt::Display for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}, mode {:04o}", self.uid, self.gid, self.mode)
    }
}

/// Whose writes are refused where a directory has those rights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// All of them.
    All(u32, u32),
    /// Those of root, and no other user is the directory's.
    Root(u32, u32),
}

fn refused(options: &Effective, rights: Rights) -> Option<Refused> {
    let is = |name: &str| is_on(options, name);
    let id = |name: &str| options.get(name).and_then(|id| id.parse().ok()).unwrap_or(65534);
    let (uid, gid) = (id("anonuid"), id("anongid"));
    if !is("rw") || rights.allow(uid, gid) {
        None
    } else if is("all_squash") {
        Some(Refused::All(uid, gid))
    } else {
        // Where some other user owns it, that one writes.
        (is("root_squash") && rights.uid == 0).then_some(Refused::Root(uid, gid))
    }
}

fn shared(subject: &Subject<'_>, share: &Share) -> Vec<Judgement> {
    let (options, path, at) = (effective(&share.options), share.path.display(), subject.at(share));
    let wanted = Rights { mode: share.mode, uid: share.owner.uid, gid: share.owner.gid };
    let written = |judgement: Judgement| {
        judgement
            .seen(at.as_str(), format!("options: [{}], owner and mode {wanted}", share.options.join(", ")))
    };
    let mut found = Vec::new();
    match refused(&options, wanted) {
        Some(Refused::All(uid, gid)) => found.push(
            written(Judgement::error(format!(
                "no client can write to {path}: all write as {uid}:{gid}, and it shall be {wanted}"
            )))
            .remedy(format!("in {at}: `owner: {uid}:{gid}`; then `{SKEP_UP}`")),
        ),
        Some(Refused::Root(uid, gid)) => found.push(
            written(Judgement::warning(format!(
                "containers that run as root cannot write to {path}: they write as {uid}:{gid}, and it shall be {wanted}"
            )))
            .remedy(format!(
                "in {at}: `owner: UID:GID` of who writes, or `options: [rw, sync, no_subtree_check, all_squash, \
                 anonuid=1000, anongid=1000]`; then `{SKEP_UP}`"
            )),
        ),
        None => {}
    }
    if wanted.are_for_everybody() {
        let message = format!("{path} shall be for everybody to write, without the sticky bit ({wanted})");
        let sticky = share.mode | 0o1000;
        found.push(
            written(Judgement::warning(message))
                .remedy(format!("in {at}: `mode: \"{sticky:04o}\"`; then `{SKEP_UP}`")),
        );
    }
    if let Some(place) = subject.nfs().place(&share.path) {
        found.extend(as_found(place, wanted, &options));
    }
    super::or_ok(found, || written(Judgement::ok(format!("{path} is {wanted}, as its clients need it"))))
}

/// The directory itself, where it is not as the inventory wants it.
fn as_found(place: &Place, wanted: Rights, options: &Effective) -> Option<Judgement> {
    let path = place.path.display();
    let Some(is) = Rights::of(&place.found) else {
        return match &place.found {
            Found::Absent => Some(Judgement::note(format!("{path} is not there yet")).remedy(SKEP_UP)),
            Found::Other => Some(
                Judgement::error(format!("{path} shall be shared, and is no directory"))
                    .seen(place.real.display().to_string(), "is no directory")
                    .remedy(format!("ls -l {path}; move it away, then `{SKEP_UP}`")),
            ),
            Found::Failed(cause) => Some(Judgement::unknown(format!("{path} cannot be looked at: {cause}"))),
            // The check of file systems tells.
            _ => None,
        };
    };
    if is == wanted {
        return None;
    }
    let cause = match refused(options, is) {
        Some(Refused::All(uid, gid)) => {
            format!("no client can write to {path}: all write as {uid}:{gid}, and it is {is}")
        }
        _ if is.are_for_everybody() => {
            format!("{path} is for everybody to write, without the sticky bit ({is})")
        }
        _ => format!("{path} is {is}, not {wanted}"),
    };
    Some(Judgement::warning(cause).seen(place.real.display().to_string(), is.to_string()).remedy(SKEP_UP))
}

/// A directory that is exported, though not by the inventory.
fn foreign_directory(subject: &Subject<'_>, export: &Export) -> Option<Judgement> {
    let place = subject.nfs().place(&export.entry.path)?;
    let path = place.path.display();
    let judgement = match Rights::of(&place.found) {
        Some(rights) if rights.are_for_everybody() && export.is("rw") => {
            Judgement::warning(format!("{path} is for everybody to write, without the sticky bit ({rights})"))
                .seen(place.real.display().to_string(), rights.to_string())
                .remedy(format!("chmod +t {path}"))
        }
        None if place.found == Found::Absent => {
            Judgement::warning(format!("{path} is exported, and is not there"))
                .remedy(format!("mkdir -p {path}, or take it out of {}; then `exportfs -ra`", export.place()))
        }
        None if place.found == Found::Other => {
            Judgement::warning(format!("{path} is exported, and is no directory"))
                .remedy(format!("take it out of {}; then `exportfs -ra`", export.place()))
        }
        _ => return None,
    };
    Some(export.seen(judgement))
}
