//! Whether the file servers answer the nodes that mount from them.

use super::super::{Case, Check, Family, Judgement, Subject, Verdict};
use super::{SKEP_UP, server_of};
use crate::facts::inspection::nfs::is_nfs;
use crate::facts::inspection::nfs::rpc::{Answer, PORT, Server};
use crate::inventory::model::{NodeName, Share, ShareMount};
use crate::plan::desire;
use crate::resource::{Key, Observed, exports};
use crate::words::list;

pub(in crate::audit) const ANSWERS: Check = Check {
    id: "nfs-answers",
    family: Family::Nfs,
    title: "file servers",
    explanation: "Each node that mounts a share calls the empty procedure (NULL) of the share's server on TCP port 2049, in \
        NFS versions 4 and 3, and waits three seconds: no mount is used for that, so that a dead server keeps nobody waiting. \
        The answers tell a host that is off or behind a firewall (no answer), one on which nothing listens (refused), a \
        server that hangs (it takes the connection and says nothing), and one that lacks the version that the share is \
        mounted with. Whatever touches a mount of a dead server waits until it is back, so each of these is an error; it \
        is a note where nothing listens because `skep up` has yet to set the server up, and a warning for mounts that are not the \
        inventory's. Whether the server lets this client have the path is not asked: that shows in the exports.",
    examine,
};

fn examine(case: &Case<'_>) -> Vec<Verdict> {
    case.each(|subject| judge(case, subject))
}

fn judge(case: &Case<'_>, subject: &Subject<'_>) -> Vec<Judgement> {
    let answers = &subject.nfs().answers;
    let shares = subject.mounting().filter_map(|(share, mount)| {
        let server = server_of(subject.inventory, share, mount)?;
        Some((share, mount, answers.get(&server)?, server))
    });
    let shares: Vec<_> = shares.collect();
    let mut judgements: Vec<Judgement> = Vec::new();
    let mut told: Vec<&Server> = Vec::new();
    for (share, mount, answer, server) in &shares {
        // Of several shares of one server one is enough, unless it is another version that is missing.
        let judgement = of_share(case, subject, share, mount, server, answer);
        if !told.contains(&server) || judgement.1 {
            judgements.push(judgement.0);
        }
        told.push(server);
    }
    let others = answers.iter().filter(|(server, _)| !told.contains(server));
    judgements.extend(others.map(|(server, answer)| of_mount(subject, server, answer)));
    judgements
}

/// What is wrong, in words, and what helps on the server; none where it serves.
fn trouble(server: &Server, answer: &Answer) -> Option<(String, &'static str)> {
    Some(match answer {
        Answer::Serves(_) => return None,
        Answer::OtherVersions(low, high) => (
            format!("{server} serves NFS {low} to {high} only"),
            "in /etc/nfs.conf, below [nfsd]: `vers4.2=y`; then `systemctl restart nfs-server`",
        ),
        Answer::NoNfs => (format!("{server} answers, but serves no NFS"), "systemctl restart nfs-server"),
        Answer::Refused => (
            format!("nothing listens at {server}"),
            "systemctl restart nfs-server; systemctl status nfs-server",
        ),
        Answer::Unreachable(why) => (
            format!("the file server {server} does not answer: {why}"),
            "see that it is on, and that no firewall keeps 2049/tcp out",
        ),
        Answer::Silent => (
            format!("the file server {server} takes connections, but does not answer"),
            "systemctl restart nfs-server; dmesg | tail",
        ),
        Answer::Garbled(why) => {
            (format!("what answers at {server} is no NFS server: {why}"), "ss -ltnp sport = :2049")
        }
        Answer::Unresolved(why) => {
            (format!("the file server's name `{}` has no address: {why}", server.address), "getent ahosts")
        }
    })
}

