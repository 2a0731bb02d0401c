//! What one node should have, as resources in the order of their phases.

use serde_json::json;

use super::PhaseName;
use super::clones;
use super::distribution;
use super::engine::{self, Part, UNIT};
use super::first_login;
use super::mounting;
use super::reboot;
use super::templates::{TemplateError, Texts};
use super::view::{Choices, Host};
use crate::facts::{Facts, Support};
use crate::inventory::model::{Inventory, Node, NodeName, Share, ShareMount};
use crate::resource::{
    Key, Problem, Resource, daemon, directory, dropin, exports, iptables, module, mount, packages, sysctl,
    unit,
};

/// Modules that Docker and Swarm need, each with the kernel option that brings it.
const MODULES: &[(&str, &str)] = &[
    ("overlay", "OVERLAY_FS"),
    ("br_netfilter", "BRIDGE_NETFILTER"),
    ("vxlan", "VXLAN"),
    ("ip_vs", "IP_VS"),
];

/// Mount options that skep always sets: a network mount that a dead server does not keep the boot from.
const MOUNT_OPTIONS: &[&str] = &["_netdev", "nofail", "noatime"];

/// The NFS version where the inventory names none: the newest, which every kernel since 4.0 and nfs-utils speak.
const NFS_VERSION: &str = "4.2";

/// Options of the kernel that a node needs which mounts shares.
pub(crate) const NFS_CLIENT: [&str; 2] = ["NFS_FS", "NFS_V4"];

/// Options of the kernel that a node needs which shares something.
pub(crate) const NFS_SERVER: [&str; 2] = ["NFSD", "NFSD_V4"];

/// What of a host decides which resources it should have.
pub(super) struct Traits {
    /// The engine is there already, from whatever source.
    engine_present: bool,
    /// The running kernel has AppArmor, so that the engine wants its parser.
    apparmor: bool,
    /// The kernel can do all that the inventory's shares ask of this node.
    nfs: bool,
    /// Modules to load, of [`MODULES`].
    modules: Vec<&'static str>,
    /// Controllers of cgroups that boot settings may bring.
    controllers: Vec<&'static str>,
    /// What iptables may be with this kernel.
    iptables: iptables::Desired,
}

impl Traits {
    /// Those of a host that has nothing and lacks nothing, of which everything may be wanted.
    fn bare() -> Self {
        let modules = MODULES.iter().map(|(name, _)| *name).collect();
        Self {
            engine_present: false,
            apparmor: true,
            nfs: true,
            modules,
            controllers: Vec::new(),
            iptables: iptables::Desired::default(),
        }
    }

    /// Those of a host.
    fn of(inventory: &Inventory, node: &Node, facts: &Facts) -> Self {
        let loadable = |option: &str| facts.kernel.options.get(option) == Some(&Support::Module);
        Self {
            engine_present: facts.engine.is_installed(),
            apparmor: facts.kernel.apparmor,
            nfs: missing_nfs(inventory, node, facts).is_empty(),
            modules: MODULES.iter().filter(|(_, option)| loadable(option)).map(|(name, _)| *name).collect(),
            controllers: reboot::possible(facts),
            iptables: iptables::Desired::of(&facts.kernel.options),
        }
    }
}

