//! Who may do what with an export: everybody, the internet, the root of another computer.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::super::{Check, Family, Judgement, Subject};
use super::each_server;
use super::export::{self, Export};
use super::files;
use crate::inventory::{is_everyone, network};
use crate::words::count;

pub(in crate::audit) const ACCESS: Check = Check {
    id: "nfs-access",
    family: Family::Nfs,
    title: "who may use exports",
    explanation: "NFS believes what a client says of its users, so an export is as safe as every computer that may mount \
        it. All exports are looked at: those of the inventory, of the files, and those in force. Errors are data in \
        danger: a directory that everybody may write to, `no_root_squash` for everybody or for public addresses, and \
        directories with the system's own secrets (/, /etc, /root, Docker's). Warnings: everybody may read; clients with \
        public addresses; `no_root_squash` with `rw`, which makes the root of every client the root of the directory; \
        `async`, which tells clients that data are safe before they are; `insecure`, which lets every user of a client \
        claim to be any other. Where `all_squash` makes all users one, `insecure` is only a note: clients behind NAT need \
        it. Better name networks of your own, keep `root_squash`, and use `all_squash,anonuid=…,anongid=…` where all \
        write as one.",
    examine: |case| each_server(case, judge),
};

/// What nobody else may read.
const SECRETS: [&str; 4] = ["/etc/shadow", "/etc/ssh", "/root/.ssh", "/var/lib/docker/swarm"];

fn judge(subject: &Subject<'_>) -> Vec<Judgement> {
    let exports = export::all(subject);
    if exports.is_empty() {
        return Vec::new();
    }
    // A line that says so by mistake is told by the check of files.
    let mistaken = files::world(subject);
    let meant = exports
        .iter()
        .filter(|export| !export.told.iter().any(|place| is_by_mistake(export, place, &mistaken)));
    let found = meant.flat_map(|export| dangers(export).into_iter().map(|danger| export.seen(danger)));
    super::or_ok(found.collect(), || {
        let ok = Judgement::ok(format!(
            "{} to own networks, safe from their roots",
            count(exports.len(), "export")
        ));
        exports.iter().fold(ok, |ok, export| export.seen(ok))
    })
}

/// The line may name other clients too, and those are meant.
fn is_by_mistake(export: &Export, place: &String, mistaken: &[String]) -> bool {
    export.entry.client == "*" && mistaken.contains(place)
}

/// Whom a client of exports(5) means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    Everybody,
    Public,
    Own,
}

fn dangers(export: &Export) -> Vec<Judgement> {
    let (path, client) = (export.entry.path.display(), &export.entry.client);
    let (place, then) = (export.place(), export.then());
    let (whom, writes, roots) =
        (whom(client), export.is("rw"), !export.is("root_squash") && !export.is("all_squash"));
    let name = format!("in {place}: name your own network instead of `{client}`; then `{then}`");
    let mut found = Vec::new();
    if SECRETS.iter().any(|secret| Path::new(secret).starts_with(&export.entry.path)) {
        found.push(
            Judgement::error(format!("{path} holds the system's own secrets, and is exported to {client}"))
                .remedy(format!(
                    "in {place}: export a directory of its own, such as /srv/shared; then `{then}`"
                )),
        );
    }
    let danger = match (whom, writes, roots) {
        (Whom::Own, _, _) => None,
        (Whom::Everybody, true, true) => {
            Some(Judgement::error(format!("{path} may be written by everybody, as root too")))
        }
        (Whom::Everybody, true, false) => {
            Some(Judgement::error(format!("{path} may be written by everybody who reaches the server")))
        }
        (Whom::Everybody, false, _) => {
            Some(Judgement::warning(format!("{path} may be read by everybody who reaches the server")))
        }
        (Whom::Public, true, true) => Some(Judgement::error(format!(
            "{path} may be written by {client}, a public address, as root too"
        ))),
        (Whom::Public, _, _) => {
            Some(Judgement::warning(format!("{path} is exported to {client}, a public address")))
        }
    };
    found.extend(danger.map(|danger| danger.remedy(name)));
    if whom == Whom::Own && writes && roots {
        found.push(
            Judgement::warning(format!("{path} has `no_root_squash`: root on any of {client} is root in it"))
                .remedy(format!("in {place}: take `no_root_squash` out; then `{then}`")),
        );
    }
    if writes && !export.is("sync") {
        found.push(
            Judgement::warning(format!(
                "{path} has `async`: a power cut loses what clients were told is safe"
            ))
            .remedy(format!("in {place}: `sync` instead of `async`; then `{then}`")),
        );
    }
    if !export.is("secure") && export.options.get("sec").is_some_and(|flavour| flavour == "sys") {
        let message = format!("{path} has `insecure`: every user of a client may claim to be any other");
        let judgement =
            if export.is("all_squash") { Judgement::note(message) } else { Judgement::warning(message) };
        found.push(judgement.remedy(format!(
            "in {place}: take `insecure` out, unless clients are behind NAT; then `{then}`"
        )));
    }
    found
}

fn whom(client: &str) -> Whom {
    if is_everyone(client) || client.chars().all(|letter| matches!(letter, '*' | '?' | '.')) {
        return Whom::Everybody;
    }
    // Names and netgroups are taken for one's own.
    match network(client).is_some_and(is_public) {
        true => Whom::Public,
        false => Whom::Own,
    }
}

/// Whether a network reaches beyond what is private (RFC 1918, 4193, 6598), link-local or the computer's own.
fn is_public(network: IpNet) -> bool {
    const OWN: [&str; 9] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    ];
    let own = OWN.iter().filter_map(|own| own.parse::<IpNet>().ok()).any(|own| own.contains(&network));
    // An IPv6 network is public by its nature even in a home; its router keeps others out.
    !own && matches!(network.network(), IpAddr::V4(_))
}
