//! Many hosts at once: log in everywhere, bring the agent where it is missing, and offer one thing, a session that
//! takes requests.
//!
//! Outside of this room nobody knows how an agent came to its host.

mod agents;
mod bootstrap;
mod connect;
mod failure;
mod link;
mod reconnect;
mod remote;
mod run_lock;
mod script;
mod session;
#[cfg(test)]
mod tests;

pub use agents::{Agents, Build};
pub use connect::{Options, connect};
pub use failure::{Bootstrap, SessionError};
pub use reconnect::{Keep, LogIn, Mark, Refusal};
pub use remote::{Channel, Exit, Input, Output, Remote, Status};
pub use run_lock::{Locked, busy};
pub use session::{HostSession, Privilege, Relay, Survey};

/// Where agents are kept on a host. Only root may write there, so that nobody else can put one in place.
pub const DIRECTORY: &str = "/var/lib/skep";
