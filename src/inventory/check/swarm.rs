//! Section `swarm`. All of it but the task history is fixed when the swarm is made, so mistakes are dear.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Checker, Problem};
use crate::inventory::model::Swarm;
use crate::inventory::spot::Spot;

const LARGEST_SUBNET_SIZE: u8 = 29;

impl Checker<'_> {
    pub(super) fn swarm(&mut self) -> Swarm {
        let swarm = &self.file.swarm;
        let pools: Vec<_> =
            swarm.address_pool.iter().filter_map(|text| Some((text, self.pool(text)?))).collect();
        for (index, (text, pool)) in pools.iter().enumerate() {
            if let Some((_, other)) = pools[..index].iter().find(|(_, other)| overlap(pool, other)) {
                self.error(
                    text,
                    format!("`{pool}` and `{other}` overlap"),
                    "each network may stand here once",
                );
            }
            self.pool_holds_no_node(text, pool);
            self.subnets_fit(text, pool);
        }
        if pools.is_empty() {
            self.default_pool_holds_no_node();
        }
        if let Some(size) =
            swarm.subnet_size.as_ref().filter(|size| !(8..=LARGEST_SUBNET_SIZE).contains(&size.value))
        {
            let message = format!("overlay networks of /{} cannot be made", size.value);
            self.error(size, message, "Docker takes a prefix length of 8 to 29; its own choice is 24");
        }
        Swarm {
            address_pool: pools.into_iter().map(|(_, pool)| pool).collect(),
            subnet_size: swarm.subnet_size.as_ref().map(|size| size.value),
            task_history: swarm.task_history,
        }
    }

    fn pool(&mut self, text: &Spot<String>) -> Option<IpNet> {
        let Ok(pool) = text.parse::<IpNet>() else {
            let message = format!("`{}` is not a network", text.escape_debug());
            self.error(text, message, "write it as address and prefix length: `10.200.0.0/16`");
            return None;
        };
        if pool.trunc() != pool {
            let message = format!("`{pool}` is an address inside a network");
            self.error(text, message, format!("the network is `{}`", pool.trunc()));
        }
        Some(pool.trunc())
    }

    /// Addresses of the nodes that stand in the file, with where they stand.
    fn node_addresses(&self) -> Vec<(&Spot<String>, IpAddr)> {
        let nodes = self.file.nodes.iter().flat_map(|nodes| nodes.iter());
        nodes
            .flat_map(|(_, node)| node.address.iter().chain(&node.advertise))
            .filter_map(|text| Some((text, text.parse().ok()?)))
            .collect()
    }

    fn pool_holds_no_node(&mut self, text: &Spot<String>, pool: &IpNet) {
        let inside = self.node_addresses().into_iter().find(|(_, address)| pool.contains(address));
        if let Some((_, address)) = inside {
            let message = format!("the pool `{pool}` holds a node's own address, {address}");
            self.error(
                text,
                message,
                "overlay networks would hide your network: choose one that you do not use",
            );
        }
    }

    fn default_pool_holds_no_node(&mut self) {
        let docker = Swarm::DEFAULT_POOL;
        let inside = self.node_addresses().into_iter().find(|(_, address)| docker.contains(address));
        let Some((text, address)) = inside else { return };
        let message = format!("{address} lies in {docker}, which Docker cuts overlay networks from");
        let help = "set `swarm: {address_pool: [10.200.0.0/16]}` to a network that you do not use; it is fixed at init";
        self.report(Problem::warning(text.span.clone(), message).help(help));
    }

    fn subnets_fit(&mut self, text: &Spot<String>, pool: &IpNet) {
        let size = self.file.swarm.subnet_size.as_ref().map_or(Swarm::DEFAULT_SUBNET_SIZE, |size| size.value);
        if pool.prefix_len() > size {
            let message = format!("no network of /{size} fits into the pool `{pool}`");
            self.error(text, message, "enlarge the pool, or raise `subnet_size`");
        }
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}
