//! Tries all ports between all nodes, and how large packets may be.
//!
//! [`trial`] knows who sends what to whom, and what it means that something arrived or did not: pure. [`drive`] asks the
//! agents. A second and a third round send again what did not arrive, since any datagram may get lost, and find the
//! size of packets that is just not too large.

mod drive;
mod trial;

pub(crate) use drive::drive;

/// Control of the swarm, by managers.
const CONTROL: u16 = crate::swarm::PORT;
/// Gossip among all nodes (docs.docker.com, "Open protocols and ports between the hosts").
const GOSSIP: u16 = 7946;
/// Overlay networks: VXLAN (RFC 7348).
pub(crate) const OVERLAY: u16 = 4789;
