//! What was understood of an inventory: every default filled in, each value with where it comes from. A secret is
//! shown by its source alone, as everywhere.

mod first_login;

use std::path::{Path, PathBuf};

use super::document::{Entry, Value};
use super::file::{self, File};
use super::model::{
    Engine, EngineSource, Hook, HookPhase, Inventory, Jump, Login, Node, NodeName, Proxy, Repository,
    RepositoryKey, Share, ShareMount, Sudo, Swarm,
};
use super::secret::SecretSource;
use crate::mask::masked;

/// What was understood of an inventory.
#[derive(Debug)]
pub struct Show<'a> {
    /// What is written.
    pub file: &'a File,
    /// What is meant, further files unread.
    pub inventory: &'a Inventory,
    /// The folder that relative paths are meant from: the current one. Shown paths are absolute, so that they mean the
    /// same wherever the text goes.
    pub folder: &'a Path,
}

/// Where a value comes from, for what a node does not say itself.
const FROM_DEFAULTS: &str = "from `defaults`";
pub(super) const DEFAULT: &str = "default";
/// Every node, every phase.
const ALL: &str = "all";

impl Show<'_> {
    /// The whole inventory. As YAML it loads again and means the same, but for what is hidden.
    pub fn all(&self) -> Value {
        let Inventory { path: _, name, nodes, engine, shares, swarm, boot, templates, hooks } =
            self.inventory;
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
        sections.push(Entry::new("boot", self.file.boot.show(*boot)));
        if let Some(folder) = &templates.folder {
            sections.push(Entry::new("templates", Value::text(self.path(folder))));
        }
        if !hooks.is_empty() {
            let hooks =
                hooks.iter().enumerate().map(|(index, hook)| self.hook(hook, self.file.hooks.get(index)));
            sections.push(Entry::new("hooks", Value::List(hooks.collect())));
        }
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
        let Node { name: _, place: _, address, mac, role, login, first_login, advertise, labels } = node;
        let mut entries = vec![
            Entry::new("address", Value::text(address)),
            Entry::new("role", Value::text(role.to_string()))
                .beside(written.role.is_none().then_some(FROM_DEFAULTS)),
        ];
        entries.extend(mac.as_ref().map(|mac| Entry::new("mac", Value::text(mac))));
        entries.push(match advertise {
            Some(address) => Entry::new("advertise", Value::text(address.to_string())),
            None => Entry::comment("advertise: found out on the node"),
        });
        self.login(login, written, &mut entries);
        let inherited = written.first_login.is_none().then_some(FROM_DEFAULTS);
        entries.extend(first_login.as_ref().map(|first| self.first_login(first).beside(inherited)));
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
        let Login {
            user,
            port,
            keys,
            password,
            key_passphrase,
            host_key,
            known_hosts,
            jump,
            proxy_command,
            sudo,
            sudo_password,
        } = login;
        let secret = |source: &SecretSource| self.secret(source);
        let text = |text: &String| Value::text(text);
        let own_way = written.jump.is_some() || written.proxy_command.is_some();
        // What is absent is by the user's ssh configuration, which only a connection resolves.
        let rows = [
            Row::new(
                "user",
                user.as_ref().map(text),
                written.user.is_some(),
                "by your ssh configuration, else your own name",
            ),
            Row::new(
                "port",
                port.map(|port| Value::Plain(port.into())),
                written.port.is_some(),
                "by your ssh configuration, else 22",
            ),
            Row::new(
                "keys",
                self.keys(keys),
                written.key.is_some() || written.keys.is_some(),
                "by your ssh configuration, else the SSH agent and ~/.ssh/id_*",
            ),
            Row::new(
                "password",
                password.as_ref().map(secret),
                written.password.is_some(),
                "asked for where it is wanted",
            ),
            Row::new(
                "key_passphrase",
                key_passphrase.as_ref().map(secret),
                written.key_passphrase.is_some(),
                "asked for where it is wanted",
            ),
            Row::new("host_key", host_key.as_ref().map(text), true, "as known_hosts has it"),
            Row::new(
                "known_hosts",
                known_hosts.as_ref().map(|path| Value::text(self.path(path))),
                written.known_hosts.is_some(),
                "by your ssh configuration, else ~/.ssh/known_hosts",
            ),
            Row::new("jump", jump.as_ref().map(jump_value), own_way, "by your ssh configuration, else none"),
            Row::new("proxy_command", proxy_command.as_ref().map(text), own_way, ""),
            Row::new("sudo", Some(Value::text(sudo_name(*sudo))), written.sudo.is_some(), ""),
            Row::new(
                "sudo_password",
                sudo_password.as_ref().map(secret),
                written.sudo_password.is_some(),
                "asked for where sudo wants one",
            ),
        ];
        let unwritten = |key: &str| key == "sudo" && defaults.sudo.is_none();
        entries.extend(rows.into_iter().filter_map(|row| row.entry(&unwritten)));
    }

    fn keys(&self, keys: &[PathBuf]) -> Option<Value> {
        (!keys.is_empty()).then(|| Value::texts(keys.iter().map(|key| self.path(key))))
    }

    pub(super) fn secret(&self, source: &SecretSource) -> Value {
        let (key, value) = match source {
            SecretSource::Env(name) => ("env", name.clone()),
            SecretSource::File(path) => ("file", self.path(path)),
            SecretSource::Command(command) => ("command", command.clone()),
        };
        Value::Map(vec![Entry::new(key, Value::Text(value))])
    }

    fn engine(&self, engine: &Engine) -> Value {
        let Engine { source, source_is_named, version, hold, repository, proxy, group, options } = engine;
        let mut entries = Vec::new();
        entries.push(match source_is_named {
            true => Entry::new("source", Value::text(source_name(*source))),
            // Written out it would mean more.
            false => Entry::comment("source: distro where a node has no engine; one that is there stays"),
        });
        entries.push(match version {
            Some(version) => Entry::new("version", Value::text(version)),
            None => Entry::comment("version: whatever the source has"),
        });
        entries.push(match hold {
            Some(hold) => Entry::new("hold", Value::Plain((*hold).into()))
                .beside(self.file.engine.hold.is_none().then_some(DEFAULT)),
            None => Entry::comment("hold: as the packages are"),
        });
        entries.extend(
            repository.as_ref().map(|repository| Entry::new("repository", self.repository(repository))),
        );
        if *proxy != Proxy::default() {
            entries.push(Entry::new("proxy", self::proxy(proxy)));
        }
        if !group.is_empty() {
            entries.push(Entry::new("group", Value::texts(group)));
        }
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

    fn repository(&self, repository: &Repository) -> Value {
        let Repository { url, suite, key, fingerprint } = repository;
        let mut entries = vec![Entry::new("url", Value::text(masked(url)))];
        entries.push(match suite {
            Some(suite) => Entry::new("suite", Value::text(suite)),
            None => Entry::comment("suite: the node's code name"),
        });
        entries.push(match key {
            RepositoryKey::Url(url) => Entry::new("key", Value::text(masked(url))),
            RepositoryKey::File(path) => Entry::new("key", Value::text(self.path(path))),
            RepositoryKey::Text(_) => Entry::comment("key: read from a file"),
        });
        entries.push(match fingerprint {
            Some(digits) => Entry::new("key_fingerprint", Value::text(digits)),
            None => Entry::comment("key_fingerprint: that of Docker's own key"),
        });
        Value::Map(entries)
    }

    fn hook(&self, hook: &Hook, written: Option<&file::Hook>) -> Value {
        let Hook { name, place: _, when, phase, script, text, limit } = hook;
        let on = written.and_then(|written| written.on.as_ref());
        let on = on.map_or_else(|| vec![ALL], |on| on.iter().map(|name| name.as_str()).collect());
        let run = match script {
            Some(path) => Entry::new("script", Value::text(self.path(path))),
            None => Entry::new("run", Value::text(masked(text))),
        };
        Value::Map(vec![
            Entry::new("name", Value::text(name)),
            Entry::new("on", Value::texts(on)),
            Entry::new("when", Value::text(when.to_string())),
            Entry::new("phase", Value::text(phase_name(*phase))),
            run,
            Entry::new("timeout", Value::Plain(limit.as_secs().into())),
        ])
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

fn proxy(proxy: &Proxy) -> Value {
    let Proxy { http, https, no_proxy } = proxy;
    let mut entries = Vec::new();
    entries.extend(http.as_ref().map(|url| Entry::new("http", Value::text(masked(url)))));
    entries.extend(https.as_ref().map(|url| Entry::new("https", Value::text(masked(url)))));
    if !no_proxy.is_empty() {
        entries.push(Entry::new("no_proxy", Value::texts(no_proxy)));
    }
    Value::Map(entries)
}

/// A key of a login.
struct Row {
    key: &'static str,
    value: Option<Value>,
    /// Whether the node says it itself.
    own: bool,
    /// What holds where nobody says anything; nothing is said where it is empty.
    otherwise: &'static str,
}

impl Row {
    fn new(key: &'static str, value: Option<Value>, own: bool, otherwise: &'static str) -> Self {
        Self { key, value, own, otherwise }
    }

    /// With where it comes from, or as a comment on what holds instead. Some keys have a value though nobody wrote one.
    fn entry(self, unwritten: &dyn Fn(&str) -> bool) -> Option<Entry> {
        let origin = match (self.own, unwritten(self.key)) {
            (true, _) => None,
            (false, true) => Some(DEFAULT),
            (false, false) => Some(FROM_DEFAULTS),
        };
        match self.value {
            Some(value) => Some(Entry::new(self.key, value).beside(origin)),
            None if self.otherwise.is_empty() => None,
            None => Some(Entry::comment(format!("{}: {}", self.key, self.otherwise))),
        }
    }
}

fn jump_value(jump: &Jump) -> Value {
    match jump {
        Jump::None => Value::text("none"),
        Jump::Via(hops) => Value::text(hops.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
    }
}

fn source_name(source: EngineSource) -> &'static str {
    match source {
        EngineSource::Docker => "docker",
        EngineSource::Distro => "distro",
        EngineSource::Keep => "keep",
    }
}

fn phase_name(phase: HookPhase) -> &'static str {
    match phase {
        HookPhase::Packages => "packages",
        HookPhase::Kernel => "kernel",
        HookPhase::Engine => "engine",
        HookPhase::Exports => "exports",
        HookPhase::Mounts => "mounts",
        HookPhase::Swarm => "swarm",
        HookPhase::Labels => "labels",
        HookPhase::All => ALL,
    }
}

fn sudo_name(sudo: Sudo) -> &'static str {
    match sudo {
        Sudo::Auto => "auto",
        Sudo::Always => "always",
        Sudo::Never => "never",
        Sudo::Doas => "doas",
    }
}

#[cfg(test)]
mod tests;
