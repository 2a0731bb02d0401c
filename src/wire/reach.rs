//! What agents are asked when ports and packet sizes between hosts are tried.
//!
//! Each host first listens, then all send at once, then each tells what arrived. Nothing is bound: what arrives is seen
//! on raw sockets behind the host's own filter of incoming packets, whether or not a daemon has the port.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What one host sends to the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Marks the datagrams of this audit.
    pub token: u64,
    /// Marks the datagrams of this host.
    pub from: u32,
    /// Whom it sends to.
    pub peers: Vec<Peer>,
}

/// What one host sends to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// Ports to connect to; nothing is said there.
    #[serde(default)]
    pub tcp: Vec<u16>,
    /// Ports to send a small marked datagram to.
    #[serde(default)]
    pub udp: Vec<u16>,
    /// Packets of which sizes to try.
    #[serde(default)]
    pub packets: Option<Packets>,
    /// How many of each datagram, since any may get lost.
    pub copies: u8,
}

/// Packets that must come through in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// The port that their datagrams go to.
    pub port: u16,
    /// Bytes of the whole IP packet; those that the sender's interface does not take are left out.
    pub sizes: Vec<u32>,
    /// Whether one as large as the sender's interface takes is sent too.
    pub largest: bool,
}

/// What became of a [`Peer`], as the sender sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The connection to each port, in the order of the request.
    pub tcp: Vec<Connection>,
    /// Who refused a datagram and how, for each port in the order of the request; none where nobody did.
    pub udp: Vec<Option<String>>,
    /// The interface that leads there; none where none does.
    pub interface: Option<Leads>,
}

/// The interface that leads to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leads {
    /// Its name.
    pub name: String,
    /// Bytes of the largest packet that it takes.
    pub mtu: u32,
}

/// What came of connecting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Somebody answers.
    Made,
    /// It was reset: nobody listens there, or a filter does as if.
    Reset,
    /// There was no answer.
    Silence,
    /// It was refused, in the system's own words.
    Refused(String),
}

/// What arrived at a host since it was told to listen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Marked datagrams, each once.
    pub datagrams: Vec<Datagram>,
    /// Beginnings of connections, each once.
    pub knocks: Vec<Knock>,
}

/// A marked datagram.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Datagram {
    /// The mark of the host it is from.
    pub from: u32,
    /// The port it was for.
    pub port: u16,
    /// Bytes of the whole IP packet.
    pub bytes: u32,
}

/// The beginning of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Knock {
    /// The address it is from.
    pub from: IpAddr,
    /// The port it was for.
    pub port: u16,
}
