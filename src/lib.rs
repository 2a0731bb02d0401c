//! skep houses a Docker Swarm: it turns freshly flashed boards and boxes into healthy nodes over SSH,
//! from one inventory file, and shows the difference before anything changes.
//!
//! The way through the house: [`inventory`] → [`fleet`] → [`facts`] → [`plan`] → [`apply`], all of it told
//! as [`event`]s that [`report`] reads. [`audit`] judges what is there, and changes nothing. The [`agent`] (`skep-agent`) is built from [`wire`], [`facts`] and
//! [`resource`] alone.

pub mod agent;
pub mod facts;
mod lines;
pub mod resource;
pub mod wire;

#[cfg(feature = "controller")]
pub mod apply;
#[cfg(feature = "controller")]
mod atomic;
#[cfg(feature = "controller")]
pub mod audit;
#[cfg(feature = "controller")]
pub mod cli;
#[cfg(feature = "controller")]
pub mod engine;
#[cfg(feature = "controller")]
pub mod event;
#[cfg(feature = "controller")]
pub mod fleet;
#[cfg(feature = "controller")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "controller")]
pub mod inventory;
#[cfg(feature = "controller")]
pub mod lab;
#[cfg(feature = "controller")]
mod mask;
#[cfg(feature = "controller")]
pub mod plan;
#[cfg(feature = "controller")]
pub mod report;
#[cfg(feature = "controller")]
pub mod scan;
#[cfg(feature = "controller")]
pub mod ssh;
#[cfg(feature = "controller")]
pub mod swarm;
#[cfg(feature = "controller")]
mod words;
