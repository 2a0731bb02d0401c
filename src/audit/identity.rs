//! What each host must have for itself, and how it is called.

use std::collections::BTreeMap;

use super::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::inventory::model::NodeName;
use crate::plan::Host;
use crate::plan::twins::Identity;
use crate::swarm::advertise::{self, Address};

/// See its explanation.
pub(super) const MACHINE_ID: Check = Check {
    id: "machine-id",
    family: Family::System,
    title: "machine-id of its own",
    explanation: "A card that is copied after its first start takes its identity along: /etc/machine-id, and often the SSH \
        host keys, the engine's ID and even its membership in a swarm. DHCP servers then give both hosts one address, \
        and logs are mixed up. Two nodes with one machine-id are an error, and `skep up` refuses them; none at all is a \
        warning. The remedy makes a new one on all but one of them. Reports show a hash, since machine-id(5) asks for \
        the ID itself not to be spread.",
    examine: |case| unique(case, Identity::Machine),
};

/// See its explanation.
pub(super) const HOSTNAME: Check = Check {
    id: "hostname",
    family: Family::System,
    title: "host name of its own",
    explanation: "Boards of one model start with one host name, that of their image. A swarm bears that, since it knows its \
        nodes by IDs, but nobody can tell them apart in `docker node ls`, in logs or in the local network's names. Two \
        nodes with one name are an error, and `skep up` refuses them. A name in /etc/hostname that the kernel does not \
        go by yet is a note: the engine tells the swarm the kernel's. What is read is /etc/hostname and \
        /proc/sys/kernel/hostname.",
    examine: hostnames,
};

/// See its explanation.
pub(super) const ENGINE_ID: Check = Check {
    id: "engine-id",
    family: Family::System,
    title: "engine ID of its own",
    explanation: "Docker makes an ID for itself when it starts for the first time (/var/lib/docker/engine-id); a copied card \
        takes it along, and with it whatever else /var/lib/docker held. Two nodes with one engine ID are an error, \
        and `skep up` refuses them. Only engines that run are asked. The remedy makes a new ID and leaves images, \
        volumes and the swarm alone.",
    examine: |case| unique(case, Identity::Engine),
};

/// See its explanation.
pub(super) const HOST_KEY: Check = Check {
    id: "host-key",
    family: Family::System,
    title: "SSH host key of its own",
    explanation: "A host proves by the key of its SSH server that it is the one that you know. Boards that serve the key of \
        their image, and cards that were copied, all prove the same: whoever has one of them can pass for the others, \
        and known_hosts tells them apart no more. Two nodes with one key are an error. What is compared is the ed25519 \
        key in /etc/ssh, else the RSA key. `skep up --repair-clones` makes new ones on all but one, and records them \
        over the connection that it has: nobody is asked to trust them.",
    examine: |case| unique(case, Identity::HostKey),
};

/// See its explanation.
pub(super) const ADDRESS: Check = Check {
    id: "unique-address",
    family: Family::System,
    title: "addresses of its own",
    explanation: "Two nodes with one IP address, or with one hardware address on one network, take each other's packets: \
        connections come and go by chance. Copied cards do that where the address or the MAC is written to a file, and \
        so does one host that the inventory names twice. What is compared is the address that each node would \
        advertise to the swarm, and the MAC of the interface that has it. Either is an error.",
    examine: addresses,
};

/// See its explanation.
pub(super) const LOOKUP: Check = Check {
    id: "hostname-lookup",
    family: Family::System,
    title: "the host knows its own name",
    explanation: "Programs ask for the address of the host's own name: sudo (`unable to resolve host`), mail, Java. Where \
        /etc/hosts does not have it and /etc/nsswitch.conf names neither `myhostname` nor `resolve`, the question goes to \
        the network, and each sudo waits for its answer. That is a warning where skep itself comes in through sudo, and a \
        note elsewhere. The remedy is the line that Debian's installer writes.",
    examine: |case| case.each(|subject| [lookup(subject)]),
};

