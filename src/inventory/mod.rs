//! Desire: what the user wants, from one YAML file.
//!
//! [`load`] is the way in: the text becomes a [`file::File`] (what is written), `check` turns that into
//! an [`Inventory`] (what is meant) and gathers everything that is wrong with it as [`Diagnostic`]s.
//! [`scaffold`] writes the first inventory, [`import`] makes one from another tool's, [`edit`] changes one without
//! touching what it did not add, [`show`] tells what was understood.

pub mod diagnostic;
pub mod document;
pub mod edit;
pub mod file;
pub mod import;
pub mod scaffold;
pub mod schema;
pub mod secret;
pub mod show;

mod address;
mod attached;
pub mod boot;
mod check;
mod host_arg;
mod load;
mod mask;
pub mod model;
mod outline;
mod parse;
mod scalar;
mod spot;

pub use crate::atomic::replace as write_atomically;
pub use attached::TEMPLATE_SUFFIX;
pub(crate) use check::clients::{is_everyone, network};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use host_arg::{HostArg, HostArgError};
pub use load::{DEFAULT_PATH, Loaded, Surroundings, attach, load, load_alone, read};
pub use model::Inventory;
pub(crate) use parse::suggestion;
pub use secret::{SecretError, SecretSource};
pub use spot::{Entries, Spot};
