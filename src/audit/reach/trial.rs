//! Who sends what to whom, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{CONTROL, GOSSIP, OVERLAY};
use crate::audit::nfs::server_of;
use crate::audit::{PathMtu, Protocol, Reach, Try, TryResult};
use crate::inventory::model::{Inventory, NodeName, Role};
use crate::plan::desire;
use crate::wire::Body;
use crate::wire::reach::{Connection, Heard, Knock, Leads, Packets, Peer, Probe, Sent};

/// Sizes that links are known to have: jumbo frames, Ethernet, PPPoE, tunnels, clouds, the least of IPv6 and of IPv4.
const SIZES: &[u32] = &[
    9000, 8900, 4000, 2000, 1500, 1492, 1480, 1472, 1460, 1450, 1440, 1430, 1420, 1412, 1400, 1380, 1360,
    1340, 1300, 1280, 1200, 1000, 576,
];

/// How many sizes are tried between one that arrived and the next one that did not.
const STEPS: u32 = 64;

/// How many rounds there are at most.
pub(super) const ROUNDS: usize = 3;

/// A node that takes part.
#[derive(Debug, Clone)]
pub(super) struct Party {
    pub(super) node: NodeName,
    /// Where the others reach it.
    pub(super) address: IpAddr,
    /// Where clients mount its shares from.
    pub(super) serves_at: IpAddr,
}

/// All that is tried.
#[derive(Debug)]
pub(super) struct Trial {
    token: u64,
    parties: Vec<Party>,
    pairs: Vec<Pair>,
    /// The pairs that the last probe of a node was about, in its order.
    asked: BTreeMap<usize, Vec<usize>>,
    /// Why what arrives at a node, or is sent by it, is not known.
    out: BTreeMap<usize, Out>,
}

/// Why a node does not take part in all of it.
#[derive(Debug, Default)]
struct Out {
    deaf: Option<String>,
    mute: Option<String>,
}

/// What one sends to another at one address.
#[derive(Debug)]
struct Pair {
    from: usize,
    to: usize,
    address: IpAddr,
    tcp: Vec<Tcp>,
    udp: Vec<Udp>,
    /// Sizes are tried along with the overlay networks' port.
    packets: bool,
    leads: Option<Leads>,
    sizes_sent: BTreeSet<u32>,
    sizes_heard: BTreeSet<u32>,
}

#[derive(Debug)]
struct Tcp {
    port: u16,
    connection: Option<Connection>,
    /// Whether its beginning arrived.
    arrived: bool,
}

#[derive(Debug)]
struct Udp {
    port: u16,
    refusal: Option<String>,
    arrived: bool,
}

impl Trial {
    /// All that the inventory needs: control by managers, gossip and overlay networks among all, NFS from clients to
    /// the servers of their shares.
    pub(super) fn of(inventory: &Inventory, parties: Vec<Party>, token: u64) -> Self {
        let mut trial =
            Self { token, parties, pairs: Vec::new(), asked: BTreeMap::new(), out: BTreeMap::new() };
        let every = 0..trial.parties.len();
        for (from, to) in every.clone().flat_map(|from| every.clone().map(move |to| (from, to))) {
            if from != to {
                trial.pairs.extend(pairs(inventory, (from, &trial.parties[from]), (to, &trial.parties[to])));
            }
        }
        trial
    }

    /// What all nodes are to listen for.
    pub(super) fn listen(&self) -> Body {
        let tcp: BTreeSet<u16> = self.pairs.iter().flat_map(|pair| &pair.tcp).map(|tcp| tcp.port).collect();
        Body::Listen { token: self.token, tcp: tcp.into_iter().collect() }
    }

    /// It cannot be told what arrives there.
    pub(super) fn deaf(&mut self, party: usize, why: String) {
        self.out.entry(party).or_default().deaf = Some(why);
    }

    /// It cannot be told what was sent from there.
    pub(super) fn mute(&mut self, party: usize, why: String) {
        self.out.entry(party).or_default().mute = Some(why);
    }

    fn why_deaf(&self, party: usize) -> Option<&String> {
        self.out.get(&party)?.deaf.as_ref()
    }

    fn why_mute(&self, party: usize) -> Option<&String> {
        self.out.get(&party)?.mute.as_ref()
    }

