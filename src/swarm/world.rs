//! A made-up inventory with the facts of its hosts, for the table tests of this room.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::facts::engine::{Cluster, Running, Settings, Trust};
use crate::facts::{Clock, Engine, Facts, Interface, Kernel, SwarmNode, SwarmState, SwarmView, System};
use crate::inventory::model::{self, EngineSource, Inventory, Login, Node, NodeName, Place, Role};
use crate::plan::{Choices, Host, View};
use crate::resource::Fault;
use crate::swarm::{NODE_LABEL, SWARM_LABEL};

/// Node `n`'s address is 192.168.2.`n`, counted from 1 in the order of the inventory.
pub(crate) fn ip(n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 168, 2, u8::try_from(n).unwrap()))
}

/// An inventory and the facts of those of its hosts that answer.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    pub(crate) hosts: BTreeMap<NodeName, Host>,
    pub(crate) fresh: BTreeSet<NodeName>,
    pub(crate) owed: BTreeMap<NodeName, Fault>,
    pub(crate) choices: Choices,
}

impl World {
    pub(crate) fn new(name: &str) -> Self {
        let engine = model::Engine {
            source: EngineSource::Distro,
            source_is_named: false,
            version: None,
            hold: None,
            repository: None,
            proxy: model::Proxy::default(),
            group: Vec::new(),
            options: serde_json::Map::new(),
        };
        let inventory = Inventory {
            path: "cluster.yml".into(),
            name: name.to_owned(),
            nodes: Vec::new(),
            engine,
            shares: Vec::new(),
            swarm: model::Swarm::default(),
            boot: model::Boot::default(),
            templates: model::Templates::default(),
            hooks: Vec::new(),
        };
        Self {
            inventory,
            hosts: BTreeMap::new(),
            fresh: BTreeSet::new(),
            owed: BTreeMap::new(),
            choices: Choices::default(),
        }
    }

    /// What the planner is given.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            inventory: &self.inventory,
            hosts: &self.hosts,
            fresh: &self.fresh,
            owed: &self.owed,
            choices: self.choices.clone(),
            run: "r1",
        }
    }

    /// Adds a bare host that shall be a manager.
    pub(crate) fn manager(self, name: &str) -> Self {
        self.node(name, Role::Manager)
    }

    /// Adds a bare host that shall be a worker.
    pub(crate) fn worker(self, name: &str) -> Self {
        self.node(name, Role::Worker)
    }

    fn node(mut self, name: &str, role: Role) -> Self {
        let place = self.inventory.nodes.len() + 1;
        self.inventory.nodes.push(node(name, role, place));
        let host = Host { facts: facts(name, ip(place)), observed: BTreeMap::new(), clock_offset_ms: 0 };
        self.hosts.insert(name.into(), host);
        self
    }

    /// The host is switched off.
    pub(crate) fn off(mut self, name: &str) -> Self {
        self.hosts.remove(&NodeName::from(name)).expect("the host was on");
        self
    }

    pub(crate) fn engine(mut self, name: &str, engine: Engine) -> Self {
        self.facts_mut(name).engine = engine;
        if let Engine::Running(running) = &mut self.facts_mut(name).engine {
            running.id = format!("engine-{name}");
        }
        self
    }

    /// What the host's engine tells of the swarm.
    pub(crate) fn engine_view(&mut self, name: &str) -> &mut SwarmView {
        let Engine::Running(running) = &mut self.facts_mut(name).engine else {
            panic!("the engine of {name} is off")
        };
        &mut running.swarm
    }

    pub(crate) fn facts_mut(&mut self, name: &str) -> &mut Facts {
        &mut self.hosts.get_mut(&NodeName::from(name)).expect("the host is on").facts
    }

    /// The host's engine sees the swarm like that.
    pub(crate) fn sees(self, name: &str, view: SwarmView) -> Self {
        self.engine(name, running(view))
    }

    /// These hosts make up a healthy swarm of this ID and label; the node ID of host `n1` is `id-n1`. The first
    /// manager leads.
    pub(crate) fn swarm(self, id: &str, label: Option<&str>, members: &[(&str, Role)]) -> Self {
        let nodes = members.iter().map(|(name, role)| self.member(name, *role)).collect::<Vec<_>>();
        self.roster(id, label, lead(nodes))
    }

    /// These records make up a swarm: each host that is on and whose node ID (`id-NAME`) is among them sees it.
    pub(crate) fn roster(mut self, id: &str, label: Option<&str>, nodes: Vec<SwarmNode>) -> Self {
        let managers: Vec<String> = nodes
            .iter()
            .filter(|node| node.role == "manager")
            .map(|node| format!("{}:2377", node.addr))
            .collect();
        let names: Vec<NodeName> = self.hosts.keys().cloned().collect();
        for name in names {
            let Some(node) = nodes.iter().find(|node| node.id == format!("id-{name}")) else { continue };
            let manager = node.role == "manager";
            let view = SwarmView {
                node_id: node.id.clone(),
                node_addr: node.addr.clone(),
                control: manager,
                managers: managers.clone(),
                cluster: manager.then(|| cluster(id, label, nodes.clone())),
                ..outside(SwarmState::Active)
            };
            self = self.sees(&name.0, view);
        }
        self
    }

    /// The record of a healthy member that skep has labelled.
    pub(crate) fn member(&self, name: &str, role: Role) -> SwarmNode {
        let place =
            self.inventory.nodes.iter().position(|node| node.name.0 == name).expect("in the inventory") + 1;
        SwarmNode {
            labels: BTreeMap::from([(NODE_LABEL.to_owned(), name.to_owned())]),
            ..record(&format!("id-{name}"), role, ip(place))
        }
    }

    /// Changes the swarm's options as all managers see them.
    pub(crate) fn options(mut self, change: impl Fn(&mut Cluster)) -> Self {
        for host in self.hosts.values_mut() {
            if let Engine::Running(running) = &mut host.facts.engine
                && let Some(cluster) = &mut running.swarm.cluster
            {
                change(cluster);
            }
        }
        self
    }

    pub(crate) fn node_mut(&mut self, name: &str) -> &mut Node {
        self.inventory.nodes.iter_mut().find(|node| node.name.0 == name).expect("in the inventory")
    }
}

