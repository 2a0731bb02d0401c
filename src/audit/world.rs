//! Made-up hosts on which all is well, and one fault at a time, for the table tests of the checks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::deep::Deep;
use super::{Case, Check, Reach, Severity, Verdict};
use crate::facts::inspection::access::{Account, Sshd};
use crate::facts::inspection::boot::Names;
use crate::facts::inspection::network::{Link, Network, Route};
use crate::facts::inspection::packages::Source;
use crate::facts::inspection::room::Disk;
use crate::facts::inspection::{Access, Boot, Packages, Room, Time};
use crate::facts::{Facts, Inspection, Storage};
use crate::inventory::model::{Inventory, NodeName};
use crate::plan::{Host, distribution};
use crate::resource::repository::sources::Entry;
use crate::resource::{self, Fault, Key, Observed};
use crate::swarm::world::World;

/// Hosts that have been audited, healthy until told otherwise.
///
/// ```ignore
/// let said = cluster().inspection("n1", |inspection| inspection.packages.interrupted = true).said(&PACKAGES);
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Audited {
    world: World,
    unreachable: BTreeMap<NodeName, Fault>,
    reach: Option<Reach>,
    deep: Option<Deep>,
}

/// The manager `n1` and the workers `n2` and `n3`: bare hosts on which all is well.
pub(crate) fn cluster() -> Audited {
    Audited::of(World::new("home").manager("n1").worker("n2").worker("n3"))
}

/// The manager `n1` alone, on which all is well.
pub(crate) fn single() -> Audited {
    Audited::of(World::new("home").manager("n1"))
}

impl Audited {
    /// The hosts of a world, with all that an audit looks at besides.
    pub(crate) fn of(mut world: World) -> Self {
        for (place, host) in world.hosts.values_mut().enumerate() {
            make_healthy(&mut host.facts, place + 1);
            let packages = resource::packages::Observed::default();
            host.observed
                .insert(Key::Packages(distribution::asked().into()), Ok(Observed::Packages(packages)));
        }
        Self { world, unreachable: BTreeMap::new(), reach: None, deep: None }
    }

    /// Changes what the inventory wants.
    pub(crate) fn inventory(mut self, change: impl FnOnce(&mut Inventory)) -> Self {
        change(&mut self.world.inventory);
        self
    }

    /// Changes all that was seen of a node.
    pub(crate) fn host(mut self, node: &str, change: impl FnOnce(&mut Host)) -> Self {
        change(self.world.hosts.get_mut(&NodeName::from(node)).expect("the host is on"));
        self
    }

    /// Changes the facts of a node.
    pub(crate) fn facts(self, node: &str, change: impl FnOnce(&mut Facts)) -> Self {
        self.host(node, |host| change(&mut host.facts))
    }

    /// Changes what only an audit looks at on a node.
    pub(crate) fn inspection(self, node: &str, change: impl FnOnce(&mut Inspection)) -> Self {
        self.facts(node, |facts| change(facts.inspection.as_mut().expect("it was looked at")))
    }

    /// The host does not answer.
    pub(crate) fn off(mut self, node: &str) -> Self {
        self.world = self.world.off(node);
        self.unreachable.insert(node.into(), Fault::new(node, "no answer"));
        self
    }

    /// This came through between the nodes.
    pub(crate) fn reach(mut self, reach: Reach) -> Self {
        self.reach = Some(reach);
        self
    }

    /// What came of using the shares.
    pub(crate) fn deep(mut self, deep: Deep) -> Self {
        self.deep = Some(deep);
        self
    }

    /// What a check comes to.
    pub(crate) fn verdicts(&self, check: &Check) -> Vec<Verdict> {
        let view = self.world.view();
        let case = Case {
            view: &view,
            unreachable: &self.unreachable,
            reach: self.reach.as_ref(),
            deep: self.deep.as_ref(),
        };
        let verdicts = (check.examine)(&case);
        for verdict in &verdicts {
            let bad = verdict.severity <= Severity::Warning;
            let is_whole = !verdict.evidence.is_empty() && !verdict.remedy.is_empty();
            assert!(
                !bad || is_whole,
                "{}: neither evidence nor remedy may be missing: {verdict:#?}",
                check.id
            );
        }
        verdicts
    }

    /// What a check says, without what is well: `error n1 n2: they have one machine-id`.
    pub(crate) fn said(&self, check: &Check) -> Vec<String> {
        let amiss = self.verdicts(check).into_iter().filter(|verdict| verdict.severity != Severity::Ok);
        amiss.map(|verdict| line(&verdict)).collect()
    }

    /// All that a check says: `ok n1: the clock is right`.
    pub(crate) fn all(&self, check: &Check) -> Vec<String> {
        self.verdicts(check).iter().map(line).collect()
    }
}

