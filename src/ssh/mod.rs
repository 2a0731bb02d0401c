//! The only room that names russh: reach a host, know it by its key, log in, run commands.
//!
//! [`connect`] gives a [`Session`]; [`Session::exec`] runs one command over it, as often and as many at once
//! as wanted. What cannot be had is told by [`ConnectError`] and [`ExecError`], each with what helps.

mod ask;
mod auth;
mod config;
mod connect;
pub mod dialogue;
mod error;
mod exec;
mod exec_error;
mod glimpse;
mod handler;
mod host_certificate;
mod host_key;
mod identity;
mod jump;
pub(crate) mod known_hosts;
mod prompt;
mod pump;
mod route;
mod session;
mod target;

pub use ask::{AskSecret, Question};
pub use auth::{Attempt, PasswordStanding};
pub use config::{ConfigError, Given, HopSpec, Jump, SshConfig};
pub use connect::{connect, relearn};
pub use error::{ConnectError, ConnectFailure, Unreachable};
pub use exec::{Exec, Exit, ExitStatus, Stdin, Stdout};
pub use exec_error::ExecError;
pub use glimpse::{Glimpse, HostKey, glimpse};
pub(crate) use host_key::fingerprint_of;
pub use identity::Identities;
pub use jump::Jumps;
pub use known_hosts::KnownHostsError;
pub use session::{Output, Session};
pub use target::{
    AskHostKey, Find, KnownHosts, NewHostKeys, OnRetry, Options, PinLater, Route, Target, UnknownKey,
    Whereabouts, WhichAgent,
};
