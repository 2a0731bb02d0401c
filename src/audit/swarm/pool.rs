//! The networks that overlay networks are cut from.

use ipnet::IpNet;

use super::super::engine::addresses;
use super::super::network::neighbour;
use crate::audit::{Case, Check, Family, Judgement, Verdict};
use crate::inventory::model::Swarm;
use crate::swarm::advertise;
use crate::swarm::membership::Membership;

/// Fewer overlay networks than this run out soon: `ingress` is one, and each stack makes its own.
const FEW: u64 = 16;

pub(in crate::audit) const POOL: Check = Check {
    id: "swarm-pool",
    family: Family::Swarm,
    title: "overlay networks hide no node",
    explanation: "Each overlay network is cut from the swarm's address pool, 10.0.0.0/8 unless `swarm.address_pool` says \
        otherwise, and the pool is fixed when the swarm is made. A container cannot reach a machine whose address its own \
        overlay network has. A node whose network is the first that is cut (that of `ingress`) is an error, as published \
        ports break at once; a node elsewhere in the pool is a warning: some later network will hide it. So is a \
        router, a name server, or another network that a node has a route to, where it lies among the first 256 networks. A pool with room \
        for fewer than 16 networks is a warning as well. The pool is that of the swarm, or that which the inventory wants \
        for a new one; addresses are those of all nodes, and routes and \
        name servers those of each host.",
    examine: pool,
};

fn pool(case: &Case<'_>) -> Vec<Verdict> {
    let ours = Membership::read(case.view).ours;
    let wanted = &case.inventory().swarm;
    let (pools, size, place): (Vec<IpNet>, u8, String) = match &ours {
        Some(roster) => (
            roster.cluster.address_pool.iter().filter_map(|net| net.parse().ok()).collect(),
            u8::try_from(roster.cluster.subnet_size).unwrap_or(Swarm::DEFAULT_SUBNET_SIZE),
            format!("GET /info on {}", roster.via),
        ),
        None => (
            wanted.pools(),
            wanted.subnet_size.unwrap_or(Swarm::DEFAULT_SUBNET_SIZE),
            case.inventory().path.display().to_string(),
        ),
    };
    if pools.is_empty() {
        return Vec::new();
    }
    let list: Vec<String> = pools.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let seen =
        |judgement: Judgement| judgement.seen(&place, format!("address pool {list}, subnets of /{size}"));
    let help = match ours {
        Some(_) => {
            "it is fixed: give new overlay networks a `--subnet` of their own that you do not use, or make the swarm anew \
                    with `swarm: {address_pool: [10.200.0.0/16]}`"
        }
        None => {
            "write `swarm: {address_pool: [10.200.0.0/16]}` with a network that you do not use, before `skep up` makes the swarm"
        }
    };
    let mut inside = addresses(case);
    inside.retain(|(_, ip)| pools.iter().any(|pool| pool.contains(ip)));
    if let Some((_, ip)) = inside.first() {
        let mut names: Vec<_> = inside.iter().map(|(name, _)| name.clone()).collect();
        names.dedup();
        let first = first_subnet(&pools, size);
        let at_once = own_networks(case).any(|net| {
            first.is_some_and(|first| first.contains(&net.addr()) || net.trunc().contains(&first.addr()))
        });
        let judgement = match at_once {
            true => Judgement::error(format!(
                "the first overlay network that is cut from {list} is the nodes' own: it holds {ip}"
            )),
            false => Judgement::warning(format!(
                "overlay networks are cut from {list}, which holds the nodes' own {ip}: one will hide them"
            )),
        };
        return vec![seen(judgement).remedy(help).about(names)];
    }
    let hidden = case.subjects().find_map(|subject| {
        let soon = pools.iter().filter_map(|pool| first_subnets(pool, size));
        let (who, _) =
            soon.into_iter().find_map(|net| neighbour(&subject, &net, advertise::is_containers))?;
        Some((subject.node.name.clone(), who))
    });
    if let Some((name, who)) = hidden {
        let message = format!(
            "{who} lies in the first of {list}, which overlay networks are cut from: one will hide it"
        );
        return vec![seen(Judgement::warning(message)).remedy(help).about([name])];
    }
    let room: u64 = pools.iter().map(|pool| subnets(pool, size)).fold(0, u64::saturating_add);
    let judgement = match room {
        room if room < FEW => {
            Judgement::warning(format!("there is room for {room} overlay networks only, `ingress` included"))
                .remedy(help)
        }
        _ => Judgement::ok(format!("overlay networks are cut from {list}, where no node is")),
    };
    vec![seen(judgement).about([])]
}

/// The networks that the nodes themselves are in.
fn own_networks<'a>(case: &'a Case<'_>) -> impl Iterator<Item = IpNet> + 'a {
    case.view.hosts.values().flat_map(|host| advertise::own(&host.facts.network))
}

/// The network that a new swarm takes for `ingress`.
fn first_subnet(pools: &[IpNet], size: u8) -> Option<IpNet> {
    IpNet::new(pools.first()?.network(), size).ok()
}

/// The part of a pool that the first 256 networks are cut from: few swarms have more, and what lies beyond is safe.
fn first_subnets(pool: &IpNet, size: u8) -> Option<IpNet> {
    IpNet::new(pool.network(), size.saturating_sub(8).max(pool.prefix_len())).ok()
}

/// How many networks of that size a pool holds.
fn subnets(pool: &IpNet, size: u8) -> u64 {
    let bits = u32::from(size.saturating_sub(pool.prefix_len()));
    if size < pool.prefix_len() { 0 } else { 1_u64.checked_shl(bits).unwrap_or(u64::MAX) }
}
