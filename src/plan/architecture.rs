//! Hosts whose packages are of another architecture than their kernel.

use super::Finding;
use super::view::{Host, View};
use crate::inventory::model::NodeName;
use crate::words::list;

/// The architectures of packages that belong to a kernel, as dpkg calls them.
const KERNELS: &[(&str, &str)] = &[("aarch64", "arm64"), ("x86_64", "amd64")];

/// What helps a host of two architectures.
pub(crate) const HELP: &str =
    "flash an image whose packages are of 64 bits, or keep services away by a constraint on the node";

/// The architectures of a host's kernel and of its packages, where those differ.
pub(crate) fn mixed(host: &Host) -> Option<(&str, &str)> {
    let (kernel, packages) = (&host.facts.kernel.machine, &host.facts.system.architecture);
    let own = KERNELS.iter().find(|(machine, _)| machine == kernel).map(|(_, own)| *own)?;
    (!packages.is_empty() && packages != own).then_some((kernel, packages))
}

/// Nodes that tell the swarm of an architecture which their engine does not have: of a kernel of 64 bits under packages
/// of 32, as some images for Raspberry Pis are.
pub(super) fn warnings(view: &View<'_>) -> Vec<Finding> {
    let differs = |(name, host): (&NodeName, &Host)| {
        let (kernel, packages) = mixed(host)?;
        Some((name.clone(), kernel.to_owned(), packages.to_owned()))
    };
    let mut found: Vec<(Vec<NodeName>, String, String)> = Vec::new();
    for (name, kernel, packages) in view.hosts.iter().filter_map(differs) {
        match found.iter_mut().find(|(_, k, p)| (k, p) == (&kernel, &packages)) {
            Some((names, ..)) => names.push(name),
            None => found.push((vec![name], kernel, packages)),
        }
    }
    let finding = |(nodes, kernel, packages): (Vec<NodeName>, String, String)| Finding {
        message: format!(
            "packages of {packages} on a kernel of {kernel} on {}: the swarm is told {kernel}, and may give out images \
             that the engine there cannot run",
            list(&nodes)
        ),
        help: HELP.to_owned(),
        nodes,
    };
    found.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::world::World;

    #[test]
    fn only_hosts_of_two_architectures_are_warned_of() {
        let mut world = World::new("home").manager("n1").worker("n2").worker("n3").worker("n4");
        for (name, machine, packages) in [
            ("n1", "aarch64", "arm64"),
            ("n2", "aarch64", "armhf"),
            ("n3", "aarch64", "armhf"),
            ("n4", "x86_64", "amd64"),
        ] {
            let facts = world.facts_mut(name);
            facts.kernel.machine = machine.to_owned();
            facts.system.architecture = packages.to_owned();
        }
        let warnings = warnings(&world.view());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0].nodes, [NodeName::from("n2"), NodeName::from("n3")]);
        assert!(
            warnings[0].message.starts_with("packages of armhf on a kernel of aarch64 on n2 and n3"),
            "{warnings:?}"
        );
    }
}
