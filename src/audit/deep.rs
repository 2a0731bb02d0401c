//! Has the agents really use the shares that are mounted on their hosts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;

use super::ask::{ask, why};
use super::{Case, Subject};
use crate::facts::inspection::nfs::is_nfs;
use crate::fleet::HostSession;
use crate::inventory::model::{NodeName, Share, ShareMount};
use crate::resource::exports::options::{effective, is_on};
use crate::wire::exercise::{Exercise, Exercised};
use crate::wire::{Answer, Body};

/// Longer than an agent waits for a server that hangs, as two users.
const PATIENCE: Duration = Duration::from_secs(40);

/// A user that no host has, so that its files belong to nobody else: the second as whom shares are used whose server
/// makes all users one.
pub(super) const STRANGER: u32 = 64_999;

/// What came of using each share on each node, by its mount point; in words where it could not be tried.
pub type Deep = BTreeMap<(NodeName, PathBuf), Result<Vec<Exercised>, String>>;

/// Uses all shares that are mounted now; `run` tells this audit's files from those of others.
pub(crate) async fn drive(case: &Case<'_>, sessions: &BTreeMap<NodeName, HostSession>, run: &str) -> Deep {
    let nodes = case.subjects().filter_map(|subject| Some((subject, sessions.get(&subject.node.name)?)));
    let used = nodes.map(|(subject, session)| async move {
        let mut results = Vec::new();
        // One after another: an agent answers in turn anyway.
        for (share, mount) in subject.mounting().filter(|(_, mount)| is_mounted(&subject, mount)) {
            let exercise = exercise(&subject.node.name, share, mount, run);
            let key = (subject.node.name.clone(), exercise.at.clone());
            results.push((key, exercised(session, exercise).await));
        }
        results
    });
    join_all(used).await.into_iter().flatten().collect()
}

fn is_mounted(subject: &Subject<'_>, mount: &ShareMount) -> bool {
    subject.nfs().mounts.iter().any(|row| row.at == mount.at && is_nfs(&row.info.fstype))
}

/// All nodes that mount a share write there at once: each has a file of its own.
fn exercise(node: &NodeName, share: &Share, mount: &ShareMount, run: &str) -> Exercise {
    Exercise { at: mount.at.clone(), file: format!(".skep-audit-{run}-{node}"), users: users(share, mount) }
}

/// As whom a share can be told to work: as anybody where its server makes all users one, else as root alone.
pub(super) fn users(share: &Share, mount: &ShareMount) -> Vec<u32> {
    let export = effective(&share.options);
    match (
        is_on(&export, "rw") && !mount.options.iter().any(|option| option == "ro"),
        is_on(&export, "all_squash"),
    ) {
        (false, _) => vec![],
        (true, false) => vec![0],
        (true, true) => vec![0, STRANGER],
    }
}

async fn exercised(session: &HostSession, exercise: Exercise) -> Result<Vec<Exercised>, String> {
    match ask(session, Body::Exercise(exercise), PATIENCE).await {
        Ok(Answer::Exercised(exercised)) => Ok(exercised),
        other => Err(why(other)),
    }
}
