//! Addresses of the host.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One network interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses with prefix length; loopback and link-local ones are left out.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Hardware address, `aa:bb:cc:dd:ee:ff`; empty where it has none.
    pub mac: String,
}
