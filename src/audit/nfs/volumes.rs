//! Whether Docker's NFS volumes are mounted as they are meant, and are the same on each node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::facts::inspection::nfs::docker::Volume;
use crate::facts::inspection::nfs::is_nfs;
use crate::inventory::model::NodeName;
use crate::words::{count, list, shell_word};

pub(in crate::audit) const VOLUMES: Check = Check {
    id: "nfs-volumes",
    family: Family::Nfs,
    title: "Docker's NFS volumes",
    explanation: "Docker hands the options of a volume (`driver_opts`) to the kernel as they are, without mount.nfs(8), which \
        would see to what is missing. A volume of `type=nfs` without `vers=` is mounted by version 3, which needs further ports \
        of the server, knows no `fsid=0` and locks by a service of its own: a warning, and so is `vers=3` with `type=nfs4`, \
        which wins. Of `type=nfs4` without `vers=` it is version 4.0, a note: newer servers leave that one out. Without `addr=` the kernel refuses \
        to mount it (`invalid argument`), and of `type=nfs4` with a host name too, since Docker looks names up for `type=nfs` \
        alone: errors, for no container that wants the volume starts. The options of a volume never change once it is made: \
        a stack with others is deployed without a word, and each node keeps what it had. So a volume of NFS that is another \
        one, or a directory of its own, on another node is a warning. What is read are the files that Docker keeps \
        (volumes/NAME/opts.json in its folder); the engine is not asked, and nothing is mounted. The remedy makes a volume \
        anew: its containers have to be removed before, and the files on the server stay. Below an `fsid=0` paths of \
        version 4 are shorter than those of version 3: nfs-root tells them.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = case.each(judge);
    verdicts.extend(differing(case));
    verdicts
}

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let volumes: Vec<_> = subject.nfs().volumes.iter().filter(|volume| is_nfs(&volume.fstype)).collect();
    if volumes.is_empty() {
        return Vec::new();
    }
    super::or_ok(volumes.iter().filter_map(|volume| amiss(volume)).collect(), || {
        let ok = Judgement::ok(format!("each option of {} is there", count(volumes.len(), "NFS volume")));
        volumes.iter().fold(ok, |ok, volume| ok.seen(volume.file.display().to_string(), told(volume)))
    })
}

/// What is wrong with a volume's options.
fn amiss(volume: &Volume) -> Option<Judgement> {
    let (name, fstype) = (&volume.name, volume.fstype.as_str());
    let judgement = match (fstype, address(volume)) {
        (_, None) => Judgement::error(format!(
            "the volume `{name}` has no `addr=`, so that no container with it starts (\"invalid argument\")"
        )),
        ("nfs4", Some(address)) if !is_ip(address) => Judgement::error(format!(
            "the volume `{name}` of `type=nfs4` has the name `{address}` as `addr=`, so that no container with it starts \
             (\"invalid argument\"): names are for `type=nfs`"
        )),
        ("nfs", Some(_)) if version(volume).is_none() => Judgement::warning(format!(
            "the volume `{name}` has no `vers=`, so that it is mounted by NFS version 3"
        )),
        ("nfs4", Some(_)) if version(volume).is_some_and(is_3) => Judgement::warning(format!(
            "the volume `{name}` of `type=nfs4` has a version 3 among its options, and is mounted by that"
        )),
        ("nfs4", Some(_)) if version(volume).is_none() => Judgement::note(format!(
            "the volume `{name}` has no `vers=`, so that it is mounted by NFS version 4.0"
        )),
        _ => return None,
    };
    let (o, device) = (anew(volume), &volume.device);
    let again = [format!("o={o}"), format!("device={device}")].map(|word| shell_word(&word)).join(" --opt ");
    Some(
        judgement
            .seen(volume.file.display().to_string(), told(volume))
            .remedy(format!(
                "docker volume rm {name} && docker volume create --opt type=nfs --opt {again} {name}"
            ))
            .remedy(format!(
                "in the stack's file: `driver_opts: {{type: nfs, o: \"{o}\", device: \"{device}\"}}`"
            )),
    )
}

/// Whether it is an IP address, one of a single link with its interface among them: `fe80::1%eth0`.
fn is_ip(address: &str) -> bool {
    address.split('%').next().is_some_and(|address| address.parse::<IpAddr>().is_ok())
}

