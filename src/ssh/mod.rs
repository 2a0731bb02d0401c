//! The only room that names russh.

mod known_hosts;
pub use known_hosts::KnownHostsError;
