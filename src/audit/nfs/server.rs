//! Whether the NFS server runs, at each boot too, and serves the versions that the shares are mounted with.

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::SKEP_UP;
use crate::facts::inspection::nfs::{THREADS, VERSIONS};
use crate::plan::desire;
use crate::resource::{Key, Observed, unit};
use crate::words::count;

const UNIT: &str = "nfs-server.service";

pub(in crate::audit) const SERVER: Check = Check {
    id: "nfs-server",
    family: Family::Nfs,
    title: "NFS server",
    explanation: "Each node that the inventory names as the server of a share needs Debian's nfs-kernel-server: running, \
        enabled at boot, and serving the NFS version that the share is mounted with (4.2 unless `mount.options` says \
        otherwise). systemd tells of nfs-server.service, and the kernel itself of its threads and versions in \
        /proc/fs/nfsd: the unit is `active` even where `exportfs` failed, so systemd's word alone proves little. A server \
        that is not installed yet is a note, one that does not run or is not enabled a warning, since `skep up` sees to \
        both; a masked unit and a missing version are errors, since it cannot. Versions are switched in /etc/nfs.conf \
        below [nfsd]. Where the kernel lacks NFSD, the checks of the kernel say so, and this one says nothing.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    case.each(judge)
}

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    if subject.serves().next().is_none() || subject.kernel_cannot_serve() {
        return Vec::new();
    }
    match subject.exports() {
        Err(unknown) => return vec![unknown],
        Ok(exports) if !exports.tools => {
            return vec![Judgement::note("the NFS server is not installed yet").remedy(SKEP_UP)];
        }
        Ok(_) => {}
    }
    let unit = match subject.host.observed.get(&Key::Unit(UNIT.to_owned())) {
        Some(Ok(Observed::Unit(unit))) => unit,
        Some(Err(fault)) => return vec![super::unseen(fault)],
        _ => return vec![Judgement::unknown(format!("nothing is known of {UNIT}"))],
    };
    if unit.load == "masked" && !unit.masked_by_package {
        let masked = Judgement::error(format!("{UNIT} is masked, so that nothing can start it"));
        return vec![seen(masked, unit).remedy(format!("systemctl unmask {UNIT}"))];
    }
    let mut found = Vec::new();
    let threads = subject.nfs().threads.unwrap_or_default();
    if unit.active != "active" {
        let stopped = Judgement::warning(format!("the NFS server does not run: {UNIT} is {}", unit.active));
        found.push(seen(stopped, unit).remedy(SKEP_UP).remedy(format!("journalctl -b -u {UNIT}")));
    } else if threads == 0 {
        let idle = Judgement::warning(format!("{UNIT} is active, but no thread of the kernel serves NFS"));
        found.push(idle.seen(THREADS, threads.to_string()).remedy(format!("systemctl restart {UNIT}")));
    } else {
        found.extend(versions(subject));
    }
    if unit.enabled != "enabled" {
        let at_boot =
            Judgement::warning(format!("the NFS server does not start at boot: {UNIT} is {}", unit.enabled));
        found.push(seen(at_boot, unit).remedy(SKEP_UP));
    }
    super::or_ok(found, || {
        let versions = subject.nfs().versions.as_deref().unwrap_or_default();
        let served: Vec<_> = versions.split(' ').filter_map(|version| version.strip_prefix('+')).collect();
        Judgement::ok(format!(
            "it serves NFS {} with {}",
            served.join(", "),
            count(threads as usize, "thread")
        ))
        .seen(VERSIONS, versions)
    })
}

fn seen(judgement: Judgement, unit: &unit::Observed) -> Judgement {
    let said = format!("LoadState={} UnitFileState={} ActiveState={}", unit.load, unit.enabled, unit.active);
    judgement.seen(format!("systemctl show {UNIT}"), said)
}

/// Versions that shares are mounted with, and that are not served.
fn versions(subject: &Subject<'_>) -> Vec<Judgement> {
    let Some(told) = subject.nfs().versions.as_deref() else {
        return vec![Judgement::unknown(format!("{VERSIONS} cannot be read"))];
    };
    let serves = |version: &str| {
        let major = version.split('.').next().unwrap_or(version);
        [major, version]
            .iter()
            .all(|version| told.split(' ').any(|word| word.strip_prefix('+') == Some(*version)))
    };
    let mounted =
        subject.serves().filter_map(|share| Some((share, desire::wanted_version(share.mount.as_ref()?))));
    let missing = mounted.filter(|(_, version)| !serves(version));
    missing
        .map(|(share, version)| {
            let name = &share.name;
            Judgement::error(format!("the share `{name}` is mounted with NFS {version}, which is not served"))
                .seen(VERSIONS, told)
                .remedy(format!(
                    "in /etc/nfs.conf, below [nfsd]: `vers{version}=y`; then `systemctl restart {UNIT}`"
                ))
        })
        .collect()
}
