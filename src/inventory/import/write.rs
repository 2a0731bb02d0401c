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

impl Shared {
    fn of(nodes: &[Node]) -> Self {
        let Some(first) = nodes.first().filter(|_| nodes.len() > 1).map(|node| &node.login) else {
            return Self(Login::default());
        };
        let all = |same: &dyn Fn(&Login) -> bool| nodes.iter().all(|node| same(&node.login));
        Self(Login {
            user: first.user.clone().filter(|_| all(&|login| login.user == first.user)),
            port: first.port.filter(|_| all(&|login| login.port == first.port)),
            keys: if all(&|login| login.keys == first.keys) { first.keys.clone() } else { Vec::new() },
            password: first.password.clone().filter(|_| all(&|login| login.password == first.password)),
            known_hosts: first
                .known_hosts
                .clone()
                .filter(|_| all(&|login| login.known_hosts == first.known_hosts)),
        })
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
        let Login { user, port, keys, password, known_hosts } = &node.login;
        entries.extend(login(&Login {
            user: user.clone().filter(|_| self.0.user.is_none()),
            port: port.filter(|_| self.0.port.is_none()),
            keys: if self.0.keys.is_empty() { keys.clone() } else { Vec::new() },
            password: password.clone().filter(|_| self.0.password.is_none()),
            known_hosts: known_hosts.clone().filter(|_| self.0.known_hosts.is_none()),
        }));
        if !node.labels.is_empty() {
            let labels = node.labels.iter().map(|(key, value)| Entry::new(key, Value::text(value)));
            entries.push(Entry::new("labels", Value::Map(labels.collect())));
        }
        entries
    }
}

fn login(login: &Login) -> Vec<Entry> {
    let Login { user, port, keys, password, known_hosts } = login;
    let mut entries = Vec::new();
    entries.extend(user.as_ref().map(|user| Entry::new("user", Value::text(user))));
    entries.extend(port.map(|port| Entry::new("port", Value::Plain(port.into()))));
    match keys.as_slice() {
        [] => {}
        [key] => entries.push(Entry::new("key", Value::text(key))),
        keys => entries.push(Entry::new("keys", Value::texts(keys))),
    }
    entries.extend(
        password.as_ref().map(|variable| {
            Entry::new("password", Value::Map(vec![Entry::new("env", Value::text(variable))]))
        }),
    );
    entries.extend(known_hosts.as_ref().map(|file| Entry::new("known_hosts", Value::text(file))));
    entries
}