    /// What a node sends in a round, the first being 0; none where that is nothing. What did not arrive is sent again
    /// where it can have been lost.
    pub(super) fn probe(&mut self, round: usize, from: usize) -> Option<Probe> {
        let (mut asked, mut peers) = (Vec::new(), Vec::new());
        for place in 0..self.pairs.len() {
            let is_told = |pair: &Pair| self.why_deaf(pair.to).is_none() && self.why_mute(from).is_none();
            if self.pairs[place].from != from || (round > 0 && !is_told(&self.pairs[place])) {
                continue;
            }
            if let Some(peer) = self.pairs[place].peer(round) {
                asked.push(place);
                peers.push(peer);
            }
        }
        self.asked.insert(from, asked);
        (!peers.is_empty()).then_some(Probe { token: self.token, from: u32::try_from(from).ok()?, peers })
    }

    /// What the sender saw of its last [`Probe`].
    pub(super) fn sent(&mut self, from: usize, sent: Vec<Sent>) {
        for (pair, sent) in self.asked.remove(&from).into_iter().flatten().zip(sent) {
            self.pairs[pair].note_sent(sent);
        }
    }

    /// What arrived at a node so far.
    pub(super) fn heard(&mut self, to: usize, heard: &Heard) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.to == to) {
            pair.note_heard(heard, self.parties[pair.from].address);
        }
    }

    /// What came of it all.
    pub(super) fn reach(&self) -> Reach {
        let mut reach = Reach::default();
        for pair in &self.pairs {
            let (from, to) = (&self.parties[pair.from].node, &self.parties[pair.to].node);
            let (mute, deaf) = (self.why_mute(pair.from), self.why_deaf(pair.to));
            let made = |port, protocol, result| Try {
                from: from.clone(),
                to: to.clone(),
                address: pair.address,
                port,
                protocol,
                result,
            };
            let tcp = pair.tcp.iter().map(|tcp| made(tcp.port, Protocol::Tcp, tcp.result(mute, deaf)));
            let udp = pair.udp.iter().map(|udp| made(udp.port, Protocol::Udp, udp.result(mute, deaf)));
            reach.tries.extend(tcp.chain(udp));
            if let (true, Some(leads), None) = (pair.packets, &pair.leads, mute.or(deaf)) {
                let bytes = pair.sizes_heard.last().copied();
                reach.mtus.push(PathMtu { from: from.clone(), to: to.clone(), bytes, interface: leads.mtu });
            }
        }
        reach
    }
}

/// What a node sends to another: all to the address by which the others reach it, NFS to the one that shares are mounted
/// from.
fn pairs(inventory: &Inventory, from: (usize, &Party), to: (usize, &Party)) -> Vec<Pair> {
    let is_manager = inventory.node(&to.1.node).is_some_and(|node| node.role == Role::Manager);
    // NFS from version 4 on needs one port only (RFC 7530): 2049, or the one of the mount's options.
    let served = desire::mounts(inventory, &from.1.node).filter(|(share, _)| share.server == to.1.node);
    let nfs: BTreeSet<u16> =
        served.filter_map(|(share, mount)| Some(server_of(inventory, share, mount)?.port)).collect();
    let mut swarm = Pair::new(from.0, to.0, to.1.address);
    swarm.tcp.extend(is_manager.then(|| Tcp::new(CONTROL)));
    swarm.tcp.push(Tcp::new(GOSSIP));
    swarm.udp.extend([GOSSIP, OVERLAY].map(|port| Udp { port, refusal: None, arrived: false }));
    swarm.packets = true;
    let mut pairs = vec![swarm];
    if !nfs.is_empty() && to.1.serves_at != to.1.address {
        pairs.push(Pair::new(from.0, to.0, to.1.serves_at));
    }
    if let Some(last) = pairs.last_mut() {
        last.tcp.extend(nfs.into_iter().map(Tcp::new));
    }
    pairs
}

impl Pair {
    fn new(from: usize, to: usize, address: IpAddr) -> Self {
        Self {
            from,
            to,
            address,
            tcp: Vec::new(),
            udp: Vec::new(),
            packets: false,
            leads: None,
            sizes_sent: BTreeSet::new(),
            sizes_heard: BTreeSet::new(),
        }
    }