/// All that has to be observed on a node before it can be known what it should have.
pub fn keys(inventory: &Inventory, node: &Node, choices: &Choices) -> Vec<Key> {
    let bare = Traits::bare();
    let texts = Texts::new(&inventory.templates, node);
    let mut keys = engine::keys(inventory, &texts);
    keys.extend(first_login::key(node));
    keys.extend(clones::keys(choices));
    for (_, resource) in want(inventory, node, &bare, Part::default(), &texts) {
        let key = resource.key();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// What a node should have, given what it is; and why its engine's packages are left as they are, where they are. What is
/// wrong with its templates is left with `texts`.
pub(super) fn resources(
    inventory: &Inventory,
    node: &Node,
    host: &Host,
    choices: &Choices,
    texts: &Texts<'_>,
) -> (Vec<(PhaseName, Resource)>, Option<Problem>) {
    let mut part = engine::part(inventory, host, choices, texts);
    let problem = part.problem.take();
    (want(inventory, node, &Traits::of(inventory, node, &host.facts), part, texts), problem)
}

/// What is wrong with the templates of a node, as far as the inventory alone tells.
pub(super) fn template_errors(inventory: &Inventory, node: &Node) -> Vec<TemplateError> {
    let texts = Texts::new(&inventory.templates, node);
    engine::keys(inventory, &texts);
    want(inventory, node, &Traits::bare(), Part::default(), &texts);
    texts.errors()
}

/// The kernel options that the inventory's shares need on this node and its kernel lacks.
pub(crate) fn missing_nfs(inventory: &Inventory, node: &Node, facts: &Facts) -> Vec<&'static str> {
    let client = mounts(inventory, &node.name).next().is_some();
    let server = served(inventory, &node.name).next().is_some();
    let needed = NFS_CLIENT
        .map(|option| (option, client))
        .into_iter()
        .chain(NFS_SERVER.map(|option| (option, server)));
    let lacks = |option: &str| {
        matches!(facts.kernel.options.get(option), Some(Support::Missing | Support::ModuleMissing))
    };
    needed.filter(|(option, needed)| *needed && lacks(option)).map(|(option, _)| option).collect()
}

/// Everything, in the order in which a node does it.
fn want(
    inventory: &Inventory,
    node: &Node,
    traits: &Traits,
    mut part: Part,
    texts: &Texts<'_>,
) -> Vec<(PhaseName, Resource)> {
    let phase = |name: PhaseName| move |resource| (name, resource);
    // Before its first start the engine is in nobody's way, and what it has to know comes first, so that it need not be
    // restarted for that. One that runs gets both in its turn, its packages first: they may bring a newer one.
    let engine_phase = if traits.engine_present { PhaseName::Engine } else { PhaseName::Packages };
    // Without any options, the file is still looked at: what it holds already may keep a host out of every swarm.
    let options = Resource::Daemon(daemon::Desired { options: inventory.engine.options.clone() });
    let settings: Vec<_> = part.settings.into_iter().chain([options]).collect();
    let (before, after) = if traits.engine_present { (Vec::new(), settings) } else { (settings, Vec::new()) };

    let fetching = part.ways.into_iter().chain(before);
    let mut wanted: Vec<_> =
        first_login::wanted(node).into_iter().map(phase(PhaseName::FirstLogin)).collect();
    wanted.extend(fetching.map(phase(PhaseName::Packages)));
    let mut packages = packages(inventory, node, traits);
    // Where nothing has to come in between, all are installed in one go.
    if !traits.engine_present
        && part.repository.is_none()
        && let Some(engine) = part.packages.take_if(|engine| engine.absent.is_empty())
    {
        packages.install.extend(engine.install);
        packages.versions.extend(engine.versions);
    }
    wanted.push((PhaseName::Packages, Resource::Packages(packages)));
    wanted.extend(part.repository.map(phase(PhaseName::Packages)));
    // An engine that runs is restarted for it, in its turn, and one that comes with new packages starts with it; one that is
    // new may not have started without it.
    let iptables_phase = if traits.engine_present { PhaseName::Engine } else { PhaseName::Kernel };
    wanted.push((iptables_phase, Resource::Iptables(traits.iptables.clone())));
    let engine = part.packages.map(Resource::Packages).into_iter().chain(part.kept).chain(after);
    wanted.extend(engine.map(phase(engine_phase)));
    wanted.extend(kernel(traits).into_iter().map(phase(PhaseName::Kernel)));
    wanted.extend(reboot::wanted(inventory.boot.manage, &traits.controllers).map(phase(PhaseName::Kernel)));
    wanted.push((PhaseName::Engine, running(UNIT)));
    wanted.extend(part.users.map(phase(PhaseName::Engine)));
    if traits.nfs {
        wanted.extend(exporting(inventory, node, texts).into_iter().map(phase(PhaseName::Exports)));
        wanted.extend(mounted_shares(inventory, node, texts).into_iter().map(phase(PhaseName::Mounts)));
    }
    wanted
}

fn packages(inventory: &Inventory, node: &Node, traits: &Traits) -> packages::Desired {
    let mut install = distribution::BESIDES.to_vec();
    if traits.apparmor {
        install.push(distribution::APPARMOR);
    }
    if traits.nfs && !inventory.shares.is_empty() {
        install.push(distribution::NFS_CLIENT);
        let serves = served(inventory, &node.name).next().is_some();
        install.extend(serves.then_some(distribution::NFS_SERVER));
    }
    let install = install.into_iter().map(str::to_owned).collect();
    packages::Desired { install, asked: distribution::asked(), ..packages::Desired::default() }
}

fn kernel(traits: &Traits) -> Vec<Resource> {
    let modules = traits
        .modules
        .iter()
        .map(|name| Resource::Module(module::Desired { name: (*name).to_owned(), at_boot: true }));
    // The engine sets it when it starts; in a file of its own it survives a later `sysctl --system`.
    let forwarding = sysctl::Desired { key: "net.ipv4.ip_forward".to_owned(), value: "1".to_owned() };
    modules.chain([Resource::Sysctl(forwarding)]).collect()
}

fn running(name: &str) -> Resource {
    Resource::Unit(unit::Desired { name: name.to_owned(), enabled: Some(true), active: Some(true) })
}

/// The shares of which a node is the server.
pub(crate) fn served<'a>(inventory: &'a Inventory, node: &'a NodeName) -> impl Iterator<Item = &'a Share> {
    inventory.shares.iter().filter(move |share| share.server == *node)
}

/// The shares that a node mounts.
pub(crate) fn mounts<'a>(
    inventory: &'a Inventory,
    node: &'a NodeName,
) -> impl Iterator<Item = (&'a Share, &'a ShareMount)> {
    let mounted = inventory.shares.iter().filter_map(|share| Some((share, share.mount.as_ref()?)));
    mounted.filter(move |(_, mount)| mount.on.contains(node))
}

