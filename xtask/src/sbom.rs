//! The bill of materials: every crate that is in the binaries, as CycloneDX 1.5 in JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::arch;
use crate::build::{output, repository};
use crate::failure::{Failure, Result};
use crate::release::VERSION;

/// Writes the bill of materials into `dist`; its path.
pub(crate) fn write(dist: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).args(["metadata", "--locked", "--format-version=1"]);
    cargo.args(arch::ALL.map(|arch| format!("--filter-platform={}", arch.gnu)));
    let metadata = output(&mut cargo, "cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&metadata)
        .map_err(|error| Failure::Format { file: "cargo metadata", problem: error.to_string() })?;
    let lock = repository().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(Failure::io(lock.display()))?;
    let path = dist.join(format!("skep-{VERSION}.cdx.json"));
    fs::write(&path, format!("{:#}\n", bill(&metadata, &checksums(&lock))))
        .map_err(Failure::io(path.display()))?;
    Ok(path)
}

/// The bill for what `cargo metadata` says.
fn bill(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Value {
    let graph = graph(metadata);
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).map(|package| (text(&package["id"]), package)).collect();
    let root = packages.iter().find(|(_, package)| package["name"] == "skep").map_or("", |(id, _)| *id);
    let inside = reachable(&graph, root);
    let component = |id: &&str| packages.get(id).map(|package| component(package, checksums));
    let others = inside.iter().filter(|id| **id != root);
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(&root) },
        "components": others.filter_map(component).collect::<Vec<_>>(),
        "dependencies": inside
            .iter()
            .filter_map(|id| {
                let needs = graph.get(id)?.iter().filter_map(|needed| packages.get(needed).map(|p| purl(p)));
                Some(json!({ "ref": purl(packages.get(id)?), "dependsOn": needs.collect::<Vec<_>>() }))
            })
            .collect::<Vec<_>>(),
    })
}

/// What each package needs to run; neither what builds it nor what tests it.
fn graph(metadata: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    let runs = |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
    list(&metadata["resolve"]["nodes"])
        .map(|node| {
            let needs = list(&node["deps"]).filter(runs).map(|dependency| text(&dependency["pkg"]));
            (text(&node["id"]), needs.collect())
        })
        .collect()
}

fn reachable<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, root: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut left) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = left.pop() {
        left.extend(graph.get(id).into_iter().flatten().copied().filter(|needed| seen.insert(needed)));
    }
    seen
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    let own = name == "skep";
    let mut component = json!({
        "type": if own { "application" } else { "library" },
        "bom-ref": purl(package),
        "name": name,
        "version": version,
        "purl": purl(package),
    });
    if let Some(licence) = package["license"].as_str() {
        // An older way to write a choice, which SPDX does not know.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

fn purl(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
}

/// The checksums in `Cargo.lock`, by name and version. All of TOML that cargo writes there.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.and_then(|value| value.strip_suffix('"')).map(str::to_owned)
    };
    lock.split("[[package]]")
        .filter_map(|package| {
            Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?))
        })
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_is_in_the_bill_and_all_of_it() {
        let package = |name: &str, licence: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": licence });
        let needs = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("skep", "MIT"), package("a", "MIT/Apache-2.0"), package("b", "ISC"),
                         package("builds", "MIT"), package("tests", "MIT"), package("xtask", "MIT")],
            "resolve": { "nodes": [
                { "id": "skep", "deps": [needs("a", Value::Null), needs("builds", json!("build")), needs("tests", json!("dev"))] },
                { "id": "a", "deps": [needs("b", Value::Null)] },
                { "id": "b", "deps": [] }, { "id": "tests", "deps": [] }, { "id": "xtask", "deps": [] },
            ] },
        });
        let lock = "version = 4\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"abc\"\n\
                    dependencies = [\n \"c\",\n]\n\n[[package]]\nname = \"skep\"\nversion = \"1.0.0\"\n";
        let bill = bill(&metadata, &checksums(lock));
        let names: Vec<_> = list(&bill["components"]).map(|component| text(&component["name"])).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][1]["hashes"][0]["content"], "abc");
        assert_eq!(bill["metadata"]["component"]["type"], "application");
        let of_skep = list(&bill["dependencies"]).find(|entry| entry["ref"] == "pkg:cargo/skep@1.0.0");
        assert_eq!(of_skep.expect("skep needs something")["dependsOn"], json!(["pkg:cargo/a@1.0.0"]));
    }
}
