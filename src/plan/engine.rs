//! Where a host's engine comes from: what is installed for it, what is in its way, and what keeps it as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::distribution::{self, DOCKER, DOCKER_ENGINE, VERSIONED};
use super::templates::Texts;
use super::view::{Choices, Host};
use crate::facts::Engine;
use crate::inventory::model::{EngineSource, Inventory, Node, Proxy, Repository, RepositoryKey};
use crate::resource::packages::version::is_older;
use crate::resource::repository::{self, KeySource};
use crate::resource::{Key, Observed, Problem, Resource, dropin, file, hold, member, packages};

/// The unit that the engine runs as.
pub(super) const UNIT: &str = "docker.service";

/// What a host's engine takes.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// What lets packages be fetched, whatever they are.
    pub(super) ways: Vec<Resource>,
    /// The repository; it stands before the packages that come from it.
    pub(super) repository: Option<Resource>,
    /// The engine's packages.
    pub(super) packages: Option<packages::Desired>,
    /// What keeps them as they are.
    pub(super) kept: Vec<Resource>,
    /// What the engine has to know when it starts.
    pub(super) settings: Vec<Resource>,
    /// Who may use it.
    pub(super) users: Option<Resource>,
    /// Why its packages are left as they are.
    pub(super) problem: Option<Problem>,
}

/// All that has to be observed on any host.
pub(super) fn keys(inventory: &Inventory, texts: &Texts<'_>) -> Vec<Key> {
    let names = distribution::engines();
    let repository =
        (inventory.engine.source == EngineSource::Docker).then(|| Key::Repository(place(inventory)));
    let files = [not_unattended(false, texts), apt_proxy(&inventory.engine.proxy, texts)];
    let always = [
        Key::Packages(names.clone().into()),
        Key::Hold(names),
        engine_proxy(&inventory.engine.proxy, texts).key(),
    ];
    let users = users(inventory).map(|users| users.key());
    always.into_iter().chain(files.map(|file| file.key())).chain(repository).chain(users).collect()
}

/// What the engine of a host takes, given what the host is and has.
pub(super) fn part(inventory: &Inventory, host: &Host, choices: &Choices, texts: &Texts<'_>) -> Part {
    let proxy = &inventory.engine.proxy;
    let mut part = Part {
        ways: vec![apt_proxy(proxy, texts)],
        settings: vec![engine_proxy(proxy, texts)],
        users: users(inventory),
        ..Part::default()
    };
    if let Err(problem) = from_packages(inventory, host, choices, texts, &mut part) {
        part.problem = Some(problem);
    }
    part
}

/// Why the packages of a host's engine cannot be what the inventory wants.
pub(crate) fn package_problem(
    inventory: &Inventory,
    node: &Node,
    host: &Host,
    choices: &Choices,
) -> Option<Problem> {
    part(inventory, host, choices, &Texts::new(&inventory.templates, node)).problem
}

/// Whose packages an engine is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// There is none.
    Nowhere,
    Docker,
    Distro,
    /// No package of either holds it.
    Elsewhere,
}

/// The engine's packages as dpkg has them.
struct Found {
    installed: BTreeMap<String, String>,
    origin: Origin,
}

impl Found {
    fn on(host: &Host) -> Self {
        let observed = match host.observed.get(&Key::Packages(distribution::engines().into())) {
            Some(Ok(Observed::Packages(observed))) => observed.clone(),
            // Why it could not be read is told where the packages are planned.
            _ => packages::Observed::default(),
        };
        // What was interrupted half way counts: it is finished, not replaced.
        let has = |name: &str| {
            observed.installed.contains_key(name) || observed.unfinished.iter().any(|half| half == name)
        };
        let origin = match () {
            () if has(DOCKER_ENGINE) => Origin::Docker,
            () if has(distribution::ENGINE) => Origin::Distro,
            () if host.facts.engine.is_installed() => Origin::Elsewhere,
            () => Origin::Nowhere,
        };
        Self { installed: observed.installed, origin }
    }

    fn of(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().filter(|name| self.installed.contains_key(**name)).copied().collect()
    }
}

