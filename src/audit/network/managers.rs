//! Services that look after interfaces, containers' among them.

use crate::audit::{Check, Family, Judgement, Subject};

/// NetworkManager and connman.
pub(in crate::audit) const NETWORK_MANAGER: Check = Check {
    id: "network-manager",
    family: Family::Network,
    title: "services that look after interfaces",
    explanation: "NetworkManager, which full Armbian images have, and connman look after interfaces as they come, those \
                  of containers among them. connman takes their addresses away, which cuts containers off: a warning. \
                  NetworkManager leaves them alone as a rule and only lists them, and older ones asked for an address on \
                  each: a note. Read are the control groups of the services that run, and their configuration, where \
                  `unmanaged-devices` or `NetworkInterfaceBlacklist` names what to leave alone.",
    examine: |case| case.each(judge),
};

fn judge(subject: &Subject<'_>) -> Option<Judgement> {
    let managers = &subject.inspection.network.managers;
    let node = &subject.node.name;
    let Some(manager) = managers.iter().find(|manager| !manager.leaves_docker) else {
        let names = super::list(managers.iter().map(|manager| &manager.name));
        return (!managers.is_empty())
            .then(|| Judgement::ok(format!("{names} leaves Docker's interfaces alone")));
    };
    let message = format!("{} was not told to leave Docker's interfaces alone", manager.name);
    let evidence = format!("{}.service runs", manager.name);
    Some(match manager.name.as_str() {
        "connman" => Judgement::warning(message)
            .seen(evidence, "/etc/connman/main.conf names neither docker nor veth")
            .remedy(format!(
                "on {node}, in /etc/connman/main.conf below [General]: `NetworkInterfaceBlacklist=docker,veth,br-,vmnet,vboxnet,virbr,ifb`, then `systemctl restart connman`"
            )),
        _ => Judgement::note(message)
            .seen(evidence, "no unmanaged-devices names docker or veth")
            .remedy(format!(
                "on {node}: `printf '[keyfile]\\nunmanaged-devices=interface-name:docker*;interface-name:veth*;interface-name:br-*\\n' > /etc/NetworkManager/conf.d/docker.conf && nmcli general reload`"
            )),
    })
}
