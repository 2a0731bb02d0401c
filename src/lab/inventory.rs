//! The texts a lab hands to skep: inventory and known hosts.

use std::fmt::Write as _;
use std::path::Path;

use super::Login;
use super::network::node_address;
use super::state::State;

/// The inventory of a lab, whose folder has only characters that YAML takes literally.
pub(super) fn inventory(state: &State, key: &Path, known_hosts: &Path) -> String {
    let user = match state.login {
        Login::Root => "root",
        Login::Sudo => "pi",
    };
    let mut text = format!(
        "name: {}\ndefaults:\n  user: {user}\n  key: {}\n  known_hosts: {}\nnodes:\n",
        state.name,
        key.display(),
        known_hosts.display()
    );
    for (index, node) in state.nodes.iter().enumerate() {
        let address = node_address(&state.subnet, node.number);
        let role = role(index, state.nodes.len());
        let _ = writeln!(text, "  {}: {{address: {address}, role: {role}}}", node.name());
    }
    text
}

/// One manager for one or two nodes, three for more: odd numbers, as raft wants them.
fn role(index: usize, nodes: usize) -> &'static str {
    let managers = if nodes < 3 { 1 } else { 3 };
    if index < managers { "manager" } else { "worker" }
}

/// A known_hosts line (sshd(8)) from the host's public key file.
pub(super) fn known_host(address: &str, public_key: &str) -> Option<String> {
    let mut words = public_key.split_whitespace();
    Some(format!("{address} {} {}\n", words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::super::state::{Id, NodeState};
    use super::*;

    fn state(nodes: u32, login: Login) -> State {
        let mut state = State::new("dev", Id::from_number(5), "172.16.5.0/24".parse().unwrap(), login);
        state.nodes =
            (1..=nodes).map(|number| NodeState { number, base: "/base".into(), machine: None }).collect();
        state
    }

    #[test]
    fn the_inventory_names_key_hosts_and_nodes() {
        insta::assert_snapshot!(inventory(&state(4, Login::Root), Path::new("/l/key"), Path::new("/l/known")), @"
        name: dev
        defaults:
          user: root
          key: /l/key
          known_hosts: /l/known
        nodes:
          n1: {address: 172.16.5.11, role: manager}
          n2: {address: 172.16.5.12, role: manager}
          n3: {address: 172.16.5.13, role: manager}
          n4: {address: 172.16.5.14, role: worker}
        ");
        assert!(inventory(&state(1, Login::Sudo), Path::new("/k"), Path::new("/h")).contains("user: pi\n"));
    }

    #[test]
    fn the_number_of_managers_is_odd() {
        for (nodes, managers) in [(1, 1), (2, 1), (3, 3), (4, 3), (9, 3)] {
            let counted = (0..nodes).filter(|&index| role(index, nodes) == "manager").count();
            assert_eq!(counted, managers, "{nodes} nodes");
        }
    }

    #[test]
    fn a_known_host_has_no_comment() {
        assert_eq!(
            known_host("10.0.0.1", "ssh-ed25519 AAAA root@n1\n").unwrap(),
            "10.0.0.1 ssh-ed25519 AAAA\n"
        );
        assert_eq!(known_host("10.0.0.1", ""), None);
    }
}
