//! Which hosts of a network answer SSH, and what they are as far as that shows without a login.

mod by_mac;
mod known;
mod name;
mod neighbours;
mod range;
mod what;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

pub use by_mac::by_mac;
pub use known::{Place, places};
pub use range::{RangeError, addresses, own, parse};

use crate::ssh::{Glimpse, HostKey, glimpse};

/// How many hosts are tried at once. Most addresses of a network are nobody's, and cost nothing but waiting.
const AT_ONCE: usize = 256;

/// A host that answers SSH.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where.
    pub address: IpAddr,
    /// The name that it gives itself on the local link.
    pub name: Option<String>,
    /// The hardware address of its network card, where it is on the same link.
    pub mac: Option<String>,
    /// What its server's identification line tells of its system.
    pub system: Option<String>,
    /// That line.
    pub identification: String,
    /// Its key; none where it would not show one.
    pub key: Option<HostKey>,
}

impl Found {
    /// Who made it, as far as its hardware address tells.
    pub fn machine(&self) -> Option<&'static str> {
        self.mac.as_deref().and_then(what::machine)
    }
}

/// Looks at all these addresses; those that answer, in the order of their addresses.
pub async fn scan(addresses: &[IpAddr], port: u16, patience: Duration) -> Vec<Found> {
    let look = |address: IpAddr| async move {
        let glimpse = glimpse(SocketAddr::new(address, port), patience).await.ok().flatten()?;
        let name = name::name(address, patience).await;
        Some((address, name, glimpse))
    };
    let looks = stream::iter(addresses.iter().copied().map(look)).buffer_unordered(AT_ONCE);
    let answers: Vec<_> = looks.filter_map(std::future::ready).collect().await;
    // Read afterwards: whoever answered is in it now.
    let mut macs = neighbours::read();
    let mut found: Vec<Found> = answers
        .into_iter()
        .map(|(address, name, Glimpse { identification, key })| Found {
            address,
            name,
            mac: macs.remove(&address),
            system: what::system(&identification),
            identification,
            key,
        })
        .collect();
    found.sort_by_key(|host| host.address);
    found
}