/// The first manager leads.
pub(crate) fn lead(mut nodes: Vec<SwarmNode>) -> Vec<SwarmNode> {
    if let Some(first) = nodes.iter_mut().find(|node| node.role == "manager") {
        first.leader = true;
    }
    nodes
}

/// The record of a healthy member without labels.
pub(crate) fn record(id: &str, role: Role, addr: IpAddr) -> SwarmNode {
    SwarmNode {
        id: id.to_owned(),
        hostname: "board".to_owned(),
        role: role.to_string(),
        availability: "active".to_owned(),
        state: "ready".to_owned(),
        addr: addr.to_string(),
        leader: false,
        reachability: (role == Role::Manager).then(|| "reachable".to_owned()),
        labels: BTreeMap::new(),
        engine_version: "20.10.24".to_owned(),
        architecture: "x86_64".to_owned(),
        certificate: Trust::Ready,
    }
}

/// The same record, of a node that is off.
pub(crate) fn down(node: SwarmNode) -> SwarmNode {
    SwarmNode {
        state: "down".to_owned(),
        leader: false,
        reachability: node.reachability.map(|_| "unreachable".to_owned()),
        ..node
    }
}

pub(crate) fn cluster(id: &str, label: Option<&str>, nodes: Vec<SwarmNode>) -> Cluster {
    Cluster {
        id: id.to_owned(),
        labels: label.map(|label| (SWARM_LABEL.to_owned(), label.to_owned())).into_iter().collect(),
        task_history: Some(5),
        address_pool: vec!["10.0.0.0/8".to_owned()],
        subnet_size: 24,
        autolock: false,
        rotating: false,
        nodes: Ok(nodes),
    }
}

/// The view of an engine in this state that knows nothing else.
pub(crate) fn outside(state: SwarmState) -> SwarmView {
    SwarmView {
        state,
        node_id: String::new(),
        node_addr: String::new(),
        control: false,
        error: String::new(),
        managers: Vec::new(),
        cluster: None,
    }
}

pub(crate) fn running(swarm: SwarmView) -> Engine {
    Engine::Running(Box::new(Running {
        version: "20.10.24".to_owned(),
        id: "engine".to_owned(),
        storage_driver: "overlay2".to_owned(),
        live_restore: false,
        started_unix_ms: 0,
        swarm,
        settings: Settings::default(),
    }))
}

pub(crate) fn interface(name: &str, addresses: &[&str]) -> Interface {
    let addresses = addresses
        .iter()
        .map(|text| text.parse::<ipnet::IpNet>().expect("an address with its prefix length"))
        .map(|net| (net.addr(), net.prefix_len()))
        .collect();
    Interface { name: name.to_owned(), addresses, mac: String::new() }
}

fn node(name: &str, role: Role, place: usize) -> Node {
    Node {
        name: name.into(),
        place: Place { line: place as u64, column: 3 },
        address: ip(place).to_string(),
        role,
        login: Login::default(),
        first_login: None,
        mac: None,
        advertise: None,
        labels: BTreeMap::new(),
    }
}

fn facts(name: &str, ip: IpAddr) -> Facts {
    Facts {
        system: System {
            hostname: name.to_owned(),
            machine_id: String::new(),
            boot_id: String::new(),
            id: "debian".to_owned(),
            id_like: Vec::new(),
            codename: "bookworm".to_owned(),
            ubuntu_codename: None,
            debian_codename: None,
            pretty_name: "Debian".to_owned(),
            armbian_board: None,
            variant: None,
            architecture: "amd64".to_owned(),
            systemd: true,
            memory: 0,
            processors: 1,
            free_disk: 0,
        },
        kernel: Kernel {
            release: String::new(),
            machine: "x86_64".to_owned(),
            cgroup: 2,
            controllers: Vec::new(),
            apparmor: false,
            options: BTreeMap::new(),
        },
        clock: Clock { unix_ms: 0, boot_ms: 1000, synchronised: true },
        network: vec![interface("eth0", &[&format!("{ip}/24")])],
        engine: Engine::Absent { swarm: false },
        storage: Vec::new(),
        inspection: None,
    }
}
