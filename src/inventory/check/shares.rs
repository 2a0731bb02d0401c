//! Section `shares`: what is exported, to whom, and where it is mounted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::clients::{client_trouble, is_everyone, is_one_word, network};
use super::export_options::is_nfs4_root;
use super::nodes::ALL;
use super::{Checker, Problem};
use crate::inventory::file::{self, Mount};
use crate::inventory::model::{NodeName, Owner, Share, ShareMount};
use crate::inventory::parse::suggestion;
use crate::inventory::spot::Spot;

const DEFAULT_OPTIONS: [&str; 3] = ["rw", "sync", "no_subtree_check"];
const DEFAULT_MODE: u32 = 0o775;

impl Checker<'_> {
    pub(super) fn shares(&mut self) -> Vec<Share> {
        let file = self.file;
        let mut shares: Vec<Share> =
            file.shares.iter().map(|(name, share)| self.share(name, share)).collect();
        self.one_export_each(&shares);
        self.one_nfs4_root_each(&shares);
        self.one_mount_each(&shares);
        self.below_nfs4_roots(&mut shares);
        shares
    }

    fn share(&mut self, name: &Spot<String>, share: &file::Share) -> Share {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
            let message = format!("`{}` cannot be the name of a share", name.escape_debug());
            self.error(name, message, "use one word");
        }
        let options = self.options(share);
        let server = self.server(name, share);
        let path = self.exported_path(name, share);
        Share {
            name: name.value.clone(),
            place: name.place,
            clients: self.clients(name, share, &options),
            owner: self.owner(share, &options),
            mode: share.mode.as_ref().map_or(DEFAULT_MODE, |mode| self.mode(mode)),
            mount: share.mount.as_ref().map(|mount| self.mount(mount, share, &server, &path)),
            options,
            server,
            path,
        }
    }

    fn server(&mut self, name: &Spot<String>, share: &file::Share) -> NodeName {
        match &share.server {
            Some(server) => self.known_node(server),
            None => {
                let message = format!("the share `{}` has no server", name.value);
                self.error(name, message, "add `server:` with the name of the node that has the directory");
                NodeName(String::new())
            }
        }
    }

    pub(super) fn known_node(&mut self, name: &Spot<String>) -> NodeName {
        let known: Vec<&str> =
            self.file.nodes.iter().flat_map(|nodes| nodes.iter()).map(|(name, _)| name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let help = match suggestion(name, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the nodes are: {}", known.join(", ")),
            };
            self.error(name, format!("there is no node `{}`", name.escape_debug()), help);
        }
        NodeName(name.value.clone())
    }

    fn exported_path(&mut self, name: &Spot<String>, share: &file::Share) -> PathBuf {
        let Some(text) = &share.path else {
            let message = format!("the share `{}` has no path", name.value);
            self.error(
                name,
                message,
                "add `path:` with the directory to share, for example `/var/shared/folder`",
            );
            return PathBuf::new();
        };
        let path = self.node_path(text, "path");
        if path == Path::new("/") {
            let message = "sharing `/` would share the whole system, keys and passwords too".to_owned();
            self.error(text, message, "share a directory of its own, for example `/var/shared/folder`");
        }
        path
    }

    fn clients(&mut self, name: &Spot<String>, share: &file::Share, options: &[String]) -> Vec<String> {
        let clients = share.clients.as_deref().unwrap_or_default();
        if clients.is_empty() {
            let message = format!("the share `{}` names no clients", name.value);
            let help = "an export without clients is open to the whole world; write who may mount it: `clients: [192.168.2.0/24]`";
            self.error(name, message, help);
        }
        for (index, client) in clients.iter().enumerate() {
            if let Some((trouble, help)) = client_trouble(client) {
                self.error(client, format!("the client `{}` {trouble}", client.escape_debug()), help);
            } else if clients[..index].contains(client) {
                self.error(
                    client,
                    format!("the client `{}` stands here twice", client.value),
                    "take one out",
                );
            } else if is_everyone(client) {
                self.everyone(client, options);
            }
        }
        clients.iter().map(|client| client.value.clone()).collect()
    }

    fn everyone(&mut self, client: &Spot<String>, options: &[String]) {
        let has = |word: &str| options.iter().any(|option| option == word);
        let help = "name a network instead: `192.168.2.0/24`";
        if has("no_root_squash") {
            let message =
                "`no_root_squash` for everyone makes any computer's root the root of this directory"
                    .to_owned();
            self.error(client, message, help);
        } else if has("rw") {
            self.warn(client, "every computer that reaches the server may write here".into(), help);
        }
    }

    fn options(&mut self, share: &file::Share) -> Vec<String> {
        let Some(options) = &share.options else {
            return DEFAULT_OPTIONS.map(str::to_owned).to_vec();
        };
        self.export_options(options);
        options.iter().map(|option| option.value.clone()).collect()
    }

    /// Where all users become one, the directory must be that one's.
    fn owner(&mut self, share: &file::Share, options: &[String]) -> Owner {
        let number = |key: &str| options.iter().find_map(|option| option.strip_prefix(key)?.parse().ok());
        let Some(text) = &share.owner else {
            let squashed = options.iter().any(|option| option == "all_squash");
            let id = |key| number(key).filter(|_| squashed).unwrap_or(0);
            return Owner { uid: id("anonuid="), gid: id("anongid=") };
        };
        let owner = text
            .split_once(':')
            .and_then(|(uid, gid)| Some(Owner { uid: uid.parse().ok()?, gid: gid.parse().ok()? }));
        owner.unwrap_or_else(|| {
            let message = format!("`{}` is not a numeric owner", text.escape_debug());
            self.error(
                text,
                message,
                "write user and group as numbers: `owner: \"1000:1000\"`; `id NAME` shows them",
            );
            Owner { uid: 0, gid: 0 }
        })
    }

    fn mode(&mut self, text: &Spot<String>) -> u32 {
        let octal = u32::from_str_radix(text, 8).ok().filter(|mode| text.len() >= 3 && *mode <= 0o7777);
        octal.unwrap_or_else(|| {
            let message = format!("`{}` is not a mode", text.escape_debug());
            self.error(text, message, "write it in octal: `mode: \"0775\"`");
            DEFAULT_MODE
        })
    }

    fn mount(&mut self, mount: &Mount, share: &file::Share, server: &NodeName, path: &Path) -> ShareMount {
        for option in mount.options.iter().filter(|option| option.is_empty() || !is_one_word(option)) {
            let message = format!("`{}` is not one mount option", option.escape_debug());
            self.error(option, message, "write each option as an item of its own: `[noatime, soft]`");
        }
        for option in mount.options.iter().filter(|option| asks_for_no_version_of_4(option)) {
            let message = format!("no share can be mounted by `{}`", option.escape_debug());
            self.error(
                option,
                message,
                "skep mounts by NFSv4: `vers=4.2`, `vers=4.1`, `vers=4.0` or `vers=4`",
            );
        }
        let on = self.mounting_nodes(mount, server);
        self.clients_cover(mount, share, &on);
        ShareMount {
            at: self.mount_point(&mount.at),
            on,
            options: mount.options.iter().map(|option| option.value.clone()).collect(),
            remote: mount
                .remote
                .as_ref()
                .map_or_else(|| path.to_owned(), |remote| self.node_path(remote, "remote path")),
        }
    }

    fn mounting_nodes(&mut self, mount: &Mount, server: &NodeName) -> Vec<NodeName> {
        let named = mount.on.as_deref().unwrap_or_default();
        if mount.on.is_none() || named.iter().any(|name| name.value == ALL) {
            let nodes = self.file.nodes.iter().flat_map(|nodes| nodes.iter());
            return nodes
                .map(|(name, _)| NodeName(name.value.clone()))
                .filter(|name| name != server)
                .collect();
        }
        let mut on = Vec::new();
        for name in named {
            let node = self.known_node(name);
            if node == *server {
                let message = format!("`{node}` is the server of this share and has the directory already");
                self.error(name, message, "take it out of `on`");
            } else if on.contains(&node) {
                self.error(name, format!("`{node}` stands here twice"), "take one out");
            } else {
                on.push(node);
            }
        }
        on
    }

    /// Warns of nodes that shall mount what they may not. Says nothing where names would have to be resolved.
    fn clients_cover(&mut self, mount: &Mount, share: &file::Share, on: &[NodeName]) {
        let clients = share.clients.as_deref().unwrap_or_default();
        let Some(networks) = clients.iter().map(|client| network(client)).collect::<Option<Vec<_>>>() else {
            return;
        };
        let nodes = self.file.nodes.iter().flat_map(|nodes| nodes.iter());
        let outside =
            nodes.filter(|(name, _)| on.iter().any(|node| node.0 == name.value)).find_map(|(name, node)| {
                let address = node.advertise.as_ref().or(node.address.as_ref())?.parse::<IpAddr>().ok()?;
                (!networks.iter().any(|network| network.contains(&address)))
                    .then_some((name.value.clone(), address))
            });
        if let Some((name, address)) = outside.filter(|_| !networks.is_empty()) {
            let message = format!("`{name}` shall mount this share, but {address} is none of its clients");
            self.warn(
                &mount.at,
                message,
                "add its address or network to `clients`, or leave the node out of `on`",
            );
        }
    }

    fn pairs<'a>(&self, shares: &'a [Share]) -> impl Iterator<Item = (&'a Share, &'a Share)> + use<'a> {
        shares
            .iter()
            .enumerate()
            .flat_map(move |(index, one)| shares[..index].iter().map(move |other| (other, one)))
    }

    fn at(&self, share: &Share) -> std::ops::Range<usize> {
        let name = self.file.shares.iter().find(|(name, _)| name.value == share.name);
        name.map_or(0..0, |(name, _)| name.span.clone())
    }

    fn one_export_each(&mut self, shares: &[Share]) {
        for (first, second) in self.pairs(shares).filter(|(a, b)| a.server == b.server && a.path == b.path) {
            let message = format!(
                "`{}` and `{}` share the same directory of `{}`",
                first.name, second.name, first.server
            );
            let problem =
                Problem::error(self.at(second), message).help("make them one share with the clients of both");
            self.report(problem);
        }
    }

    fn one_nfs4_root_each(&mut self, shares: &[Share]) {
        let roots: Vec<Share> = shares.iter().filter(|share| is_root(share)).cloned().collect();
        for (first, second) in self.pairs(&roots).filter(|(a, b)| a.server == b.server) {
            let message =
                format!("`{}` and `{}` both have `fsid=0` on `{}`", first.name, second.name, first.server);
            let problem = Problem::error(self.at(second), message)
                .help("a server has one NFSv4 root; take `fsid=0` out of one, or of both");
            self.report(problem);
        }
    }

    fn one_mount_each(&mut self, shares: &[Share]) {
        for (first, second) in self.pairs(shares) {
            let (Some(one), Some(other)) = (&first.mount, &second.mount) else { continue };
            let Some(node) = one.on.iter().find(|node| one.at == other.at && other.on.contains(node)) else {
                continue;
            };
            let message = format!(
                "`{}` and `{}` are both mounted at `{}` on `{node}`",
                first.name,
                second.name,
                one.at.display()
            );
            let problem = Problem::error(self.at(second), message).help("mount one of them somewhere else");
            self.report(problem);
        }
    }

    /// An NFSv4 client sees the `fsid=0` share as `/`: paths below it are shorter, all else is hidden.
    fn below_nfs4_roots(&mut self, shares: &mut [Share]) {
        let roots: Vec<Share> = shares.iter().filter(|share| is_root(share)).cloned().collect();
        for share in shares {
            // A second root is an error already, told by another check.
            let above =
                |root: &&Share| root.server == share.server && (root.name == share.name || !is_root(share));
            let Some(root) = roots.iter().find(above) else { continue };
            let Ok(rest) = share.path.strip_prefix(&root.path) else {
                let message = format!(
                    "`{}` is hidden from NFSv4 clients by `{}`, which has `fsid=0`",
                    share.name, root.name
                );
                let problem = Problem::warning(self.at(share), message).help(format!(
                    "take `fsid=0` out of `{}`, or put this directory below its path",
                    root.name
                ));
                self.report(problem);
                continue;
            };
            let chosen = self
                .file
                .shares
                .get(&share.name)
                .and_then(|raw| raw.mount.as_ref()?.remote.as_ref())
                .is_some();
            if let Some(mount) = share.mount.as_mut().filter(|_| !chosen) {
                mount.remote = Path::new("/").join(rest);
            }
        }
    }
}

/// Whether a mount option asks for another version of NFS than 4, or for one in words that hide it from skep.
fn asks_for_no_version_of_4(option: &str) -> bool {
    match option.strip_prefix("vers=").or_else(|| option.strip_prefix("nfsvers=")) {
        Some(version) => !["4", "4.0", "4.1", "4.2"].contains(&version),
        None => ["v2", "v3", "v4", "minorversion="].iter().any(|word| option.starts_with(word)),
    }
}

fn is_root(share: &Share) -> bool {
    is_nfs4_root(share.options.iter().map(String::as_str))
}