/// Twins are told together, all others one by one.
fn unique(case: &Case<'_>, identity: Identity) -> Vec<Verdict> {
    let name = identity.name();
    let twins = identity.twins(case.view);
    let mut verdicts: Vec<_> = twins
        .iter()
        .map(|twins| {
            let shown = shown(identity, case, &twins.nodes, &twins.value);
            let judgement = Judgement::error(format!("several nodes have one {name}, {shown}"));
            let judgement = twins.nodes.iter().fold(judgement, |judgement, node| {
                judgement.seen(format!("{} on {node}", place(identity)), &shown)
            });
            judgement.remedy(&twins.help).about(twins.nodes.clone())
        })
        .collect();
    let alone = |node: &NodeName| !twins.iter().any(|twins| twins.nodes.contains(node));
    let others = case.subjects().filter(|subject| alone(&subject.node.name));
    verdicts.extend(others.filter_map(|subject| {
        let value = identity.of(subject.host)?;
        let judgement = match (value.is_empty(), identity) {
            (true, Identity::Machine) => Judgement::warning("there is no machine-id")
                .seen(place(identity), "has none")
                .remedy("run `systemd-machine-id-setup` on the host and reboot"),
            (true, _) => Judgement::warning(format!("there is no {name}")).seen(place(identity), "has none"),
            (false, _) => Judgement::ok(format!("the {name} is its own"))
                .seen(place(identity), shown_of(identity, subject.host, &value)),
        };
        Some(judgement.about([subject.node.name.clone()]))
    }));
    verdicts
}

fn place(identity: Identity) -> &'static str {
    match identity {
        Identity::Machine => "/etc/machine-id",
        Identity::Hostname => "/etc/hostname",
        Identity::Engine | Identity::Member => "docker info",
        Identity::HostKey => "/etc/ssh",
    }
}

/// machine-id(5) asks for the ID itself not to be spread.
fn shown_of(identity: Identity, host: &Host, value: &str) -> String {
    match identity {
        Identity::Machine => format!("hash {}", host.facts.system.fingerprint()),
        _ => value.to_owned(),
    }
}

fn shown(identity: Identity, case: &Case<'_>, nodes: &[NodeName], value: &str) -> String {
    let host = nodes.first().and_then(|node| case.view.hosts.get(node));
    host.map_or_else(|| value.to_owned(), |host| shown_of(identity, host, value))
}

fn hostnames(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = unique(case, Identity::Hostname);
    verdicts.extend(case.each(|subject| {
        let (file, kernel) = (&subject.facts().system.hostname, &subject.inspection.boot.names.kernel);
        (!kernel.is_empty() && file != kernel).then(|| {
            Judgement::note(format!(
                "the host goes by {kernel} until its next start, and by {file} from then on"
            ))
            .seen("/proc/sys/kernel/hostname", kernel)
            .seen("/etc/hostname", file)
            .remedy(format!("run `hostnamectl set-hostname {file}` on the host"))
        })
    }));
    verdicts
}

fn addresses(case: &Case<'_>) -> Vec<Verdict> {
    let subjects: Vec<_> = case.subjects().collect();
    // Where no address can be chosen, another check tells.
    let chosen: BTreeMap<NodeName, Address> = subjects
        .iter()
        .filter_map(|subject| {
            let address = advertise::choose(subject.node, &subject.facts().network).ok()?;
            Some((subject.node.name.clone(), address))
        })
        .collect();
    let mut verdicts: Vec<_> = advertise::duplicates(&chosen)
        .into_iter()
        .map(|finding| {
            let ip = finding.nodes.first().and_then(|node| chosen.get(node)).map(Address::addr);
            let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
            Judgement::error(format!("several nodes have one address, {ip}"))
                .seen("getifaddrs", ip)
                .remedy(finding.help)
                .about(finding.nodes)
        })
        .collect();
    verdicts.extend(same_macs(&subjects, &chosen));
    let told: Vec<_> = verdicts.iter().flat_map(|verdict| verdict.nodes.clone()).collect();
    let alone = chosen.iter().filter(|(node, _)| !told.contains(node));
    verdicts.extend(alone.map(|(node, address)| {
        Judgement::ok(format!("the address {} is its own", address.addr()))
            .seen("getifaddrs", address.to_string())
            .about([node.clone()])
    }));
    verdicts
}

