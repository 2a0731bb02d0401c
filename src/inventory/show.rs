//! What was understood of an inventory: every default filled in, each value with where it comes from. A secret is
//! shown by its source alone, as everywhere.

use std::path::Path;

use super::document::{Entry, Value};
use super::file::{self, File};
use super::model::{Engine, EngineSource, Inventory, Login, Node, NodeName, Share, ShareMount, Sudo, Swarm};
use super::secret::SecretSource;
use crate::mask::masked;

/// What was understood of an inventory.
#[derive(Debug)]
pub struct Show<'a> {
    /// What is written.
    pub file: &'a File,
    /// What is meant.
    pub inventory: &'a Inventory,
    /// The folder that relative paths are meant from: the current one. Shown paths are absolute, so that they mean the
    /// same wherever the text goes.
    pub folder: &'a Path,
}

/// Where a value comes from, for what a node does not say itself.
const FROM_DEFAULTS: &str = "from `defaults`";
const DEFAULT: &str = "default";

impl Show<'_> {
    /// The whole inventory. As YAML it loads again and means the same, but for what is hidden.
    pub fn all(&self) -> Value {
        let Inventory { path: _, name, nodes, engine, shares, swarm } = self.inventory;
        let mut sections = vec![
            Entry::new("name", Value::text(name)).beside(self.file.name.is_none().then_some(DEFAULT)),
            Entry::new("nodes", Value::Map(nodes.iter().map(|node| self.named(node)).collect())),
            Entry::new("engine", self.engine(engine)),
        ];
        if !shares.is_empty() {
            let shares = shares.iter().map(|share| Entry::new(&share.name, self.share(share)));
            sections.push(Entry::new("shares", Value::Map(shares.collect())));
        }
        sections.push(Entry::new("swarm", self::swarm(swarm)));
        Value::Map(sections)
    }

    /// Some nodes, by name.
    pub fn nodes(&self, names: &[NodeName]) -> Value {
        Value::Map(
            names.iter().filter_map(|name| self.inventory.node(name)).map(|node| self.named(node)).collect(),
        )
    }

    fn named(&self, node: &Node) -> Entry {
        Entry::new(&node.name.0, self.node(node))
    }

    fn node(&self, node: &Node) -> Value {
        let unwritten = file::Node::default();
        let nodes = self.file.nodes.as_ref().map(|nodes| &nodes.value);
        let written = nodes.and_then(|nodes| nodes.get(&node.name.0)).unwrap_or(&unwritten);
        let Node { name: _, place: _, address, role, login, advertise, labels } = node;
        let mut entries = vec![
            Entry::new("address", Value::text(address)),
            Entry::new("role", Value::text(role.to_string()))
                .beside(written.role.is_none().then_some(FROM_DEFAULTS)),
        ];
        entries.push(match advertise {
            Some(address) => Entry::new("advertise", Value::text(address.to_string())),
            None => Entry::comment("advertise: found out on the node"),
        });
        self.login(login, written, &mut entries);
        if !labels.is_empty() {
            let own = |key: &str| written.labels.get(key).is_some();
            let inherited = labels.keys().any(|key| !own(key));
            let labels = labels.iter().map(|(key, value)| Entry::new(key, Value::text(value)));
            entries.push(
                Entry::new("labels", Value::Map(labels.collect()))
                    .beside(inherited.then_some("some or all from `defaults`")),
            );
        }
        Value::Map(entries)
    }

    fn login(&self, login: &Login, written: &file::Node, entries: &mut Vec<Entry>) {
        let defaults = &self.file.defaults;
        let Login { user, port, keys, password, host_key, known_hosts, sudo } = login;
        let origin = |own: bool, default: bool| origin(own, default, DEFAULT);
        entries.push(Entry::new("user", Value::text(user)).beside(self::origin(
            written.user.is_some(),
            defaults.user.is_some(),
            "your own user name",
        )));
        entries.push(
            Entry::new("port", Value::Plain((*port).into()))
                .beside(origin(written.port.is_some(), defaults.port.is_some())),
        );
        entries.push(if keys.is_empty() {
            Entry::comment("key: the SSH agent, then ~/.ssh/id_*")
        } else {
            let own = written.key.is_some() || written.keys.is_some();
            Entry::new("keys", Value::texts(keys.iter().map(|key| self.path(key)))).beside(origin(own, true))
        });
        if let Some(source) = password {
            entries.push(
                Entry::new("password", self.secret(source)).beside(origin(written.password.is_some(), true)),
            );
        }
        if let Some(fingerprint) = host_key {
            entries.push(Entry::new("host_key", Value::text(fingerprint)));
        }
        entries.push(match known_hosts {
            Some(path) => Entry::new("known_hosts", Value::text(self.path(path)))
                .beside(origin(written.known_hosts.is_some(), true)),
            None => Entry::comment("known_hosts: ~/.ssh/known_hosts"),
        });
        entries.push(
            Entry::new("sudo", Value::text(sudo_name(*sudo)))
                .beside(origin(written.sudo.is_some(), defaults.sudo.is_some())),
        );
    }

    fn secret(&self, source: &SecretSource) -> Value {
        let (key, value) = match source {
            SecretSource::Env(name) => ("env", name.clone()),
            SecretSource::File(path) => ("file", self.path(path)),
            SecretSource::Command(command) => ("command", command.clone()),
        };
        Value::Map(vec![Entry::new(key, Value::Text(value))])
    }

    fn engine(&self, engine: &Engine) -> Value {
        let Engine { source, version, options } = engine;
        let is_default = self.file.engine.source.is_none();
        let source = match source {
            EngineSource::Distro => "distro",
            EngineSource::Keep => "keep",
        };
        let mut entries =
            vec![Entry::new("source", Value::text(source)).beside(is_default.then_some(DEFAULT))];
        entries.push(match version {
            Some(version) => Entry::new("version", Value::text(version)),
            None => Entry::comment("version: whatever the source has"),
        });
        if !options.is_empty() {
            let plain = serde_json::Value::Object(options.clone());
            let text = plain.to_string();
            let shown = masked(&text);
            let hidden = (shown != text).then_some("*** stands where something secret is");
            // What is masked is JSON still.
            let shown: serde_json::Value = serde_json::from_str(&shown).unwrap_or_default();
            entries.push(Entry::new("options", shown.into()).beside(hidden));
        }
        Value::Map(entries)
    }

    fn share(&self, share: &Share) -> Value {
        let written = self.file.shares.get(&share.name);
        let is_default = |says: fn(&file::Share) -> bool| (!written.is_some_and(says)).then_some(DEFAULT);
        let Share { name: _, place: _, server, path, clients, options, owner, mode, mount } = share;
        let mut entries = vec![
            Entry::new("server", Value::text(&server.0)),
            Entry::new("path", Value::text(path.display().to_string())),
            Entry::new("clients", Value::texts(clients)),
            Entry::new("options", Value::texts(options)).beside(is_default(|share| share.options.is_some())),
            Entry::new("owner", Value::text(format!("{}:{}", owner.uid, owner.gid)))
                .beside(is_default(|share| share.owner.is_some())),
            Entry::new("mode", Value::text(format!("{mode:04o}")))
                .beside(is_default(|share| share.mode.is_some())),
        ];
        if let Some(ShareMount { at, on, options, remote }) = mount {
            let mut inner = vec![
                Entry::new("at", Value::text(at.display().to_string())),
                Entry::new("on", Value::texts(on.iter().map(|node| &node.0))),
            ];
            if !options.is_empty() {
                inner.push(Entry::new("options", Value::texts(options)));
            }
            inner.push(Entry::new("remote", Value::text(remote.display().to_string())));
            entries.push(Entry::new("mount", Value::Map(inner)));
        }
        Value::Map(entries)
    }

    fn path(&self, path: &Path) -> String {
        self.folder.join(path).display().to_string()
    }
}

