//! Which of the inventory's nodes a host is.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Found;
use crate::inventory::model::{Node, NodeName};
use crate::ssh::KnownHostsError;

/// What the inventory says about a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    New,
    /// It is this node.
    Listed(NodeName),
    /// It has the key that was recorded for this node, which the inventory has at another address.
    Moved(NodeName, String),
}

/// Finds hosts among the nodes: by address or name, else by the key that `known_hosts` has for a node that none of
/// them is.
///
/// # Errors
/// Where a file of known hosts is there, but cannot be read.
pub fn places(hosts: &[Found], port: u16, nodes: &[Node]) -> Result<Vec<Place>, KnownHostsError> {
    let listed: Vec<Option<&Node>> =
        hosts.iter().map(|host| nodes.iter().find(|node| is_at(node, host, port))).collect();
    // A clone of a node's card has the node's key as well, but is not where the node is.
    let missing: Vec<&Node> =
        nodes.iter().filter(|node| !listed.iter().flatten().any(|listed| listed.name == node.name)).collect();
    let place = |(host, listed): (&Found, Option<&Node>)| match listed {
        Some(node) => Ok(Place::Listed(node.name.clone())),
        None => by_key(host, &missing),
    };
    hosts.iter().zip(listed).map(place).collect()
}

fn is_at(node: &Node, host: &Found, port: u16) -> bool {
    let address = host.address.to_string();
    let mut names = [Some(&address), host.name.as_ref()].into_iter().flatten();
    port_of(node) == port && names.any(|name| node.address.eq_ignore_ascii_case(name))
}

fn port_of(node: &Node) -> u16 {
    node.login.port.unwrap_or(22)
}

fn by_key(host: &Found, nodes: &[&Node]) -> Result<Place, KnownHostsError> {
    let Some(key) = &host.key else { return Ok(Place::New) };
    for node in nodes {
        if key.is_recorded(&files(node), &node.address, port_of(node))? {
            // A name may well lead to another address than before.
            return Ok(match node.address.parse::<IpAddr>() {
                Ok(_) => Place::Moved(node.name.clone(), node.address.clone()),
                Err(_) => Place::Listed(node.name.clone()),
            });
        }
    }
    Ok(Place::New)
}

/// Where a node's key is recorded.
fn files(node: &Node) -> Vec<PathBuf> {
    if let Some(file) = &node.login.known_hosts {
        return vec![file.clone()];
    }
    let own = std::env::home_dir().map(|home| home.join(".ssh"));
    let own = own.iter().flat_map(|folder| ["known_hosts", "known_hosts2"].map(|name| folder.join(name)));
    let global = ["ssh_known_hosts", "ssh_known_hosts2"].map(|name| Path::new("/etc/ssh").join(name));
    own.chain(global).collect()
}