/// A verdict in one line, without evidence and remedy.
fn line(verdict: &Verdict) -> String {
    let severity = format!("{:?}", verdict.severity).to_lowercase();
    let words = [severity].into_iter().chain(verdict.nodes.iter().map(ToString::to_string));
    format!("{}: {}", words.collect::<Vec<_>>().join(" "), verdict.message)
}

/// Facts of a host on which all is well, besides those of [`World`]. Each family says what is well with it.
fn make_healthy(facts: &mut Facts, place: usize) {
    facts.system.machine_id = format!("{place:032x}");
    facts.system.memory = 4 << 30;
    facts.system.processors = 4;
    facts.system.free_disk = 20 << 30;
    facts.kernel.release = "6.1.0-44-amd64".to_owned();
    for interface in &mut facts.network {
        interface.mac = format!("02:00:00:00:00:{place:02x}");
    }
    facts.storage = ["/etc", "/usr", "/var/lib"].map(disk).into();
    facts.inspection = Some(Box::new(Inspection {
        access: access(),
        boot: boot(&facts.system.hostname, &facts.kernel.release),
        time: Time { running: vec!["systemd-timesyncd.service".to_owned()], rtc: true, ..Time::default() },
        room: room(),
        packages: packages(),
        network: network(),
        ..Inspection::default()
    }));
    super::kernel::world::make_healthy(facts);
}

/// Root logs in by key.
fn access() -> Access {
    let options = [
        ("permitrootlogin", "without-password"),
        ("pubkeyauthentication", "yes"),
        ("passwordauthentication", "yes"),
        ("kbdinteractiveauthentication", "no"),
        ("maxsessions", "10"),
        ("maxstartups", "10:30:100"),
        ("maxauthtries", "6"),
        ("logingracetime", "120"),
        ("allowtcpforwarding", "yes"),
        ("disableforwarding", "no"),
        ("permitopen", "any"),
        ("forcecommand", "none"),
        ("chrootdirectory", "none"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let account = Account {
        user: "root".to_owned(),
        local: true,
        groups: vec!["root".to_owned()],
        ..Account::default()
    };
    Access { root: true, account, sshd: Sshd::Options(options.into()), ..Access::default() }
}

fn boot(hostname: &str, kernel: &str) -> Boot {
    Boot {
        modular: true,
        kernels: vec![kernel.to_owned()],
        names: Names {
            kernel: hostname.to_owned(),
            hosts: format!("127.0.1.1 {hostname}"),
            lookup: "hosts: files dns".to_owned(),
        },
        ..Boot::default()
    }
}

fn room() -> Room {
    let holds = ["/", "/etc", "/usr", "/boot", "/var/lib", "/var/log", "/var/lib/docker"];
    let root = Disk {
        holds: holds.into_iter().map(Into::into).collect(),
        kind: "ext4".to_owned(),
        source: "/dev/sda1".to_owned(),
        size: 40 << 30,
        files: Some(2_000_000),
        storage: disk("/"),
    };
    Room { disks: vec![root], memory: 4 << 30, available: 3 << 30, swaps: Vec::new() }
}

fn packages() -> Packages {
    let entry = Entry {
        uri: "http://deb.debian.org/debian".to_owned(),
        suite: "bookworm".to_owned(),
        signed_by: String::new(),
    };
    let source = Source { file: "/etc/apt/sources.list".to_owned(), entry };
    Packages { sources: vec![source], ..Packages::default() }
}

fn network() -> Network {
    let link = Link { name: "eth0".into(), mtu: 1500, up: true, ..Link::default() };
    let router = "192.168.2.254".parse().expect("an address");
    let out = Route { to: (Ipv4Addr::UNSPECIFIED.into(), 0), link: "eth0".into(), router: Some(router) };
    Network {
        links: vec![link],
        routes: vec![out],
        resolvers: Some(vec![router.to_string()]),
        ..Network::default()
    }
}

/// A file system with much room.
pub(crate) fn disk(directory: &str) -> Storage {
    Storage {
        directory: directory.into(),
        read_only: false,
        noexec: false,
        free: 20 << 30,
        free_files: Some(1_000_000),
    }
}

#[test]
fn nothing_is_wrong_with_healthy_hosts() {
    for check in super::CHECKS {
        for audited in [single(), cluster()] {
            // One manager is one, of however many nodes.
            let known =
                |line: &String| line.starts_with("note") || line.contains("1 manager survives the loss of 0");
            let worse: Vec<_> = audited.said(check).into_iter().filter(|line| !known(line)).collect();
            assert_eq!(worse, [""; 0], "{}", check.id);
        }
    }
    assert_eq!(cluster().off("n3").unreachable.len(), 1);
    assert!(cluster().reach(Reach::default()).reach.is_some());
    assert_eq!(cluster().inventory(|inventory| inventory.nodes.clear()).world.inventory.nodes.len(), 0);
}
