//! Embeds the agents in the controller, so that one file is all there is to carry.
//!
//! `SKEP_AGENTS` names a directory, made by `cargo demo` and `cargo dist`, that holds for each architecture
//! `skep-agent-ARCH.gz` and `skep-agent-ARCH.sha256` (the hash of the binary before compression, as the host
//! will compute it). Unset, nothing is embedded and skep looks for agents beside its executable.

use std::path::{Path, PathBuf};
use std::{env, fs};

const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

fn main() {
    println!("cargo::rerun-if-env-changed=SKEP_AGENTS");
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CONTROLLER").is_none() {
        return;
    }
    if let Err(message) = write_agents() {
        println!("cargo::error={message}");
    }
}

fn write_agents() -> Result<(), String> {
    let entries = match env::var_os("SKEP_AGENTS") {
        Some(directory) => entries(Path::new(&directory))?,
        None => Vec::new(),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo set no OUT_DIR")?).join("agents.rs");
    // An expression of type `&[(&str, &str, &[u8])]`: architecture, hash, gzipped binary.
    fs::write(&out, format!("&[\n{}]\n", entries.concat())).map_err(|e| format!("{}: {e}", out.display()))
}

fn entries(directory: &Path) -> Result<Vec<String>, String> {
    let directory = directory.canonicalize().map_err(|e| {
        format!("SKEP_AGENTS={}: {e}; `cargo dist` makes that directory", directory.display())
    })?;
    // A new architecture's files appear in the directory, not in a file that is watched already.
    println!("cargo::rerun-if-changed={}", directory.display());
    let found: Vec<_> = ARCHITECTURES
        .iter()
        .filter(|arch| binary(&directory, arch).exists())
        .map(|arch| entry(&directory, arch))
        .collect();
    if found.is_empty() {
        return Err(format!(
            "SKEP_AGENTS={} holds no skep-agent-ARCH.gz; `cargo dist` makes them",
            directory.display()
        ));
    }
    found.into_iter().collect()
}

fn entry(directory: &Path, arch: &str) -> Result<String, String> {
    let binary = binary(directory, arch);
    let hash_file = directory.join(format!("skep-agent-{arch}.sha256"));
    let hash = fs::read_to_string(&hash_file).map_err(|e| format!("{}: {e}", hash_file.display()))?;
    let hash = hash.trim();
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("{}: {hash:?} is no SHA-256 in hexadecimal", hash_file.display()));
    }
    println!("cargo::rerun-if-changed={}", binary.display());
    println!("cargo::rerun-if-changed={}", hash_file.display());
    let path = binary.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", binary.display()))?;
    Ok(format!("    ({arch:?}, {hash:?}, include_bytes!({path:?}).as_slice()),\n"))
}

fn binary(directory: &Path, arch: &str) -> PathBuf {
    directory.join(format!("skep-agent-{arch}.gz"))
}