fn exporting(inventory: &Inventory, node: &Node, texts: &Texts<'_>) -> Vec<Resource> {
    let shares: Vec<_> = served(inventory, &node.name).collect();
    let directories = shares.iter().map(|share| {
        Resource::Directory(directory::Desired {
            path: share.path.clone(),
            mode: share.mode,
            uid: share.owner.uid,
            gid: share.owner.gid,
        })
    });
    let exports = Resource::Exports(exports(&shares, texts));
    let server = (!shares.is_empty()).then(|| running("nfs-server.service"));
    directories.chain(server).chain([exports]).collect()
}

/// The one file of a server's exports; without shares it is to be removed.
fn exports(shares: &[&Share], texts: &Texts<'_>) -> exports::Desired {
    let lines: Vec<_> = shares
        .iter()
        .map(|share| {
            let lines: Vec<_> = entries(share).map(|entry| entry.to_string()).collect();
            json!({ "name": share.name, "path": share.path, "entries": lines })
        })
        .collect();
    let context = json!({ "shares": lines });
    let text = if lines.is_empty() { String::new() } else { texts.render("exports.j2", context) };
    let entries = shares.iter().flat_map(|share| entries(share)).collect();
    exports::Desired { path: exports::FILE.into(), text, entries }
}

/// What a share exports, client by client.
pub(crate) fn entries(share: &Share) -> impl Iterator<Item = exports::Entry> {
    share.clients.iter().map(|client| exports::Entry {
        path: share.path.clone(),
        client: client.clone(),
        options: share.options.clone(),
    })
}

fn mounted_shares(inventory: &Inventory, node: &Node, texts: &Texts<'_>) -> Vec<Resource> {
    let mounts: Vec<_> = mounts(inventory, &node.name).collect();
    let units: Vec<_> = mounts.iter().map(|(_, mount)| mount::unit_name(&mount.at)).collect();
    let variables = json!({
        "mounts": units.join(" "),
        "clear": mounting::clear(&mounts),
        "again": mounting::again(inventory, &mounts),
    });
    let after = (!units.is_empty()).then(|| {
        Resource::Dropin(dropin::Desired {
            unit: UNIT.to_owned(),
            name: "10-skep-mounts.conf".to_owned(),
            text: texts.render("docker-after-mounts.conf.j2", variables),
            restart: false,
        })
    });
    let mounted = |(share, mount)| mounted(inventory, share, mount, texts);
    mounts.into_iter().map(mounted).chain(after).collect()
}

fn mounted(inventory: &Inventory, share: &Share, mount: &ShareMount, texts: &Texts<'_>) -> Resource {
    let source = source(inventory, share, mount);
    let version = nfs_version(&mount.options);
    let vers = format!("vers={}", nfs_version_of(mount));
    let options: Vec<_> = MOUNT_OPTIONS
        .iter()
        .copied()
        .chain(version.is_none().then_some(vers.as_str()))
        .chain(mount.options.iter().map(String::as_str))
        .collect();
    let text = texts.render(
        "nfs.mount.j2",
        json!({
            "name": share.name,
            "server": share.server.0,
            "source": systemd_value(&source),
            "at": systemd_value(&mount.at.to_string_lossy()),
            "options": systemd_value(&options.join(",")),
        }),
    );
    Resource::Mount(mount::Desired {
        at: mount.at.clone(),
        unit: mount::unit_name(&mount.at),
        text,
        source,
        required: required(mount),
    })
}

/// What is mounted: `192.168.2.1:/var/shared/folder`.
pub(crate) fn source(inventory: &Inventory, share: &Share, mount: &ShareMount) -> String {
    let server = inventory.node(&share.server).map(reached_at).unwrap_or_default();
    format!("{server}:{}", mount.remote.display())
}

/// Options that a mount must show once it is there.
pub(crate) fn required(mount: &ShareMount) -> Vec<String> {
    // The kernel tells `vers=4` by the minor version that was agreed on.
    Some(wanted_version(mount))
        .filter(|version| *version != "4")
        .map(|version| format!("vers={version}"))
        .into_iter()
        .collect()
}

/// The NFS version that a mount asks for: `4.2`.
pub(crate) fn wanted_version(mount: &ShareMount) -> &str {
    nfs_version(&mount.options).unwrap_or(NFS_VERSION)
}

/// The version that mount options ask for; of several the last one counts, as in nfs(5).
fn nfs_version(options: &[String]) -> Option<&str> {
    options.iter().rev().find_map(|option| option.strip_prefix("vers=").or(option.strip_prefix("nfsvers=")))
}

/// The version by which a share is mounted.
pub(crate) fn nfs_version_of(mount: &ShareMount) -> &str {
    nfs_version(&mount.options).unwrap_or(NFS_VERSION)
}

/// The address at which the other nodes reach a server, from the inventory alone, so that a mount does not change
/// with what happens to be reachable in a run.
pub(crate) fn reached_at(node: &Node) -> String {
    let address = node.advertise.map_or_else(|| node.address.clone(), |address| address.to_string());
    if address.contains(':') { format!("[{address}]") } else { address }
}

/// Text as a value in a unit file, where `%` begins a specifier.
fn systemd_value(text: &str) -> String {
    text.replace('%', "%%")
}
