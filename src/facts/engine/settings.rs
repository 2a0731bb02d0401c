//! How an engine runs, as it tells of itself: no plan depends on it, but an audit judges it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{list, string};

/// How an engine runs, from `GET /info`. What an engine does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where it keeps its data.
    pub root: String,
    /// What its storage driver says of itself: `Backing Filesystem` is `extfs`, `Supports d_type` is `true`.
    pub storage: BTreeMap<String, String>,
    /// What limits its containers: `systemd`, `cgroupfs`, `none`.
    pub cgroup_driver: String,
    /// What keeps the logs of containers: `json-file`.
    pub log_driver: String,
    /// What holds containers back: `name=seccomp,profile=default`.
    pub security: Vec<String>,
    /// What it warns of itself.
    pub warnings: Vec<String>,
    /// Registries and networks that it talks to without verified TLS; those of this host itself left out.
    pub insecure_registries: Vec<String>,
}

/// Networks of which every engine says that registries there need no TLS: the host itself.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Reads it from the answer to `/info`.
pub(super) fn settings(info: &Value) -> Settings {
    let texts =
        |values: &Value| list(values).filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    Settings {
        root: string(info, "/DockerRootDir"),
        storage: list(&info["DriverStatus"])
            .filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())))
            .collect(),
        cgroup_driver: string(info, "/CgroupDriver"),
        log_driver: string(info, "/LoggingDriver"),
        security: texts(&info["SecurityOptions"]),
        warnings: texts(&info["Warnings"]),
        insecure_registries: insecure(&info["RegistryConfig"]),
    }
}

fn insecure(registries: &Value) -> Vec<String> {
    let networks = list(&registries["InsecureRegistryCIDRs"]).filter_map(Value::as_str);
    let networks = networks.filter(|network| !LOOPBACK.contains(network)).map(str::to_owned);
    let hosts = registries["IndexConfigs"].as_object().into_iter().flatten();
    let hosts = hosts.filter(|(_, registry)| registry["Secure"] == false).map(|(host, _)| host.clone());
    networks.chain(hosts).collect()
}
