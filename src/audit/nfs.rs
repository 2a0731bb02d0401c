//! Exports and mounts: as the inventory wants them, as they are written, and as they are.

mod access;
mod answers;
mod containers;
mod directories;
mod export;
mod exports;
mod file_systems;
mod files;
mod mounts;
mod root;
mod server;
#[cfg(test)]
mod tests;
mod used;
mod volumes;

use super::{Case, Judgement, Subject, Verdict};
use crate::facts::inspection::nfs::rpc::{PORT, Server};
use crate::facts::inspection::nfs::{Nfs, Wanted};
use crate::inventory::model::{Inventory, NodeName, Share, ShareMount};
use crate::plan::desire;
use crate::resource::{Fault, Key, Observed, exports as resource, mount};

pub(super) use access::ACCESS;
pub(super) use answers::ANSWERS;
pub(super) use containers::CONTAINERS;
pub(super) use directories::DIRECTORIES;
pub(super) use exports::EXPORTS;
pub(super) use file_systems::FILE_SYSTEMS;
pub(super) use files::EXPORT_FILES;
pub(super) use mounts::MOUNTS;
pub(super) use root::ROOT;
pub(super) use server::SERVER;
pub(super) use used::USED;
pub(super) use volumes::VOLUMES;

/// What helps where `skep up` has yet to do its work.
const SKEP_UP: &str = "skep up";

/// What an audit wants to know of a node's shares.
pub(crate) fn wanted(inventory: &Inventory, node: &NodeName) -> Wanted {
    let mounts = || desire::mounts(inventory, node);
    Wanted {
        shared: desire::served(inventory, node).map(|share| share.path.clone()).collect(),
        points: mounts().map(|(_, mount)| mount.at.clone()).collect(),
        servers: mounts().filter_map(|(share, mount)| server_of(inventory, share, mount)).collect(),
    }
}

/// The server that a share is mounted from; none where it is not reached by TCP.
pub(super) fn server_of(inventory: &Inventory, share: &Share, mount: &ShareMount) -> Option<Server> {
    let address = desire::reached_at(inventory.node(&share.server)?);
    let option = |name: &str| mount.options.iter().rev().find_map(|option| option.strip_prefix(name));
    if option("proto=").is_some_and(|proto| !proto.starts_with("tcp")) {
        return None;
    }
    Some(Server::at(&address, option("port=").and_then(|port| port.parse().ok()).unwrap_or(PORT)))
}

impl<'a> Subject<'a> {
    pub(super) fn nfs(&self) -> &'a Nfs {
        &self.inspection.nfs
    }

    /// Its exports as plans see them.
    fn exports(&self) -> Result<&'a resource::Observed, Judgement> {
        match self.host.observed.get(&Key::Exports(resource::FILE.into())) {
            Some(Ok(Observed::Exports(observed))) => Ok(observed),
            Some(Err(fault)) => Err(unseen(fault)),
            _ => Err(Judgement::unknown("nothing is known of its exports")),
        }
    }

    /// A mount as plans see it; none where it could not be looked at.
    fn mount(&self, mount: &ShareMount) -> Option<&'a mount::Observed> {
        match self.host.observed.get(&Key::Mount(mount.at.clone())) {
            Some(Ok(Observed::Mount(observed))) => Some(observed),
            _ => None,
        }
    }

    /// Whether its kernel lacks what it needs to serve, or to mount: a check of the kernel's says so.
    fn kernel_lacks(&self, options: [&str; 2]) -> bool {
        desire::missing_nfs(self.inventory, self.node, self.facts())
            .iter()
            .any(|lacking| options.contains(lacking))
    }

    fn kernel_cannot_serve(&self) -> bool {
        self.kernel_lacks(["NFSD", "NFSD_V4"])
    }

    fn kernel_cannot_mount(&self) -> bool {
        self.kernel_lacks(["NFS_FS", "NFS_V4"])
    }

    /// Whether it is a file server, by the inventory or by what runs there.
    fn is_server(&self) -> bool {
        let nfs = self.nfs();
        self.serves().next().is_some()
            || nfs.threads.is_some_and(|threads| threads > 0)
            || nfs.etab.as_deref().is_some_and(|etab| !etab.trim().is_empty())
    }

    /// A share's place in the inventory: `cluster.yml:12, share shared`.
    fn at(&self, share: &Share) -> String {
        format!("{}:{}, share {}", self.inventory.path.display(), share.place.line, share.name)
    }

    /// The mounts that it shall have.
    pub(super) fn mounting(&self) -> impl Iterator<Item = (&'a Share, &'a ShareMount)> {
        desire::mounts(self.inventory, &self.node.name)
    }
}

/// Judges each file server.
fn each_server(case: &Case<'_>, judge: fn(&Subject<'_>) -> Vec<Judgement>) -> Vec<Verdict> {
    case.each(|subject| if subject.is_server() { judge(subject) } else { Vec::new() })
}

fn unseen(fault: &Fault) -> Judgement {
    Judgement::unknown(fault.to_string()).remedy(fault.help.clone().unwrap_or_default())
}

/// The judgements, or that all is well where there are none.
fn or_ok(judgements: Vec<Judgement>, ok: impl FnOnce() -> Judgement) -> Vec<Judgement> {
    if judgements.is_empty() { vec![ok()] } else { judgements }
}
