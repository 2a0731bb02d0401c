//! The first inventory: hosts from the command line to commented YAML that loads as it stands.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use super::host_arg::HostArg;
use super::scalar::scalar;

/// Why no inventory can be written for these hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaffoldError {
    /// There are none.
    #[error("no hosts: name at least one, `skep init pi@192.168.2.1 192.168.2.2 192.168.2.3`")]
    NoHosts,
    /// One stands there twice.
    #[error("`{0}` stands there twice; each node is a machine of its own")]
    Twice(HostArg),
}

/// The inventory for these hosts, named `n1`, `n2`, …; the first is the first manager.
///
/// # Errors
/// Without hosts, and where one is named twice.
pub fn scaffold(name: &str, hosts: &[HostArg]) -> Result<String, ScaffoldError> {
    let first = hosts.first().ok_or(ScaffoldError::NoHosts)?;
    let mut seen = HashSet::new();
    if let Some(twice) =
        hosts.iter().find(|host| !seen.insert((host.host.to_lowercase(), host.port.unwrap_or(22))))
    {
        return Err(ScaffoldError::Twice(twice.clone()));
    }
    let user = first.user.as_deref();
    let parts = [
        HEADER.replace("NAME", &scalar(name)),
        defaults(user),
        nodes(hosts, user),
        swarm(hosts),
        EXAMPLES.replace("NETWORK", &network(hosts)).replace("SERVER", "n1"),
    ];
    Ok(parts.concat())
}

const HEADER: &str = "\
# yaml-language-server: $schema=./schema.json
#
# The machines of one Docker Swarm, and what they shall be.
# `skep plan` shows what would change, `skep up` does it. Every key is explained in docs/inventory.md.

name: NAME

";

const EXAMPLES: &str = "
# A directory of one node, mounted on the others:
# shares:
#   shared:
#     server: SERVER
#     path: /var/shared/folder
#     clients: [NETWORK]
#     mount: {at: /mnt/shared}

# engine:
#   source: distro            # the distribution's packages; `keep`: whatever is installed
#   options: {log-driver: local}
";

fn defaults(user: Option<&str>) -> String {
    let rest = "\
#   key: ~/.ssh/id_ed25519            # default: the SSH agent, then ~/.ssh/id_*
#   password: {env: PI_PASSWORD}      # or {file: PATH}, {command: \"pass show pi\"}; never the password itself
";
    match user {
        Some(user) => format!("defaults:\n  user: {}\n{}\n", scalar(user), rest.replace("#   ", "  # ")),
        None => format!(
            "# defaults:\n#   user: pi                          # default: your own user name\n{rest}\n"
        ),
    }
}

fn nodes(hosts: &[HostArg], default_user: Option<&str>) -> String {
    let managers = if hosts.len() < 3 { 1 } else { 3 };
    let why = if managers == 1 {
        "# One manager: the swarm stands still while it is off. Two would be worse, for both must be up then;\n\
         # three survive the loss of one.\n"
    } else {
        "# Three managers: more than half of them must be up, so one may be lost. A fourth would not change that,\n\
         # so the number of managers is always odd.\n"
    };
    let lines = hosts.iter().enumerate().map(|(index, host)| {
        let role = if index < managers { "manager" } else { "worker" };
        let user = host.user.as_deref().filter(|user| Some(*user) != default_user);
        let user = user.map(|user| format!(", user: {}", scalar(user))).unwrap_or_default();
        let port = host.port.map(|port| format!(", port: {port}")).unwrap_or_default();
        format!("  n{}: {{address: {}, role: {role}{user}{port}}}\n", index + 1, scalar(&host.host))
    });
    format!("{why}nodes:\n{}", lines.collect::<String>())
}

fn addresses(hosts: &[HostArg]) -> impl Iterator<Item = Ipv4Addr> {
    hosts.iter().filter_map(|host| match host.host.parse() {
        Ok(IpAddr::V4(address)) => Some(address),
        _ => None,
    })
}

/// Docker cuts overlay networks from 10.0.0.0/8: hosts that live there need another piece of it.
fn swarm(hosts: &[HostArg]) -> String {
    let taken: Vec<u8> =
        addresses(hosts).filter(|ip| ip.octets()[0] == 10).map(|ip| ip.octets()[1]).collect();
    let free = (200..=254).chain(1..200).find(|second| !taken.contains(second));
    match free.filter(|_| !taken.is_empty()) {
        Some(second) => format!(
            "\n# Docker's own choice, 10.0.0.0/8, holds your hosts. Use a network that you do not: it is fixed at init.\n\
             swarm: {{address_pool: [10.{second}.0.0/16]}}\n"
        ),
        None => String::new(),
    }
}