/// What was heard of a server.
fn heard(answer: &Answer) -> String {
    match answer {
        Answer::Serves(versions) => format!("NULL was answered in {}", list(versions)),
        Answer::OtherVersions(low, high) => format!("PROG_MISMATCH: {low} to {high}"),
        Answer::NoNfs => "PROG_UNAVAIL".to_owned(),
        Answer::Refused => "connection refused".to_owned(),
        Answer::Silent => "connected; NULL was not answered within 3 s".to_owned(),
        Answer::Unreachable(why) | Answer::Garbled(why) | Answer::Unresolved(why) => why.clone(),
    }
}

/// What a share's server says, and whether that is about this share alone.
fn of_share(
    case: &Case<'_>,
    subject: &Subject<'_>,
    share: &Share,
    mount: &ShareMount,
    server: &Server,
    answer: &Answer,
) -> (Judgement, bool) {
    let version = desire::wanted_version(mount);
    let Some((cause, help)) = trouble(server, answer) else {
        return serves(share, version, server, answer);
    };
    let is_mounted = subject.nfs().mounts.iter().any(|row| row.at == mount.at && is_nfs(&row.info.fstype));
    // A host that is there says so where nothing listens yet; silence is a firewall's, or another host's.
    if *answer == Answer::Refused && !is_mounted && is_bare(case, &share.server) {
        let judgement = Judgement::note(format!("{} serves no NFS yet", share.server)).remedy(SKEP_UP);
        return (judgement.seen(server.to_string(), heard(answer)), false);
    }
    let (off, at) = (case.unreachable.contains_key(&share.server), mount.at.display());
    let cause = if off { format!("{cause}; {} does not answer skep either", share.server) } else { cause };
    let on = match answer {
        Answer::Unresolved(_) => format!("on {}: `{help} {}`", subject.node.name, server.address),
        Answer::Unreachable(_) => format!("{}: {help}", share.server),
        _ => format!("on {}: `{help}`", share.server),
    };
    let judgement = Judgement::error(cause).seen(server.to_string(), heard(answer)).remedy(on);
    let judgement = match is_mounted {
        true => judgement
            .remedy(format!("on {}, to let go of what waits: `umount -f -l {at}`", subject.node.name)),
        false => judgement,
    };
    (judgement, false)
}

/// Whether it serves the version that the share is mounted with.
fn serves(share: &Share, version: &str, server: &Server, answer: &Answer) -> (Judgement, bool) {
    let Answer::Serves(served) = answer else { unreachable!("all else is trouble") };
    let told = list(served);
    let major = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| served.contains(&major)) {
        return (
            Judgement::ok(format!("{server} serves NFS {told}")).seen(server.to_string(), heard(answer)),
            false,
        );
    }
    let message =
        format!("{server} serves NFS {told} only, and the share `{}` is mounted with {version}", share.name);
    let remedy = format!(
        "on {}, in /etc/nfs.conf below [nfsd]: `vers{version}=y`; then `systemctl restart nfs-server`",
        share.server
    );
    (Judgement::error(message).seen(server.to_string(), heard(answer)).remedy(remedy), true)
}

/// Whether a server has yet to be set up.
fn is_bare(case: &Case<'_>, server: &NodeName) -> bool {
    let key = Key::Exports(exports::FILE.into());
    let observed = case.view.hosts.get(server).and_then(|host| host.observed.get(&key));
    matches!(observed, Some(Ok(Observed::Exports(observed))) if observed.text.is_none())
}

/// What the server of a mount says that is not the inventory's.
fn of_mount(subject: &Subject<'_>, server: &Server, answer: &Answer) -> Judgement {
    let rows = subject.nfs().mounts.iter().filter(|row| Server::of(&row.info).as_ref() == Some(server));
    let points: Vec<_> = rows.map(|row| row.at.display().to_string()).collect();
    let at = if points.is_empty() { format!("port {PORT}") } else { points.join(", ") };
    match trouble(server, answer) {
        None => Judgement::ok(format!("{server} answers for {at}")),
        Some((cause, _)) => points
            .iter()
            .fold(Judgement::warning(format!("{cause}; whatever touches {at} waits")), |judgement, point| {
                judgement.remedy(format!("umount -f -l {point}"))
            }),
    }
    .seen(server.to_string(), heard(answer))
}
