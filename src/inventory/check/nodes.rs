//! Section `nodes`, with `defaults` filled in.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;

use super::{Checker, Problem};
use crate::inventory::address::{address_trouble, is_user_name};
use crate::inventory::file::{self, Defaults};
use crate::inventory::host_arg::HostArgError;
use crate::inventory::model::{Jump, Login, Node, NodeName, Role, Sudo};
use crate::inventory::secret::{Secret, SecretSource};
use crate::inventory::spot::{Entries, Spot};

/// The port of nodes that have none, as far as the inventory knows.
const SSH_PORT: u16 = 22;
/// Stands for every node in `on:`, so no node can have this name.
pub(super) const ALL: &str = "all";

impl Checker<'_> {
    pub(super) fn nodes(&mut self) -> Vec<Node> {
        let file = self.file;
        let Some(entries) = file.nodes.as_ref().filter(|nodes| !nodes.0.is_empty()) else {
            let span = file.nodes.as_ref().map_or(0..0, |nodes| nodes.span.clone());
            let help = "add `nodes: {n1: {address: 192.168.2.1, role: manager}}`, or start from `skep init`";
            self.report(Problem::error(span, "the inventory has no nodes".into()).help(help));
            return Vec::new();
        };
        self.default_labels();
        let nodes: Vec<_> = entries.iter().map(|(name, node)| self.node(name, node)).collect();
        self.one_address_each(entries, &nodes);
        self.one_advertise_each(entries);
        self.one_mac_each(entries);
        if entries.iter().all(|(_, node)| self.role_of(node) == Some(Role::Worker)) {
            let at = &entries.0[0].0;
            self.error(at, "no node is a manager".into(), "give one node, or three, `role: manager`");
        }
        nodes
    }

    fn node(&mut self, name: &Spot<String>, node: &file::Node) -> Node {
        self.node_name(name);
        if self.role_of(node).is_none() {
            let message = format!("`{}` has no role", name.value);
            self.error(name, message, "add `role: manager` or `role: worker`, here or under `defaults`");
        }
        let mut labels = text_labels(&self.file.defaults.labels);
        self.labels(&node.labels);
        labels.extend(text_labels(&node.labels));
        let login = self.login(node);
        Node {
            name: NodeName(name.value.clone()),
            place: name.place,
            address: self.address(name, node),
            mac: node.mac.as_ref().and_then(|text| self.mac(text)),
            role: self.role_of(node).unwrap_or(Role::Worker),
            first_login: self.first_login(name, node, &login),
            login,
            advertise: node.advertise.as_ref().and_then(|text| self.advertise(text)),
            labels,
        }
    }

    fn role_of(&self, node: &file::Node) -> Option<Role> {
        node.role.or(self.file.defaults.role).map(Role::from)
    }

    fn node_name(&mut self, name: &Spot<String>) {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = name.starts_with(first) && name.chars().all(|c| first(c) || c == '.' || c == '-');
        if !fits || name.len() > 63 {
            let message = format!("`{}` cannot be the name of a node", name.escape_debug());
            let help = "use up to 63 lower-case letters, digits, `.` and `-`, a letter or digit first";
            self.error(name, message, help);
        } else if name.value == ALL {
            self.error(
                name,
                "no node can be called `all`: it stands for every node".into(),
                "choose another name",
            );
        }
    }

    fn address(&mut self, name: &Spot<String>, node: &file::Node) -> String {
        let Some(address) = &node.address else {
            let message = format!("`{}` has no address", name.value);
            self.error(
                name,
                message,
                "add `address:` with the IP address or host name that SSH shall connect to",
            );
            return String::new();
        };
        if let Some((trouble, help)) = address_trouble(address) {
            self.error(address, format!("`{}` {trouble}", address.escape_debug()), help);
        }
        address.value.clone()
    }

    fn advertise(&mut self, text: &Spot<String>) -> Option<IpAddr> {
        let Ok(address) = text.parse::<IpAddr>() else {
            let message = format!("`{}` is not an IP address", text.escape_debug());
            self.error(
                text,
                message,
                "a swarm advertises an IP address of the node, no host name and no port",
            );
            return None;
        };
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            let message = format!("no other node can reach `{address}`");
            self.error(text, message, "use the address that `ip address` shows on the node's network card");
        }
        Some(address)
    }

    fn mac(&mut self, text: &Spot<String>) -> Option<String> {
        let mac = mac(text);
        if mac.is_none() {
            let message = format!("`{}` is no hardware address of a network card", text.escape_debug());
            let help =
                "write six pairs of hexadecimal digits, such as `dc:a6:32:01:02:03`; `skep scan` shows them";
            self.error(text, message, help);
        }
        mac
    }

    fn login(&mut self, node: &file::Node) -> Login {
        let defaults = &self.file.defaults;
        let user = node.user.as_ref().or(defaults.user.as_ref());
        let port = node.port.as_ref().or(defaults.port.as_ref());
        let password = node.password.as_ref().or(defaults.password.as_ref());
        let sudo_password = node.sudo_password.as_ref().or(defaults.sudo_password.as_ref());
        let key_passphrase = node.key_passphrase.as_ref().or(defaults.key_passphrase.as_ref());
        let known_hosts = node.known_hosts.as_ref().or(defaults.known_hosts.as_ref());
        if let Some(user) = user {
            self.user(user);
        }
        if let Some(port) = port.filter(|port| port.value == 0) {
            self.error(port, "0 is no port to connect to".into(), "the SSH server usually listens on 22");
        }
        if let Some(fingerprint) = &node.host_key {
            self.fingerprint(fingerprint);
        }
        let (jump, proxy_command) = self.proxy(node, defaults);
        Login {
            user: user.map(|user| user.value.clone()),
            port: port.map(|port| port.value),
            keys: self.keys(node, defaults),
            password: password.and_then(|secret| self.secret(secret)),
            key_passphrase: key_passphrase.and_then(|secret| self.secret(secret)),
            host_key: node.host_key.as_ref().map(|text| text.value.clone()),
            known_hosts: known_hosts.map(|path| self.local_path(path)),
            jump,
            proxy_command,
            sudo: node.sudo.or(defaults.sudo).map_or(Sudo::Auto, Sudo::from),
            sudo_password: sudo_password.and_then(|secret| self.secret(secret)),
        }
    }

    /// A node's own keys stand in for those of `defaults`; they are not added to them.
    fn keys(&mut self, node: &file::Node, defaults: &Defaults) -> Vec<PathBuf> {
        let own = node.key.is_some() || node.keys.is_some();
        let (key, keys) = if own { (&node.key, &node.keys) } else { (&defaults.key, &defaults.keys) };
        key.iter().chain(keys.iter().flatten()).map(|path| self.local_path(path)).collect()
    }

    /// A node's own way stands in for that of `defaults`.
    fn proxy(&mut self, node: &file::Node, defaults: &Defaults) -> (Option<Jump>, Option<String>) {
        let own = node.jump.is_some() || node.proxy_command.is_some();
        let (jump, command) = match own {
            true => (&node.jump, &node.proxy_command),
            false => (&defaults.jump, &defaults.proxy_command),
        };
        if let (Some(_), Some(command)) = (jump, command) {
            let message = "`jump` and `proxy_command` stand side by side".into();
            self.error(command, message, "keep one of them: both are a way to the same host");
        }
        if let Some(command) = command.as_ref().filter(|command| command.trim().is_empty()) {
            let help = "write a command such as `nc -X 5 -x PROXY %h %p`, or leave the key out";
            self.error(command, "`proxy_command` is empty".into(), help);
        }
        let jump = jump.as_ref().and_then(|jump| self.jump(jump));
        (jump, command.as_ref().map(|command| command.value.clone()))
    }

    fn jump(&mut self, text: &Spot<String>) -> Option<Jump> {
        if text.value == "none" {
            return Some(Jump::None);
        }
        match text.split(',').map(|hop| hop.trim().parse()).collect::<Result<_, HostArgError>>() {
            Ok(hops) => Some(Jump::Via(hops)),
            Err(error) => {
                let help = "write `jump: USER@HOST:PORT`, several with commas, or `jump: none`";
                self.error(text, error.to_string(), help);
                None
            }
        }
    }

    pub(super) fn user(&mut self, user: &Spot<String>) {
        if !is_user_name(user) {
            let message = format!("`{}` cannot be a user name", user.escape_debug());
            self.error(user, message, "write the name alone: `user: pi`");
        }
    }

    pub(super) fn secret(&mut self, secret: &Spot<Secret>) -> Option<SecretSource> {
        let forms =
            "write where it comes from: `{env: NAME}`, `{file: PATH}` or `{command: \"pass show pi\"}`";
        match &secret.value {
            Secret::Source(SecretSource::File(path)) => {
                let path = Spot { value: path.clone(), span: secret.span.clone(), place: secret.place };
                Some(SecretSource::File(self.local_path(&path)))
            }
            Secret::Source(source) => Some(source.clone()),
            Secret::Plain => {
                let problem =
                    Problem::error(secret.span.clone(), "a password stands in the inventory itself".into());
                self.report(problem.label("anyone who reads this file has it").help(forms).secret());
                None
            }
            Secret::Odd(why) => {
                let problem = Problem::error(secret.span.clone(), format!("no source of a password: {why}"));
                self.report(problem.help(forms));
                None
            }
        }
    }

    fn fingerprint(&mut self, text: &Spot<String>) {
        let base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        // SHA-256 is 32 bytes, 43 characters of unpadded base64.
        let fits =
            text.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43 && hash.chars().all(base64));
        if !fits {
            let message = format!("`{}` is not the fingerprint of a host key", text.escape_debug());
            let help = "it looks like `SHA256:` and 43 characters; on the node, \
                        `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it";
            self.error(text, message, help);
        }
    }

    fn default_labels(&mut self) {
        let file = self.file;
        self.labels(&file.defaults.labels);
    }

    fn labels(&mut self, labels: &Entries<Spot<String>>) {
        for (key, value) in labels.iter() {
            if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c.is_control() || c == '=') {
                let message = format!("`{}` cannot be the name of a label", key.escape_debug());
                self.error(key, message, "use letters, digits, `.`, `_`, `-`");
            } else if key.starts_with("skep.") {
                let message = format!("the label `{}` is skep's own", key.value);
                self.error(
                    key,
                    message,
                    "labels that begin with `skep.` bind nodes to this file; choose another name",
                );
            }
            if key.ends_with("arch") && ["arm64", "amd64"].contains(&value.as_str()) {
                let real = if value.value == "arm64" { "aarch64" } else { "x86_64" };
                let help = format!(
                    "`node.platform.arch == {real}` matches without any label; `{}` never does",
                    value.value
                );
                self.warn(key, "Swarm knows each node's architecture already".into(), help);
            }
        }
    }

    fn one_address_each(&mut self, entries: &Entries<file::Node>, nodes: &[Node]) {
        let mut seen: HashMap<(String, u16), &NodeName> = HashMap::new();
        for ((name, raw), node) in entries.iter().zip(nodes).filter(|(_, node)| !node.address.is_empty()) {
            let address =
                node.address.parse::<IpAddr>().map_or(node.address.to_lowercase(), |ip| ip.to_string());
            let at = (address, node.login.port.unwrap_or(SSH_PORT));
            let Some(first) = seen.get(&at) else {
                seen.insert(at, &node.name);
                continue;
            };
            let at = raw.address.as_ref().unwrap_or(name);
            let message = format!("`{}` and `{first}` have the same address `{}`", node.name, node.address);
            self.error(at, message, "each node is a machine of its own; correct one address, or its port");
        }
    }

    fn one_mac_each(&mut self, entries: &Entries<file::Node>) {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (name, node) in entries.iter() {
            let Some((text, mac)) = node.mac.as_ref().and_then(|text| Some((text, mac(text)?))) else {
                continue;
            };
            if let Some(first) = seen.insert(mac, name.as_str()) {
                let message = format!("`{}` and `{first}` have the same hardware address", name.value);
                self.error(text, message, "each network card has its own; correct one of them");
            }
        }
    }

    fn one_advertise_each(&mut self, entries: &Entries<file::Node>) {
        let mut seen: HashMap<IpAddr, &str> = HashMap::new();
        for (name, node) in entries.iter() {
            let Some((text, address)) =
                node.advertise.as_ref().and_then(|text| Some((text, text.parse().ok()?)))
            else {
                continue;
            };
            if let Some(first) = seen.insert(address, name.as_str()) {
                let message =
                    format!("`{}` and `{first}` advertise the same address `{address}`", name.value);
                self.error(text, message, "a swarm needs an address of its own for each node");
            }
        }
    }
}

/// A hardware address in one spelling; none where it is none, or not that of one card.
fn mac(text: &str) -> Option<String> {
    let pairs: Vec<&str> = text.split([':', '-']).collect();
    let bytes = pairs.iter().map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>().filter(|bytes: &Vec<u8>| bytes.len() == 6)?;
    let is_group = bytes[0] & 1 == 1 || bytes.iter().all(|byte| *byte == 0);
    (!is_group).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

fn text_labels(labels: &Entries<Spot<String>>) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect()
}
