//! Inventories from files: every kind of mistake as its user sees it, and the examples.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use skep::inventory::model::{Jump, Node, Role, Sudo};
use skep::inventory::{Diagnostics, HostArg, Loaded, SecretSource, Surroundings, load, read};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Read as if from the folder `inventory` by the user `me`, wherever the tests run.
fn read_as_me(name: &str, text: &str) -> Result<Loaded, Diagnostics> {
    let here = Surroundings { folder: "inventory".into(), home: Some("/home/me".into()), user: "me".into() };
    read(Path::new(name), text, &here)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

fn example(name: &str) -> Loaded {
    let path = root().join("inventory").join(name);
    load(&path).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
}

/// One snapshot a file: `cargo insta review` or INSTA_UPDATE=always after a change that is meant.
#[test]
fn each_mistake_is_shown_where_it_stands() {
    for path in files("tests/fixtures/inventory") {
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let shown = match read_as_me(&name, &text) {
            Ok(loaded) => loaded.warnings,
            Err(errors) => errors,
        };
        assert!(!shown.is_empty(), "{name} shows no mistake");
        let rendered = shown.render(false);
        assert!(!format!("{rendered}{shown}{shown:?}").contains("hunter2"), "{name} shows a password");
        insta::with_settings!({snapshot_path => "snapshots/inventory", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name.trim_end_matches(".yml"), rendered);
        });
    }
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let error = load(Path::new("/nonexistent/cluster.yml")).expect_err("missing");
    let rendered = "\
error: there is no such inventory
--> /nonexistent/cluster.yml
 = help: `skep init USER@HOST HOST HOST` makes one; `--inventory FILE` takes another
";
    assert_eq!(error.render(false), rendered);
    let line = "/nonexistent/cluster.yml: error: there is no such inventory \
                (`skep init USER@HOST HOST HOST` makes one; `--inventory FILE` takes another)";
    assert_eq!(error.to_string(), line);
}

#[test]
fn what_is_no_text_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.yml");
    std::fs::write(&path, b"nodes: \xff").expect("written");
    assert!(load(&path).expect_err("not text").to_string().contains("not UTF-8 text (from byte 7 on)"));
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).expect("written");
    assert!(load(&path).expect_err("too long").to_string().contains("1048577 bytes"));
    assert!(load(folder.path()).expect_err("a folder").has_errors());
}

#[test]
fn diagnostics_are_one_line_each_and_data() {
    let wrong = read_as_me("x.yml", "nodes:\n  N1: {address: é b, role: manager}\n").expect_err("wrong");
    let lines: Vec<_> = wrong.iter().map(|one| one.to_string()).collect();
    assert!(
        lines[0].starts_with("x.yml:2:3: error: `N1` cannot be the name of a node (use "),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with("x.yml:2:17: error: `é b` is neither an IP address nor a host name ("),
        "{}",
        lines[1]
    );
    assert_eq!(wrong.to_string(), lines.join("\n"));
    let mut data = serde_json::to_value(&wrong).expect("JSON");
    data[1]["help"] = "…".into();
    let wanted = serde_json::json!({
        "severity": "error", "message": "`é b` is neither an IP address nor a host name", "file": "x.yml",
        "line": 2, "column": 17, "span": {"start": 23, "end": 27}, "label": null, "help": "…",
    });
    assert_eq!(data[1], wanted);
}

#[test]
fn every_example_loads_without_a_word() {
    for path in files("inventory") {
        let loaded = load(&path).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
    }
}

#[test]
fn the_minimal_example_gets_every_default() {
    let inventory = example("minimal.yml").inventory;
    assert_eq!(inventory.name, "swarm");
    let [one, two] = inventory.nodes.as_slice() else { panic!("two nodes") };
    assert_eq!((one.role, two.role), (Role::Manager, Role::Worker));
    assert_eq!((one.login.port, one.login.keys.len(), one.place.line), (None, 0, 6));
    assert!(inventory.shares.is_empty() && inventory.swarm.address_pool.is_empty());
}

#[test]
fn the_home_example_is_the_seed() {
    let inventory = example("home.yml").inventory;
    let share = &inventory.shares[0];
    let line = format!("{} {}({})", share.path.display(), share.clients.join(" "), share.options.join(","));
    let seed = "/var/shared/folder 192.168.2.0/24\
                (rw,fsid=0,sync,crossmnt,no_subtree_check,all_squash,anonuid=1000,anongid=1000)";
    assert_eq!(line, seed);
    assert_eq!((share.owner.uid, share.owner.gid, share.mode), (1000, 1000, 0o775));
    let mount = share.mount.as_ref().expect("mounted");
    assert_eq!(mount.remote, Path::new("/"));
    assert_eq!(mount.on.iter().map(|node| node.0.as_str()).collect::<Vec<_>>(), ["n2", "n3"]);
}

#[test]
fn the_boards_example_takes_from_defaults() {
    let inventory = example("boards.yml").inventory;
    assert_eq!(inventory.nodes.len(), 10);
    assert_eq!(inventory.managers().count(), 5);
    let last = &inventory.nodes[9];
    assert_eq!((last.login.user.as_deref(), last.role), (Some("pi"), Role::Worker));
    assert_eq!(last.labels.len(), 2);
}

