//! Nodes that are not where the inventory has them, and were found by their hardware addresses.

use std::net::IpAddr;

use super::Finding;
use super::view::{Host, View};
use crate::inventory::model::Node;

/// One for each, with the line to change.
pub(super) fn warnings(view: &View<'_>) -> Vec<Finding> {
    let nodes = view.inventory.nodes.iter();
    nodes.filter_map(|node| warning(view, node, view.hosts.get(&node.name)?)).collect()
}

fn warning(view: &View<'_>, node: &Node, host: &Host) -> Option<Finding> {
    let (mac, wanted) = (node.mac.as_ref()?, node.address.parse::<IpAddr>().ok()?);
    let interfaces = &host.facts.network;
    let own = interfaces.iter().find(|interface| interface.mac == *mac)?;
    let (now, _) = own.addresses.iter().find(|(address, _)| address.is_ipv4() == wanted.is_ipv4())?;
    (!interfaces.iter().any(|interface| interface.has(wanted))).then(|| Finding {
        nodes: vec![node.name.clone()],
        message: format!(
            "{} has moved: its network card {mac} has the address {now}, not {wanted}",
            node.name
        ),
        help: format!(
            "write `address: {now}` to {} ({}:{}), or let your router give it the same address always",
            node.name,
            view.inventory.path.display(),
            node.place.line
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::world::World;

    #[test]
    fn only_who_was_found_elsewhere_is_told() {
        let world = |mac: &str, address: &str| {
            let mut world = World::new("home").manager("n1");
            world.facts_mut("n1").network[0].mac = "dc:a6:32:01:02:03".to_owned();
            world.node_mut("n1").mac = Some(mac.to_owned()).filter(|mac| !mac.is_empty());
            world.node_mut("n1").address = address.to_owned();
            warnings(&world.view()).into_iter().map(|told| told.message).collect::<Vec<_>>()
        };
        let moved =
            "n1 has moved: its network card dc:a6:32:01:02:03 has the address 192.168.2.1, not 192.168.2.9";
        for (mac, address, told) in [
            ("dc:a6:32:01:02:03", "192.168.2.9", vec![moved]),
            ("dc:a6:32:01:02:03", "192.168.2.1", vec![]),
            ("dc:a6:32:01:02:03", "n1.local", vec![]),
            ("dc:a6:32:01:02:03", "fd00::1", vec![]),
            ("dc:a6:32:01:02:04", "192.168.2.9", vec![]),
            ("", "192.168.2.9", vec![]),
        ] {
            assert_eq!(world(mac, address), told, "{mac} {address}");
        }
    }
}
