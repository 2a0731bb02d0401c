//! `skep init`: the first inventory.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use super::args::{Common, Init};
use super::exit;
use super::failure::Failure;
use crate::inventory::{scaffold, schema, write_atomically};

pub(super) fn run(common: &Common, arguments: &Init) -> Result<u8, Failure> {
    let path = &common.inventory;
    if path.exists() && !arguments.force {
        return Err(Failure::new(exit::USAGE, format!("{} is there already", path.display()))
            .help("add a node with `skep node add HOST`, or replace the file with `--force`"));
    }
    let text = scaffold::scaffold(&swarm_name(), &arguments.hosts)
        .map_err(|error| Failure::new(exit::USAGE, error))?;
    let schema_path = write(path, &text)?;
    let printer = common.printer();
    printer.note(&format!("wrote {} and {}", path.display(), schema_path.display()));
    printer.note("look it over, then run `skep plan`");
    Ok(exit::OK)
}

/// Writes an inventory and, beside it, its schema, so that editors complete and check it without a network; the path of
/// the schema.
pub(super) fn write(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let schema_path = folder.join("schema.json");
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| write_atomically(&schema_path, &schema::schema()))
        .and_then(|()| write_atomically(path, text));
    written.map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", path.display())))?;
    Ok(schema_path)
}

/// A name that no other inventory has: the swarm carries it, and another of the same name would be taken for ours.
pub(super) fn swarm_name() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("home-{:04x}", random & 0xffff)
}