/// Adds what is installed, where it comes from, and what is removed for it; nothing of it where there is a problem.
fn from_packages(
    inventory: &Inventory,
    host: &Host,
    choices: &Choices,
    texts: &Texts<'_>,
    part: &mut Part,
) -> Result<(), Problem> {
    let engine = &inventory.engine;
    let found = Found::on(host);
    let named = engine.source_is_named && engine.source != EngineSource::Keep;
    let source = match (engine.source, found.origin) {
        (source, _) if named => source,
        (_, Origin::Docker) => EngineSource::Docker,
        (EngineSource::Keep, Origin::Nowhere) | (_, Origin::Elsewhere) => return Ok(()),
        (_, Origin::Distro | Origin::Nowhere) => EngineSource::Distro,
    };
    let install = match (engine.source, source) {
        (EngineSource::Keep, _) => Vec::new(),
        (_, EngineSource::Docker) if named => DOCKER.to_vec(),
        // An engine that is merely left alone is not completed either.
        (_, EngineSource::Docker) => found.of(&[DOCKER_ENGINE, "docker-ce-cli"]),
        _ => distros(host),
    };
    let versions = engine.version.iter().filter(|_| engine.source != EngineSource::Keep).flat_map(|wanted| {
        let versioned = install.iter().filter(|name| VERSIONED.contains(name));
        versioned.map(|name| ((*name).to_owned(), wanted.clone()))
    });
    let versions: BTreeMap<String, String> = versions.collect();
    let repository = match source {
        EngineSource::Docker if named => Some(docker_repository(inventory, host, texts)?),
        _ => None,
    };
    let in_the_way = if named { found.of(in_the_way_of(source)) } else { Vec::new() };
    if named {
        refuse_replacement(source, &found, &in_the_way, choices.replace_engine)?;
    }
    if !choices.replace_engine {
        refuse_downgrade(&versions, &found)?;
    }
    part.repository = repository;
    part.kept = engine.hold.map(|held| kept(held, source, &install, texts).into()).unwrap_or_default();
    part.packages = Some(packages::Desired {
        install: owned(&install),
        versions,
        asked: distribution::engines(),
        absent: owned(&in_the_way),
        downgrade: choices.replace_engine,
        change_held: true,
        leave_repair: true,
        service: matches!(host.facts.engine, Engine::Running(_) | Engine::Silent { .. })
            .then(|| UNIT.to_owned()),
    });
    Ok(())
}

fn distros(host: &Host) -> Vec<&'static str> {
    let client = distribution::client_apart(&host.facts.system).then_some(distribution::CLIENT);
    [distribution::ENGINE].into_iter().chain(client).collect()
}

fn in_the_way_of(source: EngineSource) -> &'static [&'static str] {
    match source {
        EngineSource::Docker => distribution::IN_DOCKERS_WAY,
        EngineSource::Distro => distribution::IN_DISTROS_WAY,
        EngineSource::Keep => &[],
    }
}

/// Refuses what stands in the way, unless it may be replaced; what came without packages is nobody's to replace.
fn refuse_replacement(
    source: EngineSource,
    found: &Found,
    in_the_way: &[&str],
    replace: bool,
) -> Result<(), Problem> {
    let wanted = match source {
        EngineSource::Docker => "Docker's packages",
        _ => "the distribution's engine",
    };
    if found.origin == Origin::Elsewhere {
        return Err(Problem {
            message: format!("there is an engine that no package holds, in the way of {wanted}"),
            help: "remove it the way it came, or write `source: keep` under `engine` in the inventory"
                .to_owned(),
        });
    }
    if in_the_way.is_empty() || replace {
        return Ok(());
    }
    let are = if in_the_way.len() == 1 { "is" } else { "are" };
    Err(Problem {
        message: format!("{} {are} in the way of {wanted}", in_the_way.join(", ")),
        help: "`--replace-engine` replaces what is in the way (images, volumes and the swarm stay); `source: keep` \
               leaves the engine as it is"
            .to_owned(),
    })
}

fn refuse_downgrade(versions: &BTreeMap<String, String>, found: &Found) -> Result<(), Problem> {
    let newer = versions.iter().find_map(|(name, wanted)| {
        let installed = found.installed.get(name)?;
        is_older(wanted, installed).then(|| format!("{name} is {installed}, and `{wanted}` would be older"))
    });
    newer.map_or(Ok(()), |message| {
        Err(Problem {
            message,
            help: "an older engine may not read what a newer one wrote: if that is meant, `--replace-engine` goes back; \
                   else correct `engine.version`"
                .to_owned(),
        })
    })
}