#[test]
fn nodes_override_defaults() {
    let text = "
defaults: {role: worker, user: pi, port: 2222, key: a, keys: [b], labels: {x: d, y: d}, password: {file: pw}, key_passphrase: {env: KP}, sudo: always}
nodes:
  n1: {address: n1, role: manager}
  n2: {address: n2, user: root, port: 22, keys: [~/c, /d], labels: {x: n}, password: {env: PW}, sudo: never}
";
    let nodes = read_as_me("x.yml", text).expect("loads").inventory.nodes;
    let [one, two] = nodes.as_slice() else { panic!("two nodes") };
    let keys = |node: &Node| node.login.keys.iter().map(|key| key.display().to_string()).collect::<Vec<_>>();
    assert_eq!(
        (one.login.user.as_deref(), one.login.port, one.login.sudo),
        (Some("pi"), Some(2222), Sudo::Always)
    );
    assert_eq!(
        (two.login.user.as_deref(), two.login.port, two.login.sudo),
        (Some("root"), Some(22), Sudo::Never)
    );
    assert_eq!(
        (keys(one).join(" "), keys(two).join(" ")),
        ("inventory/a inventory/b".into(), "/home/me/c /d".into())
    );
    assert_eq!(one.login.password, Some(SecretSource::File("inventory/pw".into())));
    assert_eq!(two.login.password, Some(SecretSource::Env("PW".into())));
    assert_eq!(two.login.key_passphrase, Some(SecretSource::Env("KP".into())));
    assert_eq!(
        (one.labels["x"].as_str(), two.labels["x"].as_str(), two.labels["y"].as_str()),
        ("d", "n", "d")
    );
}

#[test]
fn a_nodes_own_way_stands_in_for_that_of_defaults() {
    let text = "
defaults: {role: manager, jump: \"me@bastion:2222, inner\"}
nodes:
  n1: {address: n1}
  n2: {address: n2, jump: none}
  n3: {address: n3, proxy_command: nc %h %p}
";
    let nodes = read_as_me("x.yml", text).expect("loads").inventory.nodes;
    let hop = |text: &str| text.parse::<HostArg>().expect("a host");
    let ways: Vec<_> = nodes.into_iter().map(|node| (node.login.jump, node.login.proxy_command)).collect();
    assert_eq!(
        ways,
        [
            (Some(Jump::Via(vec![hop("me@bastion:2222"), hop("inner")])), None),
            (Some(Jump::None), None),
            (None, Some("nc %h %p".to_owned())),
        ]
    );
}

#[test]
fn paths_below_an_nfs4_root_are_shorter() {
    let text = "
nodes: {n1: {address: n1, role: manager}, n2: {address: n2, role: worker}}
shares:
  root: {server: n1, path: /srv/nfs/, clients: [n2], options: [fsid=root], mount: {at: /mnt/root}}
  below: {server: n1, path: /srv/nfs/a/b, clients: [n2], mount: {at: /mnt/below}}
  told: {server: n1, path: /srv/nfs/c, clients: [n2], mount: {at: /mnt/told, remote: /other}}
  other: {server: n2, path: /srv/nfs/d, clients: [n1], mount: {at: /mnt/other, on: [all]}}
";
    let shares = read_as_me("x.yml", text).expect("loads").inventory.shares;
    let remotes: Vec<_> = shares
        .iter()
        .map(|share| share.mount.as_ref().expect("mounted").remote.display().to_string())
        .collect();
    assert_eq!(remotes, ["/", "/a/b", "/other", "/srv/nfs/d"]);
    assert_eq!(shares[3].mount.as_ref().expect("mounted").on, ["n1".into()]);
    assert_eq!(shares[0].path, Path::new("/srv/nfs"));
}

#[test]
fn every_key_is_documented() {
    let schema: serde_json::Value = serde_json::from_str(&skep::inventory::schema::schema()).expect("JSON");
    let docs = std::fs::read_to_string(root().join("docs/inventory.md")).expect("docs/inventory.md");
    let definitions = schema["$defs"].as_object().expect("definitions").values();
    for object in definitions.chain([&schema]) {
        for key in object["properties"].as_object().into_iter().flatten().map(|(key, _)| key) {
            assert!(docs.contains(&format!("`{key}`")), "docs/inventory.md does not mention `{key}`");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = read_as_me("x.yml", &text).map_err(|wrong| wrong.render(true));
    }

    #[test]
    fn almost_yaml_never_panics(words in proptest::collection::vec(
        "nodes|n1|address|role|manager|shares|clients|options|password|192.168.2.1|fsid=0|[:{},\\[\\]&*|>\"'#é-]|: |\n|\n  |\n    |- ", 0..60)
    ) {
        let _ = read_as_me("x.yml", &words.concat()).map_err(|wrong| wrong.render(false));
    }

    /// A whole file with one piece cut out is wrong somewhere or still right, and either can be shown.
    #[test]
    fn damaged_examples_never_panic(start in 0usize..1200, length in 0usize..60) {
        let text = include_str!("../inventory/home.yml");
        let cut: String = text.char_indices().filter(|(at, _)| !(start..start + length).contains(at)).map(|(_, c)| c).collect();
        match read_as_me("x.yml", &cut) {
            Ok(loaded) => prop_assert!(!loaded.warnings.has_errors()),
            Err(wrong) => prop_assert!(wrong.has_errors() && !wrong.render(false).is_empty()),
        }
    }
}
