//! The swarm as a whole, and each node's place in it. What membership, quorum and health mean is judged in
//! [`crate::swarm`], for plans and audits alike.

mod address;
mod certificate;
mod members;
mod pool;
mod quorum;
mod spread;
mod x509;

use super::{Judgement, Severity};
use crate::plan::Finding;

pub(super) use address::ADDRESS;
pub(super) use certificate::{CERTIFICATE, ROOT};
pub(super) use members::{MEMBERS, NODE};
pub(super) use pool::POOL;
pub(super) use quorum::{LOCK, MANAGERS, SWARM};
pub(crate) use spread::PLACES;
pub(super) use spread::SPREAD;

/// Where members, roles and managers were read.
const NODES: &str = "GET /nodes";

/// What a plan says, as an audit does.
fn told(severity: Severity, finding: &Finding) -> Judgement {
    Judgement::new(severity, &finding.message).remedy(&finding.help)
}

#[cfg(test)]
mod tests;
