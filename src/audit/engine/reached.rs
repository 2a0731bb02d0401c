//! Who reaches the engine besides root: over the network, and by the group `docker`. Either may do with the host whatever
//! root may.

use std::net::IpAddr;

use serde_json::Value;

use super::{FILE, flags, is_installed, on_disk, restart};
use crate::audit::{Check, Family, Judgement, Subject};

pub(in crate::audit) const HOSTS: Check = Check {
    id: "engine-hosts",
    family: Family::Engine,
    title: "nobody reaches the engine over the network",
    explanation: "Whoever reaches an engine's API without being asked for a certificate is root on the host: open ports 2375 \
        are found and taken over within hours. The flags of the running engine (or of its unit) and `hosts` in \
        /etc/docker/daemon.json are read. A TCP address without `tlsverify` is an error, since `tls` alone encrypts but asks \
        nobody who they are; on the loopback address it is a note. `hosts` in the file while the unit has `-H` keeps the \
        engine from starting, and is an error. skep needs no port: it reaches the engine through SSH, and so does \
        `docker -H ssh://USER@HOST`.",
    examine: |case| case.each(|subject| is_installed(subject).then(|| hosts(subject))),
};

fn hosts(subject: &Subject<'_>) -> Judgement {
    let options = on_disk(subject);
    let in_file = |name: &str| options.get(name) == Some(&Value::Bool(true));
    let verified = flags(subject, "--tlsverify").any(|value| value != "false") || in_file("tlsverify");
    let listed =
        options.get("hosts").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let by_flag: Vec<_> = flags(subject, "--host").map(|host| (host, "docker.service")).collect();
    let by_file: Vec<_> = listed.map(|host| (host, FILE)).collect();
    if let (Some((flag, _)), Some((host, _))) = (by_flag.first(), by_file.first()) {
        return Judgement::error("`hosts` keeps the engine from starting: its unit already has `-H`")
            .seen(FILE, format!("hosts: {host}"))
            .seen("docker.service", format!("-H {flag}"))
            .remedy(format!("remove `hosts` from {FILE}"));
    }
    let tcp: Vec<_> =
        by_flag.into_iter().chain(by_file).filter(|(host, _)| host.starts_with("tcp://")).collect();
    let Some((worst, place)) = tcp.iter().find(|(host, _)| !is_local(host)).or(tcp.first()).copied() else {
        let told: Vec<&str> = flags(subject, "--host").collect();
        let told = if told.is_empty() { "no -H".to_owned() } else { format!("-H {}", told.join(" -H ")) };
        return Judgement::ok("only this host's own users reach the engine").seen("docker.service", told);
    };
    let judgement = match (verified, is_local(worst)) {
        (true, _) => {
            return Judgement::ok(format!("the engine asks for a certificate at {worst}")).seen(place, worst);
        }
        (false, true) => Judgement::note(format!(
            "every user of the host reaches the engine at {worst}, and is root by that"
        )),
        (false, false) => Judgement::error(format!(
            "whoever reaches {worst} is root on this host: no certificate is asked for"
        )),
    };
    let remove = match place {
        FILE => format!("remove `{worst}` from `hosts` in {FILE}"),
        _ => format!("take `-H {worst}` out of its unit: `systemctl cat docker` shows where it stands"),
    };
    judgement.seen(place, worst).remedy(remove).remedy(restart(subject))
}

/// Whether only programs of the host itself connect there.
fn is_local(host: &str) -> bool {
    let address = host.strip_prefix("tcp://").unwrap_or(host);
    let name = address.rsplit_once(':').map_or(address, |(name, _)| name);
    let ip = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

pub(in crate::audit) const GROUP: Check = Check {
    id: "engine-group",
    family: Family::Engine,
    title: "who may use the engine",
    explanation: "Users of the group `docker` reach the engine's socket, and may do with the host whatever root may: start a \
        container with / mounted, for one. That is often what is wanted, and therefore never worse than a note, which names \
        those whom `engine.group` in the inventory does not. /etc/group is read. Nobody is taken out of the group by skep \
        whom it did not put in.",
    examine: |case| {
        case.each(|subject| subject.inspection.engine.group.as_deref().map(|group| users(subject, group)))
    },
};

fn users(subject: &Subject<'_>, group: &[String]) -> Judgement {
    let wanted = &subject.inventory.engine.group;
    let others: Vec<&str> = group.iter().filter(|user| !wanted.contains(user)).map(String::as_str).collect();
    let seen = |judgement: Judgement| {
        judgement.seen(
            "/etc/group",
            format!("docker: {}", if group.is_empty() { "nobody".to_owned() } else { group.join(", ") }),
        )
    };
    if others.is_empty() {
        return seen(Judgement::ok("nobody is in the group docker whom the inventory does not name"));
    }
    let are = if others.len() == 1 { "is" } else { "are" };
    seen(Judgement::note(format!(
        "{} {are} in the group docker, and may do whatever root may",
        others.join(", ")
    )))
    .remedy(format!("where that is not meant, on {}: `gpasswd -d {} docker`", subject.node.name, others[0]))
}