/// The /24 of the first host, the likely home network.
fn network(hosts: &[HostArg]) -> String {
    let [a, b, c, _] = addresses(hosts).next().unwrap_or(Ipv4Addr::new(192, 168, 2, 0)).octets();
    format!("{a}.{b}.{c}.0/24")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::inventory::load::{Loaded, Surroundings, read};
    use crate::inventory::model::Role;

    fn hosts(args: &[&str]) -> Vec<HostArg> {
        args.iter().map(|arg| arg.parse().expect("a host")).collect()
    }

    fn loaded(text: &str) -> Loaded {
        let here = Surroundings { folder: "inventory".into(), home: None, user: "me".into() };
        read(Path::new("cluster.yml"), text, &here).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"))
    }

    /// The text with its first level of comment marks taken off `heading` and what follows it.
    fn uncomment(text: &str, heading: &str) -> String {
        let (before, after) = text.split_once(heading).expect("the heading");
        let body = after.trim_start_matches('\n');
        let (part, rest) = body.split_once("\n\n").unwrap_or((body, ""));
        let bare: Vec<_> = part.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
        format!("{before}\n{}\n{rest}", bare.join("\n"))
    }

    #[test]
    fn one_or_three_managers() {
        for (count, managers) in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3), (9, 3)] {
            let args: Vec<_> =
                (1..=count).map(|n| format!("192.168.2.{n}").parse().expect("a host")).collect();
            let inventory = loaded(&scaffold("home", &args).expect("text")).inventory;
            assert_eq!(inventory.managers().count(), managers, "{count}");
            assert_eq!(inventory.nodes.len(), count);
            assert_eq!(inventory.nodes[0].role, Role::Manager);
        }
    }

    #[test]
    fn the_first_user_is_the_default() {
        let text = scaffold("home", &hosts(&["pi@n1", "n2", "root@n3:2222", "[fd00::4]:23"])).expect("text");
        let inventory = loaded(&text).inventory;
        let logins: Vec<_> =
            inventory.nodes.iter().map(|node| (node.login.user.as_deref(), node.login.port)).collect();
        assert_eq!(
            logins,
            [(Some("pi"), None), (Some("pi"), None), (Some("root"), Some(2222)), (Some("pi"), Some(23))]
        );
        assert!(text.contains("defaults:\n  user: pi\n"), "{text}");
    }

    #[test]
    fn without_a_user_there_is_no_default() {
        let inventory = loaded(&scaffold("home", &hosts(&["n1", "pi@n2"])).expect("text")).inventory;
        assert_eq!(inventory.nodes[0].login.user, None);
        assert_eq!(inventory.nodes[1].login.user.as_deref(), Some("pi"));
    }

    #[test]
    fn hosts_in_dockers_pool_get_another() {
        let warned = loaded(&scaffold("home", &hosts(&["10.200.0.1", "10.0.0.2"])).expect("text"));
        assert!(warned.warnings.is_empty(), "{}", warned.warnings);
        assert_eq!(warned.inventory.swarm.address_pool[0].to_string(), "10.201.0.0/16");
    }

    #[test]
    fn the_commented_examples_load_too() {
        let text = scaffold("home", &hosts(&["192.168.7.1", "192.168.7.2"])).expect("text");
        let shared = uncomment(&text, "# A directory of one node, mounted on the others:");
        let inventory =
            loaded(&uncomment(&shared, "# engine:\n").replace("\n  source:", "\nengine:\n  source:"))
                .inventory;
        assert_eq!(inventory.shares[0].clients, ["192.168.7.0/24"]);
        assert_eq!(inventory.shares[0].mount.as_ref().expect("mounted").on[0].0, "n2");
        assert_eq!(inventory.engine.options["log-driver"], "local");
    }

    #[test]
    fn no_hosts_and_doubles_are_refused() {
        assert_eq!(scaffold("home", &[]), Err(ScaffoldError::NoHosts));
        assert!(matches!(scaffold("home", &hosts(&["n1", "pi@N1:22"])), Err(ScaffoldError::Twice(_))));
        assert!(scaffold("home", &hosts(&["n1", "n1:23"])).is_ok());
    }

    proptest! {
        #[test]
        fn it_loads_as_it_stands(
            name in "[a-zA-Z0-9][a-z0-9.-]{0,9}",
            args in proptest::collection::vec("([a-z_][a-z0-9_-]{0,5}@)?([a-z][a-z0-9]{0,5}(\\.lan)?|(10|192)\\.[1-9][0-9]?\\.[0-9]\\.[1-9]|\\[fd00::[1-9a-f]{1,4}\\]|\\PC{1,4})(:[1-9][0-9]{0,3})?", 1..8)
        ) {
            let hosts: Vec<HostArg> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
            prop_assume!(!hosts.is_empty());
            match scaffold(&name, &hosts) {
                Ok(text) => {
                    let loaded = loaded(&text);
                    prop_assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
                    prop_assert_eq!(&loaded.inventory.name, &name);
                    for (node, host) in loaded.inventory.nodes.iter().zip(&hosts) {
                        prop_assert_eq!(&node.address, &host.host);
                        prop_assert_eq!(node.login.port.unwrap_or(22), host.port.unwrap_or(22));
                    }
                }
                Err(error) => prop_assert!(matches!(error, ScaffoldError::Twice(_))),
            }
        }
    }
}
