//! The JSON Schema of the inventory, made from the types that read it.

use schemars::generate::SchemaSettings;

use super::file::File;

/// The schema as pretty JSON, draft 2020-12; `inventory/schema.json` is a copy of it.
pub fn schema() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `SKEP_BLESS=1 cargo test` writes the file anew.
    #[test]
    fn the_committed_schema_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory/schema.json");
        if std::env::var_os("SKEP_BLESS").is_some() {
            std::fs::write(&path, schema()).expect("written");
        }
        let committed = std::fs::read_to_string(&path).expect("inventory/schema.json");
        assert!(
            committed == schema(),
            "inventory/schema.json is out of date: SKEP_BLESS=1 cargo test schema"
        );
    }

    #[test]
    fn every_key_has_a_description() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).expect("JSON");
        let definitions = schema["$defs"].as_object().expect("definitions").values();
        for object in definitions.chain([&schema]) {
            for (key, property) in object["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{key}: {property}");
            }
        }
    }
}
