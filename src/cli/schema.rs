//! `skep schema`: the JSON Schema of the inventory.

use super::args::Common;
use super::exit;
use super::failure::Failure;
use crate::inventory::schema;

pub(super) fn run(common: &Common) -> Result<u8, Failure> {
    common.printer().result(&schema::schema());
    Ok(exit::OK)
}
