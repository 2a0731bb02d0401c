//! Section `engine`.

use serde_json::Value;

use super::Checker;
use crate::inventory::model::{Engine, EngineSource};
use crate::inventory::spot::Spot;
use crate::mask::masked;

impl Checker<'_> {
    pub(super) fn engine(&mut self) -> Engine {
        let engine = &self.file.engine;
        if let Some(version) = &engine.version {
            self.engine_version(version);
            if engine.source.map(EngineSource::from) == Some(EngineSource::Keep) {
                let message = "`source: keep` installs nothing, so this version is not seen to".to_owned();
                self.warn(version, message, "take it out, or write `source: distro` or `source: docker`");
            }
        }
        for (key, value) in engine.options.iter() {
            self.engine_option(key, value);
        }
        let options = engine.options.iter().map(|(key, value)| (key.value.clone(), value.value.clone()));
        let mut options: serde_json::Map<String, Value> = options.collect();
        options.extend(self.registry_mirrors());
        let source = engine.source.map_or(EngineSource::Distro, EngineSource::from);
        let version = engine.version.as_ref().map(|version| version.value.clone());
        let holds = source == EngineSource::Docker || (version.is_some() && source != EngineSource::Keep);
        Engine {
            source,
            source_is_named: engine.source.is_some(),
            hold: engine.hold.or(holds.then_some(true)),
            version,
            repository: self.repository(source),
            proxy: self.engine_proxy(),
            group: engine.group.iter().map(|user| self.group_member(user)).collect(),
            options,
        }
    }

    fn group_member(&mut self, user: &Spot<String>) -> String {
        self.user(user);
        user.value.clone()
    }

    fn engine_version(&mut self, version: &Spot<String>) {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".+~:-*".contains(c);
        if version.is_empty() || !version.chars().all(fits) {
            let message = format!("`{}` is not a version", version.escape_debug());
            self.error(version, message, "write it with `*` for what may differ: `\"28.*\"`");
        }
    }

    /// Refuses what dockerd itself would refuse, or what no swarm can run with.
    fn engine_option(&mut self, key: &Spot<String>, value: &Spot<Value>) {
        if holds_a_login(&value.value) {
            let message = format!("`{}` has a password that every user of a node can read", key.value);
            self.warn(key, message, "let these hosts use it without one; skep shows it as `***` only");
        }
        let is_true = value.value == Value::Bool(true);
        match key.as_str() {
            "live-restore" if is_true => {
                let message = "Swarm cannot run with `live-restore`".to_owned();
                self.error(key, message, "take it out: swarm services are restarted elsewhere instead");
            }
            "firewall-backend" if value.value == "nftables" => {
                let message = "Swarm cannot run with the nftables firewall backend".to_owned();
                self.error(value, message, "take it out, or write `firewall-backend: iptables`");
            }
            "hosts" => {
                let message =
                    "`hosts` stops the engine from starting: its systemd unit already has `-H`".to_owned();
                self.error(key, message, "take it out; skep reaches the engine through SSH");
            }
            "iptables" if value.value == Value::Bool(false) => {
                let message = "without iptables neither published ports nor overlay networks work".to_owned();
                self.warn(key, message, "take it out unless rules of your own do the same");
            }
            "log-opts" => self.log_options(value),
            _ => {}
        }
    }

    /// dockerd wants a string for each: `max-file: 3` keeps it from starting.
    fn log_options(&mut self, options: &Spot<Value>) {
        let Value::Object(map) = &options.value else { return };
        for (key, value) in map.iter().filter(|(_, value)| !value.is_string()) {
            let message = format!("`log-opts` wants text, but `{key}` is {value}");
            self.error(options, message, format!("put it in quotes: `{key}: \"{value}\"`"));
        }
    }
}

/// Whether some text in there is masked where it is shown.
fn holds_a_login(value: &Value) -> bool {
    match value {
        Value::String(text) => masked(text) != *text,
        Value::Array(items) => items.iter().any(holds_a_login),
        Value::Object(map) => map.values().any(holds_a_login),
        _ => false,
    }
}