fn swarm(swarm: &Swarm) -> Value {
    let Swarm { address_pool, subnet_size, task_history } = swarm;
    let mut entries = Vec::new();
    entries.push(if address_pool.is_empty() {
        Entry::comment("address_pool: Docker's own, 10.0.0.0/8")
    } else {
        Entry::new("address_pool", Value::texts(address_pool.iter().map(ToString::to_string)))
    });
    entries.push(match subnet_size {
        Some(size) => Entry::new("subnet_size", Value::Plain((*size).into())),
        None => Entry::comment("subnet_size: Docker's own, 24"),
    });
    entries.push(match task_history {
        Some(count) => Entry::new("task_history", Value::Plain((*count).into())),
        None => Entry::comment("task_history: Docker's own, 5"),
    });
    Value::Map(entries)
}

/// Nothing is said of what the node says itself.
fn origin(own: bool, defaults: bool, otherwise: &'static str) -> Option<&'static str> {
    match (own, defaults) {
        (true, _) => None,
        (false, true) => Some(FROM_DEFAULTS),
        (false, false) => Some(otherwise),
    }
}

fn sudo_name(sudo: Sudo) -> &'static str {
    match sudo {
        Sudo::Auto => "auto",
        Sudo::Always => "always",
        Sudo::Never => "never",
    }
}

#[cfg(test)]
mod tests;