/// The apt repository with Docker's packages for a host.
fn docker_repository(inventory: &Inventory, host: &Host, texts: &Texts<'_>) -> Result<Resource, Problem> {
    let system = &host.facts.system;
    let help =
        "write `source: distro` under `engine`, or name a repository that has them under `engine.repository`";
    let problem = |message: String| Problem { message, help: help.to_owned() };
    let (url, suite, signed_by, fingerprint) = match &inventory.engine.repository {
        Some(Repository { url, suite, key, fingerprint }) => {
            let suite = suite.clone().or_else(|| distribution::suite(system));
            let unknown = || {
                problem(format!(
                    "{} has no code name, so the repository's suite is not known",
                    system.pretty_name
                ))
            };
            (url.clone(), suite.ok_or_else(unknown)?, signed_by(key), fingerprint.clone())
        }
        None => {
            let place = distribution::docker_has(system).map_err(problem)?;
            let url = format!("{}/{}", distribution::DOCKER_URL, place.distribution);
            let key = KeySource::Url(format!("{url}/gpg"));
            (url, place.suite, key, None)
        }
    };
    let key = place(inventory);
    let text = texts.render(
        "docker.sources.j2",
        json!({
            "url": url,
            "components": if suite.ends_with('/') { "" } else { "stable" },
            "suite": suite,
            "architecture": system.architecture,
            "key": repository::key_file(&key.name),
        }),
    );
    let fingerprint = fingerprint.unwrap_or_else(|| distribution::DOCKER_FINGERPRINT.to_owned());
    Ok(Resource::Repository(repository::Desired { key, text, signed_by, fingerprint }))
}

fn signed_by(key: &RepositoryKey) -> KeySource {
    match key {
        RepositoryKey::Url(url) => KeySource::Url(url.clone()),
        RepositoryKey::Text(text) => KeySource::Text(text.clone()),
        // Read when the inventory was loaded; a path of this computer means nothing to a host.
        RepositoryKey::File(_) => KeySource::Text(String::new()),
    }
}

/// Where Docker's packages may come from on any host of this inventory.
fn place(inventory: &Inventory) -> repository::Key {
    let own = inventory.engine.repository.iter().map(|repository| repository.url.clone());
    repository::Key {
        name: "docker".to_owned(),
        places: [distribution::DOCKER_URL.to_owned()].into_iter().chain(own).collect(),
        also: BTreeSet::new(),
    }
}

/// Held or not, in both of the ways in which packages change by themselves.
fn kept(held: bool, source: EngineSource, install: &[&str], texts: &Texts<'_>) -> [Resource; 2] {
    let also: &[&str] = match source {
        EngineSource::Docker => DOCKER,
        _ => &[distribution::ENGINE, distribution::CLIENT, distribution::RUNTIME],
    };
    let hold =
        hold::Desired { asked: distribution::engines(), packages: owned(install), also: owned(also), held };
    [Resource::Hold(hold), not_unattended(held, texts)]
}

/// Keeps unattended-upgrades from the engine; it leaves engines stopped now and then (docker/for-linux#813).
fn not_unattended(held: bool, texts: &Texts<'_>) -> Resource {
    // Regular expressions that begin where the name does.
    let names = DOCKER.iter().chain(&[distribution::ENGINE, distribution::CLIENT, distribution::RUNTIME]);
    let names: Vec<_> = names.map(|name| name.replace('.', "\\.")).collect();
    let text = if held {
        texts.render("engine-not-unattended.conf.j2", json!({ "packages": names }))
    } else {
        String::new()
    };
    system_file("/etc/apt/apt.conf.d/51skep-engine", text)
}

fn apt_proxy(proxy: &Proxy, texts: &Texts<'_>) -> Resource {
    // apt knows hosts only, neither domains nor networks.
    let is_host = |name: &&String| !name.starts_with('.') && !name.contains(['*', '/', ':']);
    let direct: Vec<_> = proxy.no_proxy.iter().filter(is_host).collect();
    let text = match proxy {
        Proxy { http: None, https: None, .. } => String::new(),
        Proxy { http, https, .. } => {
            texts.render("apt-proxy.conf.j2", json!({ "http": http, "https": https, "direct": direct }))
        }
    };
    system_file("/etc/apt/apt.conf.d/95skep-proxy", text)
}

/// In a drop-in, which engines of every version understand; `proxies` in daemon.json is for those from 23.0 on.
fn engine_proxy(proxy: &Proxy, texts: &Texts<'_>) -> Resource {
    let value = |url: &Option<String>| url.as_ref().map(|url| url.replace('%', "%%"));
    let text = match proxy {
        Proxy { http: None, https: None, .. } => String::new(),
        Proxy { http, https, no_proxy } => texts.render(
            "docker-proxy.conf.j2",
            json!({ "http": value(http), "https": value(https), "no_proxy": no_proxy.join(",") }),
        ),
    };
    Resource::Dropin(dropin::Desired {
        unit: UNIT.to_owned(),
        name: "10-skep-proxy.conf".to_owned(),
        text,
        restart: true,
    })
}

fn system_file(path: &str, text: String) -> Resource {
    Resource::File(file::Desired { path: path.into(), text, mode: 0o644, uid: 0, gid: 0 })
}

fn users(inventory: &Inventory) -> Option<Resource> {
    let users: BTreeSet<String> = inventory.engine.group.iter().cloned().collect();
    (!users.is_empty()).then(|| Resource::Member(member::Key { group: "docker".to_owned(), users }))
}

fn owned(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests;
