//! The inventory that the nodes make, for people to read and to go on with.

use super::settle::{Login, Node};
use crate::inventory::document::{Entry, Value};

/// What an inventory is written from.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    pub(super) name: &'a str,
    pub(super) nodes: &'a [Node],
    /// Where it comes from, for the first lines.
    pub(super) origin: &'a str,
    /// The engine that something else installed.
    pub(super) engine: Option<&'a str>,
}

/// The text of the inventory.
pub(super) fn write(cluster: &Cluster<'_>) -> String {
    let header = format!(
        "yaml-language-server: $schema=./schema.json\n\n\
         Made by `skep inventory import` from {}.\n\
         `skep plan` shows what would change, `skep up` does it. Every key is explained in docs/inventory.md.\n",
        cluster.origin
    );
    let shared = Shared::of(cluster.nodes);
    let mut sections = vec![Entry::new("name", Value::text(cluster.name))];
    let defaults = shared.entries();
    if !defaults.is_empty() {
        sections.push(Entry::new("defaults", Value::Map(defaults)));
    }
    let nodes = cluster.nodes.iter().map(|node| Entry::new(&node.name, Value::Map(shared.node(node))));
    sections.push(Entry::new("nodes", Value::Map(nodes.collect())));
    if let Some(engine) = cluster.engine {
        let keep = Value::Map(vec![Entry::new("source", Value::text("keep"))]);
        let why = format!(
            "{engine} is left as it is; without these two lines skep installs the distribution's engine."
        );
        sections.push(Entry::new("engine", keep).above(&why));
    }
    let comment: String =
        header.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
    comment + "\n" + &Value::Map(sections).yaml()
}

/// What all nodes have in common, and so stands once.
struct Shared(Login);

/// A value where both have it alike.
fn alike<T: Clone + PartialEq>(one: &Option<T>, other: &Option<T>) -> Option<T> {
    one.clone().filter(|_| one == other)
}

/// A value unless it is shared.
fn own<T: Clone>(value: &Option<T>, shared: &Option<T>) -> Option<T> {
    value.clone().filter(|_| shared.is_none())
}

impl Shared {
    fn of(nodes: &[Node]) -> Self {
        match nodes {
            [first, rest @ ..] if !rest.is_empty() => {
                Self(rest.iter().fold(first.login.clone(), |shared, node| common(&shared, &node.login)))
            }
            _ => Self(Login::default()),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        login(&self.0)
    }

    /// The keys of a node, without what it shares.
    fn node(&self, node: &Node) -> Vec<Entry> {
        let mut entries = vec![
            Entry::new("address", Value::text(&node.address)),
            Entry::new("role", Value::text(if node.manager { "manager" } else { "worker" })),
        ];
        entries.extend(node.advertise.as_ref().map(|address| Entry::new("advertise", Value::text(address))));
        entries.extend(login(&without(&node.login, &self.0)));
        if !node.labels.is_empty() {
            let labels = node.labels.iter().map(|(key, value)| Entry::new(key, Value::text(value)));
            entries.push(Entry::new("labels", Value::Map(labels.collect())));
        }
        entries
    }
}

fn common(one: &Login, other: &Login) -> Login {
    Login {
        user: alike(&one.user, &other.user),
        port: alike(&one.port, &other.port),
        keys: if one.keys == other.keys { one.keys.clone() } else { Vec::new() },
        password: alike(&one.password, &other.password),
        key_passphrase: alike(&one.key_passphrase, &other.key_passphrase),
        known_hosts: alike(&one.known_hosts, &other.known_hosts),
        jump: alike(&one.jump, &other.jump),
        proxy_command: alike(&one.proxy_command, &other.proxy_command),
        doas: one.doas && other.doas,
        sudo_password: alike(&one.sudo_password, &other.sudo_password),
    }
}

fn without(login: &Login, shared: &Login) -> Login {
    Login {
        user: own(&login.user, &shared.user),
        port: own(&login.port, &shared.port),
        keys: if shared.keys.is_empty() { login.keys.clone() } else { Vec::new() },
        password: own(&login.password, &shared.password),
        key_passphrase: own(&login.key_passphrase, &shared.key_passphrase),
        known_hosts: own(&login.known_hosts, &shared.known_hosts),
        jump: own(&login.jump, &shared.jump),
        proxy_command: own(&login.proxy_command, &shared.proxy_command),
        doas: login.doas && !shared.doas,
        sudo_password: own(&login.sudo_password, &shared.sudo_password),
    }
}

fn login(login: &Login) -> Vec<Entry> {
    let Login {
        user,
        port,
        keys,
        password,
        key_passphrase,
        known_hosts,
        jump,
        proxy_command,
        doas,
        sudo_password,
    } = login;
    let mut entries = Vec::new();
    let text = |entries: &mut Vec<Entry>, key: &str, value: &Option<String>| {
        entries.extend(value.as_ref().map(|value| Entry::new(key, Value::text(value))));
    };
    let secret = |entries: &mut Vec<Entry>, key: &str, variable: &Option<String>| {
        let source = |name: &String| Value::Map(vec![Entry::new("env", Value::text(name))]);
        entries.extend(variable.as_ref().map(|variable| Entry::new(key, source(variable))));
    };
    text(&mut entries, "user", user);
    entries.extend(port.map(|port| Entry::new("port", Value::Plain(port.into()))));
    match keys.as_slice() {
        [] => {}
        [key] => entries.push(Entry::new("key", Value::text(key))),
        keys => entries.push(Entry::new("keys", Value::texts(keys))),
    }
    secret(&mut entries, "password", password);
    secret(&mut entries, "key_passphrase", key_passphrase);
    text(&mut entries, "known_hosts", known_hosts);
    text(&mut entries, "jump", jump);
    text(&mut entries, "proxy_command", proxy_command);
    if *doas {
        entries.push(Entry::new("sudo", Value::text("doas")));
    }
    secret(&mut entries, "sudo_password", sudo_password);
    entries
}
