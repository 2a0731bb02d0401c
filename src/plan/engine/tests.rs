//! Engines from every source, on hosts that have none, the right one or another.

use std::collections::BTreeMap;

use crate::facts::Engine;
use crate::facts::Support::{BuiltIn, Missing};
use crate::inventory::model::{EngineSource, NodeName, Proxy, Repository, RepositoryKey, Role};
use crate::plan::templates::Texts;
use crate::plan::tests::{bare, see, titles};
use crate::plan::{Finding, Plan, desire, distribution, make};
use crate::resource::iptables::{self, Backend};
use crate::resource::{Key, Observed, hold, packages, repository, unit};
use crate::swarm::AVAILABILITY_LABEL;
use crate::swarm::world::World;

const DISTROS: &[(&str, &str)] =
    &[("docker.io", "20.10.24+dfsg1-1+b3"), ("containerd", "1.6"), ("runc", "1.1")];
const DOCKERS: &[(&str, &str)] = &[
    ("docker-ce", "5:28.5.2-1~debian.12~bookworm"),
    ("docker-ce-cli", "5:28.5.2-1~debian.12~bookworm"),
    ("containerd.io", "1.7"),
    ("docker-buildx-plugin", "0.2"),
    ("docker-compose-plugin", "2.4"),
];

/// One host, in no swarm, with these packages; its engine runs where there are any.
fn host(source: Option<EngineSource>, installed: &[(&str, &str)]) -> World {
    with_packages(named(World::new("home").manager("n1"), source), installed)
}

fn named(mut world: World, source: Option<EngineSource>) -> World {
    world.inventory.engine.source = source.unwrap_or(EngineSource::Distro);
    world.inventory.engine.source_is_named = source.is_some();
    world
}

fn with_packages(mut world: World, installed: &[(&str, &str)]) -> World {
    let besides = distribution::BESIDES.iter().map(|name| (*name, "1"));
    let all: BTreeMap<String, String> = installed
        .iter()
        .copied()
        .chain(besides)
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect();
    for node in &world.inventory.nodes {
        let host = world.hosts.get_mut(&node.name).unwrap();
        if installed.is_empty() {
            host.facts.engine = Engine::Absent { swarm: false };
        } else if !host.facts.engine.is_installed() {
            host.facts.engine = crate::swarm::world::running(crate::swarm::world::outside(
                crate::facts::SwarmState::Inactive,
            ));
        }
        see(host, desire::keys(&world.inventory, node, &world.choices), |key| match key {
            Key::Packages(packages::Asked { names, .. }) => Observed::Packages(packages::Observed {
                installed: all.clone().into_iter().filter(|(name, _)| names.contains(name)).collect(),
                ..Default::default()
            }),
            Key::Hold(_) => Observed::Hold(hold::Observed {
                installed: all.keys().cloned().collect(),
                ..Default::default()
            }),
            Key::Unit(_) => Observed::Unit(unit::Observed {
                load: "loaded".to_owned(),
                enabled: "enabled".to_owned(),
                active: "active".to_owned(),
                masked_by_package: false,
            }),
            Key::Sysctl(key) => {
                Observed::Sysctl(crate::plan::tests::set(&crate::resource::sysctl::Desired {
                    key: key.clone(),
                    value: "1".to_owned(),
                }))
            }
            other => bare(other),
        });
    }
    world
}

fn plan(world: &World) -> Plan {
    make(&world.view())
}

/// The titles of all steps that are about the engine's packages and the swarm's members.
fn engine_titles(plan: &Plan) -> Vec<String> {
    let other = ["enable and start", "join as", "make the swarm", "label "];
    titles(plan).into_iter().filter(|title| !other.iter().any(|words| title.contains(words))).collect()
}

fn only(findings: &[Finding]) -> &Finding {
    assert_eq!(findings.len(), 1, "{findings:?}");
    &findings[0]
}

