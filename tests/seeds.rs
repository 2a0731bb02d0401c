//! The seeds of the fuzz targets go through the same functions as there, so that neither rots.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use skep::fuzzing::TARGETS;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn stems(folder: &str) -> BTreeSet<String> {
    files(folder).iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn every_seed_is_survived() {
    for (name, target) in TARGETS {
        let seeds = files(&format!("seeds/{name}"));
        assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            let bytes = std::fs::read(&seed).expect("a seed");
            assert!(bytes.len() <= 8192, "{} is large for a seed", seed.display());
            // A panic would not say which file it was.
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                panic!("{name} does not survive {}", seed.display());
            }
        }
    }
}

#[test]
fn each_target_has_its_program_and_its_seeds() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), targets);
    assert_eq!(stems("seeds"), targets);
    let manifest = include_str!("../fuzz/Cargo.toml");
    for target in &targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "fuzz/Cargo.toml does not name {target}");
    }
}
