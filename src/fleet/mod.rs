//! Many hosts at once: log in everywhere, bring the agent where it is missing, and offer one thing, a session that
//! takes requests.
//!
//! Outside of this room nobody knows how an agent came to its host.

mod agents;
mod bootstrap;
mod connect;
mod denied;
mod elevation;
mod failure;
pub(crate) mod first_login;
mod link;
mod password;
mod place;
mod reconnect;
mod remote;
mod run_lock;
mod script;
mod session;
#[cfg(test)]
mod tests;

pub use agents::{Agents, Build};
pub use connect::{NoSession, Options, connect_each};
pub use denied::Denied;
pub use elevation::Elevation;
pub use failure::{Bootstrap, SessionError};
pub use password::{Keyring, Passwords};
pub use place::{PLACES, Unfit};
pub use reconnect::{Keep, LogIn, Mark, Refusal, Relearn};
pub use remote::{Channel, Exit, Input, Output, Remote, Status};
pub use run_lock::{Locked, busy};
pub use session::{HostSession, Privilege, Relay, Survey};