    /// What is sent in a round: at first everything once, and the largest packet that the interface takes; then what
    /// did not arrive again, and all sizes; then those between the largest that arrived and the next. None where nothing
    /// is left to send.
    fn peer(&mut self, round: usize) -> Option<Peer> {
        let udp: Vec<u16> = self.udp.iter().filter(|udp| !udp.arrived).map(|udp| udp.port).collect();
        let sizes = match round {
            0 => Vec::new(),
            1 => self.lacking().map(|largest| sizes_up_to(largest).collect()).unwrap_or_default(),
            _ => self.between(),
        };
        self.sizes_sent.extend(&sizes);
        let largest = round == 0;
        let packets = (self.packets && (largest || !sizes.is_empty())).then_some(Packets {
            port: OVERLAY,
            sizes,
            largest,
        });
        let tcp: Vec<u16> = match round {
            0 => self.tcp.iter().map(|tcp| tcp.port).collect(),
            _ => Vec::new(),
        };
        let nothing = tcp.is_empty() && udp.is_empty() && packets.is_none();
        (!nothing).then_some(Peer {
            address: self.address,
            tcp,
            udp,
            packets,
            copies: if round == 0 { 1 } else { 3 },
        })
    }

    /// The largest packet that the interface takes, where that did not arrive.
    fn lacking(&self) -> Option<u32> {
        let largest = self.leads.as_ref()?.mtu;
        (!self.sizes_heard.contains(&largest)).then_some(largest)
    }

    /// Sizes between the largest that arrived and the next that did not.
    fn between(&self) -> Vec<u32> {
        let (Some(_), Some(arrived)) = (self.lacking(), self.sizes_heard.last()) else { return Vec::new() };
        let Some(next) = self.sizes_sent.range(arrived + 1..).next() else { return Vec::new() };
        let step = (next - arrived).div_ceil(STEPS).max(1);
        (arrived + 1..*next).step_by(usize::try_from(step).unwrap_or(1)).collect()
    }

    fn note_sent(&mut self, sent: Sent) {
        for (tcp, connection) in self.tcp.iter_mut().zip(sent.tcp) {
            tcp.connection = Some(connection);
        }
        let lost = self.udp.iter_mut().filter(|udp| !udp.arrived);
        for (udp, refusal) in lost.zip(sent.udp) {
            udp.refusal = refusal.or(udp.refusal.take());
        }
        self.sizes_sent.extend(sent.interface.as_ref().map(|leads| leads.mtu));
        self.leads = sent.interface.or(self.leads.take());
    }

    fn note_heard(&mut self, heard: &Heard, sender: IpAddr) {
        let from = u32::try_from(self.from).ok();
        let own = |datagram: &&crate::wire::reach::Datagram| Some(datagram.from) == from;
        for datagram in heard.datagrams.iter().filter(own) {
            for udp in self.udp.iter_mut().filter(|udp| udp.port == datagram.port) {
                udp.arrived = true;
            }
            if datagram.port == OVERLAY && self.sizes_sent.contains(&datagram.bytes) {
                self.sizes_heard.insert(datagram.bytes);
            }
        }
        for tcp in &mut self.tcp {
            tcp.arrived |= heard.knocks.contains(&Knock { from: sender, port: tcp.port });
        }
    }
}

fn sizes_up_to(largest: u32) -> impl Iterator<Item = u32> {
    let known = SIZES.iter().copied().filter(move |size| *size < largest);
    [largest].into_iter().chain(known)
}

impl Tcp {
    fn new(port: u16) -> Self {
        Self { port, connection: None, arrived: false }
    }

    fn result(&self, mute: Option<&String>, deaf: Option<&String>) -> TryResult {
        let blocked = |words: &str| TryResult::Blocked(words.to_owned());
        match (&self.connection, self.arrived) {
            (None, _) => TryResult::Untried(mute.cloned().unwrap_or_else(|| "nothing was sent".to_owned())),
            // Nobody has the port yet, and nothing is in the way.
            (Some(Connection::Made), _) | (Some(Connection::Reset), true) => TryResult::Open,
            (Some(Connection::Reset), false) => match deaf {
                Some(why) => TryResult::Untried(format!("reset, by the host or by a filter: {why}")),
                None => blocked("reset on the way"),
            },
            (Some(Connection::Silence), true) => blocked("it arrives, but its answer does not come back"),
            (Some(Connection::Silence), false) => blocked("no answer"),
            (Some(Connection::Refused(words)), _) => blocked(words),
        }
    }
}

impl Udp {
    fn result(&self, mute: Option<&String>, deaf: Option<&String>) -> TryResult {
        match (self.arrived, mute.or(deaf), &self.refusal) {
            (true, ..) => TryResult::Open,
            (false, Some(why), _) => TryResult::Untried(why.clone()),
            (false, None, Some(words)) => TryResult::Blocked(words.clone()),
            (false, None, None) => TryResult::Blocked("it does not arrive".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