/// Nodes with one hardware address on one network.
fn same_macs(subjects: &[Subject<'_>], chosen: &BTreeMap<NodeName, Address>) -> Vec<Verdict> {
    let mut holders: BTreeMap<(String, String), Vec<(NodeName, String)>> = BTreeMap::new();
    for subject in subjects {
        let Some(address) = chosen.get(&subject.node.name) else { continue };
        let own = subject.facts().network.iter().find(|interface| interface.has(address.addr()));
        if let Some(interface) = own.filter(|interface| !interface.mac.is_empty()) {
            let key = (interface.mac.clone(), address.trunc().to_string());
            holders.entry(key).or_default().push((subject.node.name.clone(), interface.name.clone()));
        }
    }
    let shared = holders.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    shared
        .map(|((mac, network), nodes)| {
            let judgement = Judgement::error(format!("several nodes have one MAC, {mac}, in {network}"));
            let judgement = nodes.iter().fold(judgement, |judgement, (node, interface)| {
                judgement.seen(format!("getifaddrs on {node}"), format!("{interface} {mac}"))
            });
            judgement
                .remedy(format!(
                    "take `{mac}` out of what sets it on all but one, and reboot: `grep -rniE \"{mac}|ethaddr\" \
                     /etc/netplan /etc/systemd/network /etc/network /etc/NetworkManager /boot/armbianEnv.txt`"
                ))
                .about(nodes.into_iter().map(|(node, _)| node))
        })
        .collect()
}

fn lookup(subject: &Subject<'_>) -> Judgement {
    let (names, hostname) = (&subject.inspection.boot.names, &subject.facts().system.hostname);
    if !names.hosts.is_empty() {
        return Judgement::ok("the host knows its own name").seen("/etc/hosts", &names.hosts);
    }
    let by_itself = |service: &str| service == "myhostname" || service == "resolve";
    if names.lookup.split_whitespace().any(by_itself) {
        return Judgement::ok("the host knows its own name").seen("/etc/nsswitch.conf", &names.lookup);
    }
    let through = &subject.inspection.access.by;
    let judgement = if through == "sudo" {
        Judgement::warning("the host does not know its own name, so that each sudo asks the network for it")
    } else {
        Judgement::note("the host does not know its own name, and asks the network for it")
    };
    let lookup = if names.lookup.is_empty() { "no line `hosts:`" } else { &names.lookup };
    judgement
        .seen("/etc/hosts", format!("no line with {hostname}"))
        .seen("/etc/nsswitch.conf", lookup)
        .remedy(format!("run `echo '127.0.1.1 {hostname}' >> /etc/hosts` on the host"))
}

#[cfg(test)]
mod tests {
    use super::super::world::{cluster, single};
    use super::*;
    use crate::inventory::model::Role;
    use crate::swarm::world::World;

    #[test]
    fn copied_cards_are_told_together() {
        let copied = cluster().facts("n3", |facts| facts.system.machine_id = format!("{:032x}", 1));
        let verdicts = copied.verdicts(&MACHINE_ID);
        assert_eq!(verdicts[0].nodes, [NodeName::from("n1"), NodeName::from("n3")]);
        assert!(verdicts[0].message.starts_with("several nodes have one machine-id, hash "), "{verdicts:?}");
        assert!(!format!("{verdicts:?}").contains(&format!("{:032x}", 1)), "the ID itself is spread");
        assert!(verdicts[0].remedy[0].contains("rm -f /var/lib/dbus/machine-id; tr -d - <"));
        assert_eq!(copied.all(&MACHINE_ID)[1..], ["ok n2: the machine-id is its own"]);
        let none = single().facts("n1", |facts| facts.system.machine_id.clear());
        assert_eq!(none.all(&MACHINE_ID), ["warning n1: there is no machine-id"]);
    }

    #[test]
    fn host_names() {
        assert_eq!(cluster().said(&HOSTNAME), [""; 0]);
        let boards = cluster().facts("n1", |facts| facts.system.hostname = "n2".to_owned());
        let said = boards.said(&HOSTNAME);
        assert_eq!(said[0], "error n1 n2: several nodes have one hostname, n2");
        assert_eq!(
            boards.verdicts(&HOSTNAME)[0].remedy,
            [
                "give each its own, such as `hostnamectl set-hostname n2` on n2; `skep up --repair-clones` does it"
            ]
        );
        let renamed =
            single().inspection("n1", |inspection| inspection.boot.names.kernel = "orangepi".to_owned());
        assert_eq!(
            renamed.said(&HOSTNAME),
            ["note n1: the host goes by orangepi until its next start, and by n1 from then on"]
        );
    }

    #[test]
    fn engine_ids_of_those_that_run() {
        assert_eq!(cluster().all(&ENGINE_ID), [""; 0], "there are no engines");
        let world = World::new("home").manager("n1").worker("n2").worker("n3").swarm(
            "s1",
            Some("home"),
            &[("n1", Role::Manager), ("n2", Role::Worker), ("n3", Role::Worker)],
        );
        let swarm = super::super::world::Audited::of(world);
        assert_eq!(swarm.all(&ENGINE_ID).len(), 3);
        assert_eq!(swarm.said(&ENGINE_ID), [""; 0]);
        let copied = swarm.facts("n3", |facts| {
            let crate::facts::Engine::Running(running) = &mut facts.engine else { panic!() };
            running.id = "engine-n1".to_owned();
        });
        assert_eq!(copied.said(&ENGINE_ID), ["error n1 n3: several nodes have one engine ID, engine-n1"]);
    }

    #[test]
    fn addresses_and_hardware_addresses() {
        assert_eq!(cluster().all(&ADDRESS).len(), 3);
        assert_eq!(cluster().said(&ADDRESS), [""; 0]);
        let one_ip = cluster()
            .facts("n3", |facts| facts.network[0].addresses = vec![("192.168.2.2".parse().unwrap(), 24)])
            .inventory(|inventory| inventory.nodes[2].address = "192.168.2.2".to_owned());
        assert_eq!(one_ip.said(&ADDRESS), ["error n2 n3: several nodes have one address, 192.168.2.2"]);
        let mac = "02:00:00:00:00:01";
        let one_mac = || cluster().facts("n2", |facts| facts.network[0].mac = mac.to_owned());
        assert_eq!(
            one_mac().said(&ADDRESS),
            ["error n1 n2: several nodes have one MAC, 02:00:00:00:00:01, in 192.168.2.0/24"]
        );
        let elsewhere = one_mac()
            .facts("n2", |facts| facts.network[0].addresses = vec![("10.0.0.2".parse().unwrap(), 24)])
            .inventory(|inventory| inventory.nodes[1].address = "10.0.0.2".to_owned());
        assert_eq!(elsewhere.said(&ADDRESS), [""; 0], "on networks apart");
    }

    #[test]
    fn a_name_is_looked_up_at_home() {
        assert_eq!(single().all(&LOOKUP), ["ok n1: the host knows its own name"]);
        let with = |lookup: &str, by: &str| {
            single().inspection("n1", |inspection| {
                inspection.boot.names.hosts.clear();
                inspection.boot.names.lookup = lookup.to_owned();
                inspection.access.by = by.to_owned();
            })
        };
        for lookup in ["hosts: files myhostname dns", "hosts: resolve [!UNAVAIL=return] dns"] {
            assert_eq!(with(lookup, "sudo").said(&LOOKUP), [""; 0]);
        }
        assert_eq!(
            with("hosts: files dns", "").said(&LOOKUP),
            ["note n1: the host does not know its own name, and asks the network for it"]
        );
        let sudo = with("hosts: files dns", "sudo");
        assert_eq!(
            sudo.said(&LOOKUP),
            ["warning n1: the host does not know its own name, so that each sudo asks the network for it"]
        );
        assert_eq!(sudo.verdicts(&LOOKUP)[0].remedy, ["run `echo '127.0.1.1 n1' >> /etc/hosts` on the host"]);
    }
}