#[test]
fn each_source_brings_its_own_packages() {
    let docker = plan(&host(Some(EngineSource::Docker), &[]));
    insta::assert_snapshot!(engine_titles(&docker).join("\n"), @r"
    packages n1: docker packages: trust the key 9DC858229FC7DD38854AE2D88D81803C0EBFCD88, write /etc/apt/sources.list.d/docker.sources
    packages n1: install containerd.io, docker-buildx-plugin, docker-ce, docker-ce-cli, docker-compose-plugin
    ");
    let distro = plan(&host(Some(EngineSource::Distro), &[]));
    assert_eq!(engine_titles(&distro), ["packages n1: install docker.io"]);
    let keep = plan(&host(Some(EngineSource::Keep), &[]));
    assert!(only(&keep.refusals).message.contains("has no Docker engine"), "{keep:?}");
}

#[test]
fn what_is_there_already_stays_byte_for_byte() {
    for (source, installed) in [
        (None, DISTROS),
        (None, DOCKERS),
        (None, &[("podman-docker", "4")][..]),
        (None, &[("docker-ce", "5:20.10.24~3-0~debian-bookworm")]),
        (Some(EngineSource::Keep), DOCKERS),
        (Some(EngineSource::Keep), DISTROS),
        (Some(EngineSource::Distro), DISTROS),
    ] {
        let plan = plan(&host(source, installed));
        assert_eq!(engine_titles(&plan), [""; 0], "{source:?} {installed:?}");
        assert!(plan.problems.is_empty() && plan.refusals.is_empty(), "{plan:?}");
    }
}

#[test]
fn dockers_engine_is_settled_once_its_repository_and_its_hold_are() {
    let mut world = host(Some(EngineSource::Docker), DOCKERS);
    world.inventory.engine.hold = Some(true);
    let first = engine_titles(&plan(&world));
    assert_eq!(first.len(), 3, "{first:?}");
    let node = &world.inventory.nodes[0];
    let (resources, problem) = desire::resources(
        &world.inventory,
        node,
        &world.hosts[&node.name],
        &world.choices,
        &Texts::new(&world.inventory.templates, node),
    );
    assert_eq!(problem, None);
    for (_, resource) in resources {
        let key = resource.key();
        let settled = crate::plan::tests::settled_file(&resource).unwrap_or_else(|| match &key {
            Key::Repository(_) | Key::Hold(_) => crate::plan::tests::settled(&resource),
            _ => world.hosts[&NodeName::from("n1")].observed[&key].clone().unwrap(),
        });
        world.hosts.get_mut(&NodeName::from("n1")).unwrap().observed.insert(key, Ok(settled));
    }
    assert_eq!(engine_titles(&plan(&world)), [""; 0]);
}

#[test]
fn another_engine_is_replaced_only_where_that_is_allowed() {
    for (source, installed, names) in [
        (EngineSource::Docker, DISTROS, "docker.io, containerd, runc are in the way of Docker's packages"),
        (EngineSource::Distro, DOCKERS, "in the way of the distribution's engine"),
        (EngineSource::Docker, &[("docker.io", "1")], "docker.io is in the way"),
    ] {
        let mut world = host(Some(source), installed);
        let refused = plan(&world);
        let problem = only(&refused.problems);
        assert!(problem.message.contains(names), "{problem:?}");
        assert!(problem.help.contains("--replace-engine") && problem.help.contains("keep"), "{problem:?}");
        assert_eq!(engine_titles(&refused), [""; 0]);
        world.choices.replace_engine = true;
        let allowed = plan(&world);
        assert!(allowed.problems.is_empty(), "{allowed:?}");
        let titles = engine_titles(&allowed);
        let replaced = titles.iter().find(|title| title.starts_with("engine n1: remove ")).unwrap();
        assert!(replaced.contains(installed[0].0) && replaced.contains(", install "), "{titles:?}");
    }
}

#[test]
fn without_an_engine_what_is_in_the_way_is_a_refusal() {
    let mut world = host(Some(EngineSource::Docker), &[("containerd", "1.6")]);
    world.hosts.get_mut(&NodeName::from("n1")).unwrap().facts.engine = Engine::Absent { swarm: false };
    assert!(only(&plan(&world).refusals).message.contains("containerd is in the way"));
    world.choices.replace_engine = true;
    let titles = engine_titles(&plan(&world));
    assert!(
        titles.iter().any(|title| title.starts_with("packages n1: remove containerd, install ")),
        "{titles:?}"
    );
}

#[test]
fn an_engine_that_no_package_holds_is_nobodys_to_replace() {
    for replace in [false, true] {
        let mut world = host(Some(EngineSource::Docker), &[("iptables", "1")]);
        world.choices.replace_engine = replace;
        let plan = plan(&world);
        assert!(only(&plan.problems).message.contains("no package holds"), "{plan:?}");
    }
    assert_eq!(engine_titles(&plan(&host(None, &[("iptables", "1")]))), [""; 0]);
}

#[test]
fn versions_go_up_by_themselves_and_down_on_demand() {
    let with = |version: &str, source, installed, replace| {
        let mut world = host(source, installed);
        world.inventory.engine.version = Some(version.to_owned());
        world.choices.replace_engine = replace;
        plan(&world)
    };
    for (version, source, installed) in
        [("28.*", None, DOCKERS), ("28.5.2", None, DOCKERS), ("20.10.*", None, DISTROS)]
    {
        assert_eq!(engine_titles(&with(version, source, installed, false)), [""; 0], "{version}");
    }
    let up = engine_titles(&with("29.*", None, DOCKERS, false));
    assert!(
        up.len() == 1 && up[0].contains("docker-ce (from 5:28.5.2-1~debian.12~bookworm to 29.*)"),
        "{up:?}"
    );
    assert!(!up[0].contains("containerd.io"), "{up:?}");
    let down = with("28.4.*", None, DOCKERS, false);
    assert!(only(&down.problems).help.contains("--replace-engine"), "{down:?}");
    assert_eq!(engine_titles(&down), [""; 0]);
    assert_eq!(engine_titles(&with("28.4.*", None, DOCKERS, true)).len(), 1);
    assert_eq!(engine_titles(&with("19.*", Some(EngineSource::Keep), DISTROS, false)), [""; 0]);
}

#[test]
fn hosts_that_docker_does_not_build_for_are_told_by_name() {
    let mut world = host(Some(EngineSource::Docker), &[]);
    world.facts_mut("n1").system.architecture = "riscv64".to_owned();
    let refused = plan(&world);
    let refusal = only(&refused.refusals);
    assert!(refusal.message.contains("n1: Docker has no packages for debian on riscv64"), "{refusal:?}");
    assert!(refusal.help.contains("source: distro"), "{refusal:?}");
    // A repository of the user's own may have what Docker has not.
    world.inventory.engine.repository = Some(own_repository());
    let world = with_packages(world, &[]);
    assert!(plan(&world).refusals.is_empty());
}

fn own_repository() -> Repository {
    Repository {
        url: "http://10.0.0.1/docker".to_owned(),
        suite: None,
        key: RepositoryKey::Text("key".to_owned()),
        fingerprint: Some("AB".repeat(20)),
    }
}

fn repository_of(world: &World) -> repository::Desired {
    let node = &world.inventory.nodes[0];
    let (resources, _) = desire::resources(
        &world.inventory,
        node,
        &world.hosts[&node.name],
        &world.choices,
        &Texts::new(&world.inventory.templates, node),
    );
    let wanted = resources.into_iter().find_map(|(_, resource)| match resource {
        crate::resource::Resource::Repository(wanted) => Some(wanted),
        _ => None,
    });
    wanted.unwrap()
}

#[test]
fn sources_are_written_for_docker_and_for_a_repository_of_ones_own() {
    let mut world = host(Some(EngineSource::Docker), &[]);
    insta::assert_snapshot!(repository_of(&world).text, @r"
    # Written by skep from `engine` in the inventory; what is changed here is changed back.
    Types: deb
    URIs: https://download.docker.com/linux/debian
    Suites: bookworm
    Components: stable
    Architectures: amd64
    Signed-By: /etc/apt/keyrings/docker.asc
    ");
    world.inventory.engine.repository = Some(Repository { suite: Some("./".to_owned()), ..own_repository() });
    let world = with_packages(world, &[]);
    let wanted = repository_of(&world);
    insta::assert_snapshot!(wanted.text, @r"
    # Written by skep from `engine` in the inventory; what is changed here is changed back.
    Types: deb
    URIs: http://10.0.0.1/docker
    Suites: ./
    Architectures: amd64
    Signed-By: /etc/apt/keyrings/docker.asc
    ");
    assert_eq!(wanted.fingerprint, "AB".repeat(20));
    assert_eq!(wanted.key.places, ["https://download.docker.com/linux", "http://10.0.0.1/docker"]);
}

#[test]
fn proxies_reach_apt_before_anything_is_fetched_and_the_engine_before_it_starts() {
    let mut world = host(None, &[]);
    world.inventory.engine.proxy = Proxy {
        http: Some("http://p:3128".to_owned()),
        https: Some("http://p:3129/a%20b".to_owned()),
        no_proxy: vec!["localhost".to_owned(), ".example.net".to_owned(), "10.0.0.0/8".to_owned()],
    };
    let world = with_packages(world, &[]);
    let plan = plan(&world);
    let titles = engine_titles(&plan);
    assert!(titles[0].ends_with("95skep-proxy") && titles[1].contains("10-skep-proxy.conf"), "{titles:?}");
    let texts: Vec<String> =
        plan.steps().filter_map(|(_, step)| step.action.describe().text?.after).take(2).collect();
    insta::assert_snapshot!(texts.concat(), @r#"
    // Written by skep from `engine.proxy` in the inventory; what is changed here is changed back.
    Acquire::http::Proxy "http://p:3128";
    Acquire::https::Proxy "http://p:3129/a%20b";
    Acquire::http::Proxy::localhost "DIRECT";
    Acquire::https::Proxy::localhost "DIRECT";
    # Written by skep from `engine.proxy` in the inventory; what is changed here is changed back.
    [Service]
    Environment="HTTP_PROXY=http://p:3128"
    Environment="HTTPS_PROXY=http://p:3129/a%%20b"
    Environment="NO_PROXY=localhost,.example.net,10.0.0.0/8"
    "#);
}

/// Three managers and a worker with the distribution's engine, which shall be replaced by Docker's.
fn swarm() -> World {
    let members = [("n1", Role::Manager), ("n2", Role::Manager), ("n3", Role::Manager), ("n4", Role::Worker)];
    let world = World::new("home").manager("n1").manager("n2").manager("n3").worker("n4");
    let mut world = named(world.swarm("c1", Some("home"), &members), Some(EngineSource::Docker));
    world.choices.replace_engine = true;
    with_packages(world, DISTROS)
}

/// Drains and replacements in short, in their order.
fn turns(plan: &Plan) -> Vec<String> {
    let short = |title: String| {
        let (_, rest) = title
            .strip_prefix("engine ")?
            .split_once(": ")
            .map(|(node, rest)| (node.to_owned(), rest.to_owned()))?;
        let word = ["drain", "remove", "make available"].into_iter().find(|word| rest.starts_with(word))?;
        let node = title.split([' ', ':']).nth(1)?;
        Some(format!("{node} {word}"))
    };
    titles(plan).into_iter().filter_map(short).collect()
}

#[test]
fn members_are_drained_replaced_and_available_again_one_after_another() {
    let plan = plan(&swarm());
    assert!(plan.problems.is_empty() && plan.refusals.is_empty(), "{plan:?}");
    let expected: Vec<String> = ["n1", "n2", "n3", "n4"]
        .iter()
        .flat_map(|node| ["drain", "remove", "make available"].map(|word| format!("{node} {word}")))
        .collect();
    assert_eq!(turns(&plan), expected);
}

/// Changes what the managers know of a member.
fn know(world: World, id: &str, change: impl Fn(&mut crate::facts::SwarmNode)) -> World {
    world.options(|cluster| {
        let nodes = cluster.nodes.as_mut().unwrap();
        change(nodes.iter_mut().find(|node| node.id == id).unwrap());
    })
}

#[test]
fn a_node_that_its_user_drained_stays_drained() {
    let world = know(swarm(), "id-n4", |node| node.availability = "drain".to_owned());
    assert_eq!(turns(&plan(&world))[9..], ["n4 drain", "n4 remove"]);
}

#[test]
fn what_a_killed_run_left_drained_gets_its_tasks_back() {
    let left = |node: &mut crate::facts::SwarmNode| {
        node.availability = "drain".to_owned();
        node.labels.insert(AVAILABILITY_LABEL.to_owned(), "active".to_owned());
    };
    // Before it was replaced, after it, and without any wish to replace it.
    assert_eq!(
        turns(&plan(&know(swarm(), "id-n4", left)))[9..],
        ["n4 drain", "n4 remove", "n4 make available"]
    );
    let replaced = with_packages(know(swarm(), "id-n4", left), DOCKERS);
    assert_eq!(turns(&plan(&replaced)), ["n4 make available"]);
    let mut unwilling = know(swarm(), "id-n4", left);
    unwilling.choices.replace_engine = false;
    assert_eq!(turns(&plan(&unwilling)), ["n4 make available"]);
    // In the middle: the old one is gone, the new one not there.
    let mut half = know(swarm(), "id-n4", left);
    half.facts_mut("n4").engine = Engine::Absent { swarm: true };
    let only_n4 = half.hosts.get_mut(&NodeName::from("n4")).unwrap();
    for observed in only_n4.observed.values_mut() {
        if let Ok(Observed::Packages(observed)) = observed {
            observed.installed.retain(|name, _| distribution::BESIDES.contains(&name.as_str()));
        }
    }
    let titles = titles(&plan(&half));
    let of = |words: &str| {
        titles.iter().position(|title| title.contains(words)).unwrap_or_else(|| panic!("{words}: {titles:?}"))
    };
    assert!(of("packages n4: install containerd.io") < of("engine n4: make available"), "{titles:?}");
}

#[test]
fn an_engine_that_the_quorum_needs_keeps_running() {
    let world = know(swarm(), "id-n2", |node| {
        node.state = "down".to_owned();
        node.reachability = Some("unreachable".to_owned());
    });
    // Nor is it restarted for anything else.
    let plan = plan(&without_nftables(world.off("n2")));
    let disrupted = plan.steps().filter(|(_, step)| step.action.describe().disrupts.is_some());
    assert!(disrupted.into_iter().all(|(_, step)| step.node.0 == "n4"), "{plan:?}");
    let told: Vec<_> =
        plan.problems.iter().filter(|problem| problem.message.contains("is not replaced")).collect();
    assert!(
        told.len() == 2 && told[0].message.contains("2 of 3 managers answer, and 2 are needed"),
        "{told:?}"
    );
    assert_eq!(turns(&plan), ["n4 drain", "n4 remove", "n4 make available"]);
}

#[test]
fn a_manager_that_would_wait_for_the_unlock_key_keeps_its_engine() {
    let plan = plan(&swarm().options(|cluster| cluster.autolock = true));
    let told: Vec<_> = plan.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        ["n1", "n2", "n3"].map(|node| format!(
            "{node}'s engine is not restarted: the swarm is locked, and it would wait for the unlock key"
        ))
    );
    assert_eq!(turns(&plan), ["n4 drain", "n4 remove", "n4 make available"]);
}

/// Each host with a kernel that its iptables does not go with.
fn without_nftables(mut world: World) -> World {
    for host in world.hosts.values_mut() {
        let options = [("NF_TABLES", Missing), ("IP_NF_FILTER", BuiltIn), ("IP_NF_NAT", BuiltIn)];
        host.facts.kernel.options.extend(options.map(|(name, support)| (name.to_owned(), support)));
        let nft = iptables::Program { backend: Some(Backend::Nft), chosen: false };
        let nft = iptables::Observed { iptables: nft, ip6tables: nft, running: true, stale: false };
        host.observed.insert(Key::Iptables(()), Ok(Observed::Iptables(nft)));
    }
    world
}

#[test]
fn iptables_that_the_kernel_does_not_go_with_is_changed_in_the_engines_turn() {
    let members = [("n1", Role::Manager), ("n2", Role::Worker)];
    let world = World::new("home").manager("n1").worker("n2").swarm("c1", Some("home"), &members);
    let mut replaced = with_packages(named(world.clone(), Some(EngineSource::Docker)), DISTROS);
    replaced.choices.replace_engine = true;
    let world = with_packages(named(world, None), DISTROS);
    let mut world = without_nftables(world);
    let replaced = without_nftables(replaced);
    let about = |world: &World| -> Vec<String> {
        titles(&plan(world)).into_iter().filter(|title| title.contains("iptables-legacy")).collect()
    };
    let change = "make iptables iptables-legacy, which the kernel goes with";
    assert_eq!(about(&world), ["n1", "n2"].map(|node| format!("engine {node}: {change}")));
    let locked = world.clone().options(|cluster| cluster.autolock = true);
    assert_eq!(about(&locked), [format!("engine n2: {change}")]);
    // Another engine starts with it.
    let titles = titles(&plan(&replaced));
    let of = |words: &str| titles.iter().position(|title| title.starts_with(words)).unwrap();
    let order = ["engine n1: drain", &format!("engine n1: {change}"), "engine n1: remove"].map(of);
    assert!(order.is_sorted(), "{titles:?}");
    world.facts_mut("n2").engine = Engine::Absent { swarm: false };
    assert_eq!(about(&world)[0], format!("kernel n2: {change}"));
}

#[test]
fn the_only_manager_is_replaced_with_a_warning() {
    let members = [("n1", Role::Manager), ("n2", Role::Worker)];
    let world = World::new("home").manager("n1").worker("n2").swarm("c1", Some("home"), &members);
    let mut world = named(world, Some(EngineSource::Docker));
    world.choices.replace_engine = true;
    let plan = plan(&with_packages(world, DISTROS));
    assert!(plan.warnings.iter().any(|warning| warning.message.contains("is the only manager")), "{plan:?}");
    assert_eq!(turns(&plan).len(), 6);
}

#[test]
fn users_are_put_into_the_group_after_the_engine_has_made_it() {
    let mut world = host(None, &[]);
    world.inventory.engine.group = vec!["pi".to_owned()];
    let titles = titles(&plan(&with_packages(world, &[])));
    let of = |words: &str| titles.iter().position(|title| title.contains(words)).unwrap();
    assert!(of("install docker.io") < of("put pi into the group docker"), "{titles:?}");
}