/// Its options with an address, and with a version that goes with its type.
fn anew(volume: &Volume) -> String {
    let server = volume.device.split_once(":/").map_or("", |(server, _)| server);
    let server = if server.is_empty() { "SERVER" } else { server };
    let address = address(volume).is_none().then(|| format!("addr={server}"));
    let kept =
        |option: &&str| volume.fstype == "nfs" || version_of(option).is_none_or(|version| !is_3(version));
    let version = version(volume).filter(|version| volume.fstype == "nfs" || !is_3(version));
    let version = version.is_none().then(|| "vers=4.2".to_owned());
    let kept = options(volume).filter(kept).map(str::to_owned);
    address.into_iter().chain(kept).chain(version).collect::<Vec<_>>().join(",")
}

fn options(volume: &Volume) -> impl DoubleEndedIterator<Item = &str> {
    volume.options.split(',').filter(|option| !option.is_empty())
}

fn address(volume: &Volume) -> Option<&str> {
    options(volume).rev().find_map(|option| option.strip_prefix("addr="))
}

/// The version that a volume asks for; the last one counts.
fn version(volume: &Volume) -> Option<&str> {
    options(volume).rev().find_map(version_of)
}

/// `4.2` of `vers=4.2`, `nfsvers=4.2` or `v4.2`, as in nfs(5).
fn version_of(option: &str) -> Option<&str> {
    let mut versions = ["vers=", "nfsvers=", "v"].into_iter().filter_map(|name| option.strip_prefix(name));
    versions.find(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_3(version: &str) -> bool {
    version.starts_with('3')
}

fn told(volume: &Volume) -> String {
    match volume.fstype.as_str() {
        "" => "is not there: a directory of the node's own".to_owned(),
        fstype => format!("type={fstype} o={} device={}", volume.options, volume.device),
    }
}

/// Volumes of NFS that are something else on another node, by name.
fn differing(case: &Case<'_>) -> Vec<Verdict> {
    let mut known: BTreeMap<&str, Vec<(NodeName, &Volume)>> = BTreeMap::new();
    for subject in case.subjects() {
        for volume in &subject.inspection.nfs.volumes {
            known.entry(&volume.name).or_default().push((subject.node.name.clone(), volume));
        }
    }
    let differs = |volumes: &[(NodeName, &Volume)]| {
        volumes.iter().any(|(_, volume)| is_nfs(&volume.fstype))
            && volumes.iter().any(|(_, volume)| defined(volume) != defined(volumes[0].1))
    };
    let differing = known.into_iter().filter(|(_, volumes)| differs(volumes));
    differing.map(|(name, volumes)| differently(name, &volumes)).collect()
}

/// What Docker was told of a volume; the order of options means nothing.
fn defined(volume: &Volume) -> (&str, Vec<&str>, &str) {
    let mut options: Vec<_> = options(volume).collect();
    options.sort_unstable();
    (&volume.fstype, options, &volume.device)
}

fn differently(name: &str, volumes: &[(NodeName, &Volume)]) -> Verdict {
    let own: Vec<_> = volumes.iter().filter(|(_, volume)| volume.fstype.is_empty()).collect();
    let owners: Vec<_> = own.iter().map(|(node, _)| node.clone()).collect();
    let judgement = Judgement::warning(match owners[..] {
        [] => format!(
            "the volume `{name}` has other options on another node: Docker never changes those that it has"
        ),
        _ => format!("the volume `{name}` is NFS, but a directory of the node's own on {}", list(&owners)),
    });
    let judgement = volumes.iter().fold(judgement, |judgement, (node, volume)| {
        judgement.seen(format!("{} on {node}", volume.file.display()), told(volume))
    });
    let judgement = own.iter().fold(judgement, |judgement, (node, volume)| {
        let data = volume.file.with_file_name("_data");
        judgement
            .remedy(format!("ls -A {}   # on {node}: what is in it is lost with the volume", data.display()))
    });
    let nodes = volumes.iter().map(|(node, _)| node.clone());
    judgement
        .remedy(format!(
            "docker volume rm {name}   # where it is out of date, without its containers; the next one makes it as it is \
             defined by now"
        ))
        .about(nodes)
}
