//! Other tools' inventories from files: what each becomes, and what the user is told of it.

use std::path::{Path, PathBuf};

use skep::inventory::import::import;
use skep::inventory::{Surroundings, read};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import");
    let entries = std::fs::read_dir(&folder).expect("the folder");
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    files.sort();
    assert!(files.len() >= 15, "{} is nearly empty", folder.display());
    files
}

/// One snapshot a file: `cargo insta review` or INSTA_UPDATE=always after a change that is meant.
#[test]
fn each_file_becomes_an_inventory_and_findings() {
    let here = Surroundings { folder: "inventory".into(), home: Some("/home/me".into()), user: "me".into() };
    for path in fixtures() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let folder = format!("{}/", path.parent().expect("a folder").display());
        let (shown, findings) = match import(&path, None, "home") {
            Ok(imported) => {
                let result = read(Path::new("cluster.yml"), &imported.text, &here);
                let loaded = result.unwrap_or_else(|wrong| panic!("{name}: {}", wrong.render(false)));
                assert_eq!(loaded.inventory.nodes.len(), imported.nodes, "{name}");
                (format!("{}\n", imported.text), imported.findings)
            }
            Err(errors) => (String::new(), errors),
        };
        assert_eq!(shown.is_empty(), name.starts_with("error"), "{name}: {shown}{findings}");
        let shown = format!("{shown}{findings}\n").replace(&folder, "");
        let everything = format!("{shown}{findings:?}{}", findings.render(false));
        assert!(!everything.contains("hunter2"), "{name} shows a password: {everything}");
        insta::with_settings!({snapshot_path => "snapshots/import", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, shown);
        });
    }
}

#[test]
fn variables_beside_the_file_are_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("host_vars")).expect("made");
    let path = folder.path().join("hosts");
    std::fs::write(&path, "[managers]\nn1\n").expect("written");
    let findings = import(&path, None, "home").expect("imported").findings.to_string();
    assert!(
        findings.contains("host_vars beside it was not read") && findings.contains("ansible-inventory"),
        "{findings}"
    );
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hosts");
    assert!(
        import(&path, None, "home")
            .expect_err("missing")
            .to_string()
            .contains("hosts: error: cannot read it")
    );
    std::fs::write(&path, b"n1\xff").expect("written");
    assert!(import(&path, None, "home").expect_err("bytes").to_string().contains("not UTF-8"));
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).expect("written");
    assert!(import(&path, None, "home").expect_err("long").to_string().contains("1048577 bytes"));
}
