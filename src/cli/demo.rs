//! `skep lab demo`: the main job on throwaway nodes, each command printed as a user would type it.

use std::fs;

use super::args::{Changing, Common, Plan};
use super::failure::Failure;
use super::{exit, lab, plan, status, up};
use crate::inventory::write_atomically;
use crate::lab::{Lab, Login, Spec};

/// A share for nodes whose kernel can do NFS.
const SHARE: &str = "
# Added by the demo: a directory of n1, mounted on the others.
shares:
  shared:
    server: n1
    path: /srv/shared
    clients: [NETWORK]
    options: [rw, sync, no_subtree_check, all_squash, anonuid=1000, anongid=1000]
    mount: {at: /mnt/shared}
";

pub(super) async fn run(common: &Common, name: &str, nodes: u8) -> Result<u8, Failure> {
    let printer = common.printer();
    printer.note(&format!("$ skep lab up -n {nodes} --name {name}"));
    let spec = Spec {
        name: name.to_owned(),
        nodes: nodes.into(),
        machines: Vec::new(),
        engine: false,
        login: Login::Root,
        release: None,
    };
    let blocking = common.clone();
    let lab = tokio::task::spawn_blocking(move || lab::up(&blocking, &spec));
    let lab = lab.await.map_err(|error| Failure::new(exit::FAILED, error))??;
    printer.note(&share(&lab)?);

    let inventory = lab.inventory();
    let common = Common { inventory: inventory.clone(), yes: true, ..common.clone() };
    let say = |command: &str| printer.note(&format!("\n$ skep -i {} {command}", inventory.display()));
    say("plan");
    let planned = plan::run(&common, Plan::default()).await?;
    say("up --yes");
    let first = up::run(&common, Changing::default()).await?;
    say("up --yes   # once more: nothing to do");
    let second = up::run(&common, Changing::default()).await?;
    say("status");
    let stood = status::run(&common).await?;

    let skep = this_program();
    printer.note(&format!(
        "\nThe nodes run on. To look around:\n  {skep} lab ssh --name {name} n1 docker node ls\n  {skep} -i {} status\n\
         To remove them:\n  {skep} lab down --name {name}",
        inventory.display()
    ));
    Ok([planned, first, second, stood].into_iter().find(|code| *code != exit::OK).unwrap_or(exit::OK))
}

/// How to call this program: by its name where a shell finds it by that, else by its path.
fn this_program() -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| "skep".into());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join("skep") == own);
    if found { "skep".to_owned() } else { own.display().to_string() }
}

/// Adds a share to the lab's inventory where this computer's kernel, which is the nodes' too, can do NFS; says what
/// it did.
fn share(lab: &Lab) -> Result<String, Failure> {
    let path = lab.inventory();
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("{}: {error}", path.display()));
    if !kernel_has_nfs() {
        return Ok("this computer's kernel has no NFS: the demo leaves the share out".to_owned());
    }
    let text = fs::read_to_string(&path).map_err(failed)?;
    if !text.contains("\nshares:") {
        let share = SHARE.replace("NETWORK", &lab.subnet().to_string());
        write_atomically(&path, &(text + &share)).map_err(failed)?;
    }
    Ok(format!("added a share to {}", path.display()))
}

/// Whether this computer's kernel can serve and mount NFS now. Namespaced nodes cannot load modules themselves.
fn kernel_has_nfs() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has = |name: &str| known.lines().any(|line| line.split_whitespace().last() == Some(name));
    has("nfs4") && has("nfsd")
}
